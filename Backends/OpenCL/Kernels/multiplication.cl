// Matrix products and dense convolutions as implicit products: rows are pixels (or rows of a matrix, which is an image
// of one pixel), columns are filters. Nothing is unfolded in memory: a row's terms are gathered tap by tap.
//
//   multiply_rows    y[m, k] = Σ over taps and channels of a[where the tap of row m looks, c] · b[tap, c, k]
//                    forward convolution, its gradient with respect to the image (BACKWARD), matmul
//   multiply_filter  w[tap, c, k] = Σ over pixels of x[where the tap looks, c] · dy[pixel, k]
//                    gradient with respect to the filter, aᵀ·b; SLICES of the images are added by add_slices, in order
//
// b is packed first (pack_filter): blocks of BLOCK columns, zero beyond the last, so that the inner loop reads it in
// one stream. Two templates:
//   register  a work-item has ROWS × BLOCK results in registers as vectors of VECTOR floats: CPUs, Intel, unknown
//   LOCAL     16 × 16 work-items share tiles of 64 × 64 in local memory, 16 terms at a time: AMD, NVIDIA
// Measured on PoCL 3.1, two cores with AVX-512: see Benchmarks/results. Terms are added in one fixed order.

#if VECTOR == 16
#define floatV float16
#define LOAD(p) vload16(0, p)
#define STORE(v, p) vstore16(v, 0, p)
#elif VECTOR == 8
#define floatV float8
#define LOAD(p) vload8(0, p)
#define STORE(v, p) vstore8(v, 0, p)
#else
#define floatV float4
#define LOAD(p) vload4(0, p)
#define STORE(v, p) vstore4(v, 0, p)
#endif
#define VECTORS (BLOCK / VECTOR)

// Arrays stay in registers only where every loop over them is unrolled.
#define EACH(index, count) _Pragma("unroll") for (int index = 0; index < count; index++)

// The image that is gathered from, [images, height, width, channels], and the grid of rows, [images, rows, columns].
typedef struct {
  int height, width, channels, rows, columns, kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x,
    top, left;
} geometry;

#define GEOMETRY \
  int height, int width, int channels, int rows, int columns, int kernel_height, int kernel_width, int stride_y, \
    int stride_x, int dilation_y, int dilation_x, int top, int left
#define GEOMETRY_VALUE \
  {height, width, channels, rows, columns, kernel_height, kernel_width, stride_y, stride_x, dilation_y, dilation_x, \
   top, left}

// LOCAL: what work-item (x, y) adds of two loaded tiles of 16 terms to its 4 × 4 results.
#define ADD_TILES(x, y) \
  barrier(CLK_LOCAL_MEM_FENCE); \
  for (int t = 0; t < 16; t++) { \
    float l[4], w[4]; \
    EACH(r, 4) l[r] = left_tile[t][(y) * 4 + r]; \
    EACH(c, 4) w[c] = right_tile[t][c * 16 + (x)]; \
    EACH(r, 4) EACH(c, 4) sums[r][c] = fma(l[r], w[c], sums[r][c]); \
  } \
  barrier(CLK_LOCAL_MEM_FENCE);

// Where row m looks through tap (i, j): the offset of its first channel, or −1 in the padding.
int gathered(const geometry *g, int image, int p, int q, int i, int j) {
#ifdef BACKWARD
  int y = p + g->top - i * g->dilation_y, x = q + g->left - j * g->dilation_x;
  if (y < 0 || x < 0) return -1;
#ifndef UNIT_STRIDE
  if (y % g->stride_y || x % g->stride_x) return -1;
  y /= g->stride_y;
  x /= g->stride_x;
#endif
  if (y >= g->height || x >= g->width) return -1;
#else
  int y = p * g->stride_y + i * g->dilation_y - g->top, x = q * g->stride_x + j * g->dilation_x - g->left;
  if (y < 0 || x < 0 || y >= g->height || x >= g->width) return -1;
#endif
  return ((image * g->height + y) * g->width + x) * g->channels;
}

