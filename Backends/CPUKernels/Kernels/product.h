/* Products of matrices, either operand read as it lies or transposed: c = a·b, or added to c.
 *
 * Algorithm: columns of b are copied to a panel of two vectors a term (of TERMS terms at most), which all rows of a are
 * taken through tile by tile. The tile is that of convolutions: a row of a is a window whose taps are its terms.
 * Layout: row-major, with any number of floats from one row to the next.
 * Register tile: TILE rows x 2 vectors of columns.
 * Bound: sums of at most TERMS terms in order, which are added in order: no longer than the sum by definition. Bits of a
 * result depend on its row, its column and whether it is added, not on the matrix around it.
 * Limited by multiplications from some 16 rows on (2026-11-30, one core of Zen 4, shares of the loop of multiplications in
 * registers: 0.92 to 0.97; OpenBLAS 0.7 to 0.95).
 * Source: Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", 2008, of which one level of packing
 * is left: what our networks multiply fits into the second-level cache. */

/* Terms of a sum at a time: a panel takes 64 KiB of the stack. */
enum { TERMS = 512, ROWS_IN_PLACE = 4 * TILE, STRIDE_IN_PLACE = 128, FEW_COLUMNS = 256 };

/* Terms first … of `lanes` columns of b as a panel of `width` vectors; what lies behind the last column is nobody's. */
static void pack_columns(
  const sb_product *p, const float *b, int64_t first, int64_t count, int64_t column, int lanes, int width, float *panel) {
  const int whole = width * VECTOR;
  if (p->transpose_b) {
    if (lanes < whole) memset(panel, 0, sizeof(float) * (size_t)(count * whole));
    transpose_into(b + column * p->b_stride + first, p->b_stride, lanes, count, panel, whole);
    return;
  }
  const float *from = b + first * p->b_stride + column, *end = b + (p->k - 1) * p->b_stride + p->n;
  for (int64_t k = 0; k < count; k++, from += p->b_stride, panel += whole)
    if (end - from < whole) {
      memcpy(panel, from, sizeof(float) * (size_t)lanes);
      memset(panel + lanes, 0, sizeof(float) * (size_t)(whole - lanes));
    } else {
      *(vector *)panel = *(const vector *)from;
      if (width == 2) *(vector *)(panel + VECTOR) = *(const vector *)(from + VECTOR);
    }
}

/* The slope of relu times s, where relu gave v: NaN is handed on, whatever s is. */
INLINED vector gated(vector v, vector s) { return (vector)(((bits)s & (bits)(v > 0)) | ((bits)v & (bits)(v != v))); }
static inline float gated_number(float v, float s) { return v > 0 ? s : v <= 0 ? 0 : v; }

/* c[t] = sum over `count` terms k of a[t][k * a_step] * b[k * b_step], for `height` rows and `width` vectors of columns, or
 * that added to c; then what `end` says, whose bias is that of the first column and has whole vectors, and the gates of
 * each row (null: none). */
INLINED void product_tile(
  const float *const *a, int64_t a_step, const float *b, int64_t b_step, int64_t count, float *const *c, int adds,
  const sb_product_end *end, const float *const *gates, const int height, const int width) {
  vector sums[TILE][2] = {0};
  const float *from[TILE];
  UNROLLED(t, height) from[t] = a[t];
  for (int64_t k = 0, at = 0; k < count; k++, at += a_step, b += b_step) {
    vector first = *(const vector *)b, second = first;
    if (width == 2) second = *(const vector *)(b + VECTOR);
    UNROLLED(t, height) {
      float v = from[t][at];
      sums[t][0] += v * first;
      if (width == 2) sums[t][1] += v * second;
    }
  }
  if (adds) UNROLLED(t, height) UNROLLED(v, width) sums[t][v] += *(const vector *)(c[t] + v * VECTOR);
  if (end->bias) UNROLLED(t, height) UNROLLED(v, width) sums[t][v] += *(const vector *)(end->bias + v * VECTOR);
  if (end->relu) UNROLLED(t, height) UNROLLED(v, width) sums[t][v] = rectified(sums[t][v]);
  if (gates) UNROLLED(t, height) UNROLLED(v, width)
    sums[t][v] = gated(*(const vector *)(gates[t] + v * VECTOR), sums[t][v]);
  UNROLLED(t, height) UNROLLED(v, width) *(vector *)(c[t] + v * VECTOR) = sums[t][v];
}

static void product_tile_of(
  int height, int width, const float *const *a, int64_t a_step, const float *b, int64_t b_step, int64_t count,
  float *const *c, int adds, const sb_product_end *end, const float *const *gates) {
#define ONE(n) case n: product_tile(a, a_step, b, b_step, count, c, adds, end, gates, n, 1); return;
#define TWO(n) case n: product_tile(a, a_step, b, b_step, count, c, adds, end, gates, n, 2); return;
  if (width == 1) switch (height) { UP_TO_TILE(ONE) }
  else switch (height) { UP_TO_TILE(TWO) }
#undef ONE
#undef TWO
}

