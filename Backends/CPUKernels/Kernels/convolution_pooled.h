/* Direct convolution whose results get their bias, go through relu and are pooled while they are in registers: windows of
 * 2 x 2 that lie side by side.
 *
 * Algorithm: a tile holds the four results of a window, or of two neighbours, and sums up their taps in the order in which
 * `direct` does (see convolution_tile.h); then the window's maximum and its winner are written, and nothing else. At the
 * edges results see fewer taps, and those of a window that see the same are summed up together.
 * Layout: that of `direct`, whose packed filters it reads; winners as in pooling_winners.h. Of the last vector of filters
 * the lanes that there are are written, by a mask where the set has one: 28 x 28 x 1 to 8 filters of 3 x 3 take 1.9 us an
 * image with it, 3.8 where a copy writes them, to 16 filters 1.9.
 * Register tile: 2 windows x 2 vectors of filters, weights and pixels read from memory; of 16 registers 1 x 2 or 2 x 1.
 * Weights that stay in registers, by loops whose bounds the compiler knows, are hardly faster (3 x 3 of one channel:
 * AVX-512 3 %, AVX2 slower), so any size has this one.
 * Bound: that of `direct`, with the bits of it, `unary` and `max_pool_winners` one behind the other.
 * Limited by multiplications, and by the comparisons, which run on the same ports: so those that only NaN needs are made
 * where a sum over all results says that there may be one (2026-11-30, one core of Zen 4, 28 x 28 x 1 to 32 filters of
 * 3 x 3: 4.4 us an image, the passes one behind the other 8.2, the multiplications alone 3.3; AVX2 6.0, 10.1 and 3.3). */

enum { WINDOW_CELLS = 4 };

/* The maxima of a window's results, and the winners as `max_pool_winners_of` numbers them behind relu. Where no result is
 * NaN (`is_exact` 0) half of the comparisons suffice; `total` adds up all results, and is NaN if one is. */
INLINED void pool_window(
  vector (*sums)[2], const sb_convolution_end *end, vector *maxima, bits *winners, vector *total, const int width,
  const int is_exact) {
  UNROLLED(v, width) {
    if (end->bias) UNROLLED(t, WINDOW_CELLS) sums[t][v] += *(const vector *)(end->bias + v * VECTOR);
    if (!is_exact) *total += (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]);
    vector best = sums[0][v];
    bits winner = {0};
    UNROLLED(t, WINDOW_CELLS - 1) {
      vector value = sums[t + 1][v];
      /* The first NaN wins. */
      bits wins = is_exact ? ~(bits)(value <= best) & (bits)(best == best) : (bits)(value > best);
      best = chosen(wins, value, best);
      winner = (wins & (t + 1)) | (~wins & winner);
    }
    if (end->relu) {
      /* Relu makes a tie of what it shuts, and ties go to the first. */
      bits is_open = (bits)(best > 0), is_kept = is_exact ? ~(bits)(best <= 0) : is_open;
      winner = (is_kept & winner) | (~is_open & WINNER_SHUT);
      best = (vector)(is_kept & (bits)best);
    }
    maxima[v] = best, winners[v] = winner;
  }
}

/* The first `lanes` of a vector of maxima, and of winners (which may be null). */
INLINED void write_lanes(vector maxima, bits winner, int lanes, float *y, uint8_t *winners) {
#if VECTOR == 16
  __mmask16 mask = (__mmask16)((1u << lanes) - 1);
  _mm512_mask_storeu_ps(y, mask, (__m512)maxima);
  if (winners) _mm512_mask_cvtepi32_storeu_epi8(winners, mask, (__m512i)winner);
#else
  winner_bytes bytes = __builtin_convertvector(winner, winner_bytes);
  memcpy(y, &maxima, sizeof(float) * (size_t)lanes);
  if (winners) memcpy(winners, &bytes, (size_t)lanes);
#endif
}

/* Some windows of one row of them, of one image and one panel of filters. */
typedef struct {
  /* Floats from the source of a result to that below, that beside, and that of the next window; floats of pooled results
   * from a window to the next. */
  int64_t below, beside, next, step;
  const int32_t *taps;
  int64_t tap_count;
  const float *panel;
  /* Filters that there are of the panel's. */
  int lanes;
  sb_convolution_end end;
} window_row;

