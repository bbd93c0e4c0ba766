"""rnn, lstm, gru and their gradients.

What torch.nn has, torch.nn gives: plain sequences in both directions, and sequences of several lengths as packed ones.
There torch answers 0 at steps beyond a sequence's end; here the state stays, which torch gives as its last one. Gates,
masks with holes, other activations, a scale and the reset before the product are loops of torch, by the formulas of the
laws, with gradients by autograd; each loop is held to torch.nn where that has the case.

Gates are i f c o (torch: i f g o) and z r h (torch: r z n).
"""

import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from golden import Family, grid, integers

family = Family("Recurrence")


def hard_sigmoid(x):
    """torch's own has a gradient of 1/6 in Float32."""
    return torch.clamp(x / 6 + 0.5, 0, 1)


FUNCTIONS = {
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu, "identity": lambda x: x,
    "hardSigmoid": hard_sigmoid, "selu": torch.selu, "softplus": F.softplus,
}


def order(steps, is_reversed):
    return range(steps - 1, -1, -1) if is_reversed else range(steps)


def unless_masked(made, kept, mask, t):
    return made if mask is None else torch.where(mask[:, t:t + 1], made, kept)


def scaled(h, scale):
    return h if scale is None else h * scale


def rnn(x, kernel, h, mask, scale, attributes):
    activate = FUNCTIONS[attributes["activation"]]
    states = [None] * x.shape[1]
    for t in order(x.shape[1], attributes["isReversed"]):
        h = unless_masked(activate(x[:, t] + scaled(h, scale) @ kernel), h, mask, t)
        states[t] = h
    return torch.stack(states, 1)


def lstm(x, kernel, h, c, mask, scale, attributes):
    activate, open = FUNCTIONS[attributes["activation"]], FUNCTIONS[attributes["recurrentActivation"]]
    states, cells, gates = ([None] * x.shape[1] for _ in range(3))
    for t in order(x.shape[1], attributes["isReversed"]):
        i, f, g, o = (x[:, t] + scaled(h, scale) @ kernel).chunk(4, 1)
        i, f, g, o = open(i), open(f), activate(g), open(o)
        cell = f * c + i * g
        h = unless_masked(o * activate(cell), h, mask, t)
        c = unless_masked(cell, c, mask, t)
        all = torch.cat([i, f, g, o], 1)
        states[t], cells[t], gates[t] = h, c, unless_masked(all, torch.zeros_like(all), mask, t)
    return torch.stack(states, 1), torch.stack(cells, 1), torch.stack(gates, 1)


def gru(x, kernel, bias, h, mask, scale, attributes):
    """The last results are those of the products with the kernel, step by step, of which gradients are asked."""
    activate, open = FUNCTIONS[attributes["activation"]], FUNCTIONS[attributes["recurrentActivation"]]
    units = h.shape[1]
    states, gates, inner, products = ([None] * x.shape[1] for _ in range(4))
    for t in order(x.shape[1], attributes["isReversed"]):
        q = scaled(h, scale)
        if attributes["resetAfter"]:
            m = q @ kernel + bias
            products[t] = m
            z, r = open(x[:, t, :2 * units] + m[:, :2 * units]).chunk(2, 1)
            g = activate(x[:, t, 2 * units:] + r * m[:, 2 * units:])
            inner[t] = unless_masked(m[:, 2 * units:], torch.zeros_like(h), mask, t)
        else:
            z, r = open(x[:, t, :2 * units] + q @ kernel[:, :2 * units]).chunk(2, 1)
            g = activate(x[:, t, 2 * units:] + (r * q) @ kernel[:, 2 * units:])
        h = unless_masked(z * h + (1 - z) * g, h, mask, t)
        all = torch.cat([z, r, g], 1)
        states[t], gates[t] = h, unless_masked(all, torch.zeros_like(all), mask, t)
    whole = torch.stack(states, 1), torch.stack(gates, 1)
    return (*whole, torch.stack(inner, 1), products) if attributes["resetAfter"] else whole


def torch_gates(tensor, gates):
    """Blocks of rows in torch's order, of a tensor whose rows are gates in ours."""
    if gates != 3:
        return tensor
    z, r, h = tensor.chunk(3, 0)
    return torch.cat([r, z, h])


def library(kind, x, kernel, bias, states, lengths, is_reversed, relu):
    """(h of each step, last states) of torch.nn: its input's kernel is the identity. A direction that is reversed is the
    second of a bidirectional network."""
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    units = kernel.shape[0]
    options = {"nonlinearity": "relu" if relu else "tanh"} if kind == "rnn" else {}
    network = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[kind](
        gates * units, units, batch_first=True, bidirectional=is_reversed, dtype=torch.float64, **options)
    suffix = "_reverse" if is_reversed else ""
    weights = {
        "weight_ih_l0" + suffix: torch_gates(torch.eye(gates * units, dtype=torch.float64), gates),
        "weight_hh_l0" + suffix: torch_gates(kernel.T, gates),
        "bias_ih_l0" + suffix: torch.zeros(gates * units, dtype=torch.float64),
        "bias_hh_l0" + suffix: torch.zeros(gates * units, dtype=torch.float64) if bias is None
        else torch_gates(bias[:, None], gates)[:, 0],
    }
    others = {name: value for name, value in network.named_parameters() if name not in weights}
    both = [torch.stack([torch.zeros_like(h), h] if is_reversed else [h]) for h in states]
    first = tuple(both) if kind == "lstm" else both[0]
    packed = x if lengths is None else pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    out, last = torch.func.functional_call(network, {**others, **weights}, (packed, first))
    if lengths is not None:
        out = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])[0]
    last = last if kind == "lstm" else (last,)
    return (out[..., -units:], *(state[-1] for state in last))


