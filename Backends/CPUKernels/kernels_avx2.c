#include "cpu_kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TABLE sb_kernels_avx2
#define NAME "avx2"
#define VECTOR 8
#include "Kernels/table.h"
#pragma clang attribute pop
#endif
