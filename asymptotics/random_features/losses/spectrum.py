r"""Spectrum of U: its atom, its bulks with edges, masses, and their weight in what can be learned.

For ψ_p ≫ ψ_n ≫ 1: an atom at s², a *memory bulk* of d eigenvalues, n − d others and d at the top; the memory bulk carries
memorisation. The target's weight of a bulk is its contribution to :math:`\int\rho_V(u)/u\,du=1-L_{\rm train}(\infty)`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.numerics.quadrature.contours import ellipse
from ..resolvents.contour import HEIGHT, along
from ..resolvents.equations import Model, Points, SolveError, Source, newton, solve_real, tangent
from .ridge import ridge

#: Grid of the density: points a decade, and decades below the upper end.
GRID, DECADES = 48, 9
#: Points of the grid in one stride down the ray.
STRIDE = 6
#: More points at every dip of the density.
FINER = 16
#: Below this share of |q| an imaginary part is none.
FLAT = 1e-7
#: A bulk of less mass is none.
EMPTY = 1e-7
#: Smallest angle above the real axis, and most strides to there.
LAST, LONGEST = 1e-10, 400


@dataclass(frozen=True)
class Bulk:
    """One interval of the spectrum.

    Parameters
    ----------
    lower, upper : float
        Edges.
    mass : float
        Number of eigenvalues over d (share × ψ_p).
    target_weight : float
        Contribution to 1 − L_train(τ = ∞).
    """

    lower: float
    upper: float
    mass: float
    target_weight: float


@dataclass(frozen=True)
class Atom:
    """Eigenvalues in one place.

    Parameters
    ----------
    eigenvalue : float
    mass : float
        Number of eigenvalues over d (share × ψ_p).
    share : float
    """

    eigenvalue: float
    mass: float
    share: float


@dataclass(frozen=True)
class Density:
    """Density of eigenvalues of U on a grid, without the atom.

    Parameters
    ----------
    eigenvalues, density : ndarray
    target : ndarray
        Density of the target's weight over u, ρ_V(u)/u.
    """

    eigenvalues: np.ndarray
    density: np.ndarray
    target: np.ndarray


def bottom(model: Model) -> float:
    """No eigenvalue of U lies below."""
    return model.s2 if model.per_noise == 0 else 0.0


def on_axis(model: Model) -> tuple[np.ndarray, Points]:
    """Eigenvalues u on a logarithmic grid above `bottom`, finer where the density has a dip, and the order parameters at u + i0."""
    low, high = bottom(model), np.log10(2 * model.largest())
    y = 10 ** np.linspace(high - DECADES, high, GRID * DECADES)
    # From the left of the spectrum round to a ray of the upper half-plane, and down the ray in strides.
    far, round_ = 30 * y[-1], np.exp(1j * np.linspace(np.pi, HEIGHT, 8)[1:])
    strides = y[::-STRIDE]
    turn = low + np.concatenate([far * round_, strides * np.exp(1j * HEIGHT)])
    ray = along(solve_real(model, far - low), low - far, turn).take(slice(round_.size, None))

    def reached(at: np.ndarray) -> Points:
        near = np.abs(np.log(at[:, None] / strides)).argmin(axis=1)
        return _down(ray.take(near), at, HEIGHT)

    points = reached(y)
    # There may be a gap narrower than the grid.
    height = points.q.imag
    dip = 1 + np.flatnonzero((height[1:-1] < height[:-2]) & (height[1:-1] <= height[2:]) & _inside(points)[1:-1])
    if dip.size == 0:
        return low + y, points
    share = np.linspace(0, 1, FINER + 2)[1:-1]
    more = (y[dip - 1, None] * (1 - share) + y[dip + 1, None] * share).ravel()
    finer, together = reached(more), np.concatenate([y, more])
    pairs = ((points.q, finer.q), (points.theta, finer.theta), (points.theta_d, finer.theta_d))
    order = np.argsort(together, kind="stable")
    return low + together[order], Points(model, *(np.concatenate(pair)[order] for pair in pairs))


def _down(points: Points, y: np.ndarray, first: float) -> Points:
    """From bottom + y exp(iφ) at φ = ``first`` to the real axis, all points at once, each in strides as short as it needs."""
    low = bottom(points.model)
    # What is given are points nearby.
    points, done = newton(points, -(low + y * np.exp(1j * first)))
    if not np.all(done & _physical(points)):
        raise SolveError(f"no physical root of the self-consistent equations near u = {low + y[np.argmin(done)]:.6g}")
    angle, ratio = np.full(y.size, first), np.full(y.size, 0.5)
    for _ in range(LONGEST):
        left = np.flatnonzero(angle > LAST)
        if left.size == 0:
            break
        here, wanted = points.take(left), angle[left] * ratio[left]
        moved, done = newton(here, -(low + y[left] * np.exp(1j * wanted)), steps=10)
        good = done & _physical(moved) & _near(moved, here)
        points = _put(points, left[good], moved.take(good))
        angle[left[good]] = wanted[good]
        ratio[left] = np.where(good, np.maximum(ratio[left] ** 1.5, 0.4), np.sqrt(ratio[left]))
    moved, done = newton(points, -(low + y) + 0j, steps=60)
    good = done & (moved.theta.imag <= FLAT * np.abs(moved.theta)) & (moved.q.imag >= -FLAT * np.abs(moved.q))
    # Outside the support q = ∫ρ/(x − u) rises; a root where it falls is another one.
    with np.errstate(all="ignore"):
        matrix, right, _ = tangent(moved, (Source(-1.0),))
        outside = np.flatnonzero(good & ~_inside(moved))
        good[outside] = np.linalg.solve(matrix[outside], right[outside])[:, 0, 0].real > 0
    return _put(points, np.flatnonzero(good), moved.take(good))


def _put(points: Points, index: np.ndarray, some: Points) -> Points:
    columns = [np.array(v, dtype=complex) for v in (points.q, points.theta, points.theta_d)]
    for column, values in zip(columns, (some.q, some.theta, some.theta_d), strict=True):
        column[index] = values
    return Points(points.model, *columns)


def _physical(points: Points) -> np.ndarray:
    return (points.q.imag > 0) & (points.theta.imag <= 0)


def _near(one: Points, two: Points) -> np.ndarray:
    pairs = ((one.q, two.q), (one.theta, two.theta), (one.theta_d, two.theta_d))
    return np.all([np.abs(a - b) < 0.2 * np.abs(b) for a, b in pairs], axis=0)


def _inside(points: Points) -> np.ndarray:
    r: np.ndarray = points.q.imag > FLAT * np.abs(points.q)
    return r


def density(model: Model) -> Density:
    """The density of eigenvalues and of the target's weight over the bulks."""
    u, points = on_axis(model)
    target = np.maximum(-points.phi.imag, 0.0) / np.pi / u
    return Density(u, np.where(_inside(points), points.q.imag, 0.0) / np.pi, target)


