/* The gradients of a convolution behind relu and max pooling, of filter and image, from the pooled gradient and the
 * winners.
 *
 * Algorithm: of the convolution's results only winners that relu let through have a gradient, at most one a window and
 * filter. Some windows of an image at a time, those that have one are the bits of a word for each filter, and the number of
 * each is multiplied with what the winner's window of the convolution sees: the filter's gradient adds up number x window,
 * the image's gradient adds number x filter to the window (where convolution_sparse_image.h does not know the shape). The
 * terms left out are zeros, so the sums are those of the definition. Of an image in whose block an operand is not finite
 * (an odd image, see pooling_winners.h) every result counts, zeros too, since a zero times an infinity is NaN.
 * Layout: images [N, H, W, C]; a window's rows are runs of Kw * C floats side by side, so filters and their gradients
 * lie as [F][Kh][Kw * C], each run rounded up to whole vectors, and are turned once for each call; words
 * [windows / 32][F], places [windows][F].
 * Register tile: up to 3 runs x 8 vectors (of 16 registers 12 vectors), the sums of the filter's gradient or the filter.
 * Bound: that of the sums of the definition. The order of terms depends on the images of a call alone.
 * Limited by loads: a fused multiplication of the filter's gradient needs one, of the image's gradient two and a store;
 * finding numbers and places hides behind them (2026-11-30, one core of Zen 4, 13 x 13 x 32 to 64 filters of 3 x 3, two
 * fifths of the windows shut, four images a call: the filter's gradient 7.1 us an image, AVX2 8.8, of which turning is
 * 0.5; loads alone take 5). */

#if VECTOR == 16 || defined(__aarch64__)
enum { SPARSE_TILE = 24 };
#else
enum { SPARSE_TILE = 12 };
#endif
enum { SPARSE_RUNS = 3, SPARSE_WIDTH = 8, TURNED_AT_ONCE = 16, WINDOWS_A_WORD = 32, PLACED_AT_ONCE = 4096 };

/* Not where windows overlap so much that hardly any result is left out, nor where they see so little that a list takes
 * longer than the products that it saves. */
static int sparse_leads(const sb_convolution *g, const sb_pooling *p) {
  int64_t windows = (int64_t)p->rows * p->columns, results = (int64_t)g->rows * g->columns;
  return takes_direct(g) && g->pixel == g->channels && g->dilation_x == 1 && windows * 2 <= results &&
    (int64_t)g->kernel_height * g->kernel_width * g->channels >= 64;
}

typedef struct {
  frame frame;
  /* Floats of a run of the window, rounded up, and of a filter; floats from one run to the next in the framed image. */
  int64_t run, padded, filter, step;
  int64_t windows, results;
  int is_framed;
} sparse_layout;

static sparse_layout sparse_layout_of(const sb_convolution *g, const sb_pooling *p) {
  sparse_layout l = {.frame = frame_of(g)};
  l.run = (int64_t)g->kernel_width * g->channels;
  l.padded = (l.run + VECTOR - 1) / VECTOR * VECTOR;
  l.filter = l.padded * g->kernel_height;
  l.step = (int64_t)g->dilation_y * l.frame.width * l.frame.channels;
  l.windows = (int64_t)p->rows * p->columns;
  l.results = (int64_t)g->rows * g->columns;
  /* Runs that fill no vectors read beyond their end. */
  l.is_framed = is_framed(g, l.frame) || l.padded != l.run;
  return l;
}

static int64_t sparse_words(int64_t places) { return (places + WINDOWS_A_WORD - 1) / WINDOWS_A_WORD; }

/* The bits of a vector's lanes below `lanes`. */
INLINED bits lanes_below(int64_t lanes) {
  int32_t mask[VECTOR];
  for (int i = 0; i < VECTOR; i++) mask[i] = i < lanes ? -1 : 0;
  return *(const bits *)mask;
}

/* What of one filter has a gradient: bit m of the words stands for a window of the convolution that begins in the image at
 * places[m * step], and for the number that belongs to it. */
typedef struct {
  const uint32_t *words;
  int64_t word_count, word_step;
  const int32_t *places;
  const float *numbers;
  int64_t step;
} filter_gradient;

