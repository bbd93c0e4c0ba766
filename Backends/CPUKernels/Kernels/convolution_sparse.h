/* The gradients of a convolution behind relu and max pooling, of filter and image, from the pooled gradient and the
 * winners.
 *
 * Algorithm: of the convolution's results only winners that relu let through have a gradient, at most one a window and
 * filter. For each image these are listed filter by filter, a place and a number each, and each is multiplied with what
 * its window sees: the filter's gradient adds up number x window, the image's gradient adds number x filter to the
 * window. The terms left out are zeros, so the sums are those of the definition. An image in whose block an operand is
 * not finite (an odd image, see pooling_winners.h) has every result listed, zeros too, since a zero times an infinity is NaN.
 * Layout: images [N, H, W, C]; a window's rows are runs of Kw * C floats side by side, so filters and their gradients
 * lie as [F][Kh][Kw * C], each run rounded up to whole vectors, and are turned once for each call.
 * Register tile: up to 3 runs x 8 vectors (of 16 registers 12 vectors), the sums of the filter's gradient or the filter.
 * Bound: that of the sums of the definition. The order of terms depends on the images of a call alone.
 * Limited by loads and stores (a fused multiplication of the filter's gradient needs one load, of the image's gradient two
 * and a store) and by the lists (2026-11-30, one core of Zen 4, 13 x 13 x 32 to 64 filters of 3 x 3, half of the windows
 * shut: both gradients in 18 us an image, where the dense kernels take 77; a fifth of it are lists). */

#if VECTOR == 16 || defined(__aarch64__)
enum { SPARSE_TILE = 24 };
#else
enum { SPARSE_TILE = 12 };
#endif
enum { SPARSE_RUNS = 3, SPARSE_WIDTH = 8, LISTED_AT_ONCE = 8192, TURNED_AT_ONCE = 16 };

/* Not where windows overlap so much that hardly any result is left out, nor where they see so little that a list takes
 * longer than the products that it saves. */
static int sparse_leads(const sb_convolution *g, const sb_pooling *p) {
  int64_t windows = (int64_t)p->rows * p->columns, results = (int64_t)g->rows * g->columns;
  return takes_direct(g) && g->pixel == g->channels && g->dilation_x == 1 && windows * 2 <= results &&
    (int64_t)g->kernel_height * g->kernel_width * g->channels >= 64;
}

typedef struct {
  frame frame;
  /* Floats of a run of the window, rounded up, and of a filter; floats from one run to the next in the framed image. */
  int64_t run, padded, filter, step;
  int64_t windows, results, at_once, capacity;
  int is_framed;
} sparse_layout;

static sparse_layout sparse_layout_of(const sb_convolution *g, const sb_pooling *p) {
  sparse_layout l = {.frame = frame_of(g)};
  l.run = (int64_t)g->kernel_width * g->channels;
  l.padded = (l.run + VECTOR - 1) / VECTOR * VECTOR;
  l.filter = l.padded * g->kernel_height;
  l.step = (int64_t)g->dilation_y * l.frame.width * l.frame.channels;
  l.windows = (int64_t)p->rows * p->columns;
  l.results = (int64_t)g->rows * g->columns;
  l.at_once = l.windows > 0 ? LISTED_AT_ONCE / l.windows : 1;
  if (l.at_once < 1) l.at_once = 1;
  if (l.at_once > g->filters) l.at_once = g->filters;
  l.capacity = l.at_once * l.windows;
  if (l.capacity < l.results) l.capacity = l.results;
  /* Runs that fill no vectors read beyond their end. */
  l.is_framed = is_framed(g, l.frame) || l.padded != l.run;
  return l;
}

static int64_t sparse_scratch_bytes(const sb_convolution *g, const sb_pooling *p) {
  sparse_layout l = sparse_layout_of(g, p);
  int64_t framed = l.is_framed ? rounded(frame_size(l.frame) + VECTOR) : 0;
  return 4 * (2 * rounded(l.filter * g->filters) + 2 * framed + 2 * rounded(l.capacity + 1) + rounded(l.windows) +
    rounded(128) + rounded(g->filters + 1) + rounded((int64_t)TURNED_AT_ONCE * g->filters));
}

