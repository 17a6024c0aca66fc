// Seasonally weighted averages over columns (time, pixel): see swath.kernels.swag for the equations.
#include "vectors.h"

enum { HALVES = 2, WIDTH = LANES * HALVES };

// Sums of WIDTH pixels: the weighted values, then the weights.
typedef struct { vec value[HALVES], weight[HALVES]; } sums;

// Age the sums of one season by a year and add a row to them; all bits of the result are 0 without a gap.
static inline mask take(const float *row, float rho, sums *year) {
    mask gaps = {0};
    for (int h = 0; h < HALVES; h++) {
        const vec x = load(row + h * LANES);
        const mask clear = is_clear(x);
        year->value[h] = rho * year->value[h] + (vec)(clear & (mask)x);
        year->weight[h] = rho * year->weight[h] + (vec)(clear & (mask)splat(1.0f));
        gaps |= ~clear;
    }
    return gaps;
}

static inline int any(mask m) {
    int64_t parts[VECTOR_BYTES / 8], all = 0;
    memcpy(parts, &m, sizeof m);
    for (int i = 0; i < VECTOR_BYTES / 8; i++) all |= parts[i];
    return all != 0;
}

// Weigh three seasons of one year, from a slot on (step 1) or back (step -1); those beyond the last count nothing.
static inline __attribute__((always_inline)) sums add_three(
    const sums *ring, int64_t *slot, int step, const float *taps, int64_t count, int64_t season
) {
    const sums *part[3];
    float weight[3];
    for (int j = 0; j < 3; j++) {
        part[j] = ring + *slot;
        weight[j] = j < count ? taps[j] : 0.0f;
        *slot += step;
        *slot = *slot >= season ? 0 : *slot < 0 ? season - 1 : *slot;
    }
    sums out;
    for (int h = 0; h < HALVES; h++) {
        out.value[h] = (weight[0] * part[0]->value[h] + weight[1] * part[1]->value[h])
            + weight[2] * part[2]->value[h];
        out.weight[h] = (weight[0] * part[0]->weight[h] + weight[1] * part[1]->weight[h])
            + weight[2] * part[2]->weight[h];
    }
    return out;
}

// Weigh all seasons of one year: three at a time, as the numba loop does.
static inline __attribute__((always_inline)) sums add_taps(
    const sums *ring, int64_t slot, int step, const float *taps, int64_t season
) {
    sums out = add_three(ring, &slot, step, taps, season, season);
    for (int64_t k = 3; k < season; k += 3) {
        const sums more = add_three(ring, &slot, step, taps + k, season - k, season);
        for (int h = 0; h < HALVES; h++) {
            out.value[h] += more.value[h];
            out.weight[h] += more.weight[h];
        }
    }
    return out;
}

static inline __attribute__((always_inline)) void fill_block(
    const float *series, int64_t stride, float *filled, float *quality, int64_t out_stride, int64_t times,
    int64_t season, const float *taps, float rho, float future, const float *largest, sums *ring, sums *ahead
) {
    const vec all = splat(100.0f);
    memset(ring, 0, (size_t)season * sizeof *ring);
    int64_t slot = times % season;
    for (int64_t i = times - 1; i >= 0; i--) {
        slot = slot ? slot - 1 : season - 1;
        if (any(take(series + i * stride, rho, ring + slot))) ahead[i] = add_taps(ring, slot, 1, taps, season);
    }
    memset(ring, 0, (size_t)season * sizeof *ring);
    slot = -1;
    for (int64_t i = 0; i < times; i++) {
        const float *row = series + i * stride;
        float *target = filled + i * out_stride, *grade = quality + i * out_stride;
        slot = slot + 1 < season ? slot + 1 : 0;
        if (!any(take(row, rho, ring + slot))) {
            for (int h = 0; h < HALVES; h++) {
                store(target + h * LANES, load(row + h * LANES));
                store(grade + h * LANES, all);
            }
            continue;
        }
        const sums past = add_taps(ring, slot, -1, taps, season);
        for (int h = 0; h < HALVES; h++) {
            const vec x = load(row + h * LANES);
            const mask clear = is_clear(x);
            const vec weight = past.weight[h] + future * ahead[i].weight[h];
            const vec value = (past.value[h] + future * ahead[i].value[h]) / weight;
            vec share = 100.0f * weight / largest[i];
            share = choose(share < all, share, all);
            share = choose(weight > 0.0f, share, splat(NAN));
            store(target + h * LANES, choose(clear, x, choose(weight > 0.0f, value, splat(NAN))));
            store(grade + h * LANES, choose(clear, all, share));
        }
    }
}

EXPORT int64_t AT_LEVEL(swag_scratch)(int64_t times, int64_t season) {
    return (int64_t)sizeof(sums) * (times + season) + 64 + (int64_t)sizeof(float) * 3 * WIDTH * times;
}

// Fill the pixels begin to end of a series into the pixels from at on; scratch has swag_scratch bytes.
EXPORT void AT_LEVEL(swag)(
    const float *series, int64_t stride, int64_t begin, int64_t end, int64_t at, float *filled, float *quality,
    int64_t out_stride, int64_t times, int64_t season, const float *taps, float rho, float future,
    const float *largest, char *scratch
) {
    sums *ring = (sums *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *ahead = ring + season;
    float *padded = (float *)(ahead + times), *out = padded + times * WIDTH, *grade = out + times * WIDTH;
    for (int64_t p = begin; p < end; p += WIDTH) {
        const int64_t to = at + p - begin, width = end - p;
        if (width >= WIDTH) {
            if (season == 6)  // a constant lets the compiler unroll the taps: Landsat every two months
                fill_block(series + p, stride, filled + to, quality + to, out_stride, times, 6, taps, rho, future,
                           largest, ring, ahead);
            else
                fill_block(series + p, stride, filled + to, quality + to, out_stride, times, season, taps, rho,
                           future, largest, ring, ahead);
            continue;
        }
        for (int64_t i = 0; i < times; i++) {
            memset(padded + i * WIDTH, 0, sizeof(float) * WIDTH);
            memcpy(padded + i * WIDTH, series + i * stride + p, sizeof(float) * (size_t)width);
        }
        fill_block(padded, WIDTH, out, grade, WIDTH, times, season, taps, rho, future, largest, ring, ahead);
        for (int64_t i = 0; i < times; i++) {
            memcpy(filled + i * out_stride + to, out + i * WIDTH, sizeof(float) * (size_t)width);
            memcpy(quality + i * out_stride + to, grade + i * WIDTH, sizeof(float) * (size_t)width);
        }
    }
}
