/* Direct gradient of a convolution's filter: any stride, padding and dilation, any groups.
 *
 * Algorithm: the sums of the definition, tile by tile, with no patches in memory (see convolution_tile.h). A padded
 * image, or one of several groups, is copied with its padding first, so that every tap sees every result.
 * Layout: images [N, H, W, C], filters [Kh, Kw, C, F]; the last filters, where they fill no vectors, are copied beside
 * zeros.
 * Register tile: TAP_TILE taps that lie side by side, or TILE of any place, x 2 vectors of filters.
 * Bound: sums of up to RESULTS_A_SUM results, added to the gradient in order.
 * Limited by multiplications where filters fill vectors (2026-11-30, one core of Zen 4: 0.92 to 0.98 of the loop of
 * multiplications in registers). */

/* Results that are summed up in registers before they are added to the gradient. */
enum { RESULTS_A_SUM = 512 };

/* An image with zeros around, so far as windows reach. */
typedef struct {
  int32_t height, width, channels, top, left;
} frame;

static frame frame_of(const sb_convolution *g) {
  int32_t bottom = (g->rows - 1) * g->stride_y + (g->kernel_height - 1) * g->dilation_y + 1 - g->top;
  int32_t right = (g->columns - 1) * g->stride_x + (g->kernel_width - 1) * g->dilation_x + 1 - g->left;
  return (frame){
    g->top + (bottom > g->height ? bottom : g->height), g->left + (right > g->width ? right : g->width), g->channels,
    g->top, g->left};
}

static inline int64_t frame_size(frame f) { return (int64_t)f.height * f.width * f.channels; }

static inline int is_framed(const sb_convolution *g, frame f) {
  return f.height != g->height || f.width != g->width || g->channels != g->pixel;
}

/* Of a part of the channels: read in place of whole images, or copied without the others. */
static frame part_frame(const sb_convolution *g, const sb_filter_part *part) {
  frame f = frame_of(g);
  if (is_framed(g, f)) f.channels = part->channels;
  return f;
}

/* Images that are copied at once. */
static inline int64_t images_at_once(frame f, int is_copied, int64_t images) {
  int64_t count = FLOATS_AT_ONCE / frame_size(f);
  if (!is_copied) return images;
  return count < 1 ? 1 : count > images ? images : count;
}

/* Images whose results are summed up in registers together: where an image has few. */
static inline int64_t images_a_sum(const sb_convolution *g, frame f, int64_t at_once) {
  int64_t count = RESULTS_A_SUM / ((int64_t)g->rows * g->columns), most = FLOATS_AT_ONCE / frame_size(f);
  if (count > most) count = most;
  if (count > at_once) count = at_once;
  return count < 1 ? 1 : count;
}

/* An image's channels of one group, framed. */
static void copy_framed(const sb_convolution *g, frame f, const float *image, float *copy) {
  memset(copy, 0, sizeof(float) * (size_t)frame_size(f));
  for (int32_t h = 0; h < g->height; h++) {
    float *to = copy + ((int64_t)(h + f.top) * f.width + f.left) * f.channels;
    const float *from = image + (int64_t)h * g->width * g->pixel;
    if (g->pixel == f.channels) memcpy(to, from, sizeof(float) * (size_t)g->width * (size_t)f.channels);
    else
      for (int32_t v = 0; v < g->width; v++)
        memcpy(to + (int64_t)v * f.channels, from + (int64_t)v * g->pixel, sizeof(float) * (size_t)f.channels);
  }
}

/* dw[taps, lanes] += the sum over some results, at most RESULTS_A_SUM. `run` taps always lie side by side. */
static void add_taps(
  const float *x, const int32_t *results, int64_t result_count, const int32_t *taps, int64_t tap_count, int64_t run,
  const float *dy, int64_t filters, int width, int lanes, float *dw, float *rest) {
  int64_t step = filters;
  int is_adjacent = run >= TAP_TILE / 2;
  if (lanes < width * VECTOR) {
    memset(rest, 0, sizeof(float) * (size_t)(result_count * width * VECTOR));
    for (int64_t m = 0; m < result_count; m++)
      memcpy(rest + m * width * VECTOR, dy + m * step, sizeof(float) * (size_t)lanes);
    dy = rest, step = width * VECTOR;
  }
  for (int64_t k = 0; k < tap_count;) {
    int height = is_adjacent ? next_height(run - k % run, TAP_TILE) : next_height(tap_count - k, TILE);
    float *targets[TAP_TILE], sums[TAP_TILE][2 * VECTOR];
    for (int t = 0; t < height; t++) targets[t] = dw + (k + t) * filters;
    if (lanes < width * VECTOR) {
      memset(sums, 0, sizeof sums);
      for (int t = 0; t < height; t++) targets[t] = sums[t];
    }
    tap_tile_of(height, width, is_adjacent, x, results, result_count, taps + k, dy, step, targets);
    if (lanes < width * VECTOR)
      for (int t = 0; t < height; t++)
        for (int l = 0; l < lanes; l++) dw[(k + t) * filters + l] += sums[t][l];
    k += height;
  }
}

