/* Softmax and cross-entropy with their gradients, in Float64; large logits do not overflow, NaN fills its line. Computed
 * at once they have the bits that each has alone. */
#include "check.h"

static void check_softmax(const sb_kernels *k, int64_t outer, int64_t length, int64_t inner) {
  int64_t count = outer * length * inner;
  float *x = uniform(count, -4, 4), *dy = uniform(count, -1, 1), *y = floats(count), *dx = floats(count);
  if (length > 2 && outer > 1) x[0] = 1000, x[inner] = 999, x[2 * inner] = -INFINITY, x[count - 1] = NAN;
  double *exact = doubles(count), *gradient = doubles(count);
  k->softmax_along(outer, length, inner, x, y);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) {
      int64_t first = o * length * inner + i, end = first + length * inner;
      double top = x[first], total = 0, dot = 0;
      for (int64_t e = first; e < end; e += inner) top = x[e] != x[e] || x[e] > top ? x[e] : top;
      for (int64_t e = first; e < end; e += inner) total += exp(x[e] - top);
      for (int64_t e = first; e < end; e += inner) exact[e] = exp(x[e] - top) / total, dot += (double)y[e] * dy[e];
      for (int64_t e = first; e < end; e += inner) gradient[e] = y[e] * (dy[e] - dot);
    }
  expect_ulps("softmax_along", count, y, exact, 16 + sqrt((double)length), 0);
  k->softmax_along_backward(outer, length, inner, y, dy, dx);
  expect_sums("softmax_along_backward", count, dx, gradient, 16 * (double)length);
  if (inner != 1) return;
  float *rows = floats(count), *row_gradient = floats(count);
  k->softmax(outer, length, x, rows);
  expect_ulps("softmax", count, rows, exact, 16 + sqrt((double)length), 0);
  k->softmax_backward(outer, length, y, dy, row_gradient);
  expect_sums("softmax_backward", count, row_gradient, gradient, 16 * (double)length);
}

static void check_cross_entropy(const sb_kernels *k, int64_t rows, int64_t columns) {
  int64_t count = rows * columns;
  float *x = uniform(count, -4, 4), *targets = uniform(count, 0, 1), *upstream = uniform(rows, 0.5f, 1);
  float *loss = floats(rows), *dx = floats(count);
  if (columns > 2 && rows > 1) x[0] = 1000, x[1] = -INFINITY, targets[1] = 0, x[count - 1] = NAN;
  double *exact = doubles(rows), *gradient = doubles(count);
  for (int64_t r = 0; r < rows; r++) {
    double top = x[r * columns], total = 0, weight = 0;
    for (int64_t e = r * columns; e < (r + 1) * columns; e++) top = x[e] != x[e] || x[e] > top ? x[e] : top;
    for (int64_t e = r * columns; e < (r + 1) * columns; e++) total += exp(x[e] - top), weight += targets[e];
    for (int64_t e = r * columns; e < (r + 1) * columns; e++) {
      if (targets[e] != 0) exact[r] += targets[e] * (top - x[e] + log(total));
      gradient[e] = upstream[r] * (exp(x[e] - top) / total * weight - targets[e]);
    }
  }
  k->cross_entropy(rows, columns, x, targets, loss);
  expect_sums("cross_entropy", rows, loss, exact, 16 * (double)columns);
  k->cross_entropy_backward(rows, columns, x, targets, upstream, dx);
  expect_sums("cross_entropy_backward", count, dx, gradient, 16 * (double)columns);
}

static void check_softmax_loss(const sb_kernels *k, int64_t rows, int64_t columns) {
  int64_t count = rows * columns;
  float *x = uniform(count, -4, 4), *targets = uniform(count, 0, 1), *upstream = uniform(rows, 0.5f, 1);
  if (columns > 2 && rows > 1) x[0] = 1000, x[1] = -INFINITY, targets[1] = 0, x[count - 1] = NAN, x[columns] = INFINITY;
  float *y = floats(count), *loss = floats(rows), *scales = filled(rows, 0.3f);
  k->softmax(rows, columns, x, y);
  k->cross_entropy(rows, columns, x, targets, loss);
  for (int wanted = 1; wanted <= 3; wanted++)
    for (int is_scale = 0; is_scale <= 1; is_scale++) {
      float *dx = floats(count);
      k->cross_entropy_backward(rows, columns, x, targets, is_scale ? scales : upstream, dx);
      sb_softmax_loss at = {
        x, targets, is_scale ? NULL : upstream, 0.3f, wanted & 1 ? floats(count) : NULL, floats(rows),
        wanted & 2 ? floats(count) : NULL};
      k->softmax_loss(&at, rows, columns);
      expect_same("softmax_loss", rows, at.loss, loss);
      if (at.y) expect_same("softmax_loss, softmax", count, at.y, y);
      if (at.dx) expect_same("softmax_loss, gradient", count, at.dx, dx);
    }
}

void test_softmax(const sb_kernels *k) {
  static const int extents[][3] = {{1, 1, 1}, {0, 4, 3}, {5, 10, 1}, {3, 7, 5}, {2, 3, 37}, {2, 1000, 1}, {4, 1, 16}};
  for (int i = 0; i < 7; i++) {
    about("%s, softmax: %d×%d×%d", k->name, extents[i][0], extents[i][1], extents[i][2]);
    check_softmax(k, extents[i][0], extents[i][1], extents[i][2]);
    if (extents[i][2] == 1) check_cross_entropy(k, extents[i][0], extents[i][1]);
    release();
  }
  static const int shapes[][2] = {{0, 4}, {1, 1}, {7, 2}, {5, 10}, {64, 17}, {2, 1000}};
  for (int i = 0; i < 6; i++) {
    about("%s, softmax at once with its loss: %d×%d", k->name, shapes[i][0], shapes[i][1]);
    check_softmax_loss(k, shapes[i][0], shapes[i][1]);
    release();
  }
}
