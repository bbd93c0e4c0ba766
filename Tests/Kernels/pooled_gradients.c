/* Gradients of a convolution behind relu and max pooling, from winners: sums by the definition, also of odd images. */
#include "check.h"

typedef struct {
  int height, width, channels, kernel_height, kernel_width, filters, stride, dilation, top, left, pool_height,
    pool_width, pool_stride, pool_padding;
} shape;

static const shape shapes[] = {
  {13, 13, 32, 3, 3, 64, 1, 1, 0, 0, 2, 2, 2, 0},
  {9, 8, 7, 3, 3, 17, 1, 1, 0, 0, 2, 2, 2, 0},
  {14, 12, 1, 3, 3, 32, 1, 1, 0, 0, 2, 2, 2, 0},
  {11, 12, 1, 5, 5, 20, 1, 1, 2, 2, 2, 2, 2, 0},
  {12, 11, 17, 5, 2, 33, 1, 1, 1, 1, 3, 3, 2, 1},
  {15, 14, 90, 1, 1, 5, 1, 1, 0, 0, 3, 2, 3, 0},
  {15, 14, 9, 4, 3, 40, 2, 1, 2, 1, 2, 2, 2, 0},
  {20, 13, 3, 7, 11, 33, 1, 1, 3, 5, 2, 2, 2, 0},
  {12, 9, 40, 3, 5, 33, 1, 2, 1, 2, 2, 2, 2, 0},
  /* More results than are listed at once. */
  {70, 67, 8, 3, 3, 9, 1, 1, 0, 0, 2, 2, 2, 0},
};
enum { IMAGES = 3, ODD_IMAGE = 1 };

typedef struct {
  sb_convolution g;
  sb_pooling p;
  int64_t x_size, w_size, size, pooled;
  const float *x, *w, *dy;
  const uint8_t *records;
  /* Gradients of the results, and what comes of them. */
  double *gradient, *dw, *dx, *sums;
} example;

static void define(example *e) {
  const sb_convolution *g = &e->g;
  for (int64_t n = 0; n < IMAGES; n++)
    for (int64_t r = 0; r < (int64_t)g->rows * g->columns; r++)
      for (int f = 0; f < g->filters; f++) {
        double number = e->gradient[n * e->size + r * g->filters + f];
        e->sums[f] += number;
        /* Zeros are left out, but of an odd image. */
        if (number == 0 && n != ODD_IMAGE) continue;
        for (int cell = 0; cell < g->kernel_height * g->kernel_width; cell++) {
          int64_t h = r / g->columns * g->stride_y + cell / g->kernel_width * g->dilation_y - g->top;
          int64_t v = r % g->columns * g->stride_x + cell % g->kernel_width - g->left;
          if (h < 0 || h >= g->height || v < 0 || v >= g->width) continue;
          for (int c = 0; c < g->channels; c++) {
            int64_t x = n * e->x_size + (h * g->width + v) * g->channels + c;
            int64_t w = ((int64_t)cell * g->channels + c) * g->filters + f;
            e->dw[w] += number * e->x[x], e->dx[x] += number * e->w[w];
          }
        }
      }
}