/* Bytes for the gradient of a part of each group's filters. */
static int64_t filter_part_scratch(const sb_convolution *g, int64_t images, const sb_filter_part *part) {
  frame f = part_frame(g, part);
  int is_copied = is_framed(g, f);
  int64_t at_once = images_at_once(f, is_copied, images);
  int64_t taps = (int64_t)g->kernel_height * g->kernel_width * part->channels;
  int64_t results = images_a_sum(g, f, at_once) * g->rows * g->columns;
  int64_t framed = is_copied ? at_once * frame_size(f) : 0;
  return 4 * (rounded(taps) + rounded(results) + RESULTS_A_SUM * 2 * VECTOR + rounded(framed));
}

/* Adds to dw what images give to a part of one group's filters. */
static void add_filter_part(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw, void *scratch, int64_t group,
  const sb_filter_part *part) {
  frame f = part_frame(g, part);
  int is_copied = is_framed(g, f), is_whole = part->channels == g->channels;
  int64_t cells = (int64_t)g->kernel_height * g->kernel_width, results = (int64_t)g->rows * g->columns;
  int64_t at_once = images_at_once(f, is_copied, images), a_sum = images_a_sum(g, f, at_once);
  int64_t x_size = (int64_t)g->height * g->width * g->pixel, size = frame_size(f);
  int64_t filters = g->pixel / g->channels * g->filters;
  int32_t *taps = scratch, *from = taps + rounded(cells * part->channels);
  float *rest = (float *)(from + rounded(a_sum * results)), *framed = rest + RESULTS_A_SUM * 2 * VECTOR;
  /* Taps of a window's row lie side by side, but for dilated ones. The gradients of a part lie together for each cell. */
  int64_t run = is_whole && g->dilation_x == 1 ? (int64_t)g->kernel_width * g->channels : part->channels;
  int64_t together = is_whole ? cells * g->channels : part->channels;
  int32_t *tap = taps, *start = from;
  for (int32_t i = 0; i < g->kernel_height; i++)
    for (int32_t j = 0; j < g->kernel_width; j++)
      for (int32_t k = 0; k < part->channels; k++)
        *tap++ = (i * g->dilation_y * f.width + j * g->dilation_x) * f.channels + k;
  for (int64_t n = 0; n < a_sum; n++)
    for (int32_t p = 0; p < g->rows; p++)
      for (int32_t q = 0; q < g->columns; q++)
        *start++ = (int32_t)(n * size) + (p * g->stride_y * f.width + q * g->stride_x) * f.channels;
  int64_t channel = group * g->channels + part->channel;
  for (int64_t first = 0; first < images; first += at_once) {
    int64_t count = images - first < at_once ? images - first : at_once;
    const float *source = x + first * x_size + channel;
    if (is_copied) {
      for (int64_t n = 0; n < count; n++) copy_framed(g, f, source + n * x_size, framed + n * size);
      source = framed;
    }
    for (int64_t n = 0; n < count; n += a_sum) {
      int64_t all = (count - n < a_sum ? count - n : a_sum) * results;
      for (int64_t m = 0; m < all;) {
        int64_t sum = next_height(all - m, RESULTS_A_SUM);
        for (int64_t k = 0; k < part->filters;) {
          int width = next_width(part->filters - k);
          int lanes = part->filters - k < width * VECTOR ? (int)(part->filters - k) : width * VECTOR;
          int64_t filter = group * g->filters + part->filter + k;
          for (int64_t t = 0; t < cells * part->channels; t += together)
            add_taps(
              source + n * size, from + m, sum, taps + t, together, run,
              dy + ((first + n) * results + m) * filters + filter, filters, width, lanes,
              dw + (t / part->channels * g->channels + part->channel) * filters + filter, rest);
          k += width * VECTOR;
        }
        m += sum;
      }
    }
  }
}

static int64_t direct_backward_filter_scratch(const sb_convolution *g, int64_t images) {
  sb_filter_part whole = {0, g->channels, 0, g->filters};
  return filter_part_scratch(g, images, &whole);
}

/* Adds to dw. */
static void direct_backward_filter(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw, void *scratch,
  const sb_convolution_end *end) {
  sb_filter_part whole = {0, g->channels, 0, g->filters};
  for (int64_t group = 0; group < g->pixel / g->channels; group++)
    add_filter_part(g, images, x, dy, dw, scratch, group, &whole);
}

/* Writes a part of dw; of one group. */
static void direct_filter_part(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw, void *scratch,
  const sb_filter_part *part) {
  for (int64_t cell = 0; cell < (int64_t)g->kernel_height * g->kernel_width; cell++)
    for (int32_t c = 0; c < part->channels; c++)
      memset(
        dw + (cell * g->channels + part->channel + c) * g->filters + part->filter, 0,
        sizeof(float) * (size_t)part->filters);
  add_filter_part(g, images, x, dy, dw, scratch, 0, part);
}
