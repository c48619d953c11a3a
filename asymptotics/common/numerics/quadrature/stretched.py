"""The trapezoidal rule for wide Gaussians and functions that vary in a few places only, by a stretched variable.

E f(z), z ~ N(0, 1), where f varies (analytically) near the points ζ_j on the scales w_j ≪ 1, and not or linearly elsewhere, as an
activation that saturates does over a wide field. With u(z) = Σ_j ρ_j asinh((z − ζ_j)/w_j) + λ z the integrand is analytic in a
strip of the width π/4 about the real axis of u, where the Gaussian grows at last, whatever the scales are: the trapezoidal rule in u
errs by e^{−2πθ/h}, and the number of nodes goes with the logarithm of 1/w. λ sees to the Gaussian itself where the ζ_j are far away
or the w_j large; then ρ_j fades out, and what is left is the trapezoidal rule in z.

L. N. Trefethen, J. A. C. Weideman, *The exponentially convergent trapezoidal rule*, SIAM Review 56 (2014) 385, section 5.
"""

from __future__ import annotations

import math

import numpy as np

from ..code.compiled import njit

#: Half-width θ of the strip that is counted on. (Found on tanh and its products, widths 1e-4 to 10, means up to 10 deviations: with
#: .8 errors are up to twenty times too large.)
STRIP = 0.68
#: Spacing in z at the bulk in units of the spacing in u, where f varies there too.
BULK = 2.0
#: How much finer the trapezoidal rule in z is than a Gaussian alone needs: the lattices' margin, and polynomials of some degree.
FINE = 1.2
#: Scales far above this are not stretched for.
SMOOTH = 4.0
#: An error of u whose third power is none.
CLOSE = 1e-4


@njit(cache=True, nogil=True, error_model="numpy")
def spacing(decades: float) -> float:
    """Of nodes in u that leave an error of e^{−decades}."""
    return 2.0 * math.pi * STRIP / decades


@njit(cache=True, nogil=True, error_model="numpy")
def _variable(z: float, centres: np.ndarray, widths: np.ndarray, rho: np.ndarray, linear: float) -> float:
    """u(z)."""
    u = linear * z
    for j in range(rho.shape[0]):
        t = (z - centres[j]) / widths[j]
        part = math.log(abs(t) + math.sqrt(1.0 + t * t))
        u += rho[j] * (part if t > 0.0 else -part)
    return u


@njit(cache=True, nogil=True, error_model="numpy")
def _slopes(
    z: float, centres: np.ndarray, widths: np.ndarray, rho: np.ndarray, linear: float
) -> tuple[float, float, float]:
    """u′, u″ and u‴."""
    slope, bend, third = linear, 0.0, 0.0
    for j in range(rho.shape[0]):
        own = 1.0 / widths[j]
        t = (z - centres[j]) * own
        square = 1.0 / (1.0 + t * t)
        d = rho[j] * math.sqrt(square) * own
        slope += d
        d *= square * own
        bend -= d * t
        third += d * square * own * (2.0 * t * t - 1.0)
    return slope, bend, third


@njit(cache=True, nogil=True, error_model="numpy")
def stretched_axis(
    centres: np.ndarray,
    widths: np.ndarray,
    count: int,
    decades: float,
    reach: float,
    shifted: bool,
    mirrored: bool,
    z: np.ndarray,
    w: np.ndarray,
) -> int:
    """Nodes z between ∓reach and weights w, which are those of the integral and sum to one up to the error; their number.

    −1 where there is no room.

    Parameters
    ----------
    centres, widths : (≥ count,)
        ζ_j and w_j.
    count : int
        Of places where f varies.
    decades : float
        −ln of the wanted error.
    reach : float
        Where the Gaussian is cut off.
    shifted : bool
        Nodes half-way between the others: their leading error has the opposite sign.
    mirrored : bool
        Where f is even and all ζ_j = 0: nodes z ≥ 0 alone, with both their weights.
    z, w : (room,)
        Filled here.
    """
    h = spacing(decades)
    rho, at_bulk, most = np.empty(count), 0.0, 0.0
    for j in range(count):
        wide, far = widths[j] / SMOOTH, abs(centres[j]) / (reach + 2.0 * widths[j])
        wide, far = wide * wide * wide * wide, far * far * far * far
        rho[j] = 1.0 / ((1.0 + wide) * (1.0 + far * far))
        at_bulk += rho[j] / math.sqrt(widths[j] * widths[j] + centres[j] * centres[j] + 1.0)
        most = max(most, rho[j])
    alone = 2.0 * math.pi / (FINE * math.sqrt(2.0 * decades) * h)
    linear = max(0.0, 1.0 / (BULK * most + alone * (1.0 - most)) - at_bulk)
    offset = 0.5 if shifted else 0.0
    at = 0.0 if mirrored else -reach
    u, (slope, bend, third) = _variable(at, centres, widths, rho, linear), _slopes(at, centres, widths, rho, linear)
    target = h * offset if mirrored else h * (math.ceil(u / h - offset) + offset)
    number = 0
    while True:
        # From the last node by the series of the inverse, then by Halley's iteration.
        d = (target - u) / slope
        at += d * (1.0 + 0.5 * d * (-bend / slope + d * (bend * bend / (slope * slope) - third / (3.0 * slope))))
        for _ in range(50):
            u = _variable(at, centres, widths, rho, linear)
            slope, bend, third = _slopes(at, centres, widths, rho, linear)
            d = (target - u) / slope
            at += d / (1.0 + 0.5 * d * bend / slope) if abs(d * bend) < slope else d
            if abs(target - u) < CLOSE:
                break
        if at > reach:
            return number
        if number == z.shape[0]:
            return -1
        u = target
        slope, bend, third = _slopes(at, centres, widths, rho, linear)
        z[number] = at
        w[number] = h / slope * math.exp(-0.5 * at * at) * 0.3989422804014327
        if mirrored and number + offset > 0.0:
            w[number] *= 2.0
        number += 1
        target += h
