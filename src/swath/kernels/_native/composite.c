// Composites over columns (time, pixel), a block of pixels side by side at a time: see swath.kernels.composite.
#include "vectors.h"

enum { WIDTH = 64, PARTS = WIDTH / LANES };
enum { SUM, MEAN, COUNT, MIN, MAX };

// Values of a block and time: where they lie, or with gaps behind them where the block is short.
static inline const float *row_of(const float *row, int64_t width, float *padded) {
    if (width == WIDTH) return row;
    for (int p = 0; p < WIDTH; p++) padded[p] = NAN;
    memcpy(padded, row, (size_t)width * sizeof *row);
    return padded;
}

// Copy a time of a block, infinite where a value is not clear, and count the clear ones.
static inline void take(const float *row, float *target, mask *seen) {
    for (int h = 0; h < PARTS; h++) {
        const vec x = load(row + h * LANES);
        const mask clear = is_clear(x);
        store(target + h * LANES, choose(clear, x, splat(INFINITY)));
        seen[h] -= clear;
    }
}

static inline void put_in_order(float *low, float *high) {
    for (int h = 0; h < PARTS; h++, low += LANES, high += LANES) {
        const vec a = load(low), b = load(high);
        const mask less = a < b;
        store(low, choose(less, a, b));
        store(high, choose(less, b, a));
    }
}

// Interpolate between the two ranks around a fraction of the clear values, as numpy's method `linear`.
static inline void at_fraction(const float *rows, int64_t size, const mask *seen, double fraction, float *out) {
    int32_t count[WIDTH], below[WIDTH], above[WIDTH];
    float low[WIDTH], high[WIDTH];
    double rest[WIDTH];
    memcpy(count, seen, sizeof count);
    for (int p = 0; p < WIDTH; p++) {
        const double position = fraction * (count[p] - 1);
        below[p] = (int32_t)position;
        rest[p] = position - below[p];
        above[p] = below[p] + (below[p] + 1 < count[p]);
    }
    for (int h = 0; h < PARTS; h++) {
        mask first, second;
        memcpy(&first, below + h * LANES, sizeof first);
        memcpy(&second, above + h * LANES, sizeof second);
        vec lower = {0}, upper = {0};
        for (int64_t rank = 0; rank < size; rank++) {
            const vec x = load(rows + rank * WIDTH + h * LANES);
            lower = choose(first == (int32_t)rank, x, lower);
            upper = choose(second == (int32_t)rank, x, upper);
        }
        store(low + h * LANES, lower);
        store(high + h * LANES, upper);
    }
    for (int p = 0; p < WIDTH; p++) {
        const double from = low[p], to = high[p], up = from + (to - from) * rest[p];
        const double down = to - (to - from) * (1.0 - rest[p]);
        const float value = (float)(rest[p] < 0.5 ? up : down);
        out[p] = count[p] ? value : NAN;
    }
}

// Write a quantile of each group; `pairs` are the steps of the groups' sorting networks, `rows` has WIDTH floats for
// each member of the largest group.
EXPORT void AT_LEVEL(reduce_ranks)(
    const float *series, int64_t stride, int64_t begin, int64_t end, int64_t at, const int64_t *order,
    const int64_t *starts, int64_t groups, const int64_t *pairs, const int64_t *pair_starts, double fraction,
    float *out, int64_t out_stride, float *rows
) {
    float padded[WIDTH], found[WIDTH];
    for (int64_t first = begin; first < end; first += WIDTH) {
        const int64_t width = end - first < WIDTH ? end - first : WIDTH;
        for (int64_t group = 0; group < groups; group++) {
            const int64_t *members = order + starts[group], size = starts[group + 1] - starts[group];
            mask seen[PARTS] = {0};
            for (int64_t k = 0; k < size; k++)
                take(row_of(series + members[k] * stride + first, width, padded), rows + k * WIDTH, seen);
            for (int64_t step = pair_starts[group]; step < pair_starts[group + 1]; step++)
                put_in_order(rows + pairs[2 * step] * WIDTH, rows + pairs[2 * step + 1] * WIDTH);
            at_fraction(rows, size, seen, fraction, found);
            memcpy(out + group * out_stride + at + first - begin, found, (size_t)width * sizeof *out);
        }
    }
}

// Reduce one group of a block: the smallest and largest as floats, sums in double.
static inline __attribute__((always_inline)) void reduce(
    const float *series, int64_t stride, const int64_t *members, int64_t size, int64_t width, int code, float *out
) {
    float padded[WIDTH], extreme[WIDTH], number[WIDTH];
    double total[WIDTH] = {0};
    int32_t count[WIDTH];
    mask seen[PARTS] = {0};
    for (int p = 0; p < WIDTH; p++) extreme[p] = INFINITY;
    for (int64_t k = 0; k < size; k++) {
        const float *row = row_of(series + members[k] * stride, width, padded);
        for (int h = 0; h < PARTS; h++) {
            const vec x = load(row + h * LANES), before = load(extreme + h * LANES);
            const mask clear = is_clear(x);
            const vec value = choose(clear, code == MAX ? -x : x, splat(code >= MIN ? INFINITY : 0.0f));
            seen[h] -= clear;
            if (code >= MIN) store(extreme + h * LANES, choose(value < before, value, before));
            else store(number + h * LANES, value);
        }
        if (code <= MEAN)
            for (int p = 0; p < WIDTH; p++) total[p] += (double)number[p];
    }
    memcpy(count, seen, sizeof count);
    for (int p = 0; p < WIDTH; p++) {
        const double sum = code == MEAN ? total[p] / count[p] : total[p];
        const float value = code >= MIN ? (code == MAX ? -extreme[p] : extreme[p]) : (float)sum;
        number[p] = code == COUNT ? (float)count[p] : count[p] ? value : NAN;
    }
    memcpy(out, number, (size_t)width * sizeof *out);
}

// Write the sum, mean, count, minimum or maximum of each group.
EXPORT void AT_LEVEL(reduce_rows)(
    const float *series, int64_t stride, int64_t begin, int64_t end, int64_t at, const int64_t *order,
    const int64_t *starts, int64_t groups, int64_t code, float *out, int64_t out_stride
) {
    for (int64_t first = begin; first < end; first += WIDTH) {
        const int64_t width = end - first < WIDTH ? end - first : WIDTH;
        for (int64_t group = 0; group < groups; group++) {
            const float *from = series + first;
            const int64_t *members = order + starts[group], size = starts[group + 1] - starts[group];
            float *to = out + group * out_stride + at + first - begin;
            switch (code) {  // a constant in each call: the compiler makes a loop for each
                case SUM: reduce(from, stride, members, size, width, SUM, to); break;
                case MEAN: reduce(from, stride, members, size, width, MEAN, to); break;
                case COUNT: reduce(from, stride, members, size, width, COUNT, to); break;
                case MIN: reduce(from, stride, members, size, width, MIN, to); break;
                default: reduce(from, stride, members, size, width, MAX, to);
            }
        }
    }
}