__kernel void pack_filter(
  __global const float *w, __global float *packed, int taps, int terms, int columns, int tap_stride, int term_stride,
  int column_stride, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int column = e / (BLOCK * terms * taps) * BLOCK + e % BLOCK;
  int term = e / BLOCK % terms, tap = e / BLOCK / terms % taps;
  packed[e] = column < columns ? w[tap * tap_stride + term * term_stride + column * column_stride] : 0;
}

#ifdef ROWS_KERNEL

#ifdef BIAS
#define WITH_BIAS(value, k) ((value) + bias[k])
#else
#define WITH_BIAS(value, k) (value)
#endif
#ifdef FUNCTION
#define ACTIVATED(value) FUNCTION(value, alpha)
#else
#define ACTIVATED(value) (value)
#endif
// Somebody looks at the product, or at its sum with the bias: it is written on the way.
#ifdef KEEP_PRODUCT
#define KEPT_PRODUCT(value, place) (product[place] = (value))
#else
#define KEPT_PRODUCT(value, place) (value)
#endif
#ifdef KEEP_SUM
#define KEPT_SUM(value, place) (sum[place] = (value))
#else
#define KEPT_SUM(value, place) (value)
#endif
// What follows the product at `place` of the result, in column k.
#define FINISHED(value, place, k) ACTIVATED(KEPT_SUM(WITH_BIAS(KEPT_PRODUCT(value, place), k), place))

#ifndef LOCAL

__kernel void multiply_rows(
  __global const float *restrict a, __global const float *restrict packed, __global float *restrict y,
  __global const float *restrict bias, __global float *restrict product, __global float *restrict sum,
  __global const float *restrict zeros, float alpha, int row_count, int column_count, GEOMETRY) {
  const geometry g = GEOMETRY_VALUE;
  int first = get_global_id(0) * ROWS, block = get_global_id(1);
  int image[ROWS], p[ROWS], q[ROWS];
  __global const float *seen[ROWS];
  EACH(r, ROWS) {
    int m = min(first + r, row_count - 1);
    q[r] = m % columns;
    p[r] = m / columns % rows;
    image[r] = m / (columns * rows);
#ifndef PADDED
    seen[r] = a + gathered(&g, image[r], p[r], q[r], 0, 0);
#endif
  }
  floatV sums[ROWS][VECTORS];
  EACH(r, ROWS)
    EACH(v, VECTORS) sums[r][v] = 0;
  __global const float *b = packed + block * (kernel_height * kernel_width * channels * BLOCK);
  for (int i = 0; i < kernel_height; i++)
    for (int j = 0; j < kernel_width; j++) {
#ifdef PADDED
      EACH(r, ROWS) {
        int offset = gathered(&g, image[r], p[r], q[r], i, j);
        seen[r] = offset < 0 ? zeros : a + offset;
      }
#else
      // Every tap lies inside the image: the next is a step away for all rows.
      int tap = (i * dilation_y * width + j * dilation_x) * channels;
#endif
      for (int c = 0; c < channels; c++) {
        floatV w[VECTORS];
        EACH(v, VECTORS) w[v] = LOAD(b + v * VECTOR);
        EACH(r, ROWS) {
#ifdef PADDED
          floatV factor = seen[r][c];
#else
          floatV factor = seen[r][tap + c];
#endif
          EACH(v, VECTORS) sums[r][v] = fma(factor, w[v], sums[r][v]);
        }
        b += BLOCK;
      }
    }
  EACH(r, ROWS) {
    if (first + r >= row_count) break;
    __global float *out = y + (first + r) * column_count + block * BLOCK;
    int left_over = column_count - block * BLOCK;
    EACH(v, VECTORS) {
      float lanes[VECTOR];
      STORE(sums[r][v], lanes);
      int count = min(VECTOR, left_over - v * VECTOR);
      for (int l = 0; l < count; l++) {
        int column = v * VECTOR + l, k = block * BLOCK + column;
        out[column] = FINISHED(lanes[l], (first + r) * column_count + k, k);
      }
    }
  }
}

