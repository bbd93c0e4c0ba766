/* Batch normalization in training, forward and backward: the sums of a pass, and what is made of them.
 *
 * Goals, in order: a variance that a large mean does not spoil; each tensor read once for its sums and once for its result;
 * the bits of the calls alone in whatever is made element by element.
 *
 * Algorithm: rows are taken SB_BATCH_ROWS at a time, which fit into a first-level cache. The moments of such a group are
 * those of x less the group's first row, in float; they are joined to those of the rows before in double (Chan, Golub and
 * LeVeque, The American Statistician 37, 1983, equation 2.1). The first row is one of the group, so what cancels is at most
 * the group's length. The gradient of x is that of Ioffe and Szegedy, "Batch normalization", 2015, section 3: its two
 * sums are taken at once, and with them what x - mean adds up to, which is the rounding of the mean.
 * Layout: rows x channels, in strips of one vector, of 4 and of 1 channel (`batch_strip.h`).
 * Bound: that of the sums. Limited by the cache or memory that holds x. */

enum { PHASES = 4 };

#define STRIP VECTOR
#include "batch_strip.h"
#if VECTOR > 4
#define STRIP 4
#include "batch_strip.h"
#endif
#define STRIP 1
#include "batch_strip.h"

/* Calls `body` with the width and the first channel of each strip. */
#define FOR_STRIPS(count, body) \
  for (int64_t c = 0; c < (count);) { \
    if ((count) - c >= VECTOR) body(VECTOR, c) \
    else if ((count) - c >= 4) body(4, c) \
    else body(1, c) \
  }
#define OF_WIDTH_(name, width) name##_##width
#define OF_WIDTH(name, width) OF_WIDTH_(name, width)

/* Joins a block of `rows`, whose sums are of x less `pivot`, to the sums and to the moments of those before: how many
 * they are, and of each channel the mean and the squares about it. */
static void join_moments(
  int64_t rows, int64_t channels, const float *pivot, const float *block, const float *squares, double *sums,
  double *moments) {
  const double own = (double)rows, before = moments[0], all = before + own;
  const double share = own / all, weight = before * share;
  double *means = moments + 1, *about = means + channels;
  for (int64_t c = 0; c < channels; c++) {
    const double rest = block[c] / own, left = squares[c] - rest * block[c];
    const double mean = pivot[c] + rest, apart = mean - means[c];
    sums[c] += own * mean;
    means[c] += apart * share;
    /* Rounding may leave less than nothing; a NaN stays. */
    about[c] += (left < 0 ? 0 : left) + apart * apart * weight;
  }
  moments[0] = all;
}

static void batch_moments(
  int64_t rows, int64_t channels, const float *x, double *sums, double *moments, float *scratch) {
  float *block = scratch, *squares = block + channels;
  for (int64_t first = 0; first < rows; first += SB_BATCH_ROWS, x += SB_BATCH_ROWS * channels) {
    const int64_t count = rows - first < SB_BATCH_ROWS ? rows - first : SB_BATCH_ROWS;
#define MOMENTS(width, c) \
  { \
    OF_WIDTH(moments, width)(count, channels, x + c, block + c, squares + c); \
    c += width; \
  }
    FOR_STRIPS(channels, MOMENTS)
#undef MOMENTS
    join_moments(count, channels, x, block, squares, sums, moments);
  }
}

/* The rows from `first` on. */
static sb_batch_rows rows_from(sb_batch_rows b, int64_t first) {
  const int64_t e = first * b.channels;
  b.x += e, b.y += e;
  if (b.shortcut) b.shortcut += e;
  return b;
}

static void batch_normalize(const sb_batch_rows *all, int64_t rows) {
  for (int64_t first = 0; first < rows; first += SB_BATCH_ROWS) {
    const int64_t count = rows - first < SB_BATCH_ROWS ? rows - first : SB_BATCH_ROWS;
    const sb_batch_rows b = rows_from(*all, first);
#define NORMALIZED(width, c) \
  { \
    if (b.shortcut && b.relu) OF_WIDTH(normalized, width)(count, &b, c, 1, 1); \
    else if (b.shortcut) OF_WIDTH(normalized, width)(count, &b, c, 1, 0); \
    else if (b.relu) OF_WIDTH(normalized, width)(count, &b, c, 0, 1); \
    else OF_WIDTH(normalized, width)(count, &b, c, 0, 0); \
    c += width; \
  }
    FOR_STRIPS(b.channels, NORMALIZED)
#undef NORMALIZED
  }
}

static sb_batch_gradient gradients_from(sb_batch_gradient b, int64_t first) {
  const int64_t e = first * b.channels;
  b.x += e, b.dy += e;
  if (b.opening) b.opening += e, b.gated += e;
  if (b.dx) b.dx += e;
  return b;
}

static void batch_gradient_sums(const sb_batch_gradient *all, int64_t rows) {
  for (int64_t first = 0; first < rows; first += SB_BATCH_ROWS) {
    const int64_t count = rows - first < SB_BATCH_ROWS ? rows - first : SB_BATCH_ROWS;
    const sb_batch_gradient b = gradients_from(*all, first);
#define SUMS(width, c) \
  { \
    if (b.opening) OF_WIDTH(gradient_sums, width)(count, &b, c, 1); \
    else OF_WIDTH(gradient_sums, width)(count, &b, c, 0); \
    c += width; \
  }
    FOR_STRIPS(b.channels, SUMS)
#undef SUMS
  }
}

static void batch_gradient(const sb_batch_gradient *all, int64_t rows) {
  for (int64_t first = 0; first < rows; first += SB_BATCH_ROWS) {
    const int64_t count = rows - first < SB_BATCH_ROWS ? rows - first : SB_BATCH_ROWS;
    const sb_batch_gradient b = gradients_from(*all, first);
#define GRADIENT(width, c) \
  { \
    OF_WIDTH(gradient, width)(count, &b, c); \
    c += width; \
  }
    FOR_STRIPS(b.channels, GRADIENT)
#undef GRADIENT
  }
}
