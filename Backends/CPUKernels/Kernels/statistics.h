/* What the monitor asks of a tensor: moments, extremes, counts, a histogram of exponents; and whether all is finite.
 *
 * Algorithm: one pass in LANES lanes that takes everything as finite; only where the sum of squares is not, a second one
 * that looks at each element.
 * Bound: counts are exact, sums are of doubles. Limited by memory. */
/* Adds to what `s` holds. An infinity or NaN poisons the sum of squares, so the careful pass runs only then. */
static void statistics(int64_t count, const float *x, sb_statistics *s) {
  double sums[LANES] = {0}, squares[LANES] = {0};
  float low[LANES], high[LANES];
  /* Counted lane by lane too: one counter would be added up across the lanes at every turn. */
  int32_t zeros[LANES] = {0};
  int64_t e = 0;
  for (int i = 0; i < LANES; i++) low[i] = INFINITY, high[i] = -INFINITY;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) {
      float v = x[e + i];
      sums[i] += v;
      squares[i] += (double)v * v;
      low[i] = v < low[i] ? v : low[i];
      high[i] = v > high[i] ? v : high[i];
      zeros[i] += v == 0;
    }
  for (; e < count; e++) {
    float v = x[e];
    sums[0] += v;
    squares[0] += (double)v * v;
    low[0] = v < low[0] ? v : low[0];
    high[0] = v > high[0] ? v : high[0];
    zeros[0] += v == 0;
  }
  double total = 0, square = 0;
  float least = INFINITY, most = -INFINITY;
  for (int i = 0; i < LANES; i++) {
    total += sums[i];
    square += squares[i];
    s->zeros += zeros[i];
    least = low[i] < least ? low[i] : least;
    most = high[i] > most ? high[i] : most;
  }
  double finite = (double)count;
  if (!isfinite(square)) {
    total = square = finite = 0;
    least = INFINITY, most = -INFINITY;
    for (e = 0; e < count; e++) {
      float v = x[e];
      if (v != v) s->nans++;
      else if (isinf(v)) s->infinities++;
      else {
        finite++;
        total += v;
        square += (double)v * v;
        least = v < least ? v : least;
        most = v > most ? v : most;
      }
    }
  }
  s->count += (double)count;
  s->finite += finite;
  s->sum += total;
  s->squares += square;
  s->low = least < s->low ? least : s->low;
  s->high = most > s->high ? most : s->high;
}

static void exponents(int64_t count, const float *x, double *bins) {
  /* Zeros, infinities and NaNs are counted apart, in bins that are not handed out. */
  int64_t counts[256] = {0};
  int64_t zeros = 0;
  for (int64_t e = 0; e < count; e++) {
    uint32_t bits;
    memcpy(&bits, &x[e], sizeof bits);
    counts[bits >> 23 & 255]++;
    zeros += (bits & 0x7FFFFFFFu) == 0;
  }
  counts[0] -= zeros;
  for (int exponent = 0; exponent < 255; exponent++) {
    int bin = exponent - 127 - SB_FIRST_EXPONENT;
    bins[bin < 0 ? 0 : bin >= SB_EXPONENT_BINS ? SB_EXPONENT_BINS - 1 : bin] += (double)counts[exponent];
  }
}

static int all_finite(int64_t count, const float *x) {
  /* The exponent of an infinity or NaN is all ones. Numbers without a rounding can be joined in any order, so short ranges
     (a line of a tile) have no chain of additions. */
  uint32_t faults = 0;
  for (int64_t e = 0; e < count; e++) {
    uint32_t bits;
    memcpy(&bits, &x[e], sizeof bits);
    faults |= (bits & 0x7F800000u) == 0x7F800000u;
  }
  return faults == 0;
}
