"""matmul."""

import torch

from golden import Family, grid

family = Family("MatrixMultiplication")
for transpose_a in (False, True):
    for transpose_b in (False, True):
        for batch, m, n, k in [((), 1, 1, 1), ((), 7, 5, 3), ((), 0, 4, 3), ((), 2, 3, 0), ((2, 3), 3, 2, 5)]:
            a = grid(*batch, *((k, m) if transpose_a else (m, k)))
            b = grid(*batch, *((n, k) if transpose_b else (k, n)))
            y = torch.matmul(a.mT if transpose_a else a, b.mT if transpose_b else b)
            family.add("matmul", {"transposeA": transpose_a, "transposeB": transpose_b}, [a, b], [y])
family.write()
