"""Modes of a law in one or two dimensions, from its exact density on a grid or from many points of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import array, fail
from ...common.output.plain import printed
from ...common.output.results import Result

#: Bins a direction that are tried.
RESOLUTIONS = (10, 14, 20, 28, 40, 56, 80, 112)
#: A peak must exceed the saddle to the next one by this many standard errors of a count.
SIGNIFICANCE = 6.0


@dataclass(frozen=True)
class Modes(Result):
    """Modes of a law in one or two dimensions, heaviest first.

    Attributes
    ----------
    places, widths : (modes, m), (modes, m, m)
        Mean and covariance of the mass that climbs to each mode.
    weights : (modes,)
        Share of that mass.
    bins : int
        Bins a direction at which they were told apart.
    """

    places: np.ndarray
    weights: np.ndarray
    widths: np.ndarray
    bins: int

    COLUMNS = ("weights", "places", "widths")

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.weights)

    def summary(self) -> str:
        """One line a mode."""
        spread = np.sqrt(np.diagonal(self.widths, axis1=1, axis2=2))
        lines = [
            f"  {w:.4f} at {printed(x, 3)}, standard deviations {printed(s, 3)}"
            for w, x, s in zip(self.weights, self.places, spread, strict=True)
        ]
        return "\n".join([f"{self.count} modes", *lines])


def _counted(peak: float, saddle: float) -> bool:
    """Whether a peak of counts stands out: by `SIGNIFICANCE` standard errors."""
    return bool(peak - saddle >= SIGNIFICANCE * np.sqrt(peak + saddle))


def _exact(peak: float, saddle: float) -> bool:
    """Whether a peak of an exact density stands out: by 2 %."""
    return peak > 1.02 * saddle


def _persistent(counts: np.ndarray, stands: Callable[[float, float], bool] = _counted) -> np.ndarray:
    """Label of every bin: the significant peak that it climbs to, −1 where there is none.

    Bins are visited from the fullest to the emptiest; where two basins meet, the lower peak is dissolved in the higher one
    unless it stands out from the meeting point.
    """
    m, shape = counts.ndim, counts.shape
    flat = counts.ravel()
    order = np.argsort(-flat, kind="stable")
    order = order[flat[order] > 0]
    label = np.full(flat.shape, -1)
    parent: list[int] = []
    peak: list[float] = []

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    offsets = np.stack(np.meshgrid(*[[-1, 0, 1]] * m, indexing="ij"), axis=-1).reshape(-1, m)
    offsets = offsets[np.any(offsets != 0, axis=1)]
    positions = np.stack(np.unravel_index(order, shape), axis=1)
    for index, position in zip(order, positions, strict=True):
        around = position + offsets
        inside = np.all((around >= 0) & (around < shape), axis=1)
        cells = np.ravel_multi_index(tuple(around[inside].T), shape)
        near = label[cells]
        basins = sorted({root(i) for i in near[near >= 0]}, key=lambda i: -peak[i])
        if not basins:
            label[index] = len(parent)
            parent.append(len(parent))
            peak.append(float(flat[index]))
            continue
        # Mass climbs to its fullest neighbour.
        label[index] = near[np.where(near >= 0, flat[cells], -1.0).argmax()]
        for other in basins[1:]:
            if not stands(peak[other], float(flat[index])):
                parent[other] = basins[0]
    # An island has nothing but emptiness to stand out from.
    firm = [stands(p, 0.0) for p in peak]
    return np.array([root(i) if i >= 0 and firm[root(i)] else -1 for i in label]).reshape(shape)


def find_modes(points: ArrayLike) -> Modes:
    """Statistically significant modes of a law from many independent (or quasi-random) points of it.

    The points are counted in bins at many resolutions; a mode counts if its peak stands out from the saddle to a higher one by
    6 standard errors. The finding with most modes is taken: every one of them is significant at its resolution.

    Parameters
    ----------
    points : array_like, shape (n, m)
        m = 1 or 2.

    Raises
    ------
    InputError
        If there are more than two dimensions or fewer than 1000 points.
    """
    x = array("points", points, ndim=2)
    n, m = x.shape
    if m not in (1, 2) or n < 1000:
        fail("points", x.shape, "at least 1000 points in one or two dimensions")
    low, high = x.min(axis=0), x.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    best: tuple[int, int, np.ndarray] | None = None
    for bins in RESOLUTIONS:
        cell = np.minimum((bins * (x - low) / span).astype(int), bins - 1)
        flat = np.ravel_multi_index(tuple(cell.T), (bins,) * m)
        counts = np.bincount(flat, minlength=bins**m).reshape((bins,) * m)
        labels = _persistent(counts)
        names = np.unique(labels[labels >= 0])
        if len(names) and (best is None or len(names) > best[0]):
            best = (len(names), bins, labels.ravel()[flat])
    if best is None:
        fail("points", x.shape, "enough points for a significant mode")
    _, bins, of_point = best
    names = np.unique(of_point[of_point >= 0])
    # Points on insignificant islands belong to the nearest mode.
    centres = np.array([x[of_point == name].mean(axis=0) for name in names])
    lost = of_point < 0
    of_point[lost] = names[np.linalg.norm(x[lost][:, None] - centres, axis=2).argmin(axis=1)]
    found = []
    for name in names:
        own = x[of_point == name]
        found.append((len(own) / n, own.mean(axis=0), np.atleast_2d(np.cov(own.T))))
    found.sort(key=lambda f: -f[0])
    return Modes(
        places=np.array([f[1] for f in found]),
        weights=np.array([f[0] for f in found]),
        widths=np.array([f[2] for f in found]).reshape(-1, m, m),
        bins=bins,
    )


#: Points a direction at which an exact density is tabulated.
GRID = {1: 2001, 2: 101}


def exact_modes(density: Callable[[np.ndarray], np.ndarray], low: np.ndarray, high: np.ndarray) -> Modes | None:
    """Modes of a density in one or two dimensions from its exact values on a grid; None if the grid misses any of its mass.

    Parameters
    ----------
    density : callable
        Values at points (..., m).
    low, high : (m,)
        Corners of a box that holds the mass.
    """
    m = len(low)
    axes = [np.linspace(low[k], high[k], GRID[m]) for k in range(m)]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    mass = np.maximum(density(mesh), 0.0) * np.prod((high - low) / (GRID[m] - 1))
    if not np.all(np.isfinite(mass)) or abs(mass.sum() - 1) > 0.01:
        return None
    mass[mass < 1e-9 * mass.max()] = 0.0
    labels = _persistent(mass, _exact)
    found = []
    for name in np.unique(labels[labels >= 0]):
        inside = labels == name
        w, x = mass[inside], mesh[inside]
        share = w.sum()
        if share < 1e-3 * mass.sum():
            continue
        mean = w @ x / share
        found.append((share / mass.sum(), mean, ((x - mean).T * w) @ (x - mean) / share))
    found.sort(key=lambda f: -f[0])
    places, weights, widths = (np.array([f[k] for f in found]) for k in (1, 0, 2))
    return Modes(places, weights, widths.reshape(-1, m, m), GRID[m])
