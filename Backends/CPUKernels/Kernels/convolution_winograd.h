/* Winograd's convolution F(m x m, 3 x 3), m = 2 or 4, and its gradient of the image: kernels of 3 x 3 without strides,
 * dilation and groups.
 *
 * Algorithm: y = A' [(G w G') * (B' x B)] A for tiles of m x m results, which read (m + 2) x (m + 2) pixels: 16 or 36
 * products of matrices [tiles, C] x [C, F] in place of 9 for each result. The matrices: winograd_matrices.h.
 * Layout: images [N, H, W, C]; transformed tiles [m + 2 squared][tiles][C], filters as panels for each of these, products
 * [m + 2 squared][tiles][F], for so many tiles at once that all of it stays in the second-level cache.
 * Register tile: that of direct convolution for the products, vectors along channels for the transforms.
 * Bound: the direct sum's times error_factor (convolution_variants.h); measured 0.6 (m = 2) and 2 to 4 times its error. A
 * result whose window is all zeros is an exact zero: what rounding leaves there is cleared, since behind it a relu would
 * open. Results to which all weights are zero are zeros by themselves.
 * Limited by the products of matrices, and by transforms where channels and filters are few (2026-11-30, one core of
 * Zen 4, filters packed before, four images: 13 x 13 x 32 to 64 filters 2.3 times as fast as direct, m = 2 1.4 times;
 * 32 x 32 x 32 to 64 filters 2.4 and 1.6 times). `winograd_share` says where it leads.
 * Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. */

/* The sum of row[i] * v[i * step]; factors of 0 are left out, so that nothing is added that is not there. */
INLINED vector row_times(const float *row, const vector *v, int step, const int count) {
  vector sum = {0};
  int is_first = 1;
  UNROLLED(i, count) {
    if (row[i] == 0) continue;
    sum = is_first ? row[i] * v[i * step] : sum + row[i] * v[i * step];
    is_first = 0;
  }
  return sum;
}

/* to [rows, rows] = m v m' for m [rows, columns] and v [columns, columns]. */
#define TRANSFORM(m, v, to, rows, columns) \
  do { \
    vector half[MOST_EDGE * MOST_EDGE]; \
    UNROLLED(r, rows) UNROLLED(c, columns) half[r * (columns) + c] = row_times((m)[r], (v) + c, columns, columns); \
    UNROLLED(r, rows) UNROLLED(c, rows) (to)[r * (rows) + c] = row_times((m)[c], half + r * (columns), 1, columns); \
  } while (0)

INLINED vector load_lanes(const float *from, int lanes) {
  if (lanes >= VECTOR) return *(const vector *)from;
  vector v = {0};
  memcpy(&v, from, sizeof(float) * (size_t)lanes);
  return v;
}

INLINED void store_lanes(float *to, vector v, int lanes) {
  if (lanes >= VECTOR) *(vector *)to = v;
  else memcpy(to, &v, sizeof(float) * (size_t)lanes);
}

/* Tiles that are worked on at once. */
static int64_t winograd_tiles(const sb_convolution *g, const winograd_matrices *m, int64_t images) {
  int64_t all = images * ((g->rows + m->results - 1) / m->results) * ((g->columns + m->results - 1) / m->results);
  int64_t tiles = (1 << 17) / (m->edge * m->edge * (g->channels + packed_width(g->filters))) / TILE * TILE;
  if (tiles < 2 * TILE) tiles = 2 * TILE;
  return tiles < all ? tiles : all;
}

static int64_t winograd_scratch(const sb_convolution *g, const winograd_matrices *m, int64_t images) {
  int64_t products = m->edge * m->edge, tiles = winograd_tiles(g, m, images), width = packed_width(g->filters);
  return 4 * (rounded(g->channels) + rounded(products * tiles * g->channels) +
    rounded(products * tiles * width) + rounded(((int64_t)g->height * g->width + 3) / 4));
}

/* Floats of w between cells, channels and filters; a gradient of the image reads the cells in reverse order. */
typedef struct {
  int64_t cell, channel, filter;
  int is_turned;
} filter_steps;

INLINED vector load_filters(const float *from, int64_t step, int lanes) {
  if (step == 1) return load_lanes(from, lanes);
  vector v = {0};
  for (int l = 0; l < lanes; l++) v[l] = from[l * step];
  return v;
}

INLINED void winograd_filter(
  const sb_convolution *g, const winograd_matrices *m, const filter_steps steps, const float *w, float *packed,
  int64_t first, int64_t count) {
  const int edge = m->edge;
  int64_t size = g->channels * packed_width(g->filters);
  for (int64_t f = first * 2 * VECTOR; f < (first + count) * 2 * VECTOR && f < g->filters; f += 2 * VECTOR) {
    int width = next_width(g->filters - f);
    for (int v = 0; v < width; v++)
      for (int32_t c = 0; c < g->channels; c++) {
        int64_t filter = f + v * VECTOR;
        int lanes = g->filters - filter < VECTOR ? (int)(g->filters - filter) : VECTOR;
        vector cells[9], to[MOST_EDGE * MOST_EDGE];
        for (int i = 0; i < 9; i++)
          cells[steps.is_turned ? 8 - i : i] =
            load_filters(w + i * steps.cell + c * steps.channel + filter * steps.filter, steps.filter, lanes);
        TRANSFORM(m->g, cells, to, edge, 3);
        UNROLLED(i, edge * edge)
          *(vector *)(packed + i * size + g->channels * f + ((int64_t)c * width + v) * VECTOR) = to[i];
      }
  }
}

