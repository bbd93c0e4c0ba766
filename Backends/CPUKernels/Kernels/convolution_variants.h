/* The ways to compute a convolution and its gradients, a list for each pass; the first that takes a shape computes it.
 *
 * One list feeds dispatch (sb_convolution_choice), the test that holds each variant against sums in Float64, and the
 * measurement (Benchmarks/ConvolutionKernels). A line: name, what it takes, where it leads (is faster than what stands
 * below it, the matrix product behind im2col at the end), bytes of its packed filter, its panels, how they are packed,
 * scratch bytes, error as a multiple of the direct sum's bound, function. */

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
static int leads_direct_backward_input(const sb_convolution *g) {
  return fills_vectors(g->channels, 4) && (int64_t)g->rows * g->columns >= 4;
}
static int takes_winograd(const sb_convolution *g) {
  return takes_direct(g) && g->kernel_height == 3 && g->kernel_width == 3 && g->stride_y == 1 && g->stride_x == 1 &&
    g->dilation_y == 1 && g->dilation_x == 1 && g->pixel == g->channels && g->channels >= 8;
}
/* Only where it is named. */
static int never(const sb_convolution *g) { return 0; }
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
  {"depthwise", takes_depthwise, always, unpacked, unpacked, 0, nothing, 1, depthwise_variant},
  {"winograd4", takes_winograd, never, winograd_4_packed, winograd_panels, winograd_4_pack, winograd_4_scratch, 2, winograd_4x4},
  {"winograd2", takes_winograd, never, winograd_2_packed, winograd_panels, winograd_2_pack, winograd_2_scratch, 1, winograd_2x2},
  {"direct", takes_direct, leads_direct, direct_packed, direct_panels, direct_pack, direct_scratch, 1, direct},
  {0},
};

static const sb_convolution_variant convolution_backward_input[] = {
  {"depthwise", takes_depthwise, leads_depthwise_backward_input, unpacked, unpacked, 0, nothing, 1, depthwise_backward_input_variant},
  {"direct", takes_direct, leads_direct_backward_input, direct_backward_input_packed,
   direct_backward_input_panels, direct_backward_input_pack, direct_backward_input_scratch, 1, direct_backward_input},
  {0},
};

static const sb_convolution_variant convolution_backward_filter[] = {
  {"depthwise", takes_depthwise, always, unpacked, unpacked, 0, nothing, 1, depthwise_backward_filter_variant},
  {"direct", takes_direct, leads_direct, unpacked, unpacked, 0, direct_backward_filter_scratch, 1, direct_backward_filter},
  {0},
};