/* The pooled results of a window; `winners` may be null. */
INLINED void pool_to(
  const window_row *s, vector (*sums)[2], float *y, uint8_t *winners, vector *total, const int width,
  const int is_exact) {
  vector maxima[2];
  bits found[2];
  pool_window(sums, &s->end, maxima, found, total, width, is_exact);
  UNROLLED(v, width) {
    float *to = y + v * VECTOR;
    uint8_t *bytes = winners ? winners + v * VECTOR : NULL;
    if (v == width - 1 && s->lanes < width * VECTOR) {
      write_lanes(maxima[v], found[v], s->lanes - v * VECTOR, to, bytes);
      continue;
    }
    *(vector *)to = maxima[v];
    if (bytes) *(winner_bytes *)bytes = __builtin_convertvector(found[v], winner_bytes);
  }
}

/* `count` windows whose results see every tap, `windows` at a time; x is the source of the first result. Whether a result
 * may be NaN, which then was taken for a number unless `is_exact`. */
INLINED int inner_windows(
  const window_row *s, const float *x, int64_t count, float *y, uint8_t *winners, const int windows, const int width,
  const int is_exact) {
  tap_block all = {1, s->tap_count, 0};
  vector total = {0};
  for (; count >= windows; count -= windows, x += windows * s->next) {
    const float *from[2 * WINDOW_CELLS];
    vector sums[2 * WINDOW_CELLS][2];
    UNROLLED(t, windows * WINDOW_CELLS)
      from[t] = x + (t & 1 ? s->beside : 0) + (t & 2 ? s->below : 0) + (t & 4 ? s->next : 0);
    sum_taps(from, s->taps, all, s->panel, sums, windows * WINDOW_CELLS, width);
    UNROLLED(t, windows) {
      pool_to(s, sums + t * WINDOW_CELLS, y, winners, &total, width, is_exact);
      y += s->step, winners += winners ? s->step : 0;
    }
  }
  if (count > 0) {
    const float *from[WINDOW_CELLS] = {x, x + s->beside, x + s->below, x + s->below + s->beside};
    vector sums[WINDOW_CELLS][2];
    sum_taps(from, s->taps, all, s->panel, sums, WINDOW_CELLS, width);
    pool_to(s, sums, y, winners, &total, width, is_exact);
  }
  return __builtin_reduce_or((bits)(total != total)) != 0;
}

static void inner_windows_of(
  int width, const window_row *s, const float *x, int64_t count, float *y, uint8_t *winners) {
  const int pair = TILE >= 2 * WINDOW_CELLS ? 2 : 1;
  if (width == 1) {
    if (inner_windows(s, x, count, y, winners, 2, 1, 0)) inner_windows(s, x, count, y, winners, 2, 1, 1);
  } else if (inner_windows(s, x, count, y, winners, pair, 2, 0)) inner_windows(s, x, count, y, winners, pair, 2, 1);
}

/* The taps that a result sees along an axis. */
typedef struct {
  int32_t first, end;
} tap_range;

/* One window at an edge: its rows see `down`, its columns `across`; x is the source of the first result were nothing
 * left out. Results that see the same taps are summed up together: `pairs` 1, those of a row; 2, those of a column. */
INLINED void edge_window(
  const window_row *s, const correlation *c, const float *x, const tap_range *down, const tap_range *across, float *y,
  uint8_t *winners, const int pairs, const int width) {
  const axis *rows = &c->rows[0], *columns = &c->columns[0];
  int64_t line = (int64_t)columns->taps * c->channels;
  vector sums[WINDOW_CELLS][2];
  UNROLLED(t, WINDOW_CELLS) {
    if ((pairs == 1 && t % 2 == 1) || (pairs == 2 && t >= 2)) continue;
    tap_range i = down[t / 2], j = across[t % 2];
    tap_block block = {j.end > j.first ? i.end - i.first : 0, (int64_t)(j.end - j.first) * c->channels, line};
    int64_t place = (int64_t)i.first * rows->step * c->width * c->pixel + (int64_t)j.first * columns->step * c->pixel;
    const float *w = s->panel + (i.first * line + (int64_t)j.first * c->channels) * width * VECTOR;
    int64_t cell = (t / 2 ? s->below : 0) + (t % 2 ? s->beside : 0);
    const float *from[2] = {x + cell + place, x + cell + place + (pairs == 1 ? s->beside : s->below)};
    vector made[2][2];
    sum_taps(from, s->taps, block, w, made, pairs == 0 ? 1 : 2, width);
    UNROLLED(v, width) {
      sums[t][v] = made[0][v];
      if (pairs != 0) sums[t + (pairs == 1 ? 1 : 2)][v] = made[1][v];
    }
  }
  pool_to(s, sums, y, winners, NULL, width, 1);
}

