/* Softmax and its gradient, along the last axis or any other.
 *
 * Algorithm: the largest element is subtracted first, so exponentials are at most 1.
 * Layout: rows x columns, or [outer, length, inner] with LANES of the inner axis at a time.
 * Bound: what Sources/Programs/Operations/Softmax.swift states; of long rows limited by memory. */
/* Of a row with a NaN any element of it, or NaN: its sum of exponentials is NaN whatever is subtracted. */
static float largest(int64_t columns, const float *x) {
  float best = x[0];
  int64_t c = 1;
  if (columns >= 2 * VECTOR) {
    vector lanes = *(const vector *)x;
    for (c = VECTOR; c + VECTOR <= columns; c += VECTOR) {
      const vector v = *(const vector *)(x + c);
      lanes = choose(v > lanes, v, lanes);
    }
    for (int i = 0; i < VECTOR; i++)
      if (lanes[i] > best) best = lanes[i];
  }
  for (; c < columns; c++)
    if (x[c] > best) best = x[c];
  return best;
}

static float sum_of_lanes(vector v) {
  float total = 0;
  for (int i = 0; i < VECTOR; i++) total += v[i];
  return total;
}

/* The sum of exp(x - top), where top is the largest of x; the exponentials are written to y, or to nothing (null). */
INLINED float exponentials(int64_t columns, const float *x, float top, float *y) {
  vector totals = {0};
  for (int64_t c = 0; c < columns; c += VECTOR) {
    const vector e = exp_of(load_lanes(x + c, columns - c) - top);
    if (y) store_lanes(y + c, e, columns - c);
    totals += load_lanes((const float *)&e, columns - c);
  }
  return sum_of_lanes(totals);
}

static void softmax(int64_t rows, int64_t columns, const float *x, float *y) {
  for (int64_t r = 0; r < rows; r++, x += columns, y += columns) {
    const float total = exponentials(columns, x, largest(columns, x), y);
    for (int64_t c = 0; c < columns; c++) y[c] /= total;
  }
}

static void softmax_backward(int64_t rows, int64_t columns, const float *y, const float *dy, float *dx) {
  for (int64_t r = 0; r < rows; r++, y += columns, dy += columns, dx += columns) {
    vector dots = {0};
    for (int64_t c = 0; c < columns; c += VECTOR) dots += load_lanes(y + c, columns - c) * load_lanes(dy + c, columns - c);
    const float dot = sum_of_lanes(dots);
    for (int64_t c = 0; c < columns; c++) dx[c] = y[c] * (dy[c] - dot);
  }
}

static void softmax_along(int64_t outer, int64_t length, int64_t inner, const float *x, float *y) {
  for (int64_t o = 0; o < outer; o++, x += length * inner, y += length * inner)
    for (int64_t start = 0; start < inner; start += LANES) {
      int lanes = inner - start < LANES ? (int)(inner - start) : LANES;
      float top[LANES] = {0}, total[LANES] = {0};
      for (int i = 0; i < lanes; i++) top[i] = x[start + i];
      for (int64_t a = 1; a < length; a++)
        for (int i = 0; i < lanes; i++) {
          float v = x[a * inner + start + i];
          top[i] = v > top[i] ? v : top[i];
        }
      for (int64_t a = 0; a < length; a++)
        for (int i = 0; i < lanes; i += VECTOR) {
          const int64_t at = a * inner + start + i;
          store_lanes(y + at, exp_of(load_lanes(x + at, lanes - i) - *(const vector *)(top + i)), lanes - i);
          *(vector *)(total + i) += load_lanes(y + at, lanes - i);
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
