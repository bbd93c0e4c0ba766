/* The gradient of a convolution's filter of few taps behind relu and max pooling, and that of its bias, from the pooled
 * gradient and the winners: windows of two rows.
 *
 * Algorithm: of a window each filter has one gradient, at the winner's cell. What a tap of that cell sees is looked up,
 * lane by lane, in two rows of the image, that of the window's upper cells and that of its lower ones; so a window costs
 * one multiplication a tap, and nothing is written but the sums. An odd image (see pooling_winners.h) goes in full through
 * the direct kernel, since a zero times an infinity is NaN.
 * Layout: images [N, H, W, C], copied with their padding; the last filters, where they fill no vector, are copied
 * beside zeros.
 * Register tile: up to 3 rows of the kernel x a row's taps, of one vector of filters; a window's row must fit a vector.
 * Bound: sums of up to RESULTS_A_SUM windows, added to the gradient in order. The order of terms depends on the images of
 * a call alone.
 * Limited by multiplications and look-ups, which share a port (2026-11-30, one core of Zen 4, 28 x 28 x 1 to 32 filters
 * of 3 x 3 behind windows of 2 x 2: 2.1 us an image with the bias' gradient, where spreading the gradient, the direct
 * kernel and `gated_sums` take 6.7; AVX2 3.5 and 7.7). */

#if VECTOR == 16
enum { WINNER_TAPS = 27, WINNER_RUN = 9 };
#else
enum { WINNER_TAPS = 9, WINNER_RUN = VECTOR - 1 };
#endif
enum { WINNER_LINES = 3, LOWER_ROW = VECTOR == 16 ? 16 : INT32_MIN };

#if defined(__x86_64__) && VECTOR >= 8
#define LOOKS_UP 1
#else
#define LOOKS_UP 0
#endif

/* Lane by lane the element `place` of a row: of `lower` where LOWER_ROW is added to it, else of `upper`. */
INLINED vector looked_up(vector upper, vector lower, bits place) {
#if LOOKS_UP && VECTOR == 16
  return (vector)_mm512_permutex2var_ps((__m512)upper, (__m512i)place, (__m512)lower);
#elif LOOKS_UP
  __m256 above = _mm256_permutevar8x32_ps((__m256)upper, (__m256i)place);
  __m256 below = _mm256_permutevar8x32_ps((__m256)lower, (__m256i)place);
  return (vector)_mm256_blendv_ps(above, below, (__m256)place);
#else
  vector made;
  for (int l = 0; l < VECTOR; l++) made[l] = (place[l] < 0 ? lower : upper)[place[l] & (VECTOR - 1)];
  return made;
#endif
}

static int takes_winners(const sb_convolution *g, const sb_pooling *p) {
  int64_t run = (int64_t)g->kernel_width * g->channels;
  return takes_direct(g) && g->pixel == g->channels && g->dilation_x == 1 && run <= WINNER_RUN &&
    run + (int64_t)g->stride_x * g->channels <= VECTOR && p->pool_height == 2 && p->pool_width == 2 && p->top == 0 &&
    p->left == 0 && (p->rows - 1) * p->stride_y + 2 <= p->height && (p->columns - 1) * p->stride_x + 2 <= p->width;
}

/* Not where windows overlap so much that hardly any result is left out. */
static int leads_winners(const sb_convolution *g, const sb_pooling *p) {
  int64_t windows = (int64_t)p->rows * p->columns, results = (int64_t)g->rows * g->columns;
  return LOOKS_UP && takes_winners(g, p) && windows * 2 <= results && fills_vectors(g->filters, 4);
}

/* How windows lie in the image. */
typedef struct {
  /* Floats from a line of the kernel to the next, and from a cell of a window to the one below or beside. */
  int64_t line;
  int32_t below, beside;
} winner_rows;

/* dw[lines][run][filters] += gated dy * what the winner's taps see, over `count` windows; dbias += gated dy (null: not).
 * Of the vector's filters there are `lanes`. `shares`: what is a lower row for a line is the upper row of the next. */
