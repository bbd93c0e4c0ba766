"""The second half: faults written down after the rules and their thresholds were there."""
from .cases import Expected, Fault, of_kinds
from .consequences import (
    BREAKS, DIES, FLAT, GROWS, GUESSES, NOTHING_LEFT, OF_A_HIGH_RATE, RATE_TOO_HIGH, RESTS, STILL)
from .datasets import CLASSES, adding, clusters, digits, series, sums, table
from .first_half import plain, tanh
from .networks import adam, constant, conv, dense, mlp, normal, repeat, residual, sgd, softmax

NETWORK = [
    Fault(
        "deep-relu-glorot", "thirty relu layers whose initialization does not pay for what relu takes", lambda w: mlp(
            repeat(30, dense(w))), optimizer=sgd(0.003, "momentum: 0.9"), steps=200,
        expected=(Expected("vanishingGradient", part="gate"),),
        also={"deadUnits": DIES, "lossAtChance": GUESSES, "smallUpdates": STILL}),
    Fault(
        "deep-sigmoid-convolutions", "seven convolutions with sigmoid", lambda w: [
            *[conv(w // 4, activation="sigmoid", more="padding: same, strides: 2") for _ in range(2)],
            *[conv(w // 4, activation="sigmoid", more="padding: same") for _ in range(5)], "flatten", softmax()],
        steps=140, expected=(Expected("vanishingGradient", part="gate"),), also={"lossAtChance": GUESSES}),
    Fault(
        "mean-over-112", "a mean over 112×112 pixels, before two layers of sigmoid", lambda w: [
            "{up_sampling2d: {size: 4}}", conv(w // 8, more="padding: same"), "global_average_pooling2d",
            dense(w, "sigmoid"), dense(w, "sigmoid"), softmax()], batch=8, steps=140,
        expected=(Expected("vanishingGradient", part="pooling"),), also={"lossAtChance": GUESSES}),
    Fault(
        "unscaled-residuals", "thirty residual blocks whose branches are as large as what they are added to", lambda w: [
            "flatten", dense(w, kernel="he_normal"),
            repeat(30, residual(dense(w, kernel="he_normal"), dense(w, "linear", "he_normal"))), softmax()],
        optimizer=sgd(1e-12), steps=60, expected=(Expected("explodingGradient"),),
        also={"nonFinite": BREAKS, "largeUpdates": GROWS, "risingLoss": GROWS, "vanishingGradient": DIES, "deadUnits": DIES}),
    Fault(
        "closed-lstm", "forget gates that begin closed", lambda w: [
            f"{{lstm: {{units: {w}, unit_forget_bias: false, bias_initializer: {constant(-2)}}}}}", dense(1, "linear")],
        adding(60), adam(), steps=180, loss="mean_squared_error",
        expected=(Expected("vanishingGradient", part="time"),)),
    Fault(
        "growing-rnn", "a linear recurrent layer that makes its state a fifth larger at each of 60 steps", lambda w: [
            f"{{simple_rnn: {{units: {w}, activation: linear, recurrent_initializer: {{type: orthogonal, gain: 1.2}}}}}}",
            dense(1, "linear")], adding(60), sgd(1e-12), steps=60, loss="mean_squared_error",
        expected=(Expected("explodingGradient", part="time"), Expected("explodingGradient", part="recurrence")),
        also={"nonFinite": BREAKS, "smallUpdates": STILL}),
    Fault(
        "no-softmax", "the loss takes sums for probabilities", lambda w: ["flatten", dense(w), dense(CLASSES, "linear")],
        steps=60, expected=(Expected("lossTakesOutput"),), also={
            "nonFinite": "logarithms of negative numbers", "risingLoss": GROWS, "largeUpdates": GROWS}),
    Fault(
        "unused-layer", "a layer beside the others that nothing reads", lambda w: [
            "{flatten: {name: pixels}}", "{dense: {units: 8, activation: relu, name: side}}",
            f"{{dense: {{units: {w}, activation: relu, inputs: pixels}}}}", softmax()], steps=60,
        expected=(Expected("layerIsUsed", layer="side"), Expected("refused", says=("side", "nobody reads")))),
    Fault(
        "mostly-off", "biases of the second layer begin at -4, so that nearly all of its units are off", lambda w: mlp(
            dense(w, kernel="he_normal"), dense(w, bias=constant(-4))), optimizer=sgd(0.01), steps=140,
        expected=(Expected("deadUnits", causes=("off",), layer="layers.2.dense"),
                  Expected("vanishingGradient", causes=("negativeBiases", "closedAtStart"))),
        also={"lossAtChance": GUESSES, "smallUpdates": STILL}),
    Fault(
        "relu-at-the-end", "numbers below 0 are asked of a relu", lambda w: [dense(w), dense(1, "relu")],
        table("negative-targets", sums(2000, 1, -20), classes=False), optimizer=sgd(0.01), loss="mean_squared_error",
        steps=140, expected=(
            Expected("deadUnits", causes=("off",)), Expected("smallUpdates", causes=("gradient",)),
            Expected("vanishingGradient", causes=("update", "closedAtStart")))),
    Fault(
        "weights-of-1e25", "two linear layers whose product is infinite", lambda w: mlp(
            dense(w, "linear", normal(1e25)), dense(w, "linear", normal(1e25))), steps=30,
        expected=(Expected("nonFinite", causes=("operation",), layer="layers.2.dense"),
                  Expected("explodingGradient", part="weight"))),
    Fault(
        "saturated-later-layer", "the third layer of tanh begins thirty times too large", lambda w: mlp(
            dense(w, "tanh"), dense(w, "tanh"), dense(w, "tanh", "{type: variance_scaling, scale: 900}")), steps=140,
        optimizer=sgd(0.01), expected=(Expected("saturation", causes=("weights",), layer="layers.3.dense"),),
        also={"deadUnits": RESTS,
              "vanishingGradient": "what is flat hands little back"}),
]

OPTIMIZER = [
    Fault(
        "warmup-to-20", "a warm-up that ends at a rate of 20", tanh,
        optimizer=sgd("{type: linear_warmup, steps: 60, then: 20}"), steps=200, expected=RATE_TOO_HIGH, also=OF_A_HIGH_RATE),
    Fault(
        "warmup-without-end", "a warm-up over a thousand million steps", plain,
        optimizer=sgd("{type: linear_warmup, steps: 1000000000, then: 0.1}"), steps=140,
        expected=(Expected("smallUpdates", causes=("rate",)),)),
    Fault(
        "epsilon-of-1e6", "Adam divides by at least a million", plain, optimizer=adam(0.001, "epsilon: 1000000"), steps=140,
        expected=(Expected("smallUpdates", causes=("rate", "epsilon")),)),
    Fault(
        "clipvalue-1e-8", "each number of a gradient is kept within 1e-8", plain, optimizer=sgd(0.1, "clipvalue: 1e-8"),
        steps=140, expected=(Expected("smallUpdates", causes=("clipping",)), Expected("alwaysClipped", causes=("clipping",)))),
    Fault(
        "decay-of-300", "AdamW takes a third of each weight away at an update", plain,
        optimizer=adam(0.001, "weight_decay: 300", "adamw"), steps=140,
        expected=(Expected("shrinkingWeights", causes=("regularizer",)),),
        also={"lossAtChance": GUESSES, "largeUpdates": "a third of each weight is a large update",
              "vanishingGradient": NOTHING_LEFT, "deadUnits": DIES}),
    Fault(
        "momentum-of-0.999", "what is kept of a thousand updates drives the weights away", plain,
        optimizer=sgd(1, "momentum: 0.999"), steps=200, expected=(*RATE_TOO_HIGH, Expected("risingLoss", causes=("rise",))),
        also=OF_A_HIGH_RATE),
    Fault(
        "rate-high-rmsprop", "RMSprop at a rate of 1", plain, optimizer=adam(1, kind="rmsprop"), steps=140,
        expected=RATE_TOO_HIGH, also=OF_A_HIGH_RATE),
    Fault(
        "rate-high-numbers", "a regression at ten times the rate that it bears", lambda w: [dense(w), dense(1, "linear")],
        table("numbers", sums(2000), classes=False), optimizer=sgd(3), steps=140, loss="mean_squared_error",
        expected=(*RATE_TOO_HIGH, Expected("nonFinite", says=("ower training.optimizer.learning_rate",))),
        also=OF_A_HIGH_RATE),
    Fault(
        "rate-step-to-nothing", "a rate that falls to a thousand-millionth after 60 updates", plain,
        optimizer=adam("{type: piecewise_constant, boundaries: [60], values: [0.0003, 3e-13]}"), steps=240,
        expected=(Expected("smallUpdates", causes=("rate",)),)),
]


def spikes(draw, mnist):
    """Numbers whose targets are a thousand times as large in one of two hundred rows."""
    for numbers, target in sums(3000)(draw, mnist):
        factor = 1000 if draw.random() < 0.005 else 1
        yield numbers, f"{float(target) * factor:.6g}"


DATA = [
    Fault(
        "nine-is-four", "all nines of training are called four", plain,
        digits("nine-is-four", change=lambda all, draw: [(each, 4 if label == 9 else label) for each, label in all]),
        steps=330, expected=(Expected("neverPredicted"), Expected("classImbalance", causes=("absent",)))),
    Fault(
        "no-seven", "training has no seven", plain,
        digits("no-seven", change=lambda all, draw: [each for each in all if each[1] != 7]), steps=330,
        expected=(Expected("classImbalance", causes=("absent",)), Expected("neverPredicted"))),
    Fault(
        "labels-off-by-one", "labels of training are one too high, those of the test are right", plain, digits(
            "off-by-one", change=lambda all, draw: [(each, (label + 1) % CLASSES) for each, label in all]), steps=330,
        expected=(Expected("lossAtChance", causes=("labels",)), Expected("overfitting", causes=("labels",)))),
    Fault(
        "one-picture", "every picture is the same", plain, digits(
            "one-picture", change=lambda all, draw: [(all[0][0], label) for _, label in all]), optimizer=sgd(0.03), steps=430,
        expected=(Expected("batchOfSamples"), Expected("lossAtChance", causes=("labels",)))),
    Fault(
        "noise-for-pictures", "pixels are noise", plain, digits("noise", change=lambda all, draw: [
            (draw.randbytes(784), label) for _, label in all]), optimizer=sgd(0.03), steps=430,
        expected=(Expected("lossAtChance", causes=("labels",)),)),
    Fault(
        "series-in-watts", "a series of 1e5 that is not normalized", lambda w: [
            "flatten", dense(w, "tanh"), dense(1, "linear")], series("watts", 1e5, normalize=False), adam(0.01),
        steps=140, loss="mean_squared_error",
        expected=(Expected("inputScale", causes=("large",)),), also={
            "saturation": "large inputs make gates flat", "deadUnits": RESTS,
            "vanishingGradient": "what is flat hands nothing on"}),
    Fault(
        "targets-in-millions", "targets of a million under SGD", lambda w: [dense(w), dense(1, "linear")],
        table("millions", sums(2000, 1e6), classes=False), optimizer=sgd(0.01), steps=140, loss="mean_squared_error",
        expected=(Expected("nonFinite", causes=("loss", "targets")), Expected("inputScale", causes=("targets",)),
                  Expected("explodingGradient", causes=("targets",)), Expected("largeUpdates", causes=("targets",))),
        also={"risingLoss": GROWS, "deadUnits": DIES, "vanishingGradient": DIES}),
    Fault(
        "target-spikes", "one target in two hundred is a thousand times as large", lambda w: [dense(w), dense(1, "linear")],
        table("spikes", spikes, classes=False), optimizer=adam(0.001), steps=400, loss="mean_squared_error",
        expected=(Expected("risingLoss", causes=("spikes",)),)),
    Fault(
        "rare-class-of-ten", "one class in ten is sixty times rarer than the others", plain, digits(
            "rare-eight", change=lambda all, draw: [
                each for place, each in enumerate(all) if each[1] != 8 or place % 60 == 0]), steps=260,
        expected=(Expected("classImbalance", causes=("imbalance", "absent")), Expected("neverPredicted"))),
    Fault(
        "clusters-by-heart", "sixty rows with labels drawn by lot", lambda w: [dense(2 * w), dense(w), softmax(4)],
        table("lot", lambda draw, mnist: [
            (numbers, draw.randrange(4)) for numbers, _ in clusters(300)(draw, mnist)]), optimizer=adam(0.003), steps=300,
        expected=(Expected("overfitting"),)),
]

LOOP = [
    Fault(
        "loss-counts-for-nothing", "an objective whose weight is 0", plain, steps=140,
        training="objectives: [{loss: categorical_crossentropy, weight: 0}]", loss="",
        expected=(Expected("gradientPath"), Expected("refused", says=("weight 0",)))),
    Fault(
        "class-weight-0", "a class whose samples count for nothing", plain, steps=330,
        training="class_weights: [1, 1, 1, 0, 1, 1, 1, 1, 1, 1]",
        expected=(Expected("neverPredicted"), Expected("classImbalance", causes=("absent",)))),
    Fault(
        "regularizer-overflows", "the square of the weights is infinite", lambda w: mlp(
            dense(w, "tanh", normal(1e19), more="kernel_regularizer: {l2: 1000}")), steps=30,
        expected=(Expected("nonFinite", causes=("regularizer",), layer="layers.1.dense"),),
        also={"saturation": FLAT}),
    Fault(
        "momentum-0.999-of-statistics", "running statistics that have seen an eighth of what they need", lambda w: [
            *[part for _ in range(2) for part in (
                conv(w // 4, activation="linear", more="strides: 2, kernel_initializer: {type: random_normal, mean: 0.5}"),
                "{batch_normalization: {momentum: 0.9995}}", "relu")],
            "flatten", softmax()], optimizer=sgd(0.05), steps=200,
        expected=(Expected("staleStatistics", causes=("momentum",)),)),
]

SECOND_HALF = of_kinds(network=NETWORK, optimizer=OPTIMIZER, data=DATA, loop=LOOP)
