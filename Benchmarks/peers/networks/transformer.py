"""A block of a transformer's encoder, normalized first, over a picture's numbers as tokens.

Layouts: `layer` is nn.TransformerEncoderLayer, `written` the same with one product for queries, keys and values and
scaled_dot_product_attention."""
import torch
from torch import nn
from torch.nn import functional

from . import copy, take_dense, take_normalization

ATTENTION, FEEDFORWARD = ("transformerEncoder.selfAttention", "transformerEncoder.feedforward")


class Network(nn.Module):
    @staticmethod
    def layouts(settings):
        return ["layer", "written"], ["layer", "written"]

    @staticmethod
    def read(pictures, layout):
        return pictures

    def __init__(self, layout, tokens, width, heads, inner):
        super().__init__()
        (self.layout, self.tokens, self.heads) = (layout, tokens, heads)
        self.first = nn.Linear(32 * 32 * 3 // tokens, width)
        self.positions = nn.Parameter(torch.zeros(tokens, width))
        self.block = nn.TransformerEncoderLayer(
            width, heads, inner, dropout=0, activation="gelu", layer_norm_eps=1e-5, batch_first=True, norm_first=True)
        self.last = nn.Linear(width, 10)

    def forward(self, x):
        x = self.first(x.reshape(len(x), self.tokens, -1)) + self.positions
        x = self.block(x) if self.layout == "layer" else self.written(x)
        return self.last(x.mean(1))

    def written(self, x):
        block, attention = self.block, self.block.self_attn
        projected = functional.linear(block.norm1(x), attention.in_proj_weight, attention.in_proj_bias)
        q, k, v = projected.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + attention.out_proj(attended)
        return x + block.linear2(functional.gelu(block.linear1(block.norm2(x))))

    def take(self, layers):
        def layer(ending):
            (found,) = [own for path, own in layers.items() if path.endswith(ending)]
            return found

        paths = list(layers)
        take_dense(self.first, layers[paths[0]])
        copy(self.positions, layer("positionEmbedding")["embeddings"].copy())
        projections = [layer(f"{ATTENTION}.{part}") for part in ("query", "key", "value")]
        copy(self.block.self_attn.in_proj_weight, torch.cat([torch.as_tensor(p["kernel"].T.copy()) for p in projections]))
        copy(self.block.self_attn.in_proj_bias, torch.cat([torch.as_tensor(p["bias"].copy()) for p in projections]))
        take_dense(self.block.self_attn.out_proj, layer(f"{ATTENTION}.attentionOutput"))
        take_normalization(self.block.norm1, layer(f"{ATTENTION}Normalization"))
        take_normalization(self.block.norm2, layer(f"{FEEDFORWARD}Normalization"))
        take_dense(self.block.linear1, layer(f"{FEEDFORWARD}Intermediate"))
        take_dense(self.block.linear2, layer(f"{FEEDFORWARD}Output"))
        take_dense(self.last, layers[paths[-1]])
