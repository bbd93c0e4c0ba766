"""3×3 convolutions with relu, of which all but the last are followed by 2×2 max pooling; then dense layers with relu."""
from torch import nn

from . import channels_first, memory_format, take_convolution, take_dense


class Network(nn.Module):
    @staticmethod
    def layouts(settings):
        both = ["contiguous", "channels_last"] if settings["convolutions"] else ["contiguous"]
        return both, both[-1:]

    read = staticmethod(channels_first)

    def __init__(self, layout, convolutions, dense):
        super().__init__()
        layers, channels, side = [], 1, 28
        for place, filters in enumerate(convolutions):
            layers += [nn.Conv2d(channels, filters, 3), nn.ReLU()]
            channels, side = filters, side - 2
            if place + 1 < len(convolutions):
                layers.append(nn.MaxPool2d(2))
                side //= 2
        layers.append(nn.Flatten())
        width = channels * side * side
        self.flat = (channels, side)
        for place, units in enumerate(dense):
            layers.append(nn.Linear(width, units))
            if place + 1 < len(dense):
                layers.append(nn.ReLU())
            width = units
        self.layers = nn.Sequential(*layers)
        self.to(memory_format=memory_format(layout))

    def forward(self, x):
        return self.layers(x)

    def take(self, layers):
        """The kernel's rows behind the flattening go by channels first here."""
        own = [layer for layer in self.layers if isinstance(layer, (nn.Conv2d, nn.Linear))]
        assert len(own) == len(layers), f"{len(own)} layers here, {len(layers)} in the file"
        is_flattened = False
        for mine, layer in zip(own, layers.values()):
            if isinstance(mine, nn.Conv2d):
                take_convolution(mine, layer)
                continue
            if not is_flattened:
                channels, side = self.flat
                kernel = layer["kernel"].reshape(side, side, channels, -1).transpose(2, 0, 1, 3)
                layer = dict(layer, kernel=kernel.reshape(layer["kernel"].shape))
            is_flattened = True
            take_dense(mine, layer)
