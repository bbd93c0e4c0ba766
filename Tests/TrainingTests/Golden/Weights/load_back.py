"""Loads what `switchback export RUN --to pytorch` wrote of the transformer block into PyTorch, and says by how much its outputs
differ from those of weights.py, relative to the largest. Run: python load_back.py FILE.safetensors"""

import pathlib
import sys

import torch
from safetensors.torch import load_file
from torch import nn

here = pathlib.Path(__file__).parent
exported = load_file(sys.argv[1])
names = {"self_attn": "selfAttention", "linear1": "feedforwardIntermediate", "linear2": "feedforwardOutput",
         "norm1": "selfAttentionNormalization", "norm2": "feedforwardNormalization"}
net = nn.TransformerEncoderLayer(8, 2, 12, dropout=0, batch_first=True).eval()
state = {}
for key in net.state_dict():
    layer, rest = key.split(".", 1)
    state[key] = exported[f"layers.0.transformerEncoder.{names[layer]}.{rest}"]
net.load_state_dict(state)
outputs = load_file(here / "torch-transformer.outputs.safetensors")
with torch.no_grad():
    difference = (net(outputs["input"]) - outputs["output"]).abs().max() / outputs["output"].abs().max()
print(float(difference))