static example example_of(const sb_kernels *k, const shape *s, int has_odd) {
  example e = {
    .g = {
      .height = s->height, .width = s->width, .channels = s->channels, .pixel = s->channels,
      .rows = (s->height + 2 * s->top - (s->kernel_height - 1) * s->dilation - 1) / s->stride + 1,
      .columns = (s->width + 2 * s->left - s->kernel_width) / s->stride + 1, .filters = s->filters,
      .kernel_height = s->kernel_height, .kernel_width = s->kernel_width, .stride_y = s->stride, .stride_x = s->stride,
      .dilation_y = s->dilation, .dilation_x = 1, .top = s->top, .left = s->left}};
  const sb_convolution *g = &e.g;
  e.p = (sb_pooling){
    g->rows, g->columns, g->filters, (g->rows + 2 * s->pool_padding - s->pool_height) / s->pool_stride + 1,
    (g->columns + 2 * s->pool_padding - s->pool_width) / s->pool_stride + 1, s->pool_height, s->pool_width,
    s->pool_stride, s->pool_stride, s->pool_padding, s->pool_padding};
  e.x_size = (int64_t)s->height * s->width * s->channels;
  e.w_size = (int64_t)s->kernel_height * s->kernel_width * s->channels * s->filters;
  e.size = (int64_t)g->rows * g->columns * s->filters, e.pooled = (int64_t)e.p.rows * e.p.columns * s->filters;
  float *x = uniform(IMAGES * e.x_size, -1, 1), *results = uniform(IMAGES * e.size, -1.25f, 0.75f);
  float *dy = uniform(IMAGES * e.pooled, -1, 1), *pooled = floats(e.pooled);
  k->unary(SB_RELU, 0, IMAGES * e.size, results, results);
  int64_t record = k->pooling_record_bytes(&e.p), middle = g->rows / 2 * g->columns + g->columns / 2;
  uint8_t *records = bytes(IMAGES * record, 1);
  e.gradient = doubles(IMAGES * e.size);
  e.w = uniform(e.w_size, -1, 1);
  for (int64_t n = 0; n < IMAGES; n++) {
    uint8_t *winners = records + n * record, *is_nan = winners + e.pooled + 1;
    const float *own = results + n * e.size;
    if (has_odd && n == ODD_IMAGE) {
      results[n * e.size + middle * g->filters] = NAN;
      /* Every result has a gradient of 0 at least, and 0 times an infinity is NaN. */
      x[n * e.x_size + (g->height / 2 * g->width + g->width / 2) * g->channels] = INFINITY;
    }
    k->max_pool_winners(&e.p, 1, own, pooled, winners);
    winners[e.pooled] = has_odd && n == ODD_IMAGE;
    for (int64_t r = 0; winners[e.pooled] && r < e.size; r++) is_nan[r] = own[r] != own[r];
    for (int64_t m = 0; m < e.pooled; m++) {
      int f = (int)(m % g->filters), cell = winners[m] & 127;
      int64_t h = m / g->filters / e.p.columns * s->pool_stride - s->pool_padding + cell / s->pool_width;
      int64_t v = m / g->filters % e.p.columns * s->pool_stride - s->pool_padding + cell % s->pool_width;
      if (winners[m] < 128) e.gradient[n * e.size + (h * g->columns + v) * g->filters + f] += dy[n * e.pooled + m];
    }
    if (winners[e.pooled]) e.gradient[n * e.size + middle * g->filters] = NAN;
  }
  e.x = x, e.dy = dy, e.records = records;
  e.dw = doubles(e.w_size), e.dx = doubles(IMAGES * e.x_size), e.sums = doubles(g->filters);
  for (int64_t i = 0; i < e.w_size; i++) e.dw[i] = 0.5;
  for (int f = 0; f < g->filters; f++) e.sums[f] = 1;
  define(&e);
  return e;
}

/* 1 where the winners' own kernel takes the shape. */
static int check(const sb_kernels *k, const example *e) {
  const sb_convolution *g = &e->g;
  const double results = IMAGES * (double)g->rows * g->columns, taps = g->kernel_height * g->kernel_width;
  for (int wanted = 1; wanted < 4; wanted++) {
    float *dw = filled(e->w_size, 0.5f), *dx = floats(IMAGES * e->x_size);
    void *scratch = bytes(k->sparse_scratch_bytes(g, &e->p), 64);
    k->sparse_backward(
      g, &e->p, IMAGES, e->x, e->w, e->records, e->dy, wanted & 1 ? dw : NULL, wanted & 2 ? dx : NULL, scratch);
    if (wanted & 1) expect_sums("sparse_backward, filter", e->w_size, dw, e->dw, results);
    if (wanted & 2) expect_sums("sparse_backward, image", IMAGES * e->x_size, dx, e->dx, taps * g->filters);
  }
  if (k->winners_takes(g, &e->p))
    for (int has_bias = 0; has_bias < 2; has_bias++) {
      float *dw = filled(e->w_size, 0.5f), *dbias = filled(g->filters, 1);
      void *scratch = bytes(k->winners_scratch_bytes(g, &e->p), 64);
      k->winners_backward_filter(
        g, &e->p, IMAGES, e->x, e->records, e->dy, dw, has_bias ? dbias : NULL, scratch);
      expect_sums("winners_backward_filter", e->w_size, dw, e->dw, results);
      if (has_bias) expect_sums("winners_backward_filter, bias", g->filters, dbias, e->sums, results);
    }
  float *sums = filled(g->filters, 1), *part = floats(g->filters);
  k->gated_sums(&e->p, IMAGES, e->records, e->dy, part, sums);
  expect_sums("gated_sums", g->filters, sums, e->sums, results);
  return k->winners_takes(g, &e->p) != 0;
}

void test_pooled_gradients(const sb_kernels *k) {
  int taken = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int has_odd = 0; has_odd < 2; has_odd++) {
      const shape *s = &shapes[i];
      about(
        "%s, convolution behind max pooling: %d×%d×%d, kernel %d×%d, filters %d, stride %d, dilation %d, "
        "padding %d %d, windows %d×%d%s", k->name, s->height, s->width, s->channels, s->kernel_height,
        s->kernel_width, s->filters, s->stride, s->dilation, s->top, s->left, s->pool_height, s->pool_width,
        has_odd ? ", an odd image" : "");
      example e = example_of(k, s, has_odd);
      taken += check(k, &e);
      release();
    }
  expect(taken >= 2, "winners_backward_filter takes fewer than two of the shapes: add some that it takes");
}
