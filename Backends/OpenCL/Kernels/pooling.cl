// Pooling over windows of x [images, height, width, channels] to y [images, rows, columns, channels]; one work-item an
// element of the result. Padded cells never win and do not count. Gradients are gathered: each cell of the image adds
// up its windows in order, so no two work-items write one place.

#define GEOMETRY \
  int height, int width, int channels, int rows, int columns, int pool_height, int pool_width, int stride_y, \
    int stride_x, int top, int left

__kernel void max_pool(__global const float *restrict x, __global float *restrict y, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int c = e % channels, q = e / channels % columns, p = e / channels / columns % rows;
  int n = e / channels / columns / rows, from_y = p * stride_y - top, from_x = q * stride_x - left;
  float best = -INFINITY;
  for (int h = max(from_y, 0); h < min(from_y + pool_height, height); h++)
    for (int v = max(from_x, 0); v < min(from_x + pool_width, width); v++) {
      float value = x[((n * height + h) * width + v) * channels + c];
      // NaN wins, so that it is seen.
      if (!(value <= best)) best = value;
    }
  y[e] = best;
}

// With FUNCTION the gradient passes on through the activation whose result x is.
__kernel void max_pool_backward(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict dx, float alpha,
  int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int c = e % channels, v = e / channels % width, h = e / channels / width % height, n = e / channels / width / height;
  float sum = 0;
  // The windows that contain this cell.
  int first_p = max(0, (h + top - pool_height + stride_y) / stride_y), last_p = min(rows - 1, (h + top) / stride_y);
  int first_q = max(0, (v + left - pool_width + stride_x) / stride_x), last_q = min(columns - 1, (v + left) / stride_x);
  for (int p = first_p; p <= last_p; p++)
    for (int q = first_q; q <= last_q; q++) {
      int from_y = p * stride_y - top, from_x = q * stride_x - left;
      float best = -INFINITY;
      int winner = -1;
      for (int a = max(from_y, 0); a < min(from_y + pool_height, height); a++)
        for (int b = max(from_x, 0); b < min(from_x + pool_width, width); b++) {
          float value = x[((n * height + a) * width + b) * channels + c];
          // Ties to the lowest index.
          if (winner < 0 || !(value <= best)) {
            best = value;
            winner = a * width + b;
          }
        }
      if (winner == h * width + v) sum += dy[((n * rows + p) * columns + q) * channels + c];
    }
#ifdef FUNCTION
  dx[e] = FUNCTION(x[e], sum, alpha);
#else
  dx[e] = sum;
#endif
}

int cells(int from, int size, int limit) { return min(from + size, limit) - max(from, 0); }

__kernel void average_pool(__global const float *restrict x, __global float *restrict y, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int c = e % channels, q = e / channels % columns, p = e / channels / columns % rows;
  int n = e / channels / columns / rows, from_y = p * stride_y - top, from_x = q * stride_x - left;
  float sum = 0;
  for (int h = max(from_y, 0); h < min(from_y + pool_height, height); h++)
    for (int v = max(from_x, 0); v < min(from_x + pool_width, width); v++)
      sum += x[((n * height + h) * width + v) * channels + c];
  y[e] = sum / (cells(from_y, pool_height, height) * cells(from_x, pool_width, width));
}

__kernel void average_pool_backward(__global const float *restrict dy, __global float *restrict dx, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int c = e % channels, v = e / channels % width, h = e / channels / width % height, n = e / channels / width / height;
  float sum = 0;
  int first_p = max(0, (h + top - pool_height + stride_y) / stride_y), last_p = min(rows - 1, (h + top) / stride_y);
  int first_q = max(0, (v + left - pool_width + stride_x) / stride_x), last_q = min(columns - 1, (v + left) / stride_x);
  for (int p = first_p; p <= last_p; p++)
    for (int q = first_q; q <= last_q; q++) {
      int count = cells(p * stride_y - top, pool_height, height) * cells(q * stride_x - left, pool_width, width);
      sum += dy[((n * rows + p) * columns + q) * channels + c] / count;
    }
  dx[e] = sum;
}
