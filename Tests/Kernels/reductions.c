/* Sums, extremes, statistics and the largest element's index: exact where they are, by the definition elsewhere. */
#include "check.h"

static const int counts[] = {0, 1, 7, 16, 33, 1000};
enum { COUNTS = 6 };

static int is_near(double found, double exact) { return fabs(found - exact) <= 1e-12 * (1 + fabs(exact)); }

static void check_sums(const sb_kernels *k, int64_t count) {
  float *x = uniform(count, -1, 1);
  double total = 0, squares = 0;
  for (int64_t e = 0; e < count; e++) total += x[e], squares += (double)x[e] * x[e];
  expect(is_near(k->sum(count, x), total), "sum");
  expect(is_near(k->sum_squares(count, x), squares), "sum_squares");
  int64_t rows = 5;
  float *many = uniform(rows * count, -1, 1), *sums = filled(count, 0.5f), *added = filled(count, 0.5f);
  double *exact = widened(sums, count), *exact_squares = widened(sums, count);
  for (int64_t e = 0; e < rows * count; e++) exact[e % count] += many[e];
  for (int64_t e = 0; e < count; e++) exact_squares[e] += (double)x[e] * x[e];
  k->sum_rows(rows, count, many, sums);
  expect_sums("sum_rows", count, sums, exact, 6);
  k->add_squares(count, x, added);
  expect_sums("add_squares", count, added, exact_squares, 2);
  if (count == 0) return;
  x[count - 1] = NAN;
  expect(k->sum(count, x) != k->sum(count, x) && k->sum_squares(count, x) != k->sum_squares(count, x), "sum of a NaN");
}

static float beating(int sign, float best, float x) {
  return best != best ? best : x != x || sign * x > sign * best ? x : best;
}

static void check_extremes(const sb_kernels *k, int64_t count) {
  for (int sign = -1; sign <= 1; sign += 2)
    for (int has_nan = 0; has_nan < 2; has_nan++) {
      float *x = uniform(count, -9, 9), *y = uniform(count, -9, 9), *expected = copied(y, count);
      float best = sign > 0 ? 3 : -3;
      if (has_nan && count > 6) x[4] = NAN, y[2] = expected[2] = NAN, x[0] = -INFINITY;
      float found = k->extreme(sign, best, count, x);
      for (int64_t e = 0; e < count; e++) best = beating(sign, best, x[e]), expected[e] = beating(sign, y[e], x[e]);
      expect_same("extreme", 1, &found, &best);
      k->extremes(sign, count, x, y);
      expect_same("extremes", count, y, expected);
    }
}

static void check_statistics(const sb_kernels *k, int64_t count, int has_odd) {
  float *x = uniform(count, -2, 2);
  for (int64_t e = 0; e < count; e++) x[e] = e % 5 == 2 ? 0 : ldexpf(x[e], (int)(random_word() >> 9) % 60 - 45);
  if (has_odd && count > 6) x[1] = NAN, x[3] = -INFINITY, x[5] = -0.0f, x[6] = 0x1p-140f;
  sb_statistics found = {1, 1, 0.5, 0.25, 0.5, 0.5, 0, 0, 0}, s = found;
  double bins[SB_EXPONENT_BINS], found_bins[SB_EXPONENT_BINS];
  for (int b = 0; b < SB_EXPONENT_BINS; b++) bins[b] = found_bins[b] = b;
  int is_finite = 1;
  for (int64_t e = 0; e < count; e++) {
    s.count++, s.zeros += x[e] == 0, s.nans += x[e] != x[e], s.infinities += isinf(x[e]) != 0;
    if (!isfinite(x[e])) is_finite = 0;
    else {
      s.finite++, s.sum += x[e], s.squares += (double)x[e] * x[e];
      s.low = fmin(s.low, x[e]), s.high = fmax(s.high, x[e]);
    }
    if (!isfinite(x[e]) || x[e] == 0) continue;
    int bin = ilogbf(x[e]) - SB_FIRST_EXPONENT;
    bins[bin < 0 ? 0 : bin >= SB_EXPONENT_BINS ? SB_EXPONENT_BINS - 1 : bin]++;
  }
  k->statistics(count, x, &found);
  expect(
    found.count == s.count && found.finite == s.finite && found.zeros == s.zeros && found.nans == s.nans &&
      found.infinities == s.infinities, "statistics: counts");
  expect(is_near(found.sum, s.sum) && is_near(found.squares, s.squares), "statistics: sums");
  expect(found.low == s.low && found.high == s.high, "statistics: extremes");
  k->exponents(count, x, found_bins);
  expect(memcmp(bins, found_bins, sizeof bins) == 0, "exponents");
  expect(k->all_finite(count, x) == is_finite, "all_finite");
}

static void check_indices(const sb_kernels *k, int64_t outer, int64_t length, int64_t inner) {
  float *x = uniform(outer * length * inner, -2, 2);
  for (int64_t e = 0; e < outer * length * inner; e++) x[e] = e % 23 == 19 ? NAN : rintf(x[e]);
  int32_t *found = bytes(4 * outer * inner, 4), *rows = bytes(4 * outer * inner, 4);
  int are_right = 1, are_rows_right = 1;
  k->argmax_along(outer, length, inner, x, found);
  if (inner == 1) k->argmax(outer, length, x, rows);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) {
      const float *line = x + o * length * inner + i;
      int32_t best = 0;
      for (int32_t a = 1; a < length; a++) {
        float top = line[best * inner], v = line[a * inner];
        if (top == top && (v != v || v > top)) best = a;
      }
      are_right &= found[o * inner + i] == best;
      if (inner == 1) are_rows_right &= rows[o] == best;
    }
  expect(are_right, "argmax_along");
  expect(are_rows_right, "argmax");
}

void test_reductions(const sb_kernels *k) {
  for (int i = 0; i < COUNTS; i++) {
    about("%s, reductions: %d elements", k->name, counts[i]);
    check_sums(k, counts[i]);
    check_extremes(k, counts[i]);
    check_statistics(k, counts[i], 0);
    check_statistics(k, counts[i], 1);
    release();
  }
  static const int extents[][3] = {{1, 1, 1}, {0, 4, 3}, {5, 10, 1}, {3, 7, 5}, {2, 3, 37}, {1, 100, 1}};
  for (int i = 0; i < 6; i++) {
    about("%s, argmax: %d×%d×%d", k->name, extents[i][0], extents[i][1], extents[i][2]);
    check_indices(k, extents[i][0], extents[i][1], extents[i][2]);
    release();
  }
}
