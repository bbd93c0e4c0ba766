#include "fft_kernels.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define TABLE sb_fft_kernels_avx2
#define WIDTH 8
#include "fft_kernels_template.h"
#pragma clang attribute pop
#endif