/* The tile whose first result is at (p, q), to[product * step + channel]. */
INLINED void winograd_tile(
  const sb_convolution *g, const winograd_matrices *m, const float *image, int p, int q, float *to, int64_t step) {
  const int edge = m->edge;
  int top = p - g->top, left = q - g->left;
  int is_inside = top >= 0 && left >= 0 && top + edge <= g->height && left + edge <= g->width;
  for (int32_t c = 0; c < g->channels; c += VECTOR) {
    int lanes = g->channels - c < VECTOR ? g->channels - c : VECTOR;
    vector pixels[MOST_EDGE * MOST_EDGE], transformed[MOST_EDGE * MOST_EDGE];
    const float *from = image + ((int64_t)top * g->width + left) * g->channels + c;
    if (is_inside && lanes == VECTOR)
      UNROLLED(i, edge) UNROLLED(j, edge)
        pixels[i * edge + j] = *(const vector *)(from + ((int64_t)i * g->width + j) * g->channels);
    else
      for (int i = 0; i < edge; i++)
        for (int j = 0; j < edge; j++) {
          int is_there = top + i >= 0 && top + i < g->height && left + j >= 0 && left + j < g->width;
          pixels[i * edge + j] =
            is_there ? load_lanes(from + ((int64_t)i * g->width + j) * g->channels, lanes) : (vector){0};
        }
    TRANSFORM(m->b, pixels, transformed, edge, edge);
    if (lanes == VECTOR) UNROLLED(i, edge * edge) *(vector *)(to + i * step + c) = transformed[i];
    else
      for (int i = 0; i < edge * edge; i++) store_lanes(to + i * step + c, transformed[i], lanes);
  }
}

/* The results of a tile of an image at y, of from[product * step + filter]. */
INLINED void winograd_results(
  const sb_convolution *g, const winograd_matrices *m, const float *from, int64_t step, int p, int q, float *y) {
  const int edge = m->edge, results = m->results;
  int rows = g->rows - p < results ? g->rows - p : results, columns = g->columns - q < results ? g->columns - q : results;
  for (int64_t f = 0; f < g->filters; f += VECTOR) {
    int lanes = g->filters - f < VECTOR ? (int)(g->filters - f) : VECTOR;
    vector products[MOST_EDGE * MOST_EDGE], tile[16];
    UNROLLED(i, edge * edge) products[i] = *(const vector *)(from + i * step + f);
    TRANSFORM(m->a, products, tile, results, edge);
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < columns; j++)
        store_lanes(y + (((int64_t)p + i) * g->columns + q + j) * g->filters + f, tile[i * results + j], lanes);
  }
}

/* Makes zeros of results whose windows hold nothing but zeros; what is no number stays none. */
static void clear_windows_of_zeros(const sb_convolution *g, const float *image, float *y, uint8_t *is_something) {
  int64_t pixels = (int64_t)g->height * g->width, empty = 0;
  for (int64_t e = 0; e < pixels; e++) {
    int32_t c = 0;
    while (c < g->channels && image[e * g->channels + c] == 0) c++;
    is_something[e] = c < g->channels;
    empty += c == g->channels;
  }
  /* Nor where a window lies in the padding alone. */
  int meets_all = g->top < 3 && g->left < 3 && g->rows - 1 - g->top < g->height && g->columns - 1 - g->left < g->width;
  if (empty == 0 && meets_all) return;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++) {
      int found = 0;
      for (int h = p - g->top; h < p - g->top + 3; h++)
        for (int v = q - g->left; v < q - g->left + 3; v++)
          if (h >= 0 && h < g->height && v >= 0 && v < g->width) found |= is_something[(int64_t)h * g->width + v];
      if (found) continue;
      float *result = y + ((int64_t)p * g->columns + q) * g->filters;
      for (int32_t f = 0; f < g->filters; f++) result[f] = result[f] * 0 + 0;
    }
}

