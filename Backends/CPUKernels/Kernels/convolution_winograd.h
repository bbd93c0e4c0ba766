/* Winograd's convolution F(m x m, 3 x 3), m = 2 or 4, and its gradient of the image: kernels of 3 x 3 without strides,
 * dilation and groups.
 *
 * Algorithm: y = A' [(G w G') * (B' x B)] A for tiles of m x m results, which read (m + 2) x (m + 2) pixels: 16 or 36
 * products of matrices [tiles, C] x [C, F] in place of 9 for each result. The matrices: winograd_matrices.h.
 * Layout: images [N, H, W, C]; transformed tiles [m + 2 squared][blocks][C / VECTOR][tiles of a block][VECTOR], so that a
 * register tile reads from one address on, filters as panels for each product, products [m + 2 squared][tiles][F], for so
 * many tiles at once that all of it stays in the second-level cache.
 * Register tile: WINOGRAD_TILE tiles x 2 vectors of filters for the products, vectors along channels for the transforms,
 * which go column by column.
 * Bound: the direct sum's times error_factor (convolution_variants.h); measured 0.6 (m = 2) and 2 to 4 times its error. A
 * result whose window is all zeros is an exact zero: what rounding leaves there is cleared before a bias is added, since
 * behind it a relu would open. Results to which all weights are zero are zeros by themselves. Bits of a result do not depend
 * on what is computed beside it, nor on how many rows and columns of results there are.
 * Limited by the products of matrices, and by transforms where channels and filters are few (2026-11-30, one core of
 * Zen 4, filters packed before, four images of 13 x 13 x 32 to 64 filters: 15 us an image, AVX2 17, of which products 11.8
 * at 0.96 of the loop of multiplications in registers, transforms 1.2 and 1.8; direct 39, m = 2 25. 32 x 32 x 32 to 64
 * filters 2.7 and 1.7 times as fast as direct). `winograd_share` says where it leads.
 * Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", CVPR 2016. */

/* Transformed tiles and their products that are kept at once. */
enum { FLOATS_OF_TILES = 1 << 17 };

#if VECTOR == 16 || defined(__aarch64__)
enum { WINOGRAD_TILE = 12 };
#define UP_TO_WINOGRAD_TILE(CASE) UP_TO_TILE(CASE) CASE(11) CASE(12)
#else
enum { WINOGRAD_TILE = 6 };
#define UP_TO_WINOGRAD_TILE UP_TO_TILE
#endif

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

/* to[r * to_step] = row r of m times v, for `rows` of them. */
#define TRANSFORM(m, v, v_step, to, to_step, rows, columns) \
  UNROLLED(row, rows) (to)[row * (to_step)] = row_times((m)[row], v, v_step, columns)

/* How the tiles of some images lie in scratch memory: as many at once as stay in the second-level cache, in blocks of a
 * register tile. */
typedef struct {
  int32_t down, across;
  int64_t all, at_once, height, products;
  /* Floats of a block, of all blocks of a product, and of its sums. */
  int64_t block, blocks, width;
} winograd_layout;

/* The most tiles at once. */
static int64_t most_winograd_tiles(const sb_convolution *g, const winograd_matrices *m) {
  int64_t floats = m->edge * m->edge * (packed_width(g->channels) + packed_width(g->filters));
  int64_t most = FLOATS_OF_TILES / floats / WINOGRAD_TILE * WINOGRAD_TILE;
  return most < 2 * WINOGRAD_TILE ? 2 * WINOGRAD_TILE : most;
}

static winograd_layout winograd_layout_of(const sb_convolution *g, const winograd_matrices *m, int64_t images) {
  winograd_layout l = {(g->rows + m->results - 1) / m->results, (g->columns + m->results - 1) / m->results};
  l.all = images * l.down * l.across, l.products = m->edge * m->edge, l.width = packed_width(g->filters);
  int64_t channels = packed_width(g->channels);
  l.at_once = l.all == 0 ? 0 : next_height(l.all, most_winograd_tiles(g, m));
  l.height = l.at_once == 0 ? 0 : next_height(l.at_once, WINOGRAD_TILE);
  l.block = l.height * channels;
  l.blocks = l.height == 0 ? 0 : (l.at_once + l.height - 1) / l.height * l.block;
  return l;
}

