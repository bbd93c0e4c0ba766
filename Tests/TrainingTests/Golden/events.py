"""Prints what TensorBoard's own reader finds in an event file: a line a tag, with steps and values."""

import json
import sys

import numpy
from tensorboard.backend.event_processing.plugin_event_accumulator import TENSORS, EventAccumulator
from tensorboard.util import tensor_util

events = EventAccumulator(sys.argv[1], size_guidance={TENSORS: 0})
events.Reload()
for tag in sorted(events.Tags()["tensors"]):
    pairs = []
    for event in events.Tensors(tag):
        value = tensor_util.make_ndarray(event.tensor_proto)
        if value.dtype == object:
            value = value.reshape(-1)[0].decode()
        else:
            value = numpy.round(value.astype(float), 3).tolist()
        pairs.append([event.step, value])
    print(tag, json.dumps(pairs))
