/* Direct convolution and its gradient of the image: any stride, padding and dilation, any groups.
 *
 * Algorithm: the sums of the definition, tile by tile, with no patches in memory (see convolution_tile.h). Results that
 * see the same taps are computed together, so nothing is padded: at the edges fewer taps are summed up. The gradient of
 * the image is a convolution of dy for each remainder of a place by the strides (Dumoulin and Visin, "A guide to
 * convolution arithmetic for deep learning", 2016, section 4): each has its own taps, in reverse order.
 * Layout: images [N, H, W, C], filters [Kh, Kw, C, F]; filters are packed to panels [F / 2 vectors][taps][2 vectors].
 * Register tile: TILE results x 2 vectors of filters.
 * Bound: one sum of at most Kh * Kw * C terms, in order. A sum of zeros is an exact zero. Bits depend on the operands
 * alone, not on how a batch is divided.
 * Limited by multiplications where filters fill vectors (2026-11-30, one core of Zen 4, kernels of 3 x 3: 0.91 to
 * 0.97 of the loop of multiplications in registers, AVX2 the same; im2col with OpenBLAS 0.75 to 0.8). */

/* Floats of images that a panel after the other reads: they stay in the second-level cache. */
enum { FLOATS_AT_ONCE = 1 << 15 };

/* One axis of a correlation: result r, at place first + r * apart, reads the source at start + r * stride + t * step for
 * each tap t, with the filter's cell cell + t * cell_step; steps are positive. */
typedef struct {
  int32_t results, first, apart, start, stride, taps, step, cell, cell_step;
} axis;

static axis forward_axis(int32_t results, int32_t kernel, int32_t stride, int32_t dilation, int32_t before) {
  return (axis){results, 0, 1, -before, stride, kernel, dilation, 0, 1};
}

/* The places of the image with this remainder by the stride: place h = remainder + u * stride takes dy[p] of cell i
 * where h + before - i * dilation = p * stride. */
static axis backward_axis(
  int32_t size, int32_t kernel, int32_t stride, int32_t dilation, int32_t before, int32_t remainder) {
  axis a = {size > remainder ? (size - remainder + stride - 1) / stride : 0, remainder, stride, 0, 1, 0, 0, 0, 0};
  int32_t cell = 0, apart = 1;
  while (cell < kernel && (remainder + before - (int64_t)cell * dilation) % stride != 0) cell++;
  while ((int64_t)apart * dilation % stride != 0) apart++;
  if (cell >= kernel) return a;
  a.taps = (kernel - 1 - cell) / apart + 1;
  a.step = (int32_t)((int64_t)apart * dilation / stride);
  a.start = (int32_t)((remainder + before - (int64_t)cell * dilation) / stride) - (a.taps - 1) * a.step;
  a.cell = cell + (a.taps - 1) * apart;
  a.cell_step = -apart;
  return a;
}

/* Results first up to end see the same taps: tap up to tap_end. */
typedef struct {
  int32_t first, end, tap, tap_end;
} span;

static void seen_taps(const axis *a, int32_t size, int32_t result, int32_t *tap, int32_t *end) {
  int32_t place = a->start + result * a->stride;
  *tap = place >= 0 ? 0 : (-place + a->step - 1) / a->step;
  *end = place >= size ? 0 : (size - 1 - place) / a->step + 1;
  if (*end > a->taps) *end = a->taps;
  if (*tap >= *end) *tap = *end = 0;
}

/* The results from `first` on that see the same taps. */
static span next_span(const axis *a, int32_t size, int32_t first) {
  span s = {first, first, 0, 0};
  if (first >= a->results) return s;
  if (a->taps == 0) {
    s.end = a->results;
    return s;
  }
  seen_taps(a, size, first, &s.tap, &s.tap_end);
  for (s.end = first + 1; s.end < a->results; s.end++) {
    int32_t tap, end;
    seen_taps(a, size, s.end, &tap, &end);
    if (tap != s.tap || end != s.tap_end) break;
  }
  return s;
}

#define FOR_EACH_SPAN(s, a, size) \
  for (span s = next_span(a, size, 0); s.first < (a)->results; s = next_span(a, size, s.end))

/* Strides of a gradient of the image; each remainder has an axis. */
enum { MOST_STRIDE = 16 };

/* A correlation of images with a filter, by pairs of remainders (of a forward pass there is one). */
typedef struct {
  axis rows[MOST_STRIDE], columns[MOST_STRIDE];
  int32_t row_kinds, column_kinds;
  /* Of the source and of the result: channels of a group, and of all. */
  int32_t height, width, channels, pixel, result_height, result_width, filters, result_pixel, groups;
  /* Floats of w between cells, a tap's channels, the result's channels, and groups. */
  int64_t cell_step, channel_step, filter_step, group_step;
  int32_t kernel_width, cells;
} correlation;