/* The columns of b from `column` on, of which a panel holds `lanes`, times terms first … */
static void product_panel(
  const sb_product *p, const float *a, const float *b, int64_t b_step, int64_t first, int64_t count, int64_t column,
  int lanes, int width, float *c, const sb_product_end *end) {
  const int64_t row_step = p->transpose_a ? 1 : p->a_stride, term_step = p->transpose_a ? p->a_stride : 1;
  const int adds = p->adds || first > 0, is_whole = lanes == width * VECTOR;
  float bias[2 * VECTOR] = {0};
  sb_product_end own = {0};
  const int is_last = first + count >= p->k;
  if (end && is_last) own = (sb_product_end){end->bias ? end->bias + column : NULL, end->relu, 0};
  const float *gates = end && is_last ? end->gate : NULL;
  if (own.bias && !is_whole) own.bias = memcpy(bias, own.bias, sizeof(float) * (size_t)lanes);
  for (int64_t m = 0; m < p->m;) {
    const int height = next_height(p->m - m, TILE);
    const float *rows[TILE];
    float *places[TILE], *targets[TILE], rests[TILE][2 * VECTOR];
    const float *opening[TILE];
    for (int t = 0; t < height; t++) {
      if (gates) opening[t] = gates + (m + t) * p->c_stride + column;
      rows[t] = a + (m + t) * row_step + first * term_step;
      places[t] = targets[t] = c + (m + t) * p->c_stride + column;
      if (is_whole) continue;
      targets[t] = rests[t];
      if (adds) memcpy(rests[t], places[t], sizeof(float) * (size_t)lanes);
    }
    product_tile_of(
      height, width, rows, term_step, b, b_step, count, targets, adds, &own, gates && is_whole ? opening : NULL);
    for (int t = 0; !is_whole && t < height; t++) {
      if (gates) for (int l = 0; l < lanes; l++) places[t][l] = gated_number(opening[t][l], rests[t][l]);
      else memcpy(places[t], rests[t], sizeof(float) * (size_t)lanes);
    }
    m += height;
  }
}

/* Whether rows fill one or two vectors and b, read transposed, is the larger operand. */
static int has_few_rows(const sb_product *p) {
  return p->transpose_b && !p->transpose_a && !p->adds && (p->m == VECTOR || p->m == 2 * VECTOR) && p->k >= 32 &&
    p->n >= p->m && p->n <= FEW_COLUMNS;
}

/* c transposed is b times a transposed: so a is packed, which is the smaller one. The sums are the same ones; what `end`
 * says comes while c is still in the first-level cache. */
static void product_of_few_rows(
  const sb_product *p, const float *a, const float *b, float *c, const sb_product_end *end) {
  _Alignas(64) float panel[TERMS * 2 * VECTOR], turned[2 * VECTOR * FEW_COLUMNS];
  const int width = (int)p->m / VECTOR;
  const sb_product of_columns = {
    .m = p->n, .n = p->m, .k = p->k, .a_stride = p->b_stride, .b_stride = p->a_stride, .c_stride = p->m,
    .transpose_b = 1};
  for (int64_t first = 0; first < p->k; first += TERMS) {
    const int64_t count = p->k - first < TERMS ? p->k - first : TERMS;
    pack_columns(&of_columns, a, first, count, 0, (int)p->m, width, panel);
    product_panel(&of_columns, b, panel, p->m, first, count, 0, (int)p->m, width, turned, NULL);
  }
  transpose_into(turned, p->m, p->n, p->m, c, p->c_stride);
  for (int64_t row = 0; end && row < p->m; row++) {
    float *restrict to = c + row * p->c_stride;
    if (end->bias) for (int64_t e = 0; e < p->n; e++) to[e] += end->bias[e];
    if (end->relu) for (int64_t e = 0; e < p->n; e++) to[e] = to[e] <= 0 ? 0 : to[e];
    if (!end->gate) continue;
    const float *restrict gate = end->gate + row * p->c_stride;
    for (int64_t e = 0; e < p->n; e++) to[e] = gated_number(gate[e], to[e]);
  }
}

static void product(const sb_product *p, const float *a, const float *b, float *c, const sb_product_end *end) {
  if (has_few_rows(p)) {
    product_of_few_rows(p, a, b, c, end);
    return;
  }
  _Alignas(64) float panel[TERMS * 2 * VECTOR];
  /* Of few rows, or where neighbouring terms share a page, columns are read where they lie. */
  const int is_read_in_place = !p->transpose_b && (p->m <= ROWS_IN_PLACE || p->b_stride <= STRIDE_IN_PLACE);
  for (int64_t first = 0; first == 0 || first < p->k; first += TERMS) {
    const int64_t count = p->k - first < TERMS ? p->k - first : TERMS;
    for (int64_t column = 0; column < p->n;) {
      const int width = next_width(p->n - column);
      const int lanes = p->n - column < width * VECTOR ? (int)(p->n - column) : width * VECTOR;
      if (is_read_in_place && lanes == width * VECTOR)
        product_panel(
          p, a, b + first * p->b_stride + column, p->b_stride, first, count, column, lanes, width, c, end);
      else {
        pack_columns(p, b, first, count, column, lanes, width, panel);
        product_panel(p, a, panel, width * VECTOR, first, count, column, lanes, width, c, end);
      }
      column += width * VECTOR;
    }
  }
}

/* Half-empty vectors cost as much as full ones, one row is a sum of rows, and above some 512 a side OpenBLAS' further levels
 * of blocks count. */
static int leads_product(const sb_product *p) {
  return p->m >= 4 && p->k >= 1 && fills_vectors(p->n < INT32_MAX ? (int32_t)p->n : 0, 5) &&
    (double)p->m * (double)p->n * (double)p->k <= 0x1p27;
}
