/* The ways to compute a convolution and its gradients, a list for each pass; the first that takes a shape computes it.
 *
 * One list feeds dispatch (sb_convolution_choice), the test that holds each variant against sums in Float64, and the
 * measurement (Benchmarks/ConvolutionKernels). A line: name, what it takes, where it leads (is faster than what stands
 * below it, the matrix product behind im2col at the end), bytes of its packed filter, its panels, how they are packed,
 * scratch bytes, error as a multiple of the direct sum's bound, function, whether it crops; of a filter's gradient scratch
 * bytes and function of a part; of a forward pass what it pools at once, and how. */

/* Offsets are 32 bits, an image with its frame lies below, and each remainder by a stride has an axis. */
static int takes_direct(const sb_convolution *g) {
  if (g->channels < 1 || g->filters < 1) return 0;
  double places = ((double)g->height + 2.0 * g->kernel_height * g->dilation_y + g->stride_y) *
    ((double)g->width + 2.0 * g->kernel_width * g->dilation_x + g->stride_x);
  double wide = g->pixel > g->filters * (g->pixel / g->channels) ? g->pixel : g->filters * (g->pixel / g->channels);
  return places * wide < 0x1p30 && g->stride_y <= MOST_STRIDE && g->stride_x <= MOST_STRIDE;
}
static int takes_depthwise(const sb_convolution *g) {
  return g->channels == 1 && g->filters == 1 && g->pixel > 1;
}
static int takes_depthwise_3x3(const sb_convolution *g) {
  return takes_depthwise(g) && g->kernel_height == 3 && g->kernel_width == 3 && g->stride_y == 1 && g->stride_x == 1 &&
    g->dilation_y == 1 && g->dilation_x == 1;
}
static int always(const sb_convolution *g) { return 1; }
/* Not where windows are so much longer than dy that they see hardly any of it. */
static int leads_depthwise_backward_input(const sb_convolution *g) {
  return g->kernel_height <= 4 * g->rows && g->kernel_width <= 4 * g->columns;
}
/* Half-empty vectors cost as much as full ones, and packing pays from a few results on. */
static int fills_vectors(int32_t filters, int eighths) { return (int64_t)filters * 8 >= packed_width(filters) * eighths; }
static int leads_direct(const sb_convolution *g) {
  return fills_vectors(g->filters, 5) && (int64_t)g->rows * g->columns >= 4;
}
/* Of few taps it takes less time with half-empty vectors than im2col takes to unfold them, pooled at once or not
 * (2026-11-30, one core of Zen 4, 28 x 28 x 1 to 8 filters of 3 x 3, pooled: AVX-512 1.9 us an image, behind im2col 23; of
 * 8 x 9 taps to 1, 4 or 17 filters, not pooled, 1 to 7 % less). A kernel of one cell is not unfolded. */
static int leads_direct_forward(const sb_convolution *g) {
  int64_t cells = (int64_t)g->kernel_height * g->kernel_width;
  int is_short = g->pixel == g->channels && cells > 1 && cells * g->channels <= POOLED_TAPS;
  return leads_direct(g) || (is_short && (int64_t)g->rows * g->columns >= 4);
}
static int leads_direct_backward_input(const sb_convolution *g) {
  return fills_vectors(g->channels, 4) && (int64_t)g->rows * g->columns >= 4;
}
/* Without zeros it takes longer than direct. */
static int leads_sparse_input(const sb_convolution *g) { return g->gated && leads_direct_backward_input(g); }
static int takes_winograd(const sb_convolution *g) {
  return takes_direct(g) && g->kernel_height == 3 && g->kernel_width == 3 && g->stride_y == 1 && g->stride_x == 1 &&
    g->dilation_y == 1 && g->dilation_x == 1 && g->pixel == g->channels && g->channels >= 8;
}
static int takes_winograd_backward_input(const sb_convolution *g) {
  sb_convolution t = turned(g);
  return g->kernel_height == 3 && g->kernel_width == 3 && g->pixel == g->channels && takes_winograd(&t);
}
/* What F(m x m, 3 x 3) takes of the direct sum's time: its products, its transforms counted as so many products for each
 * channel and filter of a tile, and its filters, half of which another core packed for this step, as so
 * many products for each number and image (some 5 GB/s between two cores, 32 images on each). Of some 90 measured shapes
 * (2026-11-30, one core of Zen 4, AVX-512 and AVX2, filters packed before) none is slower where this is at most 0.8. */