/* Bytes of an image's map of windows: whether some see nothing, and of each whether it sees something. */
static int64_t winograd_map(const sb_convolution *g) { return 1 + (int64_t)g->rows * g->columns; }

static int64_t winograd_scratch(const sb_convolution *g, const winograd_matrices *m, int64_t images) {
  winograd_layout l = winograd_layout_of(g, m, images);
  int64_t seen = (int64_t)(g->rows + 2) * (g->columns + 2), most = most_winograd_tiles(g, m);
  /* Fewer images may have more tiles at once, and end with a part of a block. */
  int64_t at_once = l.all < most ? l.all : most, padded = at_once + WINOGRAD_TILE;
  return 4 * (rounded(l.products * padded * packed_width(g->channels)) + rounded(l.products * at_once * l.width)) +
    4 * rounded((images * winograd_map(g) + seen + 3) / 4);
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
        vector cells[9], half[MOST_EDGE * 3], to[MOST_EDGE * MOST_EDGE];
        for (int i = 0; i < 9; i++)
          cells[steps.is_turned ? 8 - i : i] =
            load_filters(w + i * steps.cell + c * steps.channel + filter * steps.filter, steps.filter, lanes);
        UNROLLED(j, 3) TRANSFORM(m->g, cells + j, 3, half + j, 3, edge, 3);
        UNROLLED(i, edge) TRANSFORM(m->g, half + i * 3, 1, to + i * edge, 1, edge, 3);
        UNROLLED(i, edge * edge)
          *(vector *)(packed + i * size + g->channels * f + ((int64_t)c * width + v) * VECTOR) = to[i];
      }
  }
}

/* The tile whose first result is at (p, q), vector v of its channels to[product * step + v * chunk]. */
INLINED void winograd_tile(
  const sb_convolution *g, const winograd_matrices *m, const float *image, int p, int q, float *to, int64_t step,
  int64_t chunk) {
  static const float zeros[VECTOR];
  const int edge = m->edge;
  int top = p - g->top, left = q - g->left;
  int is_inside = top >= 0 && left >= 0 && top + edge <= g->height && left + edge <= g->width;
  for (int32_t c = 0; c < g->channels; c += VECTOR, to += chunk) {
    int lanes = g->channels - c < VECTOR ? g->channels - c : VECTOR;
    vector pixels[MOST_EDGE], half[MOST_EDGE * MOST_EDGE];
    int64_t from = ((int64_t)top * g->width + left) * g->channels + c, row = (int64_t)g->width * g->channels;
    /* Column by column, since registers hold no tile. */
#define COLUMNS(pixel) \
  UNROLLED(j, edge) { \
    UNROLLED(i, edge) pixels[i] = pixel; \
    TRANSFORM(m->b, pixels, 1, half + j, edge, edge, edge); \
  }
#define IS_THERE (top + i >= 0 && top + i < g->height && left + j >= 0 && left + j < g->width)
    if (is_inside && lanes == VECTOR)
      COLUMNS(*(const vector *)(image + from + i * row + j * g->channels))
    else if (lanes == VECTOR)
      COLUMNS(*(const vector *)(IS_THERE ? image + from + i * row + j * g->channels : zeros))
    else
      COLUMNS(IS_THERE ? load_lanes(image + from + i * row + j * g->channels, lanes) : (vector){0})
#undef IS_THERE
#undef COLUMNS
    UNROLLED(i, edge) {
      vector transformed[MOST_EDGE];
      TRANSFORM(m->b, half + i * edge, 1, transformed, 1, edge, edge);
      UNROLLED(j, edge) *(vector *)(to + (i * edge + j) * step) = transformed[j];
    }
  }
}

