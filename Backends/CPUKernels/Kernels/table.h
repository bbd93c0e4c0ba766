/* The table of all kernels, written once; each including file compiles them for one instruction set (TABLE is the table's
 * name, NAME the set's, VECTOR the floats of a register).
 *
 * Goals, in order: right for every shape; bits that depend on nothing but the operands; loops that the compiler
 * vectorises without -ffast-math (sums run in 16 lanes that are added in a fixed order). */

enum { LANES = 16 };

#include "vector_functions.h"
#include "elementwise.h"
#include "layout.h"
#include "random_numbers.h"
#include "reduction.h"
#include "convolution_windows.h"
#include "convolution_depthwise.h"
#include "convolution_tile.h"
#include "convolution_depthwise_3x3.h"
#include "convolution_direct.h"
#include "convolution_direct_filter.h"
#include "pooling.h"
#include "pooling_winners.h"
#include "convolution_pooled.h"
#include "winograd_matrices.h"
#include "convolution_winograd.h"
#include "convolution_sparse_image.h"
#include "convolution_sparse_input.h"
#include "convolution_variants.h"
#include "product.h"
#include "convolution_sparse.h"
#include "convolution_winners.h"
#include "softmax.h"
#include "argmax.h"
#include "normalize.h"
#include "batch_normalization.h"
#include "recurrence.h"
#include "recurrence_forward.h"
#include "recurrence_backward.h"
#include "cross_entropy.h"
#include "statistics.h"
#include "update.h"

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
  .byte_to_float_scaled = byte_to_float_scaled,
  .move = move,
  .random = random_numbers,
  .sum_rows = sum_rows,
  .sum = sum,
  .sum_squares = sum_squares,
  .add_squares = add_squares,
  .extreme = extreme,
  .extremes = extremes,
  .leads_product = leads_product,
  .product = product,
  .im2col = im2col,
  .col2im = col2im,
  .convolution = {convolution_forward, convolution_backward_input, convolution_backward_filter},
  .max_pool = max_pool,
  .max_pool_backward = max_pool_backward,
  .max_pool_winners = max_pool_winners_of,
  .max_pool_spread = max_pool_spread,
  .pooling_record_bytes = pooling_record_bytes,
  .gated_sums = gated_sums,
  .sparse_leads = sparse_leads,
  .sparse_scratch_bytes = sparse_scratch_bytes,
  .sparse_backward = sparse_backward,
  .winners_takes = takes_winners,
  .winners_leads = leads_winners,
  .winners_scratch_bytes = winners_scratch_bytes,
  .winners_backward_filter = winners_backward_filter,
  .average_pool = average_pool,
  .average_pool_backward = average_pool_backward,
  .softmax_along = softmax_along,
  .softmax_along_backward = softmax_along_backward,
  .argmax_along = argmax_along,
  .softmax = softmax,
  .softmax_backward = softmax_backward,
  .cross_entropy = cross_entropy,
  .cross_entropy_backward = cross_entropy_backward,
  .softmax_loss = softmax_loss,
  .argmax = argmax,
  .normalize_scratch_bytes = normalize_scratch_bytes,
  .normalize = normalize,
  .normalize_backward = normalize_backward,
  .batch_moments = batch_moments,
  .batch_normalize = batch_normalize,
  .batch_gradient_sums = batch_gradient_sums,
  .batch_gradient = batch_gradient,
  .recurrence_packed_bytes = recurrence_packed_bytes,
  .recurrence_panels = recurrence_panels,
  .recurrence_pack = recurrence_pack,
  .recurrence_scratch_bytes = recurrence_scratch_bytes,
  .recurrence = recurrence,
  .recurrence_backward = recurrence_backward,
  .statistics = statistics,
  .exponents = exponents,
  .all_finite = all_finite,
  .sgd = sgd,
  .rmsprop = rmsprop,
  .adagrad = adagrad,
  .adam = adam,
};
