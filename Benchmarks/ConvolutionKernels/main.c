/* Times every variant of the convolution kernels (Backends/CPUKernels/Kernels/convolution_variants.h) on one core, beside
 * a matrix product of OpenBLAS behind im2col, and holds each result against sums in double.
 *
 *   convolution-kernels [INSTRUCTION-SET ...]        avx512, avx2, baseline; without: all that this CPU runs
 *
 * A line: shape, pass, variant, GFLOP/s of the direct sum's products with packing (the fastest of runs in turns),
 * and the relative L2 error as a multiple of 2^-24 * sqrt(terms); the bound that programs state is 4. Where bias, relu and
 * max pooling of 2 x 2 are computed at once with a forward pass, or the gradient of filter and bias behind them from what
 * winners see, a line for that and one for the passes one behind the other, in microseconds an image. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cpu_kernels.h"
#include "openblas_library.h"

static const switchback_openblas *blas;

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *floats(int64_t count) {
  float *all = aligned_alloc(64, (size_t)((count * 4 + 4096) / 64 * 64));
  for (int64_t e = 0; e < count; e++) all[e] = 0;
  return all;
}

static void fill(float *x, int64_t count) {
  static uint32_t state = 1;
  for (int64_t e = 0; e < count; e++) {
    state = state * 1664525u + 1013904223u;
    x[e] = (float)(state >> 8) * 0x1p-23f - 1;
  }
}

typedef struct {
  sb_convolution g;
  int64_t images, x, w, y;
  float *operands[3], *result, *packed, *scratch, *columns;
} work;

static work work_of(int images, int size, int channels, int kernel, int filters, int stride, int pad) {
  int out = (size + 2 * pad - kernel) / stride + 1;
  work k = {.images = images};
  k.g = (sb_convolution){
    .height = size, .width = size, .channels = channels, .pixel = channels, .rows = out, .columns = out,
    .filters = filters, .kernel_height = kernel, .kernel_width = kernel, .stride_y = stride, .stride_x = stride,
    .dilation_y = 1, .dilation_x = 1, .top = pad, .left = pad};
  k.x = (int64_t)size * size * channels * images, k.y = (int64_t)out * out * filters * images;
  k.w = (int64_t)kernel * kernel * channels * filters;
  int64_t counts[] = {k.x, k.w, k.y}, most = 0;
  for (int i = 0; i < 3; i++) {
    k.operands[i] = floats(counts[i]);
    fill(k.operands[i], counts[i]);
    if (counts[i] > most) most = counts[i];
  }
  k.result = floats(most);
  k.columns = floats((int64_t)out * out * kernel * kernel * channels * images);
  return k;
}

static void discard(work *k) {
  for (int i = 0; i < 3; i++) free(k->operands[i]);
  free(k->result), free(k->columns);
}

static int64_t result_count(const work *k, int pass) {
  return pass == SB_FORWARD ? k->y : pass == SB_BACKWARD_INPUT ? k->x : k->w;
}

/* As Backends/OpenBLAS/Operations/Convolution.swift does it: images whose patches fit into half a megabyte at a time. */
static void by_im2col(const sb_kernels *kernels, work *k, int pass) {
  const sb_convolution *g = &k->g;
  int height = g->rows * g->columns, width = g->kernel_height * g->kernel_width * g->channels;
  int64_t x_image = k->x / k->images, batch = (1 << 17) / ((int64_t)height * width);
  batch = batch < 1 ? 1 : batch;
  float *x = k->operands[0], *w = k->operands[1], *dy = k->operands[2];
  for (int64_t first = 0; first < k->images; first += batch) {
    int64_t count = k->images - first < batch ? k->images - first : batch;
    int rows = (int)count * height;
    float *up = dy + first * height * g->filters;
    if (pass != SB_BACKWARD_INPUT)
      for (int64_t n = 0; n < count; n++) kernels->im2col(g, x + (first + n) * x_image, k->columns + n * height * width);
    if (pass == SB_FORWARD)
      blas->sgemm(
        101, 111, 111, rows, g->filters, width, 1, k->columns, width, w, g->filters, 0,
        k->result + first * height * g->filters, g->filters);
    else if (pass == SB_BACKWARD_FILTER)
      blas->sgemm(
        101, 112, 111, width, g->filters, rows, 1, k->columns, width, up, g->filters, 1, k->result, g->filters);
    else {
      memset(k->result + first * x_image, 0, sizeof(float) * (size_t)(count * x_image));
      blas->sgemm(101, 111, 112, rows, width, g->filters, 1, up, g->filters, w, g->filters, 0, k->columns, width);
      for (int64_t n = 0; n < count; n++)
        kernels->col2im(g, k->columns + n * height * width, k->result + (first + n) * x_image);
    }
  }
}

