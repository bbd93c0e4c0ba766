"""The rows that bench.py measures: networks that both sides build, and what is asked of each."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Row:
    """One network with one limit of the instruction set."""

    name: str
    words: str
    config: str
    # What the peer builds: its kind is a module of peers/networks.
    network: dict
    batch: int
    optimizer: dict
    # Of the configuration, so that both sides compute the same.
    settings: tuple = ()
    # "avx2" limits both sides.
    limit: str = ""
    # `mnist`, or `pictures` of 32×32×3, which pictures.py makes.
    dataset: str = "mnist"
    asks: tuple = ("train",)
    # By how much the mean of the compared losses may part, relative.
    loss_limit: float = 1e-4
    # The C prototype's program that does the same.
    prototype: str = ""


CNN = dict(
    network=dict(kind="convolutional", convolutions=[32, 64, 64], dense=[64, 10]), batch=64, config="configs/mnist-cnn.yaml",
    # PyTorch adds epsilon behind the root, and Keras and we below it; at this size both mean nothing but "not zero".
    optimizer=dict(name="rmsprop", rate=0.001, rho=0.9, epsilon=1e-7), settings=("training.optimizer.epsilon=1e-14",),
    # RMSprop's first steps move each weight by the same length, whatever its gradient: rounding alone decides of some.
    loss_limit=0.02)


def mlp(units, rate, batch, name, words):
    return Row(
        name=name, words=words, config=f"Benchmarks/configs/{name}.yaml",
        network=dict(kind="convolutional", convolutions=[], dense=units), batch=batch,
        optimizer=dict(name="sgd", rate=rate))


# Adam's first steps move each weight by the same length, too. PyTorch's epsilon stands behind the correction of its bias.
ADAM = dict(optimizer=dict(name="adam", rate=0.001, epsilon=1e-12), batch=64, loss_limit=1e-3)


def recurrent(cell):
    return Row(
        name=cell, words=f"{cell.upper()} 128 over 28 steps of 28 numbers, batch 64",
        config=f"Benchmarks/configs/{cell}.yaml", network=dict(kind="recurrent", cell=cell, units=128), **ADAM)


ROWS = [
    Row(name="mnist-cnn", words="`mnist-cnn`, batch 64", asks=("train", "infer"), prototype="c32", **CNN),
    Row(name="mnist-cnn-avx2", words="the same, both sides limited to AVX2", limit="avx2", prototype="c8", **CNN),
    mlp([512, 512, 10], 0.1, 128, "mlp-512", "MLP 784-512-512-10, batch 128"),
    mlp([64, 64, 10], 0.05, 32, "mlp-64", "MLP 784-64-64-10, batch 32"),
    mlp([64] * 30 + [10], 0.01, 64, "mlp-30x64", "MLP 30 layers of 64, batch 64"),
    recurrent("lstm"),
    recurrent("gru"),
    Row(
        name="resnet20", words="ResNet-20 on 32×32×3, batch 64", config="Benchmarks/configs/resnet20.yaml",
        dataset="pictures", network=dict(kind="residual", filters=[16, 32, 64], blocks=3),
        batch=64, optimizer=dict(name="sgd", rate=0.01, momentum=0.9), loss_limit=0.02),
    Row(
        name="transformer", words="transformer block of width 128, 64 tokens, batch 64",
        config="Benchmarks/configs/transformer.yaml", dataset="pictures",
        network=dict(kind="transformer", tokens=64, width=128, heads=4, inner=512), **ADAM),
]
