"""The first half: faults that were silent or misnamed before there were rules for them, from which thresholds were derived."""
from .cases import Expected, Fault, of_kinds
from .consequences import (
    BREAKS, DIES, FLAT, GROWS, GUESSES, NOTHING_LEFT, OF_A_HIGH_RATE, RATE_TOO_HIGH, RESTS, STILL)
from .datasets import adding, clusters, digit_table, digits, sums, table
from .networks import adam, constant, dense, mlp, normal, repeat, sgd, softmax

NEXT_TO_NOTHING = "all samples look alike, so a unit is on for all or for none"


def plain(width):
    return mlp(dense(width), dense(width))


def tanh(width):
    return mlp(dense(width, "tanh"), dense(width, "tanh"))


def penalized(width, factor):
    return mlp(*[dense(width, more=f"kernel_regularizer: {{l2: {factor}}}") for _ in range(2)])


def relabelled(name, labels):
    """Digits whose labels are `labels(old, draw)`, in training and test."""
    def change(samples, draw):
        return [(picture, new) for (picture, _), new in zip(samples, labels([label for _, label in samples], draw))]

    return digits(name, change=change, change_test=change)


def put(lines, cell, *rows):
    """Into the fourth column of some rows."""
    for row in rows:
        lines[row][3] = cell


NETWORK = [
    Fault(
        "deep-sigmoid", "eight layers of sigmoid: each gate takes three quarters",
        lambda w: mlp(repeat(8, dense(w, "sigmoid"))), steps=140,
        expected=(Expected("vanishingGradient", part="gate"),), also={"lossAtChance": GUESSES}),
    Fault(
        "deep-sigmoid-80", "the same in a run of 80 updates", lambda w: mlp(repeat(8, dense(w, "sigmoid"))), steps=80,
        expected=(Expected("vanishingGradient", part="gate"),)),
    Fault(
        "deep-tanh-small", "ten layers of tanh that begin with a tenth of the right size",
        lambda w: mlp(repeat(10, dense(w, "tanh", f"{{type: variance_scaling, scale: 0.01}}"))), steps=140,
        expected=(Expected("vanishingGradient", part="weight"),), also={"smallUpdates": STILL, "lossAtChance": GUESSES}),
    Fault(
        "small-then-large", "four relu layers of deviation 0.01 before four of 0.8: the largest gradient is in the middle",
        lambda w: mlp(repeat(4, dense(w, kernel=normal(0.01))), repeat(4, dense(w, kernel=normal(0.8)))),
        optimizer=sgd(0.01), steps=140, expected=(Expected("vanishingGradient", part="weight"),),
        also={"explodingGradient": "the four large layers make it grow", "lossAtChance": GUESSES}),
    Fault(
        "large-weights", "ten relu layers of nearly three times the right size", lambda w: mlp(
            repeat(10, dense(w, kernel="{type: variance_scaling, scale: 16}"))), optimizer=sgd(1e-8), steps=60,
        expected=(Expected("explodingGradient", part="weight"),),
        also={"nonFinite": BREAKS, "largeUpdates": GROWS, "risingLoss": GROWS, "deadUnits": DIES, "vanishingGradient": DIES}),
    Fault(
        "explodes-at-start", "sixteen of four times the right size at an ordinary rate: NaN in the first steps", lambda w: mlp(
            repeat(16, dense(w, kernel="{type: variance_scaling, scale: 32}"))), steps=60,
        expected=(Expected("explodingGradient", part="weight"), Expected("nonFinite", says=("weights are too large",))),
        also={"largeUpdates": GROWS, "risingLoss": GROWS, "deadUnits": DIES, "vanishingGradient": DIES}),
    Fault(
        "zero-weights", "tanh layers whose weights all begin at 0", lambda w: mlp(
            dense(w, "tanh", "zeros"), dense(w, "tanh", "zeros"), dense(w, "tanh", "zeros"))[:-1] + [softmax(kernel="zeros")],
        steps=140, expected=(Expected("vanishingGradient", causes=("zeroWeights",)),),
        also={"symmetricUnits": "zeros are the same weights", "lossAtChance": GUESSES, "smallUpdates": STILL}),
    Fault(
        "dead-biases", "biases of a relu layer begin at -20", lambda w: mlp(dense(w, bias=constant(-20)), dense(w)), steps=140,
        expected=(Expected("vanishingGradient", causes=("negativeBiases",)),),
        also={"smallUpdates": STILL, "lossAtChance": GUESSES}),
    Fault(
        "dropout-0.95", "four relu layers, each behind a dropout of 0.95", lambda w: mlp(
            *[part for _ in range(4) for part in (dense(w), "{dropout: {rate: 0.95}}")]), steps=200,
        expected=(Expected("vanishingGradient", causes=("dropout",)),),
        also={"lossAtChance": GUESSES, "deadUnits": DIES, "smallUpdates": STILL}),
    Fault(
        "saturated-tanh", "tanh behind weights of deviation 2 for 784 inputs", lambda w: mlp(
            dense(w, "tanh", normal(2)), dense(w, "tanh")), steps=140,
        expected=(Expected("saturation", causes=("weights",)),),
        also={"deadUnits": RESTS}),
    Fault(
        "saturated-sigmoid", "sigmoid behind weights of deviation 4 for 784 inputs", lambda w: mlp(
            dense(w, "sigmoid", normal(4)), dense(w, "sigmoid")), steps=140,
        expected=(Expected("saturation", causes=("weights",)),),
        also={"deadUnits": RESTS, "lossAtChance": GUESSES}),
    Fault(
        "softmax-and-logits", "a softmax whose results the loss takes for logits", plain, steps=100,
        loss="{type: categorical_crossentropy, from_logits: true}", expected=(Expected("lossTakesOutput"),)),
    Fault(
        "softmax-twice", "a softmax of a softmax", lambda w: plain(w) + ["softmax"], steps=430,
        expected=(Expected("lossTakesOutput"),),
        also={"lossAtChance": GUESSES, "neverPredicted": "probabilities that are pressed together learn some classes late"}),
    Fault(
        "same-weights", "every kernel begins with one number", lambda w: mlp(
            dense(w, "tanh", constant(0.01)), dense(w, "tanh", constant(0.01)))[:-1] + [softmax(kernel=constant(0.01))],
        steps=100,
        expected=(Expected("symmetricUnits", causes=("sameWeights",)),), also={
            "lossAtChance": GUESSES,
            "vanishingGradient": "equal weights hand back the sum of a softmax's gradients, which is 0"}),
    Fault(
        "layer-times-1000", "one layer begins a thousand times as large, under Adam", lambda w: mlp(
            dense(w), dense(w, kernel="{type: variance_scaling, scale: 2e6}"), dense(w)), optimizer=adam(), steps=140,
        expected=(Expected("explodingGradient", part="weight", layer="layers.2.dense"),),
        also={"risingLoss": GROWS, "deadUnits": DIES}),
    Fault(
        "forgetful-rnn", "recurrent weights of σ² = ½ over 100 steps", lambda w: [
            f"{{simple_rnn: {{units: {w}, recurrent_initializer: {normal(round((0.5 / w) ** 0.5, 4))}}}}}",
            dense(1, "linear")], adding(100), adam(), steps=180, loss="mean_squared_error",
        expected=(Expected("vanishingGradient", part="time"),)),
]

