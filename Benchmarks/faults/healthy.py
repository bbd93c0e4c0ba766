"""Networks that learn, of which no finding may be more than a warning; a third of them would deceive a hasty rule."""
from .cases import Healthy
from .datasets import adding, clusters, digit_table, digits, series, sums, table
from .networks import adam, conv, dense, mlp, repeat, residual, sgd, softmax


def plain(width):
    return mlp(dense(width), dense(width))


def cnn(width):
    return [conv(width // 4), "{max_pooling2d: {pool_size: 2}}", conv(width // 4), "{max_pooling2d: {pool_size: 2}}",
            "flatten", softmax()]


def normalized(width, layer):
    return ["flatten", *[part for _ in range(3) for part in (dense(width, "linear", "he_normal"), layer, "relu")], softmax()]


def rows(layer):
    return ["{reshape: {target_shape: [28, 28]}}", layer, softmax()]


ORDINARY = [
    Healthy("logistic", "no hidden layer", lambda w: mlp()),
    Healthy("mlp-sgd", "SGD", plain),
    Healthy("mlp-momentum", "SGD with momentum", plain, optimizer=sgd(0.02, "momentum: 0.9")),
    Healthy("mlp-adam", "Adam", plain, optimizer=adam()),
    Healthy("mlp-adamw", "AdamW", plain, optimizer=adam(kind="adamw")),
    Healthy("mlp-rmsprop", "RMSprop", plain, optimizer=adam(kind="rmsprop")),
    Healthy("mlp-adagrad", "AdaGrad", plain, optimizer=adam(0.03, kind="adagrad")),
    Healthy("cnn-sgd", "two convolutions", cnn),
    Healthy("cnn-adam", "two convolutions, Adam", cnn, optimizer=adam(0.003)),
    Healthy("cnn-batchnorm", "convolutions with batch normalization", lambda w: [
        *[part for _ in range(2) for part in (
            conv(w // 4, activation="linear", more="strides: 2"), "{batch_normalization: {momentum: 0.9}}", "relu")],
        "flatten", softmax()], optimizer=sgd(0.05, "momentum: 0.9")),
    Healthy("mlp-batchnorm", "batch normalization", lambda w: normalized(w, "{batch_normalization: {momentum: 0.9}}"),
            optimizer=sgd(0.05)),
    Healthy("mlp-layernorm", "layer normalization", lambda w: normalized(w, "layer_normalization"), optimizer=adam()),
    Healthy("deep-tanh", "eight layers of tanh", lambda w: mlp(repeat(8, dense(w, "tanh"))), optimizer=sgd(0.03)),
    Healthy("deep-relu-he", "eight layers of relu", lambda w: mlp(repeat(8, dense(w, kernel="he_normal"))),
            optimizer=sgd(0.02)),
    Healthy("residual", "residual blocks that begin at 0", lambda w: [
        "flatten", dense(w, kernel="he_normal"),
        repeat(8, residual(dense(w, kernel="he_normal"), dense(w, "linear", "zeros"))), softmax()], optimizer=sgd(0.05)),
    Healthy("lstm-rows", "LSTM over the rows of a picture", lambda w: rows(f"{{lstm: {{units: {w}}}}}"),
            optimizer=adam(0.003, "global_clipnorm: 1"), steps=160),
    Healthy("gru-rows", "GRU over the rows of a picture", lambda w: rows(f"{{gru: {{units: {w}}}}}"), optimizer=adam(0.003),
            steps=160),
    Healthy("transformer-rows", "a transformer over the rows of a picture", lambda w: [
        "{reshape: {target_shape: [28, 28]}}", f"{{dense: {{units: {w}}}}}", "{position_embedding: {sequence_length: 28}}",
        f"{{transformer_encoder: {{intermediate_dim: {2 * w}, num_heads: 4, activation: gelu, normalize_first: true}}}}",
        "layer_normalization", "global_average_pooling1d", softmax()], optimizer=adam(0.002), steps=160),
    Healthy("regression", "a weighted sum of numbers", lambda w: [dense(w), dense(1, "linear")],
            table("numbers-to-learn", sums(3000), classes=False), optimizer=adam(0.003), loss="mean_squared_error"),
    Healthy("series", "the next value of a wave", lambda w: ["flatten", dense(w, "tanh"), dense(1, "linear")],
            series("wave"), adam(0.003), loss="mean_squared_error"),
]


def one_in_ten_wrong(samples, draw):
    return [(picture, draw.randrange(10) if draw.random() < 0.1 else label) for picture, label in samples]


def sparse(count):
    """Sixteen numbers, of which one is 1 and says the class of four."""
    def samples(draw, mnist):
        for _ in range(count):
            place = draw.randrange(64)
            yield [int(number == place) for number in range(64)], place % 4

    return samples


TEMPTING = [
    Healthy("dropout-0.7", "learns behind a dropout of 0.7", lambda w: mlp(dense(4 * w), "{dropout: {rate: 0.7}}"),
            tempts="deadUnits, vanishingGradient", steps=300),
    Healthy("long-warmup", "most of the run warms up", plain, optimizer=sgd("{type: linear_warmup, steps: 250, then: 0.1}"),
            steps=300, tempts="smallUpdates"),
    Healthy("sparse-inputs", "63 of 64 inputs are 0", lambda w: [dense(w), softmax(4)], table("sparse", sparse(3000)),
            optimizer=adam(0.01), steps=300, tempts="inputScale, deadUnits"),
    Healthy("batch-of-two", "two samples a batch", plain, optimizer=sgd(0.01), batch=2, steps=600,
            tempts="risingLoss, lossAtChance, deadUnits"),
    Healthy("tiny-targets", "targets of 1e-3", lambda w: [dense(w), dense(1, "linear")],
            table("tiny-targets", sums(3000, 1e-3), classes=False), optimizer=adam(0.001), loss="mean_squared_error",
            steps=300, tempts="vanishingGradient, smallUpdates, overfitting"),
    Healthy("imbalance-10", "ten samples of one class for one of the other", lambda w: [dense(w), softmax(2)],
            table("imbalance-10", clusters(4000, (10, 1))), steps=300, tempts="classImbalance"),
    Healthy("clipped-at-first", "clipping engages in the first steps", plain, optimizer=sgd(0.1, "global_clipnorm: 0.5"),
            steps=300, tempts="alwaysClipped"),
    Healthy("noisy-labels", "a tenth of the labels is drawn by lot", plain,
            digits("noisy-labels", change=one_in_ten_wrong, change_test=one_in_ten_wrong), steps=400,
            tempts="lossAtChance, overfitting"),
    Healthy("sigmoid-output", "leaky relu, and one sigmoid for two classes", lambda w: [
        f"{{dense: {{units: {w}}}}}", "{leaky_relu: {negative_slope: 0.01}}", dense(1, "sigmoid")],
            table("two-clusters", clusters(3000, (1, 1))), optimizer=adam(0.01), loss="binary_crossentropy", steps=300,
            tempts="saturation, lossTakesOutput"),
    Healthy("frozen-layers", "the first two layers stay as they were drawn", lambda w: mlp(
        dense(2 * w, more="trainable: false"), dense(2 * w, more="trainable: false"), dense(w)), steps=300,
            tempts="frozenWeights, gradientPath, smallUpdates"),
    Healthy("orthogonal-rnn", "an orthogonal recurrent layer over 28 rows", lambda w: rows(
        f"{{simple_rnn: {{units: {w}, recurrent_initializer: orthogonal}}}}"), optimizer=adam(0.001, "global_clipnorm: 1"),
            steps=200, tempts="vanishingGradient, explodingGradient"),
    Healthy("pixels-normalized", "pixels from 0 to 255 that a batch normalization reads first", lambda w: [
        "{batch_normalization: {momentum: 0.9}}", dense(w), softmax()], digit_table("digits-to-255"), steps=200,
            tempts="inputScale"),
]

HEALTHY = ORDINARY + TEMPTING
