/* Batch normalization: sums in Float64 by the formula, also far from 0; what is made element by element in the bits of the
 * calls alone. */
#include "check.h"

/* Rows and channels: none, rests of every block and strip, and more than one block. */
static const int sizes[][2] = {{0, 5}, {1, 1}, {1, 33}, {3, 4}, {33, 7}, {64, 64}, {100, 23}, {257, 16}, {31, 1}};

static void check_moments(const sb_kernels *k, int64_t rows, int64_t channels, float middle) {
  float *x = uniform(rows * channels, middle - 1, middle + 1), *scratch = floats(2 * channels);
  double *sums = doubles(channels), *moments = doubles(1 + 2 * channels);
  /* What comes first is added to. */
  int64_t first = rows / 3;
  k->batch_moments(first, channels, x, sums, moments, scratch);
  k->batch_moments(rows - first, channels, x + first * channels, sums, moments, scratch);
  int are_near = moments[0] == rows;
  for (int64_t c = 0; c < channels; c++) {
    double sum = 0, squares = 0;
    for (int64_t r = 0; r < rows; r++) sum += x[r * channels + c];
    const double mean = rows ? sum / rows : 0;
    for (int64_t r = 0; r < rows; r++) squares += (x[r * channels + c] - mean) * (x[r * channels + c] - mean);
    are_near &= fabs(sums[c] - sum) <= 2e-7 * rows;
    are_near &= fabs(moments[1 + c] - mean) <= 2e-7;
    are_near &= fabs(moments[1 + channels + c] - squares) <= 2e-6 * (squares + 1e-3);
  }
  expect(are_near, "moments");
  if (rows < 2) return;
  x[(rows - 1) * channels] = NAN;
  k->batch_moments(rows, channels, x, sums, moments, scratch);
  expect(sums[0] != sums[0] && moments[1] != moments[1] && moments[1 + channels] != moments[1 + channels], "a NaN");
}

static float lets_through(float opening, float dy) { return opening > 0 ? dy : opening <= 0 ? 0 : opening; }

static void check_rows(const sb_kernels *k, int64_t rows, int64_t channels, int has_shortcut, int has_relu) {
  const int64_t count = rows * channels;
  float *x = uniform(count, -2, 2), *shortcut = uniform(count, -1, 1), *y = floats(count), *expected = floats(count);
  float *mean = uniform(channels, -1, 1), *factor = uniform(channels, -2, 2), *beta = uniform(channels, -1, 1);
  for (int64_t e = 4; e < count; e += 23) x[e] = e % 2 ? NAN : INFINITY;
  const sb_batch_rows all = {channels, x, mean, factor, beta, has_shortcut ? shortcut : NULL, has_relu, y};
  k->batch_normalize(&all, rows);
  for (int64_t e = 0; e < count; e++) {
    const volatile float scaled = (x[e] - mean[e % channels]) * factor[e % channels];
    volatile float sum = scaled + beta[e % channels];
    if (has_shortcut) sum = sum + shortcut[e];
    expected[e] = has_relu && sum <= 0 ? 0 : sum;
  }
  expect_same("batch_normalize", count, y, expected);
}

