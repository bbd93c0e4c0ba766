/* The kernels, written once; each including file compiles them for one instruction set (TABLE is its table's name).
 *
 * Goals, in order: right for every shape; bits that depend on nothing but the operands; loops that the compiler
 * vectorises without -ffast-math (sums run in 16 lanes that are added in a fixed order). */

enum { LANES = 16 };

static inline float sigmoid(float x) {
  if (x >= 0) return 1 / (1 + expf(-x));
  float e = expf(x);
  return e / (1 + e);
}
static inline float gelu_inner(float x) { return 0.7978845608028654f * (x + 0.044715f * x * x * x); }

#define SELU_SCALE 1.0507009873554805f
#define SELU_ALPHA 1.6732632423543772f

#define EACH(expression) \
  for (int64_t e = 0; e < count; e++) { \
    float v = x[e]; \
    y[e] = (expression); \
  } \
  break

static int unary(int function, float alpha, int64_t count, const float *x, float *y) {
  switch (function) {
    case SB_IDENTITY: EACH(v);
    case SB_NEGATE: EACH(-v);
    case SB_ABSOLUTE: EACH(fabsf(v));
    case SB_EXP: EACH(expf(v));
    case SB_LOG: EACH(logf(v));
    case SB_SQRT: EACH(sqrtf(v));
    case SB_RSQRT: EACH(1 / sqrtf(v));
    case SB_SQUARE: EACH(v * v);
    case SB_RECIPROCAL: EACH(1 / v);
    case SB_SIGN: EACH(v > 0 ? 1 : v < 0 ? -1 : v);
    case SB_FLOOR: EACH(floorf(v));
    /* NaN stays NaN: the monitor has to see it. */
    case SB_RELU: EACH(v <= 0 ? 0 : v);
    case SB_LEAKY_RELU: EACH(v > 0 ? v : alpha * v);
    case SB_ELU: EACH(v > 0 ? v : alpha * expm1f(v));
    case SB_SELU: EACH(SELU_SCALE * (v > 0 ? v : SELU_ALPHA * expm1f(v)));
    case SB_GELU: EACH(v / 2 * (1 + erff(v * 0.70710678118654752f)));
    case SB_GELU_TANH: EACH(v / 2 * (1 + tanhf(gelu_inner(v))));
    case SB_SWISH: EACH(v * sigmoid(v));
    case SB_SIGMOID: EACH(sigmoid(v));
    case SB_HARD_SIGMOID: EACH(v <= -3 ? 0 : v >= 3 ? 1 : v / 6 + 0.5f);
    case SB_TANH: EACH(tanhf(v));
    case SB_SOFTPLUS: EACH((v > 0 ? v : 0) + log1pf(expf(-fabsf(v))));
    case SB_IS_FINITE: EACH(v - v == 0 ? 1 : 0);
    SB_FORWARD_FORMULAS
    default: return false;
  }
  return true;
}
#undef EACH

#define EACH(expression) \
  for (int64_t e = 0; e < count; e++) { \
    float v = x[e]; \
    dx[e] = dy[e] * (expression); \
  } \
  break

