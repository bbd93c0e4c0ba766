#include "cpu_kernels.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#define TABLE sb_kernels_avx512
#define NAME "avx512"
#define VECTOR 16
#include "Kernels/table.h"
#pragma clang attribute pop
#endif
