"""oneHot, gather, scatterAdd, sequenceMask."""

import torch
import torch.nn.functional as F

from golden import Family, grid, integers

family = Family("Indexing")
for shape in [(1,), (7,), (2, 3), (0,)]:
    indices = integers(*shape, below=5)
    family.add("oneHot", {"classes": 5, "elementType": "f32"}, [indices], [F.one_hot(indices.long(), 5).double()])

for shape, count, axis in [((5,), 3, 0), ((5, 3), 4, 0), ((2, 5, 3), 7, 1), ((5, 2), 0, 0)]:
    x, indices = grid(*shape), integers(count, below=5)
    family.add("gather", {"axis": axis}, [x, indices], [torch.index_select(x, axis, indices)])
    updates = grid(*shape[:axis], count, *shape[axis + 1:])
    family.add("scatterAdd", {"axis": axis}, [x, indices, updates], [x.index_add(axis, indices, updates)])
x, indices = grid(2, 5), integers(2, 2, below=5)
family.add("gather", {"axis": 1}, [x, indices], [x[:, indices.long()]])
for count, steps in [(1, 5), (7, 5), (4, 1), (0, 5)]:
    lengths = integers(count, below=steps + 1)
    mask = torch.arange(steps)[None, :] < lengths[:, None]
    family.add("sequenceMask", {"steps": steps, "elementType": "f32"}, [lengths], [mask.double()])
    family.add("sequenceMask", {"steps": steps, "elementType": "bool"}, [lengths], [mask])
family.write()