static void edge_window_of(
  int width, const window_row *s, const correlation *c, const float *x, const tap_range *down, const tap_range *across,
  float *y, uint8_t *winners) {
  int is_row = across[0].first == across[1].first && across[0].end == across[1].end;
  int is_column = down[0].first == down[1].first && down[0].end == down[1].end;
#define EDGE(pairs) \
  if (width == 1) edge_window(s, c, x, down, across, y, winners, pairs, 1); \
  else edge_window(s, c, x, down, across, y, winners, pairs, 2)
  if (is_row) EDGE(1);
  else if (is_column) EDGE(2);
  else EDGE(0);
#undef EDGE
}

/* The taps that the results of `windows` windows see along an axis; which of these see all: from `first` up to `end`. */
static void find_taps(
  const axis *a, int32_t size, int32_t windows, tap_range *taps, int32_t *first, int32_t *end) {
  *first = *end = 0;
  for (int32_t r = 0; r < 2 * windows; r++) seen_taps(a, size, r, &taps[r].first, &taps[r].end);
  for (int32_t m = 0; m < windows; m++) {
    const tap_range *own = taps + 2 * m;
    if (own[0].end - own[0].first < a->taps || own[1].end - own[1].first < a->taps) continue;
    if (*end == 0) *first = m;
    *end = m + 1;
  }
}

/* Taps up to which this is faster than `direct`, whose larger tile reads weights less often, and a pass behind it. */
enum { POOLED_TAPS = VECTOR == 16 ? 72 : 32 };

/* Whole windows of 2 x 2, side by side, of a convolution of one group. */
static int pools_direct(const sb_convolution *g, const sb_pooling *p) {
  return g->pixel == g->channels && (int64_t)g->kernel_height * g->kernel_width * g->channels <= POOLED_TAPS &&
    p->pool_height == 2 && p->pool_width == 2 && p->stride_y == 2 && p->stride_x == 2 && p->top == 0 && p->left == 0 &&
    p->rows * 2 <= g->rows && p->columns * 2 <= g->columns;
}

static void direct_pooled(
  const sb_convolution *g, const sb_pooling *pooling, int64_t images, const float *x, const float *packed, float *y,
  uint8_t *winners, int64_t record, void *scratch, const sb_convolution_end *end) {
  correlation c = forward_correlation(g);
  const axis *rows = &c.rows[0], *columns = &c.columns[0];
  int64_t size = (int64_t)c.height * c.width * c.pixel, row = (int64_t)c.width * c.pixel, width = packed_width(c.filters);
  int64_t pooled_row = (int64_t)pooling->columns * c.filters;
  float *bias = scratch;
  int32_t *taps = (int32_t *)(bias + rounded(width)), top, bottom, left, right;
  if (end->bias) {
    memset(bias, 0, sizeof(float) * (size_t)width);
    memcpy(bias, end->bias, sizeof(float) * (size_t)c.filters);
  }
  tap_range *down = (tap_range *)(taps + rounded((int64_t)c.cells * c.channels)), *across = down + 2 * pooling->rows;
  tap_table(&c, rows, columns, taps);
  find_taps(rows, c.height, pooling->rows, down, &top, &bottom);
  find_taps(columns, c.width, pooling->columns, across, &left, &right);
  window_row s = {
    .below = rows->stride * row, .beside = (int64_t)columns->stride * c.pixel,
    .next = 2 * (int64_t)columns->stride * c.pixel, .step = c.filters, .taps = taps,
    .tap_count = (int64_t)c.cells * c.channels};
  for (int64_t n = 0; n < images; n++, x += size)
    for (int32_t p = 0; p < pooling->rows; p++, y += pooled_row) {
      uint8_t *bytes = winners ? winners + n * record + p * pooled_row : NULL;
      s.panel = packed;
      for (int64_t f = 0, panel; f < c.filters; f += panel * VECTOR) {
        panel = next_width(c.filters - f);
        s.lanes = c.filters - f < panel * VECTOR ? (int)(c.filters - f) : (int)panel * VECTOR;
        s.end = (sb_convolution_end){end->bias ? bias + f : NULL, end->relu};
        for (int32_t q = 0; q < pooling->columns;) {
          float *to = y + q * s.step + f;
          uint8_t *to_bytes = bytes ? bytes + q * s.step + f : NULL;
          const float *from = x + (rows->start + 2 * p * rows->stride) * row +
            (int64_t)(columns->start + 2 * q * columns->stride) * c.pixel;
          if (p >= top && p < bottom && q >= left && q < right) {
            inner_windows_of((int)panel, &s, from, right - q, to, to_bytes);
            q = right;
          } else {
            edge_window_of((int)panel, &s, &c, from, down + 2 * p, across + 2 * q, to, to_bytes);
            q++;
          }
        }
        s.panel += s.tap_count * panel * VECTOR;
      }
    }
}
