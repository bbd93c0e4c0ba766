// Pooling over windows of x [images, height, width, channels] to y [images, rows, columns, channels]. A work-item has
// VECTOR neighbouring channels of one cell of the result: axis 0 counts channels, axis 1 cells. Padded cells never win
// and do not count. Gradients are gathered: each cell of the image adds up its windows in order, so no two work-items
// write one place.

#if VECTOR == 1
#define floatV float
#define intV int
#define LOAD(p) (*(p))
#define STORE(v, p) (*(p) = (v))
#define NOT(condition) (!(condition))
#else
#define JOIN2(a, b) a##b
#define JOIN(a, b) JOIN2(a, b)
#define floatV JOIN(float, VECTOR)
#define intV JOIN(int, VECTOR)
#define LOAD(p) JOIN(vload, VECTOR)(0, p)
#define STORE(v, p) JOIN(vstore, VECTOR)(v, 0, p)
#define NOT(condition) (~(condition))
#endif

#define GEOMETRY \
  int height, int width, int channels, int rows, int columns, int pool_height, int pool_width, int stride_y, \
    int stride_x, int top, int left

// This work-item's first channel, and the cell of a grid of `down` × `right` cells.
#define CELL(down, right) \
  int c = get_global_id(0) * VECTOR, cell = get_global_id(1); \
  if (c >= channels || cell >= cell_count) return; \
  int column = cell % (right), row = cell / (right) % (down), n = cell / ((right) * (down));
#define PIXEL(h, v) (((n * height + (h)) * width + (v)) * channels + c)
#define WINDOW(p, q) (((n * rows + (p)) * columns + (q)) * channels + c)

// The windows that contain cell (row, column) of the image.
#define WINDOWS \
  int first_p = max(0, (row + top - pool_height + stride_y) / stride_y), last_p = min(rows - 1, (row + top) / stride_y); \
  int first_q = max(0, (column + left - pool_width + stride_x) / stride_x); \
  int last_q = min(columns - 1, (column + left) / stride_x);

int cells(int from, int size, int limit) { return min(from + size, limit) - max(from, 0); }

__kernel void max_pool(__global const float *restrict x, __global float *restrict y, int cell_count, GEOMETRY) {
  CELL(rows, columns)
  int from_y = row * stride_y - top, from_x = column * stride_x - left;
  floatV best = -INFINITY;
  for (int h = max(from_y, 0); h < min(from_y + pool_height, height); h++)
    for (int v = max(from_x, 0); v < min(from_x + pool_width, width); v++) {
      floatV value = LOAD(x + PIXEL(h, v));
      // The first NaN wins, so that it is seen.
      best = select(best, value, (intV)NOT(value <= best) & (intV)(best == best));
    }
  STORE(best, y + WINDOW(row, column));
}

// With FUNCTION the gradient passes on through the activation whose result x is; KEEP_UNGATED writes as well what it was
// before, for whoever looks there.
#ifdef KEEP_UNGATED
#define STORE_UNGATED(sum, place) STORE(sum, ungated + place);
#else
#define STORE_UNGATED(sum, place)
#endif
#ifdef FUNCTION
#define STORE_GRADIENT(sum, place) \
  { \
    STORE_UNGATED(sum, place) \
    float sums[VECTOR], seen[VECTOR]; \
    STORE(sum, sums); \
    STORE(LOAD(x + place), seen); \
    for (int lane = 0; lane < VECTOR; lane++) dx[place + lane] = FUNCTION(seen[lane], sums[lane], alpha); \
  }
#else
#define STORE_GRADIENT(sum, place) STORE(sum, dx + place);
#endif

// Ties to the lowest index; the first NaN wins.
#define FIND_WINNER(from_y, to_y, from_x, to_x) \
  floatV best = -INFINITY; \
  intV winner = -1; \
  for (int a = from_y; a < to_y; a++) \
    for (int b = from_x; b < to_x; b++) { \
      floatV value = LOAD(x + PIXEL(a, b)); \
      intV wins = (winner < 0) | ((intV)NOT(value <= best) & (intV)(best == best)); \
      best = select(best, value, wins); \
      winner = select(winner, (intV)(a * width + b), wins); \
    }

__kernel void max_pool_backward(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict dx,
  __global float *restrict ungated, float alpha, int cell_count, GEOMETRY) {
  CELL(height, width)
  WINDOWS
  floatV sum = 0;
  for (int p = first_p; p <= last_p; p++)
    for (int q = first_q; q <= last_q; q++) {
      int from_y = p * stride_y - top, from_x = q * stride_x - left;
      FIND_WINNER(max(from_y, 0), min(from_y + pool_height, height), max(from_x, 0), min(from_x + pool_width, width))
      sum += select((floatV)0, LOAD(dy + WINDOW(p, q)), (intV)(winner == row * width + column));
    }
  STORE_GRADIENT(sum, PIXEL(row, column))
}

// Windows side by side, without padding: a work-item has all cells of one, so that its winner is found once. Axis 1
// counts windows and, at the lower and the right edge, the cells that are too few for one.
__kernel void max_pool_apart_backward(
  __global const float *restrict x, __global const float *restrict dy, __global float *restrict dx,
  __global float *restrict ungated, float alpha, int cell_count, GEOMETRY) {
  CELL((height + pool_height - 1) / pool_height, (width + pool_width - 1) / pool_width)
  int from_y = row * pool_height, to_y = min(from_y + pool_height, height);
  int from_x = column * pool_width, to_x = min(from_x + pool_width, width);
  bool is_window = row < rows && column < columns;
  FIND_WINNER(from_y, to_y, from_x, to_x)
  floatV gradient = is_window ? LOAD(dy + WINDOW(row, column)) : (floatV)0;
  for (int h = from_y; h < to_y; h++)
    for (int v = from_x; v < to_x; v++) {
      floatV sum = select((floatV)0, gradient, (intV)(winner == h * width + v));
      STORE_GRADIENT(sum, PIXEL(h, v))
    }
}

__kernel void average_pool(__global const float *restrict x, __global float *restrict y, int cell_count, GEOMETRY) {
  CELL(rows, columns)
  int from_y = row * stride_y - top, from_x = column * stride_x - left;
  floatV sum = 0;
  for (int h = max(from_y, 0); h < min(from_y + pool_height, height); h++)
    for (int v = max(from_x, 0); v < min(from_x + pool_width, width); v++) sum += LOAD(x + PIXEL(h, v));
  STORE(sum / (float)(cells(from_y, pool_height, height) * cells(from_x, pool_width, width)), y + WINDOW(row, column));
}

__kernel void average_pool_backward(
  __global const float *restrict dy, __global float *restrict dx, int cell_count, GEOMETRY) {
  CELL(height, width)
  WINDOWS
  floatV sum = 0;
  for (int p = first_p; p <= last_p; p++)
    for (int q = first_q; q <= last_q; q++) {
      int count = cells(p * stride_y - top, pool_height, height) * cells(q * stride_x - left, pool_width, width);
      sum += LOAD(dy + WINDOW(p, q)) / (float)count;
    }
  STORE(sum, dx + PIXEL(row, column));
}
