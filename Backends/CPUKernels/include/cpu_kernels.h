/* Float32 kernels for CPU backends, compiled for several instruction sets and chosen at run time.
 *
 * Shapes: rows × columns row-major, images [N, H, W, C]. Nothing here allocates or starts threads. */
#ifndef SWITCHBACK_CPU_KERNELS_H
#define SWITCHBACK_CPU_KERNELS_H

#include <stdint.h>

enum {
  SB_IDENTITY, SB_NEGATE, SB_ABSOLUTE, SB_EXP, SB_LOG, SB_SQRT, SB_RSQRT, SB_SQUARE, SB_RECIPROCAL, SB_SIGN, SB_FLOOR,
  SB_RELU, SB_LEAKY_RELU, SB_ELU, SB_SELU, SB_GELU, SB_GELU_TANH, SB_SWISH, SB_SIGMOID, SB_HARD_SIGMOID, SB_TANH,
  SB_SOFTPLUS
};
enum { SB_ADD, SB_SUBTRACT, SB_MULTIPLY, SB_DIVIDE, SB_MAXIMUM, SB_MINIMUM };

/* A convolution of `images` images, by the letters of its law (Sources/Programs/Operations/Convolution.swift). */
typedef struct {
  int32_t height, width, channels, rows, columns, filters, kernel_height, kernel_width;
  int32_t stride_y, stride_x, dilation_y, dilation_x, top, left;
} sb_convolution;

typedef struct {
  int32_t height, width, channels, rows, columns, pool_height, pool_width, stride_y, stride_x, top, left;
} sb_pooling;

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
  const char *name; /* avx512, avx2, baseline */
  void (*unary)(int function, float alpha, int64_t count, const float *x, float *y);
  void (*unary_backward)(int function, float alpha, int64_t count, const float *v, const float *dy, float *dx);
  /* Strides of 0 (a scalar) or 1. */
  void (*binary)(int function, int64_t count, const float *a, int a_stride, const float *b, int b_stride, float *y);
  /* y = function(a[rows, columns], b[columns]). */
  void (*binary_row)(int function, int64_t rows, int64_t columns, const float *a, const float *b, float *y);
  /* sums[columns] += Σ over rows. */
  void (*sum_rows)(int64_t rows, int64_t columns, const float *x, float *sums);
  double (*sum)(int64_t count, const float *x);
  double (*sum_squares)(int64_t count, const float *x);
  void (*im2col)(const sb_convolution *, const float *image, float *columns);
  void (*col2im)(const sb_convolution *, const float *columns, float *image);
  void (*max_pool)(const sb_pooling *, int64_t images, const float *x, float *y);
  void (*max_pool_backward)(const sb_pooling *, int64_t images, const float *x, const float *dy, float *dx);
  void (*softmax)(int64_t rows, int64_t columns, const float *x, float *y);
  void (*softmax_backward)(int64_t rows, int64_t columns, const float *y, const float *dy, float *dx);
  void (*cross_entropy)(int64_t rows, int64_t columns, const float *x, const float *targets, float *loss);
  void (*cross_entropy_backward)(
    int64_t rows, int64_t columns, const float *x, const float *targets, const float *upstream, float *dx);
  void (*argmax)(int64_t rows, int64_t columns, const float *x, int32_t *y);
  void (*statistics)(int64_t count, const float *x, sb_statistics *);
  int (*all_finite)(int64_t count, const float *x);
  /* delta may be null. */
  void (*sgd)(const sb_update *, int64_t count, float *w, const float *g, float *m, float *delta);
  void (*rmsprop)(const sb_update *, int64_t count, float *w, const float *g, float *v, float *a, float *m, float *delta);
  void (*adagrad)(const sb_update *, int64_t count, float *w, const float *g, float *a, float *delta);
  void (*adam)(const sb_update *, int64_t count, float *w, const float *g, float *m, float *v, float *delta);
} sb_kernels;

/* The kernels for the best instruction set of this CPU. */
const sb_kernels *sb_kernels_for_this_cpu(void);

#endif