/* Takes the lowest bit off `word`, of place `first` and 31 more; where that begins in the image, and its number. */
INLINED int64_t next_place(const filter_gradient *d, uint32_t *word, int64_t first, float *number) {
  int64_t m = (first + __builtin_ctz(*word)) * d->step;
  *word &= *word - 1;
  *number = d->numbers[m];
  return d->places[m];
}

/* to[runs][width] += the sum of numbers * x[place + run * step]. Short chains of sums would wait for each other, so a small
 * tile has several. */
INLINED void sum_windows(
  const filter_gradient *d, const float *x, int64_t step, float *to, int64_t to_step, const int runs, const int width) {
  const int sets = runs * width <= 3 ? 4 : runs * width <= 6 ? 2 : 1;
  vector sums[4][SPARSE_RUNS][SPARSE_WIDTH] = {0};
  const filter_gradient own = *d;
  UNROLLED(r, runs) UNROLLED(v, width) sums[0][r][v] = *(const vector *)(to + r * to_step + v * VECTOR);
  for (int64_t i = 0; i < own.word_count; i++) {
    uint32_t word = own.words[i * own.word_step];
    while (word) UNROLLED(s, sets) {
      float number;
      const float *from = x + next_place(&own, &word, i * WINDOWS_A_WORD, &number);
      UNROLLED(r, runs) UNROLLED(v, width) sums[s][r][v] += number * *(const vector *)(from + r * step + v * VECTOR);
      if (word == 0) break;
    }
  }
  UNROLLED(r, runs) UNROLLED(v, width) {
    vector sum = sums[0][r][v];
    if (sets >= 2) sum += sums[1][r][v];
    if (sets == 4) sum += sums[2][r][v] + sums[3][r][v];
    *(vector *)(to + r * to_step + v * VECTOR) = sum;
  }
}

/* dx[place + run * step] += number * w[runs][width]; of the last vector's lanes those of `mask`. */
INLINED void add_filters(
  const filter_gradient *d, const float *w, int64_t w_step, float *dx, int64_t step, bits mask, const int runs,
  const int width, const int is_masked) {
  vector weights[SPARSE_RUNS][SPARSE_WIDTH];
  const filter_gradient own = *d;
  UNROLLED(r, runs) UNROLLED(v, width) weights[r][v] = *(const vector *)(w + r * w_step + v * VECTOR);
  for (int64_t i = 0; i < own.word_count; i++)
    for (uint32_t word = own.words[i * own.word_step]; word;) {
      float number, *to = dx + next_place(&own, &word, i * WINDOWS_A_WORD, &number);
      UNROLLED(r, runs) UNROLLED(v, width) {
        vector *place = (vector *)(to + r * step + v * VECTOR);
        vector sum = *place + number * weights[r][v];
        *place = is_masked && v == width - 1 ? chosen(mask, sum, *place) : sum;
      }
    }
}

#if VECTOR == 16 || defined(__aarch64__)
#define SPARSE_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(2, 5) CASE(2, 6) CASE(2, 7) CASE(2, 8) \
  CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(3, 4) CASE(3, 5) CASE(3, 6) CASE(3, 7) CASE(3, 8)
#else
#define SPARSE_CASES(CASE) \
  CASE(1, 1) CASE(1, 2) CASE(1, 3) CASE(1, 4) CASE(1, 5) CASE(1, 6) CASE(1, 7) CASE(1, 8) \
  CASE(2, 1) CASE(2, 2) CASE(2, 3) CASE(2, 4) CASE(2, 5) CASE(2, 6) CASE(3, 1) CASE(3, 2) CASE(3, 3) CASE(3, 4)
#endif

static void sum_windows_of(
  int runs, int width, const filter_gradient *d, const float *x, int64_t step, float *to, int64_t to_step) {
#define SUM(r, v) \
  case r * 16 + v: sum_windows(d, x, step, to, to_step, r, v); return;
  switch (runs * 16 + width) { SPARSE_CASES(SUM) }
#undef SUM
}

static void add_filters_of(
  int runs, int width, int64_t lanes, const filter_gradient *d, const float *w, int64_t w_step, float *dx,
  int64_t step) {
  bits mask = lanes_below(lanes - (width - 1) * VECTOR);
#define ADD(r, v) \
  case r * 16 + v: add_filters(d, w, w_step, dx, step, mask, r, v, 0); return;
#define ADD_MASKED(r, v) \
  case r * 16 + v: add_filters(d, w, w_step, dx, step, mask, r, v, 1); return;
  if (lanes >= width * VECTOR) switch (runs * 16 + width) { SPARSE_CASES(ADD) }
  else switch (runs * 16 + width) { SPARSE_CASES(ADD_MASKED) }
#undef ADD
#undef ADD_MASKED
}

