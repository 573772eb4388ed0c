// Start here. A kernel is a function on plain arrays; a family is the kernels that belong together, such as forward and
// backward. Its C++ is kernels/NAME.cpp (arithmetic, compiled once for each instruction-set level and number type) and
// bindings/NAME.cpp (checks the arguments, then calls the level in use: dispatch.h). Its definition is the NumPy twin,
// pynn/kernels/reference/NAME.py; tests/operations/NAME.py tries both against an independent answer and its gradient.
// New family: add NAME to PYNN_FAMILIES and its functions to Table below, write fill_NAME and bind_NAME, import the
// twin in reference/__init__.py, and write the rows of its test. New activation: a name in PYNN_FUNCTIONS or
// PYNN_GATES, its formula in activation.h or gates.h, in the twin and in the rows. Levels (v2, v3, v4 or
// generic) are namespaces, PYNN_LEVEL: nothing inline may be shared between them. simd.h has the vectors, parallel.h
// the threads and their scratch memory; results are the same bits with any number of threads. Arrays are contiguous and
// checked by the bindings; sizes come last. N samples, D inputs, M outputs, C channels or classes. Kernels run with
// subnormal numbers counted as 0 (subnormals.h).
#pragma once
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

namespace pynn {

// The families. Each has one name on four sides: csrc/kernels/NAME.cpp, csrc/bindings/NAME.cpp,
// pynn/kernels/reference/NAME.py and tests/operations/NAME.py.
// clang-format off
#define PYNN_FAMILIES(X) \
    X(activation) X(add) X(affine) X(augment) X(batchnorm) X(clip) X(conv) X(distribution_loss) X(dropout) \
    X(elementwise_loss) X(embedding) X(feature_scale) X(gated_activation) X(gather) X(groupnorm) X(hierarchical) \
    X(hinge) X(max_norm) X(maxout) X(mixed_activation) X(noise) X(optimizer) X(periodic) X(pool) X(prelu) X(softmax)
// clang-format on

using Size = std::ptrdiff_t;

// An enumeration and the names that Python knows its members by, from one list.
#define PYNN_MEMBER(name) name,
#define PYNN_NAME(name) #name,
#define PYNN_COUNT(name) +1
#define PYNN_NAMED_ENUM(Enum, LIST)                                                                                    \
    enum class Enum { LIST(PYNN_MEMBER) };                                                                             \
    inline constexpr std::string_view k##Enum##Names[] = {LIST(PYNN_NAME)};                                            \
    static_assert(std::size(k##Enum##Names) == 0 LIST(PYNN_COUNT), "every member has a name");

// The activations whose gradient follows from their output.
#define PYNN_FUNCTIONS(X) X(identity) X(sigmoid) X(tanh) X(relu) X(leaky_relu) X(elu) X(selu) X(softplus)
PYNN_NAMED_ENUM(Function, PYNN_FUNCTIONS)

// The activations x gate(x), whose gradient needs x.
#define PYNN_GATES(X) X(gelu) X(gelu_tanh) X(silu) X(mish)
PYNN_NAMED_ENUM(Gate, PYNN_GATES)

// The activations of which a share is learned.
#define PYNN_MIXED(X) X(selu) X(mish)
PYNN_NAMED_ENUM(Mixed, PYNN_MIXED)

struct Activation {
    Function function;
    double alpha;  // slope of leaky_relu, alpha of elu
};

// clang-format off
#define PYNN_ELEMENT_LOSSES(X) \
    X(l2) X(l1) X(huber) X(binary_cross_entropy) X(binary_hinge) X(poisson) X(gamma) X(tweedie)
// clang-format on
PYNN_NAMED_ENUM(ElementLoss, PYNN_ELEMENT_LOSSES)

// What a loss returns: the mean over N, and the number of rows whose first largest score stands at their label; with
// weights, the sum of theirs.
struct Loss {
    double value, hits;
};

// The place of an array's random draws in the Philox sequence; its first element takes draw number `offset`.
struct Draw {
    std::uint64_t seed;
    std::uint32_t stream, step;
    std::uint64_t offset;
};

// Of each sample the steps up a tree, 2 node + code, from its class to the root: steps[starts[n]..starts[n + 1]).
struct Paths {
    const std::int64_t* steps;
    const std::int64_t* starts;
};

// Images (N,H,W,C).
struct ImageShape {
    Size n, h, w, c;
};

// What each row of a pooled image sees of the rows, each column of the columns; in order, none empty.
struct Regions {
    const std::int64_t *top, *bottom, *left, *right;
    Size rows, columns;
};

struct BatchNormState {
    double epsilon, momentum;
};

struct AdamSettings {
    double learning_rate, beta1, beta2, epsilon;
    std::int64_t step;
    double weight_decay;
    bool decoupled, bias_correction;
};

struct NadamSettings {
    double gradient_rate, momentum_rate, beta1, beta2, epsilon;
    std::int64_t step;
    double weight_decay;
};

// x(N,H,W,C), weight(KH,KW,G,M) with G = C / groups, out(N,OH,OW,M). Output (i, j) reads the pixels
// (i stride_y + a dilation_y - top, j stride_x + b dilation_x - left) for a in 0..KH-1, b in 0..KW-1, zeros outside x.
struct ConvShape {
    Size n, h, w, c, kh, kw, g, m, oh, ow;
    Size stride_y, stride_x, top, left, dilation_y, dilation_x;
};

template <class T>
struct Table {
    // out(N,M) = f(scale x(N,D) weight(D,M) + bias(M)); bias may be null
    void (*affine_forward)(const T* x, const T* weight, const T* bias, Activation f, T* out, double scale, Size n,
                           Size d, Size m);
    // dz(N,M) = dy f'; dx(N,D) = scale dz weight^T; dweight(D,M) = scale x^T dz; dbias(M) = sum of dz; each of these
    // may be null, dz only where f is the identity
    void (*affine_backward)(const T* dy, const T* x, const T* weight, const T* y, Activation f, T* dz, T* dx,
                            T* dweight, T* dbias, double scale, Size n, Size d, Size m);

    // as affine_forward and affine_backward, of every pixel
    void (*conv2d_forward)(const T* x, const T* weight, const T* bias, ConvShape s, Activation f, T* out);
    void (*conv2d_backward)(const T* dy, const T* x, const T* weight, const T* y, ConvShape s, Activation f, T* dz,
                            T* dx, T* dweight, T* dbias);

    void (*activation_forward)(const T* x, Activation f, T* out, Size size);
    void (*activation_backward)(const T* dy, const T* y, Activation f, T* dx, Size size);

    void (*add)(const T* x, double factor, const T* y, Activation f, T* out, Size size);  // out = f(factor x + y)

    // out = x gate(x); dx = dy (gate(x) + x gate'(x))
    void (*gate_forward)(const T* x, Gate gate, T* out, Size size);
    void (*gate_backward)(const T* dy, const T* x, Gate gate, T* dx, Size size);

    // slope(P): P is 1 (for all columns) or C; dx may be null
    void (*prelu_forward)(const T* x, const T* slope, T* out, Size n, Size c, Size slopes);
    void (*prelu_backward)(const T* dy, const T* x, const T* slope, T* dx, T* dslope, Size n, Size c, Size slopes);

    // out(N,C) = x scale(C); dx(N,C), which may be null, = dy scale; dscale(C) = sum of dy x over N
    void (*scale_forward)(const T* x, const T* scale, T* out, Size n, Size c);
    void (*scale_backward)(const T* dy, const T* x, const T* scale, T* dx, T* dscale, Size n, Size c);

    // out(N,C) = x + mix(C) (f(x) - x); dx(N,C), which may be null, = dy (1 + mix (f' - 1)); dmix(C) = sum of
    // dy (f(x) - x) over N
    void (*mixed_forward)(const T* x, const T* mix, Mixed f, T* out, Size n, Size c);
    void (*mixed_backward)(const T* dy, const T* x, const T* mix, Mixed f, T* dx, T* dmix, Size n, Size c);

    // out(N,C,M): rows of the table that codes(N,C) stand for; column c has sizes[c] rows, after those of the columns
    // before it. Returns the place of the first code that is none, -1 for no such
    Size (*embedding_forward)(const T* codes, const std::int64_t* sizes, const T* weight, T* out, Size n, Size c,
                              Size m);
    Size (*embedding_backward)(const T* dy, const T* codes, const std::int64_t* sizes, T* dweight, Size n, Size c,
                               Size m);

    // out(N,D,C+1): the linear map weight(D,M,C), bias(D,C) of the cosines of x(N,D) by frequency(D,M), phase(D,M), and
    // x; each gradient may be null
    void (*periodic_forward)(const T* x, const T* frequency, const T* phase, const T* weight, const T* bias, T* out,
                             Size n, Size d, Size m, Size c);
    void (*periodic_backward)(const T* dy, const T* x, const T* frequency, const T* phase, const T* weight, T* dx,
                              T* dfrequency, T* dphase, T* dweight, T* dbias, Size n, Size d, Size m, Size c);

    // out(N,M) = largest of z(N,pieces,M), winner(N,M) the number of that piece
    void (*maxout_forward)(const T* z, Size pieces, T* winner, T* out, Size n, Size m);
    void (*maxout_backward)(const T* dy, const T* winner, Size pieces, T* dz, Size n, Size m);

    // out(N,P,Q,C) over regions of x(N,H,W,C); winner(N,P,Q,C): number of the largest place in its region, row by row
    void (*max_pool_forward)(const T* x, Regions regions, T* winner, T* out, ImageShape shape);
    void (*max_pool_backward)(const T* dy, const T* winner, Regions regions, T* dx, ImageShape shape);
    void (*avg_pool_forward)(const T* x, Regions regions, T* out, ImageShape shape);
    void (*avg_pool_backward)(const T* dy, Regions regions, T* dx, ImageShape shape);

    void (*batchnorm_forward)(const T* x, const T* gamma, const T* beta, BatchNormState s, T* running_mean,
                              T* running_var, Activation f, T* mean, T* rstd, T* out, Size n, Size c);
    void (*batchnorm_backward)(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean, const T* rstd,
                               Activation f, T* dx, T* dgamma, T* dbeta, Size n, Size c);  // dx may be null
    void (*batchnorm_inference)(const T* x, const T* gamma, const T* beta, const T* mean, const T* var, double epsilon,
                                Activation f, T* out, Size n, Size c);
    void (*batchnorm_inference_backward)(const T* dy, const T* x, const T* gamma, const T* beta, const T* mean,
                                         const T* var, double epsilon, Activation f, T* dx, Size n, Size c);

    // x(N,P,C): P places, G groups of C/G channels; mean(N,G), rstd(N,G); dx may be null
    void (*groupnorm_forward)(const T* x, const T* gamma, const T* beta, double epsilon, T* mean, T* rstd, T* out,
                              Size n, Size places, Size channels, Size groups);
    void (*groupnorm_backward)(const T* dy, const T* x, const T* gamma, const T* mean, const T* rstd, T* dx, T* dgamma,
                               T* dbeta, Size n, Size places, Size channels, Size groups);

    // an element is dropped where its 16-bit draw is below threshold, else multiplied by scale
    void (*dropout)(const T* x, unsigned threshold, double scale, Draw draw, T* out, Size size);
    // the same for whole channels of x(N,P,C), P places
    void (*spatial_dropout)(const T* x, unsigned threshold, double scale, Draw draw, T* out, Size n, Size p, Size c);
    // out = x + deviation * normal numbers
    void (*gaussian_noise)(const T* x, double deviation, Draw draw, T* out, Size size);

    void (*softmax)(const T* x, T* out, Size n, Size c);
    void (*softmax_backward)(const T* dy, const T* y, T* dx, Size n, Size c);
    // losses and their gradients; weights(N) may be null
    Loss (*softmax_cross_entropy)(const T* logits, const std::int64_t* labels, const T* weights, double smoothing,
                                  T* dlogits, Size n, Size c);
    Loss (*focal)(const T* logits, const std::int64_t* labels, const T* weights, double gamma, T* dlogits, Size n,
                  Size c);
    Loss (*hinge)(const T* scores, const std::int64_t* labels, const T* weights, double margin, bool squared,
                  T* dscores, Size n, Size c);
    // delta of huber, power of tweedie
    double (*elementwise_loss)(const T* outputs, const T* targets, const T* weights, ElementLoss loss, double delta,
                               T* doutputs, Size n, Size m);
    // outputs(N,M): one for each of the q levels of each of the M/q targets of a row, levels last
    double (*pinball)(const T* outputs, const T* targets, const T* levels, const T* weights, T* doutputs, Size n,
                      Size m, Size q);
    // outputs(N,M): the M/2 means of a row, then the logarithms of their variances
    double (*gaussian_nll)(const T* outputs, const T* targets, const T* weights, T* doutputs, Size n, Size m);

    // a tree of m nodes and m + 1 classes; slopes(N,B): of each step, 0 behind the last; bias, dbias, weights may be
    // null
    double (*hierarchical_softmax)(const T* x, Paths paths, const T* nodes, const T* bias, const T* weights, T* slopes,
                                   T* dx, Size n, Size d, Size b);
    void (*hierarchical_softmax_backward)(const T* x, Paths paths, const T* slopes, T* dnodes, T* dbias, Size n, Size d,
                                          Size m, Size b);
    // children(2M): place of each side of each node, a class or m + 1 + node; labels(N): -1 beyond `limit` nodes
    void (*hierarchical_softmax_predict)(const T* x, const std::int64_t* children, const T* nodes, const T* bias,
                                         Size limit, std::int64_t* labels, Size n, Size d, Size m);
    void (*hierarchical_softmax_probabilities)(const T* x, const std::int64_t* parents, const T* nodes, const T* bias,
                                               T* out, Size n, Size d, Size m);

    double (*penalty)(const T* weight, double l1, double l2, T* dweight, Size size);
    void (*sgd_step)(T* w, const T* g, double learning_rate, double weight_decay, Size size);
    void (*momentum_step)(T* w, const T* g, T* velocity, double learning_rate, double momentum, double weight_decay,
                          Size size);
    void (*nesterov_step)(T* w, const T* g, T* velocity, double learning_rate, double momentum, double weight_decay,
                          Size size);
    void (*adagrad_step)(T* w, const T* g, T* squares, double learning_rate, double epsilon, double weight_decay,
                         Size size);
    void (*rmsprop_step)(T* w, const T* g, T* squares, double learning_rate, double decay, double epsilon,
                         double weight_decay, Size size);
    void (*adam_step)(T* w, const T* g, T* first, T* second, AdamSettings s, Size size);
    void (*nadam_step)(T* w, const T* g, T* first, T* second, NadamSettings s, Size size);
    void (*lion_step)(T* w, const T* g, T* first, double learning_rate, double beta1, double beta2, double weight_decay,
                      Size size);
    void (*polyak_step)(T* average, const T* w, double decay, Size size);

    double (*norm)(const T* vector, Size size);  // NaN or infinite where a number is
    void (*scale)(T* vector, double factor, Size size);
    void (*clip)(T* vector, double limit, Size size);
    void (*max_norm)(T* weight, double limit, Size d, Size m);  // over the columns of weight(D,M)

    // out(B,D) = x[indices] / divisor
    void (*gather_u8)(const std::uint8_t* x, const std::int64_t* indices, double divisor, T* out, Size b, Size d);
    void (*gather_f32)(const float* x, const std::int64_t* indices, double divisor, T* out, Size b, Size d);
    void (*gather_f64)(const double* x, const std::int64_t* indices, double divisor, T* out, Size b, Size d);

    // out(B,H,W,C) = x[indices] / divisor, read at places that transforms(B,6) gives
    void (*warp_u8)(const std::uint8_t* x, const std::int64_t* indices, double divisor, const T* transforms,
                    bool reflect, T* out, ImageShape shape);
    void (*warp_f32)(const float* x, const std::int64_t* indices, double divisor, const T* transforms, bool reflect,
                     T* out, ImageShape shape);
    void (*warp_f64)(const double* x, const std::int64_t* indices, double divisor, const T* transforms, bool reflect,
                     T* out, ImageShape shape);
    void (*recolour)(T* images, const T* contrast, const T* matrix, const T* offset, Size b, Size p, Size c);
};

struct Level {
    const char* name;
    Table<float> f32;
    Table<double> f64;
};

}  // namespace pynn
