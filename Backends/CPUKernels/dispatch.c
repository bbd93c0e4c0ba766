#include "cpu_kernels.h"

#include <stdlib.h>
#include <string.h>

extern const sb_kernels sb_kernels_baseline;
#if defined(__x86_64__)
extern const sb_kernels sb_kernels_avx512, sb_kernels_avx2;
#endif

const sb_kernels *sb_kernels_for_this_cpu(void) {
  /* At most this set: how the lesser ones are tested on a CPU that has all. */
  const char *limit = getenv("SWITCHBACK_CPU_KERNELS");
  if (limit && strcmp(limit, sb_kernels_baseline.name) == 0) return &sb_kernels_baseline;
#if defined(__x86_64__)
  int below_avx512 = limit && strcmp(limit, sb_kernels_avx2.name) == 0;
  __builtin_cpu_init();
  if (!below_avx512 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &sb_kernels_avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &sb_kernels_avx2;
#endif
  return &sb_kernels_baseline;
}

static int number_of(const char *word, const char *const *words, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(words[i], word) == 0) return i;
  return -1;
}

#define NUMBER_OF(word, ...) \
  static const char *const words[] = {__VA_ARGS__}; \
  return number_of(word, words, (int)(sizeof words / sizeof *words))

int sb_unary_number(const char *word) { NUMBER_OF(word, SB_UNARY_WORDS); }
int sb_arithmetic_number(const char *word) { NUMBER_OF(word, SB_ARITHMETIC_WORDS); }
int sb_comparison_number(const char *word) { NUMBER_OF(word, SB_COMPARISON_WORDS); }
