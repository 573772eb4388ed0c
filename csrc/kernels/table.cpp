// The table of one instruction-set level.
#include "families.h"
#include "simd.h"

#define PYNN_TEXT_OF(x) #x
#define PYNN_TEXT(x) PYNN_TEXT_OF(x)

namespace pynn::PYNN_LEVEL {

template <class T>
static Table<T> filled() {
    Table<T> table = {};
#define PYNN_FILL(family) fill_##family(table);
    PYNN_FAMILIES(PYNN_FILL)
#undef PYNN_FILL
    return table;
}

const Level& get_level();
const Level& get_level() {
    static const Level level = {PYNN_TEXT(PYNN_LEVEL), filled<float>(), filled<double>()};
    return level;
}

}  // namespace pynn::PYNN_LEVEL