/* The bits of a vector's lanes below `lanes`. */
INLINED bits lanes_below(int64_t lanes) {
  int32_t mask[VECTOR];
  for (int i = 0; i < VECTOR; i++) mask[i] = i < lanes ? -1 : 0;
  return *(const bits *)mask;
}

/* to[runs][width] += the sum over a list of numbers[e] * x[places[e] + run * step]. Short chains of sums would wait for
 * each other, so a small tile has several. */
INLINED void sum_windows(
  const int32_t *places, const float *numbers, int64_t count, const float *x, int64_t step, float *to, int64_t to_step,
  const int runs, const int width) {
  const int sets = runs * width <= 3 ? 4 : runs * width <= 6 ? 2 : 1;
  vector sums[4][SPARSE_RUNS][SPARSE_WIDTH] = {0};
  int64_t e = 0;
  for (; e + sets <= count; e += sets)
    UNROLLED(s, sets) {
      const float *from = x + places[e + s];
      float number = numbers[e + s];
      UNROLLED(r, runs) UNROLLED(v, width) sums[s][r][v] += number * *(const vector *)(from + r * step + v * VECTOR);
    }
  for (; e < count; e++) {
    const float *from = x + places[e];
    float number = numbers[e];
    UNROLLED(r, runs) UNROLLED(v, width) sums[0][r][v] += number * *(const vector *)(from + r * step + v * VECTOR);
  }
  UNROLLED(r, runs) UNROLLED(v, width) {
    vector sum = sums[0][r][v];
    if (sets >= 2) sum += sums[1][r][v];
    if (sets == 4) sum += sums[2][r][v] + sums[3][r][v];
    *(vector *)(to + r * to_step + v * VECTOR) += sum;
  }
}

/* dx[places[e] + run * step] += numbers[e] * w[runs][width] over a list; of the last vector's lanes those of `mask`. */
INLINED void add_filters(
  const int32_t *places, const float *numbers, int64_t count, const float *w, int64_t w_step, float *dx, int64_t step,
  bits mask, const int runs, const int width, const int is_masked) {
  vector weights[SPARSE_RUNS][SPARSE_WIDTH];
  UNROLLED(r, runs) UNROLLED(v, width) weights[r][v] = *(const vector *)(w + r * w_step + v * VECTOR);
  for (int64_t e = 0; e < count; e++) {
    float *to = dx + places[e], number = numbers[e];
    UNROLLED(r, runs) UNROLLED(v, width) {
      vector *place = (vector *)(to + r * step + v * VECTOR);
      vector sum = *place + number * weights[r][v];
      *place = is_masked && v == width - 1 ? chosen(mask, sum, *place) : sum;
    }
  }
}

#if VECTOR == 16 || defined(__aarch64__)
#define SPARSE_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(2, 5) CASE(2, 6) CASE(2, 7) CASE(2, 8) \
  CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(3, 4) CASE(3, 5) CASE(3, 6) CASE(3, 7) CASE(3, 8)
#else
#define SPARSE_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(2, 5) CASE(2, 6) CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(3, 4)
#endif

static void sum_windows_of(
  int runs, int width, const int32_t *places, const float *numbers, int64_t count, const float *x, int64_t step,
  float *to, int64_t to_step) {
#define SUM(r, v) \
  case r * 16 + v: sum_windows(places, numbers, count, x, step, to, to_step, r, v); return;
  switch (runs * 16 + width) { SPARSE_CASES(SUM) }
#undef SUM
}

static void add_filters_of(
  int runs, int width, int64_t lanes, const int32_t *places, const float *numbers, int64_t count, const float *w,
  int64_t w_step, float *dx, int64_t step) {
  bits mask = lanes_below(lanes - (width - 1) * VECTOR);
#define ADD(r, v) \
  case r * 16 + v: add_filters(places, numbers, count, w, w_step, dx, step, mask, r, v, 0); return;
#define ADD_MASKED(r, v) \
  case r * 16 + v: add_filters(places, numbers, count, w, w_step, dx, step, mask, r, v, 1); return;
  if (lanes >= width * VECTOR) switch (runs * 16 + width) { SPARSE_CASES(ADD) }
  else switch (runs * 16 + width) { SPARSE_CASES(ADD_MASKED) }
#undef ADD
#undef ADD_MASKED
}

