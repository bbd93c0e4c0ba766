/* The system's OpenBLAS, opened at run time: a missing library is a reason in a row of `switchback backends`. */
#ifndef SWITCHBACK_OPENBLAS_LIBRARY_H
#define SWITCHBACK_OPENBLAS_LIBRARY_H

/* As cblas_sgemm: c ← alpha·op(a)·op(b) + beta·c. */
typedef void switchback_sgemm(
  int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
  const float *b, int ldb, float beta, float *c, int ldc);

typedef struct {
  switchback_sgemm *sgemm;
  /* The same for complex numbers, as cblas_cgemm; alpha and beta point to one. */
  void (*cgemm)(
    int layout, int transpose_a, int transpose_b, int m, int n, int k, const void *alpha, const void *a, int lda,
    const void *b, int ldb, const void *beta, void *c, int ldc);
  /* The kernels it chose, such as SkylakeX. */
  const char *core;
  /* Version and build options. */
  const char *config;
} switchback_openblas;

/* Opens the library once, with one thread and the kernels that this CPU can run; null with a reason where it cannot. */
const switchback_openblas *switchback_openblas_open(const char **reason);

/* Maps the buffers that so many calls at once need; 0 with a reason where the address space has no room for them.
 * OpenBLAS keeps them for all later calls. */
int switchback_openblas_reserve(int workers, const char **reason);

/* The kernels that this CPU deserves: SkylakeX, Haswell, or null where OpenBLAS may choose. */
const char *switchback_openblas_best_core(void);

#endif