static int unary_backward(int function, float alpha, int64_t count, const float *x, const float *dy, float *dx) {
  switch (function) {
    case SB_IDENTITY: EACH(1 + 0 * (v != v));
    case SB_NEGATE: EACH(-1 + 0 * (v != v));
    /* Neither side of a kink takes a NaN: it is handed on. */
    case SB_ABSOLUTE: EACH(v > 0 ? 1 : v < 0 ? -1 : v);
    case SB_EXP: EACH(v);
    case SB_LOG: EACH(1 / v);
    case SB_SQRT: EACH(1 / (2 * v));
    case SB_RSQRT: EACH(v * v * v / -2);
    case SB_SQUARE: EACH(2 * v);
    case SB_RECIPROCAL: EACH(-v * v);
    case SB_RELU:
      for (int64_t e = 0; e < count; e++) dx[e] = x[e] > 0 ? dy[e] : x[e] <= 0 ? 0 : x[e];
      break;
    case SB_LEAKY_RELU: EACH(v > 0 ? 1 : v <= 0 ? alpha : v);
    case SB_ELU: EACH(v > 0 ? 1 : v + alpha);
    case SB_SELU: EACH(v > 0 ? SELU_SCALE : v + SELU_SCALE * SELU_ALPHA);
    case SB_GELU:
      EACH((1 + erff(v * 0.70710678118654752f)) / 2 + v * expf(-v * v / 2) * 0.3989422804014327f);
    case SB_GELU_TANH:
      for (int64_t e = 0; e < count; e++) {
        float v = x[e], t = tanhf(gelu_inner(v));
        dx[e] = dy[e] * ((1 + t) / 2 + v / 2 * (1 - t * t) * 0.7978845608028654f * (1 + 0.134145f * v * v));
      }
      break;
    case SB_SWISH:
      for (int64_t e = 0; e < count; e++) {
        float s = sigmoid(x[e]);
        dx[e] = dy[e] * (s * (1 + x[e] * (1 - s)));
      }
      break;
    case SB_SIGMOID: EACH(v * (1 - v));
    case SB_HARD_SIGMOID: EACH(v <= -3 ? 0 : v >= 3 ? 0 : v == v ? 1.0f / 6 : v);
    case SB_TANH: EACH(1 - v * v);
    case SB_SOFTPLUS: EACH(-expm1f(-v));
    /* Constant almost everywhere. */
    case SB_SIGN: case SB_FLOOR: case SB_IS_FINITE: EACH(0 * (v != v));
    SB_SLOPE_FORMULAS
    default: return false;
  }
  return true;
}
#undef EACH

static inline float apply(int function, float a, float b) {
  switch (function) {
    case SB_ADD: return a + b;
    case SB_SUBTRACT: return a - b;
    case SB_MULTIPLY: return a * b;
    case SB_DIVIDE: return a / b;
    case SB_MAXIMUM: return a >= b || a != a ? a : b;
    case SB_POWER: return powf(a, b);
    default: return a <= b || a != a ? a : b;
  }
}

#define FOR_EACH_FUNCTION(loop) \
  switch (function) { \
    case SB_ADD: loop(SB_ADD); break; \
    case SB_SUBTRACT: loop(SB_SUBTRACT); break; \
    case SB_MULTIPLY: loop(SB_MULTIPLY); break; \
    case SB_DIVIDE: loop(SB_DIVIDE); break; \
    case SB_MAXIMUM: loop(SB_MAXIMUM); break; \
    case SB_POWER: loop(SB_POWER); break; \
    case SB_MINIMUM: loop(SB_MINIMUM); break; \
    default: return false; \
  } \
  return true

static int binary(int function, int64_t count, const float *a, int sa, const float *b, int sb, float *y) {
#define LOOP(f) \
  if (sa && sb) for (int64_t e = 0; e < count; e++) y[e] = apply(f, a[e], b[e]); \
  else for (int64_t e = 0; e < count; e++) y[e] = apply(f, a[e * sa], b[e * sb])
  FOR_EACH_FUNCTION(LOOP);
#undef LOOP
}

static int binary_row(int function, int64_t rows, int64_t columns, const float *a, const float *b, float *y) {
#define LOOP(f) \
  for (int64_t r = 0; r < rows; r++) \
    for (int64_t c = 0; c < columns; c++) y[r * columns + c] = apply(f, a[r * columns + c], b[c])
  FOR_EACH_FUNCTION(LOOP);
#undef LOOP
}

static int compare(int function, int64_t count, const float *a, int sa, const float *b, int sb, uint8_t *y) {
#define LOOP(relation) \
  if (sa && sb) for (int64_t e = 0; e < count; e++) y[e] = a[e] relation b[e]; \
  else for (int64_t e = 0; e < count; e++) y[e] = a[e * sa] relation b[e * sb]
  switch (function) {
    case SB_EQUAL: LOOP(==); break;
    case SB_GREATER: LOOP(>); break;
    case SB_GREATER_EQUAL: LOOP(>=); break;
    case SB_LESS: LOOP(<); break;
    default: return false;
  }
#undef LOOP
  return true;
}

static void select_elements(
  int64_t count, const uint8_t *condition, int sc, const uint32_t *a, int sa, const uint32_t *b, int sb, uint32_t *y) {
  if (sc)
    for (int64_t e = 0; e < count; e++) {
      uint32_t left = a[e * sa], right = b[e * sb];
      y[e] = condition[e] ? left : right;
    }
  else {
    const uint32_t *from = condition[0] ? a : b;
    int stride = condition[0] ? sa : sb;
    for (int64_t e = 0; e < count; e++) y[e] = from[e * stride];
  }
}

