/* Convolution with one channel and one filter a group, and its gradients: any stride, padding and dilation.
 *
 * Algorithm: direct. The gradient of the image is, without strides, the convolution with the kernel turned around.
 * Layout: images [N, H, W, C], filter [Kh, Kw, C]; vectors lie along the channels.
 * Register tile: 4 results of a row x 16, 8 or 1 channels; of the filter's gradient 4 sums of one cell.
 * Bound: that of an accumulation of Kh * Kw terms, of the filter's gradient N * P * Q.
 * Limited by loads: each product reads one element of the image. */
/* The rows (or columns) of y that see the image through one cell of the kernel: from first up to end. */
static inline void seen(int count, int size, int stride, int shift, int *first, int *end) {
  *first = shift >= 0 ? 0 : (stride - 1 - shift) / stride;
  int last = size - 1 - shift;
  *end = last < 0 ? 0 : last / stride + 1;
  if (*end > count) *end = count;
}

/* Vectors of any alignment: the sums of a few results stay in registers while the kernel passes over the image. */
typedef float lanes16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float lanes8 __attribute__((vector_size(32), aligned(4), may_alias));

/* `tile` neighbouring results of one row, for as many channels as `lanes` has. `flips` turns the kernel around. */
#define DEPTHWISE_TILE(name, lanes) \
  static inline __attribute__((always_inline)) void name( \
    const sb_convolution *g, const float *x, const float *w, float *y, int p, int q, int tile, int flips) { \
    lanes sums[4] = {0}; \
    int64_t channels = g->pixel; \
    for (int i = 0; i < g->kernel_height; i++) { \
      int h = p * g->stride_y + i * g->dilation_y - g->top; \
      if (h < 0 || h >= g->height) continue; \
      for (int j = 0; j < g->kernel_width; j++) { \
        int v = q * g->stride_x + j * g->dilation_x - g->left; \
        /* Only single results stand at the edges. */ \
        if (tile == 1 && (v < 0 || v >= g->width)) continue; \
        int cell = i * g->kernel_width + j; \
        if (flips) cell = g->kernel_height * g->kernel_width - 1 - cell; \
        const float *from = x + ((int64_t)h * g->width + v) * channels; \
        lanes tap = *(const lanes *)(w + cell * channels); \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < tile; t++) \
          sums[t] += *(const lanes *)(from + t * g->stride_x * channels) * tap; \
      } \
    } \
    _Pragma("clang loop unroll(full)") for (int t = 0; t < tile; t++) *(lanes *)(y + t * channels) = sums[t]; \
  }
DEPTHWISE_TILE(depthwise_tile16, lanes16)
DEPTHWISE_TILE(depthwise_tile8, lanes8)
DEPTHWISE_TILE(depthwise_tile1, float)
#undef DEPTHWISE_TILE

static inline void depthwise_images(
  const sb_convolution *g, int64_t images, const float *x, const float *w, float *y, int flips) {
  int64_t channels = g->pixel;
  /* Results whose whole window lies in the image's width. */
  int low, high, ignored;
  seen(g->columns, g->width, g->stride_x, -g->left, &low, &ignored);
  seen(g->columns, g->width, g->stride_x, (g->kernel_width - 1) * g->dilation_x - g->left, &ignored, &high);
  for (int64_t n = 0; n < images; n++, x += g->height * g->width * channels)
    for (int p = 0; p < g->rows; p++, y += g->columns * channels)
      for (int64_t c = 0; c < channels;) {
#define ROW(tile_of) \
  for (int q = 0; q < g->columns;) \
    if (q >= low && q + 4 <= high) { \
      tile_of(g, x + c, w + c, y + q * channels + c, p, q, 4, flips); \
      q += 4; \
    } else { \
      tile_of(g, x + c, w + c, y + q * channels + c, p, q, 1, flips); \
      q++; \
    }
        if (channels - c >= 16) {
          ROW(depthwise_tile16)
          c += 16;
        } else if (channels - c >= 8) {
          ROW(depthwise_tile8)
          c += 8;
        } else {
          ROW(depthwise_tile1)
          c++;
        }
#undef ROW
      }
}

static void depthwise(const sb_convolution *g, int64_t images, const float *x, const float *w, float *y) {
  depthwise_images(g, images, x, w, y, 0);
}

