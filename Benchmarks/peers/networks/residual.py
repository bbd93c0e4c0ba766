"""A residual network for small pictures (He et al., 2015, §4.2): blocks of two 3×3 convolutions, normalized."""
import torch
from torch import nn
from torch.nn import functional

from . import channels_first, memory_format, take_convolution, take_dense, take_normalization


def convolution(inputs, filters, size, stride):
    return nn.Conv2d(inputs, filters, size, stride, padding=size // 2, bias=False)


def normalization(channels):
    # Keras's defaults and ours: 0.99 of the running statistics are kept. Ours are of the biased variance, which training does
    # not read.
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class Block(nn.Module):
    def __init__(self, inputs, filters, stride):
        super().__init__()
        self.first, self.first_norm = convolution(inputs, filters, 3, stride), normalization(filters)
        self.second, self.second_norm = convolution(filters, filters, 3, 1), normalization(filters)
        self.shortcut = None
        if stride > 1:
            self.shortcut, self.shortcut_norm = convolution(inputs, filters, 1, stride), normalization(filters)

    def forward(self, x):
        y = functional.relu(self.first_norm(self.first(x)), inplace=True)
        y = self.second_norm(self.second(y))
        y += x if self.shortcut is None else self.shortcut_norm(self.shortcut(x))
        return functional.relu(y, inplace=True)


class Network(nn.Module):
    @staticmethod
    def layouts(settings):
        return ["contiguous", "channels_last"], ["channels_last"]

    read = staticmethod(channels_first)

    def __init__(self, layout, filters, blocks):
        super().__init__()
        self.first, self.first_norm = convolution(3, filters[0], 3, 1), normalization(filters[0])
        stages, inputs = [], filters[0]
        for width in filters:
            stages += [Block(inputs if place == 0 else width, width, 2 if place == 0 and width != inputs else 1)
                       for place in range(blocks)]
            inputs = width
        self.blocks = nn.Sequential(*stages)
        self.last = nn.Linear(inputs, 10)
        self.to(memory_format=memory_format(layout))

    def forward(self, x):
        x = functional.relu(self.first_norm(self.first(x)), inplace=True)
        return self.last(torch.mean(self.blocks(x), (2, 3)))

    def take(self, layers):
        """In the order of the file: of a block its two convolutions, then its shortcut, each with its normalization."""
        own = [self.first, self.first_norm]
        for block in self.blocks:
            own += [block.first, block.first_norm, block.second, block.second_norm]
            own += [block.shortcut, block.shortcut_norm] if block.shortcut is not None else []
        own.append(self.last)
        assert len(own) == len(layers), f"{len(own)} layers here, {len(layers)} in the file"
        takes = {nn.Conv2d: take_convolution, nn.BatchNorm2d: take_normalization, nn.Linear: take_dense}
        for mine, layer in zip(own, layers.values()):
            takes[type(mine)](mine, layer)