static correlation forward_correlation(const sb_convolution *g) {
  int32_t groups = g->pixel / g->channels, all = g->filters * groups;
  return (correlation){
    .rows = {forward_axis(g->rows, g->kernel_height, g->stride_y, g->dilation_y, g->top)},
    .columns = {forward_axis(g->columns, g->kernel_width, g->stride_x, g->dilation_x, g->left)},
    .row_kinds = 1, .column_kinds = 1,
    .height = g->height, .width = g->width, .channels = g->channels, .pixel = g->pixel,
    .result_height = g->rows, .result_width = g->columns, .filters = g->filters, .result_pixel = all, .groups = groups,
    .cell_step = (int64_t)g->channels * all, .channel_step = all, .filter_step = 1, .group_step = g->filters,
    .kernel_width = g->kernel_width, .cells = g->kernel_height * g->kernel_width};
}

static correlation backward_correlation(const sb_convolution *g) {
  int32_t groups = g->pixel / g->channels, all = g->filters * groups;
  correlation c = {
    .row_kinds = g->stride_y, .column_kinds = g->stride_x,
    .height = g->rows, .width = g->columns, .channels = g->filters, .pixel = all,
    .result_height = g->height, .result_width = g->width, .filters = g->channels, .result_pixel = g->pixel,
    .groups = groups,
    .cell_step = (int64_t)g->channels * all, .channel_step = 1, .filter_step = all, .group_step = g->filters,
    .kernel_width = g->kernel_width, .cells = g->kernel_height * g->kernel_width};
  for (int32_t r = 0; r < g->stride_y; r++)
    c.rows[r] = backward_axis(g->height, g->kernel_height, g->stride_y, g->dilation_y, g->top, r);
  for (int32_t r = 0; r < g->stride_x; r++)
    c.columns[r] = backward_axis(g->width, g->kernel_width, g->stride_x, g->dilation_x, g->left, r);
  return c;
}

/* Where the taps of a window lie from its first one on; rows, columns, channels. */
static void tap_table(const correlation *c, const axis *y, const axis *x, int32_t *taps) {
  for (int32_t i = 0; i < y->taps; i++)
    for (int32_t j = 0; j < x->taps; j++)
      for (int32_t k = 0; k < c->channels; k++) *taps++ = (i * y->step * c->width + j * x->step) * c->pixel + k;
}

/* Where the first tap that is seen of each result lies, and the result. */
static void result_tables(
  const correlation *c, const axis *y, const axis *x, span rows, span columns, int32_t *from, int32_t *to) {
  for (int32_t p = rows.first; p < rows.end; p++)
    for (int32_t q = columns.first; q < columns.end; q++) {
      int32_t row = y->start + p * y->stride + rows.tap * y->step;
      int32_t column = x->start + q * x->stride + columns.tap * x->step;
      *from++ = rows.tap == rows.tap_end || columns.tap == columns.tap_end ? 0 : (row * c->width + column) * c->pixel;
      *to++ = ((y->first + p * y->apart) * c->result_width + x->first + q * x->apart) * c->result_pixel;
    }
}

