// The table of one instruction-set level.
#include "families.h"
#include "simd.h"

#define PYNN_TEXT_OF(x) #x
#define PYNN_TEXT(x) PYNN_TEXT_OF(x)

namespace pynn::PYNN_LEVEL {

template <class T>
static Table<T> filled() {
    Table<T> table = {};
    fill_activation(table);
    fill_add(table);
    fill_affine(table);
    fill_augment(table);
    fill_batchnorm(table);
    fill_clip(table);
    fill_conv(table);
    fill_dropout(table);
    fill_elementwise_loss(table);
    fill_gate(table);
    fill_gather(table);
    fill_gaussian(table);
    fill_groupnorm(table);
    fill_hierarchical(table);
    fill_hinge(table);
    fill_loss(table);
    fill_max_norm(table);
    fill_maxout(table);
    fill_optimizer(table);
    fill_pool(table);
    fill_prelu(table);
    fill_softmax(table);
    return table;
}

const Level& get_level();
const Level& get_level() {
    static const Level level = {PYNN_TEXT(PYNN_LEVEL), filled<float>(), filled<double>()};
    return level;
}

}  // namespace pynn::PYNN_LEVEL