static void check_gradient(const sb_kernels *k, int64_t rows, int64_t channels, int is_gated) {
  const int64_t count = rows * channels;
  float *x = uniform(count, -2, 2), *given = uniform(count, -1, 1), *opening = uniform(count, -1, 1);
  float *mean = uniform(channels, -1, 1), *factor = uniform(channels, -2, 2), *slope = uniform(channels, -1, 1);
  /* What they are added to keeps sums from 0, where all that is left of them is rounding. */
  float *shift = uniform(channels, -1, 1), *sums = filled(channels, 64), *products = filled(channels, 32);
  float *rests = filled(channels, 128), *gated = floats(count), *dx = floats(count), *expected = floats(count);
  float *dy = copied(given, count);
  double *exact = widened(sums, channels), *exact_products = widened(products, channels);
  double *exact_rests = widened(rests, channels);
  for (int64_t e = 4; is_gated && e < count; e += 23) opening[e] = e % 3 ? 0 : -0.0f;
  for (int64_t e = 0; e < count; e++) {
    if (is_gated) dy[e] = lets_through(opening[e], given[e]);
    exact[e % channels] += dy[e];
    exact_rests[e % channels] += x[e] - (double)mean[e % channels];
    exact_products[e % channels] += (double)dy[e] * (x[e] - (double)mean[e % channels]);
  }
  sb_batch_gradient all = {.channels = channels, .x = x, .dy = given, .mean = mean, .sums = sums, .products = products};
  all.rests = rests;
  if (is_gated) all.opening = opening, all.gated = gated;
  k->batch_gradient_sums(&all, rows);
  expect_sums("batch_gradient_sums, of dy", channels, sums, exact, rows + 64);
  expect_sums("batch_gradient_sums, of products", channels, products, exact_products, rows + 64);
  expect_sums("batch_gradient_sums, of what the mean leaves", channels, rests, exact_rests, rows + 64);
  if (is_gated) expect_same("batch_gradient_sums, the gate", count, gated, dy);
  sb_batch_gradient made = {.channels = channels, .x = x, .dy = dy, .mean = mean, .dx = dx};
  made.factor = factor, made.slope = slope, made.shift = shift;
  k->batch_gradient(&made, rows);
  for (int64_t e = 0; e < count; e++) {
    const int64_t c = e % channels;
    const volatile float centered = x[e] - mean[c], scaled = dy[e] * factor[c], bent = slope[c] * (2 * centered);
    const volatile float both = scaled + bent;
    expected[e] = both + shift[c];
  }
  expect_same("batch_gradient", count, dx, expected);
  if (!is_gated || rows < 2) return;
  opening[(rows - 1) * channels] = NAN;
  k->batch_gradient_sums(&all, rows);
  expect(gated[(rows - 1) * channels] != gated[(rows - 1) * channels] && sums[0] != sums[0], "a NaN at the gate");
}

/* A call that begins with a group of rows leaves the bits that it leaves within a longer one. */
static void check_groups(const sb_kernels *k, int64_t rows, int64_t channels) {
  const float *x = uniform(rows * channels, -2, 2), *dy = uniform(rows * channels, -1, 1);
  const float *mean = uniform(channels, -1, 1);
  double *sums[2], *moments[2];
  float *totals[2], *scratch = floats(2 * channels);
  for (int parts = 0; parts < 2; parts++) {
    sums[parts] = doubles(channels), moments[parts] = doubles(1 + 2 * channels), totals[parts] = floats(3 * channels);
    const int64_t split = parts ? SB_BATCH_ROWS : rows;
    for (int64_t first = 0; first < rows; first += split) {
      const int64_t count = rows - first < split ? rows - first : split, from = first * channels;
      k->batch_moments(count, channels, x + from, sums[parts], moments[parts], scratch);
      sb_batch_gradient all = {.channels = channels, .x = x + from, .dy = dy + from, .mean = mean};
      all.sums = totals[parts], all.products = all.sums + channels, all.rests = all.products + channels;
      k->batch_gradient_sums(&all, count);
    }
  }
  expect(!memcmp(sums[0], sums[1], channels * sizeof(double)), "sums of groups");
  expect(!memcmp(moments[0], moments[1], (1 + 2 * channels) * sizeof(double)), "moments of groups");
  expect_same("batch_gradient_sums, groups", 3 * channels, totals[0], totals[1]);
}

void test_batch_normalization(const sb_kernels *k) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int way = 0; way < 4; way++) {
      const int64_t rows = sizes[i][0], channels = sizes[i][1];
      about("%s, batch normalization: %d rows of %d, way %d", k->name, (int)rows, (int)channels, way);
      check_moments(k, rows, channels, way % 2 ? -4096 : 0);
      check_rows(k, rows, channels, way % 2, way / 2);
      check_gradient(k, rows, channels, way % 2);
      check_groups(k, rows, channels);
      release();
    }
}