static void bool_to_float(int64_t count, const uint8_t *x, float *y) {
  for (int64_t e = 0; e < count; e++) y[e] = x[e] ? 1 : 0;
}

static void byte_to_float(int64_t count, const uint8_t *x, float *y) {
  for (int64_t e = 0; e < count; e++) y[e] = x[e];
}

static void move(int bytes, int64_t count, const void *from, int64_t from_stride, void *to, int64_t to_stride) {
#define LOOP(type) \
  for (int64_t e = 0; e < count; e++) ((type *)to)[e * to_stride] = ((const type *)from)[e * from_stride]
  if (from_stride == 1 && to_stride == 1) memcpy(to, from, (size_t)(bytes * count));
  else if (bytes == 8) LOOP(uint64_t);
  else if (bytes == 4) LOOP(uint32_t);
  else if (bytes == 2) LOOP(uint16_t);
  else LOOP(uint8_t);
#undef LOOP
}

/* Philox 4x32-10 (Salmon et al., 2011) on LANES counters at a time. Element e is word e mod 4 of block e / 4. */
static void philox(uint64_t seed, uint32_t stream, uint32_t step, uint64_t block, uint32_t words[4][LANES]) {
  uint32_t a[LANES], b[LANES], c[LANES], d[LANES], k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  for (int i = 0; i < LANES; i++) {
    a[i] = (uint32_t)(block + (uint64_t)i);
    b[i] = (uint32_t)((block + (uint64_t)i) >> 32);
    c[i] = stream;
    d[i] = step;
  }
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u)
    for (int i = 0; i < LANES; i++) {
      uint64_t first = (uint64_t)a[i] * 0xD2511F53u, second = (uint64_t)c[i] * 0xCD9E8D57u;
      a[i] = (uint32_t)(second >> 32) ^ b[i] ^ k0;
      b[i] = (uint32_t)second;
      c[i] = (uint32_t)(first >> 32) ^ d[i] ^ k1;
      d[i] = (uint32_t)first;
    }
  memcpy(words[0], a, sizeof a);
  memcpy(words[1], b, sizeof b);
  memcpy(words[2], c, sizeof c);
  memcpy(words[3], d, sizeof d);
}

static void random_numbers(
  int distribution, uint64_t seed, uint32_t stream, uint32_t step, int64_t first, int64_t count, float *y) {
  uint32_t words[4][LANES];
  float numbers[4 * LANES];
  for (int64_t start = first / 4 * 4; start < first + count; start += 4 * LANES) {
    philox(seed, stream, step, (uint64_t)start / 4, words);
    for (int w = 0; w < 4; w++)
      for (int i = 0; i < LANES; i++) numbers[4 * i + w] = (float)(int32_t)(words[w][i] >> 8) * 0x1p-24f;
    if (distribution == SB_NORMAL)
      for (int i = 0; i < 4 * LANES; i += 2) {
        /* In double: near a zero of the cosine an angle rounded to float leaves few right digits. */
        double radius = sqrt(-2 * log((double)numbers[i] + 0x1p-24)), angle = 6.283185307179586 * numbers[i + 1];
        numbers[i] = (float)(radius * cos(angle));
        numbers[i + 1] = (float)(radius * sin(angle));
      }
    int64_t from = start < first ? first - start : 0, end = first + count - start;
    if (end > 4 * LANES) end = 4 * LANES;
    memcpy(y + (start + from - first), numbers + from, sizeof(float) * (size_t)(end - from));
  }
}

static void sum_rows(int64_t rows, int64_t columns, const float *x, float *sums) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) sums[c] += x[r * columns + c];
}

static double sum(int64_t count, const float *x) {
  double lanes[LANES] = {0}, total = 0;
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) lanes[i] += x[e + i];
  for (; e < count; e++) lanes[0] += x[e];
  for (int i = 0; i < LANES; i++) total += lanes[i];
  return total;
}

