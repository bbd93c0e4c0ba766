#include "cpu_kernels.h"

#include <stdlib.h>
#include <string.h>

extern const sb_kernels sb_kernels_baseline;
#if defined(__x86_64__)
extern const sb_kernels sb_kernels_avx512, sb_kernels_avx2;
#endif

const sb_kernels *sb_kernels_named(const char *name) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (strcmp(name, sb_kernels_avx512.name) == 0 && __builtin_cpu_supports("avx512f") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return &sb_kernels_avx512;
  if (strcmp(name, sb_kernels_avx2.name) == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return &sb_kernels_avx2;
#endif
  return strcmp(name, sb_kernels_baseline.name) == 0 ? &sb_kernels_baseline : NULL;
}

const sb_kernels *sb_kernels_for_this_cpu(void) {
  /* At most this set: how the lesser ones are tested on a CPU that has all. */
  const char *limit = getenv("SWITCHBACK_CPU_KERNELS");
  static const char *const names[] = {"avx512", "avx2", "baseline"};
  int is_below = !limit || (strcmp(limit, "avx2") != 0 && strcmp(limit, "baseline") != 0);
  for (int i = 0; i < 3; i++) {
    is_below |= limit && strcmp(limit, names[i]) == 0;
    const sb_kernels *kernels = is_below ? sb_kernels_named(names[i]) : NULL;
    if (kernels) return kernels;
  }
  return &sb_kernels_baseline;
}

const sb_convolution_variant *sb_convolution_choice(
  const sb_kernels *kernels, int pass, const sb_convolution *g, const char *forced, int is_strict) {
  if (forced && strcmp(forced, "im2col") == 0) return NULL;
  const sb_convolution_variant *all = kernels->convolution[pass];
  for (const sb_convolution_variant *v = all; forced && v->name; v++)
    if (strcmp(v->name, forced) == 0 && v->takes(g)) return v;
  for (const sb_convolution_variant *v = all; v->name; v++)
    if (v->takes(g) && v->leads(g) && !(is_strict && v->error_factor > 1)) return v;
  return NULL;
}

const char *sb_forced_convolution(void) { return getenv("SWITCHBACK_CONVOLUTION"); }

int sb_is_convolution(const sb_kernels *kernels, const char *name) {
  for (int pass = 0; pass < 3; pass++)
    for (const sb_convolution_variant *v = kernels->convolution[pass]; v->name; v++)
      if (strcmp(v->name, name) == 0) return 1;
  return strcmp(name, "im2col") == 0;
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
