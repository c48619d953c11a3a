"""Numba kernels: particles through each score by Heun's rule in λ; they share no formula with the theory modules."""

from __future__ import annotations

import math

import numpy as np

from ...common.numerics.code.compiled import njit

#: Codes of the scores on the line.
EMPIRICAL, PIECEWISE, BOX_EMPIRICAL, BOX_PIECEWISE, GAUSSIAN_PIECEWISE = range(5)
#: Codes of the scores on a circle.
CIRCLE_EMPIRICAL, CHORD, ANGULAR = range(3)
BLOCK = 256


@njit(cache=True, inline="always", error_model="numpy")
def _nearest(y, x):
    low, high = 0, y.size - 1
    while high > low:
        middle = (low + high) // 2
        if x > 0.5 * (y[middle] + y[middle + 1]):
            low = middle + 1
        else:
            high = middle
    return low


@njit(cache=True, inline="always", error_model="numpy")
def _softmax_mean(y, x, v):
    if y.size == 2:
        z = (y[1] - y[0]) * (x - 0.5 * (y[0] + y[1])) / v
        return y[0] + (y[1] - y[0]) / (1.0 + math.exp(min(max(-z, -40.0), 40.0)))
    k = _nearest(y, x)
    lowest = (x - y[k]) ** 2
    weight, mean = 1.0, y[k]
    for direction in (-1, 1):
        j = k + direction
        while 0 <= j < y.size:
            e = ((x - y[j]) ** 2 - lowest) / (2.0 * v)
            if e > 40.0:
                break
            p = math.exp(-e)
            weight += p
            mean += p * y[j]
            j += direction
    return mean / weight


@njit(cache=True, inline="always", error_model="numpy")
def _log_density(y, x, v):
    k = _nearest(y, x)
    lowest = (x - y[k]) ** 2
    weight = 1.0
    for direction in (-1, 1):
        j = k + direction
        while 0 <= j < y.size:
            e = ((x - y[j]) ** 2 - lowest) / (2.0 * v)
            if e > 40.0:
                break
            weight += math.exp(-e)
            j += direction
    return math.log(weight) - lowest / (2.0 * v)


@njit(cache=True, inline="always", error_model="numpy")
def _mean(code, y, x, v, width):
    """Posterior mean at x, in units where the data are not contracted; v is the noise variance there."""
    if code == EMPIRICAL:
        return _softmax_mean(y, x, v)
    if code == PIECEWISE:
        return y[_nearest(y, x)]
    if code == BOX_EMPIRICAL:
        return x + v * (_log_density(y, x + width, v) - _log_density(y, x - width, v)) / (2.0 * width)
    total = y[0]
    for k in range(y.size - 1):
        u = (x - 0.5 * (y[k] + y[k + 1])) / width
        if code == BOX_PIECEWISE:
            share = 0.5 * (min(max(u, -1.0), 1.0) + 1.0)
        else:
            share = 1.0 if u > 8.0 else (0.0 if u < -8.0 else 0.5 * math.erfc(-u / math.sqrt(2.0)))
        total += (y[k + 1] - y[k]) * share
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def advance_line(code, x, y, lam, linear, pull, contract, variance, width):
    """Move particles (N,) in place: dx/dλ = linear·x + pull·(x − a M(x/a)).

    The time arrays have one entry a grid point: the coefficients, the contraction a of the data, and in units of the
    uncontracted data the noise variance and averaging width. A block of particles takes one step at a time, so that their
    chains of operations overlap.
    """
    for first in range(0, x.size, BLOCK):
        last = min(first + BLOCK, x.size)
        for s in range(lam.size - 1):
            h, a, b = lam[s + 1] - lam[s], contract[s], contract[s + 1]
            for i in range(first, last):
                p = x[i]
                k1 = linear[s] * p + pull[s] * (p - a * _mean(code, y, p / a, variance[s], width[s]))
                q = p + h * k1
                m = b * _mean(code, y, q / b, variance[s + 1], width[s + 1])
                x[i] = p + 0.5 * h * (k1 + linear[s + 1] * q + pull[s + 1] * (q - m))


