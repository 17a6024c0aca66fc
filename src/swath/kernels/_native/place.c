// From a decompressed block of a TIFF file to its place in an array: the predictor undone and the pixels placed in one
// pass. A block is `rows` lines of `width` pixels of `samples` numbers each, in the byte order of this machine.
#include "level.h"

// Predictor 2 stores differences to the pixel before: sums wrap around, as the differences did.
#define DEFINE_SUM(name, type) \
    static void name(const type *from, type *to, int64_t samples, int64_t skip, int64_t count) { \
        type sum = 0; \
        for (int64_t i = 0; i < skip; i++) sum = (type)(sum + from[i * samples]); \
        from += skip * samples; \
        if (samples == 1) \
            for (int64_t i = 0; i < count; i++) to[i] = sum = (type)(sum + from[i]); \
        else \
            for (int64_t i = 0; i < count; i++) to[i] = sum = (type)(sum + from[i * samples]); \
    }
DEFINE_SUM(sum1, uint8_t)
DEFINE_SUM(sum2_plain, uint16_t)
DEFINE_SUM(sum4, uint32_t)
DEFINE_SUM(sum8, uint64_t)

// Sums of eight numbers in three steps, each adding what lies 1, 2 and 4 places before; then what came before them.
static void sum2(const uint16_t *from, uint16_t *to, int64_t samples, int64_t skip, int64_t count) {
#if defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
    if (samples == 1) {
        typedef uint16_t eight __attribute__((vector_size(16)));
        const eight none = {0};
        uint16_t before = 0;
        for (int64_t i = 0; i < skip; i++) before = (uint16_t)(before + from[i]);
        from += skip;
        eight carry = none + before;
        int64_t i = 0;
        for (; i + 8 <= count; i += 8) {
            eight v;
            memcpy(&v, from + i, sizeof v);
            v += __builtin_shufflevector(none, v, 0, 8, 9, 10, 11, 12, 13, 14);
            v += __builtin_shufflevector(none, v, 0, 0, 8, 9, 10, 11, 12, 13);
            v += __builtin_shufflevector(none, v, 0, 0, 0, 0, 8, 9, 10, 11);
            v += carry;
            memcpy(to + i, &v, sizeof v);
            carry = __builtin_shufflevector(v, v, 7, 7, 7, 7, 7, 7, 7, 7);
        }
        uint16_t sum = carry[7];
        for (; i < count; i++) to[i] = sum = (uint16_t)(sum + from[i]);
        return;
    }
#endif
#endif
    sum2_plain(from, to, samples, skip, count);
}

#define DEFINE_COPY(name, type) \
    static void name(const type *from, type *to, int64_t samples, int64_t count) { \
        for (int64_t i = 0; i < count; i++) to[i] = from[i * samples]; \
    }
DEFINE_COPY(copy1, uint8_t)
DEFINE_COPY(copy2, uint16_t)
DEFINE_COPY(copy4, uint32_t)
DEFINE_COPY(copy8, uint64_t)

// Predictor 3 (Adobe TIFF technical note 3) stores the bytes of a line's floats plane by plane, the highest first, as
// differences to the byte `samples` before.
static void join_planes(uint8_t *line, uint8_t *to, int64_t item, int64_t numbers, int64_t samples, int64_t sample,
                        int64_t skip, int64_t count) {
    for (int64_t i = samples; i < item * numbers; i++) line[i] = (uint8_t)(line[i] + line[i - samples]);
    for (int64_t i = 0; i < count; i++)
        for (int64_t b = 0; b < item; b++)
            to[i * item + b] = line[(item - 1 - b) * numbers + (skip + i) * samples + sample];
}

// Place lines first_row:last_row, pixels first:last of one sample. `block` is used up where predictor is 3: its lines
// are summed where they lie, so that each may be placed for one sample only. Returns 0, or 1 for what is not known.
EXPORT int AT_LEVEL(place)(
    uint8_t *block, int64_t width, int64_t samples, int64_t sample, int64_t item, int64_t predictor,
    int64_t first_row, int64_t last_row, int64_t first, int64_t last, uint8_t *to, int64_t stride
) {
    const int64_t line = width * samples * item, count = last - first;
    for (int64_t row = first_row; row < last_row; row++, to += stride) {
        uint8_t *from = block + row * line;
        if (predictor == 3) {
            join_planes(from, to, item, width * samples, samples, sample, first, count);
            continue;
        }
        from += sample * item;
        if (predictor == 1) {
            from += first * samples * item;
            if (samples == 1) memcpy(to, from, (size_t)(count * item));
            else if (item == 1) copy1(from, to, samples, count);
            else if (item == 2) copy2((uint16_t *)from, (uint16_t *)to, samples, count);
            else if (item == 4) copy4((uint32_t *)from, (uint32_t *)to, samples, count);
            else if (item == 8) copy8((uint64_t *)from, (uint64_t *)to, samples, count);
            else return 1;
        } else if (predictor == 2) {
            if (item == 1) sum1(from, to, samples, first, count);
            else if (item == 2) sum2((uint16_t *)from, (uint16_t *)to, samples, first, count);
            else if (item == 4) sum4((uint32_t *)from, (uint32_t *)to, samples, first, count);
            else if (item == 8) sum8((uint64_t *)from, (uint64_t *)to, samples, first, count);
            else return 1;
        } else return 1;
    }
    return 0;
}