INLINED void winograd(
  const sb_convolution *g, const winograd_matrices *m, int64_t images, const float *x, const float *packed, float *y,
  void *scratch, const sb_convolution_end *end) {
  int64_t products = m->edge * m->edge, at_once = winograd_tiles(g, m, images), width = packed_width(g->filters);
  int32_t *taps = scratch;
  float *tiles = (float *)(taps + rounded(g->channels)), *sums = tiles + rounded(products * at_once * g->channels);
  uint8_t *is_something = (uint8_t *)(sums + rounded(products * at_once * width));
  int32_t down = (g->rows + m->results - 1) / m->results, across = (g->columns + m->results - 1) / m->results;
  int64_t x_size = (int64_t)g->height * g->width * g->channels, y_size = (int64_t)g->rows * g->columns * g->filters;
  int64_t all = images * down * across;
  const sb_convolution_end nothing_more = {0};
  if (all == 0) return;
  for (int32_t c = 0; c < g->channels; c++) taps[c] = c;
  for (int64_t first = 0; first < all; first += at_once) {
    int64_t count = all - first < at_once ? all - first : at_once;
    for (int64_t t = 0; t < count; t++) {
      int64_t image = (first + t) / (down * across), place = (first + t) % (down * across);
      winograd_tile(
        g, m, x + image * x_size, (int)(place / across) * m->results, (int)(place % across) * m->results,
        tiles + t * g->channels, at_once * g->channels);
    }
    for (int64_t product = 0; product < products; product++) {
      const float *panel = packed + product * g->channels * width;
      for (int64_t f = 0; f < g->filters;) {
        int vectors = next_width(g->filters - f);
        for (int64_t t = 0; t < count;) {
          int height = next_height(count - t, TILE);
          const float *from[TILE];
          float *to[TILE];
          for (int i = 0; i < height; i++) {
            from[i] = tiles + (product * at_once + t + i) * g->channels;
            to[i] = sums + (product * at_once + t + i) * width + f;
          }
          result_tile_of(height, vectors, from, taps, (tap_block){1, g->channels, 0}, panel, to, &nothing_more);
          t += height;
        }
        f += vectors * VECTOR;
        panel += (int64_t)g->channels * vectors * VECTOR;
      }
    }
    for (int64_t t = 0; t < count; t++) {
      int64_t image = (first + t) / (down * across), place = (first + t) % (down * across);
      winograd_results(
        g, m, sums + t * width, at_once * width, (int)(place / across) * m->results,
        (int)(place % across) * m->results, y + image * y_size);
    }
  }
  for (int64_t n = 0; n < images; n++) clear_windows_of_zeros(g, x + n * x_size, y + n * y_size, is_something);
  end_results(end, images * g->rows * g->columns, g->filters, y);
}

/* The convolution of dy that the gradient of the image is. */
static sb_convolution turned(const sb_convolution *g) {
  sb_convolution t = *g;
  t.height = g->rows, t.width = g->columns, t.rows = g->height, t.columns = g->width;
  t.channels = t.pixel = g->filters, t.filters = g->channels;
  t.top = 2 - g->top, t.left = 2 - g->left;
  return t;
}

#define WINOGRAD(m) \
  static int64_t winograd_##m##_packed(const sb_convolution *g) { \
    return 4 * (m + 2) * (m + 2) * g->channels * packed_width(g->filters); \
  } \
  static void winograd_##m##_pack( \
    const sb_convolution *g, const float *w, float *packed, int64_t first, int64_t count) { \
    filter_steps steps = {(int64_t)g->channels * g->filters, g->filters, 1, 0}; \
    winograd_filter(g, &winograd_##m, steps, w, packed, first, count); \
  } \
  static int64_t winograd_##m##_scratch(const sb_convolution *g, int64_t images) { \
    return winograd_scratch(g, &winograd_##m, images); \
  } \
  static void winograd_##m##_forward( \
    const sb_convolution *g, int64_t images, const float *x, const float *packed, float *y, void *scratch, \
    const sb_convolution_end *end) { \
    winograd(g, &winograd_##m, images, x, packed, y, scratch, end); \
  } \
  static int64_t winograd_##m##_backward_input_packed(const sb_convolution *g) { \
    return 4 * (m + 2) * (m + 2) * g->filters * packed_width(g->channels); \
  } \
  static void winograd_##m##_backward_input_pack( \
    const sb_convolution *g, const float *w, float *packed, int64_t first, int64_t count) { \
    sb_convolution t = turned(g); \
    filter_steps steps = {(int64_t)g->channels * g->filters, 1, g->filters, 1}; \
    winograd_filter(&t, &winograd_##m, steps, w, packed, first, count); \
  } \
  static int64_t winograd_##m##_backward_input_scratch(const sb_convolution *g, int64_t images) { \
    sb_convolution t = turned(g); \
    return winograd_scratch(&t, &winograd_##m, images); \
  } \
  static void winograd_##m##_backward_input( \
    const sb_convolution *g, int64_t images, const float *dy, const float *packed, float *dx, void *scratch, \
    const sb_convolution_end *end) { \
    sb_convolution t = turned(g); \
    winograd(&t, &winograd_##m, images, dy, packed, dx, scratch, NULL); \
  }
WINOGRAD(2)
WINOGRAD(4)
#undef WINOGRAD

static int64_t winograd_panels(const sb_convolution *g) { return panel_count(g->filters); }
static int64_t winograd_backward_input_panels(const sb_convolution *g) { return panel_count(g->channels); }