#else

// BLOCK is 64. Work-item (x, y) of a group has rows y·4 … and columns x, x + 16, … of the tile.
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void multiply_rows(
  __global const float *restrict a, __global const float *restrict packed, __global float *restrict y,
  __global const float *restrict bias, __global float *restrict product, __global float *restrict sum,
  __global const float *restrict zeros, float alpha, int row_count, int column_count, GEOMETRY) {
  const geometry g = GEOMETRY_VALUE;
  __local float left_tile[16][64 + 1], right_tile[16][64];
  int x = get_local_id(0), z = get_local_id(1), item = z * 16 + x;
  int first = get_group_id(1) * 64, block = get_group_id(0);
  int terms = kernel_height * kernel_width * channels;
  // This item loads row item / 4 of the left tile, four terms of it.
  int m = min(first + item / 4, row_count - 1);
  int image = m / (columns * rows), p = m / columns % rows, q = m % columns;
  float sums[4][4];
  EACH(r, 4)
    EACH(c, 4) sums[r][c] = 0;
  for (int start = 0; start < terms; start += 16) {
    for (int t = item % 4 * 4; t < item % 4 * 4 + 4; t++) {
      int term = start + t, tap = term / channels;
      int offset = term < terms ? gathered(&g, image, p, q, tap / kernel_width, tap % kernel_width) : -1;
      left_tile[t][item / 4] = offset < 0 ? 0 : a[offset + term % channels];
    }
    for (int e = item; e < 16 * 64; e += 256) {
      int term = start + e / 64;
      right_tile[e / 64][e % 64] = term < terms ? packed[(block * terms + term) * 64 + e % 64] : 0;
    }
    ADD_TILES(x, z)
  }
  EACH(r, 4)
    EACH(c, 4) {
      int row = first + z * 4 + r, k = block * 64 + c * 16 + x;
      int place = row * column_count + k;
      if (row < row_count && k < column_count) y[place] = FINISHED(sums[r][c], place, k);
    }
}
#endif
#endif

#ifdef FILTER_KERNEL

__kernel void add_slices(__global const float *restrict slices, __global float *restrict y, int slice_count, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  float sum = slices[e];
  for (int s = 1; s < slice_count; s++) sum += slices[s * count + e];
  y[e] = sum;
}

#ifndef LOCAL

// Row e of the result is (tap, channel) in row-major order.
__kernel void multiply_filter(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict slices, int images,
  int slice_count, int filters, GEOMETRY) {
  const geometry g = GEOMETRY_VALUE;
  int first = get_global_id(0) * ROWS, block = get_global_id(1), slice = get_global_id(2);
  int row_count = kernel_height * kernel_width * channels;
  int near[ROWS], down[ROWS], right[ROWS];
  EACH(r, ROWS) {
    int row = min(first + r, row_count - 1), tap = row / channels;
    down[r] = tap / kernel_width * dilation_y - top;
    right[r] = tap % kernel_width * dilation_x - left;
    near[r] = (down[r] * width + right[r]) * channels + row % channels;
  }
  floatV sums[ROWS][VECTORS];
  EACH(r, ROWS)
    EACH(v, VECTORS) sums[r][v] = 0;
  int end = (slice + 1) * images / slice_count, total = images * rows * columns * filters;
  for (int n = slice * images / slice_count; n < end; n++)
    for (int p = 0; p < rows; p++)
      for (int q = 0; q < columns; q++) {
        int from = ((n * rows + p) * columns + q) * filters + block * BLOCK;
        floatV w[VECTORS];
        // Lanes beyond the last filter hold neighbours; their sums are not stored.
        if (from + BLOCK <= total) {
          EACH(v, VECTORS) w[v] = LOAD(dy + from + v * VECTOR);
        } else {
          float lanes[BLOCK];
          for (int l = 0; l < BLOCK; l++) lanes[l] = from + l < total ? dy[from + l] : 0;
          EACH(v, VECTORS) w[v] = LOAD(lanes + v * VECTOR);
        }
        int pixel = ((n * height + p * stride_y) * width + q * stride_x) * channels;
        EACH(r, ROWS) {
#ifdef PADDED
          int h = p * stride_y + down[r], u = q * stride_x + right[r];
          floatV factor = h >= 0 && u >= 0 && h < height && u < width ? x[pixel + near[r]] : 0;
#else
          floatV factor = x[pixel + near[r]];
#endif
          EACH(v, VECTORS) sums[r][v] = fma(factor, w[v], sums[r][v]);
        }
      }
  EACH(r, ROWS) {
    if (first + r >= row_count) break;
    __global float *out = slices + (slice * row_count + first + r) * filters + block * BLOCK;
    EACH(v, VECTORS) {
      float lanes[VECTOR];
      STORE(sums[r][v], lanes);
      int count = min(VECTOR, filters - block * BLOCK - v * VECTOR);
      for (int l = 0; l < count; l++) out[v * VECTOR + l] = lanes[l];
    }
  }
}

