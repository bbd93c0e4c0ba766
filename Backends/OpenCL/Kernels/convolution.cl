// Grouped convolutions, depthwise among them: one work-item a result, neighbours along the channels. Dense ones are
// products (multiplication.cl). Shapes: x [images, height, width, channels], w [kernel, channels / groups, filters],
// y [images, rows, columns, filters].

#define GEOMETRY \
  int height, int width, int channels, int rows, int columns, int kernel_height, int kernel_width, int stride_y, \
    int stride_x, int dilation_y, int dilation_x, int top, int left

__kernel void grouped_forward(
  __global const float *restrict x, __global const float *restrict w, __global float *restrict y, int filters,
  int groups, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int k = e % filters, q = e / filters % columns, p = e / filters / columns % rows, n = e / filters / columns / rows;
  int own = channels / groups, first = k / (filters / groups) * own;
  float sum = 0;
  for (int i = 0; i < kernel_height; i++)
    for (int j = 0; j < kernel_width; j++) {
      int h = p * stride_y + i * dilation_y - top, v = q * stride_x + j * dilation_x - left;
      if (h < 0 || v < 0 || h >= height || v >= width) continue;
      __global const float *seen = x + ((n * height + h) * width + v) * channels + first;
      __global const float *taps = w + (i * kernel_width + j) * own * filters + k;
      for (int c = 0; c < own; c++) sum = fma(seen[c], taps[c * filters], sum);
    }
  y[e] = sum;
}

__kernel void grouped_backward_input(
  __global const float *restrict dy, __global const float *restrict w, __global float *restrict dx, int filters,
  int groups, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int c = e % channels, v = e / channels % width, h = e / channels / width % height, n = e / channels / width / height;
  int own = channels / groups, own_filters = filters / groups, group = c / own;
  float sum = 0;
  for (int i = 0; i < kernel_height; i++)
    for (int j = 0; j < kernel_width; j++) {
      int p = h + top - i * dilation_y, q = v + left - j * dilation_x;
      if (p < 0 || q < 0 || p % stride_y || q % stride_x || p / stride_y >= rows || q / stride_x >= columns) continue;
      __global const float *pixel =
        dy + ((n * rows + p / stride_y) * columns + q / stride_x) * filters + group * own_filters;
      __global const float *taps = w + ((i * kernel_width + j) * own + c % own) * filters + group * own_filters;
      for (int k = 0; k < own_filters; k++) sum = fma(pixel[k], taps[k], sum);
    }
  dx[e] = sum;
}

__kernel void grouped_backward_filter(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict dw, int filters,
  int groups, int images, int count, GEOMETRY) {
  int e = get_global_id(0);
  if (e >= count) return;
  int own = channels / groups, k = e % filters, c = e / filters % own, tap = e / filters / own;
  int i = tap / kernel_width, j = tap % kernel_width, channel = k / (filters / groups) * own + c;
  float sum = 0;
  for (int n = 0; n < images; n++) {
    // A sum for each image, so that rounding does not grow with the batch.
    float image = 0;
    for (int p = 0; p < rows; p++)
      for (int q = 0; q < columns; q++) {
        int h = p * stride_y + i * dilation_y - top, v = q * stride_x + j * dilation_x - left;
        if (h < 0 || v < 0 || h >= height || v >= width) continue;
        image = fma(
          x[((n * height + h) * width + v) * channels + channel], dy[((n * rows + p) * columns + q) * filters + k],
          image);
      }
    sum += image;
  }
  dw[e] = sum;
}
