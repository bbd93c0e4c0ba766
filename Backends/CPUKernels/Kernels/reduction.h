/* Sums, sums of squares and extremes, of all elements or column by column.
 *
 * Algorithm: sums of all elements run in LANES lanes of doubles, added up in a fixed order at the end; those by columns
 * are float, row after row.
 * Bound: that of an accumulation (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., section 4.2).
 * Limited by memory. */
static void sum_rows(int64_t rows, int64_t columns, const float *x, float *sums) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) sums[c] += x[r * columns + c];
}

static double sum(int64_t count, const float *x) {
  double lanes[LANES] = {0}, total = 0;
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) lanes[i] += x[e + i];
  for (; e < count; e++) lanes[0] += x[e];
  for (int i = 0; i < LANES; i++) total += lanes[i];
  return total;
}

static double sum_squares(int64_t count, const float *x) {
  double lanes[LANES] = {0}, total = 0;
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) lanes[i] += (double)x[e + i] * x[e + i];
  for (; e < count; e++) lanes[0] += (double)x[e] * x[e];
  for (int i = 0; i < LANES; i++) total += lanes[i];
  return total;
}

static void add_squares(int64_t columns, const float *x, float *y) {
  for (int64_t c = 0; c < columns; c++) y[c] += x[c] * x[c];
}

/* What is beaten, or NaN, stays. */
static inline float extreme_of(int sign, float best, float x) {
  return best != best || (sign > 0 ? x <= best : x >= best) ? best : x;
}

static float extreme(int sign, float start, int64_t count, const float *x) {
  for (int64_t e = 0; e < count; e++) start = extreme_of(sign, start, x[e]);
  return start;
}

static void extremes(int sign, int64_t columns, const float *x, float *y) {
  if (sign > 0)
    for (int64_t c = 0; c < columns; c++) y[c] = extreme_of(1, y[c], x[c]);
  else
    for (int64_t c = 0; c < columns; c++) y[c] = extreme_of(-1, y[c], x[c]);
}