INLINED void sum_winners(
  const winner_rows *s, const float *x, const int32_t *starts, int64_t count, const float *dy, const uint8_t *winners,
  int64_t step, float *dw, float *dbias, int64_t filters, int lanes, const int lines, const int run, const int shares) {
  vector sums[WINNER_LINES][WINNER_RUN] = {0}, sum = {0};
  for (int64_t m = 0; m < count; m++, dy += step, winners += step) {
    const float *from = x + starts[m];
    bits winner = __builtin_convertvector(*(const winner_bytes *)winners, bits);
    vector d = chosen(winner < WINNER_SHUT, *(const vector *)dy, (vector){0});
    bits place = (-(winner & 1) & s->beside) | (-(winner >> 1 & 1) & LOWER_ROW);
    sum += d;
    vector rows[2 * WINNER_LINES];
    UNROLLED(i, shares ? lines + 1 : lines) rows[i] = *(const vector *)(from + i * s->line);
    if (!shares) UNROLLED(i, lines) rows[lines + i] = *(const vector *)(from + i * s->line + s->below);
    UNROLLED(i, lines) UNROLLED(j, run)
      sums[i][j] += d * looked_up(rows[i], rows[shares ? i + 1 : lines + i], place + j);
  }
  UNROLLED(i, lines) UNROLLED(j, run) {
    float *to = dw + (i * run + j) * filters;
    if (lanes == VECTOR) *(vector *)to += sums[i][j];
    else
      for (int l = 0; l < lanes; l++) to[l] += sums[i][j][l];
  }
  for (int l = 0; dbias && l < lanes; l++) dbias[l] += sum[l];
}

#if VECTOR == 16
#define WINNER_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) CASE(1, 9) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(2, 5) CASE(2, 6) CASE(2, 7) CASE(2, 8) CASE(2, 9) \
  CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(3, 4) CASE(3, 5) CASE(3, 6) CASE(3, 7) CASE(3, 8) CASE(3, 9)
#else
#define WINNER_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(3, 1) CASE(3, 2) CASE(3, 3)
#endif

static void sum_winners_of(
  int lines, int run, const winner_rows *s, const float *x, const int32_t *starts, int64_t count, const float *dy,
  const uint8_t *winners, int64_t step, float *dw, float *dbias, int64_t filters, int lanes) {
#define SHARED(i, j) \
  case i * 16 + j: sum_winners(s, x, starts, count, dy, winners, step, dw, dbias, filters, lanes, i, j, 1); return;
#define APART(i, j) \
  case i * 16 + j: sum_winners(s, x, starts, count, dy, winners, step, dw, dbias, filters, lanes, i, j, 0); return;
  /* Of vectors of 16 a look-up in two rows is one instruction, and sharing them saves nothing. */
  if (VECTOR < 16 && s->below == s->line) switch (lines * 16 + run) { WINNER_CASES(SHARED) }
  else switch (lines * 16 + run) { WINNER_CASES(APART) }
#undef SHARED
#undef APART
}

typedef struct {
  frame frame;
  int64_t windows, results, framed;
} winner_layout;

static winner_layout winner_layout_of(const sb_convolution *g, const sb_pooling *p) {
  frame f = frame_of(g);
  /* A row is read as a whole vector. */
  return (winner_layout){
    f, (int64_t)p->rows * p->columns, (int64_t)g->rows * g->columns * g->filters, rounded(frame_size(f) + VECTOR)};
}

/* What an odd image needs: windows are fewer than results, and the direct kernel holds two vectors a result of a sum, of
 * which the other images hold one with its winners. */
static int64_t winners_scratch_bytes(const sb_convolution *g, const sb_pooling *p) {
  winner_layout l = winner_layout_of(g, p);
  return 4 * (l.framed + rounded(g->filters) + rounded(l.results)) + direct_backward_filter_scratch(g, 1);
}

