/* Float32 kernels for CPU backends, compiled for several instruction sets and chosen at run time.
 *
 * Shapes: rows × columns row-major, images [N, H, W, C]. Nothing here allocates or starts threads. */
#ifndef SWITCHBACK_CPU_KERNELS_H
#define SWITCHBACK_CPU_KERNELS_H

#include <stdint.h>

#include "elementwise_functions.h"

enum { SB_UNIFORM, SB_NORMAL };
enum { SB_EXPONENT_BINS = 64, SB_FIRST_EXPONENT = -40 };

/* A convolution of `images` images, by the letters of its law (Sources/Programs/Operations/Convolution.swift).
 * `channels` are those of one group, `pixel` those of the whole image. */
typedef struct {
  int32_t height, width, channels, pixel, rows, columns, filters, kernel_height, kernel_width;
  int32_t stride_y, stride_x, dilation_y, dilation_x, top, left;
  /* Whether a gradient of the image reads one behind relu, many of whose numbers are 0. */
  int32_t gated;
} sb_convolution;

/* The passes of a convolution; their operands in this order, then the result. Filters are packed. */
enum { SB_FORWARD /* x, w, y */, SB_BACKWARD_INPUT /* dy, w, dx */, SB_BACKWARD_FILTER /* x, dy, dw, added to */ };

/* What a forward pass does to its results before they are written, with the bits of `binary_row` and `unary` behind it:
 * a bias for each filter is added (null: none), then relu. */
typedef struct {
  const float *bias;
  int32_t relu;
} sb_convolution_end;

/* A product of an m×k with a k×n matrix, either of which may lie transposed; strides are floats between rows as they lie in
 * memory. `adds`: to what the result holds. */
typedef struct {
  int64_t m, n, k, a_stride, b_stride, c_stride;
  int32_t transpose_a, transpose_b, adds;
} sb_product;

/* What a product does to its results before they are written, with the bits of passes of their own behind it: a bias for
 * each column is added (null: none), then relu; or the gradient of relu is taken, of whose results `gate` has one for each
 * element and lies as the product (null: none). */
typedef struct {
  const float *bias;
  int32_t relu;
  const float *gate;
} sb_product_end;

/* Some channels and filters of a filter, in all its cells. */
typedef struct {
  int32_t channel, channels, filter, filters;
} sb_filter_part;

typedef struct {
  int32_t height, width, channels, rows, columns, pool_height, pool_width, stride_y, stride_x, top, left;
} sb_pooling;

/* One way to compute a pass of a convolution. */
typedef struct {
  const char *name;
  /* Whether it computes this shape, and whether it is faster there than what stands below it in its list. */
  int (*takes)(const sb_convolution *);
  int (*leads)(const sb_convolution *);
  /* The filter as `run` takes it (of no bytes: as it is), good until the filter changes. Begins at 64 bytes. Its panels
   * are packed one without the other. */
  int64_t (*packed_bytes)(const sb_convolution *);
  int64_t (*panels)(const sb_convolution *);
  void (*pack)(const sb_convolution *, const float *w, float *packed, int64_t first, int64_t count);
  int64_t (*scratch_bytes)(const sb_convolution *, int64_t images);
  /* How far results may be from the exact ones, as a multiple of the bound of the sums by definition. */
  float error_factor;
  /* `end` may be null, and is in backward passes. */
  void (*run)(
    const sb_convolution *, int64_t images, const float *first, const float *second, float *result, void *scratch,
    const sb_convolution_end *end);
  /* Whether a shape of fewer rows and columns gives the results that it has with the bits of the whole, and sooner. */
  int32_t crops;
  /* Of a filter's gradient without groups: writes a part of it, the sums over all images. Null where it has no parts. */
  int64_t (*part_scratch_bytes)(const sb_convolution *, int64_t images, const sb_filter_part *);
  void (*run_part)(
    const sb_convolution *, int64_t images, const float *x, const float *dy, float *dw, void *scratch,
    const sb_filter_part *);
  /* Null, or whether it computes a forward pass, its end and this maximum pooling of the results at once, and sooner, with
   * the bits of `run` and `max_pool_winners`; `sb_pooling` has the size of all results. Images' winners are `record` bytes
   * apart; `winners` may be null. */
  int (*pools)(const sb_convolution *, const sb_pooling *);
  void (*run_pooled)(
    const sb_convolution *, const sb_pooling *, int64_t images, const float *x, const float *w, float *y,
    uint8_t *winners, int64_t record, void *scratch, const sb_convolution_end *end);
} sb_convolution_variant;

