/* The register tiles that convolutions of our own are made of.
 *
 * Algorithm: an image is read by two tables of offsets, one of results (where the window of each begins) and one of taps
 * (where each product of a window lies from there on). The product of both is the matrix that im2col would write; here
 * it is only read. So strides, dilation, channels and the kernel's size are the tables' business, and no loop knows them.
 * Layout: images with their channels side by side; filters packed to panels of up to two vectors, tap after tap.
 * Register tile: up to TILE results x 2 vectors of filters, or TAP_TILE taps x 2 vectors; of 32 registers 20 or 24 hold
 * sums, of 16 registers 12. With 12 results of any place the pointers no longer fit beside the sums.
 * Bound: each result is one sum in the order of the taps, whatever the tile, so bits depend on no grouping.
 * Source: Dukhan, "The indirect convolution algorithm", 2019, which has a table of pointers for each tap and result. */

#if VECTOR == 16 || defined(__aarch64__)
enum { TILE = 10, TAP_TILE = 12 };
#else
enum { TILE = 6, TAP_TILE = 6 };
#endif
/* Results that are summed up at once: TILE, or of one vector of filters two windows of four. */
enum { MOST_RESULTS = TILE > 8 ? TILE : 8 };

#define UNROLLED(t, count) _Pragma("clang loop unroll(full)") for (int t = 0; t < (count); t++)

/* The taps that a tile sums up: `lines` times `length` neighbours of the table, which begin `apart` entries after one
 * another; the filter's panel has the same order. */
typedef struct {
  int64_t lines, length, apart;
} tap_block;

/* sums[t] = sum over the block's k of x[t][taps[k]] * w[k], for `height` results and `width` vectors of filters. */
INLINED void sum_taps(
  const float *const *x, const int32_t *taps, tap_block block, const float *w, vector (*sums)[2], const int height,
  const int width) {
  const float *from[MOST_RESULTS];
  UNROLLED(t, height) {
    from[t] = x[t];
    sums[t][0] = sums[t][1] = (vector){0};
  }
  for (int64_t line = 0; line < block.lines; line++, taps += block.apart, w += block.apart * width * VECTOR) {
    const float *weights = w;
    for (int64_t k = 0; k < block.length; k++, weights += width * VECTOR) {
      int64_t tap = taps[k];
      vector first = *(const vector *)weights, second = first;
      if (width == 2) second = *(const vector *)(weights + VECTOR);
      UNROLLED(t, height) {
        float v = from[t][tap];
        sums[t][0] += v * first;
        if (width == 2) sums[t][1] += v * second;
      }
    }
  }
}

/* y[t] = those sums; then what `end` says, whose bias is that of the first filter and has whole vectors. */
INLINED void result_tile(
  const float *const *x, const int32_t *taps, tap_block block, const float *w, float *const *y,
  const sb_convolution_end *end, const int height, const int width) {
  vector sums[TILE][2];
  sum_taps(x, taps, block, w, sums, height, width);
  if (end->bias) UNROLLED(t, height) UNROLLED(v, width) sums[t][v] += *(const vector *)(end->bias + v * VECTOR);
  if (end->relu) UNROLLED(t, height) UNROLLED(v, width) sums[t][v] = rectified(sums[t][v]);
  UNROLLED(t, height) {
    *(vector *)y[t] = sums[t][0];
    if (width == 2) *(vector *)(y[t] + VECTOR) = sums[t][1];
  }
}

/* dw[t] += sum over m of x[results[m] + taps[t]] * dy[m * step], for `height` taps and `width` vectors of filters;
 * `adjacent` taps lie side by side. */
