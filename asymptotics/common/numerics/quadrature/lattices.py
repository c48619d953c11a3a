"""Lattices for Gaussian expectations of analytic functions: spacing chosen beforehand from how far the function is analytic.

E f(z), z ~ N(0, I_n), by the trapezoidal rule on a lattice is exact up to the Fourier transform of f × Gaussian at the points of
the dual lattice (Poisson's formula), and so converges exponentially. What decides is the shortest dual vector k. For a function of
a field ω = m + s z whose nearest singularity is a pole of order q at the distance δ from the real axis the transform decays as
k^{q−1} e^{−dk + d²/2}/(q − 1)! with d = δ/s; for a Gaussian factor e^{−gω²} as e^{−k²/(2(1 + 2gs²))}; never faster than
e^{−k²/2}. The densest dual packings need the fewest nodes: the hexagonal lattice, BCC (dual to FCC), D₄.

L. N. Trefethen, J. A. C. Weideman, *The exponentially convergent trapezoidal rule*, SIAM Review 56 (2014) 385.
"""

from __future__ import annotations

import math

import numpy as np

from ..code.compiled import njit

#: Most dimensions in which a lattice is built.
DIMENSIONS = 4
#: Spacings are rounded down to powers of this, so that a table of nodes serves many evaluations.
GRID = 1.04
#: The shortest dual vectors are this much longer than needed for a pole alone.
MARGIN = 1.0746
#: Fields narrower than this are taken as this wide.
NARROW = 1e-3

_DIAGONAL = math.sqrt(0.5)


@njit(cache=True, nogil=True, error_model="numpy")
def dual_radius(
    deviation: float, decades: float, distance: float, order: float, gaussian: float, frequency: float = 0.0
) -> float:
    """Length of the shortest dual vectors that leaves an error of e^{−decades}.

    Parameters
    ----------
    deviation : float
        Largest standard deviation s of a field.
    decades : float
        −ln of the wanted error, with a reserve.
    distance, order : float
        Of the nearest singularity (0: there is none).
    gaussian : float
        g of the factors e^{−gω²}.
    frequency : float
        f of the factors e^{±ifω}.
    """
    s = max(deviation, NARROW)
    k = math.sqrt(2.0 * decades * (1.0 + 2.0 * gaussian * s * s))
    if distance > 0.0:
        d = distance / s
        if k > d:
            last = math.lgamma(order)
            x = (decades + 0.5 * d * d) / d
            for _ in range(30):
                # Newton's method for d x = decades + d²/2 + (q − 1) ln x − ln (q − 1)!.
                beyond = d * x - decades - 0.5 * d * d - (order - 1.0) * math.log(max(x, 1.0)) + last
                slope = d - (order - 1.0) / x if x > 1.0 else d
                before, x = x, x - beyond / max(slope, 0.1 * d)
                if abs(x - before) < 1e-7 * x:
                    break
            k = max(k, x)
    return max(k, math.sqrt(2.0 * decades) + frequency * s)


@njit(cache=True, nogil=True, error_model="numpy")
def level_of(radius: float) -> int:
    """The rung of the ladder of spacings whose dual vectors are at least this long."""
    return math.floor(math.log(2.0 * math.pi / radius) / math.log(GRID))


@njit(cache=True, nogil=True, error_model="numpy")
def ball(dimension: int, radius: float) -> float:
    """Its volume."""
    return math.pi ** (0.5 * dimension) / math.gamma(0.5 * dimension + 1.0) * radius**dimension


@njit(cache=True, nogil=True, error_model="numpy")
def cell(dimension: int) -> float:
    """Volume of a lattice's cell, in units of (GRID^level / MARGIN)^n."""
    return 1.0 if dimension == 1 else MARGIN**2 if dimension == 2 else math.sqrt(2.0) if dimension == 3 else 2.0


@njit(cache=True, nogil=True, error_model="numpy")
def nodes_in_ball(dimension: int, cut: float, spacing: float) -> float:
    """About how many nodes a ball of radius ``cut`` holds, where the shortest dual vectors are 2π / spacing long."""
    return ball(dimension, cut) / (cell(dimension) * (spacing / MARGIN) ** dimension)


@njit(cache=True, nogil=True, error_model="numpy")
def finest_level(dimension: int, cut: float, room: int) -> int:
    """The finest rung of which a ball of radius ``cut`` has room for all nodes."""
    # A tenth and some more for the surface.
    smallest = (1.15 * ball(dimension, cut) / (cell(dimension) * max(room - 16, 1))) ** (1.0 / dimension) * MARGIN
    return math.ceil(math.log(smallest) / math.log(GRID))


