#include "cpu_kernels.h"

#include <stddef.h>

extern const sb_kernels sb_kernels_baseline;
#if defined(__x86_64__)
extern const sb_kernels sb_kernels_avx512, sb_kernels_avx2;
#endif

const sb_kernels *sb_kernels_for_this_cpu(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl"))
    return &sb_kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &sb_kernels_avx2;
#endif
  return &sb_kernels_baseline;
}
