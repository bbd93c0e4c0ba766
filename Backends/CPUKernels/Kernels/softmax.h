/* Softmax and its gradient, along the last axis or any other.
 *
 * Algorithm: the largest element is subtracted first, so exponentials are at most 1.
 * Layout: rows x columns, or [outer, length, inner] with LANES of the inner axis at a time.
 * Bound: what Sources/Programs/Operations/Softmax.swift states. Limited by the C library's expf. */
static float largest(int64_t columns, const float *x) {
  float best = x[0];
  for (int64_t c = 1; c < columns; c++)
    if (x[c] > best) best = x[c];
  return best;
}

static void softmax(int64_t rows, int64_t columns, const float *x, float *y) {
  for (int64_t r = 0; r < rows; r++, x += columns, y += columns) {
    float top = largest(columns, x), total = 0;
    for (int64_t c = 0; c < columns; c++) total += y[c] = expf(x[c] - top);
    for (int64_t c = 0; c < columns; c++) y[c] /= total;
  }
}

static void softmax_backward(int64_t rows, int64_t columns, const float *y, const float *dy, float *dx) {
  for (int64_t r = 0; r < rows; r++, y += columns, dy += columns, dx += columns) {
    float dot = 0;
    for (int64_t c = 0; c < columns; c++) dot += y[c] * dy[c];
    for (int64_t c = 0; c < columns; c++) dx[c] = y[c] * (dy[c] - dot);
  }
}

static void softmax_along(int64_t outer, int64_t length, int64_t inner, const float *x, float *y) {
  for (int64_t o = 0; o < outer; o++, x += length * inner, y += length * inner)
    for (int64_t start = 0; start < inner; start += LANES) {
      int lanes = inner - start < LANES ? (int)(inner - start) : LANES;
      float top[LANES], total[LANES] = {0};
      for (int i = 0; i < lanes; i++) top[i] = x[start + i];
      for (int64_t a = 1; a < length; a++)
        for (int i = 0; i < lanes; i++) {
          float v = x[a * inner + start + i];
          top[i] = v > top[i] ? v : top[i];
        }
      for (int64_t a = 0; a < length; a++)
        for (int i = 0; i < lanes; i++) {
          int64_t at = a * inner + start + i;
          total[i] += y[at] = expf(x[at] - top[i]);
        }
      for (int64_t a = 0; a < length; a++)
        for (int i = 0; i < lanes; i++) y[a * inner + start + i] /= total[i];
    }
}

static void softmax_along_backward(
  int64_t outer, int64_t length, int64_t inner, const float *y, const float *dy, float *dx) {
  for (int64_t o = 0; o < outer; o++, y += length * inner, dy += length * inner, dx += length * inner)
    for (int64_t start = 0; start < inner; start += LANES) {
      int lanes = inner - start < LANES ? (int)(inner - start) : LANES;
      float dot[LANES] = {0};
      for (int64_t a = 0; a < length; a++)
        for (int i = 0; i < lanes; i++) dot[i] += y[a * inner + start + i] * dy[a * inner + start + i];
      for (int64_t a = 0; a < length; a++)
        for (int i = 0; i < lanes; i++) {
          int64_t at = a * inner + start + i;
          dx[at] = y[at] * (dy[at] - dot[i]);
        }
    }
}
