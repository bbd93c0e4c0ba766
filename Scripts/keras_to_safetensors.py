"""Writes the weights of a Keras model as safetensors, which `switchback import` reads.

    python keras_to_safetensors.py MODEL.keras FILE.safetensors      # or MODEL.h5

Needs keras (with any of its backends) and safetensors. Keras runs the model's file as it loads it: take files that you trust.
The order of the layers, which safetensors does not keep, stands in the metadata."""

import json
import sys

import keras
import numpy as np
from safetensors.numpy import save_file

model = keras.models.load_model(sys.argv[1], compile=False)
weights = {}
for variable in model.variables:
    if "seed_generator" not in variable.path:
        weights[variable.path] = np.ascontiguousarray(keras.ops.convert_to_numpy(variable.value))
save_file(weights, sys.argv[2], {"framework": "keras", "order": json.dumps(list(weights))})
print(f"{len(weights)} tensors in {sys.argv[2]}")
