"""The image of the latent Gaussian under the flow map, by cells of z₀ that are split until the map is quadratic in each.

Near t = 1 the flow separates starting points on the two sides of a separatrix and draws together those on the same side: its
map is nearly a step, and no fixed grid resolves it. A cell is kept when its quadratic interpolant meets the map at the nodes of
the doubled cell; both are kept, so that whatever is computed from the doubled cells has an error stated by the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

#: The latent Gaussian is cut at this many standard deviations (mass 3e-12).
REACH = 7.0
#: Cells a direction to begin with.
BASE = {1: 64, 2: 28}
#: A cell is kept where its interpolant meets the map to this share of the cell's own image, or of the width of the Gaussian part.
OWN = {1: 1e-4, 2: 1e-3}
WIDTH = {1: 1e-4, 2: 1e-3}
#: Two directions: cells that hold less than this may be coarser, by the root of the ratio, up to so much.
LIGHT, EASED = 1e-5, 30.0
#: Cells that hold less are not split.
NEGLIGIBLE = {1: 1e-13, 2: 1e-9}
#: Largest number of points carried by the flow, and of halvings.
LARGEST = 250_000
DEEPEST = 48


def _basis(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quadratic interpolation from the nodes 0, ½, 1 at u, (points, 3), and its derivative."""
    values = np.stack([(1 - u) * (1 - 2 * u), 4 * u * (1 - u), u * (2 * u - 1)], axis=1)
    return values, np.stack([4 * u - 3, 4 - 8 * u, 4 * u - 1], axis=1)