def bulks(model: Model) -> tuple[tuple[Bulk, ...], Atom | None]:
    """The bulks in ascending order, and the atom at `bottom` if there is one."""
    u, points = on_axis(model)
    inside = _inside(points)
    starts = np.flatnonzero(inside & ~np.roll(inside, 1))
    ends = np.flatnonzero(inside & ~np.roll(inside, -1))
    found, covered = [], 0.0
    for k, (i, j) in enumerate(zip(starts, ends, strict=True)):
        # A support that reaches the grid's end goes down to the bottom itself.
        hard = i == 0
        lower = bottom(model) if hard else _edge(u[i - 1], u[i], points.take([i]))
        upper = _edge(u[j + 1], u[j], points.take([j]))
        left = int(i) // 2 if k == 0 else int(ends[k - 1] + i) // 2
        right = min(int(j) + 6, u.size - 1) if k == len(starts) - 1 else int(j + starts[k + 1]) // 2
        mass, weight = (np.nan, np.nan) if hard else _inside_of(model, u, points, left, right)
        # An atom's flank can look like a bulk; it holds nothing.
        if hard or mass > EMPTY:
            found.append(Bulk(float(lower), float(upper), mass, weight))
            covered += 0.0 if hard else mass
    share = 1 - covered / model.psi_p
    if found and np.isnan(found[0].mass):
        found[0] = _rest(model, found)
        return tuple(found), None
    atom = Atom(bottom(model), share * model.psi_p, share) if share > 1e-6 else None
    return tuple(found), atom


def _edge(outside: float, inside: float, points: Points) -> float:
    """The end of the support between a point outside and one inside, from the order parameters inside."""
    for _ in range(26):
        middle = np.sqrt(outside * inside)
        moved, done = newton(points, np.array([-middle + 0j]), steps=60)
        if done[0] and moved.q[0].imag > FLAT * abs(moved.q[0]):
            inside, points = middle, moved
        else:
            outside = middle
    return inside


def _inside_of(model: Model, u: np.ndarray, points: Points, left: int, right: int) -> tuple[float, float]:
    """Mass (over d) and target's weight between two points of the grid outside the support."""
    low = bottom(model)
    half = 0.5 * np.log((u[right] - low) / (u[left] - low))
    before, points = np.full(2, np.inf), points.take([left])
    for count in (48, 96, 192, 384, 768):
        shifted, weights = ellipse(u[left] - low, u[right] - low, min(HEIGHT, half), count)
        z = shifted + low
        points = along(points, u[left], z) if count == 48 else _between(points, z)
        found = np.array([-model.psi_p * 2 * (weights @ points.q).real, -2 * (weights @ ((1 - points.phi) / z)).real])
        if np.abs(found - before).max() < 1e-8:
            break
        before = found
    return float(found[0]), float(found[1])


def _between(points: Points, z: np.ndarray) -> Points:
    """Order parameters on twice as many nodes of a contour, from those on the fewer."""
    here, there = (np.arange(n) + 0.5 for n in (points.q.size, z.size))
    guess = Points(points.model, *(np.interp(there / 2, here, v) for v in (points.q, points.theta, points.theta_d)))
    found, done = newton(guess, -z)
    if not np.all(done & (found.q.imag >= 0) & (found.theta.imag <= 0)):
        raise SolveError("the order parameters of a finer contour are not physical")
    return found


def _rest(model: Model, found: list[Bulk]) -> Bulk:
    """The bulk that reaches down to zero (p = nm): what the others leave."""
    others = sum(b.mass for b in found[1:])
    # 1 − L_train(∞), just above λ = 0
    total = 1 - ridge(model, 1e-9 * model.largest()).train_loss
    weight = total - sum(b.target_weight for b in found[1:])
    return Bulk(found[0].lower, found[0].upper, model.psi_p - others, weight)
