/* Pooling and its gradients, with winners and without: values and winners by the definition, ties and NaN by its
 * law. */
#include "check.h"

typedef struct {
  int images;
  sb_pooling g;
} shape;

static const shape shapes[] = {
  {1, {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0}},
  {0, {4, 4, 3, 2, 2, 2, 2, 2, 2, 0, 0}},
  {3, {8, 6, 37, 4, 3, 2, 2, 2, 2, 0, 0}},
  {2, {9, 7, 16, 4, 3, 2, 2, 2, 2, 0, 0}},
  {2, {7, 11, 5, 4, 6, 3, 3, 2, 2, 1, 1}},
  {2, {7, 9, 19, 3, 7, 3, 2, 2, 1, 0, 1}},
  {2, {10, 7, 33, 4, 4, 3, 2, 3, 2, 1, 1}},
  {1, {12, 11, 8, 2, 1, 7, 11, 5, 1, 0, 0}},
};

/* Runs `body` for each cell of the window of pooled pixel (p, q) that lies in the image: its number, its pixel. */
#define FOR_EACH_CELL(g, p, q, ...) \
  for (int cell = 0; cell < (g)->pool_height * (g)->pool_width; cell++) { \
    int h = p * (g)->stride_y - (g)->top + cell / (g)->pool_width; \
    int v = q * (g)->stride_x - (g)->left + cell % (g)->pool_width; \
    if (h < 0 || h >= (g)->height || v < 0 || v >= (g)->width) continue; \
    int64_t pixel = (int64_t)h * (g)->width + v; \
    __VA_ARGS__ \
  }

static void check(const sb_kernels *k, const shape *s, int has_relu) {
  const sb_pooling *g = &s->g;
  const int64_t size = (int64_t)g->height * g->width * g->channels;
  const int64_t pooled = (int64_t)g->rows * g->columns * g->channels;
  const int64_t count = s->images * size, pooled_count = s->images * pooled;
  /* Few values, so that many are equal; each image has a NaN or two. */
  float *x = uniform(count, -3, 3), *dy = uniform(pooled_count, -1, 1);
  for (int64_t e = 0; e < count; e++) x[e] = has_relu && x[e] < 0 ? 0 : rintf(x[e]);
  for (int n = 0; n < s->images && size > 9; n++) x[n * size + size / 2] = x[n * size + size / 2 + g->channels] = NAN;
  float *largest = floats(pooled_count), *averages = floats(pooled_count);
  uint8_t *winners = bytes(pooled_count, 1);
  double *dx = doubles(count), *gated = doubles(count), *spread = doubles(count), *shares = doubles(count);
  double *means = doubles(pooled_count);
  for (int n = 0; n < s->images; n++)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++)
        for (int c = 0; c < g->channels; c++) {
          int64_t y = n * pooled + ((int64_t)p * g->columns + q) * g->channels + c, place = -1;
          int winner = 0, cells = 0;
          FOR_EACH_CELL(g, p, q, {
            int64_t e = n * size + pixel * g->channels + c;
            cells++, means[y] += x[e];
            if (place >= 0 && (x[e] <= x[place] || x[place] != x[place])) continue;
            place = e, winner = cell;
          })
          means[y] /= cells, largest[y] = x[place];
          int is_shut = has_relu && !(x[place] > 0);
          winners[y] = (uint8_t)(winner | (is_shut ? 128 : 0));
          dx[place] += dy[y], spread[place] += dy[y];
          if (!is_shut) gated[place] += dy[y];
          FOR_EACH_CELL(g, p, q, { shares[n * size + pixel * g->channels + c] += (double)dy[y] / cells; })
        }
  const double cells = g->pool_height * g->pool_width;
  float *found = floats(pooled_count), *gradient = floats(count);
  k->max_pool(g, s->images, x, found);
  expect_same("max_pool", pooled_count, found, largest);
  k->max_pool_backward(g, s->images, x, dy, gradient);
  expect_sums("max_pool_backward", count, gradient, dx, cells);
  k->average_pool(g, s->images, x, averages);
  expect_sums("average_pool", pooled_count, averages, means, cells);
  k->average_pool_backward(g, s->images, dy, gradient);
  expect_sums("average_pool_backward", count, gradient, shares, cells);
  for (int n = 0; n < s->images; n++) {
    float *y = floats(pooled), *open = floats(size), *whole = floats(size);
    uint8_t *found_winners = bytes(pooled, 1);
    k->max_pool_winners(g, has_relu, x + n * size, y, found_winners);
    expect_same("max_pool_winners", pooled, y, largest + n * pooled);
    expect(memcmp(found_winners, winners + n * pooled, (size_t)pooled) == 0, "max_pool_winners: the winners");
    k->max_pool_spread(g, 0, found_winners, dy + n * pooled, whole);
    expect_sums("max_pool_spread", size, whole, spread + n * size, cells);
    k->max_pool_spread(g, 1, found_winners, dy + n * pooled, open);
    expect_sums("max_pool_spread with gates", size, open, gated + n * size, cells);
  }
}

void test_pooling(const sb_kernels *k) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int has_relu = 0; has_relu < 2; has_relu++) {
      const sb_pooling *g = &shapes[i].g;
      about(
        "%s, pooling: %d images %d×%d×%d, windows %d×%d, strides %d %d, padding %d %d, relu %d", k->name,
        shapes[i].images, g->height, g->width, g->channels, g->pool_height, g->pool_width, g->stride_y, g->stride_x,
        g->top, g->left, has_relu);
      check(k, &shapes[i], has_relu);
      release();
    }
}
