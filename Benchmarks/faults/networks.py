"""Configurations as text: layers, and the rest with a usual value for what a case leaves out."""


def dense(units, activation="relu", kernel="", bias="", more=""):
    keys = [f"units: {units}", f"activation: {activation}"]
    keys += [f"kernel_initializer: {kernel}"] if kernel else []
    keys += [f"bias_initializer: {bias}"] if bias else []
    return f"{{dense: {{{', '.join(keys + ([more] if more else []))}}}}}"


def conv(filters, size=3, activation="relu", more=""):
    keys = [f"filters: {filters}", f"kernel_size: {size}", f"activation: {activation}"] + ([more] if more else [])
    return f"{{conv2d: {{{', '.join(keys)}}}}}"


def repeat(times, *layers):
    return f"{{repeat: {{times: {times}, layers: [{', '.join(layers)}]}}}}"


def residual(*layers, activation=""):
    more = f", activation: {activation}" if activation else ""
    return f"{{residual: {{layers: [{', '.join(layers)}]{more}}}}}"


def normal(deviation):
    return f"{{type: random_normal, stddev: {deviation}}}"


def constant(value):
    return f"{{type: constant, value: {value}}}"


def softmax(units=10, **more):
    return dense(units, "softmax", **more)


def mlp(*hidden, classes=10):
    """Layers behind `flatten`, with an output for each class."""
    return ["flatten", *hidden, softmax(classes)]


def sgd(rate=0.1, more=""):
    return f"{{type: sgd, learning_rate: {rate}{', ' + more if more else ''}}}"


def adam(rate=0.001, more="", kind="adam"):
    return f"{{type: {kind}, learning_rate: {rate}{', ' + more if more else ''}}}"


def configuration(case, width, data, backend):
    """The text of a case's configuration, of layers with so many units."""
    monitor = f"\nmonitor: {{{case.monitor}}}" if case.monitor else ""
    layers = "\n".join(f"    - {layer}" for layer in case.layers(width))
    more = f"\n  {case.training}" if case.training else ""
    return f"""version: 1
name: {case.name}
model:
  layers:
{layers}
data: {data}
training:
  epochs: 1000
  steps: {case.steps}
  batch_size: {case.batch}
  keep_checkpoints: 1
  loss: {case.loss}
  optimizer: {case.optimizer}{more}
backend: {{name: {backend}}}{monitor}
"""
