"""The networks of bench.py's rows in PyTorch: one module a kind, each with a class Network.

    Network.layouts(SETTINGS)         its ways to be computed: those to run eagerly, and those to compile
    Network(LAYOUT, **SETTINGS)
    Network.read(PICTURES, LAYOUT)    pictures u8 [N, H, W] or [N, H, W, C] as batches of them are gathered
    network(BATCH)                    logits of such pictures in 0…1, as f32
    network.take(LAYERS)              takes a checkpoint's weights (samples.weights)
"""
import importlib

import torch


def kind(name):
    return importlib.import_module(f"{__name__}.{name}").Network


def copy(parameter, array):
    with torch.no_grad():
        parameter.copy_(torch.as_tensor(array))


def take_dense(linear, layer):
    """A dense layer's kernel [inputs, units] and bias, for nn.Linear."""
    copy(linear.weight, layer["kernel"].T.copy())
    copy(linear.bias, layer["bias"].copy())


def take_convolution(convolution, layer):
    """A kernel HWIO, for nn.Conv2d's OIHW; and a bias where there is one."""
    copy(convolution.weight, layer["kernel"].transpose(3, 2, 0, 1).copy())
    if convolution.bias is not None:
        copy(convolution.bias, layer["bias"].copy())


def take_normalization(normalization, layer):
    """Scale, offset, and the running statistics where there are some."""
    copy(normalization.weight, layer["gamma"].copy())
    copy(normalization.bias, layer["beta"].copy())
    if "movingMean" in layer:
        copy(normalization.running_mean, layer["movingMean"].copy())
        copy(normalization.running_var, layer["movingVariance"].copy())


def channels_first(pictures, layout):
    """[N, C, H, W], which lies in memory as the layout says."""
    pictures = pictures.unsqueeze(1) if pictures.dim() == 3 else pictures.permute(0, 3, 1, 2)
    return pictures.contiguous(memory_format=memory_format(layout))


def memory_format(layout):
    return torch.channels_last if layout == "channels_last" else torch.contiguous_format