/* Runs `body` for each tile of a filter: `runs` from `first_run` on, `width` vectors from float `at` on. */
#define FOR_EACH_SPARSE_TILE(g, l, ...) \
  for (int32_t first_run = 0, runs; first_run < (g)->kernel_height; first_run += runs) { \
    runs = next_height((g)->kernel_height - first_run, SPARSE_RUNS); \
    int most = SPARSE_TILE / runs < SPARSE_WIDTH ? SPARSE_TILE / runs : SPARSE_WIDTH; \
    for (int64_t at = 0, width; at < (l)->padded; at += width * VECTOR) { \
      width = next_height(((l)->padded - at) / VECTOR, most); \
      __VA_ARGS__ \
    } \
  }

/* The gradients of all results of one filter of an odd image: one of the windows, NaN or zero. */
static void spread_filter(
  const sb_convolution *g, const sb_pooling *p, const uint8_t *winners, const uint8_t *is_nan, const float *dy,
  float *numbers) {
  int64_t windows = (int64_t)p->rows * p->columns, results = (int64_t)g->rows * g->columns;
  for (int64_t m = 0; m < results; m++) numbers[m] = is_nan[m * g->filters] ? NAN : 0;
  for (int64_t m = 0; m < windows; m++) {
    uint8_t winner = winners[m * g->filters];
    if (winner >= WINNER_SHUT) continue;
    int64_t h = m / p->columns * p->stride_y - p->top + winner / p->pool_width;
    int64_t v = m % p->columns * p->stride_x - p->left + winner % p->pool_width;
    numbers[h * g->columns + v] += dy[m * g->filters];
  }
}

/* dw[taps, filters] += turned[filters, runs, padded]. */
static void add_turned(const sb_convolution *g, const sparse_layout *l, const float *turned, float *part, float *dw) {
  for (int32_t i = 0; i < g->kernel_height; i++)
    for (int64_t k = 0; k < l->run; k += TURNED_AT_ONCE) {
      int64_t count = l->run - k < TURNED_AT_ONCE ? l->run - k : TURNED_AT_ONCE;
      transpose_into(turned + i * l->padded + k, l->filter, g->filters, count, part, g->filters);
      float *to = dw + (i * l->run + k) * g->filters;
      for (int64_t e = 0; e < count * g->filters; e++) to[e] += part[e];
    }
}

/* What the gradients of one call have in common. */
typedef struct {
  const sb_convolution *g;
  const sb_pooling *p;
  sparse_layout l;
  image_sums sums;
  /* Whether windows of the pooling give the image's gradient, of images that are not odd. */
  int is_summed;
  /* Floats from a result's window to that of the next column and row, and windows that are placed at once. */
  int32_t across, down;
  int64_t at_once;
  float *turned_w, *turned_dw, *framed, *framed_dx, *part, *numbers, *packed, *framed_sums;
  int32_t *starts, *result_starts, *places;
  uint32_t *words, *result_words;
  uint64_t *cell_words;
} sparse_work;

/* Where everything lies in scratch memory, and how many bytes that is. */
static int64_t sparse_work_of(const sb_convolution *g, const sb_pooling *p, void *scratch, sparse_work *k) {
  *k = (sparse_work){.g = g, .p = p, .l = sparse_layout_of(g, p), .sums = image_sums_of(g), .is_summed = sums_image(g)};
  const sparse_layout *l = &k->l;
  k->across = g->stride_x * l->frame.channels, k->down = g->stride_y * l->frame.width * l->frame.channels;
  k->at_once = (PLACED_AT_ONCE / WINDOWS_A_WORD / g->filters + 1) * WINDOWS_A_WORD;
  int64_t framed = l->is_framed ? frame_size(l->frame) + VECTOR : 0, filter = l->filter * g->filters;
  int64_t cells = l->windows * p->pool_height * p->pool_width;
  int64_t at = 0;
#define TAKE(member, count) \
  (k->member = scratch ? (void *)((char *)scratch + at) : NULL, at += 4 * rounded((count) * (int64_t)sizeof *k->member / 4))
  TAKE(turned_w, filter);
  TAKE(turned_dw, filter);
  TAKE(framed, framed);
  TAKE(framed_dx, framed);
  TAKE(part, TURNED_AT_ONCE * g->filters);
  TAKE(starts, l->windows);
  TAKE(places, k->at_once * g->filters);
  TAKE(words, sparse_words(k->at_once) * g->filters);
  TAKE(numbers, l->results);
  TAKE(result_starts, l->results);
  TAKE(result_words, sparse_words(l->results));
  if (k->is_summed) {
    TAKE(packed, k->sums.pixel / VECTOR * k->sums.block);
    TAKE(framed_sums, k->sums.is_framed ? k->sums.size : 0);
    TAKE(cell_words, cells * k->sums.words);
  }
#undef TAKE
  return at;
}