static void run(const sb_kernels *kernels, const sb_convolution_variant *variant, work *k, int pass) {
  /* A gradient of the filter is added to. */
  if (pass == SB_BACKWARD_FILTER) memset(k->result, 0, sizeof(float) * (size_t)k->w);
  if (!variant) {
    by_im2col(kernels, k, pass);
    return;
  }
  const float *first = k->operands[pass == SB_BACKWARD_INPUT ? 2 : 0];
  const float *second = k->operands[pass == SB_BACKWARD_FILTER ? 2 : 1];
  if (variant->packed_bytes(&k->g) > 0) {
    variant->pack(&k->g, second, k->packed, 0, variant->panels(&k->g));
    second = k->packed;
  }
  variant->run(&k->g, k->images, first, second, k->result, k->scratch, NULL);
}

static void add_exact(const work *k, int pass, double *sums) {
  const sb_convolution *g = &k->g;
  const float *x = k->operands[0], *w = k->operands[1], *dy = k->operands[2];
  for (int64_t n = 0; n < k->images; n++)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++)
        for (int i = 0; i < g->kernel_height; i++)
          for (int j = 0; j < g->kernel_width; j++) {
            int h = p * g->stride_y + i - g->top, v = q * g->stride_x + j - g->left;
            if (h < 0 || v < 0 || h >= g->height || v >= g->width) continue;
            int64_t pixel = ((n * g->height + h) * g->width + v) * g->channels;
            int64_t result = ((n * g->rows + p) * g->columns + q) * g->filters;
            int64_t cell = (int64_t)(i * g->kernel_width + j) * g->channels * g->filters;
            for (int c = 0; c < g->channels; c++)
              for (int f = 0; f < g->filters; f++) {
                int64_t weight = cell + (int64_t)c * g->filters + f;
                if (pass == SB_FORWARD) sums[result + f] += (double)x[pixel + c] * w[weight];
                else if (pass == SB_BACKWARD_INPUT) sums[pixel + c] += (double)dy[result + f] * w[weight];
                else sums[weight] += (double)x[pixel + c] * dy[result + f];
              }
          }
}

static double error_of(const work *k, int pass, const double *exact) {
  double wrong = 0, all = 0;
  for (int64_t e = 0; e < result_count(k, pass); e++) {
    wrong += (k->result[e] - exact[e]) * (k->result[e] - exact[e]);
    all += exact[e] * exact[e];
  }
  double cells = k->g.kernel_height * k->g.kernel_width;
  double terms = pass == SB_FORWARD ? cells * k->g.channels
    : pass == SB_BACKWARD_INPUT     ? cells * k->g.filters
                                    : (double)k->images * k->g.rows * k->g.columns;
  return sqrt(wrong / all) / (0x1p-24 * sqrt(terms));
}