static void depthwise_backward_input(
  const sb_convolution *g, int64_t images, const float *dy, const float *w, float *dx) {
  int64_t channels = g->pixel;
  if (g->stride_y == 1 && g->stride_x == 1) {
    /* The same operation with the kernel turned around. */
    sb_convolution turned = *g;
    turned.height = g->rows, turned.width = g->columns, turned.rows = g->height, turned.columns = g->width;
    turned.top = (g->kernel_height - 1) * g->dilation_y - g->top;
    turned.left = (g->kernel_width - 1) * g->dilation_x - g->left;
    depthwise_images(&turned, images, dy, w, dx, 1);
    return;
  }
  memset(dx, 0, sizeof(float) * (size_t)(images * g->height * g->width * channels));
  for (int64_t n = 0; n < images; n++, dx += g->height * g->width * channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += channels)
        for (int i = 0; i < g->kernel_height; i++) {
          int h = p * g->stride_y + i * g->dilation_y - g->top;
          if (h < 0 || h >= g->height) continue;
          for (int j = 0; j < g->kernel_width; j++) {
            int v = q * g->stride_x + j * g->dilation_x - g->left;
            if (v < 0 || v >= g->width) continue;
            float *cell = dx + ((int64_t)h * g->width + v) * channels;
            const float *tap = w + (i * g->kernel_width + j) * channels;
            for (int64_t c = 0; c < channels; c++) cell[c] += dy[c] * tap[c];
          }
        }
}

/* The sum over an image for one cell of the kernel: four sums, so that none waits for the one before. */
#define DEPTHWISE_CELL(name, lanes) \
  static inline void name( \
    const float *x, int64_t x_row, int64_t x_step, const float *dy, int64_t dy_row, int64_t dy_step, int rows, \
    int columns, float *dw) { \
    lanes sums[4] = {0}; \
    for (int p = 0; p < rows; p++) { \
      const float *from = x + p * x_row, *up = dy + p * dy_row; \
      int q = 0; \
      for (; q + 4 <= columns; q += 4) \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < 4; t++) \
          sums[t] += *(const lanes *)(from + (q + t) * x_step) * *(const lanes *)(up + (q + t) * dy_step); \
      for (; q < columns; q++) sums[0] += *(const lanes *)(from + q * x_step) * *(const lanes *)(up + q * dy_step); \
    } \
    *(lanes *)dw += (sums[0] + sums[1]) + (sums[2] + sums[3]); \
  }
DEPTHWISE_CELL(depthwise_cell16, lanes16)
DEPTHWISE_CELL(depthwise_cell8, lanes8)
DEPTHWISE_CELL(depthwise_cell1, float)
#undef DEPTHWISE_CELL

static void depthwise_backward_filter(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw) {
  int64_t channels = g->pixel;
  for (int64_t n = 0; n < images; n++) {
    for (int i = 0; i < g->kernel_height; i++)
      for (int j = 0; j < g->kernel_width; j++) {
        int shift_y = i * g->dilation_y - g->top, shift_x = j * g->dilation_x - g->left;
        int p0, p1, q0, q1;
        seen(g->rows, g->height, g->stride_y, shift_y, &p0, &p1);
        seen(g->columns, g->width, g->stride_x, shift_x, &q0, &q1);
        if (p0 >= p1 || q0 >= q1) continue;
        const float *cell =
          x + ((int64_t)(p0 * g->stride_y + shift_y) * g->width + q0 * g->stride_x + shift_x) * channels;
        const float *up = dy + ((int64_t)p0 * g->columns + q0) * channels;
        float *out = dw + (i * g->kernel_width + j) * channels;
        int64_t x_row = g->stride_y * g->width * channels, x_step = g->stride_x * channels;
        for (int64_t c = 0; c < channels;) {
#define CELL(sum_of) sum_of(cell + c, x_row, x_step, up + c, g->columns * channels, channels, p1 - p0, q1 - q0, out + c)
          if (channels - c >= 16) {
            CELL(depthwise_cell16);
            c += 16;
          } else if (channels - c >= 8) {
            CELL(depthwise_cell8);
            c += 8;
          } else {
            CELL(depthwise_cell1);
            c++;
          }
#undef CELL
        }
      }
    x += g->height * g->width * channels;
    dy += g->rows * g->columns * channels;
  }
}