@njit(cache=True, nogil=True, error_model="numpy")
def _gaussians(origin: float, step: float, m: int) -> np.ndarray:
    """e^{−x²/2} at the places origin + step × i, i = −m … m: a node's weight is a product of those of its coordinates."""
    found = np.empty(2 * m + 1)
    for i in range(-m, m + 1):
        x = origin + step * i
        found[i + m] = math.exp(-0.5 * x * x)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def fill_lattice(level: int, cut: float, shifted: bool, z: np.ndarray, w: np.ndarray) -> int:
    """Nodes z (:, n) inside the ball of radius ``cut`` and their weights, which sum to one; their number, −1 where there is no room.

    ``shifted``: nowhere near another point of the lattice, so that the errors of all short dual vectors have another phase there: the
    difference shows at least half of each, also where the function varies along one of them alone. (By a deep hole some of the second
    shortest would not be seen, and these are what decides where one field is wide and the others narrow.)
    """
    n, room = z.shape[1], w.shape[0]
    h = GRID**level / MARGIN
    if n == 1:
        basis = h
    elif n == 2:
        # Cells of the area of a square lattice; rows b apart, points a apart.
        basis = MARGIN * h * math.sqrt(2.0 / math.sqrt(3.0))
    elif n == 3:
        basis = h * math.sqrt(2.0)
    else:
        basis = h
    square, count, total = cut * cut, 0, 0.0
    if n == 1:
        origin = 0.5 * h if shifted else 0.0
        for i in range(math.ceil((-cut - origin) / h), math.floor((cut - origin) / h) + 1):
            if count == room:
                return -1
            x = origin + i * h
            z[count, 0] = x
            w[count] = math.exp(-0.5 * x * x)
            total += w[count]
            count += 1
    elif n == 2:
        a, b = basis, basis * math.sqrt(3.0) / 2.0
        right, up = (a / 6.0, 2.0 * b / 3.0) if shifted else (0.0, 0.0)
        # (b < a: there are fewer places in a row than rows.)
        m = int(cut / b) + 2
        even, odd = _gaussians(right, a, m), _gaussians(right + 0.5 * a, a, m)
        for j in range(-m, m + 1):
            y = up + b * j
            if y * y > square:
                continue
            half = math.sqrt(square - y * y)
            origin, along, across = right + 0.5 * a * (j & 1), odd if j & 1 else even, math.exp(-0.5 * y * y)
            for i in range(math.ceil((-half - origin) / a), math.floor((half - origin) / a) + 1):
                if count == room:
                    return -1
                x = origin + a * i
                # Two fields that change places mirror the lattice: the symmetries of a training are its nodes' own.
                z[count, 0], z[count, 1] = (y + x) * _DIAGONAL, (y - x) * _DIAGONAL
                w[count] = across * along[i + m]
                total += w[count]
                count += 1
    elif n == 3:
        # BCC: integer triples all even or all odd, in halves of the cube's side a.
        a = basis
        s0, s1, s2 = (5.0 * a / 12.0, -a / 12.0, 0.25 * a) if shifted else (0.0, 0.0, 0.0)
        m = int(2.0 * cut / a) + 2
        g0, g1, g2 = _gaussians(s0, 0.5 * a, m), _gaussians(s1, 0.5 * a, m), _gaussians(s2, 0.5 * a, m)
        for i in range(-m, m + 1):
            x = s0 + 0.5 * a * i
            if x * x > square:
                continue
            for j in range(-m + ((i + m) & 1), m + 1, 2):
                y = s1 + 0.5 * a * j
                if x * x + y * y > square:
                    continue
                for k in range(-m + ((i + m) & 1), m + 1, 2):
                    v = s2 + 0.5 * a * k
                    r = x * x + y * y + v * v
                    if r > square:
                        continue
                    if count == room:
                        return -1
                    z[count, 0], z[count, 1], z[count, 2] = x, y, v
                    w[count] = g0[i + m] * g1[j + m] * g2[k + m]
                    total += w[count]
                    count += 1
    else:
        # D₄: integer quadruples of even sum; the shortest dual vectors are (1, 0, 0, 0) and (½, ½, ½, ½).
        a = basis
        s0, s1, s2 = (-a / 3.0, 2.0 * a / 3.0, a / 3.0) if shifted else (0.0, 0.0, 0.0)
        m = int(cut / a) + 2
        g0, g1, g2 = _gaussians(s0, a, m), _gaussians(s1, a, m), _gaussians(s2, a, m)
        for i in range(-m, m + 1):
            x = s0 + a * i
            if x * x > square:
                continue
            for j in range(-m, m + 1):
                y = s0 + a * j
                if x * x + y * y > square:
                    continue
                for k in range(-m, m + 1):
                    v = s1 + a * k
                    partial = x * x + y * y + v * v
                    if partial > square:
                        continue
                    for e in range(-m + ((i + j + k) & 1 ^ (m & 1)), m + 1, 2):
                        u = s2 + a * e
                        r = partial + u * u
                        if r > square:
                            continue
                        if count == room:
                            return -1
                        z[count, 0], z[count, 1], z[count, 2], z[count, 3] = x, y, v, u
                        w[count] = g0[i + m] * g0[j + m] * g1[k + m] * g2[e + m]
                        total += w[count]
                        count += 1
    for k in range(count):
        w[k] /= total
    return count
