/* The index of the largest element, along the last axis or any other: the lowest of equal ones, or the first NaN.
 *
 * Layout: rows x columns, or [outer, length, inner].
 * Bound: exact. Limited by the branch for each element. */
/* The first NaN wins, and ties go to the lowest index. */
static inline int beats(float x, float best) { return !(x <= best) && best == best; }

static void argmax_along(int64_t outer, int64_t length, int64_t inner, const float *x, int32_t *y) {
  for (int64_t o = 0; o < outer; o++, x += length * inner, y += inner)
    for (int64_t i = 0; i < inner; i++) {
      int32_t best = 0;
      for (int32_t a = 1; a < length; a++)
        if (beats(x[a * inner + i], x[best * inner + i])) best = a;
      y[i] = best;
    }
}

static void argmax(int64_t rows, int64_t columns, const float *x, int32_t *y) {
  for (int64_t r = 0; r < rows; r++, x += columns) {
    int32_t best = 0;
    for (int32_t c = 1; c < columns; c++)
      if (beats(x[c], x[best])) best = c;
    y[r] = best;
  }
}