def mask_of(lengths, steps):
    return torch.arange(steps)[None] < torch.tensor(lengths)[:, None]


def add(
    kind, count, steps, units, mask=None, lengths=None, is_reversed=False, scale=False, activation="tanh",
    recurrent="sigmoid", reset_after=True, cell_gradient=False,
):
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[kind]
    x = grid(count, steps, gates * units)
    kernel = grid(units, gates * units, low=-1, high=1)
    bias = grid(gates * units, low=-1, high=1) if kind == "gru" and reset_after else None
    first = [grid(count, units, low=-1, high=1) for _ in range(2 if kind == "lstm" else 1)]
    factor = grid(count, units, low=0, high=1.5) if scale else None
    if lengths is not None:
        mask = mask_of(lengths, steps)
    attributes = {
        "activation": activation, "isMasked": mask is not None, "isReversed": is_reversed, "isScaled": scale,
    }
    if kind != "rnn":
        attributes["recurrentActivation"] = recurrent
    if kind == "gru":
        attributes["resetAfter"] = reset_after
    further = ([mask] if mask is not None else []) + ([factor] if scale else [])
    leaves = [x, kernel, *([bias] if bias is not None else []), *first]
    for leaf in leaves:
        leaf.requires_grad_()

    products = None
    if kind == "rnn":
        results = [rnn(x, kernel, *first, mask, factor, attributes)]
    elif kind == "lstm":
        results = list(lstm(x, kernel, *first, mask, factor, attributes))
    else:
        results = list(gru(x, kernel, bias, *first, mask, factor, attributes))
        if reset_after:
            products = results.pop()
    h = results[0]
    # What torch.nn has.
    if not scale and (mask is None or lengths is not None) and activation in ("tanh", "relu")[:2 if kind == "rnn" else 1] \
            and recurrent == "sigmoid" and reset_after and count > 0:
        theirs, *last = library(kind, x, kernel, bias, first, lengths, is_reversed, activation == "relu")
        if mask is not None:
            # Beyond a sequence's end: its last state, or where it comes from there the first one.
            kept = first[0] if is_reversed else last[0]
            theirs = torch.where(mask[..., None], theirs, kept[:, None])
        assert torch.allclose(h, theirs, rtol=0, atol=1e-14)
        ends = (0 if is_reversed else -1)
        for result, state in zip(results, last):
            assert torch.allclose(result[:, ends], state, rtol=0, atol=1e-14)
        dh = grid(*h.shape)
        asked = torch.autograd.grad((h * dh).sum(), leaves, retain_graph=True)
        answered = torch.autograd.grad((theirs * dh).sum(), leaves)
        assert all(torch.allclose(a, b, rtol=0, atol=1e-12) for a, b in zip(asked, answered))
        h = theirs
    family.add(kind, attributes, leaves + further, [h, *results[1:]])

    dh = grid(*h.shape)
    loss = (results[0] * dh).sum()
    upstream = [dh]
    if cell_gradient:
        upstream.append(grid(*h.shape))
        loss = loss + (results[1] * upstream[1]).sum()
    if kind == "lstm":
        attributes = {**attributes, "hasCellGradient": cell_gradient}
    inner = [] if products is None else [torch.stack(torch.autograd.grad(loss, products, retain_graph=True), 1)]
    loss.backward()
    saved = {"rnn": [h], "lstm": results[1:], "gru": [h, *results[1:]]}[kind]
    before = {"rnn": [], "lstm": first[1:], "gru": first}[kind]
    family.add(
        {"rnn": "rnn/backward", "lstm": "lstm/backward", "gru": "gru/backward"}[kind], attributes, [*saved, kernel, *before, *upstream, *further],
        [x.grad, *inner, *(state.grad for state in first)])


def holes(count, steps):
    return integers(count, steps, below=2).bool()


for kind in ("rnn", "lstm", "gru"):
    add(kind, 1, 1, 1)
    add(kind, 2, 3, 5)
    add(kind, 3, 4, 2, is_reversed=True)
    add(kind, 3, 5, 3, lengths=[5, 2, 3])
    add(kind, 3, 5, 3, lengths=[1, 5, 4], is_reversed=True)
    add(kind, 0, 3, 2)
    add(kind, 3, 4, 2, mask=holes(3, 4))
    add(kind, 2, 5, 3, mask=holes(2, 5), is_reversed=True, scale=True)
    add(kind, 2, 3, 2, mask=torch.zeros(2, 3).bool())
    add(kind, 2, 3, 3, activation="relu")
    add(kind, 2, 3, 3, activation="hardSigmoid", recurrent="tanh")
    add(kind, 2, 3, 3, activation="selu", recurrent="hardSigmoid", scale=True)
    add(kind, 2, 3, 3, activation="softplus", recurrent="relu")
    add(kind, 2, 3, 3, activation="identity", recurrent="softplus")
    add(kind, 2, 3, 3, activation="sigmoid", recurrent="identity")
add("lstm", 2, 3, 4, cell_gradient=True)
add("lstm", 3, 4, 2, mask=holes(3, 4), is_reversed=True, cell_gradient=True)
add("gru", 2, 3, 5, reset_after=False)
add("gru", 3, 4, 2, mask=holes(3, 4), is_reversed=True, reset_after=False)
add("gru", 2, 5, 3, mask=holes(2, 5), scale=True, reset_after=False, activation="relu", recurrent="hardSigmoid")
family.write()
