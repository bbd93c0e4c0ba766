/* Depthwise convolution of 3 x 3 cells without strides and dilation, and its gradients; any padding.
 *
 * Algorithm: direct. A tile is some neighbouring results of one row; each pixel of the three rows that they see is loaded
 * once for all of them, with the taps of a row in registers. The gradient of the image is the same with the kernel turned
 * around. That of the filter keeps the nine sums of some channels in registers over a tile of several rows, and three
 * neighbours of dy, so each pixel is loaded once for its three cells of a row.
 * Layout: images [N, H, W, C], filter [3, 3, C]; vectors lie along the channels, innermost, so memory is read in its order.
 * Register tile: 8, 4, 2 or 1 results of a row x one vector of channels (of the rest 8, 4 and 1); of the filter's gradient
 * 9 sums, with 8 columns x up to 4 rows behind them.
 * Order of sums: results sum up their taps row by row, as `depthwise` does, with its bits. The filter's gradient sums up a
 * tile row by row, and adds tiles from left to right, then downwards, then image by image.
 * Bound: that of an accumulation of 9 terms, of the filter's gradient N * P * Q.
 * Limited by: large images by memory, small ones by products (some 5 loads for 9 products). */
enum { RESULTS_3X3 = 8, ROWS_3X3 = 4 };

typedef float lanes4 __attribute__((vector_size(16), aligned(4), may_alias));

#define INLINED_3X3 static inline __attribute__((always_inline)) void
#define EACH_3X3(t, count) _Pragma("clang loop unroll(full)") for (int t = 0; t < (count); t++)

/* Where a tile lies: its first result's row and column, whether all of its windows lie in the image, and whether the image
 * is so large that memory has to be asked ahead of time. */
typedef struct {
  int p, q, is_inside, is_far;
} place_3x3;

/* With its results an image does not stay in a cache of 1 MiB. */
static inline int is_far_3x3(const sb_convolution *g) {
  return ((int64_t)g->height * g->width + (int64_t)g->rows * g->columns) * g->pixel > 1 << 18;
}

/* Asks for the same columns of a later row, `apart` floats on, once for each 64 bytes. The hardware's own guess fails where
 * so many lines are read in turns (2026-12-01, one core of Zen 4, 16 images 56 x 56 x 64: forward 1500 us in place of 2700). */
#define ASK_3X3(from, apart) \
  if (at.is_far && c % 16 == 0) EACH_3X3(k, width) __builtin_prefetch((from) + (apart) + k * pixel, 0, 2);

/* `width` results of a row, for channels `c` up to `channels`, as many at once as `lanes` has; the channel behind them.
 * Taps are `step` floats apart. */
#define RESULTS(name, lanes) \
  INLINED_3X3 name( \
    const sb_convolution *g, const float *x, const float *w, int64_t step, float *y, int *channel, place_3x3 at, \
    const int width, const int is_inside) { \
    const int64_t pixel = g->pixel; \
    const int h = at.p - g->top, v = at.q - g->left, first = h < 0 ? -h : 0, end = g->height - h < 3 ? g->height - h : 3; \
    int c = *channel; \
    for (; c + (int)(sizeof(lanes) / 4) <= pixel; c += (int)(sizeof(lanes) / 4)) { \
      lanes sums[RESULTS_3X3] = {0}; \
      for (int i = first; i < end; i++) { \
        const float *from = x + ((int64_t)(h + i) * g->width + v) * pixel + c, *tap = w + 3 * i * step + c; \
        const lanes taps[3] = {*(const lanes *)tap, *(const lanes *)(tap + step), *(const lanes *)(tap + 2 * step)}; \
        EACH_3X3(k, width + 2) { \
          if (!is_inside && (v + k < 0 || v + k >= g->width)) continue; \
          const lanes seen = *(const lanes *)(from + k * pixel); \
          EACH_3X3(j, 3) if (k - j >= 0 && k - j < width) sums[k - j] += seen * taps[j]; \
        } \
      } \
      EACH_3X3(t, width) *(lanes *)(y + t * pixel + c) = sums[t]; \
      ASK_3X3(x + c, ((int64_t)(h + 3) * g->width + v) * pixel) \
      ASK_3X3(y + c, g->columns * pixel) \
    } \
    *channel = c; \
  }