OPTIMIZER = [
    Fault(
        "rate-high-relu", "SGD at a rate of 10", plain, optimizer=sgd(10), steps=140, expected=RATE_TOO_HIGH,
        also=OF_A_HIGH_RATE),
    Fault(
        "rate-high-tanh", "SGD at a rate of 30, tanh", tanh, optimizer=sgd(30), steps=140, expected=RATE_TOO_HIGH,
        also=OF_A_HIGH_RATE),
    Fault(
        "rate-high-adam", "Adam at a rate of 1", tanh, optimizer=adam(1), steps=140, expected=RATE_TOO_HIGH,
        also=OF_A_HIGH_RATE),
    Fault(
        "rate-small", "SGD at a rate of 1e-9", plain, optimizer=sgd(1e-9), steps=140,
        expected=(Expected("smallUpdates", causes=("rate",)),)),
    Fault(
        "rate-decayed", "a rate that falls to a tenth every eight updates", plain, steps=240,
        optimizer=sgd("{type: exponential, initial_learning_rate: 0.03, decay_steps: 8, decay_rate: 0.1}"),
        expected=(Expected("smallUpdates", causes=("rate",)),)),
    Fault(
        "clipped-to-nothing", "gradients clipped to a norm of 1e-6", plain, optimizer=sgd(0.1, "global_clipnorm: 1e-6"),
        steps=140,
        expected=(Expected("smallUpdates", causes=("clipping",)), Expected("alwaysClipped", causes=("clipping",)))),
    Fault(
        "always-clipped", "gradients clipped to a hundredth of their usual norm", plain,
        optimizer=sgd(0.05, "global_clipnorm: 0.005"), steps=340,
        expected=(Expected("alwaysClipped", causes=("clipping",)),)),
    Fault(
        "l2-of-10", "a penalty of 10 times the squares of all weights", lambda w: penalized(w, 10)[:-1] + [
            softmax(more="kernel_regularizer: {l2: 10}")], optimizer=sgd(0.01), steps=140,
        expected=(Expected("shrinkingWeights", causes=("regularizer",)),),
        also={"lossAtChance": GUESSES, "vanishingGradient": NOTHING_LEFT}),
    Fault(
        "l2-of-10-hidden", "the same of the hidden layers alone", lambda w: penalized(w, 10), optimizer=sgd(0.01), steps=140,
        expected=(Expected("shrinkingWeights", causes=("regularizer",)),),
        also={"lossAtChance": GUESSES, "vanishingGradient": NOTHING_LEFT}),
]