/* to[t * width of all] = the sum over channels of a block's tile t times a panel, for `height` tiles and `width` vectors of
 * filters; the block's vectors of channels are `chunk` floats apart. */
INLINED void winograd_product(
  const float *block, int64_t chunk, int64_t channels, const float *panel, float *to, int64_t step, const int height,
  const int width) {
  vector sums[WINOGRAD_TILE][2] = {0};
  for (; channels > 0; channels -= VECTOR, block += chunk) {
    int64_t count = channels < VECTOR ? channels : VECTOR;
    for (int64_t k = 0; k < count; k++, panel += width * VECTOR) {
      vector first = *(const vector *)panel, second = first;
      if (width == 2) second = *(const vector *)(panel + VECTOR);
      UNROLLED(t, height) {
        float v = block[t * VECTOR + k];
        sums[t][0] += v * first;
        if (width == 2) sums[t][1] += v * second;
      }
    }
  }
  UNROLLED(t, height) UNROLLED(v, width) *(vector *)(to + t * step + v * VECTOR) = sums[t][v];
}

static void winograd_product_of(
  int height, int width, const float *block, int64_t chunk, int64_t channels, const float *panel, float *to,
  int64_t step) {
#define ONE(n) case n: winograd_product(block, chunk, channels, panel, to, step, n, 1); return;
#define TWO(n) case n: winograd_product(block, chunk, channels, panel, to, step, n, 2); return;
  if (width == 1) switch (height) { UP_TO_WINOGRAD_TILE(ONE) }
  else switch (height) { UP_TO_WINOGRAD_TILE(TWO) }
#undef ONE
#undef TWO
}

/* The results of a tile of an image at y, of from[product * step + filter]. `map`: of the image, see below. */
INLINED void winograd_results(
  const sb_convolution *g, const winograd_matrices *m, const float *from, int64_t step, int p, int q,
  const uint8_t *map, const sb_convolution_end *end, float *y) {
  const int edge = m->edge, results = m->results;
  int rows = g->rows - p < results ? g->rows - p : results, columns = g->columns - q < results ? g->columns - q : results;
  int64_t place = (int64_t)p * g->columns + q;
  for (int64_t f = 0; f < g->filters; f += VECTOR) {
    int lanes = g->filters - f < VECTOR ? (int)(g->filters - f) : VECTOR;
    vector products[MOST_EDGE], half[4 * MOST_EDGE], bias = {0};
    if (end->bias) bias = load_lanes(end->bias + f, lanes);
    UNROLLED(j, edge) {
      UNROLLED(i, edge) products[i] = *(const vector *)(from + (i * edge + j) * step + f);
      TRANSFORM(m->a, products, 1, half + j, edge, results, edge);
    }
#define ROWS(store) \
  UNROLLED(i, results) { \
    if (i >= rows) continue; \
    const uint8_t *sees = map + 1 + place + i * g->columns; \
    float *to = y + (place + i * g->columns) * g->filters + f; \
    vector line[4]; \
    TRANSFORM(m->a, half + i * edge, 1, line, 1, results, edge); \
    if (map[0]) UNROLLED(j, results) if (j < columns && !sees[j]) line[j] = line[j] * 0 + 0; \
    if (end->bias) UNROLLED(j, results) line[j] += bias; \
    if (end->relu) UNROLLED(j, results) line[j] = rectified(line[j]); \
    UNROLLED(j, results) if (j < columns) store; \
  }
    if (lanes == VECTOR) ROWS(*(vector *)(to + j * g->filters) = line[j])
    else ROWS(memcpy(to + j * g->filters, &line[j], sizeof(float) * (size_t)lanes))
#undef ROWS
  }
}

static inline int is_something(const float *pixel, int32_t channels) {
  int32_t c = 0;
  bits found = {0};
  for (; c + VECTOR <= channels; c += VECTOR) found |= *(const vector *)(pixel + c) != 0;
  int rest = __builtin_reduce_or(found) != 0;
  for (; c < channels; c++) rest |= pixel[c] != 0;
  return rest;
}