#else

// As multiply_rows: the tile's rows are (tap, channel), its terms the pixels of a slice, 16 at a time.
__kernel __attribute__((reqd_work_group_size(16, 16, 1))) void multiply_filter(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict slices, int images,
  int slice_count, int filters, GEOMETRY) {
  const geometry g = GEOMETRY_VALUE;
  __local float left_tile[16][64 + 1], right_tile[16][64];
  int l_x = get_local_id(0), l_y = get_local_id(1), item = l_y * 16 + l_x;
  int block = get_group_id(0), first = get_group_id(1) * 64, slice = get_group_id(2);
  int row_count = kernel_height * kernel_width * channels, area = rows * columns;
  int row = min(first + item / 4, row_count - 1), tap = row / channels, channel = row % channels;
  int begin = slice * images / slice_count * area, end = (slice + 1) * images / slice_count * area;
  float sums[4][4];
  EACH(r, 4)
    EACH(c, 4) sums[r][c] = 0;
  for (int start = begin; start < end; start += 16) {
    for (int t = item % 4 * 4; t < item % 4 * 4 + 4; t++) {
      int pixel = start + t;
      int offset = -1;
      if (pixel < end)
        offset = gathered(
          &g, pixel / area, pixel / columns % rows, pixel % columns, tap / kernel_width, tap % kernel_width);
      left_tile[t][item / 4] = offset < 0 ? 0 : x[offset + channel];
    }
    for (int e = item; e < 16 * 64; e += 256) {
      int pixel = start + e / 64, k = block * 64 + e % 64;
      right_tile[e / 64][e % 64] = pixel < end && k < filters ? dy[pixel * filters + k] : 0;
    }
    ADD_TILES(l_x, l_y)
  }
  EACH(r, 4)
    EACH(c, 4) {
      int e = first + l_y * 4 + r, k = block * 64 + c * 16 + l_x;
      if (e < row_count && k < filters) slices[(slice * row_count + e) * filters + k] = sums[r][c];
    }
}
#endif
#endif

#ifdef BATCHED
// Many small products, or both operands transposed: one work-item a result.
__kernel void multiply_batched(
  __global const float *restrict a, __global const float *restrict b, __global float *restrict y, int m, int n, int k,
  int a_row, int a_term, int b_term, int b_column, int count) {
  int e = get_global_id(0);
  if (e >= count) return;
  int matrix = e / (m * n), row = e / n % m, column = e % n;
  __global const float *left = a + matrix * m * k + row * a_row, *right = b + matrix * k * n + column * b_column;
  float sum = 0;
  for (int t = 0; t < k; t++) sum = fma(left[t * a_term], right[t * b_term], sum);
  y[e] = sum;
}
#endif
