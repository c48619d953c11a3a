"""Numba kernel of the small score network: full-batch gradient descent with momentum and weight decay."""

from __future__ import annotations

import numpy as np

from ...common.numerics.compiled import njit


@njit(cache=True, nogil=True, error_model="numpy")
def descend(x, target, a, w, b, affine, decay, rate, momentum, steps):
    """Minimise ½ mean (g(x) − target)² + decay/2 Σ(a² + w²) in place, g = Σ a_j [w_j x + b_j]_+ + affine₀ + affine₁ x.

    The last fifth of the steps lets the rate go linearly to zero.
    """
    n, m = x.size, a.size
    va, vw, vb, v2 = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(2)
    residual = np.empty(n)
    for step in range(steps):
        left = (steps - step) / (0.2 * steps)
        eta = rate * min(1.0, left)
        for i in range(n):
            residual[i] = affine[0] + affine[1] * x[i] - target[i]
        for j in range(m):
            aj, wj, bj = a[j], w[j], b[j]
            for i in range(n):
                residual[i] += aj * max(wj * x[i] + bj, 0.0)
        g0 = g1 = 0.0
        for i in range(n):
            residual[i] /= n
            g0 += residual[i]
            g1 += residual[i] * x[i]
        for j in range(m):
            aj, wj, bj = a[j], w[j], b[j]
            on = onx = 0.0
            for i in range(n):
                r = residual[i] if wj * x[i] + bj > 0.0 else 0.0
                on += r
                onx += r * x[i]
            va[j] = momentum * va[j] - eta * (wj * onx + bj * on + decay * aj)
            vw[j] = momentum * vw[j] - eta * (aj * onx + decay * wj)
            vb[j] = momentum * vb[j] - eta * aj * on
            a[j] += va[j]
            w[j] += vw[j]
            b[j] += vb[j]
        v2[0] = momentum * v2[0] - eta * g0
        v2[1] = momentum * v2[1] - eta * g1
        affine[0] += v2[0]
        affine[1] += v2[1]
