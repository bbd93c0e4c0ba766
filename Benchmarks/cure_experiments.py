"""The experiments of cures.py: which networks, at which rates, with which budget, and what is claimed of them."""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Arm:
    """A network of an experiment."""

    name: str
    rates: tuple
    rate_key: str = "training.optimizer.learning_rate"

    @property
    def config(self):
        return f"configs/{self.name}.yaml"


@dataclasses.dataclass(frozen=True)
class Experiment:
    name: str
    words: str
    arms: tuple
    epochs: int
    # A key of the run's summary.
    measure: str = "testAccuracy"
    less_is_better: bool = False
    # So many first pictures of the data set's training part, and of its test part; else the configuration's data.
    dataset: str = ""
    subset: tuple = ()
    # Of every run.
    settings: dict = dataclasses.field(default_factory=dict)
    # Pairs: the first beats the second by two standard errors.
    beats: tuple = ()
    # What is beyond the limit solves the problem.
    limit: float = 0
    solves: tuple = ()
    fails: tuple = ()
    # What the monitor names vanishing, and what it does not.
    named: tuple = ()
    unnamed: tuple = ()


def arms(names, rates, rate_key="training.optimizer.learning_rate"):
    return tuple(Arm(name, rates, rate_key) for name in names)


# The test set is looked at once, at the end, which costs less.
ONCE = {"training.validation.every": 1000, "training.keep_checkpoints": 1}
PICTURES, EPOCHS, BATCH = 6_400, 3, 128

EXPERIMENTS = [
    # A run: 19,200 pictures of 185 MFLOP (30.8 million multiply-adds forward, three times that in a step) and 10,000 of 62,
    # 4 TFLOP: half a minute on two cores with AVX-512, 30 runs.
    Experiment(
        name="depth-convolutions",
        words=f"Fashion-MNIST, the first {PICTURES:,} training pictures, all 10,000 of the test; {EPOCHS} epochs of batches of "
        f"{BATCH}, cosine from the rate to 0.",
        arms=arms(
            ["plain20-fashion", "resnet20-fashion"], (0.1, 0.03, 0.01),
            "training.optimizer.learning_rate.initial_learning_rate"),
        epochs=EPOCHS, dataset="fashion-mnist", subset=(PICTURES, 10_000),
        settings={
            **ONCE, "training.batch_size": BATCH,
            "training.optimizer.learning_rate.decay_steps": PICTURES // BATCH * EPOCHS},
        beats=(("resnet20-fashion", "plain20-fashion"),), unnamed=("plain20-fashion", "resnet20-fashion")),
    # A run: 180,000 samples of 1 MFLOP, 3 to 10 seconds, 45 runs.
    Experiment(
        name="depth-mlp", words="MNIST, all of it; 3 epochs of batches of 64, momentum 0.9.",
        arms=arms(["mlp30-plain", "mlp30-batchnorm", "mlp30-residual"], (0.01, 0.003, 0.001)), epochs=3, settings=ONCE,
        beats=(("mlp30-residual", "mlp30-plain"), ("mlp30-batchnorm", "mlp30-plain")), named=("mlp30-plain",),
        unnamed=("mlp30-batchnorm", "mlp30-residual")),
    # A run: 144,000 sequences of 2.5 (simple), 7.6 (GRU) or 10 MFLOP (LSTM), below a minute, 45 runs.
    Experiment(
        name="adding-problem",
        words="The sum of two marked numbers among 100, 48,000 sequences for training and 2,000 for the test; 3 epochs of "
        "batches of 64, Adam, gradients clipped to norm 1. Always to say 1 has a mean squared error of 1/6; below 0.01 is "
        "solved.",
        arms=arms(["lstm-adding-problem", "gru-adding-problem", "rnn-adding-problem"], (0.005, 0.001, 0.0002)), epochs=3,
        measure="testLoss", less_is_better=True, settings=ONCE, limit=0.01,
        beats=(("lstm-adding-problem", "rnn-adding-problem"), ("gru-adding-problem", "rnn-adding-problem")),
        solves=("lstm-adding-problem", "gru-adding-problem"), fails=("rnn-adding-problem",)),
    # A run: 240,000 sequences of 13 MFLOP, below a minute, 5 runs.
    Experiment(
        name="rows", words="MNIST row by row, all of it; 4 epochs of batches of 64, Adam, cosine from the rate to 0.",
        arms=arms(["lstm-rows-mnist"], (0.003,), "training.optimizer.learning_rate.initial_learning_rate"), epochs=4,
        settings=ONCE, limit=0.985, solves=("lstm-rows-mnist",), unnamed=("lstm-rows-mnist",)),
]