#if VECTOR == 16
RESULTS(results_3x3_16, lanes16)
#endif
#if VECTOR >= 8
RESULTS(results_3x3_8, lanes8)
#endif
RESULTS(results_3x3_4, lanes4)
RESULTS(results_3x3_1, float)
#undef RESULTS

/* The same of a filter's gradient, added to dw: `width` columns of `rows` rows. */
#define SUMS(name, lanes) \
  INLINED_3X3 name( \
    const sb_convolution *g, const float *x, const float *dy, float *dw, int *channel, place_3x3 at, int rows, \
    const int width, const int is_inside) { \
    const int64_t pixel = g->pixel, line = (int64_t)g->width * pixel; \
    const int v = at.q - g->left; \
    int c = *channel; \
    for (; c + (int)(sizeof(lanes) / 4) <= pixel; c += (int)(sizeof(lanes) / 4)) { \
      lanes sums[3][3] = {0}; \
      for (int p = at.p; p < at.p + rows; p++) { \
        const int h = p - g->top; \
        const float *from = x + ((int64_t)h * g->width + v) * pixel + c; \
        const float *up = dy + ((int64_t)p * g->columns + at.q) * pixel + c; \
        lanes near[RESULTS_3X3]; \
        EACH_3X3(k, width + 2) { \
          if (k < width) near[k] = *(const lanes *)(up + k * pixel); \
          if (!is_inside && (v + k < 0 || v + k >= g->width)) continue; \
          EACH_3X3(i, 3) { \
            if (!is_inside && (h + i < 0 || h + i >= g->height)) continue; \
            const lanes seen = *(const lanes *)(from + i * line + k * pixel); \
            EACH_3X3(j, 3) if (k - j >= 0 && k - j < width) sums[i][j] += seen * near[k - j]; \
          } \
        } \
      } \
      /* Not in the loop over rows, which takes a fifth longer with it. */ \
      for (int p = at.p + rows; at.is_far && p < at.p + 2 * rows; p++) { \
        ASK_3X3(x + c, ((int64_t)(p + 2 - g->top) * g->width + v) * pixel) \
        ASK_3X3(dy + c, ((int64_t)p * g->columns + at.q) * pixel) \
      } \
      EACH_3X3(i, 3) EACH_3X3(j, 3) *(lanes *)(dw + (3 * i + j) * pixel + c) += sums[i][j]; \
    } \
    *channel = c; \
  }
#if VECTOR == 16
SUMS(sums_3x3_16, lanes16)
#endif
#if VECTOR >= 8
SUMS(sums_3x3_8, lanes8)
#endif
SUMS(sums_3x3_4, lanes4)
SUMS(sums_3x3_1, float)
#undef SUMS

#if VECTOR == 16
#define EACH_LANES(run, ...) run##_16(__VA_ARGS__); run##_8(__VA_ARGS__); run##_4(__VA_ARGS__); run##_1(__VA_ARGS__);
#elif VECTOR == 8
#define EACH_LANES(run, ...) run##_8(__VA_ARGS__); run##_4(__VA_ARGS__); run##_1(__VA_ARGS__);
#else
#define EACH_LANES(run, ...) run##_4(__VA_ARGS__); run##_1(__VA_ARGS__);
#endif

/* One function a width, inside and at the edges: few instructions each. */
#define WIDTH(n) \
  static void results_3x3_of_##n( \
    const sb_convolution *g, const float *x, const float *w, int64_t step, float *y, place_3x3 at) { \
    int c = 0; \
    if (at.is_inside) { EACH_LANES(results_3x3, g, x, w, step, y, &c, at, n, 1) } \
    else { EACH_LANES(results_3x3, g, x, w, step, y, &c, at, n, 0) } \
  } \
  static void sums_3x3_of_##n( \
    const sb_convolution *g, const float *x, const float *dy, float *dw, place_3x3 at, int rows) { \
    int c = 0; \
    if (at.is_inside) { EACH_LANES(sums_3x3, g, x, dy, dw, &c, at, rows, n, 1) } \
    else { EACH_LANES(sums_3x3, g, x, dy, dw, &c, at, rows, n, 0) } \
  }