/* What an odd image adds. */
static void add_odd_image(
  const sb_convolution *g, const sb_pooling *p, const float *x, const uint8_t *record, const float *dy, float *dw,
  void *scratch) {
  int64_t windows = (int64_t)p->rows * p->columns * p->channels, results = (int64_t)p->height * p->width * p->channels;
  const uint8_t *is_nan = record + windows + 1;
  float *gradient = scratch;
  max_pool_spread(p, 1, record, dy, gradient);
  for (int64_t e = 0; e < results; e++)
    if (is_nan[e]) gradient[e] = NAN;
  direct_backward_filter(g, 1, x, gradient, dw, gradient + rounded(results), NULL);
}

/* `records` are those of the images, `dy` the gradient of the pooled results. Adds to dw, and to dbias where that is not
 * null. */
static void winners_backward_filter(
  const sb_convolution *g, const sb_pooling *p, int64_t images, const float *x, const uint8_t *records, const float *dy,
  float *dw, float *dbias, void *scratch) {
  winner_layout l = winner_layout_of(g, p);
  frame f = l.frame;
  int64_t record = pooling_record_bytes(p), filters = g->filters, run = (int64_t)g->kernel_width * g->channels;
  int64_t x_size = (int64_t)g->height * g->width * g->channels;
  float *framed = scratch, *part = framed + l.framed;
  void *rest_of_scratch = part + rounded(filters);
  int32_t *starts = rest_of_scratch;
  float *rest = (float *)(starts + rounded(l.windows));
  uint8_t *rest_bytes = (uint8_t *)(rest + rounded(RESULTS_A_SUM * VECTOR));
  int64_t row = (int64_t)f.width * f.channels;
  winner_rows s = {g->dilation_y * row, (int32_t)(g->stride_y * row), g->stride_x * g->channels};
  int has_starts = 0;
  memset(framed + frame_size(f), 0, sizeof(float) * VECTOR);
  for (int64_t n = 0; n < images; n++, x += x_size, records += record, dy += l.windows * filters) {
    if (records[l.windows * filters]) {
      if (dbias) gated_sums(p, 1, records, dy, part, dbias);
      add_odd_image(g, p, x, records, dy, dw, rest_of_scratch);
      has_starts = 0;
      continue;
    }
    for (int32_t m = 0; !has_starts && m < l.windows; m++)
      starts[m] = m / p->columns * p->stride_y * g->stride_y * (int32_t)row +
        m % p->columns * p->stride_x * g->stride_x * f.channels;
    has_starts = 1;
    copy_framed(g, f, x, framed);
    for (int64_t m = 0, count; m < l.windows; m += count) {
      count = next_height(l.windows - m, RESULTS_A_SUM);
      for (int64_t k = 0; k < filters; k += VECTOR) {
        int lanes = filters - k < VECTOR ? (int)(filters - k) : VECTOR;
        const float *from = dy + m * filters + k;
        const uint8_t *winners = records + m * filters + k;
        int64_t step = filters;
        if (lanes < VECTOR) {
          memset(rest, 0, sizeof(float) * (size_t)(count * VECTOR));
          memset(rest_bytes, 0, (size_t)(count * VECTOR));
          for (int64_t e = 0; e < count; e++) {
            memcpy(rest + e * VECTOR, from + e * step, sizeof(float) * (size_t)lanes);
            memcpy(rest_bytes + e * VECTOR, winners + e * step, (size_t)lanes);
          }
          from = rest, winners = rest_bytes, step = VECTOR;
        }
        for (int32_t i = 0, lines; i < g->kernel_height; i += lines) {
          lines = next_height(g->kernel_height - i, WINNER_TAPS / run < WINNER_LINES ? WINNER_TAPS / run : WINNER_LINES);
          sum_winners_of(
            lines, (int)run, &s, framed + i * s.line, starts + m, count, from, winners, step,
            dw + i * run * filters + k, i == 0 && dbias ? dbias + k : NULL, filters, lanes);
        }
      }
    }
  }
}