static void measure(const sb_kernels *kernels, work *k) {
  static const char *const passes[] = {"forward", "backwardInput", "backwardFilter"};
  const sb_convolution *g = &k->g;
  double products = 2.0 * (double)k->images * g->rows * g->columns * g->kernel_height * g->kernel_width * g->channels *
    g->filters;
  for (int pass = 0; pass < 3; pass++) {
    const sb_convolution_variant *variants[16] = {NULL};
    double best[16];
    int count = 1;
    int64_t scratch = 0, packed = 0;
    for (const sb_convolution_variant *v = kernels->convolution[pass]; v->name && count < 16; v++)
      if (v->takes(g)) {
        int64_t bytes = v->scratch_bytes(g, k->images);
        scratch = bytes > scratch ? bytes : scratch;
        bytes = v->packed_bytes(g);
        packed = bytes > packed ? bytes : packed;
        variants[count++] = v;
      }
    k->scratch = floats(scratch / 4), k->packed = floats(packed / 4);
    double *exact = calloc((size_t)result_count(k, pass), sizeof(double)), errors[16];
    add_exact(k, pass, exact);
    for (int i = 0; i < count; i++) {
      run(kernels, variants[i], k, pass);
      errors[i] = error_of(k, pass, exact);
      best[i] = 1e9;
    }
    double end = seconds() + 0.03 * count;
    for (int round = 0; round < 4 || seconds() < end; round++)
      for (int i = 0; i < count; i++) {
        double start = seconds();
        run(kernels, variants[i], k, pass);
        double time = seconds() - start;
        if (time < best[i]) best[i] = time;
      }
    for (int i = 0; i < count; i++)
      printf(
        "%-8s %2lld x %3d^2 x %3d  %dx%d x %3d /%d +%d  %-14s %-12s %7.1f GFLOP/s %8.1f us  error %.2f\n", kernels->name,
        (long long)k->images, g->height, g->channels, g->kernel_height, g->kernel_width, g->filters, g->stride_y, g->top,
        passes[pass], variants[i] ? variants[i]->name : "im2col", products / best[i] * 1e-9, best[i] * 1e6, errors[i]);
    free(exact);
    free(k->scratch), free(k->packed);
  }
}

/* The fastest of some runs of `statement`, in microseconds an image. */
#define TIMED(result, images, ...) \
  double result = 1e9; \
  for (double last = seconds() + 0.03; seconds() < last;) { \
    double start = seconds(); \
    __VA_ARGS__; \
    double time = (seconds() - start) * 1e6 / (double)(images); \
    if (time < result) result = time; \
  }