static double sum_squares(int64_t count, const float *x) {
  double lanes[LANES] = {0}, total = 0;
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) lanes[i] += (double)x[e + i] * x[e + i];
  for (; e < count; e++) lanes[0] += (double)x[e] * x[e];
  for (int i = 0; i < LANES; i++) total += lanes[i];
  return total;
}

static void add_squares(int64_t columns, const float *x, float *y) {
  for (int64_t c = 0; c < columns; c++) y[c] += x[c] * x[c];
}

/* What is beaten, or NaN, stays. */
static inline float extreme_of(int sign, float best, float x) {
  return best != best || (sign > 0 ? x <= best : x >= best) ? best : x;
}

static float extreme(int sign, float start, int64_t count, const float *x) {
  for (int64_t e = 0; e < count; e++) start = extreme_of(sign, start, x[e]);
  return start;
}

static void extremes(int sign, int64_t columns, const float *x, float *y) {
  if (sign > 0)
    for (int64_t c = 0; c < columns; c++) y[c] = extreme_of(1, y[c], x[c]);
  else
    for (int64_t c = 0; c < columns; c++) y[c] = extreme_of(-1, y[c], x[c]);
}

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

/* The rows (or columns) of y that see the image through one cell of the kernel: from first up to end. */
static inline void seen(int count, int size, int stride, int shift, int *first, int *end) {
  *first = shift >= 0 ? 0 : (stride - 1 - shift) / stride;
  int last = size - 1 - shift;
  *end = last < 0 ? 0 : last / stride + 1;
  if (*end > count) *end = count;
}

/* Vectors of any alignment: the sums of a few results stay in registers while the kernel passes over the image. */
typedef float lanes16 __attribute__((vector_size(64), aligned(4), may_alias));
typedef float lanes8 __attribute__((vector_size(32), aligned(4), may_alias));

/* `tile` neighbouring results of one row, for as many channels as `lanes` has. `flips` turns the kernel around. */
#define DEPTHWISE_TILE(name, lanes) \
  static inline __attribute__((always_inline)) void name( \
    const sb_convolution *g, const float *x, const float *w, float *y, int p, int q, int tile, int flips) { \
    lanes sums[4] = {0}; \
    int64_t channels = g->pixel; \
    for (int i = 0; i < g->kernel_height; i++) { \
      int h = p * g->stride_y + i * g->dilation_y - g->top; \
      if (h < 0 || h >= g->height) continue; \
      for (int j = 0; j < g->kernel_width; j++) { \
        int v = q * g->stride_x + j * g->dilation_x - g->left; \
        /* Only single results stand at the edges. */ \
        if (tile == 1 && (v < 0 || v >= g->width)) continue; \
        int cell = i * g->kernel_width + j; \
        if (flips) cell = g->kernel_height * g->kernel_width - 1 - cell; \
        const float *from = x + ((int64_t)h * g->width + v) * channels; \
        lanes tap = *(const lanes *)(w + cell * channels); \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < tile; t++) \
          sums[t] += *(const lanes *)(from + t * g->stride_x * channels) * tap; \
      } \
    } \
    _Pragma("clang loop unroll(full)") for (int t = 0; t < tile; t++) *(lanes *)(y + t * channels) = sums[t]; \
  }
DEPTHWISE_TILE(depthwise_tile16, lanes16)
DEPTHWISE_TILE(depthwise_tile8, lanes8)
DEPTHWISE_TILE(depthwise_tile1, float)
#undef DEPTHWISE_TILE

static inline void depthwise_images(
  const sb_convolution *g, int64_t images, const float *x, const float *w, float *y, int flips) {
  int64_t channels = g->pixel;
  /* Results whose whole window lies in the image's width. */
  int low, high, ignored;
  seen(g->columns, g->width, g->stride_x, -g->left, &low, &ignored);
  seen(g->columns, g->width, g->stride_x, (g->kernel_width - 1) * g->dilation_x - g->left, &ignored, &high);
  for (int64_t n = 0; n < images; n++, x += g->height * g->width * channels)
    for (int p = 0; p < g->rows; p++, y += g->columns * channels)
      for (int64_t c = 0; c < channels;) {
#define ROW(tile_of) \
  for (int q = 0; q < g->columns;) \
    if (q >= low && q + 4 <= high) { \
      tile_of(g, x + c, w + c, y + q * channels + c, p, q, 4, flips); \
      q += 4; \
    } else { \
      tile_of(g, x + c, w + c, y + q * channels + c, p, q, 1, flips); \
      q++; \
    }
        if (channels - c >= 16) {
          ROW(depthwise_tile16)
          c += 16;
        } else if (channels - c >= 8) {
          ROW(depthwise_tile8)
          c += 8;
        } else {
          ROW(depthwise_tile1)
          c++;
        }
#undef ROW
      }
}

