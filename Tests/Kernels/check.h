/* What the tests of kernels share: memory whose ends are watched, random operands, results held to Float64.
 *
 * A test says what it is about, makes operands, calls kernels, and expects. Every failed expectation is printed. */
#ifndef SWITCHBACK_CHECK_H
#define SWITCHBACK_CHECK_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu_kernels.h"

/* Bytes of no value that a test expects (as floats: NaN), which end where memory ends: reading or writing beyond ends
 * the program, by AddressSanitizer or a page that may not be touched. `alignment`: what the contract promises of where
 * they begin; behind aligned bytes a few more may follow, at which `release` looks. */
void *bytes(int64_t count, int alignment);
static inline float *floats(int64_t count) { return bytes(4 * count, 4); }
static inline double *doubles(int64_t count) { return memset(bytes(8 * count, 8), 0, 8 * (size_t)count); }
float *uniform(int64_t count, float low, float high);
float *filled(int64_t count, float value);
float *copied(const float *values, int64_t count);
double *widened(const float *values, int64_t count);
/* Gives back all of it. */
void release(void);

/* Of a small generator, the same numbers in each run. */
uint32_t random_word(void);

void about(const char *format, ...) __attribute__((format(printf, 1, 2)));
void expect(int holds, const char *what);
/* The bits that are expected, and NaN for any NaN. */
void expect_same(const char *what, int64_t count, const float *found, const float *expected);
/* Each element within `ulps` units in the last place of itself, and at least of 2^-10 of `scale` or the largest result
 * (`ErrorBound.ulps`). */
void expect_ulps(const char *what, int64_t count, const float *found, const double *exact, double ulps, double scale);
/* The same of units of the largest (`ErrorBound.ulpsOfLargest`). */
void expect_ulps_of_largest(
  const char *what, int64_t count, const float *found, const double *exact, double ulps, double scale);
/* Within 4 ε √terms of all results together (`ErrorBound.accumulation`); what is no number is itself. */
void expect_sums(const char *what, int64_t count, const float *found, const double *exact, double terms);

extern int64_t checks, failures;
/* Whether the first failure is to end the process, in silence. */
extern int is_planted;

void test_convolutions(const sb_kernels *);
void test_products(const sb_kernels *);
void test_pooling(const sb_kernels *);
void test_pooled_gradients(const sb_kernels *);
void test_elementwise(const sb_kernels *);
void test_random_numbers(const sb_kernels *);
void test_reductions(const sb_kernels *);
void test_softmax(const sb_kernels *);
void test_updates(const sb_kernels *);
void test_normalize(const sb_kernels *);
void test_batch_normalization(const sb_kernels *);
void test_recurrences(const sb_kernels *);

#endif
