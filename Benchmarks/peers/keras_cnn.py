"""The losses of the first epoch of configs/mnist-cnn.yaml's network in Keras 3: python keras_cnn.py MNIST_FOLDER

KERAS_BACKEND=torch (or another) chooses what computes. Writes Tests/TrainingTests/Golden/keras_curve.json: for three
seeds the mean loss of each window of 67 steps (14 windows of 938 steps), as the optimizer sees it: before each update.
The batches are those that `switchback train --seed` takes, so that only the initial weights differ.
"""

import json
import os
import pathlib
import sys

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Tests/TrainingTests/Golden"))

import keras
import numpy
from keras import layers

from switchback import batch_order, mnist

images, labels = mnist(sys.argv[1])
curves = []
for seed in (1, 2, 3):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D(2),
        layers.Conv2D(64, 3, activation="relu"), layers.Flatten(),
        layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy")
    targets = keras.utils.to_categorical(labels, 10)
    order = numpy.array(batch_order(len(labels), seed, 1))
    losses = [
        float(model.train_on_batch(images[order[start: start + 64]], targets[order[start: start + 64]]))
        for start in range(0, len(labels), 64)
    ]
    if len(curves) == 0 and losses[1] == losses[0]:
        raise SystemExit("train_on_batch answers a running mean")
    curves.append(losses)
    print(seed, losses[0], losses[100], losses[-1], flush=True)
windows = [[sum(curve[67 * w: 67 * w + 67]) / 67 for w in range(14)] for curve in curves]
path = pathlib.Path(__file__).parents[2] / "Tests/TrainingTests/Golden/keras_curve.json"
path.write_text(json.dumps({"keras": keras.__version__, "backend": keras.backend.backend(), "window": 67, "curves": windows}) + "\n")
print(windows)