static void depthwise(const sb_convolution *g, int64_t images, const float *x, const float *w, float *y) {
  depthwise_images(g, images, x, w, y, 0);
}

static void depthwise_backward_input(
  const sb_convolution *g, int64_t images, const float *dy, const float *w, float *dx) {
  int64_t channels = g->pixel;
  if (g->stride_y == 1 && g->stride_x == 1) {
    /* The same operation with the kernel turned around. */
    sb_convolution turned = *g;
    turned.height = g->rows, turned.width = g->columns, turned.rows = g->height, turned.columns = g->width;
    turned.top = (g->kernel_height - 1) * g->dilation_y - g->top;
    turned.left = (g->kernel_width - 1) * g->dilation_x - g->left;
    depthwise_images(&turned, images, dy, w, dx, 1);
    return;
  }
  memset(dx, 0, sizeof(float) * (size_t)(images * g->height * g->width * channels));
  for (int64_t n = 0; n < images; n++, dx += g->height * g->width * channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += channels)
        for (int i = 0; i < g->kernel_height; i++) {
          int h = p * g->stride_y + i * g->dilation_y - g->top;
          if (h < 0 || h >= g->height) continue;
          for (int j = 0; j < g->kernel_width; j++) {
            int v = q * g->stride_x + j * g->dilation_x - g->left;
            if (v < 0 || v >= g->width) continue;
            float *cell = dx + ((int64_t)h * g->width + v) * channels;
            const float *tap = w + (i * g->kernel_width + j) * channels;
            for (int64_t c = 0; c < channels; c++) cell[c] += dy[c] * tap[c];
          }
        }
}

/* The sum over an image for one cell of the kernel: four sums, so that none waits for the one before. */
#define DEPTHWISE_CELL(name, lanes) \
  static inline void name( \
    const float *x, int64_t x_row, int64_t x_step, const float *dy, int64_t dy_row, int64_t dy_step, int rows, \
    int columns, float *dw) { \
    lanes sums[4] = {0}; \
    for (int p = 0; p < rows; p++) { \
      const float *from = x + p * x_row, *up = dy + p * dy_row; \
      int q = 0; \
      for (; q + 4 <= columns; q += 4) \
        _Pragma("clang loop unroll(full)") for (int t = 0; t < 4; t++) \
          sums[t] += *(const lanes *)(from + (q + t) * x_step) * *(const lanes *)(up + (q + t) * dy_step); \
      for (; q < columns; q++) sums[0] += *(const lanes *)(from + q * x_step) * *(const lanes *)(up + q * dy_step); \
    } \
    *(lanes *)dw += (sums[0] + sums[1]) + (sums[2] + sums[3]); \
  }
DEPTHWISE_CELL(depthwise_cell16, lanes16)
DEPTHWISE_CELL(depthwise_cell8, lanes8)
DEPTHWISE_CELL(depthwise_cell1, float)
#undef DEPTHWISE_CELL

static void depthwise_backward_filter(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw) {
  int64_t channels = g->pixel;
  for (int64_t n = 0; n < images; n++) {
    for (int i = 0; i < g->kernel_height; i++)
      for (int j = 0; j < g->kernel_width; j++) {
        int shift_y = i * g->dilation_y - g->top, shift_x = j * g->dilation_x - g->left;
        int p0, p1, q0, q1;
        seen(g->rows, g->height, g->stride_y, shift_y, &p0, &p1);
        seen(g->columns, g->width, g->stride_x, shift_x, &q0, &q1);
        if (p0 >= p1 || q0 >= q1) continue;
        const float *cell =
          x + ((int64_t)(p0 * g->stride_y + shift_y) * g->width + q0 * g->stride_x + shift_x) * channels;
        const float *up = dy + ((int64_t)p0 * g->columns + q0) * channels;
        float *out = dw + (i * g->kernel_width + j) * channels;
        int64_t x_row = g->stride_y * g->width * channels, x_step = g->stride_x * channels;
        for (int64_t c = 0; c < channels;) {
#define CELL(sum_of) sum_of(cell + c, x_row, x_step, up + c, g->columns * channels, channels, p1 - p0, q1 - q0, out + c)
          if (channels - c >= 16) {
            CELL(depthwise_cell16);
            c += 16;
          } else if (channels - c >= 8) {
            CELL(depthwise_cell8);
            c += 8;
          } else {
            CELL(depthwise_cell1);
            c++;
          }
#undef CELL
        }
      }
    x += g->height * g->width * channels;
    dy += g->rows * g->columns * channels;
  }
}

