/* The windows of an image as rows of a matrix, and back: convolution as a matrix product.
 *
 * Algorithm: im2col copies each window's rows, whole where they lie in the image side by side; col2im, its adjoint, adds
 * them to the image.
 * Layout: image [H, W, C], matrix [P * Q, Kh * Kw * C], of one group.
 * Bound: im2col is exact. Limited by memory: Kh * Kw times the image are written.
 * Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document processing",
 * 2006. */
/* One group of one image to [rows · columns, kernel_height · kernel_width · channels]. */
static void im2col(const sb_convolution *g, const float *image, float *columns) {
  int64_t run = (int64_t)g->kernel_width * g->channels;
  int packed = g->dilation_x == 1 && g->pixel == g->channels;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++)
      for (int i = 0; i < g->kernel_height; i++, columns += run) {
        int h = p * g->stride_y + i * g->dilation_y - g->top;
        int v = q * g->stride_x - g->left;
        if (h < 0 || h >= g->height) {
          memset(columns, 0, sizeof(float) * (size_t)run);
        } else if (packed && v >= 0 && v + g->kernel_width <= g->width) {
          memcpy(columns, image + ((int64_t)h * g->width + v) * g->pixel, sizeof(float) * (size_t)run);
        } else {
          for (int j = 0; j < g->kernel_width; j++) {
            int column = v + j * g->dilation_x;
            float *to = columns + (int64_t)j * g->channels;
            if (column < 0 || column >= g->width) memset(to, 0, sizeof(float) * (size_t)g->channels);
            else
              memcpy(to, image + ((int64_t)h * g->width + column) * g->pixel, sizeof(float) * (size_t)g->channels);
          }
        }
      }
}

/* The adjoint of im2col. */
static void col2im(const sb_convolution *g, const float *columns, float *image) {
  int64_t run = (int64_t)g->kernel_width * g->channels;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++)
      for (int i = 0; i < g->kernel_height; i++, columns += run) {
        int h = p * g->stride_y + i * g->dilation_y - g->top;
        int v = q * g->stride_x - g->left;
        if (h < 0 || h >= g->height) continue;
        if (g->dilation_x == 1 && g->pixel == g->channels && v >= 0 && v + g->kernel_width <= g->width) {
          float *to = image + ((int64_t)h * g->width + v) * g->pixel;
          for (int64_t e = 0; e < run; e++) to[e] += columns[e];
          continue;
        }
        for (int j = 0; j < g->kernel_width; j++) {
          int column = v + j * g->dilation_x;
          if (column < 0 || column >= g->width) continue;
          float *to = image + ((int64_t)h * g->width + column) * g->pixel;
          const float *from = columns + (int64_t)j * g->channels;
          for (int c = 0; c < g->channels; c++) to[c] += from[c];
        }
      }
}
