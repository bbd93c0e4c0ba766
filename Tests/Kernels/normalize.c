/* Normalization of each sample's groups and its gradient, in Float64 by the formula, also far from 0. */
#include "check.h"

/* Samples, positions, groups, width. */
static const int forms[][4] = {
  {1, 1, 1, 1}, {0, 3, 2, 4}, {5, 1, 1, 7}, {3, 1, 1, 67}, {2, 5, 3, 17}, {1, 1, 1, 2100}, {3, 15, 4, 1}, {2, 33, 3, 2},
  {2, 70, 1, 5}, {2, 1, 257, 2}, {1, 3, 2, 16}, {4, 2, 5, 15},
};

static void check(const sb_kernels *k, const int form[4], int is_centered, float mean) {
  const int64_t positions = form[1], groups = form[2], width = form[3], row = groups * width;
  const sb_normalization n = {positions, groups, width, 1e-3, is_centered};
  const int64_t count = form[0] * positions * row, inverses = form[0] * groups;
  const double terms = (double)(positions * width);
  float *x = uniform(count, mean - 1, mean + 1), *dy = uniform(count, -1, 1);
  float *y = floats(count), *dx = floats(count), *inverse = floats(inverses), *alone = floats(count);
  void *scratch = bytes(k->normalize_scratch_bytes(&n), 64);
  k->normalize(&n, form[0], x, y, inverse, scratch);
  k->normalize_backward(&n, form[0], y, inverse, dy, dx, scratch);
  k->normalize(&n, form[0], x, alone, NULL, scratch);
  expect_same("without inverses", count, alone, y);
  int are_near = 1;
  for (int64_t group = 0; group < inverses; group++) {
    const int64_t first = group / groups * positions * row + group % groups * width;
    double sum = 0, squares = 0, level = 0, slope = 0;
#define FOR_EACH(e) \
  for (int64_t position = 0; position < positions; position++) \
    for (int64_t e = first + position * row; e < first + position * row + width; e++)
    FOR_EACH(e) sum += x[e], level += dy[e], slope += (double)dy[e] * y[e];
    const double middle = is_centered ? sum / terms : 0;
    FOR_EACH(e) squares += (x[e] - middle) * (x[e] - middle);
    const double factor = 1 / sqrt(squares / terms + n.epsilon);
    are_near &= fabs(inverse[group] - factor) <= 2e-6 * factor;
    level = is_centered ? level / terms : 0, slope /= terms;
    /* Some ten roundings of the largest number; of a mean of -4096 by itself a rounding is 2^-12. */
    FOR_EACH(e) {
      are_near &= fabs(y[e] - (x[e] - middle) * factor) < 5e-6;
      are_near &= fabs(dx[e] / (double)inverse[group] - (dy[e] - level - y[e] * slope)) < 5e-6;
    }
#undef FOR_EACH
  }
  expect(are_near, "results, inverses or gradients");
}

void test_normalize(const sb_kernels *k) {
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
    for (int is_far = 0; is_far < 2; is_far++)
      for (int is_centered = 0; is_centered < 2; is_centered++) {
        const int *f = forms[i];
        about("%s, normalize: %d×%d×%d×%d, centered %d, far %d", k->name, f[0], f[1], f[2], f[3], is_centered, is_far);
        check(k, f, is_centered, is_far ? -4096 : 0);
        release();
      }
}