/* Which windows of an image hold nothing but zeros, or lie in the padding alone: what rounding leaves of their results is to
 * become a zero, and what is no number stays none. */
static void map_windows(const sb_convolution *g, const float *image, uint8_t *map, uint8_t *seen) {
  int64_t across = g->columns + 2, size = across * (g->rows + 2), count = 0;
  int32_t bottom = g->height + g->top < g->rows + 2 ? g->height + g->top : g->rows + 2;
  int32_t right = g->width + g->left < g->columns + 2 ? g->width + g->left : g->columns + 2;
  memset(seen, 0, (size_t)size);
  int32_t first = g->left > 0 ? g->left : 0;
  for (int32_t p = g->top > 0 ? g->top : 0; p < bottom; p++) {
    const float *pixel = image + ((int64_t)(p - g->top) * g->width + first - g->left) * g->channels;
    for (int32_t q = first; q < right; q++, pixel += g->channels)
      count += seen[p * across + q] = (uint8_t)is_something(pixel, g->channels);
  }
  map[0] = count < size;
  if (!map[0]) return;
  for (int32_t p = 0; p < g->rows; p++)
    for (int32_t q = 0; q < g->columns; q++) {
      const uint8_t *at = seen + p * across + q, *next = at + across, *last = next + across;
      map[1 + p * g->columns + q] =
        at[0] | at[1] | at[2] | next[0] | next[1] | next[2] | last[0] | last[1] | last[2];
    }
}

INLINED void winograd(
  const sb_convolution *g, const winograd_matrices *m, int64_t images, const float *x, const float *packed, float *y,
  void *scratch, const sb_convolution_end *end) {
  const winograd_layout l = winograd_layout_of(g, m, images);
  int64_t x_size = (int64_t)g->height * g->width * g->channels, y_size = (int64_t)g->rows * g->columns * g->filters;
  int64_t sum_step = l.at_once * l.width, chunk = l.height * VECTOR;
  float *tiles = scratch, *sums = tiles + rounded(l.products * l.blocks);
  uint8_t *maps = (uint8_t *)(sums + rounded(l.products * sum_step)), *seen = maps + images * winograd_map(g);
  const sb_convolution_end nothing_more = {0};
  if (!end) end = &nothing_more;
  if (l.all == 0) return;
  for (int64_t n = 0; n < images; n++) map_windows(g, x + n * x_size, maps + n * winograd_map(g), seen);
  for (int64_t first = 0; first < l.all; first += l.at_once) {
    int64_t count = l.all - first < l.at_once ? l.all - first : l.at_once;
    for (int64_t t = 0; t < count; t++) {
      int64_t image = (first + t) / (l.down * l.across), place = (first + t) % (l.down * l.across);
      winograd_tile(
        g, m, x + image * x_size, (int)(place / l.across) * m->results, (int)(place % l.across) * m->results,
        tiles + t / l.height * l.block + t % l.height * VECTOR, l.blocks, chunk);
    }
    for (int64_t product = 0; product < l.products; product++) {
      const float *panel = packed + product * g->channels * l.width;
      for (int64_t f = 0; f < g->filters;) {
        int vectors = next_width(g->filters - f);
        for (int64_t t = 0; t < count; t += l.height)
          winograd_product_of(
            (int)(count - t < l.height ? count - t : l.height), vectors,
            tiles + product * l.blocks + t / l.height * l.block, chunk, g->channels, panel,
            sums + product * sum_step + t * l.width + f, l.width);
        f += vectors * VECTOR;
        panel += (int64_t)g->channels * vectors * VECTOR;
      }
    }
    for (int64_t t = 0; t < count; t++) {
      int64_t image = (first + t) / (l.down * l.across), place = (first + t) % (l.down * l.across);
      winograd_results(
        g, m, sums + t * l.width, sum_step, (int)(place / l.across) * m->results,
        (int)(place % l.across) * m->results, maps + image * winograd_map(g), end, y + image * y_size);
    }
  }
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
