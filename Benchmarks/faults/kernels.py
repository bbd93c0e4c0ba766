"""Faults of kernels: plug-ins of the museum as backends. The finding must name the operation, and never the network."""
from .cases import Expected, Fault, of_kinds
from .networks import conv, dense, mlp, normal, sgd, softmax

# Each step is looked at, and at each an operation is checked.
ALWAYS = "check_share: 1, probe_interval: 1"
SAME = "padding: same"


def wrong(plugin, words, operations, layers, batch=32):
    """Steps enough for each operation to be checked once."""
    return Fault(
        plugin.replace("_", "-"), words, layers, plugin=plugin, steps=80, batch=batch, monitor=ALWAYS,
        expected=(Expected("wrongOperation", causes=("backend",), operations=operations),))


def of_pictures(plugin, words, operations, first):
    """The same of convolutions; `first` makes those, of a width."""
    return wrong(plugin, words, operations, lambda w: [*first(w), "flatten", dense(w), softmax()], batch=8)


def two_layers(width):
    return mlp(dense(width), dense(width))


CONVOLUTION = ("conv2d", "conv2d/backwardFilter", "conv2d/backwardInput")

FIRST = [
    wrong("gradient_off_by_a_factor", "the gradient of the loss is half of what it is", ("softmaxCrossEntropy/backward",),
          two_layers),
    wrong("bias_gradient_of_first_rows", "bias gradients take the first 64 samples", ("reduce",), two_layers, batch=96),
    wrong("rest_of_batch", "samples beyond whole blocks of 16 come out as zeros", ("matmul",), two_layers, batch=40),
    wrong("state_updated_twice", "each update is made twice", ("sgdUpdate",), two_layers),
    of_pictures("average_counts_padding", "padded cells count in an average", ("averagePool2d",), lambda w: [
        conv(w // 4), "{average_pooling2d: {pool_size: 3, padding: same}}"]),
    of_pictures("input_gradient_without_stride", "the gradient of a strided convolution's input is that of every window",
                ("conv2d/backwardInput",), lambda w: [conv(w // 4), conv(w // 4, more="strides: 2")]),
]
SECOND = [
    wrong("long_sums_in_half", "sums of 512 terms and more in half precision", ("matmul",), two_layers),
    wrong("transposed_beyond_256", "products with a transposed operand lose terms beyond 256", ("matmul",), two_layers,
          batch=320),
    of_pictures("same_padding_on_wrong_side", "even kernels are padded on the wrong side", CONVOLUTION, lambda w: [
        conv(w // 4, 2, more=SAME)]),
    of_pictures("pooling_gradient_not_cleared", "cells that win no window keep what lay there", ("maxPool2d/backward",),
                lambda w: [conv(w // 4), "{max_pooling2d: {pool_size: 2}}", conv(w // 4)]),
    of_pictures("dilation_of_other_axis", "the rows' dilation serves for the columns too", CONVOLUTION, lambda w: [
        conv(w // 4, more="dilation_rate: [2, 1]")]),
    of_pictures("stale_packed_filter", "later steps multiply with the filters of the first", CONVOLUTION, lambda w: [
        conv(w // 4)]),
    Fault(
        "softmax-overflows", "exponentials of logits beyond 88 are infinite", lambda w: mlp(
            dense(w), dense(w, "linear", normal(30))), plugin="softmax_overflows", steps=60, monitor=ALWAYS,
        optimizer=sgd(1e-6), expected=(
            Expected("wrongOperation", causes=("backend",), operations=(
                "softmax", "softmaxCrossEntropy", "softmaxCrossEntropy/backward")),
            Expected("nonFinite", causes=("backend",))),
        also={"explodingGradient": "such logits take such weights"}),
]

KERNELS_FIRST, KERNELS_SECOND = of_kinds(kernel=FIRST), of_kinds(kernel=SECOND)