# All numbers are finite here, so that reordering is harmless (differences of 1e-14); it lets the loop use vector registers.
@njit(cache=True, nogil=True, error_model="numpy", fastmath=True)
def advance_smoothed(x, y0, gap, n, lam, linear, pull, contract, width):
    """As `advance_line` for the smoothed score on n uniform points from ``y0`` on; no branches, so that it vectorises."""
    half, rate, top = 0.5 * gap, 1.0 / gap, float(n - 2)
    for first in range(0, x.size, BLOCK):
        last = min(first + BLOCK, x.size)
        for s in range(lam.size - 1):
            h, l0, l1, p0, p1 = lam[s + 1] - lam[s], linear[s], linear[s + 1], pull[s], pull[s + 1]
            a0, a1, g0, g1 = contract[s], contract[s + 1], 1.0 / contract[s], 1.0 / contract[s + 1]
            w0, w1 = 1.0 / width[s], 1.0 / width[s + 1]
            for i in range(first, last):
                p = x[i]
                u = p * g0 - y0
                k = np.floor(u * rate)
                k = 0.0 if k < 0.0 else (top if k > top else k)
                c = (k + 0.5) * gap
                v = (u - c) * w0
                v = -1.0 if v < -1.0 else (1.0 if v > 1.0 else v)
                m = a0 * (y0 + c + half * v)
                k1 = l0 * p + p0 * (p - m)
                q = p + h * k1
                u = q * g1 - y0
                k = np.floor(u * rate)
                k = 0.0 if k < 0.0 else (top if k > top else k)
                c = (k + 0.5) * gap
                v = (u - c) * w1
                v = -1.0 if v < -1.0 else (1.0 if v > 1.0 else v)
                m = a1 * (y0 + c + half * v)
                x[i] = p + 0.5 * h * (k1 + l1 * q + p1 * (q - m))


@njit(cache=True, nogil=True, error_model="numpy")
def advance_normal(x, lam, linear, pull):
    """Coordinates normal to the data (any shape, flattened), in place: dx/dλ = (linear + pull) x."""
    for s in range(lam.size - 1):
        h = lam[s + 1] - lam[s]
        a, b = linear[s] + pull[s], linear[s + 1] + pull[s + 1]
        for i in range(x.size):
            k1 = a * x[i]
            x[i] += 0.5 * h * (k1 + b * (x[i] + h * k1))


@njit(cache=True, inline="always", error_model="numpy")
def _circle_mean(code, n, cosine, sine, x0, x1, v, delta):
    """``cosine[j]``, ``sine[j]`` of the angles jπ/n: even j are the points, odd ones the middles of the edges."""
    alpha = math.pi / n
    k = math.floor(math.atan2(x1, x0) / (2.0 * alpha))
    c, s = cosine[(2 * k + 1) % (2 * n)], sine[(2 * k + 1) % (2 * n)]
    along, across = c * x0 + s * x1, c * x1 - s * x0
    if code == CIRCLE_EMPIRICAL:
        # |x − y_k|² differs between points only through −2 x·y_k.
        top = along * cosine[1] + abs(across) * sine[1]
        w = m0 = m1 = 0.0
        for j in range(0, 2 * n, 2):
            e = (cosine[j] * x0 + sine[j] * x1 - top) / v
            if e > -40.0:
                p = math.exp(e)
                w += p
                m0 += p * cosine[j]
                m1 += p * sine[j]
        return m0 / w, m1 / w
    z = across / (sine[1] - delta) if code == CHORD else math.atan2(across, along) / (alpha - delta)
    z = sine[1] * min(max(z, -1.0), 1.0)
    return cosine[1] * c - z * s, cosine[1] * s + z * c


@njit(cache=True, nogil=True, error_model="numpy")
def advance_circle(code, n, x, lam, variance, delta):
    """Move particles (N, 2) in place: dx/dλ = x − m(x, t) for n points on the unit circle."""
    angle = np.arange(2 * n) * (math.pi / n)
    cosine, sine = np.cos(angle), np.sin(angle)
    for first in range(0, x.shape[0], BLOCK):
        last = min(first + BLOCK, x.shape[0])
        for s in range(lam.size - 1):
            h = lam[s + 1] - lam[s]
            for i in range(first, last):
                p0, p1 = x[i, 0], x[i, 1]
                m0, m1 = _circle_mean(code, n, cosine, sine, p0, p1, variance[s], delta[s])
                k0, k1 = p0 - m0, p1 - m1
                q0, q1 = p0 + h * k0, p1 + h * k1
                m0, m1 = _circle_mean(code, n, cosine, sine, q0, q1, variance[s + 1], delta[s + 1])
                x[i, 0] = p0 + 0.5 * h * (k0 + q0 - m0)
                x[i, 1] = p1 + 0.5 * h * (k1 + q1 - m1)
