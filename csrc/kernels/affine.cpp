// Affine maps with a fused activation, forward and backward.
#include "activation_backward.h"
#include "families.h"
#include "gemm.h"

namespace pynn::PYNN_LEVEL {
namespace {

template <class T>
void affine_forward(const T* x, const T* weight, const T* bias, Activation f, T* out, double scale, Size n, Size d,
                    Size m) {
    Product<T> product;
    product.m = n, product.n = m, product.k = d;
    product.a = plain(x, d), product.b = plain(weight, m);
    product.out = out, product.out_stride = m;
    product.bias = bias, product.scale = static_cast<T>(scale), product.f = f;
    multiply(product);
}

template <class T>
void backward_of_rows(const T* dy, const T* x, const T* weight, const T* y, Activation f, T* dz, T* dx, T* dweight,
                      T* dbias, double scale, Size n, Size d, Size m) {
    activation_backward_and_sum(dy, y, f, dz, dbias, n, m);
    const T* gradient = dz ? dz : dy;
    Product<T> product;
    product.scale = static_cast<T>(scale);
    if (dweight) {
        product.m = d, product.n = m, product.k = n;
        product.a = transposed(x, d), product.b = plain(gradient, m);
        product.out = dweight, product.out_stride = m;
        multiply(product);
    }
    if (dx) {
        product.m = n, product.n = d, product.k = m;
        product.a = plain(gradient, m), product.b = transposed(weight, m);
        product.out = dx, product.out_stride = d;
        multiply(product);
    }
}

// sums += the parts, in their order.
template <class T>
void add_parts(const T* parts, Size count, Size size, T* sums) {
    parallel_runs(size, 4096, static_cast<double>(count * size), [&](Size begin, Size end) {
        each_vector<T>(begin, end, [&](auto at, Size i) {
            Vec<T> total = at.load(sums + i);
            for (Size part = 0; part < count; ++part) total += at.load(parts + part * size + i);
            at.store(sums + i, total);
        });
    });
}

constexpr double kSliceWork = 4e6;  // multiply-adds: some 30 microseconds of a core
constexpr Size kFewestRows = 32, kMostSlices = 64;

// Into how many slices of rows the way back goes, each with its own part of the sums over rows; 1 for none. Then a core
// reads the rows that it has written: passing dz from core to core takes longer than the products of a small layer.
// Their parts must be few beside the arrays that they save from being passed, and each small enough that a machine of
// many cores would not share it out with profit.
inline Size slices(Size n, Size d, Size m) {
    if (product_work(n, d, m) < kParallelWork || n < 2 * kFewestRows) return 1;
    const double rows = static_cast<double>(n), weights = static_cast<double>(d) * static_cast<double>(m);
    const double wanted = rows * weights / kSliceWork;
    const Size count = wanted < 2 ? 2 : wanted > kMostSlices ? kMostSlices : static_cast<Size>(wanted);
    const double parts = 2 * static_cast<double>(count - 1) * weights;
    return parts <= rows * static_cast<double>(d + m) && n >= kFewestRows * count ? count : 1;
}

template <class T>
void affine_backward(const T* dy, const T* x, const T* weight, const T* y, Activation f, T* dz, T* dx, T* dweight,
                     T* dbias, double scale, Size n, Size d, Size m) {
    const Size count = slices(n, d, m), parts = count - 1;
    if (count == 1) return backward_of_rows(dy, x, weight, y, f, dz, dx, dweight, dbias, scale, n, d, m);
    const Scratch<T> weights(dweight ? parts * d * m : 0), biases(dbias ? parts * m : 0);
    parallel(count, product_work(n, d, m), [&](Size slice) {
        const Size begin = slice * n / count, end = (slice + 1) * n / count;
        const auto own = [&](T* sums, const Scratch<T>& part, Size size) {
            return sums && slice > 0 ? part.get() + (slice - 1) * size : sums;
        };
        backward_of_rows(dy + begin * m, x + begin * d, weight, y + begin * m, f, dz ? dz + begin * m : nullptr,
                         dx ? dx + begin * d : nullptr, own(dweight, weights, d * m), own(dbias, biases, m), scale,
                         end - begin, d, m);
    });
    if (dweight) add_parts(weights.get(), parts, d * m, dweight);
    if (dbias) add_parts(biases.get(), parts, m, dbias);
}

}  // namespace

template <class T>
void fill_affine(Table<T>& table) {
    table.affine_forward = affine_forward<T>;
    table.affine_backward = affine_backward<T>;
}
template void fill_affine(Table<PYNN_REAL>&);

}  // namespace pynn::PYNN_LEVEL