#if VECTOR == 16
enum { TRANSFORM_2 = 158, TRANSFORM_4 = 540 };
#define READ_FILTER 1.6
#else
enum { TRANSFORM_2 = 260, TRANSFORM_4 = 900 };
#define READ_FILTER 0.8
#endif
static double winograd_share(const sb_convolution *g, int results, int transform) {
  double tiles = (double)((g->rows + results - 1) / results) * ((g->columns + results - 1) / results);
  double area = (results + 2) * (results + 2), products = (double)g->channels * g->filters;
  /* Each cell joins so many pixels with results, nearly. */
  double pairs = (double)g->rows * g->columns, pixels = (double)g->height * g->width;
  if (pixels < pairs) pairs = pixels;
  double own = tiles * (area * products + transform * ((double)g->channels + g->filters)) + READ_FILTER * area * products;
  return own / (9 * (pairs + READ_FILTER) * products);
}
/* Transforms of a part of a vector take longer than what they save. */
static int fills_winograd(const sb_convolution *g) {
  return g->channels >= 16 && g->filters >= 16 && g->channels % VECTOR == 0 && g->filters % VECTOR == 0;
}
static int leads_winograd_2(const sb_convolution *g) {
  return fills_winograd(g) && winograd_share(g, 2, TRANSFORM_2) <= 0.8;
}
/* The smaller tile is more exact. */
static int leads_winograd_4(const sb_convolution *g) {
  double share = winograd_share(g, 4, TRANSFORM_4);
  return fills_winograd(g) && share <= 0.8 && share <= 0.95 * winograd_share(g, 2, TRANSFORM_2);
}
static int leads_winograd_2_backward_input(const sb_convolution *g) {
  sb_convolution t = turned(g);
  return leads_winograd_2(&t);
}
static int leads_winograd_4_backward_input(const sb_convolution *g) {
  sb_convolution t = turned(g);
  return leads_winograd_4(&t);
}
/* Whether it leads hangs on the gradient: whoever knows that many of its numbers are 0 takes it in place of `direct`. */
static int takes_sparse_input(const sb_convolution *g) {
  return takes_direct(g) && g->pixel == g->channels && g->dilation_x == 1 && sums_image(g);
}
static int64_t nothing(const sb_convolution *g, int64_t images) { return 0; }
static int64_t unpacked(const sb_convolution *g) { return 0; }

static void depthwise_variant(
  const sb_convolution *g, int64_t images, const float *x, const float *w, float *y, void *scratch,
  const sb_convolution_end *end) {
  depthwise(g, images, x, w, y);
  end_results(end, images * g->rows * g->columns, g->pixel, y);
}
static void depthwise_backward_input_variant(
  const sb_convolution *g, int64_t images, const float *dy, const float *w, float *dx, void *scratch,
  const sb_convolution_end *end) {
  depthwise_backward_input(g, images, dy, w, dx);
}
static void depthwise_backward_filter_variant(
  const sb_convolution *g, int64_t images, const float *x, const float *dy, float *dw, void *scratch,
  const sb_convolution_end *end) {
  depthwise_backward_filter(g, images, x, dy, dw);
}

static const sb_convolution_variant convolution_forward[] = {
  {"depthwise3x3", takes_depthwise_3x3, always, unpacked, unpacked, 0, nothing, 1, depthwise_3x3},
  {"depthwise", takes_depthwise, always, unpacked, unpacked, 0, nothing, 1, depthwise_variant},
  {"winograd4", takes_winograd, leads_winograd_4, winograd_4_packed, winograd_panels, winograd_4_pack, winograd_4_scratch, 2,
   winograd_4_forward, 1},
  {"winograd2", takes_winograd, leads_winograd_2, winograd_2_packed, winograd_panels, winograd_2_pack, winograd_2_scratch, 1,
   winograd_2_forward, 1},
  {"direct", takes_direct, leads_direct_forward, direct_packed, direct_panels, direct_pack, direct_scratch, 1, direct, 1,
   .pools = pools_direct, .run_pooled = direct_pooled},
  {0},
};

static const sb_convolution_variant convolution_backward_input[] = {
  {"depthwise3x3", takes_depthwise_3x3, leads_depthwise_backward_input, unpacked, unpacked, 0, nothing, 1, depthwise_3x3_backward_input},
  {"depthwise", takes_depthwise, leads_depthwise_backward_input, unpacked, unpacked, 0, nothing, 1, depthwise_backward_input_variant},
  {"winograd4", takes_winograd_backward_input, leads_winograd_4_backward_input, winograd_4_backward_input_packed, winograd_backward_input_panels,
   winograd_4_backward_input_pack, winograd_4_backward_input_scratch, 2, winograd_4_backward_input},
  {"winograd2", takes_winograd_backward_input, leads_winograd_2_backward_input, winograd_2_backward_input_packed, winograd_backward_input_panels,
   winograd_2_backward_input_pack, winograd_2_backward_input_scratch, 1, winograd_2_backward_input},
  {"sparse", takes_sparse_input, leads_sparse_input, sparse_input_packed, sparse_input_panels, sparse_input_pack,
   sparse_input_scratch, 1, sparse_input},
  {"direct", takes_direct, leads_direct_backward_input, direct_backward_input_packed,
   direct_backward_input_panels, direct_backward_input_pack, direct_backward_input_scratch, 1, direct_backward_input},
  {0},
};

static const sb_convolution_variant convolution_backward_filter[] = {
  {"depthwise3x3", takes_depthwise_3x3, always, unpacked, unpacked, 0, nothing, 1, depthwise_3x3_backward_filter},
  {"depthwise", takes_depthwise, always, unpacked, unpacked, 0, nothing, 1, depthwise_backward_filter_variant},
  {"direct", takes_direct, leads_direct, unpacked, unpacked, 0, direct_backward_filter_scratch, 1, direct_backward_filter, 0,
   filter_part_scratch, direct_filter_part},
  {0},
};