static void max_pool(const sb_pooling *g, int64_t images, const float *x, float *y) {
  for (int64_t n = 0; n < images; n++, x += (int64_t)g->height * g->width * g->channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, y += g->channels) {
        int first = 1;
        for (int i = 0; i < g->pool_height; i++) {
          int h = p * g->stride_y + i - g->top;
          if (h < 0 || h >= g->height) continue;
          for (int j = 0; j < g->pool_width; j++) {
            int v = q * g->stride_x + j - g->left;
            if (v < 0 || v >= g->width) continue;
            const float *cell = x + ((int64_t)h * g->width + v) * g->channels;
            if (first) memcpy(y, cell, sizeof(float) * (size_t)g->channels);
            else
              for (int c = 0; c < g->channels; c++) y[c] = extreme_of(1, y[c], cell[c]);
            first = 0;
          }
        }
      }
}

/* The part of a window that lies in the image; padded cells do not count. */
typedef struct {
  int top, bottom, left, right;
} window;
static inline window window_of(const sb_pooling *g, int p, int q) {
  int top = p * g->stride_y - g->top, left = q * g->stride_x - g->left;
  window w = {top, top + g->pool_height, left, left + g->pool_width};
  if (w.top < 0) w.top = 0;
  if (w.left < 0) w.left = 0;
  if (w.bottom > g->height) w.bottom = g->height;
  if (w.right > g->width) w.right = g->width;
  return w;
}

/* Ties go to the first cell of the window, rows first. In blocks of channels, so that the winners stay in registers;
 * x, dx and dy are those of the block. */
static inline __attribute__((always_inline)) void max_pool_winners(
  window w, int64_t width, int64_t channels, const float *x, const float *dy, float *dx, int lanes) {
  float best[LANES];
  int32_t winner[LANES] = {0};
  int32_t cell = 0;
  for (int h = w.top; h < w.bottom; h++)
    for (int v = w.left; v < w.right; v++, cell++) {
      const float *values = x + (h * width + v) * channels;
      for (int c = 0; c < lanes; c++) {
        /* The first NaN wins. */
        int wins = cell == 0 || (!(values[c] <= best[c]) && best[c] == best[c]);
        best[c] = wins ? values[c] : best[c];
        winner[c] = wins ? cell : winner[c];
      }
    }
  cell = 0;
  for (int h = w.top; h < w.bottom; h++)
    for (int v = w.left; v < w.right; v++, cell++) {
      float *to = dx + (h * width + v) * channels;
      for (int c = 0; c < lanes; c++) to[c] += winner[c] == cell ? dy[c] : 0;
    }
}

static void max_pool_backward(const sb_pooling *g, int64_t images, const float *x, const float *dy, float *dx) {
  int64_t size = (int64_t)g->height * g->width * g->channels;
  memset(dx, 0, sizeof(float) * (size_t)(size * images));
  for (int64_t n = 0; n < images; n++, x += size, dx += size)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += g->channels) {
        window w = window_of(g, p, q);
        int c = 0;
        for (; c + LANES <= g->channels; c += LANES)
          max_pool_winners(w, g->width, g->channels, x + c, dy + c, dx + c, LANES);
        if (c < g->channels) max_pool_winners(w, g->width, g->channels, x + c, dy + c, dx + c, g->channels - c);
      }
}