/* What a normalization sees of each sample: [positions, groups, width]. Statistics are of each group over the others. */
typedef struct {
  int64_t positions, groups, width;
  double epsilon;
  /* Whether the mean is subtracted. */
  int32_t centered;
} sb_normalization;

/* Rows of channels that batch normalization makes y of, by numbers of each channel: (x - mean) factor + beta, then plus the
 * shortcut (null: none), then relu. */
typedef struct {
  int64_t channels;
  const float *x, *mean, *factor, *beta, *shortcut;
  int32_t relu;
  float *y;
} sb_batch_rows;

/* Rows that its sums are taken of together; where a call begins within them, sums have other last bits. */
enum { SB_BATCH_ROWS = 32 };

/* Rows of channels of its gradient. Sums are of dy, of dy (x - mean) and of x - mean (rests); where `opening` is not null,
 * dy goes through the gradient of relu first, whose results those are, to `gated`. Then dx = dy factor + slope 2 (x - mean)
 * + shift. */
typedef struct {
  int64_t channels;
  const float *x, *dy, *opening, *mean;
  float *gated, *sums, *products, *rests;
  const float *factor, *slope, *shift;
  float *dx;
} sb_batch_gradient;

/* What is made of rows of logits x at once: softmax y and gradient dx, one of which may be null, and the loss of each row.
 * `upstream` has the gradient of each loss; null: all of them are `scale`. */
typedef struct {
  const float *x, *targets, *upstream;
  float scale;
  float *y, *loss, *dx;
} sb_softmax_loss;

/* A recurrent layer over sequences [samples, steps, units] by the letters of its law
 * (Sources/Programs/Operations/Recurrence.swift). */
enum { SB_SIMPLE, SB_LSTM, SB_GRU };
typedef struct {
  int64_t steps, units;
  /* The cell, and its functions by their numbers in the table; `recurrent_activation` is that of gates. */
  int32_t cell, activation, recurrent_activation;
  /* Whether the last step comes first; of a GRU whether it resets behind the product. */
  int32_t reversed, resets_after;
} sb_recurrence;

/* Operands and results of a recurrence, each sample's steps one after the other. `inner` is what a GRU that resets behind
 * the product multiplies with its gate. Null: the cell has none, or nobody wants it. */
typedef struct {
  float *projected, *bias, *state, *cell, *scale;
  uint8_t *mask;
  float *h, *c, *gates, *inner;
} sb_recurrence_values;

/* The same of its gradient: `gates` behind their functions (of a simple cell its states), the states (of an LSTM its
 * cell's) and those before the first step; `delta`, the gradient of what was projected, and that of the product. */
typedef struct {
  float *gates, *inner, *states, *first, *dh, *dc, *scale;
  uint8_t *mask;
  float *delta, *product, *dstate, *dcell;
} sb_recurrence_gradients;

/* What `statistics` sums up over a part of a tensor; parts are added in a fixed order. */
typedef struct {
  double count, finite, sum, squares, low, high, zeros, nans, infinities;
} sb_statistics;

typedef struct {
  float rate, correction, decay, momentum, rho, epsilon;
  // 1 - rho or 1 - beta1, and 1 - beta2, rounded after the difference: of a float 0.999 it would keep four digits.
  float share1, share2;
  int32_t nesterov;
} sb_update;