WIDTH(8)
WIDTH(4)
WIDTH(2)
WIDTH(1)
#undef WIDTH
#undef EACH_LANES
#undef ASK_3X3
#undef EACH_3X3
#undef INLINED_3X3

/* Columns of the next tile. */
static inline int next_width_3x3(int columns) { return columns >= 8 ? 8 : columns >= 4 ? 4 : columns >= 2 ? 2 : 1; }

/* Whether `count` windows from `first` on lie within an image of `size` pixels. */
static inline int lies_inside_3x3(int first, int count, int padding, int size) {
  return first >= padding && first + count + 2 - padding <= size;
}

/* Whole images; `turns` the kernel around. */
static void depthwise_3x3_images(
  const sb_convolution *g, int64_t images, const float *x, const float *w, float *y, const sb_convolution_end *end,
  int turns) {
  const int64_t pixel = g->pixel, step = turns ? -pixel : pixel;
  const int is_far = is_far_3x3(g);
  if (turns) w += 8 * pixel;
  for (int64_t n = 0; n < images; n++, x += g->height * g->width * pixel)
    for (int p = 0; p < g->rows; p++) {
      float *line = y;
      for (int q = 0, width; q < g->columns; q += width, y += width * pixel) {
        width = next_width_3x3(g->columns - q);
        const place_3x3 at = {p, q, lies_inside_3x3(q, width, g->left, g->width), is_far};
        if (width == 8) results_3x3_of_8(g, x, w, step, y, at);
        else if (width == 4) results_3x3_of_4(g, x, w, step, y, at);
        else if (width == 2) results_3x3_of_2(g, x, w, step, y, at);
        else results_3x3_of_1(g, x, w, step, y, at);
      }
      /* While it is in the cache. */
      end_results(end, g->columns, pixel, line);
    }
}

static void depthwise_3x3(
  const sb_convolution *g, int64_t images, const float *x, const float *w, float *y, void *scratch,
  const sb_convolution_end *end) {
  depthwise_3x3_images(g, images, x, w, y, end, 0);
}

static void depthwise_3x3_backward_input(
  const sb_convolution *g, int64_t images, const float *dy, const float *w, float *dx, void *scratch,
  const sb_convolution_end *end) {
  sb_convolution turned = *g;
  turned.height = g->rows, turned.width = g->columns, turned.rows = g->height, turned.columns = g->width;
  turned.top = 2 - g->top, turned.left = 2 - g->left;
  depthwise_3x3_images(&turned, images, dy, w, dx, NULL, 1);
}

static void depthwise_3x3_backward_filter(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw, void *scratch,
  const sb_convolution_end *end) {
  const int is_far = is_far_3x3(g);
  for (int64_t n = 0; n < images; n++) {
    for (int p = 0, rows; p < g->rows; p += rows) {
      rows = g->rows - p < ROWS_3X3 ? g->rows - p : ROWS_3X3;
      for (int q = 0, width; q < g->columns; q += width) {
        width = next_width_3x3(g->columns - q);
        const int is_inside =
          lies_inside_3x3(p, rows, g->top, g->height) && lies_inside_3x3(q, width, g->left, g->width);
        const place_3x3 at = {p, q, is_inside, is_far};
        if (width == 8) sums_3x3_of_8(g, x, dy, dw, at, rows);
        else if (width == 4) sums_3x3_of_4(g, x, dy, dw, at, rows);
        else if (width == 2) sums_3x3_of_2(g, x, dy, dw, at, rows);
        else sums_3x3_of_1(g, x, dy, dw, at, rows);
      }
    }
    x += g->height * g->width * g->pixel;
    dy += g->rows * g->columns * g->pixel;
  }
}