static void average_pool(const sb_pooling *g, int64_t images, const float *x, float *y) {
  for (int64_t n = 0; n < images; n++, x += (int64_t)g->height * g->width * g->channels)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, y += g->channels) {
        window w = window_of(g, p, q);
        float count = (float)((w.bottom - w.top) * (w.right - w.left));
        memset(y, 0, sizeof(float) * (size_t)g->channels);
        for (int h = w.top; h < w.bottom; h++)
          for (int v = w.left; v < w.right; v++) {
            const float *cell = x + ((int64_t)h * g->width + v) * g->channels;
            for (int c = 0; c < g->channels; c++) y[c] += cell[c];
          }
        for (int c = 0; c < g->channels; c++) y[c] /= count;
      }
}

static void average_pool_backward(const sb_pooling *g, int64_t images, const float *dy, float *dx) {
  int64_t size = (int64_t)g->height * g->width * g->channels;
  memset(dx, 0, sizeof(float) * (size_t)(size * images));
  for (int64_t n = 0; n < images; n++, dx += size)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += g->channels) {
        window w = window_of(g, p, q);
        float count = (float)((w.bottom - w.top) * (w.right - w.left));
        for (int h = w.top; h < w.bottom; h++)
          for (int v = w.left; v < w.right; v++) {
            float *cell = dx + ((int64_t)h * g->width + v) * g->channels;
            for (int c = 0; c < g->channels; c++) cell[c] += dy[c] / count;
          }
      }
}

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

static void argmax(int64_t rows, int64_t columns, const float *x, int32_t *y) {
  for (int64_t r = 0; r < rows; r++, x += columns) {
    int32_t best = 0;
    for (int32_t c = 1; c < columns; c++)
      if (beats(x[c], x[best])) best = c;
    y[r] = best;
  }
}

/* Adds to what `s` holds. An infinity or NaN poisons the sum of squares, so the careful pass runs only then. */
static void statistics(int64_t count, const float *x, sb_statistics *s) {
  double sums[LANES] = {0}, squares[LANES] = {0};
  float low[LANES], high[LANES];
  /* Counted lane by lane too: one counter would be added up across the lanes at every turn. */
  int32_t zeros[LANES] = {0};
  int64_t e = 0;
  for (int i = 0; i < LANES; i++) low[i] = INFINITY, high[i] = -INFINITY;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) {
      float v = x[e + i];
      sums[i] += v;
      squares[i] += (double)v * v;
      low[i] = v < low[i] ? v : low[i];
      high[i] = v > high[i] ? v : high[i];
      zeros[i] += v == 0;
    }
  for (; e < count; e++) {
    float v = x[e];
    sums[0] += v;
    squares[0] += (double)v * v;
    low[0] = v < low[0] ? v : low[0];
    high[0] = v > high[0] ? v : high[0];
    zeros[0] += v == 0;
  }
  double total = 0, square = 0;
  float least = INFINITY, most = -INFINITY;
  for (int i = 0; i < LANES; i++) {
    total += sums[i];
    square += squares[i];
    s->zeros += zeros[i];
    least = low[i] < least ? low[i] : least;
    most = high[i] > most ? high[i] : most;
  }
  double finite = (double)count;
  if (!isfinite(square)) {
    total = square = finite = 0;
    least = INFINITY, most = -INFINITY;
    for (e = 0; e < count; e++) {
      float v = x[e];
      if (v != v) s->nans++;
      else if (isinf(v)) s->infinities++;
      else {
        finite++;
        total += v;
        square += (double)v * v;
        least = v < least ? v : least;
        most = v > most ? v : most;
      }
    }
  }
  s->count += (double)count;
  s->finite += finite;
  s->sum += total;
  s->squares += square;
  s->low = least < s->low ? least : s->low;
  s->high = most > s->high ? most : s->high;
}

static void exponents(int64_t count, const float *x, double *bins) {
  /* Zeros, infinities and NaNs are counted apart, in bins that are not handed out. */
  int64_t counts[256] = {0};
  int64_t zeros = 0;
  for (int64_t e = 0; e < count; e++) {
    uint32_t bits;
    memcpy(&bits, &x[e], sizeof bits);
    counts[bits >> 23 & 255]++;
    zeros += (bits & 0x7FFFFFFFu) == 0;
  }
  counts[0] -= zeros;
  for (int exponent = 0; exponent < 255; exponent++) {
    int bin = exponent - 127 - SB_FIRST_EXPONENT;
    bins[bin < 0 ? 0 : bin >= SB_EXPONENT_BINS ? SB_EXPONENT_BINS - 1 : bin] += (double)counts[exponent];
  }
}