typedef struct {
  const char *name; /* avx512, avx2, baseline (SSE2; NEON on aarch64) */
  /* The functions of the table return whether they have this one; of no element, that is all they do. */
  int (*unary)(int function, float alpha, int64_t count, const float *x, float *y);
  int (*unary_backward)(int function, float alpha, int64_t count, const float *v, const float *dy, float *dx);
  /* Strides of 0 (a scalar) or 1. */
  int (*binary)(int function, int64_t count, const float *a, int a_stride, const float *b, int b_stride, float *y);
  /* y = function(a[rows, columns], b[columns]). */
  int (*binary_row)(int function, int64_t rows, int64_t columns, const float *a, const float *b, float *y);
  /* y = function(a, b) ? 1 : 0; strides of 0 or 1. */
  int (*compare)(int function, int64_t count, const float *a, int a_stride, const float *b, int b_stride, uint8_t *y);
  /* y = condition ? a : b on elements of four bytes; strides of 0 or 1. */
  void (*select)(
    int64_t count, const uint8_t *condition, int condition_stride, const uint32_t *a, int a_stride, const uint32_t *b,
    int b_stride, uint32_t *y);
  void (*bool_to_float)(int64_t count, const uint8_t *x, float *y);
  void (*byte_to_float)(int64_t count, const uint8_t *x, float *y);
  void (*byte_to_float_scaled)(int64_t count, const uint8_t *x, float scale, float *y);
  /* Elements of `bytes` (1, 2, 4 or 8) with any strides. */
  void (*move)(int bytes, int64_t count, const void *from, int64_t from_stride, void *to, int64_t to_stride);
  /* Elements first … first + count − 1 of the law in Sources/Programs/Operations/RandomNumbers.swift. */
  void (*random)(int distribution, uint64_t seed, uint32_t stream, uint32_t step, int64_t first, int64_t count, float *y);
  /* sums[columns] += Σ over rows. */
  void (*sum_rows)(int64_t rows, int64_t columns, const float *x, float *sums);
  double (*sum)(int64_t count, const float *x);
  double (*sum_squares)(int64_t count, const float *x);
  /* y[columns] += the squares of x. */
  void (*add_squares)(int64_t columns, const float *x, float *y);
  /* The largest (sign 1) or smallest (sign −1) of x and `start`; NaN wins, so that it is seen. */
  float (*extreme)(int sign, float start, int64_t count, const float *x);
  /* The same, elementwise in place of y. */
  void (*extremes)(int sign, int64_t columns, const float *x, float *y);
  /* Whether our product of this shape is faster than OpenBLAS'. */
  int (*leads_product)(const sb_product *);
  /* `end` may be null. */
  void (*product)(const sb_product *, const float *a, const float *b, float *c, const sb_product_end *end);
  void (*im2col)(const sb_convolution *, const float *image, float *columns);
  /* The adjoint: adds to the image. */
  void (*col2im)(const sb_convolution *, const float *columns, float *image);
  /* By pass the variants in order of preference; the last has no name. */
  const sb_convolution_variant *convolution[3];
  void (*max_pool)(const sb_pooling *, int64_t images, const float *x, float *y);
  void (*max_pool_backward)(const sb_pooling *, int64_t images, const float *x, const float *dy, float *dx);
  /* One image. A byte for each pooled element: the number of the winner's cell in its window, padding included, and 128
   * where x is the result of relu whose gradient there is not 1 (`has_relu`). Windows of at most 127 cells. */
  void (*max_pool_winners)(const sb_pooling *, int has_relu, const float *x, float *y, uint8_t *winners);
  /* One image: what `max_pool_backward` gives, but 0 where the winner has 128 and `is_gated`. */
  void (*max_pool_spread)(const sb_pooling *, int is_gated, const uint8_t *winners, const float *dy, float *dx);
  /* Of one image: the winners, a byte that is not 0 for an odd image (it, a weight or a pooled element is not finite),
   * and of an odd image a byte for each element that was pooled, not 0 where relu had a NaN. */
  int64_t (*pooling_record_bytes)(const sb_pooling *);
  /* sums[channels] += the gradients that relu lets through; `part` is as large. */
  void (*gated_sums)(
    const sb_pooling *, int64_t images, const uint8_t *records, const float *dy, float *part, float *sums);
  /* The gradients of a convolution whose results, behind relu or not, are pooled, from the records and the gradient of
   * the pooled results; `sb_pooling` has the results' size. Adds to dw, writes dx; each may be null. `leads`: whether that
   * is faster than the dense kernels. */
  int (*sparse_leads)(const sb_convolution *, const sb_pooling *);
  int64_t (*sparse_scratch_bytes)(const sb_convolution *, const sb_pooling *);
  void (*sparse_backward)(
    const sb_convolution *, const sb_pooling *, int64_t images, const float *x, const float *w, const uint8_t *records,
    const float *dy, float *dw, float *dx, void *scratch);
  /* The same of the filter alone, and that of the bias, of few taps; adds to dw, and to dbias, which may be null. `takes`:
   * whether it computes these shapes. */
  int (*winners_takes)(const sb_convolution *, const sb_pooling *);
  int (*winners_leads)(const sb_convolution *, const sb_pooling *);
  int64_t (*winners_scratch_bytes)(const sb_convolution *, const sb_pooling *);
  void (*winners_backward_filter)(
    const sb_convolution *, const sb_pooling *, int64_t images, const float *x, const uint8_t *records, const float *dy,
    float *dw, float *dbias, void *scratch);
  void (*average_pool)(const sb_pooling *, int64_t images, const float *x, float *y);
  void (*average_pool_backward)(const sb_pooling *, int64_t images, const float *dy, float *dx);
  /* Along the middle axis of [outer, length, inner]. */
  void (*softmax_along)(int64_t outer, int64_t length, int64_t inner, const float *x, float *y);
  void (*softmax_along_backward)(
    int64_t outer, int64_t length, int64_t inner, const float *y, const float *dy, float *dx);
  void (*argmax_along)(int64_t outer, int64_t length, int64_t inner, const float *x, int32_t *y);
  void (*softmax)(int64_t rows, int64_t columns, const float *x, float *y);
  void (*softmax_backward)(int64_t rows, int64_t columns, const float *y, const float *dy, float *dx);
  void (*cross_entropy)(int64_t rows, int64_t columns, const float *x, const float *targets, float *loss);
  void (*cross_entropy_backward)(
    int64_t rows, int64_t columns, const float *x, const float *targets, const float *upstream, float *dx);
  /* The bits of `softmax`, `cross_entropy` and `cross_entropy_backward`. */
  void (*softmax_loss)(const sb_softmax_loss *, int64_t rows, int64_t columns);
  void (*argmax)(int64_t rows, int64_t columns, const float *x, int32_t *y);
  int64_t (*normalize_scratch_bytes)(const sb_normalization *);
  /* y = (x - mean) / sigma, and 1 / sigma of each sample and group (null: not wanted). */
  void (*normalize)(
    const sb_normalization *, int64_t samples, const float *x, float *y, float *inverse, void *scratch);
  /* The gradient of x from these results and the gradient of y; epsilon is not read. */
  void (*normalize_backward)(
    const sb_normalization *, int64_t samples, const float *y, const float *inverse, const float *dy, float *dx,
    void *scratch);
  /* Adds to the sums of each channel, and to its moments: how many rows they are of, then for each channel the mean, then
   * the sum of squares about it. Both begin with zeros. `scratch` has two rows of channels. */
  void (*batch_moments)(
    int64_t rows, int64_t channels, const float *x, double *sums, double *moments, float *scratch);
  void (*batch_normalize)(const sb_batch_rows *, int64_t rows);
  /* Adds to the sums, and writes what relu lets through. */
  void (*batch_gradient_sums)(const sb_batch_gradient *, int64_t rows);
  void (*batch_gradient)(const sb_batch_gradient *, int64_t rows);
  /* The recurrent kernel [units, gates] as `recurrence` takes it, or as `recurrence_backward` does; its panels are packed
   * one without the other. */
  int64_t (*recurrence_packed_bytes)(const sb_recurrence *, int is_backward);
  int64_t (*recurrence_panels)(const sb_recurrence *, int is_backward);
  void (*recurrence_pack)(
    const sb_recurrence *, int is_backward, const float *kernel, float *packed, int64_t first, int64_t count);
  int64_t (*recurrence_scratch_bytes)(const sb_recurrence *, int64_t samples);
  void (*recurrence)(
    const sb_recurrence *, int64_t samples, const sb_recurrence_values *, const float *packed, void *scratch);
  void (*recurrence_backward)(
    const sb_recurrence *, int64_t samples, const sb_recurrence_gradients *, const float *packed, void *scratch);
  void (*statistics)(int64_t count, const float *x, sb_statistics *);
  /* Adds to the counts of ⌊log₂|x|⌋, from SB_FIRST_EXPONENT on, clamped to the first and last. */
  void (*exponents)(int64_t count, const float *x, double *bins);
  int (*all_finite)(int64_t count, const float *x);
  /* delta may be null. */
  void (*sgd)(const sb_update *, int64_t count, float *w, const float *g, float *m, float *delta);
  void (*rmsprop)(const sb_update *, int64_t count, float *w, const float *g, float *v, float *a, float *m, float *delta);
  void (*adagrad)(const sb_update *, int64_t count, float *w, const float *g, float *a, float *delta);
  void (*adam)(const sb_update *, int64_t count, float *w, const float *g, float *m, float *v, float *delta);
} sb_kernels;

/* The kernels for the best instruction set of this CPU; SWITCHBACK_CPU_KERNELS=avx2 or baseline limits it. */
const sb_kernels *sb_kernels_for_this_cpu(void);

/* The set of this name; null where this CPU cannot run it. */
const sb_kernels *sb_kernels_named(const char *name);

/* The variant that computes this shape: the first that takes it and leads there (strict: of those within the bound of the
 * sums by definition), or the one of the name `forced` (null: none) where it takes the shape; null: a matrix product
 * behind im2col, which is forced by that name. */
const sb_convolution_variant *sb_convolution_choice(
  const sb_kernels *, int pass, const sb_convolution *, const char *forced, int is_strict);

/* The variant that SWITCHBACK_CONVOLUTION names, or null. */
const char *sb_forced_convolution(void);
/* Whether a variant of any pass, or im2col, has this name. */
int sb_is_convolution(const sb_kernels *, const char *name);

/* The number of a function of the table by its word, of two variables among arithmetic or among comparisons; -1: these
 * kernels were built without it. */
int sb_unary_number(const char *word);
int sb_arithmetic_number(const char *word);
int sb_comparison_number(const char *word);

#endif
