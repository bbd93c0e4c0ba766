"""softmax, softmaxCrossEntropy and their gradients."""

import torch
import torch.nn.functional as F

from golden import Family, gradient, grid

family = Family("Softmax")
for shape, axis in [((1, 1), 1), ((5, 10), 1), ((3, 4, 2), 1), ((0, 3), 1), ((7, 3), 0)]:
    x = grid(*shape, low=-6, high=6)
    family.add("softmax", {"axis": axis}, [x], [torch.softmax(x, dim=axis)])
# Far outside exp's range, and equal logits.
extreme = torch.tensor([[1000.0, 0, -1000], [-1000, -1000, -1000], [88, 89, 90]]).double()
family.add("softmax", {"axis": 1}, [extreme], [torch.softmax(extreme, dim=1)])

for rows in ([[0.25, 0.25, 0.5]], [[0.125, 0.75, 0.125], [0.5, 0.5, 0]], [[1.0]]):
    y = torch.tensor(rows).double()
    dy = grid(*y.shape)
    # At logits ln y the softmax is y.
    dx = gradient(lambda x: torch.softmax(x, dim=1), [torch.log(y.clamp(min=1e-300))], dy)
    family.add("softmax/backward", {"axis": 1}, [y, dy], [dx])


def cross_entropy(logits, targets):
    return F.cross_entropy(logits, targets, reduction="none")


for count, classes in [(1, 2), (5, 10), (7, 3), (0, 4)]:
    logits = grid(count, classes, low=-4, high=4)
    hot = F.one_hot(torch.arange(count) % classes, classes).double()
    # Smoothed by a quarter of powers of two, so that Float32 holds the targets.
    smooth = hot * 0.75 + 0.25 * F.one_hot((torch.arange(count) + 1) % classes, classes).double()
    for targets in (hot, smooth):
        dloss = grid(count)
        family.add("softmaxCrossEntropy", {}, [logits, targets], [cross_entropy(logits, targets)])
        family.add(
            "softmaxCrossEntropy/backward", {}, [logits, targets, dloss],
            [gradient(cross_entropy, [logits, targets], dloss)])
hot = F.one_hot(torch.tensor([0, 1, 2]), 3).double()
family.add("softmaxCrossEntropy", {}, [extreme, hot], [cross_entropy(extreme, hot)])
family.write()