static int all_finite(int64_t count, const float *x) {
  /* x − x is 0 for a finite x and NaN otherwise. */
  float lanes[LANES] = {0}, total = 0;
  int64_t e = 0;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) lanes[i] += x[e + i] - x[e + i];
  for (; e < count; e++) lanes[0] += x[e] - x[e];
  for (int i = 0; i < LANES; i++) total += lanes[i];
  return total == 0;
}

#define UPDATE(step) \
  for (int64_t e = 0; e < count; e++) { \
    float old = w[e], s = (step); \
    float new = old - u->rate * u->decay * old + s; \
    w[e] = new; \
    if (delta) delta[e] = new - old; \
  }

static inline float sgd_step(const sb_update *u, float g, float *m) {
  *m = u->momentum * *m - u->rate * g;
  return u->nesterov ? u->momentum * *m - u->rate * g : *m;
}
static void sgd(const sb_update *u, int64_t count, float *w, const float *g, float *m, float *delta) {
  if (m) UPDATE(sgd_step(u, g[e], &m[e])) else UPDATE(-u->rate * g[e])
}

static inline float rmsprop_step(const sb_update *u, float g, float *v, float *a, float *m) {
  float variance = *v = u->rho * *v + u->share1 * g * g;
  if (a) {
    *a = u->rho * *a + u->share1 * g;
    variance -= *a * *a;
    variance = variance < 0 ? 0 : variance;
  }
  float increment = u->rate * g / sqrtf(variance + u->epsilon);
  if (!m) return -increment;
  *m = u->momentum * *m + increment;
  return -*m;
}
static void rmsprop(
  const sb_update *u, int64_t count, float *w, const float *g, float *v, float *a, float *m, float *delta) {
  if (a || m) UPDATE(rmsprop_step(u, g[e], &v[e], a ? &a[e] : NULL, m ? &m[e] : NULL))
  else UPDATE(rmsprop_step(u, g[e], &v[e], NULL, NULL))
}

static inline float adagrad_step(const sb_update *u, float g, float *a) {
  *a += g * g;
  return -u->rate * g / sqrtf(*a + u->epsilon);
}
static void adagrad(const sb_update *u, int64_t count, float *w, const float *g, float *a, float *delta) {
  UPDATE(adagrad_step(u, g[e], &a[e]))
}

static inline float adam_step(const sb_update *u, float g, float *m, float *v) {
  *m += (g - *m) * u->share1;
  *v += (g * g - *v) * u->share2;
  return -u->rate * u->correction * *m / (sqrtf(*v) + u->epsilon);
}
static void adam(const sb_update *u, int64_t count, float *w, const float *g, float *m, float *v, float *delta) {
  UPDATE(adam_step(u, g[e], &m[e], &v[e]))
}

const sb_kernels TABLE = {
  .name = NAME,
  .unary = unary,
  .unary_backward = unary_backward,
  .binary = binary,
  .binary_row = binary_row,
  .compare = compare,
  .select = select_elements,
  .bool_to_float = bool_to_float,
  .byte_to_float = byte_to_float,
  .move = move,
  .random = random_numbers,
  .sum_rows = sum_rows,
  .sum = sum,
  .sum_squares = sum_squares,
  .add_squares = add_squares,
  .extreme = extreme,
  .extremes = extremes,
  .im2col = im2col,
  .col2im = col2im,
  .depthwise = depthwise,
  .depthwise_backward_input = depthwise_backward_input,
  .depthwise_backward_filter = depthwise_backward_filter,
  .max_pool = max_pool,
  .max_pool_backward = max_pool_backward,
  .average_pool = average_pool,
  .average_pool_backward = average_pool_backward,
  .softmax_along = softmax_along,
  .softmax_along_backward = softmax_along_backward,
  .argmax_along = argmax_along,
  .softmax = softmax,
  .softmax_backward = softmax_backward,
  .cross_entropy = cross_entropy,
  .cross_entropy_backward = cross_entropy_backward,
  .argmax = argmax,
  .statistics = statistics,
  .exponents = exponents,
  .all_finite = all_finite,
  .sgd = sgd,
  .rmsprop = rmsprop,
  .adagrad = adagrad,
  .adam = adam,
};
