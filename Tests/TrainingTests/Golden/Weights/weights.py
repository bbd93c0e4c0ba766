"""Small networks of PyTorch and Keras with their weights, inputs and outputs, for ImportTests. Run: python weights.py

Writes NAME.pt or NAME.safetensors and NAME.outputs.safetensors. The weights are random, statistics of batch normalizations too.
Needs torch, keras, safetensors, numpy."""

import json
import os
import pathlib

os.environ["KERAS_BACKEND"] = "torch"
import keras
import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn

here = pathlib.Path(__file__).parent
torch.manual_seed(1)
keras.utils.set_random_seed(1)


def outputs(name, x, y):
    save_file({"input": np.ascontiguousarray(x), "output": np.ascontiguousarray(y)}, here / f"{name}.outputs.safetensors")


def torch_case(name, net, x):
    with torch.no_grad():
        for key, value in net.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5 if "var" in key else torch.randn_like(value) * 0.3)
        net.eval()
        y = net(x)
    torch.save(net.state_dict(), here / f"{name}.pt")
    outputs(name, x.numpy(), y.numpy())


class First(nn.Module):
    """What a recurrent layer answers, without its states."""

    def __init__(self, layer, last=False):
        super().__init__()
        self.rnn, self.last = layer, last

    def forward(self, x):
        y = self.rnn(x)[0]
        return y[:, -1] if self.last else y


torch_case("torch-cnn", nn.Sequential(
    nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(),
    nn.Flatten(), nn.Linear(6 * 4 * 5, 7), nn.ReLU(), nn.Linear(7, 3)), torch.randn(4, 3, 8, 9))
torch_case("torch-lstm", nn.Sequential(First(nn.LSTM(3, 5, batch_first=True), True), nn.Linear(5, 2)), torch.randn(4, 6, 3))
torch_case("torch-gru", nn.Sequential(First(nn.GRU(3, 5, batch_first=True), True), nn.Linear(5, 2)), torch.randn(4, 6, 3))
torch_case("torch-bidirectional", First(nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)), torch.randn(4, 6, 3))
torch_case("torch-transformer", nn.TransformerEncoderLayer(8, 2, 12, dropout=0, batch_first=True), torch.randn(4, 5, 8))


def keras_case(name, net, shape):
    random = np.random.default_rng(3)
    for v in net.variables:
        if "seed" not in v.path:
            v.assign(random.random(v.shape) + 0.5 if "variance" in v.path else random.normal(size=v.shape) * 0.3)
    x = random.normal(size=[4] + shape).astype("float32")
    y = keras.ops.convert_to_numpy(net(x, training=False))
    weights = {v.path: np.ascontiguousarray(keras.ops.convert_to_numpy(v.value)) for v in net.variables if "seed" not in v.path}
    save_file(weights, here / f"{name}.safetensors", {"framework": "keras", "order": json.dumps(list(weights))})
    outputs(name, x, y)


L = keras.layers
keras_case("keras-cnn", keras.Sequential([
    L.Input([8, 9, 3]), L.ZeroPadding2D(1), L.Conv2D(4, 3, strides=2), L.BatchNormalization(), L.ReLU(),
    L.Conv2D(6, 3, padding="same", activation="relu"), L.Flatten(), L.Dense(3)]), [8, 9, 3])
keras_case("keras-lstm", keras.Sequential([L.Input([6, 3]), L.LSTM(5), L.Dense(2)]), [6, 3])
keras_case("keras-gru", keras.Sequential([L.Input([6, 3]), L.GRU(5), L.Dense(2)]), [6, 3])
keras_case("keras-gru-before", keras.Sequential([L.Input([6, 3]), L.GRU(5, reset_after=False), L.Dense(2)]), [6, 3])
keras_case("keras-bidirectional", keras.Sequential([
    L.Input([6, 3]), L.Bidirectional(L.LSTM(4, return_sequences=True)), L.Bidirectional(L.GRU(3, return_sequences=True))]), [6, 3])
x = L.Input([5, 8])
a = L.LayerNormalization()(L.Add()([x, L.MultiHeadAttention(2, 4)(x, x)]))
b = L.LayerNormalization()(L.Add()([a, L.Dense(8)(L.Dense(12, activation="relu")(a))]))
keras_case("keras-transformer", keras.Model(x, b), [5, 8])
