#include "small_products.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>

static switchback_sgemm *product;

enum { ROWS = 4, COLUMNS = 4, LANES = 16, DEPTH = 1024 };

/* Neighbours of two vectors, added up: 0 and 1, 2 and 3, and so on, in each quarter. */
__attribute__((target("avx512f"))) static inline __m512 pairs(__m512 x, __m512 y) {
  return _mm512_add_ps(_mm512_shuffle_ps(x, y, 0x88), _mm512_shuffle_ps(x, y, 0xdd));
}

/* The lanes of four vectors added up, each by neighbours: 0 and 1, these and 2 and 3, and so on. */
__attribute__((target("avx512f"))) static inline __m128 sums_by_neighbours(const __m512 lanes[COLUMNS]) {
  const __m512 quarters = pairs(pairs(lanes[0], lanes[1]), pairs(lanes[2], lanes[3]));
  return _mm_add_ps(
    _mm_add_ps(_mm512_castps512_ps128(quarters), _mm512_extractf32x4_ps(quarters, 1)),
    _mm_add_ps(_mm512_extractf32x4_ps(quarters, 2), _mm512_extractf32x4_ps(quarters, 3)));
}

/* The same by halves: 0 and 8, these and 4 and 12, and so on. */
__attribute__((target("avx512f"))) static inline __m128 sums_by_halves(const __m512 lanes[COLUMNS]) {
  return _mm_setr_ps(
    _mm512_reduce_add_ps(lanes[0]), _mm512_reduce_add_ps(lanes[1]), _mm512_reduce_add_ps(lanes[2]),
    _mm512_reduce_add_ps(lanes[3]));
}

/* At most 4 columns of c ← alpha·a·b + beta·c, row-major. Each element is a sum of 16 sums along k. They are added up as
 * OpenBLAS adds them, to the same bits: by neighbours in its blocks of 4 rows or of 4 columns, by halves in the corner that
 * remains. */
__attribute__((target("avx512f,avx512vl,fma"))) static void few_columns(
  int m, int n, int k, float alpha, const float *a, size_t lda, const float *b, size_t ldb, float beta, float *c,
  size_t ldc) {
  /* The columns of b, one behind the other: what OpenBLAS allocates memory for. */
  float copies[COLUMNS][DEPTH];
  const __mmask8 stored = (__mmask8)((1u << n) - 1);
  for (int row = 0; row < m; row += ROWS) {
    const int rows = m - row < ROWS ? m - row : ROWS;
    const float *from[ROWS];
    for (int i = 0; i < ROWS; i++) from[i] = a + (size_t)(row + (i < rows ? i : 0)) * lda;
    __m512 sums[ROWS][COLUMNS] = {0};
    for (int start = 0; start < k; start += DEPTH) {
      const int depth = k - start < DEPTH ? k - start : DEPTH;
      if (row == 0 || k > DEPTH)
        for (int column = 0; column < n; column++)
          for (int p = 0; p < depth; p++) copies[column][p] = b[(size_t)(start + p) * ldb + column];
      for (int p = 0; p < depth; p += LANES) {
        const __mmask16 lanes = (__mmask16)(depth - p < LANES ? (1u << (depth - p)) - 1 : 0xffff);
        __m512 factors[COLUMNS];
        for (int j = 0; j < COLUMNS; j++) factors[j] = _mm512_maskz_loadu_ps(lanes, copies[j < n ? j : 0] + p);
        for (int i = 0; i < ROWS; i++) {
          const __m512 x = _mm512_maskz_loadu_ps(lanes, from[i] + start + p);
          for (int j = 0; j < COLUMNS; j++) sums[i][j] = _mm512_fmadd_ps(x, factors[j], sums[i][j]);
        }
      }
    }
    const int is_corner = rows < ROWS && n < COLUMNS;
    for (int i = 0; i < rows; i++) {
      float *to = c + (size_t)(row + i) * ldc;
      const __m128 all = is_corner ? sums_by_halves(sums[i]) : sums_by_neighbours(sums[i]);
      __m128 result = _mm_mul_ps(_mm_set1_ps(alpha), all);
      if (beta != 0) result = _mm_fmadd_ps(_mm_set1_ps(beta), _mm_maskz_loadu_ps(stored, to), result);
      _mm_mask_storeu_ps(to, stored, result);
    }
  }
}

/* OpenBLAS copies the 1 to 8 columns that remain behind blocks of 16 into memory that it allocates, where neither operand
 * is transposed, k is at least 32 and m·n·k at most 100³. */
static void without_allocation(
  int layout, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda,
  const float *b, int ldb, float beta, float *c, int ldc) {
  enum { ROW_MAJOR = 101, PLAIN = 111, BLOCK = 16 };
  const int rest = n % BLOCK;
  const int allocates = layout == ROW_MAJOR && transpose_a == PLAIN && transpose_b == PLAIN && rest >= 1 && rest <= 8 &&
    k >= 32 && (double)m * n * k <= 100.0 * 100 * 100;
  for (int column = allocates ? n - rest : n; column < n; column += COLUMNS)
    few_columns(
      m, n - column < COLUMNS ? n - column : COLUMNS, k, alpha, a, (size_t)lda, b + column, (size_t)ldb, beta, c + column,
      (size_t)ldc);
  if (!allocates || n > rest)
    product(
      layout, transpose_a, transpose_b, m, allocates ? n - rest : n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

switchback_sgemm *switchback_sgemm_without_allocation(switchback_sgemm *sgemm, const char *core) {
  static const char *const cores[] = {"SkylakeX", "Cooperlake", "SapphireRapids"};
  for (size_t i = 0; i < sizeof cores / sizeof *cores; i++)
    if (strcmp(core, cores[i]) == 0) {
      product = sgemm;
      return without_allocation;
    }
  return sgemm;
}
#else
switchback_sgemm *switchback_sgemm_without_allocation(switchback_sgemm *sgemm, const char *core) {
  (void)core;
  return sgemm;
}
#endif