DATA = [
    Fault(
        "zero-inputs", "every pixel is 0", plain,
        digits("zero-digits", change=lambda all, draw: [(bytes(784), label) for _, label in all]), steps=140,
        expected=(Expected("vanishingGradient", causes=("zeroInputs",)),),
        also={"batchOfSamples": "all pictures are the same", "smallUpdates": STILL, "lossAtChance": GUESSES}),
    Fault(
        "inputs-to-255", "pixels from 0 to 255 that nobody scaled", lambda w: mlp(dense(w, "tanh"), dense(w, "tanh")),
        digit_table("digits-to-255"), optimizer=sgd(0.01), steps=140,
        expected=(Expected("inputScale", causes=("large",)),), also={
            "saturation": "large inputs make gates flat", "deadUnits": RESTS}),
    Fault(
        "inputs-1e-4", "pixels from 0 to 1e-4", plain, digit_table("digits-to-1e-4", 1e-4), steps=140,
        expected=(Expected("inputScale", causes=("small",)),),
        also={"lossAtChance": GUESSES, "vanishingGradient": NEXT_TO_NOTHING, "deadUnits": NEXT_TO_NOTHING}),
    Fault(
        "shuffled-labels", "labels in another order than the pictures", plain,
        relabelled("shuffled-labels", lambda old, draw: draw.sample(old, len(old))), optimizer=sgd(0.05), steps=430,
        expected=(Expected("lossAtChance", causes=("labels",)),)),
    Fault(
        "shifted-labels", "each picture has the label of the one before", plain,
        relabelled("shifted-labels", lambda old, draw: old[-1:] + old[:-1]), optimizer=sgd(0.05), steps=430,
        expected=(Expected("lossAtChance", causes=("labels",)),)),
    Fault(
        "one-class", "every label of training is 3", plain,
        digits("one-class", change=lambda all, draw: [(each, 3) for each, _ in all]), steps=140,
        expected=(Expected("classImbalance", causes=("constant",)),)),
    Fault(
        "imbalance-99", "99 samples of one class for one of the other, which lie close", lambda w: [
            dense(w), softmax(2)], table("imbalance-99", clusters(4000, (99, 1), 0.2)), steps=240,
        expected=(Expected("classImbalance", causes=("imbalance",)),)),
    Fault(
        "few-samples", "80 pictures, learnt by heart", lambda w: mlp(dense(2 * w), dense(w)), digits("few-digits", train=80),
        optimizer=adam(0.003), steps=240, expected=(Expected("overfitting", causes=("overfitting",)),)),
    Fault(
        "nan-in-table", "a cell of a table is NaN", lambda w: [dense(w), softmax(4)],
        table("nan-in-table", clusters(1000), change_cells=lambda lines: put(lines, "nan", 500)), steps=60,
        expected=(Expected("refused", says=("nan", "column x3", ":502:")),)),
    Fault(
        "inf-in-table", "a cell of a table is infinite", lambda w: [dense(w), softmax(4)],
        table("inf-in-table", clusters(1000), change_cells=lambda lines: put(lines, "inf", 500)), steps=60,
        expected=(Expected("refused", says=("inf", "column x3", ":502:")),)),
    Fault(
        "huge-cells", "a cell in each hundredth row of a table is 3e38", lambda w: [dense(w), softmax(4)],
        table("huge-cells", clusters(2000), change_cells=lambda lines: put(lines, "3e38", *range(0, 2000, 100))), steps=140,
        expected=(Expected("nonFinite", causes=("input",)), Expected("inputScale", causes=("large",))),
        also={"risingLoss": "such batches have another loss"}),
    Fault(
        "huge-targets", "targets of 1e25, whose squares are infinite", lambda w: [dense(w), dense(1, "linear")],
        table("huge-targets", sums(2000, 1e25), classes=False), optimizer=sgd(0.01), steps=60,
        loss="mean_squared_error", expected=(Expected("nonFinite", causes=("loss",)),)),
]

LOOP = [
    Fault(
        "momentum-0.9999", "running statistics that keep their first values", lambda w: [
            "flatten", *[part for _ in range(2) for part in (
                dense(w, "linear", normal(1)), "{batch_normalization: {momentum: 0.9999}}", "relu")], softmax()],
        optimizer=sgd(0.05), steps=260, expected=(Expected("staleStatistics", causes=("momentum",)),)),
]

FIRST_HALF = of_kinds(network=NETWORK, optimizer=OPTIMIZER, data=DATA, loop=LOOP)
