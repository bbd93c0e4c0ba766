"""A recurrent layer over the rows of a picture, then a dense one of the last state.

Layouts: `onednn` is nn.LSTM as it comes (PyTorch computes it with oneDNN; nn.GRU has no such path); `native` is PyTorch's own
loop; `unrolled` the steps written out, with the inputs' product of all steps at once, for the compiler to fuse."""
import torch
from torch import nn
from torch.nn import functional

from . import copy, take_dense


class Network(nn.Module):
    @staticmethod
    def layouts(settings):
        whole = ["onednn", "native"] if settings["cell"] == "lstm" else ["native"]
        return whole, [whole[0], "unrolled"]

    @staticmethod
    def read(pictures, layout):
        return pictures

    def __init__(self, layout, cell, units):
        super().__init__()
        (self.layout, self.cell) = (layout, cell)
        self.recurrent = (nn.LSTM if cell == "lstm" else nn.GRU)(28, units, batch_first=True)
        # Ours has one bias, the sum of these; learnt both, it would move twice as far.
        if cell == "lstm":
            self.recurrent.bias_hh_l0.requires_grad_(False)
        self.last = nn.Linear(units, 10)

    def forward(self, x):
        if self.layout == "unrolled":
            return self.last(self.lstm(x) if self.cell == "lstm" else self.gru(x))
        if self.layout == "native" and self.cell == "lstm":
            with torch.backends.mkldnn.flags(enabled=False):
                return self.last(self.recurrent(x)[0][:, -1])
        return self.last(self.recurrent(x)[0][:, -1])

    def lstm(self, x):
        layer = self.recurrent
        projected = functional.linear(x.transpose(0, 1), layer.weight_ih_l0, layer.bias_ih_l0)
        h = c = x.new_zeros(x.shape[0], layer.hidden_size)
        for inputs in projected.unbind(0):
            i, f, g, o = (inputs + h @ layer.weight_hh_l0.T).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        return h

    def gru(self, x):
        layer = self.recurrent
        projected = functional.linear(x.transpose(0, 1), layer.weight_ih_l0, layer.bias_ih_l0)
        h = x.new_zeros(x.shape[0], layer.hidden_size)
        for inputs in projected.unbind(0):
            (a_r, a_z, a_n) = inputs.chunk(3, 1)
            (b_r, b_z, b_n) = functional.linear(h, layer.weight_hh_l0, layer.bias_hh_l0).chunk(3, 1)
            z = torch.sigmoid(a_z + b_z)
            n = torch.tanh(a_n + torch.sigmoid(a_r + b_r) * b_n)
            h = n + z * (h - n)
        return h

    def take(self, layers):
        """PyTorch calls the gates i f c o i f g o, and z r h z r n, in the order r z n. GRU's bias has a row a product."""
        recurrent, dense = layers.values()
        units, gates = self.recurrent.hidden_size, [0, 1, 2, 3] if self.cell == "lstm" else [1, 0, 2]

        def ordered(array):
            return torch.cat([torch.as_tensor(array.copy()).split(units, -1)[gate] for gate in gates], -1)

        copy(self.recurrent.weight_ih_l0, ordered(recurrent["kernel"]).T)
        copy(self.recurrent.weight_hh_l0, ordered(recurrent["recurrentKernel"]).T)
        biases = recurrent["bias"] if self.cell == "gru" else (recurrent["bias"], 0 * recurrent["bias"])
        copy(self.recurrent.bias_ih_l0, ordered(biases[0]))
        copy(self.recurrent.bias_hh_l0, ordered(biases[1]))
        take_dense(self.last, dense)