INLINED void tap_tile(
  const float *x, const int32_t *results, int64_t count, const int32_t *taps, const float *dy, int64_t step,
  float *const *dw, const int height, const int width, const int adjacent) {
  vector sums[TAP_TILE][2] = {0};
  const float *from[TAP_TILE];
  UNROLLED(t, height) from[t] = x + (adjacent ? taps[0] : taps[t]);
  for (int64_t m = 0; m < count; m++, dy += step) {
    int64_t result = results[m];
    vector first = *(const vector *)dy, second = first;
    if (width == 2) second = *(const vector *)(dy + VECTOR);
    UNROLLED(t, height) {
      float v = adjacent ? from[0][result + t] : from[t][result];
      sums[t][0] += v * first;
      if (width == 2) sums[t][1] += v * second;
    }
  }
  UNROLLED(t, height) {
    *(vector *)dw[t] += sums[t][0];
    if (width == 2) *(vector *)(dw[t] + VECTOR) += sums[t][1];
  }
}

#define UP_TO_6(CASE) CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if VECTOR == 16 || defined(__aarch64__)
#define UP_TO_TILE(CASE) UP_TO_6(CASE) CASE(7) CASE(8) CASE(9) CASE(10)
#define UP_TO_TAP_TILE(CASE) UP_TO_TILE(CASE) CASE(11) CASE(12)
#else
#define UP_TO_TILE UP_TO_6
#define UP_TO_TAP_TILE UP_TO_6
#endif

static void result_tile_of(
  int height, int width, const float *const *x, const int32_t *taps, tap_block block, const float *w,
  float *const *y, const sb_convolution_end *end) {
#define ONE(n) case n: result_tile(x, taps, block, w, y, end, n, 1); return;
#define TWO(n) case n: result_tile(x, taps, block, w, y, end, n, 2); return;
  if (width == 1) switch (height) { UP_TO_TILE(ONE) }
  else switch (height) { UP_TO_TILE(TWO) }
#undef ONE
#undef TWO
}

static void tap_tile_of(
  int height, int width, int adjacent, const float *x, const int32_t *results, int64_t count, const int32_t *taps,
  const float *dy, int64_t step, float *const *dw) {
#define ONE(n) case n: tap_tile(x, results, count, taps, dy, step, dw, n, 1, 0); return;
#define TWO(n) case n: tap_tile(x, results, count, taps, dy, step, dw, n, 2, 0); return;
#define ONE_ADJACENT(n) case n: tap_tile(x, results, count, taps, dy, step, dw, n, 1, 1); return;
#define TWO_ADJACENT(n) case n: tap_tile(x, results, count, taps, dy, step, dw, n, 2, 1); return;
  if (adjacent && width == 1) switch (height) { UP_TO_TAP_TILE(ONE_ADJACENT) }
  else if (adjacent) switch (height) { UP_TO_TAP_TILE(TWO_ADJACENT) }
  else if (width == 1) switch (height) { UP_TO_TILE(ONE) }
  else switch (height) { UP_TO_TILE(TWO) }
#undef ONE
#undef TWO
#undef ONE_ADJACENT
#undef TWO_ADJACENT
}

/* What `end` says (null: nothing), of results [rows, filters] that are written already. */
static void end_results(const sb_convolution_end *end, int64_t rows, int64_t filters, float *y) {
  if (end && end->bias) binary_row(SB_ADD, rows, filters, y, end->bias, y);
  if (end && end->relu) unary(SB_RELU, 0, rows * filters, y, y);
}

/* The height of the next tile of `count` rows that are left, so that all are nearly of one height. */
static inline int next_height(int64_t count, int64_t most) {
  int64_t tiles = (count + most - 1) / most;
  return (int)((count + tiles - 1) / tiles);
}

/* Vectors of the next panel of `filters` that are left. */
static inline int next_width(int64_t filters) { return filters > VECTOR ? 2 : 1; }

/* Floats of a packed filter: whole vectors. */
static inline int64_t packed_width(int64_t filters) { return (filters + VECTOR - 1) / VECTOR * VECTOR; }

/* Panels of two vectors, the last of one or two. */
static inline int64_t panel_count(int64_t filters) { return (filters + 2 * VECTOR - 1) / (2 * VECTOR); }