@dataclass(frozen=True)
class Cells:
    """Boxes of z₀ in units of Q^{1/2}, with the map at their 3ⁿ nodes.

    Attributes
    ----------
    lower, size : (cells, n)
    values : (cells, 3, m) or (cells, 3, 3, m)
    """

    lower: np.ndarray
    size: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        return len(self.lower)

    @classmethod
    def join(cls, parts: list[Cells]) -> Cells:
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("lower", "size", "values")))

    def take(self, which: np.ndarray) -> Cells:
        """Some of them."""
        return Cells(self.lower[which], self.size[which], self.values[which])

    def mass(self) -> np.ndarray:
        """Gaussian probability of every cell."""
        low, high = self.lower, self.lower + self.size
        # The upper tail by the lower one: differences keep their digits.
        flip = low > 0
        return np.asarray(np.prod(ndtr(np.where(flip, -low, high)) - ndtr(np.where(flip, -high, low)), axis=1))

    def extent(self) -> np.ndarray:
        """Length of the image along every latent direction and in every coordinate, (cells, n, m)."""
        v = self.values
        steps = [np.abs(np.diff(v, axis=1 + k)).sum(axis=1 + k) for k in range(self.lower.shape[1])]
        return np.stack([s if s.ndim == 2 else s.max(axis=1) for s in steps], axis=1)

    def cloud(self, orders: np.ndarray, *, even: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Images (points, m), weights, and lengths of the image around each point (points, m).

        Parameters
        ----------
        orders : (cells, n)
            Points of every cell along every latent direction: Gauss–Legendre's, or equal parts if ``even``.
        """
        n, found = self.lower.shape[1], []
        kinds, which = np.unique(orders, axis=0, return_inverse=True)
        which = which.ravel()
        for kind, order in enumerate(kinds):
            own = np.flatnonzero(which == kind)
            rules = [_rule(int(k), even) for k in order]
            bases = [_basis(u) for u, _ in rules]
            v = self.values[own]
            z = [self.lower[own, a, None] + self.size[own, a, None] * rules[a][0] for a in range(n)]
            w = [
                self.size[own, a, None] * rules[a][1] * np.exp(-0.5 * z[a] ** 2) / np.sqrt(2 * np.pi) for a in range(n)
            ]
            if n == 1:
                centres = np.einsum("pi,cik->cpk", bases[0][0], v)
                lengths = np.abs(np.einsum("pi,cik->cpk", bases[0][1], v)) * rules[0][1][:, None]
                weights = w[0]
            else:
                first = np.einsum("pi,cijk->cpjk", bases[0][0], v)
                centres = np.einsum("qj,cpjk->cpqk", bases[1][0], first)
                along = np.einsum("pi,cijk->cpjk", bases[0][1], v)
                lengths = np.abs(np.einsum("qj,cpjk->cpqk", bases[1][0], along)) * rules[0][1][:, None, None]
                lengths += np.abs(np.einsum("qj,cpjk->cpqk", bases[1][1], first)) * rules[1][1][:, None]
                weights = w[0][:, :, None] * w[1][:, None, :]
            m = v.shape[-1]
            found.append((centres.reshape(-1, m), weights.ravel(), lengths.reshape(-1, m)))
        return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # type: ignore[return-value]

    def pieces(self, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Every cell of one latent direction cut into equal parts: both ends of their images (pieces, m), mass, tilt.

        The tilt says how the mass leans to the second end: a density w(1 + tilt (2s − 1)) along the piece has its mean.
        """
        edges, parts = np.linspace(0, 1, count + 1), len(self) * count
        at_edges = np.einsum("pi,cik->cpk", _basis(edges)[0], self.values)
        z = self.lower + self.size * edges
        w = Cells(z[:, :-1].reshape(-1, 1), np.repeat(self.size / count, count)[:, None], np.empty(0)).mass()
        first, last = at_edges[:, :-1].reshape(parts, -1), at_edges[:, 1:].reshape(parts, -1)
        u, share = _rule(3, False)
        inner = ((np.arange(count) + u[:, None]) / count).T
        values = np.einsum("pi,cik->cpk", _basis(inner.ravel())[0], self.values).reshape(parts, 3, -1)
        density = share * np.exp(-0.5 * (self.lower[:, :, None] + self.size[:, :, None] * inner) ** 2).reshape(parts, 3)
        mean = np.einsum("pi,pik->pk", density, values) / density.sum(axis=1, keepdims=True)
        step = last - first
        square = np.sum(step**2, axis=1)
        along = np.sum((mean - (first + last) / 2) * step, axis=1)
        tilt = np.divide(6 * along, square, out=np.zeros(parts), where=square > 0)
        return first, last, w, np.clip(tilt, -1.0, 1.0)


def _rule(count: int, even: bool) -> tuple[np.ndarray, np.ndarray]:
    if even:
        return (np.arange(count) + 0.5) / count, np.full(count, 1.0 / count)
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return (nodes + 1) / 2, weights / 2


@dataclass(frozen=True)
class Image:
    """The resolved map.

    Attributes
    ----------
    fine, coarse : Cells
        The doubled cells, and those that they were doubled from.
    points : int
        Points that the flow carried.
    complete : bool
        Whether every cell met its tolerance.
    """

    fine: Cells
    coarse: Cells
    points: int
    complete: bool


class _Carrier:
    """The map at nodes of cells, and how many points it took."""

    def __init__(self, map_: Callable[[np.ndarray], np.ndarray]) -> None:
        self.map, self.points = map_, 0

    def __call__(self, cells: tuple[np.ndarray, np.ndarray], u: np.ndarray) -> np.ndarray:
        """Images (cells, *u.shape[:-1], m) of the places u (..., n) of every cell."""
        lower, size = cells
        n = lower.shape[1]
        flat = u.reshape(-1, n)
        x = (lower[:, None] + size[:, None] * flat).reshape(-1, n)
        self.points += len(x)
        images = self.map(x)
        return images.reshape(len(lower), *u.shape[:-1], images.shape[-1])


def resolve(map_: Callable[[np.ndarray], np.ndarray], n: int, widths: Callable[[np.ndarray], np.ndarray]) -> Image:
    """Split cells of N(0, I_n) until ``map_`` is resolved.

    Parameters
    ----------
    map_ : callable
        (points, n) → (points, m).
    n : int
        1 or 2.
    widths : callable
        From the extent (m,) of the image: what is narrow in each coordinate (the width of the Gaussian part there).
    """
    carry = _Carrier(map_)
    step = 2 * REACH / BASE[n]
    line = -REACH + step * np.arange(BASE[n])
    lower = np.stack(np.meshgrid(*[line] * n, indexing="ij"), axis=-1).reshape(-1, n)
    size = np.full_like(lower, step)
    halves = np.stack(np.meshgrid(*[[0.0, 0.5, 1.0]] * n, indexing="ij"), axis=-1)
    values = carry((lower, size), halves)
    m = values.shape[-1]
    scale = widths(np.ptp(values.reshape(-1, m), axis=0))
    todo = Cells(lower, size, values)
    kept: list[Cells] = []
    doubled: list[Cells] = []
    complete = True
    for depth in range(DEEPEST * n + 1):
        stop = depth == DEEPEST * n or carry.points + 16 * len(todo) > LARGEST
        good, fine, todo, met = (_line if n == 1 else _plane)(carry, todo, scale, stop)
        complete &= met
        kept.append(good)
        doubled.append(fine)
        if not len(todo):
            break
    return Image(Cells.join(doubled), Cells.join(kept), carry.points, complete)


def _halved(cells: Cells, axis: int, finer: np.ndarray) -> Cells:
    """Both halves of every cell along an axis, given the map at five nodes there."""
    size = cells.size.copy()
    size[:, axis] /= 2
    upper = cells.lower.copy()
    upper[:, axis] += size[:, axis]
    left, right = (np.take(finer, k, axis=1 + axis) for k in ([0, 1, 2], [2, 3, 4]))
    return Cells(np.concatenate([cells.lower, upper]), np.concatenate([size, size]), np.concatenate([left, right]))


def _insert(values: np.ndarray, quarters: np.ndarray, axis: int) -> np.ndarray:
    """Five nodes along an axis from three and the two between."""
    return np.take(np.concatenate([values, quarters], axis=1 + axis), [0, 3, 1, 4, 2], axis=1 + axis)


QUARTERS = np.array([0.25, 0.75])
AT_QUARTERS = _basis(QUARTERS)[0]


def _worst(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Largest length in units of scale, over all nodes of each cell."""
    return np.asarray(
        np.sqrt(np.max(np.sum((x / scale) ** 2, axis=-1).reshape(len(x), int(np.prod(x.shape[1:-1]))), axis=1))
    )


def _line(carry: _Carrier, todo: Cells, scale: np.ndarray, stop: bool) -> tuple[Cells, Cells, Cells, bool]:
    quarters = carry((todo.lower, todo.size), QUARTERS[:, None])
    error = _worst(quarters - np.einsum("pi,cik->cpk", AT_QUARTERS, todo.values), scale)
    tolerance = np.maximum(OWN[1] * _worst(np.ptp(todo.values, axis=1)[:, None], scale), WIDTH[1])
    light = todo.mass() < NEGLIGIBLE[1]
    good = (error <= tolerance) | light | stop
    finer = _insert(todo.values, quarters, 0)
    fine, rest = (_halved(todo.take(which), 0, finer[which]) for which in (good, ~good))
    return todo.take(good), fine, rest, not stop or bool(np.all((error <= tolerance) | light))


def _plane(carry: _Carrier, todo: Cells, scale: np.ndarray, stop: bool) -> tuple[Cells, Cells, Cells, bool]:
    """Cells are split along the direction in which the map is least quadratic: a separatrix along an axis needs one only."""
    boxes = (todo.lower, todo.size)
    mass = todo.mass()
    light, eased = mass < NEGLIGIBLE[2], np.clip(np.sqrt(LIGHT / np.maximum(mass, 1e-300)), 1.0, EASED)
    # First along the middle lines; the rest of the doubled cell where they agree.
    middle = carry(boxes, np.array([[0.25, 0.5], [0.75, 0.5], [0.5, 0.25], [0.5, 0.75]]))
    along = (todo.values[:, :, 1], todo.values[:, 1, :])
    ratio = np.empty((2, len(todo)))
    for k in range(2):
        error = _worst(middle[:, 2 * k : 2 * k + 2] - np.einsum("pi,cik->cpk", AT_QUARTERS, along[k]), scale)
        own = _worst(np.ptp(todo.values, axis=1 + k), scale)
        ratio[k] = error / (eased * np.maximum(OWN[2] * own, WIDTH[2]))
    bad = (ratio.max(axis=0) > 1) & ~light & (not stop)
    parts = []
    for k in range(2):
        which = bad & (ratio[k] >= ratio[1 - k] if k == 0 else ratio[1] > ratio[0])
        cells = todo.take(which)
        edges = np.array([[[u, v] for v in (0.0, 1.0)] for u in (0.25, 0.75)])
        new = carry((cells.lower, cells.size), edges if k == 0 else edges[..., ::-1].transpose(1, 0, 2))
        mid = middle[which, 2 * k : 2 * k + 2]
        ends = [new[:, :, 0], new[:, :, 1]] if k == 0 else [new[:, 0], new[:, 1]]
        quarters = np.stack([ends[0], mid, ends[1]], axis=2 - k)
        parts.append(_halved(cells, k, _insert(cells.values, quarters, k)))
    met = bool(np.all((ratio.max(axis=0) <= 1) | light)) or not stop
    good = ~bad
    cells, mids = todo.take(good), middle[good]
    five = _doubled(carry, cells, mids)
    predicted = np.einsum("pi,qj,cijk->cpqk", _basis(FIFTHS)[0], _basis(FIFTHS)[0], cells.values)
    own = np.minimum(*(_worst(np.ptp(cells.values, axis=1 + k), scale) for k in range(2)))
    again = (
        (_worst(five - predicted, scale) > 2 * eased[good] * np.maximum(OWN[2] * own, WIDTH[2]))
        & ~light[good]
        & (not stop)
    )
    # What the middle lines did not show: split along the direction that misses more.
    for k in range(2):
        off = np.abs(five - predicted) / scale
        odd = (off[:, 1::2] if k == 0 else off[:, :, 1::2]).sum(axis=(1, 2, 3))
        other = (off[:, :, 1::2] if k == 0 else off[:, 1::2]).sum(axis=(1, 2, 3))
        which = again & ((odd >= other) if k == 0 else (odd > other))
        finer = five[which][:, :, ::2] if k == 0 else five[which][:, ::2]
        parts.append(_halved(cells.take(which), k, finer))
    done = cells.take(~again)
    twice = _halved(done, 0, five[~again][:, :, ::2])
    # The nodes between in the other direction, in the order in which the halves stand.
    whole = np.concatenate([five[~again][:, :3], five[~again][:, 2:]])
    fine = _halved(twice, 1, whole)
    return done, fine, Cells.join(parts), met


FIFTHS = np.linspace(0, 1, 5)
_INDEX = np.stack(np.meshgrid(np.arange(5), np.arange(5), indexing="ij"), axis=-1).reshape(-1, 2)
_MIDDLE = np.array([[1, 2], [3, 2], [2, 1], [2, 3]])
_NEW = np.array([i for i in _INDEX if np.any(i % 2) and not np.any(np.all(i == _MIDDLE, axis=1))])


def _doubled(carry: _Carrier, cells: Cells, middle: np.ndarray) -> np.ndarray:
    """The map at the 5 × 5 nodes of every cell."""
    five = np.empty((len(cells), 5, 5, cells.values.shape[-1]))
    five[:, ::2, ::2] = cells.values
    five[:, _MIDDLE[:, 0], _MIDDLE[:, 1]] = middle
    five[:, _NEW[:, 0], _NEW[:, 1]] = carry((cells.lower, cells.size), _NEW / 4)
    return five
