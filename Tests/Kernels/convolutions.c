/* Every variant of every pass of a convolution, and im2col: sums by the definition, exact zeros, equal bits. */
#include "check.h"

/* Channels and filters are those of the whole image; 0 stands for 1 where 0 has no sense. */
typedef struct {
  int images, height, width, channels, kernel_height, kernel_width, filters, groups, stride_y, stride_x, dilation_y,
    dilation_x, top, bottom, left, right, has_zeros;
} shape;

static const shape shapes[] = {
  {1, 1, 1, 1, 1, 1, 1},
  {0, 5, 5, 2, 3, 3, 3},
  /* Few taps and few channels, a vector's worth of filters and less or more. */
  {2, 9, 11, 1, 3, 3, 8, .has_zeros = 1},
  {3, 12, 10, 1, 3, 3, 32},
  {2, 8, 8, 1, 5, 5, 16, .top = 2, .bottom = 2, .left = 2, .right = 2},
  {1, 7, 13, 3, 3, 3, 64, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 7, 5, 3, 3, 3, 17},
  {2, 10, 9, 2, 1, 3, 24},
  {5, 7, 6, 20, 1, 1, 48},
  /* Where Winograd's tiles lead, and vectors are not filled. */
  {3, 13, 11, 17, 3, 3, 33, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 9, 10, 33, 3, 3, 40, .top = 1, .bottom = 1, .left = 1, .right = 1, .has_zeros = 1},
  {9, 3, 3, 40, 3, 3, 64},
  {3, 9, 10, 32, 3, 3, 32, .has_zeros = 1},
  {2, 8, 8, 64, 3, 3, 64, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 6, 6, 32, 3, 3, 48, .top = 2, .bottom = 2, .left = 2, .right = 2},
  /* Long kernels, strides, dilations and paddings that differ by axis and side. */
  {1, 14, 6, 64, 5, 3, 7, .top = 2, .bottom = 2, .left = 1, .right = 1},
  {2, 8, 9, 4, 7, 7, 12, .top = 3, .bottom = 3, .left = 3, .right = 3, .has_zeros = 1},
  {2, 9, 11, 6, 3, 2, 9, .stride_y = 2, .stride_x = 3},
  {2, 8, 8, 5, 3, 3, 8, .stride_y = 2, .stride_x = 2, .bottom = 1, .right = 1},
  {2, 7, 8, 3, 1, 2, 5, .stride_y = 3, .stride_x = 3, .top = 1, .left = 2},
  {2, 9, 10, 3, 3, 3, 4, .dilation_y = 2, .dilation_x = 3, .top = 2, .bottom = 2, .left = 4, .right = 4},
  {1, 10, 9, 2, 3, 3, 4, .stride_y = 2, .stride_x = 2, .dilation_y = 3, .dilation_x = 2, .top = 1, .left = 2,
   .right = 1},
  {2, 6, 7, 6, 3, 3, 9, .groups = 3, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {3, 6, 5, 37, 3, 3, 37, .groups = 37, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 7, 9, 16, 4, 3, 16, .groups = 16, .stride_y = 2, .stride_x = 3, .top = 2, .left = 1, .right = 3},
  {1, 8, 9, 9, 3, 2, 9, .groups = 9, .dilation_y = 2, .dilation_x = 3, .top = 2, .bottom = 1, .right = 2,
   .has_zeros = 1},
  /* Depthwise 3x3: one pixel, one row or column, tiles of every width, rests of channels of every width, windows that lie
   * outside in part or whole, on one side or on all. */
  {3, 1, 1, 2, 3, 3, 2, .groups = 2, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 1, 19, 29, 3, 3, 29, .groups = 29, .top = 1, .bottom = 1, .left = 1, .right = 1},
  {2, 17, 3, 31, 3, 3, 31, .groups = 31, .bottom = 2, .left = 1},
  {2, 11, 17, 60, 3, 3, 60, .groups = 60, .top = 1, .bottom = 1, .left = 1, .right = 1, .has_zeros = 1},
  {1, 6, 13, 7, 3, 3, 7, .groups = 7, .top = 2, .bottom = 2, .left = 2, .right = 2},
  {2, 4, 5, 45, 3, 3, 45, .groups = 45, .top = 4, .bottom = 1, .left = 0, .right = 5},
  /* More results than are summed up at once. */
  {1, 31, 29, 2, 2, 2, 3},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };
static const char *const pass_names[] = {"forward", "backward input", "backward filter"};

/* Operands, and by pass what comes of them by definition, with the sums of the terms' magnitudes. */
typedef struct {
  sb_convolution g;
  int64_t images, filters;
  float *x, *w, *dy;
  int64_t x_count, w_count, y_count, counts[3];
  double *exact[3], *magnitudes[3], terms[3];
} example;

static int or_one(int value) { return value ? value : 1; }

static sb_convolution convolution_of(const shape *s) {
  int groups = or_one(s->groups), dilation_y = or_one(s->dilation_y), dilation_x = or_one(s->dilation_x);
  int stride_y = or_one(s->stride_y), stride_x = or_one(s->stride_x);
  return (sb_convolution){
    .height = s->height, .width = s->width, .channels = s->channels / groups, .pixel = s->channels,
    .rows = (s->height + s->top + s->bottom - (s->kernel_height - 1) * dilation_y - 1) / stride_y + 1,
    .columns = (s->width + s->left + s->right - (s->kernel_width - 1) * dilation_x - 1) / stride_x + 1,
    .filters = s->filters / groups, .kernel_height = s->kernel_height, .kernel_width = s->kernel_width,
    .stride_y = stride_y, .stride_x = stride_x, .dilation_y = dilation_y, .dilation_x = dilation_x,
    .top = s->top, .left = s->left};
}

/* What a cell of the kernel sees of a result's window: a pixel of the image, or none (-1). */
static int64_t pixel_seen(const sb_convolution *g, int p, int q, int i, int j) {
  int h = p * g->stride_y + i * g->dilation_y - g->top, v = q * g->stride_x + j * g->dilation_x - g->left;
  return h < 0 || h >= g->height || v < 0 || v >= g->width ? -1 : (int64_t)h * g->width + v;
}

#define FOR_EACH_CELL(g, p, q, i, j) \
  for (int p = 0; p < (g)->rows; p++) for (int q = 0; q < (g)->columns; q++) \
    for (int i = 0; i < (g)->kernel_height; i++) for (int j = 0; j < (g)->kernel_width; j++)

/* One pixel in eleven stays. */
static void thin_out(float *values, int64_t count, int64_t pixel) {
  for (int64_t e = 0; e < count; e++)
    if (e / pixel % 11 != 5) values[e] = 0;
}

static void define(example *e) {
  const sb_convolution *g = &e->g;
  const int64_t results = (int64_t)g->rows * g->columns, pixels = (int64_t)g->height * g->width;
  for (int64_t n = 0; n < e->images; n++)
    FOR_EACH_CELL(g, p, q, i, j) {
      int64_t seen = pixel_seen(g, p, q, i, j);
      if (seen < 0) continue;
      for (int c = 0; c < g->pixel; c++)
        for (int f = 0; f < g->filters; f++) {
          int64_t filter = c / g->channels * g->filters + f;
          int64_t x = (n * pixels + seen) * g->pixel + c, y = (n * results + p * g->columns + q) * e->filters + filter;
          int64_t w = ((i * g->kernel_width + j) * g->channels + c % g->channels) * e->filters + filter;
          const int64_t at[3] = {y, x, w};
          const double term[3] = {
            (double)e->x[x] * e->w[w], (double)e->dy[y] * e->w[w], (double)e->x[x] * e->dy[y]};
          for (int pass = 0; pass < 3; pass++)
            e->exact[pass][at[pass]] += term[pass], e->magnitudes[pass][at[pass]] += fabs(term[pass]);
        }
    }
}

static example example_of(const shape *s) {
  example e = {.g = convolution_of(s), .images = s->images, .filters = s->filters};
  int64_t cells = (int64_t)s->kernel_height * s->kernel_width, results = (int64_t)e.g.rows * e.g.columns;
  e.x_count = (int64_t)s->images * s->height * s->width * s->channels;
  e.w_count = cells * e.g.channels * s->filters;
  e.y_count = s->images * results * s->filters;
  e.x = uniform(e.x_count, -1, 1), e.w = uniform(e.w_count, -1, 1), e.dy = uniform(e.y_count, -1, 1);
  if (s->has_zeros) thin_out(e.x, e.x_count, s->channels), thin_out(e.dy, e.y_count, s->filters);
  e.counts[0] = e.y_count, e.counts[1] = e.x_count, e.counts[2] = e.w_count;
  e.terms[0] = (double)(cells * e.g.channels), e.terms[1] = (double)(cells * e.g.filters);
  e.terms[2] = (double)(s->images * results);
  for (int pass = 0; pass < 3; pass++)
    e.exact[pass] = doubles(e.counts[pass]), e.magnitudes[pass] = doubles(e.counts[pass]);
  define(&e);
  return e;
}

static void say(const sb_kernels *k, const char *name, int pass, const shape *s) {
  about(
    "%s, %s %s: %d images %d×%d×%d, kernel %d×%d, filters %d, groups %d, strides %d %d, dilations %d %d, "
    "padding %d %d %d %d", k->name, name, pass_names[pass], s->images, s->height, s->width, s->channels,
    s->kernel_height, s->kernel_width, s->filters, or_one(s->groups), or_one(s->stride_y), or_one(s->stride_x),
    or_one(s->dilation_y), or_one(s->dilation_x), s->top, s->bottom, s->left, s->right);
}

/* What a variant makes of images first up to end; a gradient of the filter is added to `start`. */
static float *run_images(
  const sb_convolution_variant *v, int pass, const example *e, const sb_convolution *g, int64_t first, int64_t end,
  const sb_convolution_end *ending, float start) {
  int64_t images = end - first, all = e->images > 0 ? e->images : 1;
  const float *x = e->x + first * (e->x_count / all), *dy = e->dy + first * (e->y_count / all);
  int64_t count = pass == 2 ? e->w_count : pass == 1 ? e->x_count / all * images
    : images * g->rows * g->columns * e->filters;
  /* The others are written whole. */
  float *result = pass == 2 ? filled(count, start) : floats(count);
  const float *filter = e->w;
  int64_t packed_bytes = v->packed_bytes(g);
  if (packed_bytes > 0) {
    float *packed = bytes(packed_bytes, 64);
    /* Panel by panel, from the last one on: none needs another. */
    for (int64_t panel = v->panels(g); panel-- > 0;) v->pack(g, e->w, packed, panel, 1);
    filter = packed;
  }
  void *scratch = bytes(v->scratch_bytes(g, images), 64);
  v->run(g, images, pass == 1 ? dy : x, pass == 2 ? dy : filter, result, scratch, ending);
  return result;
}

static float *run_all(const sb_convolution_variant *v, int pass, const example *e, const sb_convolution_end *ending) {
  return run_images(v, pass, e, &e->g, 0, e->images, ending, 0);
}

static void check_sums(const sb_convolution_variant *v, int pass, const example *e) {
  double terms = e->terms[pass] * v->error_factor * v->error_factor;
  float *found = run_all(v, pass, e, NULL);
  expect_sums("sums", e->counts[pass], found, e->exact[pass], terms);
  int are_zeros = 1;
  for (int64_t i = 0; i < e->counts[pass]; i++) are_zeros &= e->magnitudes[pass][i] != 0 || found[i] == 0;
  expect(are_zeros, "a sum of zeros is no exact zero");
  if (pass == 2) {
    double *exact = doubles(e->w_count);
    for (int64_t i = 0; i < e->w_count; i++) exact[i] = 0.5 + e->exact[2][i];
    expect_sums("added to", e->w_count, run_images(v, 2, e, &e->g, 0, e->images, NULL, 0.5f), exact, terms);
  } else if (e->images > 1) {
    int64_t part = e->counts[pass] / e->images;
    expect_same("bits of the first image alone", part, run_images(v, pass, e, &e->g, 0, 1, NULL, 0), found);
    expect_same(
      "bits of the others", e->counts[pass] - part, run_images(v, pass, e, &e->g, 1, e->images, NULL, 0), found + part);
  }
}

/* Results are those of the general kernel, bit by bit, and an infinite tap counts only where it meets a pixel. */
static void check_depthwise_3x3(const sb_kernels *k, int pass, const example *e) {
  const sb_convolution_variant *fast = sb_convolution_choice(k, pass, &e->g, "depthwise3x3", 0);
  const sb_convolution_variant *general = sb_convolution_choice(k, pass, &e->g, "depthwise", 0);
  if (pass == SB_BACKWARD_FILTER || strcmp(fast->name, "depthwise3x3") || e->images == 0) return;
  example odd = *e;
  odd.w = copied(e->w, e->w_count);
  for (int form = 0; form < 2; form++) {
    expect_same("the bits of depthwise", e->counts[pass], run_all(fast, pass, &odd, NULL), run_all(general, pass, &odd, NULL));
    odd.w[0] = INFINITY, odd.w[e->w_count - 1] = NAN;
  }
}

/* With the bits of the operations that would follow. */
static void check_ends(const sb_kernels *k, const sb_convolution_variant *v, const example *e) {
  int64_t rows = e->images * e->g.rows * e->g.columns;
  const float *plain = run_all(v, 0, e, NULL), *bias = uniform(e->filters, -2, 2);
  for (int form = 1; form < 4; form++) {
    const sb_convolution_end end = {form & 1 ? bias : NULL, form >> 1};
    float *expected = copied(plain, e->y_count);
    if (end.bias) k->binary_row(SB_ADD, rows, e->filters, expected, bias, expected);
    if (end.relu) k->unary(SB_RELU, 0, e->y_count, expected, expected);
    expect_same("bias and relu", e->y_count, run_all(v, 0, e, &end), expected);
  }
}

static void check_cropping(const sb_convolution_variant *v, const example *e) {
  sb_convolution g = e->g;
  if (!v->crops || e->images == 0 || --g.rows < 1 || --g.columns < 1) return;
  const float *whole = run_all(v, 0, e, NULL), *part = run_images(v, 0, e, &g, 0, e->images, NULL, 0);
  for (int64_t n = 0; n < e->images; n++)
    for (int p = 0; p < g.rows; p++)
      expect_same(
        "cropped", g.columns * e->filters, part + (n * g.rows + p) * g.columns * e->filters,
        whole + (n * e->g.rows + p) * e->g.columns * e->filters);
}

/* What is no number in an image is none in every result that sees it. */
static void check_no_numbers(const sb_convolution_variant *v, const example *e) {
  const sb_convolution *g = &e->g;
  if (e->images == 0) return;
  example odd = *e;
  int64_t pixel = (int64_t)g->height / 2 * g->width + g->width / 3, channel = g->pixel - 1;
  const float numbers[2] = {NAN, -INFINITY};
  for (int k = 0; k < 2; k++) {
    odd.x = copied(e->x, e->x_count);
    odd.x[pixel * g->pixel + channel] = numbers[k];
    const float *found = run_all(v, 0, &odd, NULL);
    int is_seen = 1;
    FOR_EACH_CELL(g, p, q, i, j) {
      const float *results = found + ((int64_t)p * g->columns + q) * e->filters + channel / g->channels * g->filters;
      if (pixel_seen(g, p, q, i, j) == pixel) for (int f = 0; f < g->filters; f++) is_seen &= !isfinite(results[f]);
    }
    expect(is_seen, "a NaN or an infinity of the image is lost");
  }
}

/* At once what the pass, its end and max pooling of windows of 2×2 give, bit by bit; 1 where the variant does it. */
static int check_pooled(const sb_kernels *k, const sb_convolution_variant *v, const example *e) {
  const sb_convolution *g = &e->g;
  const sb_pooling p = {g->rows, g->columns, (int32_t)e->filters, g->rows / 2, g->columns / 2, 2, 2, 2, 2, 0, 0};
  const int64_t size = (int64_t)g->rows * g->columns * e->filters, pooled = (int64_t)p.rows * p.columns * e->filters;
  const int64_t record = pooled + 3, count = e->images * pooled;
  if (!v->run_pooled || e->images == 0 || !v->pools(g, &p)) return 0;
  example own = *e;
  own.x = copied(e->x, e->x_count);
  const float *bias = uniform(e->filters, -2, 2), *filter = e->w;
  int64_t packed_bytes = v->packed_bytes(g);
  if (packed_bytes > 0) {
    float *packed = bytes(packed_bytes, 64);
    v->pack(g, e->w, packed, 0, v->panels(g));
    filter = packed;
  }
  for (int form = 0; form < 8; form++) {
    const sb_convolution_end end = {form & 1 ? bias : NULL, form >> 1 & 1};
    if (form & 4) own.x[own.x_count / 2] = NAN;
    const float *plain = run_all(v, 0, &own, &end);
    float *expected = floats(count), *found = floats(count), *alone = floats(count);
    uint8_t *winners = bytes(e->images * record, 1), *found_winners = bytes(e->images * record, 1);
    for (int64_t n = 0; n < e->images; n++)
      k->max_pool_winners(&p, end.relu, plain + n * size, expected + n * pooled, winners + n * record);
    void *scratch = bytes(v->scratch_bytes(g, e->images), 64);
    v->run_pooled(g, &p, e->images, own.x, filter, found, found_winners, record, scratch, &end);
    expect_same("pooled at once", count, found, expected);
    expect(memcmp(winners, found_winners, (size_t)(e->images * record)) == 0, "winners of what is pooled at once");
    v->run_pooled(g, &p, e->images, own.x, filter, alone, NULL, record, scratch, &end);
    expect_same("pooled at once, without winners", count, alone, expected);
  }
  return 1;
}

static void check_part(const sb_convolution_variant *v, const example *e, sb_filter_part part) {
  const sb_convolution *g = &e->g;
  void *scratch = bytes(v->part_scratch_bytes(g, e->images, &part), 64);
  float *found = filled(e->w_count, 0.25f), *own = filled(e->w_count, 0);
  double *exact = doubles(e->w_count);
  v->run_part(g, e->images, e->x, e->dy, found, scratch, &part);
  int is_left = 1;
  for (int64_t i = 0; i < e->w_count; i++) {
    int64_t filter = i % g->filters, channel = i / g->filters % g->channels;
    if (filter >= part.filter && filter < part.filter + part.filters && channel >= part.channel &&
        channel < part.channel + part.channels) exact[i] = e->exact[2][i], own[i] = found[i];
    else is_left &= found[i] == 0.25f;
  }
  expect(is_left, "written beside a part");
  expect_sums("a part", e->w_count, own, exact, e->terms[2]);
}

/* The choice is the first that takes the shape and leads there, of narrow bound if strict, or what is forced. */
static void check_choice(const sb_kernels *k, int pass, const example *e) {
  const sb_convolution_variant *first[2] = {0};
  for (const sb_convolution_variant *v = k->convolution[pass]; v->name; v++) {
    int takes = v->takes(&e->g);
    for (int strict = 0; strict < 2; strict++)
      if (!first[strict] && takes && v->leads(&e->g) && !(strict && v->error_factor > 1)) first[strict] = v;
    if (takes) expect(sb_convolution_choice(k, pass, &e->g, v->name, 0) == v, "what is forced is not chosen");
    expect(sb_is_convolution(k, v->name), "a variant has no name");
  }
  for (int strict = 0; strict < 2; strict++)
    expect(sb_convolution_choice(k, pass, &e->g, NULL, strict) == first[strict], "the first that leads is not chosen");
  expect(sb_convolution_choice(k, pass, &e->g, "im2col", 0) == NULL, "im2col is not chosen");
}

static void check_windows(const sb_kernels *k, const example *e) {
  const sb_convolution *g = &e->g;
  int64_t run = (int64_t)g->kernel_height * g->kernel_width * g->channels, count = run * g->rows * g->columns;
  int64_t size = (int64_t)g->height * g->width * g->pixel;
  if (e->images == 0) return;
  for (int64_t group = 0; group < g->pixel; group += g->channels) {
    float *expected = filled(count, 0), *found = floats(count), *to = expected;
    float *image = filled(size, 0.5f), *added = uniform(count, -1, 1);
    double *exact = widened(image, size);
    const float *from = added;
    FOR_EACH_CELL(g, p, q, i, j) {
      int64_t pixel = pixel_seen(g, p, q, i, j) * g->pixel + group;
      for (int c = 0; c < g->channels; c++, to++, from++)
        if (pixel >= 0) *to = e->x[pixel + c], exact[pixel + c] += *from;
    }
    k->im2col(g, e->x + group, found);
    expect_same("im2col", count, found, expected);
    k->col2im(g, added, image + group);
    expect_sums("col2im", size, image, exact, g->kernel_height * g->kernel_width);
  }
}

void test_convolutions(const sb_kernels *k) {
  int taken[3][32] = {0}, pooled[32] = {0};
  for (int i = 0; i < SHAPES; i++) {
    const shape *s = &shapes[i];
    example e = example_of(s);
    for (int pass = 0; pass < 3; pass++) {
      say(k, "choice", pass, s);
      check_choice(k, pass, &e);
      for (const sb_convolution_variant *v = k->convolution[pass]; v->name; v++) {
        say(k, v->name, pass, s);
        if (!v->takes(&e.g)) continue;
        taken[pass][v - k->convolution[pass]]++;
        check_sums(v, pass, &e);
        if (!strcmp(v->name, "depthwise3x3")) check_depthwise_3x3(k, pass, &e);
        if (pass == SB_FORWARD) check_ends(k, v, &e), check_cropping(v, &e), check_no_numbers(v, &e);
        if (pass == SB_FORWARD) pooled[v - k->convolution[pass]] += check_pooled(k, v, &e);
        if (!v->run_part || e.g.pixel != e.g.channels || e.images == 0) continue;
        int32_t channel = e.g.channels / 2, filter = e.g.filters / 3;
        check_part(v, &e, (sb_filter_part){0, e.g.channels, filter, e.g.filters - filter});
        check_part(v, &e, (sb_filter_part){channel, e.g.channels - channel, 0, filter ? filter : 1});
      }
    }
    say(k, "im2col", 0, s);
    check_windows(k, &e);
    release();
  }
  for (int pass = 0; pass < 3; pass++)
    for (const sb_convolution_variant *v = k->convolution[pass]; v->name; v++) {
      about("%s, %s %s", k->name, v->name, pass_names[pass]);
      expect(taken[pass][v - k->convolution[pass]] >= 2, "takes fewer than two of the shapes: add some that it takes");
      if (v->run_pooled) expect(pooled[v - k->convolution[pass]] >= 2, "pools fewer than two of the shapes");
    }
}
