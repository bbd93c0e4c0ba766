/* Maximum and average pooling and their gradients; padded cells do not count.
 *
 * Algorithm: window by window, a cell after the other. The gradient of the maximum looks for the winner again.
 * Layout: images [N, H, W, C]; vectors lie along the channels, LANES at a time where winners are kept.
 * Bound: the maximum is exact, averages are an accumulation of the window's cells. Limited by memory. */
static void max_pool(const sb_pooling *g, int64_t images, const float *x, float *y) {
  for (int64_t n = 0; n < images; n++, x += (int64_t)g->height * g->width * g->channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, y += g->channels) {
        int first = 1;
        for (int i = 0; i < g->pool_height; i++) {
          int h = p * g->stride_y + i - g->top;
          if (h < 0 || h >= g->height) continue;
          for (int j = 0; j < g->pool_width; j++) {
            int v = q * g->stride_x + j - g->left;
            if (v < 0 || v >= g->width) continue;
            const float *cell = x + ((int64_t)h * g->width + v) * g->channels;
            if (first) memcpy(y, cell, sizeof(float) * (size_t)g->channels);
            else
              for (int c = 0; c < g->channels; c++) y[c] = extreme_of(1, y[c], cell[c]);
            first = 0;
          }
        }
      }
}

/* The part of a window that lies in the image; padded cells do not count. */
typedef struct {
  int top, bottom, left, right;
} window;
static inline window window_of(const sb_pooling *g, int p, int q) {
  int top = p * g->stride_y - g->top, left = q * g->stride_x - g->left;
  window w = {top, top + g->pool_height, left, left + g->pool_width};
  if (w.top < 0) w.top = 0;
  if (w.left < 0) w.left = 0;
  if (w.bottom > g->height) w.bottom = g->height;
  if (w.right > g->width) w.right = g->width;
  return w;
}

/* Ties go to the first cell of the window, rows first. In blocks of channels, so that the winners stay in registers;
 * x, dx and dy are those of the block. */
static inline __attribute__((always_inline)) void max_pool_winners(
  window w, int64_t width, int64_t channels, const float *x, const float *dy, float *dx, int lanes) {
  float best[LANES];
  int32_t winner[LANES] = {0};
  int32_t cell = 0;
  for (int h = w.top; h < w.bottom; h++)
    for (int v = w.left; v < w.right; v++, cell++) {
      const float *values = x + (h * width + v) * channels;
      for (int c = 0; c < lanes; c++) {
        /* The first NaN wins. */
        int wins = cell == 0 || (!(values[c] <= best[c]) && best[c] == best[c]);
        best[c] = wins ? values[c] : best[c];
        winner[c] = wins ? cell : winner[c];
      }
    }
  cell = 0;
  for (int h = w.top; h < w.bottom; h++)
    for (int v = w.left; v < w.right; v++, cell++) {
      float *to = dx + (h * width + v) * channels;
      for (int c = 0; c < lanes; c++) to[c] += winner[c] == cell ? dy[c] : 0;
    }
}

static void max_pool_backward(const sb_pooling *g, int64_t images, const float *x, const float *dy, float *dx) {
  int64_t size = (int64_t)g->height * g->width * g->channels;
  memset(dx, 0, sizeof(float) * (size_t)(size * images));
  for (int64_t n = 0; n < images; n++, x += size, dx += size)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += g->channels) {
        window w = window_of(g, p, q);
        int c = 0;
        for (; c + LANES <= g->channels; c += LANES)
          max_pool_winners(w, g->width, g->channels, x + c, dy + c, dx + c, LANES);
        if (c < g->channels) max_pool_winners(w, g->width, g->channels, x + c, dy + c, dx + c, g->channels - c);
      }
}

static void average_pool(const sb_pooling *g, int64_t images, const float *x, float *y) {
  for (int64_t n = 0; n < images; n++, x += (int64_t)g->height * g->width * g->channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, y += g->channels) {
        window w = window_of(g, p, q);
        float count = (float)((w.bottom - w.top) * (w.right - w.left));
        memset(y, 0, sizeof(float) * (size_t)g->channels);
        for (int h = w.top; h < w.bottom; h++)
          for (int v = w.left; v < w.right; v++) {
            const float *cell = x + ((int64_t)h * g->width + v) * g->channels;
            for (int c = 0; c < g->channels; c++) y[c] += cell[c];
          }
        for (int c = 0; c < g->channels; c++) y[c] /= count;
      }
}

static void average_pool_backward(const sb_pooling *g, int64_t images, const float *dy, float *dx) {
  int64_t size = (int64_t)g->height * g->width * g->channels;
  memset(dx, 0, sizeof(float) * (size_t)(size * images));
  for (int64_t n = 0; n < images; n++, dx += size)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += g->channels) {
        window w = window_of(g, p, q);
        float count = (float)((w.bottom - w.top) * (w.right - w.left));
        for (int h = w.top; h < w.bottom; h++)
          for (int v = w.left; v < w.right; v++) {
            float *cell = dx + ((int64_t)h * g->width + v) * g->channels;
            for (int c = 0; c < g->channels; c++) cell[c] += dy[c] / count;
          }
      }
}
