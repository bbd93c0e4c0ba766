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

static void unary(int function, float alpha, int64_t count, const float *x, float *y) {
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
  }
}
#undef EACH

#define EACH(expression) \
  for (int64_t e = 0; e < count; e++) { \
    float v = x[e]; \
    dx[e] = dy[e] * (expression); \
  } \
  break

static void unary_backward(int function, float alpha, int64_t count, const float *x, const float *dy, float *dx) {
  switch (function) {
    case SB_IDENTITY: EACH(1 + 0 * (v != v));
    case SB_NEGATE: EACH(-1 + 0 * (v != v));
    case SB_ABSOLUTE: EACH(v > 0 ? 1 : v < 0 ? -1 : 0);
    case SB_EXP: EACH(v);
    case SB_LOG: EACH(1 / v);
    case SB_SQRT: EACH(1 / (2 * v));
    case SB_RSQRT: EACH(v * v * v / -2);
    case SB_SQUARE: EACH(2 * v);
    case SB_RECIPROCAL: EACH(-v * v);
    case SB_RELU:
      for (int64_t e = 0; e < count; e++) dx[e] = x[e] > 0 ? dy[e] : 0;
      break;
    case SB_LEAKY_RELU: EACH(v > 0 ? 1 : alpha);
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
    case SB_HARD_SIGMOID: EACH(v > -3 && v < 3 ? 1.0f / 6 : 0);
    case SB_TANH: EACH(1 - v * v);
    case SB_SOFTPLUS: EACH(-expm1f(-v));
  }
}
#undef EACH

static inline float apply(int function, float a, float b) {
  switch (function) {
    case SB_ADD: return a + b;
    case SB_SUBTRACT: return a - b;
    case SB_MULTIPLY: return a * b;
    case SB_DIVIDE: return a / b;
    case SB_MAXIMUM: return a >= b || a != a ? a : b;
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
    default: loop(SB_MINIMUM); \
  }

static void binary(int function, int64_t count, const float *a, int sa, const float *b, int sb, float *y) {
#define LOOP(f) \
  if (sa && sb) for (int64_t e = 0; e < count; e++) y[e] = apply(f, a[e], b[e]); \
  else for (int64_t e = 0; e < count; e++) y[e] = apply(f, a[e * sa], b[e * sb])
  FOR_EACH_FUNCTION(LOOP)
#undef LOOP
}

static void binary_row(int function, int64_t rows, int64_t columns, const float *a, const float *b, float *y) {
#define LOOP(f) \
  for (int64_t r = 0; r < rows; r++) \
    for (int64_t c = 0; c < columns; c++) y[r * columns + c] = apply(f, a[r * columns + c], b[c])
  FOR_EACH_FUNCTION(LOOP)
#undef LOOP
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

/* One image to [rows · columns, kernel_height · kernel_width · channels]. */
static void im2col(const sb_convolution *g, const float *image, float *columns) {
  int64_t run = (int64_t)g->kernel_width * g->channels;
  int packed = g->dilation_x == 1;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++)
      for (int i = 0; i < g->kernel_height; i++, columns += run) {
        int h = p * g->stride_y + i * g->dilation_y - g->top;
        int v = q * g->stride_x - g->left;
        if (h < 0 || h >= g->height) {
          memset(columns, 0, sizeof(float) * (size_t)run);
        } else if (packed && v >= 0 && v + g->kernel_width <= g->width) {
          memcpy(columns, image + ((int64_t)h * g->width + v) * g->channels, sizeof(float) * (size_t)run);
        } else {
          for (int j = 0; j < g->kernel_width; j++) {
            int column = v + j * g->dilation_x;
            float *to = columns + (int64_t)j * g->channels;
            if (column < 0 || column >= g->width) memset(to, 0, sizeof(float) * (size_t)g->channels);
            else
              memcpy(to, image + ((int64_t)h * g->width + column) * g->channels, sizeof(float) * (size_t)g->channels);
          }
        }
      }
}

/* The adjoint of im2col: adds up into an image that is zeroed here. */
static void col2im(const sb_convolution *g, const float *columns, float *image) {
  memset(image, 0, sizeof(float) * (size_t)g->height * (size_t)g->width * (size_t)g->channels);
  int64_t run = (int64_t)g->kernel_width * g->channels;
  for (int p = 0; p < g->rows; p++)
    for (int q = 0; q < g->columns; q++)
      for (int i = 0; i < g->kernel_height; i++, columns += run) {
        int h = p * g->stride_y + i * g->dilation_y - g->top;
        int v = q * g->stride_x - g->left;
        if (h < 0 || h >= g->height) continue;
        if (g->dilation_x == 1 && v >= 0 && v + g->kernel_width <= g->width) {
          float *to = image + ((int64_t)h * g->width + v) * g->channels;
          for (int64_t e = 0; e < run; e++) to[e] += columns[e];
          continue;
        }
        for (int j = 0; j < g->kernel_width; j++) {
          int column = v + j * g->dilation_x;
          if (column < 0 || column >= g->width) continue;
          float *to = image + ((int64_t)h * g->width + column) * g->channels;
          const float *from = columns + (int64_t)j * g->channels;
          for (int c = 0; c < g->channels; c++) to[c] += from[c];
        }
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
              for (int c = 0; c < g->channels; c++) y[c] = cell[c] <= y[c] ? y[c] : cell[c];
            first = 0;
          }
        }
      }
}

