// Vectors of floats as wide as a level has them, and which of their values are clear.
#pragma once
#include "level.h"

enum { LANES = VECTOR_BYTES / 4 };

typedef float vec __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t mask __attribute__((vector_size(VECTOR_BYTES)));

static inline vec load(const float *from) { vec v; memcpy(&v, from, sizeof v); return v; }
static inline void store(float *to, vec v) { memcpy(to, &v, sizeof v); }
static inline vec splat(float x) { return x - (vec){0}; }
static inline vec choose(mask where, vec yes, vec no) {
    return (vec)((where & (mask)yes) | (~where & (mask)no));
}
// All bits set where a value is neither NaN nor infinite.
static inline mask is_clear(vec x) {
    const mask bits = (mask)x & 0x7fffffff;
    return bits < 0x7f800000;
}
