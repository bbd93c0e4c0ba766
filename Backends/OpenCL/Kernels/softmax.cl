// Softmax and its cross-entropy: one work-item a line. Element a of line l lies at
// l / inner · length · inner + l % inner + a · inner.

#define LINE \
  int line = get_global_id(0); \
  if (line >= lines) return; \
  int start = line / inner * length * inner + line % inner;

__kernel void softmax(__global const float *restrict x, __global float *restrict y, int length, int inner, int lines) {
  LINE
  float largest = x[start];
  for (int a = 1; a < length; a++)
    if (x[start + a * inner] > largest) largest = x[start + a * inner];
  float sum = 0;
  for (int a = 0; a < length; a++) {
    float e = exp(x[start + a * inner] - largest);
    y[start + a * inner] = e;
    sum += e;
  }
  for (int a = 0; a < length; a++) y[start + a * inner] /= sum;
}

__kernel void softmax_backward(
  __global const float *restrict y, __global const float *restrict dy, __global float *restrict dx, int length,
  int inner, int lines) {
  LINE
  float dot = 0;
  for (int a = 0; a < length; a++) dot = fma(y[start + a * inner], dy[start + a * inner], dot);
  for (int a = 0; a < length; a++) dx[start + a * inner] = y[start + a * inner] * (dy[start + a * inner] - dot);
}

float largest_of(__global const float *x, int length) {
  float largest = x[0];
  for (int c = 1; c < length; c++)
    if (x[c] > largest) largest = x[c];
  return largest;
}

__kernel void cross_entropy(
  __global const float *restrict logits, __global const float *restrict targets, __global float *restrict loss,
  int length, int inner, int lines) {
  LINE
  __global const float *x = logits + start, *t = targets + start;
  float largest = largest_of(x, length), sum = 0, total = 0;
  for (int c = 0; c < length; c++) sum += exp(x[c] - largest);
  float logarithm = log(sum);
  // Written so that no large numbers cancel: (largest − x) first, then the small logarithm.
  for (int c = 0; c < length; c++)
    if (t[c] != 0) total += t[c] * ((largest - x[c]) + logarithm);
  loss[line] = total;
}

__kernel void cross_entropy_backward(
  __global const float *restrict logits, __global const float *restrict targets, __global const float *restrict dloss,
  __global float *restrict dlogits, int length, int inner, int lines) {
  LINE
  __global const float *x = logits + start, *t = targets + start;
  __global float *dx = dlogits + start;
  float largest = largest_of(x, length), sum = 0, weight = 0;
  for (int c = 0; c < length; c++) {
    dx[c] = exp(x[c] - largest);
    sum += dx[c];
    weight += t[c];
  }
  for (int c = 0; c < length; c++) dx[c] = dloss[line] * (dx[c] / sum * weight - t[c]);
}