static void measure_pooled(const sb_kernels *kernels, work *k) {
  const sb_convolution *g = &k->g;
  const sb_convolution_variant *forward = sb_convolution_choice(kernels, SB_FORWARD, g, NULL, 0);
  const sb_convolution_variant *filter = sb_convolution_choice(kernels, SB_BACKWARD_FILTER, g, NULL, 0);
  sb_pooling p = {
    .height = g->rows, .width = g->columns, .channels = g->filters, .rows = g->rows / 2, .columns = g->columns / 2,
    .pool_height = 2, .pool_width = 2, .stride_y = 2, .stride_x = 2};
  if (!forward || !forward->pools || !forward->pools(g, &p) || !filter) return;
  int64_t n = k->images, record = kernels->pooling_record_bytes(&p), size = k->y / n, x_size = k->x / n;
  int64_t pooled = (int64_t)p.rows * p.columns * p.channels, bytes = forward->scratch_bytes(g, n);
  if (filter->scratch_bytes(g, n) > bytes) bytes = filter->scratch_bytes(g, n);
  if (kernels->winners_scratch_bytes(g, &p) > bytes) bytes = kernels->winners_scratch_bytes(g, &p);
  float *bias = floats(3 * g->filters), *sums = bias + g->filters, *part = sums + g->filters;
  float *maxima = floats(n * pooled), *upstream = floats(n * pooled), *results = floats(k->y);
  uint8_t *records = (uint8_t *)floats(n * record / 4 + 1);
  const float *x = k->operands[0], *w = k->operands[1];
  k->scratch = floats(bytes / 4), k->packed = floats(forward->packed_bytes(g) / 4);
  forward->pack(g, w, k->packed, 0, forward->panels(g));
  fill(bias, g->filters), fill(upstream, n * pooled);
  sb_convolution_end end = {bias, 1};
  const char *name = kernels->name;
#define SHAPE "%-8s %2lld x %3d^2 x %3d  %dx%d x %3d /%d +%d  "
#define OF_SHAPE \
  name, (long long)n, g->height, g->channels, g->kernel_height, g->kernel_width, g->filters, g->stride_y, g->top
  TIMED(apart, n, {
    forward->run(g, n, x, k->packed, results, k->scratch, &end);
    for (int64_t i = 0; i < n; i++)
      kernels->max_pool_winners(&p, 1, results + i * size, maxima + i * pooled, records + i * record);
  })
  TIMED(once, n, forward->run_pooled(g, &p, n, x, k->packed, maxima, records, record, k->scratch, &end))
  printf(SHAPE "pooled forward %8.2f us at once, %8.2f us apart\n", OF_SHAPE, once, apart);
  if (kernels->winners_leads(g, &p)) {
    TIMED(dense, n, {
      kernels->gated_sums(&p, n, records, upstream, part, sums);
      for (int64_t i = 0; i < n; i++) {
        kernels->max_pool_spread(&p, 1, records + i * record, upstream + i * pooled, results);
        filter->run(g, 1, x + i * x_size, results, k->result, k->scratch, NULL);
      }
    })
    TIMED(seen, n, kernels->winners_backward_filter(g, &p, n, x, records, upstream, k->result, sums, k->scratch))
    printf(SHAPE "pooled backwardFilter %8.2f us at once, %8.2f us apart\n", OF_SHAPE, seen, dense);
  }
  free(bias), free(maxima), free(upstream), free(results), free(records), free(k->scratch), free(k->packed);
}

int main(int count, char **words) {
  const char *reason = "";
  blas = switchback_openblas_open(&reason);
  if (!blas) {
    fprintf(stderr, "%s\n", reason);
    return 1;
  }
  /* Images, size, channels, kernel, filters, stride, padding. */
  static const int shapes[][7] = {
    {8, 28, 1, 3, 32, 1, 0},  {8, 13, 32, 3, 64, 1, 0}, {8, 5, 64, 3, 64, 1, 0},  {8, 28, 64, 3, 64, 1, 1},
    {8, 28, 64, 5, 64, 1, 2}, {4, 28, 64, 7, 64, 1, 3}, {8, 32, 3, 3, 16, 1, 1},  {8, 32, 16, 3, 16, 1, 1},
    {8, 16, 32, 3, 64, 2, 1}, {2, 56, 64, 3, 128, 2, 1}, {8, 14, 256, 3, 256, 1, 1}, {8, 28, 33, 5, 40, 1, 2},
    {8, 28, 64, 1, 64, 1, 0}, {8, 28, 16, 3, 8, 1, 1}, {8, 28, 8, 3, 4, 1, 1}, {2, 112, 3, 7, 64, 2, 3},
    {1, 1, 256, 1, 100, 1, 0},
  };
  static const char *const sets[] = {"avx512", "avx2", "baseline"};
  for (int s = 0; s < 3; s++) {
    int is_wanted = count == 1;
    for (int i = 1; i < count; i++) is_wanted |= strcmp(words[i], sets[s]) == 0;
    const sb_kernels *kernels = is_wanted ? sb_kernels_named(sets[s]) : NULL;
    for (size_t i = 0; kernels && i < sizeof shapes / sizeof *shapes; i++) {
      const int *v = shapes[i];
      work k = work_of(v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
      measure(kernels, &k);
      measure_pooled(kernels, &k);
      discard(&k);
    }
  }
}
