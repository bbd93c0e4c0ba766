"""Faults of kernels: plug-ins of the museum as backends. The finding must name the operation, and never the network."""
from .cases import Expected, Fault, of_kinds
from .networks import conv, dense, mlp, normal, residual, sgd, softmax

# Each step is looked at, and at each an operation is checked.
ALWAYS = "check_share: 1, probe_interval: 1"
SAME = "padding: same"


def picture_network(first):
    """A convolution, what is asked, and the end of a network."""
    return lambda w: [*first(w), "flatten", dense(w), softmax()]


def wrong(plugin, words, operation, layers, steps=160, **more):
    return Fault(
        plugin.replace("_", "-"), words, layers, plugin=plugin, steps=steps, monitor=ALWAYS,
        expected=(Expected("wrongOperation", causes=("backend",), operation=operation),), **more)


def two_layers(width):
    return mlp(dense(width), dense(width))


FIRST = [
    wrong("gradient_off_by_a_factor", "the gradient of the loss is half of what it is", "softmaxCrossEntropy/backward",
          two_layers),
    wrong("bias_gradient_of_first_rows", "bias gradients take the first 64 samples", "reduce", two_layers, batch=96),
    wrong("rest_of_batch", "samples beyond whole blocks of 16 come out as zeros", "matmul", two_layers, batch=40),
    wrong("state_updated_twice", "each update is made twice", "sgdUpdate", two_layers),
    wrong("average_counts_padding", "padded cells count in an average", "averagePool2d", picture_network(lambda w: [
        conv(w // 4), "{average_pooling2d: {pool_size: 3, padding: same}}"])),
    wrong("input_gradient_without_stride", "the gradient of a strided convolution's input", "conv2d/backwardInput",
          picture_network(lambda w: [conv(w // 4), conv(w // 4, more="strides: 2")])),
]
SECOND = [
    wrong("long_sums_in_half", "sums of 512 terms and more in half precision", "matmul", two_layers),
    wrong("transposed_beyond_256", "products with a transposed operand lose terms beyond 256", "matmul", two_layers, batch=320),
    wrong("same_padding_on_wrong_side", "even kernels are padded on the wrong side", "conv2d", picture_network(lambda w: [
        conv(w // 4, 2, more=SAME)])),
    wrong("pooling_gradient_not_cleared", "cells that win no window keep what lay there", "maxPool2d/backward",
          picture_network(lambda w: [conv(w // 4), "{max_pooling2d: {pool_size: 2}}", conv(w // 4)])),
    wrong("dilation_of_other_axis", "the rows' dilation serves for the columns too", "conv2d", picture_network(lambda w: [
        conv(w // 4, more="dilation_rate: [2, 1]")])),
    wrong("stale_packed_filter", "later steps multiply with the filters of the first", "conv2d", picture_network(lambda w: [
        conv(w // 4)])),
    Fault(
        "softmax-overflows", "exponentials of logits beyond 88 are infinite", lambda w: mlp(
            dense(w), dense(w, "linear", normal(30))), plugin="softmax_overflows", steps=60, monitor=ALWAYS,
        optimizer=sgd(1e-6), expected=(
            Expected("wrongOperation", causes=("backend",), operation="softmax"),
            Expected("nonFinite", causes=("backend",))),
        also={"explodingGradient": "such logits take such weights"}),
]

KERNELS_FIRST, KERNELS_SECOND = of_kinds(kernel=FIRST), of_kinds(kernel=SECOND)
