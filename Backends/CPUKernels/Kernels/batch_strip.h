/* What batch normalization does with STRIP channels side by side, row by row (`batch_normalization.h`, which includes this
 * for each width). Numbers of a channel stay in registers; sums run in PHASES of rows, so that additions overlap. Each
 * channel is computed alike whatever the width. */

#define JOINED(name, lanes) name##_##lanes
#define NAMED_BY(name, lanes) JOINED(name, lanes)
#define OWN(name) NAMED_BY(name, STRIP)
#define strip OWN(strip)
#define strip_bits OWN(strip_bits)
#define AT(pointer) (*(const strip *)(pointer))

typedef float strip __attribute__((vector_size(4 * STRIP), aligned(4), may_alias));
typedef int32_t strip_bits __attribute__((vector_size(4 * STRIP), aligned(4), may_alias));

/* Sums of x less its first row and of the squares of that, over at least one row. */
INLINED void OWN(moments)(int64_t rows, int64_t channels, const float *x, float *sums, float *squares) {
  const strip pivot = AT(x);
  strip s[PHASES] = {0}, q[PHASES] = {0};
  int64_t r = 0;
  for (; r + PHASES <= rows; r += PHASES)
    UNROLLED(i, PHASES) {
      const strip d = AT(x + (r + i) * channels) - pivot;
      s[i] += d;
      q[i] += d * d;
    }
  for (; r < rows; r++) {
    const strip d = AT(x + r * channels) - pivot;
    s[0] += d;
    q[0] += d * d;
  }
  *(strip *)sums = (s[0] + s[1]) + (s[2] + s[3]);
  *(strip *)squares = (q[0] + q[1]) + (q[2] + q[3]);
}

/* One operation a statement: the bits of each call alone. */
INLINED void OWN(normalized)(int64_t rows, const sb_batch_rows *b, int64_t c, const int adds, const int relu) {
  const strip mean = AT(b->mean + c), factor = AT(b->factor + c), beta = AT(b->beta + c);
  for (int64_t e = c; e < c + rows * b->channels; e += b->channels) {
    const strip centered = AT(b->x + e) - mean;
    const strip scaled = centered * factor;
    strip y = scaled + beta;
    if (adds) y = y + AT(b->shortcut + e);
    if (relu) y = (strip)((strip_bits)y & ~(strip_bits)(y <= 0));
    *(strip *)(b->y + e) = y;
  }
}

/* Adds to the sums of dy, of dy (x - mean) and of x - mean; with `gates` dy is what relu lets through, and is written. */
INLINED void OWN(gradient_row)(
  const sb_batch_gradient *b, int64_t e, const strip mean, const int gates, strip *sums, strip *products, strip *rests) {
  strip dy = AT(b->dy + e);
  if (gates) {
    const strip v = AT(b->opening + e);
    dy = (strip)(((strip_bits)dy & (v > 0)) | ((strip_bits)v & (v != v)));
    *(strip *)(b->gated + e) = dy;
  }
  const strip centered = AT(b->x + e) - mean;
  const strip product = dy * centered;
  *sums += dy;
  *products += product;
  *rests += centered;
}

INLINED void OWN(gradient_sums)(int64_t rows, const sb_batch_gradient *b, int64_t c, const int gates) {
  const strip mean = AT(b->mean + c);
  strip s[PHASES] = {0}, p[PHASES] = {0}, q[PHASES] = {0};
  int64_t r = 0;
  for (; r + PHASES <= rows; r += PHASES)
    UNROLLED(i, PHASES) OWN(gradient_row)(b, (r + i) * b->channels + c, mean, gates, s + i, p + i, q + i);
  for (; r < rows; r++) OWN(gradient_row)(b, r * b->channels + c, mean, gates, s, p, q);
  *(strip *)(b->sums + c) += (s[0] + s[1]) + (s[2] + s[3]);
  *(strip *)(b->products + c) += (p[0] + p[1]) + (p[2] + p[3]);
  *(strip *)(b->rests + c) += (q[0] + q[1]) + (q[2] + q[3]);
}

INLINED void OWN(gradient)(int64_t rows, const sb_batch_gradient *b, int64_t c) {
  const strip mean = AT(b->mean + c), factor = AT(b->factor + c), slope = AT(b->slope + c), shift = AT(b->shift + c);
  for (int64_t e = c; e < c + rows * b->channels; e += b->channels) {
    const strip centered = AT(b->x + e) - mean;
    const strip scaled = AT(b->dy + e) * factor;
    const strip bent = slope * (2 * centered);
    const strip unshifted = scaled + bent;
    *(strip *)(b->dx + e) = unshifted + shift;
  }
}

#undef JOINED
#undef NAMED_BY
#undef OWN
#undef strip
#undef strip_bits
#undef AT
#undef STRIP
