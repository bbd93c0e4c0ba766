/* The system's FFTW in single precision, opened at run time: a missing library is a reason in `switchback backends`. */
#ifndef SWITCHBACK_FFT_LIBRARY_H
#define SWITCHBACK_FFT_LIBRARY_H

#include <stdint.h>

enum { SB_FFT_FORWARD = -1, SB_FFT_INVERSE = 1 };

typedef struct {
  /* "fftw-3.3.10-sse2-avx-avx2", as the library states it. */
  const char *version;
  /* Transforms in place; from any thread. */
  void (*execute)(const void *plan, float *data);
} switchback_fftw;

/* Opens the library once; null with a reason where it cannot. */
const switchback_fftw *switchback_fftw_open(const char **reason);

/* Transforms of `length` complex numbers, in place: element i of transform (j, k) lies at i·stride + j + k·distance,
 * where j < count and k < outer. */
typedef struct {
  int length, stride, count, outer, distance, sign;
} switchback_fftw_shape;

/* A plan; `data` is 64-byte aligned memory that planning may overwrite. Planning measures for at most `seconds`. All of
 * FFTW but execute stands behind one lock. Plans live as long as the process, and equal shapes have one plan, so that
 * equal programs have equal bits. The fingerprint covers what was planned. Null where there is no memory. */
const void *switchback_fftw_plan(
  const switchback_fftw_shape *, double seconds, float *data, uint64_t *fingerprint);

/* What planning has learned, as text for free(). */
char *switchback_fftw_wisdom(void);
/* Whether the text was wisdom of this library. */
int switchback_fftw_learn(const char *wisdom);

/* The CPU's model name, or its architecture where the system does not tell. */
const char *switchback_cpu_model(void);

#endif
