/* Softmax cross-entropy of logits with targets that are probabilities, and its gradient.
 *
 * Algorithm: the logarithm of the sum of exponentials, less the largest logit; a target of zero counts nothing, so that
 * a logit of minus infinity is allowed there.
 * Layout: rows x classes.
 * Bound: what Sources/Programs/Operations/Softmax.swift states. Limited by the C library's expf. */
static void cross_entropy(int64_t rows, int64_t columns, const float *x, const float *t, float *loss) {
  for (int64_t r = 0; r < rows; r++, x += columns, t += columns) {
    float top = largest(columns, x), total = 0, result = 0;
    for (int64_t c = 0; c < columns; c++) total += expf(x[c] - top);
    float logarithm = logf(total);
    for (int64_t c = 0; c < columns; c++)
      if (t[c] != 0) result += t[c] * ((top - x[c]) + logarithm);
    loss[r] = result;
  }
}

static void cross_entropy_backward(
  int64_t rows, int64_t columns, const float *x, const float *t, const float *upstream, float *dx) {
  for (int64_t r = 0; r < rows; r++, x += columns, t += columns, dx += columns) {
    float top = largest(columns, x), total = 0, weight = 0;
    for (int64_t c = 0; c < columns; c++) {
      total += dx[c] = expf(x[c] - top);
      weight += t[c];
    }
    for (int64_t c = 0; c < columns; c++) dx[c] = upstream[r] * (dx[c] / total * weight - t[c]);
  }
}