/* to[k * to_step + l] = from[l * from_step + k] for 8 x 8 floats. */
static inline void transpose_block(const float *from, int64_t from_step, float *to, int64_t to_step) {
  lanes8 r[8], s[8];
  for (int l = 0; l < 8; l++) r[l] = *(const lanes8 *)(from + l * from_step);
  for (int l = 0; l < 8; l += 2) {
    s[l] = __builtin_shufflevector(r[l], r[l + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    s[l + 1] = __builtin_shufflevector(r[l], r[l + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int l = 0; l < 8; l += 4)
    for (int h = 0; h < 2; h++) {
      r[l + h] = __builtin_shufflevector(s[l + h], s[l + h + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      r[l + h + 2] = __builtin_shufflevector(s[l + h], s[l + h + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int k = 0; k < 4; k++) {
    *(lanes8 *)(to + k * to_step) = __builtin_shufflevector(r[k], r[k + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(lanes8 *)(to + (k + 4) * to_step) = __builtin_shufflevector(r[k], r[k + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/* to[k * to_step + l] = from[l * from_step + k] for l below `lines` and k below `count`. */
static void transpose_into(
  const float *from, int64_t from_step, int64_t lines, int64_t count, float *to, int64_t to_step) {
  int64_t l = 0;
  for (; l + 8 <= lines; l += 8) {
    int64_t k = 0;
    for (; k + 8 <= count; k += 8) transpose_block(from + l * from_step + k, from_step, to + k * to_step + l, to_step);
    for (; k < count; k++)
      for (int i = 0; i < 8; i++) to[k * to_step + l + i] = from[(l + i) * from_step + k];
  }
  for (; l < lines; l++)
    for (int64_t k = 0; k < count; k++) to[k * to_step + l] = from[l * from_step + k];
}

/* The filter of these taps, filters `f` up to the end of their panel. `w` is that of the group. */
static void pack_panel(const correlation *c, const axis *y, const axis *x, const float *w, int32_t f, float *packed) {
  int width = next_width(c->filters - f) * VECTOR;
  int count = c->filters - f < width ? c->filters - f : width;
  for (int32_t i = 0; i < y->taps; i++)
    for (int32_t j = 0; j < x->taps; j++, packed += (int64_t)width * c->channels) {
      int64_t cell = (int64_t)(y->cell + i * y->cell_step) * c->kernel_width + x->cell + j * x->cell_step;
      const float *from = w + cell * c->cell_step + f * c->filter_step;
      if (count < width) memset(packed, 0, sizeof(float) * (size_t)width * (size_t)c->channels);
      if (c->filter_step != 1) transpose_into(from, c->filter_step, count, c->channels, packed, width);
      else
        for (int32_t k = 0; k < c->channels; k++, from += c->channel_step)
          if (count < width) memcpy(packed + (int64_t)k * width, from, sizeof(float) * (size_t)count);
          else
            for (int v = 0; v < width; v += VECTOR)
              *(vector *)(packed + (int64_t)k * width + v) = *(const vector *)(from + v);
    }
}

/* The results of the tables, of all images, that sum up `block` of the panels from tap `first_tap` on; `tap_count` taps
 * are in a panel. */
static void correlate(
  const correlation *c, int64_t images, const float *x, const int32_t *from, const int32_t *to, int64_t results,
  const int32_t *taps, tap_block block, int64_t first_tap, int64_t tap_count, const float *packed, float *y,
  sb_convolution_end end) {
  int64_t x_size = (int64_t)c->height * c->width * c->pixel;
  int64_t y_size = (int64_t)c->result_height * c->result_width * c->result_pixel;
  int64_t at_once = FLOATS_AT_ONCE / c->channels / TILE * TILE;
  if (at_once < 8 * TILE) at_once = 8 * TILE;
  for (int64_t first = 0; first < images * results; first += at_once) {
    int64_t last = first + at_once < images * results ? first + at_once : images * results;
    const float *panel = packed;
    for (int64_t f = 0; f < c->filters;) {
      int width = next_width(c->filters - f);
      int lanes = c->filters - f < width * VECTOR ? (int)(c->filters - f) : width * VECTOR;
      int64_t image = first / results, result = first % results;
      for (int64_t m = first; m < last;) {
        int height = next_height(last - m, TILE);
        const float *sources[TILE];
        float *places[TILE], *targets[TILE], rests[TILE][2 * VECTOR];
        for (int t = 0; t < height; t++) {
          sources[t] = x + image * x_size + from[result];
          places[t] = targets[t] = y + image * y_size + to[result] + f;
          if (++result == results) result = 0, image++;
        }
        if (lanes < width * VECTOR)
          for (int t = 0; t < height; t++) targets[t] = rests[t];
        sb_convolution_end panel_end = {end.bias ? end.bias + f : NULL, end.relu};
        result_tile_of(height, width, sources, taps, block, panel + first_tap * width * VECTOR, targets, &panel_end);
        if (lanes < width * VECTOR)
          for (int t = 0; t < height; t++) memcpy(places[t], rests[t], sizeof(float) * (size_t)lanes);
        m += height;
      }
      f += width * VECTOR;
      panel += tap_count * width * VECTOR;
    }
  }
}

/* Scratch memory is divided into parts that begin at multiples of 64 bytes. */
static inline int64_t rounded(int64_t elements) { return (elements + 15) / 16 * 16; }

static int64_t correlation_scratch(const correlation *c) {
  int64_t taps = (int64_t)c->cells * c->channels, results = (int64_t)c->result_height * c->result_width;
  return 4 * (rounded(packed_width(c->filters)) + rounded(taps) + 2 * rounded(results));
}

/* Each cell of the kernel belongs to one pair of remainders. */
static int64_t correlation_packed(const correlation *c) {
  return 4 * (int64_t)c->groups * c->cells * c->channels * packed_width(c->filters);
}

static int64_t correlation_panels(const correlation *c) { return c->groups * panel_count(c->filters); }

static void pack_correlation(const correlation *c, const float *w, float *packed, int64_t first, int64_t count) {
  for (int64_t panel = first; panel < first + count; panel++) {
    int64_t group = panel / panel_count(c->filters), f = panel % panel_count(c->filters) * 2 * VECTOR;
    float *to = packed + group * (correlation_packed(c) / 4 / c->groups);
    for (int r = 0; r < c->row_kinds; r++)
      for (int q = 0; q < c->column_kinds; q++) {
        int64_t taps = (int64_t)c->rows[r].taps * c->columns[q].taps * c->channels;
        pack_panel(c, &c->rows[r], &c->columns[q], w + group * c->group_step, (int32_t)f, to + taps * f);
        to += taps * packed_width(c->filters);
      }
  }
}

static void correlate_images(
  const correlation *c, int64_t images, const float *x, const float *packed, float *y, void *scratch,
  const sb_convolution_end *end) {
  int64_t width = packed_width(c->filters);
  float *bias = scratch;
  int32_t *taps = (int32_t *)(bias + rounded(width));
  int32_t *from = taps + rounded((int64_t)c->cells * c->channels), *to = from + rounded((int64_t)c->result_height * c->result_width);
  sb_convolution_end own = {end && end->bias ? bias : NULL, end && end->relu};
  for (int32_t group = 0; group < c->groups; group++) {
    if (own.bias) {
      memset(bias, 0, sizeof(float) * (size_t)width);
      memcpy(bias, end->bias + group * c->filters, sizeof(float) * (size_t)c->filters);
    }
    for (int r = 0; r < c->row_kinds; r++)
      for (int q = 0; q < c->column_kinds; q++) {
        const axis *rows = &c->rows[r], *columns = &c->columns[q];
        int64_t line = (int64_t)columns->taps * c->channels;
        tap_table(c, rows, columns, taps);
        FOR_EACH_SPAN(seen_rows, rows, c->height) FOR_EACH_SPAN(seen_columns, columns, c->width) {
          result_tables(c, rows, columns, seen_rows, seen_columns, from, to);
          int64_t down = seen_rows.tap_end - seen_rows.tap, across = seen_columns.tap_end - seen_columns.tap;
          tap_block block = {down, across * c->channels, line};
          if (across == columns->taps) block = (tap_block){1, down * line, 0};
          correlate(
            c, images, x + (int64_t)group * c->channels, from, to,
            (int64_t)(seen_rows.end - seen_rows.first) * (seen_columns.end - seen_columns.first), taps, block,
            seen_rows.tap * line + seen_columns.tap * c->channels, rows->taps * line, packed,
            y + (int64_t)group * c->filters, own);
        }
        packed += rows->taps * line * width;
      }
  }
}

static int64_t direct_packed(const sb_convolution *g) {
  correlation c = forward_correlation(g);
  return correlation_packed(&c);
}

static int64_t direct_panels(const sb_convolution *g) {
  correlation c = forward_correlation(g);
  return correlation_panels(&c);
}

static void direct_pack(const sb_convolution *g, const float *w, float *packed, int64_t first, int64_t count) {
  correlation c = forward_correlation(g);
  pack_correlation(&c, w, packed, first, count);
}

static int64_t direct_scratch(const sb_convolution *g, int64_t images) {
  correlation c = forward_correlation(g);
  return correlation_scratch(&c);
}

static void direct(
  const sb_convolution *g, int64_t images, const float *x, const float *packed, float *y, void *scratch,
  const sb_convolution_end *end) {
  correlation c = forward_correlation(g);
  correlate_images(&c, images, x, packed, y, scratch, end);
}

static int64_t direct_backward_input_packed(const sb_convolution *g) {
  correlation c = backward_correlation(g);
  return correlation_packed(&c);
}

static int64_t direct_backward_input_panels(const sb_convolution *g) {
  correlation c = backward_correlation(g);
  return correlation_panels(&c);
}

static void direct_backward_input_pack(
  const sb_convolution *g, const float *w, float *packed, int64_t first, int64_t count) {
  correlation c = backward_correlation(g);
  pack_correlation(&c, w, packed, first, count);
}

static int64_t direct_backward_input_scratch(const sb_convolution *g, int64_t images) {
  correlation c = backward_correlation(g);
  return correlation_scratch(&c);
}

static void direct_backward_input(
  const sb_convolution *g, int64_t images, const float *dy, const float *packed, float *dx, void *scratch,
  const sb_convolution_end *end) {
  correlation c = backward_correlation(g);
  correlate_images(&c, images, dy, packed, dx, scratch, NULL);
}
