// One source, compiled once for each level of CPU features: names get the level as a suffix, and vectors its width.
// Sums keep the order that is written and no multiplication is fused with an addition (-ffp-contract=off), so that
// every level gives the same bits, and so does the numba loop that stands in where nothing is compiled.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef LEVEL
#define LEVEL base
#endif
#define JOIN_(name, level) name##_##level
#define JOIN(name, level) JOIN_(name, level)
#define AT_LEVEL(name) JOIN(name, LEVEL)

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
