"""Faults that people make, put in by hand: a stale packed filter, a missing bias, a swapped axis, a lost last block, a
wrong tie; in C, OpenCL C and Swift, wherever a kernel can have them.

Each is (fault, family of builds.py, file, old text, new text, the operation that diff has to name; '' where its network
has none that shows it)."""

CPU = "Backends/CPUKernels/Kernels/"
CL = "Backends/OpenCL/Kernels/"
FFT_C = ("FFT kernels", "Backends/FFTConvolution/CFFT/fft_kernels_template.h")
FFT = "Backends/FFTConvolution/"
OPENBLAS = "Backends/OpenBLAS/Operations/"

PLANTED = [
    # Where a filter is packed or transformed once and used again.
    ("a stale packed filter", "fft", FFT + "SpectrumKeep.swift",
     "{ generation.pointee != wanted }", "{ generation.pointee == 0 }", "conv2d"),
    ("a stale packed filter", "opencl", CL + "multiplication.cl",
     "  packed[e] = column < columns", "  if (packed[e] == 0) packed[e] = column < columns", "conv2d"),

    # The addition is an operation of its own, or the end of a product.
    ("a missing bias", "CPU kernels", CPU + "elementwise.h", "apply(f, a[r * columns + c], b[c])",
     "apply(f, a[r * columns + c], f == SB_ADD ? 0 : b[c])", "binary"),
    ("a missing bias", "opencl", CL + "multiplication.cl",
     "#define WITH_BIAS(value, k) ((value) + bias[k])", "#define WITH_BIAS(value, k) (value)", "binary"),

    ("a swapped axis", "CPU kernels", CPU + "convolution_windows.h", """        int h = p * g->stride_y + i * g->dilation_y - g->top;
        int v = q * g->stride_x - g->left;
        if (h < 0 || h >= g->height) {""", """        int h = q * g->stride_y + i * g->dilation_y - g->top;
        int v = p * g->stride_x - g->left;
        if (h < 0 || h >= g->height) {""", "conv2d"),
    ("a swapped axis", "openblas", OPENBLAS + "MatrixMultiplication.swift",
     "frame.rows, n, k, frame.floats(a), transposeA: false, frame.floats(b), transposeB: transposeB,",
     "frame.rows, n, k, frame.floats(a), transposeA: false, frame.floats(b), transposeB: !transposeB,", "matmul"),
    ("a swapped axis", "fft", FFT + "ConvolutionShape.swift",
     "w = Strides(image: 0, fold: 0, vertical: wStrides[0], horizontal: wStrides[1])",
     "w = Strides(image: 0, fold: 0, vertical: wStrides[1], horizontal: wStrides[0])", "conv2d"),
    ("a swapped axis", "opencl", CL + "multiplication.cl",
     "int tap = (i * dilation_y * width + j * dilation_x) * channels;",
     "int tap = (j * dilation_y * width + i * dilation_x) * channels;", "conv2d"),
    ("a swapped axis", "opencl", CL + "convolution.cl",
     "w + (i * kernel_width + j) * own * filters + k", "w + (j * kernel_width + i) * own * filters + k", "conv2d"),

    ("a lost last block", "CPU kernels", CPU + "pooling.h",
     "if (c < g->channels) max_pool_winners(w, g->width, g->channels, x + c, dy + c, dx + c, g->channels - c);", ";",
     "maxPool2d/backward"),
    ("a lost last block", *FFT_C, "for (; 2 * j < channels; j++) {", "for (; 2 * j + 1 < channels; j++) {", "conv2d"),
    ("a lost last block", "openblas", "Backends/OpenBLAS/Planning/Sums.swift",
     "for sum in 1..<max(sumCount, 1) {", "for sum in 1..<max(sumCount - 1, 1) {", "reduce"),
    ("a lost last block", "opencl", CL + "multiplication.cl", """    if (first + r >= row_count) break;
    __global float *out = y""", """    if (first + ROWS > row_count) break;
    __global float *out = y""", "conv2d"),
    ("a lost last block", "opencl", CL + "reduction.cl",
     "for (int part = 0; part < part_count; part++)", "for (int part = 0; part < max(part_count - 1, 1); part++)", ""),

    ("a wrong tie", "CPU kernels", CPU + "pooling.h", "int wins = cell == 0 || (!(values[c] <= best[c]) && best[c] == best[c]);",
     "int wins = cell == 0 || (!(values[c] < best[c]) && best[c] == best[c]);", "maxPool2d/backward"),
    ("a wrong tie", "reference", "Backends/Reference/Operations/Pooling.swift",
     "if winner < 0 || !(value <= best)", "if winner < 0 || !(value < best)", "maxPool2d/backward"),
    ("a wrong tie", "opencl", CL + "pooling.cl", "(winner < 0) | ((intV)NOT(value <= best)",
     "(winner < 0) | ((intV)NOT(value < best)", "maxPool2d/backward"),
    ("a wrong lane", "opencl", CL + "pooling.cl", "FUNCTION(seen[lane], sums[lane], alpha)",
     "FUNCTION(seen[0], sums[lane], alpha)", "unary/backward"),
    ("a wrong tie", "opencl", CL + "indexing.cl",
     "if (!(value <= largest) && !isnan(largest)) best = a;",
     "if (!(value < largest) && !isnan(largest)) best = a;", ""),
    ("a wrong tie", "CPU kernels", CPU + "argmax.h",
     "static inline int beats(float x, float best) { return !(x <= best) && best == best; }",
     "static inline int beats(float x, float best) { return !(x < best) && best == best; }", ""),

    ("means that are not joined", "openblas", "Backends/OpenBLAS/Fusion/BatchForward.swift",
     "squares += part[1 + channels + c] + apart * apart * shares[2 * sum + 1]", "squares += part[1 + channels + c]", ""),
    ("means that are not joined", "CPU kernels", CPU + "batch_normalization.h",
     "about[c] += (left < 0 ? 0 : left) + apart * apart * weight;", "about[c] += left < 0 ? 0 : left;", ""),
    ("a forgotten share of the mean", "CPU kernels", CPU + "batch_strip.h",
     "*(strip *)(b->dx + e) = unshifted + shift;", "*(strip *)(b->dx + e) = unshifted;", ""),
    ("a gate with another's function", "CPU kernels", CPU + "recurrence_forward.h", "g == 2 ? s->activation",
     "g == 1 ? s->activation", ""),
    ("a masked step that is taken", "CPU kernels", CPU + "recurrence_backward.h",
     "if (is_masked(v->mask, first + r, t, s)) masked_step_back(s, &b);",
     "if (t < 0) masked_step_back(s, &b);", ""),
    ("a recurrence from the wrong end", "opencl", CL + "recurrence.cl",
     "(flags & REVERSED ? steps - 1 - (step) : (step))", "(step)", ""),
]
