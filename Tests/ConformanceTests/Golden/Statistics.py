"""statistics, with and without the histogram of exponents."""

import torch

from golden import Family, grid

family = Family("Statistics")
special = grid(5, 7)
special[0, 0], special[1, 3], special[4, 6], special[2, 2] = float("nan"), float("inf"), float("-inf"), 0
tiny = torch.tensor([2.0**-60, 2.0**-41, 2.0**-40, 2.0**-39, 1.0, 1.5, 2.0**22, 2.0**23, 2.0**24, 2.0**40]).double()
for x in (grid(1), grid(7), grid(3, 5, 7), special, tiny, grid(0)):
    finite = x[torch.isfinite(x)]
    zero = torch.zeros(())
    fields = [
        torch.tensor(float(x.numel())), finite.mean() if finite.numel() else zero,
        ((finite - finite.mean()) ** 2).sum() if finite.numel() else zero,
        finite.min() if finite.numel() else zero, finite.max() if finite.numel() else zero,
        finite.abs().max() if finite.numel() else zero, torch.sqrt((finite * finite).sum()),
        (x == 0).sum(), torch.isnan(x).sum(), torch.isinf(x).sum(),
    ]
    fields = torch.stack([torch.as_tensor(field).double() for field in fields])
    family.add("statistics", {"histogram": False}, [x], [fields])
    exponents = torch.floor(torch.log2(finite[finite != 0].abs()))
    bins = torch.bincount((exponents + 40).clamp(0, 63).long(), minlength=64).double()
    family.add("statistics", {"histogram": True}, [x], [torch.cat([fields, bins])])
family.write()
