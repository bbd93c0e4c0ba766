/* Maximum pooling that says who won, and its gradient from that alone: what a pooling hands to the backward half of a
 * fused block, so that the pooled image need not be kept.
 *
 * Algorithm: window by window, a cell after the other. A winner is its cell's number in the whole window, padding
 * included; WINNER_SHUT is added where relu made the winner and the gradient of relu at that result is 0 (or NaN, which
 * whoever reads the winners sees to).
 * Layout: images [N, H, W, C], a byte for each pooled element; vectors lie along the channels.
 * Bound: the maximum is exact, with the bits of `max_pool`. Limited by memory. */
enum { WINNER_SHUT = 0x80 };

typedef uint8_t winner_bytes __attribute__((vector_size(VECTOR), aligned(1), may_alias));

INLINED vector chosen(bits condition, vector a, vector b) {
  return (vector)((condition & (bits)a) | (~condition & (bits)b));
}

/* One block of channels of one window of `height` x `width` cells, with the winners as numbers; cell [0, 0] has `number`,
 * and `pool_width` numbers are in a row. */
INLINED void window_winners(
  const float *x, int64_t row, int64_t pixel, int number, int pool_width, int has_relu, float *y, winner_bytes *winners,
  const int height, const int width) {
  vector best = *(const vector *)x;
  bits winner = (bits){0} + number;
  for (int i = 0; i < height; i++)
    for (int j = i == 0; j < width; j++) {
      vector value = *(const vector *)(x + i * row + j * pixel);
      /* The first NaN wins. */
      bits wins = ~(bits)(value <= best) & (bits)(best == best);
      best = chosen(wins, value, best);
      winner = (wins & (number + i * pool_width + j)) | (~wins & winner);
    }
  if (has_relu) winner |= ~(bits)(best > 0) & WINNER_SHUT;
  *(vector *)y = best;
  *winners = __builtin_convertvector(winner, winner_bytes);
}

/* One image. */
static void max_pool_winners_of(
  const sb_pooling *pooling, int has_relu, const float *x, float *y, uint8_t *winners) {
  /* A copy that no result overwrites. */
  const sb_pooling own = *pooling, *g = &own;
  int64_t pixel = g->channels, row = pixel * g->width;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++, y += pixel, winners += pixel) {
      window w = window_of(g, p, q);
      int height = w.bottom - w.top, width = w.right - w.left;
      int first = (w.top + g->top - p * g->stride_y) * g->pool_width + w.left + g->left - q * g->stride_x;
      const float *from = x + w.top * row + w.left * pixel;
      int64_t c = 0;
#define BLOCKS(height, width) \
  for (; c + VECTOR <= pixel; c += VECTOR) \
    window_winners( \
      from + c, row, pixel, first, g->pool_width, has_relu, y + c, (winner_bytes *)(winners + c), height, width)
      if (height == 2 && width == 2) BLOCKS(2, 2);
      else BLOCKS(height, width);
#undef BLOCKS
      for (; c < pixel; c++) {
        float best = from[c];
        int winner = first;
        for (int i = 0; i < height; i++)
          for (int j = 0; j < width; j++) {
            float value = from[i * row + j * pixel + c];
            if (value <= best || best != best) continue;
            best = value;
            winner = first + i * g->pool_width + j;
          }
        y[c] = best;
        winners[c] = (uint8_t)(winner | (has_relu && !(best > 0) ? WINNER_SHUT : 0));
      }
    }
}

/* Adds one image's gradients to the winners, those of relu's that are shut left out (`seen` 255) or not (127). */
static void add_to_winners(
  const sb_pooling *g, int seen, const uint8_t *winners, const float *dy, float *dx) {
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++)
      for (int c = 0; c < g->channels; c++, winners++, dy++) {
        int number = *winners & seen;
        if (number >= WINNER_SHUT) continue;
        int h = p * g->stride_y - g->top + number / g->pool_width;
        int v = q * g->stride_x - g->left + number % g->pool_width;
        dx[((int64_t)h * g->width + v) * g->channels + c] += *dy;
      }
}

/* The same where windows lie side by side and are whole: each cell is written once. */
static void write_windows(const sb_pooling *g, int seen, const uint8_t *winners, const float *dy, float *dx) {
  int64_t pixel = g->channels, row = pixel * g->width, seen_row = (int64_t)g->columns * g->pool_width * pixel;
  for (int p = 0; p < g->rows; p++)
    for (int i = 0; i < g->pool_height; i++) {
      float *line = dx + (p * g->pool_height + i) * row;
      memset(line + seen_row, 0, sizeof(float) * (size_t)(row - seen_row));
      for (int q = 0; q < g->columns; q++)
        for (int j = 0; j < g->pool_width; j++, line += pixel) {
          const uint8_t *winner = winners + ((int64_t)p * g->columns + q) * pixel;
          const float *from = dy + ((int64_t)p * g->columns + q) * pixel;
          int number = i * g->pool_width + j;
          for (int64_t c = 0; c < pixel; c++) line[c] = (winner[c] & seen) == number ? from[c] : 0;
        }
    }
  int64_t end = (int64_t)g->rows * g->pool_height;
  memset(dx + end * row, 0, sizeof(float) * (size_t)((g->height - end) * row));
}

/* What lies where in an image's record: winners, whether the image is odd (it, a weight or a pooled element is not
 * finite), and if so a byte for each element that was pooled, not 0 where relu had a NaN, whose gradient is NaN. */
static int64_t pooling_record_bytes(const sb_pooling *g) {
  int64_t winners = (int64_t)g->rows * g->columns * g->channels;
  return winners + 1 + (int64_t)g->height * g->width * g->channels;
}

/* Adds the gradients that relu lets through to `sums`, image by image; `part` is as large. */
static void gated_sums(
  const sb_pooling *g, int64_t images, const uint8_t *records, const float *dy, float *part, float *sums) {
  int64_t pixel = g->channels, pooled = (int64_t)g->rows * g->columns * pixel, all = pooling_record_bytes(g);
  for (int64_t n = 0; n < images; n++, records += all, dy += pooled) {
    memset(part, 0, sizeof(float) * (size_t)pixel);
    for (int64_t m = 0; m < pooled; m += pixel)
      for (int64_t c = 0; c < pixel; c++) part[c] += records[m + c] < WINNER_SHUT ? dy[m + c] : 0;
    for (int64_t e = pooled + 1; records[pooled] && e < all; e++)
      if (records[e]) part[(e - pooled - 1) % pixel] = NAN;
    for (int64_t c = 0; c < pixel; c++) sums[c] += part[c];
  }
}

/* The gradient of one image, before relu's (`is_gated` 0) or behind it. */
static void max_pool_spread(const sb_pooling *g, int is_gated, const uint8_t *winners, const float *dy, float *dx) {
  int seen = is_gated ? 255 : 127;
  if (g->stride_y == g->pool_height && g->stride_x == g->pool_width && g->top == 0 && g->left == 0 &&
      g->rows * g->pool_height <= g->height && g->columns * g->pool_width <= g->width) {
    write_windows(g, seen, winners, dy, dx);
    return;
  }
  memset(dx, 0, sizeof(float) * (size_t)g->height * (size_t)g->width * (size_t)g->channels);
  add_to_winners(g, seen, winners, dy, dx);
}