/* Runs `body` for each tile of a filter: `runs` from `first_run` on, `width` vectors from float `at` on. */
#define FOR_EACH_SPARSE_TILE(g, l, ...) \
  for (int32_t first_run = 0, runs; first_run < (g)->kernel_height; first_run += runs) { \
    runs = next_height((g)->kernel_height - first_run, SPARSE_RUNS); \
    int most = SPARSE_TILE / runs < SPARSE_WIDTH ? SPARSE_TILE / runs : SPARSE_WIDTH; \
    for (int64_t at = 0, width; at < (l)->padded; at += width * VECTOR) { \
      width = next_height(((l)->padded - at) / VECTOR, most); \
      __VA_ARGS__ \
    } \
  }

/* Which results of one filter have a gradient; `places` says where each window begins, `cells` what a cell adds. */
static int64_t list_winners(
  int64_t windows, int64_t filters, const int32_t *starts, const int32_t *cells, const uint8_t *winners,
  const float *dy, int32_t *places, float *numbers) {
  int64_t count = 0;
  for (int64_t m = 0; m < windows; m++) {
    uint8_t winner = winners[m * filters];
    float number = dy[m * filters];
    places[count] = starts[m] + cells[winner & ~WINNER_SHUT];
    numbers[count] = number;
    count += (winner < WINNER_SHUT) & (number != 0);
  }
  return count;
}

/* Each result of one filter of an odd image, with its gradient or a zero. */
static int64_t list_results(
  const sb_convolution *g, const sb_pooling *p, frame f, const uint8_t *winners, const uint8_t *is_nan, const float *dy,
  int32_t *places, float *numbers) {
  int64_t count = 0, windows = (int64_t)p->rows * p->columns;
  for (int32_t h = 0; h < g->rows; h++)
    for (int32_t v = 0; v < g->columns; v++, count++) {
      places[count] = (h * g->stride_y * f.width + v * g->stride_x) * f.channels;
      numbers[count] = is_nan[count * g->filters] ? NAN : 0;
    }
  for (int64_t m = 0; m < windows; m++) {
    uint8_t winner = winners[m * g->filters];
    if (winner >= WINNER_SHUT) continue;
    int64_t h = m / p->columns * p->stride_y - p->top + winner / p->pool_width;
    int64_t v = m % p->columns * p->stride_x - p->left + winner % p->pool_width;
    numbers[h * g->columns + v] += dy[m * g->filters];
  }
  return count;
}

/* dw[taps, filters] += turned[filters, runs, padded]. */
static void add_turned(const sb_convolution *g, const sparse_layout *l, const float *turned, float *part, float *dw) {
  for (int32_t i = 0; i < g->kernel_height; i++)
    for (int64_t k = 0; k < l->run; k += TURNED_AT_ONCE) {
      int64_t count = l->run - k < TURNED_AT_ONCE ? l->run - k : TURNED_AT_ONCE;
      transpose_into(turned + i * l->padded + k, l->filter, g->filters, count, part, g->filters);
      float *to = dw + (i * l->run + k) * g->filters;
      for (int64_t e = 0; e < count * g->filters; e++) to[e] += part[e];
    }
}