static int64_t sparse_scratch_bytes(const sb_convolution *g, const sb_pooling *p) {
  sparse_work k;
  return sparse_work_of(g, p, NULL, &k);
}

/* Where the windows of the convolution begin that the first cells of the pooling's windows are. */
static void place_windows(sparse_work *k) {
  const sb_pooling *p = k->p;
  for (int32_t m = 0; m < k->l.windows; m++)
    k->starts[m] =
      (m / p->columns * p->stride_y - p->top) * k->down + (m % p->columns * p->stride_x - p->left) * k->across;
}

/* Of windows first up to end: which have a gradient, bit m % 32 of words[m / 32][f], and where in the image the window of
 * the convolution begins that its winner is, places[m][f]; m counts from `first` on. */
static void place_winners(
  const sparse_work *k, int64_t first, int64_t end, const uint8_t *winners, const float *dy) {
  const sb_pooling *p = k->p;
  const int32_t across = k->across, next_row = k->down - p->pool_width * across, share = 65536 / p->pool_width + 1;
  int64_t filters = p->channels;
  winners += first * filters, dy += first * filters;
  memset(k->words, 0, sizeof *k->words * (size_t)(sparse_words(end - first) * filters));
  for (int64_t m = 0; m < end - first; m++, winners += filters, dy += filters) {
    int32_t bit = (int32_t)(1u << m % WINDOWS_A_WORD), start = k->starts[first + m];
    int32_t *words = (int32_t *)k->words + m / WINDOWS_A_WORD * filters, *places = k->places + m * filters;
    int64_t f = 0;
    for (; f + VECTOR <= filters; f += VECTOR) {
      bits winner = __builtin_convertvector(*(const winner_bytes *)(winners + f), bits);
      /* A winner's row is winner / pool_width, rightly so up to 127. */
      *(bits *)(places + f) = start + winner * across + (winner * share >> 16) * next_row;
      *(bits *)(words + f) |= bit & (winner < WINNER_SHUT) & (bits)(*(const vector *)(dy + f) != 0);
    }
    for (; f < filters; f++) {
      places[f] = start + winners[f] * across + (winners[f] * share >> 16) * next_row;
      words[f] |= winners[f] < WINNER_SHUT && dy[f] != 0 ? bit : 0;
    }
  }
}

/* Of an odd image every result counts. */
static filter_gradient place_results(sparse_work *k) {
  int64_t count = k->l.results, words = sparse_words(count);
  memset(k->result_words, 0, sizeof *k->words * (size_t)words);
  for (int32_t m = 0; m < count; m++) {
    k->result_starts[m] = m / k->g->columns * k->down + m % k->g->columns * k->across;
    k->result_words[m / WINDOWS_A_WORD] |= 1u << m % WINDOWS_A_WORD;
  }
  return (filter_gradient){k->result_words, words, 1, k->result_starts, k->numbers, 1};
}

static void turn_filters(sparse_work *k, const float *w) {
  const sparse_layout *l = &k->l;
  int64_t filters = k->g->filters;
  if (l->padded != l->run) memset(k->turned_w, 0, sizeof(float) * (size_t)(l->filter * filters));
  for (int32_t i = 0; i < k->g->kernel_height; i++)
    transpose_into(w + i * l->run * filters, filters, l->run, filters, k->turned_w + i * l->padded, l->filter);
}

