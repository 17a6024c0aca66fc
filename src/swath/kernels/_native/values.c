// From stored numbers to values: scale and offset in double, rounded to float, as numpy does in float64; NaN for the
// number that marks a gap and where a pixel is not wanted. `seen` is set where a value is finite.
#include "level.h"

#define DEFINE_VALUES(name, type) \
    EXPORT void AT_LEVEL(name)( \
        const type *from, const uint8_t *good, int64_t has_nodata, double nodata, double scale, double offset, \
        float *to, uint8_t *seen, int64_t count \
    ) { \
        const type gap = has_nodata ? (type)nodata : (type)0; \
        for (int64_t i = 0; i < count; i++) { \
            const float value = (float)((double)from[i] * scale + offset); \
            const int wanted = good[i] & !(has_nodata & (from[i] == gap)); \
            to[i] = wanted ? value : NAN; \
            seen[i] |= wanted & (value - value == 0.0f); \
        } \
    }
DEFINE_VALUES(values_u1, uint8_t)
DEFINE_VALUES(values_i1, int8_t)
DEFINE_VALUES(values_u2, uint16_t)
DEFINE_VALUES(values_i2, int16_t)
DEFINE_VALUES(values_u4, uint32_t)
DEFINE_VALUES(values_i4, int32_t)
DEFINE_VALUES(values_f4, float)
DEFINE_VALUES(values_f8, double)
