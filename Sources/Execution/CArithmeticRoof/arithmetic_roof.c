#include "arithmetic_roof.h"

#include <stdlib.h>
#include <string.h>

/* As many independent sums as hide the latency of a multiply-add: 4 cycles times 2 units (x86) or 4 units (Arm) at once. 12
   sums and their two factors fit the 16 registers of AVX2. */
#if defined(__aarch64__)
#define SUMS 16
#else
#define SUMS 12
#endif

/* Where numbers come from and results go: no compiler can work them out beforehand, or leave the work out. */
static volatile float sink;

/* A loop over vectors of so many bytes. The factors keep every sum near 1: no infinity, no denormal. */
#define LOOP(name, vector_bytes, attribute) \
  attribute static double name(int64_t rounds) { \
    typedef float vector __attribute__((vector_size(vector_bytes))); \
    vector sums[SUMS], factor = (vector){0} + 0.999f, term = (vector){0} + 0.001f; \
    for (int i = 0; i < SUMS; i++) sums[i] = (vector){0} + sink; \
    for (int64_t round = 0; round < rounds; round++) { \
      _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) sums[i] = sums[i] * factor + term; \
    } \
    for (int i = 0; i < SUMS; i++) sink = sums[i][0]; \
    return 2.0 * SUMS * (vector_bytes / sizeof(float)) * (double)rounds; \
  }

LOOP(run_baseline, 16, )
#if defined(__x86_64__)
LOOP(run_avx2, 32, __attribute__((target("avx2,fma"))))
LOOP(run_avx512, 64, __attribute__((target("avx512f,fma"))))
#endif

typedef struct {
  const char *name;
  double (*run)(int64_t rounds);
} roof;

static roof widest(void) {
#if defined(__x86_64__)
  const char *limit = getenv("SWITCHBACK_CPU_KERNELS");
  int is_baseline = limit && strcmp(limit, "baseline") == 0, is_avx2 = limit && strcmp(limit, "avx2") == 0;
  __builtin_cpu_init();
  /* The same features that the kernels ask for. */
  if (!is_baseline && !is_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return (roof){"avx512", run_avx512};
  if (!is_baseline && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return (roof){"avx2", run_avx2};
#endif
#if defined(__aarch64__)
  return (roof){"neon", run_baseline};
#else
  return (roof){"baseline", run_baseline};
#endif
}

const char *switchback_roof_instruction_set(void) { return widest().name; }

double switchback_roof_run(int64_t rounds) { return widest().run(rounds); }