/* `records` are those of the images, `dy` the gradient of the pooled results. Adds to dw, writes dx; each may be null. */
static void sparse_backward(
  const sb_convolution *g, const sb_pooling *p, int64_t images, const float *x, const float *w, const uint8_t *records,
  const float *dy, float *dw, float *dx, void *scratch) {
  sparse_layout layout = sparse_layout_of(g, p), *l = &layout;
  int64_t filters = g->filters, record = pooling_record_bytes(p), size = frame_size(l->frame);
  int64_t framed_size = l->is_framed ? rounded(size + VECTOR) : 0;
  int64_t x_size = (int64_t)g->height * g->width * g->channels;
  float *turned_w = scratch, *turned_dw = turned_w + rounded(l->filter * filters);
  float *framed = turned_dw + rounded(l->filter * filters), *framed_dx = framed + framed_size;
  float *numbers = framed_dx + framed_size, *part = numbers + rounded(l->capacity + 1);
  int32_t *places = (int32_t *)(part + rounded(TURNED_AT_ONCE * filters)), *starts = places + rounded(l->capacity + 1);
  int32_t *cells = starts + rounded(l->windows), *lists = cells + rounded(128);
  frame f = l->frame;
  for (int32_t m = 0; m < l->windows; m++)
    starts[m] = ((m / p->columns * p->stride_y - p->top) * g->stride_y * f.width +
      (m % p->columns * p->stride_x - p->left) * g->stride_x) * f.channels;
  for (int32_t cell = 0; cell < p->pool_height * p->pool_width; cell++)
    cells[cell] = (cell / p->pool_width * g->stride_y * f.width + cell % p->pool_width * g->stride_x) * f.channels;
  if (dw) memset(turned_dw, 0, sizeof(float) * (size_t)(l->filter * filters));
  if (dx) {
    if (l->padded != l->run) memset(turned_w, 0, sizeof(float) * (size_t)(l->filter * filters));
    for (int32_t i = 0; i < g->kernel_height; i++)
      transpose_into(w + i * l->run * filters, filters, l->run, filters, turned_w + i * l->padded, l->filter);
  }
  for (int64_t n = 0; n < images; n++, records += record, dy += l->windows * filters, x += x_size) {
    const uint8_t *winners = records, *is_nan = winners + l->windows * filters + 1;
    int is_odd = is_nan[-1];
    const float *source = x;
    if (dw && l->is_framed) {
      copy_framed(g, f, x, framed);
      memset(framed + size, 0, sizeof(float) * VECTOR);
      source = framed;
    }
    float *target = l->is_framed || !dx ? framed_dx : dx + n * x_size;
    if (dx) memset(target, 0, sizeof(float) * (size_t)(l->is_framed ? size + VECTOR : x_size));
    int64_t at_once = is_odd ? l->capacity / l->results : l->at_once;
    if (at_once > filters) at_once = filters;
    for (int64_t first = 0; first < filters; first += at_once) {
      int64_t count = filters - first < at_once ? filters - first : at_once, listed = 0;
      for (int64_t k = 0; k < count; k++) {
        lists[k] = (int32_t)listed;
        const uint8_t *own = winners + first + k;
        const float *upstream = dy + first + k;
        listed += is_odd
          ? list_results(g, p, f, own, is_nan + first + k, upstream, places + listed, numbers + listed)
          : list_winners(l->windows, filters, starts, cells, own, upstream, places + listed, numbers + listed);
      }
      lists[count] = (int32_t)listed;
      if (dw) FOR_EACH_SPARSE_TILE(g, l, {
        for (int64_t k = 0; k < count; k++)
          sum_windows_of(
            runs, (int)width, places + lists[k], numbers + lists[k], lists[k + 1] - lists[k],
            source + first_run * l->step + at, l->step,
            turned_dw + (first + k) * l->filter + first_run * l->padded + at, l->padded);
      })
      if (dx) FOR_EACH_SPARSE_TILE(g, l, {
        for (int64_t k = 0; k < count; k++)
          add_filters_of(
            runs, (int)width, l->run - at, places + lists[k], numbers + lists[k], lists[k + 1] - lists[k],
            turned_w + (first + k) * l->filter + first_run * l->padded + at, l->padded,
            target + first_run * l->step + at, l->step);
      })
    }
    if (dx && l->is_framed)
      for (int32_t h = 0; h < g->height; h++)
        memcpy(
          dx + n * x_size + (int64_t)h * g->width * g->channels,
          target + ((int64_t)(h + f.top) * f.width + f.left) * f.channels,
          sizeof(float) * (size_t)g->width * (size_t)g->channels);
  }
  if (dw) add_turned(g, l, turned_dw, part, dw);
}
