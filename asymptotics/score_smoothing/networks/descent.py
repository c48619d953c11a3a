"""Full-batch gradient descent with momentum and weight decay of the small score networks: checks, noise, and the loops.

The loops on the line and in the plane are two: with coordinates and outputs written out neither has an inner loop over them.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from ...common.input.checks import integer, number
from ...common.numerics.code.compiled import njit


def begun(
    decay: float, hidden: int, noises: int, least: int, steps: int, rate: float, momentum: float, seed: int
) -> tuple[np.random.Generator, np.ndarray]:
    """Check what every training is told; the generator of initial weights, and ``noises`` (at least ``least``) Gaussian quantiles.

    The quantiles are equally likely, with mean square 1.

    Raises
    ------
    InputError
        Naming the argument that is out of range.
    """
    number("decay", decay, above=0.0)
    number("rate", rate, above=0.0)
    number("momentum", momentum, at_least=0.0, below=1.0)
    integer("hidden", hidden, at_least=3)
    integer("steps", steps, at_least=1)
    count = integer("noises", noises, at_least=least)
    xi = ndtri((np.arange(count) + 0.5) / count)
    return np.random.default_rng(integer("seed", seed, at_least=0)), xi / np.sqrt(np.mean(xi**2))


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


@njit(cache=True, nogil=True, error_model="numpy")
def descend_plane(x, target, a, w, b, c, linear, decay, rate, momentum, steps):
    """Minimise ½ mean |g(x) − target|² + decay/2 Σ(|a_j|² + |w_j|²) in place, g = Σ a_j [w_j·x + b_j]_+ + c + linear x.

    The last fifth of the steps lets the rate go linearly to zero.
    """
    n, m = x.shape[0], b.size
    va, vw, vb = np.zeros((m, 2)), np.zeros((m, 2)), np.zeros(m)
    vc, vl = np.zeros(2), np.zeros((2, 2))
    residual, active = np.empty((n, 2)), np.empty((m, n))
    for step in range(steps):
        eta = rate * min(1.0, (steps - step) / (0.2 * steps))
        for i in range(n):
            residual[i, 0] = c[0] + linear[0, 0] * x[i, 0] + linear[0, 1] * x[i, 1] - target[i, 0]
            residual[i, 1] = c[1] + linear[1, 0] * x[i, 0] + linear[1, 1] * x[i, 1] - target[i, 1]
        for j in range(m):
            w0, w1, bj, a0, a1 = w[j, 0], w[j, 1], b[j], a[j, 0], a[j, 1]
            for i in range(n):
                h = max(w0 * x[i, 0] + w1 * x[i, 1] + bj, 0.0)
                active[j, i] = h
                residual[i, 0] += a0 * h
                residual[i, 1] += a1 * h
        g = np.zeros((2, 3))
        for i in range(n):
            for k in range(2):
                residual[i, k] /= n
                g[k, 0] += residual[i, k] * x[i, 0]
                g[k, 1] += residual[i, k] * x[i, 1]
                g[k, 2] += residual[i, k]
        for j in range(m):
            a0, a1 = a[j, 0], a[j, 1]
            up0 = up1 = on = x0 = x1 = 0.0
            for i in range(n):
                h = active[j, i]
                up0 += h * residual[i, 0]
                up1 += h * residual[i, 1]
                r = a0 * residual[i, 0] + a1 * residual[i, 1] if h > 0.0 else 0.0
                on += r
                x0 += r * x[i, 0]
                x1 += r * x[i, 1]
            va[j, 0] = momentum * va[j, 0] - eta * (up0 + decay * a0)
            va[j, 1] = momentum * va[j, 1] - eta * (up1 + decay * a1)
            vw[j, 0] = momentum * vw[j, 0] - eta * (x0 + decay * w[j, 0])
            vw[j, 1] = momentum * vw[j, 1] - eta * (x1 + decay * w[j, 1])
            vb[j] = momentum * vb[j] - eta * on
            for k in range(2):
                a[j, k] += va[j, k]
                w[j, k] += vw[j, k]
            b[j] += vb[j]
        for k in range(2):
            vc[k] = momentum * vc[k] - eta * g[k, 2]
            c[k] += vc[k]
            for i in range(2):
                vl[k, i] = momentum * vl[k, i] - eta * g[k, i]
                linear[k, i] += vl[k, i]