/* Ties go to the first cell of the window, rows first. */
static void max_pool_backward(const sb_pooling *g, int64_t images, const float *x, const float *dy, float *dx) {
  int64_t size = (int64_t)g->height * g->width * g->channels;
  memset(dx, 0, sizeof(float) * (size_t)(size * images));
  for (int64_t n = 0; n < images; n++, x += size, dx += size)
    for (int p = 0; p < g->rows; p++)
      for (int q = 0; q < g->columns; q++, dy += g->channels)
        /* In blocks of channels, so that the winners stay in registers. */
        for (int start = 0; start < g->channels; start += LANES) {
          int lanes = g->channels - start < LANES ? g->channels - start : LANES;
          float best[LANES];
          int32_t winner[LANES];
          int first = 1;
          for (int i = 0; i < g->pool_height; i++) {
            int h = p * g->stride_y + i - g->top;
            if (h < 0 || h >= g->height) continue;
            for (int j = 0; j < g->pool_width; j++) {
              int v = q * g->stride_x + j - g->left;
              if (v < 0 || v >= g->width) continue;
              int32_t at = (h * g->width + v) * g->channels + start;
              for (int c = 0; c < lanes; c++) {
                float value = x[at + c];
                int wins = first || !(value <= best[c]);
                best[c] = wins ? value : best[c];
                winner[c] = wins ? at + c : winner[c];
              }
              first = 0;
            }
          }
          for (int c = 0; c < lanes; c++) dx[winner[c]] += dy[start + c];
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
      if (x[c] > x[best]) best = c;
    y[r] = best;
  }
}

/* Adds to what `s` holds. An infinity or NaN poisons the sum of squares, so the careful pass runs only then. */
static void statistics(int64_t count, const float *x, sb_statistics *s) {
  double sums[LANES] = {0}, squares[LANES] = {0};
  float low[LANES], high[LANES];
  int64_t zeros = 0, e = 0;
  for (int i = 0; i < LANES; i++) low[i] = INFINITY, high[i] = -INFINITY;
  for (; e + LANES <= count; e += LANES)
    for (int i = 0; i < LANES; i++) {
      float v = x[e + i];
      sums[i] += v;
      squares[i] += (double)v * v;
      low[i] = v < low[i] ? v : low[i];
      high[i] = v > high[i] ? v : high[i];
      zeros += v == 0;
    }
  for (; e < count; e++) {
    float v = x[e];
    sums[0] += v;
    squares[0] += (double)v * v;
    low[0] = v < low[0] ? v : low[0];
    high[0] = v > high[0] ? v : high[0];
    zeros += v == 0;
  }
  double total = 0, square = 0;
  float least = INFINITY, most = -INFINITY;
  for (int i = 0; i < LANES; i++) {
    total += sums[i];
    square += squares[i];
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
  s->zeros += (double)zeros;
  s->low = least < s->low ? least : s->low;
  s->high = most > s->high ? most : s->high;
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
  NAME, unary, unary_backward, binary, binary_row, sum_rows, sum, sum_squares, im2col, col2im, max_pool,
  max_pool_backward, softmax, softmax_backward, cross_entropy, cross_entropy_backward, argmax, statistics,
  all_finite, sgd, rmsprop, adagrad, adam};
