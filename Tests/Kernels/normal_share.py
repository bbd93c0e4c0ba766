"""The coefficients of `normal_share_of` in Backends/CPUKernels/Kernels/vector_functions.h, printed with their largest error.

    python3 Tests/Kernels/normal_share.py     # needs numpy and mpmath

Φ(-a)·exp(a²/2) is smooth: of t = 1/(1 + 0.35·a) it is a polynomial without a constant term. Lawson's weights make the largest
relative error as small as it can be, for a from 0 to 14 (there the exponential is 0 in Float32).
"""

import mpmath
import numpy

mpmath.mp.dps = 40
SCALE, DEGREE, END, POINTS = 0.35, 9, 14, 400


def scaled_share(a):
    return mpmath.erfc(a / mpmath.sqrt(2)) / 2 * mpmath.exp(a * a / 2)


first = 1 / (1 + SCALE * END)
nodes = numpy.cos((numpy.arange(POINTS) + 0.5) * numpy.pi / POINTS)
t = (first + 1) / 2 + (1 - first) / 2 * nodes
exact = numpy.array([float(scaled_share((1 / mpmath.mpf(each) - 1) / mpmath.mpf(SCALE))) for each in t])
terms = numpy.stack([t**power for power in range(1, DEGREE + 1)], 1) / exact[:, None]
weights = numpy.ones(POINTS)
for _ in range(60):
    coefficients = numpy.linalg.lstsq(terms * weights[:, None], weights, rcond=None)[0]
    errors = numpy.abs(terms @ coefficients - 1)
    weights *= (errors / errors.max() + 1e-3) ** 0.5
    weights /= weights.max()
for power, coefficient in enumerate(coefficients, 1):
    print(f"t^{power}: {coefficient:.9g}f")
print(f"largest relative error: {errors.max():.1e}")