/* The image's gradient from windows of the pooling. */
static void sum_image(sparse_work *k, const uint8_t *winners, const float *dy, float *dx) {
  const image_sums *s = &k->sums;
  float *target = s->is_framed ? k->framed_sums : dx;
  memset(target, 0, sizeof(float) * (size_t)s->size);
  image_words(k->p, s->words, winners, dy, k->cell_words);
  add_windows(k->g, k->p, s, k->cell_words, dy, k->packed, target);
  if (s->is_framed) copy_unframed(k->g, target, s->row, s->pixel, dx);
}

/* Adds to turned_dw and to dx what windows `first` up to `end` give, or all results of an odd image; `x` and `dx` may be
 * framed, and each gradient may be null. */
static void add_gradients(
  sparse_work *k, int64_t first, int64_t end, const uint8_t *winners, const uint8_t *is_nan, const float *dy,
  const float *x, float *dw, float *dx) {
  const sparse_layout *l = &k->l;
  int64_t filters = k->g->filters;
  filter_gradient d = {NULL, sparse_words(end - first), filters, NULL, NULL, filters};
  if (is_nan) d = place_results(k);
  else place_winners(k, first, end, winners, dy);
  FOR_EACH_SPARSE_TILE(k->g, l, {
    int64_t place = first_run * l->step + at, weight = first_run * l->padded + at;
    for (int64_t f = 0; f < filters; f++, weight += l->filter) {
      if (is_nan) spread_filter(k->g, k->p, winners + f, is_nan + f, dy + f, k->numbers);
      else d.words = k->words + f, d.places = k->places + f, d.numbers = dy + first * filters + f;
      if (dw) sum_windows_of(runs, (int)width, &d, x + place, l->step, dw + weight, l->padded);
      if (dx) add_filters_of(
        runs, (int)width, l->run - at, &d, k->turned_w + weight, l->padded, dx + place, l->step);
    }
  })
}

/* `records` are those of the images, `dy` the gradient of the pooled results. Adds to dw, writes dx; each may be null. */
static void sparse_backward(
  const sb_convolution *g, const sb_pooling *p, int64_t images, const float *x, const float *w, const uint8_t *records,
  const float *dy, float *dw, float *dx, void *scratch) {
  sparse_work work, *k = &work;
  sparse_work_of(g, p, scratch, k);
  const sparse_layout *l = &k->l;
  int64_t record = pooling_record_bytes(p), size = frame_size(l->frame);
  int64_t x_size = (int64_t)g->height * g->width * g->channels;
  int is_turned = 0;
  place_windows(k);
  if (dw) memset(k->turned_dw, 0, sizeof(float) * (size_t)(l->filter * g->filters));
  for (int64_t block = 0; dx && k->is_summed && block < k->sums.pixel / VECTOR; block++)
    pack_taps(g, &k->sums, w, block, k->packed + block * k->sums.block);
  for (int64_t n = 0; n < images; n++, records += record, dy += l->windows * g->filters, x += x_size) {
    const uint8_t *is_nan = records + l->windows * g->filters + 1;
    int is_odd = is_nan[-1], is_summed = k->is_summed && !is_odd;
    float *image = dx ? dx + n * x_size : NULL, *target = NULL;
    if (dx && is_summed) sum_image(k, records, dy, image);
    const float *source = x;
    if (dw && l->is_framed) {
      copy_framed(g, l->frame, x, k->framed);
      memset(k->framed + size, 0, sizeof(float) * VECTOR);
      source = k->framed;
    }
    if (dx && !is_summed) {
      if (!is_turned) turn_filters(k, w);
      is_turned = 1;
      target = l->is_framed ? k->framed_dx : image;
      memset(target, 0, sizeof(float) * (size_t)(l->is_framed ? size + VECTOR : x_size));
    }
    if (!dw && !target) continue;
    if (is_odd) add_gradients(k, 0, 0, records, is_nan, dy, source, dw ? k->turned_dw : NULL, target);
    else
      for (int64_t m = 0; m < l->windows; m += k->at_once) {
        int64_t end = l->windows - m < k->at_once ? l->windows : m + k->at_once;
        add_gradients(k, m, end, records, NULL, dy, source, dw ? k->turned_dw : NULL, target);
      }
    if (target && l->is_framed)
      copy_unframed(g, target, (int64_t)l->frame.width * l->frame.channels, l->frame.channels, image);
  }
  if (dw) add_turned(g, l, k->turned_dw, k->part, dw);
}
