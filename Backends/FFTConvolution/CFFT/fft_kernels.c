#include "fft_kernels.h"

#include <stddef.h>
#include <string.h>

#define TABLE sb_fft_kernels_baseline
#define WIDTH 8
#include "fft_kernels_template.h"

#if defined(__x86_64__)
extern const sb_fft_kernels sb_fft_kernels_avx2, sb_fft_kernels_avx512;
#endif

const sb_fft_kernels *sb_fft_kernels_named(const char *name) {
#if defined(__x86_64__)
  if (strcmp(name, "avx512") == 0) return &sb_fft_kernels_avx512;
  if (strcmp(name, "avx2") == 0) return &sb_fft_kernels_avx2;
#endif
  return &sb_fft_kernels_baseline;
}
