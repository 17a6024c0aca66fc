// Values as the integers of a file, and what these amount to: see swath.kernels.stored.
#include "level.h"

// Line by line: round((value - offset) / scale) in double, as numpy does it, kept between low and high; gap where a
// value is NaN. Returns how many were outside.
#define DEFINE_STORE(name, type) \
    EXPORT int64_t AT_LEVEL(name)( \
        const float *from, int64_t from_stride, int64_t rows, int64_t width, double scale, double offset, double low, \
        double high, double gap, type *to, int64_t to_stride \
    ) { \
        int64_t outside = 0; \
        for (int64_t row = 0; row < rows; row++, from += from_stride, to += to_stride) { \
            int32_t more = 0; \
            for (int64_t i = 0; i < width; i++) { \
                double step = rint(((double)from[i] - offset) / scale); \
                more += (step < low) | (step > high); \
                step = step < low ? low : step; \
                step = step > high ? high : step; \
                step = step == step ? step : gap; \
                to[i] = (type)(int32_t)step; \
            } \
            outside += more; \
        } \
        return outside; \
    }
DEFINE_STORE(store_u1, uint8_t)
DEFINE_STORE(store_u2, uint16_t)
DEFINE_STORE(store_i2, int16_t)

// found: number of pixels that are not the gap, their smallest and largest number, sum, and sum of squares. Runs are
// short enough for the sums of a run in 32 bits.
enum { RUN = 4096 };
#define DEFINE_TALLY(name, type) \
    EXPORT void AT_LEVEL(name)(const type *from, int64_t count, int64_t gap, int64_t *found) { \
        const int32_t none = (int32_t)gap; \
        int64_t valid = 0, total = 0; \
        uint64_t squares = 0; \
        int32_t least = INT32_MAX, most = INT32_MIN; \
        for (int64_t first = 0; first < count; first += RUN) { \
            const int64_t last = first + RUN < count ? first + RUN : count; \
            int32_t there = 0, sum = 0; \
            for (int64_t i = first; i < last; i++) { \
                const int32_t number = from[i], is = -(number != none); \
                const int32_t low = (is & number) | (~is & INT32_MAX), high = (is & number) | (~is & INT32_MIN); \
                there -= is; \
                sum += is & number; \
                least = low < least ? low : least; \
                most = high > most ? high : most; \
            } \
            for (int64_t i = first; i < last; i++) { \
                const int32_t number = from[i]; \
                const uint32_t counted = (uint32_t)(-(number != none) & number); \
                squares += counted * counted; \
            } \
            valid += there; \
            total += sum; \
        } \
        found[0] = valid; found[1] = least; found[2] = most; found[3] = total; found[4] = (int64_t)squares; \
    }
DEFINE_TALLY(tally_u1, uint8_t)
DEFINE_TALLY(tally_u2, uint16_t)
DEFINE_TALLY(tally_i2, int16_t)

// Sum and count the numbers in squares of `step` pixels; a line has ceil(width / step) of them. `line` has 2 * width
// numbers of 32 bits: squares of up to 32767 lines cannot overflow them.
#define DEFINE_SQUARES(name, type) \
    EXPORT void AT_LEVEL(name)( \
        const type *from, int64_t height, int64_t width, int64_t gap, int64_t step, int64_t *total, int64_t *count, \
        int32_t *line \
    ) { \
        const int32_t none = (int32_t)gap; \
        int32_t *sums = line, *seen = line + width; \
        for (int64_t top = 0; top < height; top += step) { \
            const int64_t bottom = top + step < height ? top + step : height; \
            memset(line, 0, 2 * (size_t)width * sizeof *line); \
            for (int64_t row = top; row < bottom; row++) \
                for (int64_t i = 0; i < width; i++) { \
                    const int32_t number = from[row * width + i]; \
                    sums[i] += number != none ? number : 0; \
                    seen[i] += number != none; \
                } \
            for (int64_t left = 0; left < width; left += step, total++, count++) { \
                const int64_t right = left + step < width ? left + step : width; \
                int64_t sum = 0, there = 0; \
                for (int64_t i = left; i < right; i++) { \
                    sum += sums[i]; \
                    there += seen[i]; \
                } \
                *total = sum; \
                *count = there; \
            } \
        } \
    }
DEFINE_SQUARES(squares_u1, uint8_t)
DEFINE_SQUARES(squares_u2, uint16_t)
DEFINE_SQUARES(squares_i2, int16_t)
