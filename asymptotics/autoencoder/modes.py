"""Modes of a generated density against those of its target: number, place, weight, width; which are spurious.

An odd activation without bias makes the generative flow odd, so that the generated density is symmetric under x → −x whatever
the target: clusters come with their mirror images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.checks import InputError, array, fail, integer
from ..common.results import Result, to_builtin
from .density import GeneratedDensity
from .path import OrderParameters
from .settings import Problem
from .target import GaussianMixture

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

    @property
    def count(self) -> int:
        """Number of modes."""
        return len(self.weights)

    def summary(self) -> str:
        """One line a mode."""
        with np.printoptions(precision=3, suppress=True):
            spread = np.sqrt(np.diagonal(self.widths, axis1=1, axis2=2))
            lines = [
                f"  {w:.4f} at {x}, standard deviations {s}"
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


def find_modes(points: Any) -> Modes:
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


def generated_modes(law: GeneratedDensity, points: int = 2**17, seed: int = 0) -> Modes:
    """Modes of a generated law: of its exact density where there is one on a grid, else of points."""
    sample = law.sample(points, seed)
    low, high = sample.min(axis=0), sample.max(axis=0)
    margin = 0.02 * (high - low) + 1e-12
    # A narrow Gaussian part makes the exact density costly, and modes that the grid does not resolve anyway.
    narrow = np.linalg.eigvalsh(law.span_covariance)[0] < (0.01 * np.max(high - low)) ** 2
    if not law.noisy and len(law.Q) <= 2 and not narrow and _resolved(sample, low, high):
        try:
            found = exact_modes(law.density, low - margin, high + margin)
        except InputError:  # no exact density in these directions; its points are there all the same
            found = None
        if found is not None:
            return found
    return find_modes(sample)


def _resolved(sample: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Whether the grid of `exact_modes` is finer than the features of a sample: half of it fills at least 100 cells in the plane."""
    m = sample.shape[1]
    cell = ((sample - low) / np.where(high > low, high - low, 1.0) * (GRID[m] - 1)).astype(int)
    counts = np.sort(np.unique(cell, axis=0, return_counts=True)[1])[::-1]
    half = int(np.searchsorted(np.cumsum(counts), len(sample) / 2)) + 1
    return half >= (40 if m == 1 else 100)


def target_points(target: GaussianMixture, directions: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Points of the target projected on directions (m, K): each cluster gets its share of n, Sobol' points inside."""
    from ..common.expectations import Rule

    count = 2 ** int(np.ceil(np.log2(n)))
    z, _ = Rule("sobol", count, seed).points(len(directions))
    means = target.projected_centroids() @ directions.T
    covariances = np.einsum("mk,ckl,nl->cmn", directions, target.projected_covariance(), directions)
    edges = np.concatenate([[0], np.round(np.cumsum(target.weights) * count)]).astype(int)
    order = np.random.default_rng(seed).permutation(count)
    parts = []
    for c in range(target.clusters):
        values, vectors = np.linalg.eigh(covariances[c])
        root = vectors * np.sqrt(np.maximum(values, 0.0))
        parts.append(means[c] + z[order[edges[c] : edges[c + 1]]] @ root.T)
    return np.concatenate(parts)


def target_modes(target: GaussianMixture, directions: np.ndarray, points: int = 2**17, seed: int = 0) -> Modes:
    """Modes of the target projected on directions (m, K)."""
    means = target.projected_centroids() @ directions.T
    covariances = np.einsum("mk,ckl,nl->cmn", directions, target.projected_covariance(), directions)
    sample = target_points(target, directions, points, seed)
    low, high = sample.min(axis=0), sample.max(axis=0)
    if np.linalg.eigvalsh(covariances).min() > 0 and _resolved(sample, low, high):

        def density(x: np.ndarray) -> np.ndarray:
            total = np.zeros(x.shape[:-1])
            for weight, mean, covariance in zip(target.weights, means, covariances, strict=True):
                y = x - mean
                quadratic = np.einsum("...k,kl,...l->...", y, np.linalg.inv(covariance), y)
                total += weight * np.exp(-0.5 * quadratic) / np.sqrt(np.linalg.det(2 * np.pi * covariance))
            return total

        found = exact_modes(density, low - 0.5, high + 0.5)
        if found is not None:
            return found
    return find_modes(sample)


@dataclass(frozen=True)
class ModeReport(Result):
    """Modes of the generated density beside those of the target.

    Attributes
    ----------
    generated, target : Modes
    nearest : (generated modes,)
        Index of the target's nearest mode.
    displacement : (generated modes,)
        Distance to it, in units of that mode's standard deviation.
    spurious : (generated modes,)
        True where a nearer generated mode stands for the same mode of the target, or none is within reach (half the smallest
        distance between the target's modes).
    missing : (target modes,)
        True where no generated mode stands for a mode of the target.
    mirror : float
        Largest distance of a generated mode's mirror image −x to the nearest generated mode: 0 for an odd network.
    """

    generated: Modes
    target: Modes
    nearest: np.ndarray
    displacement: np.ndarray
    spurious: np.ndarray
    missing: np.ndarray
    mirror: float

    def to_json(self) -> dict[str, Any]:
        return dict(to_builtin({name: getattr(self, name) for name in self.__dataclass_fields__}))

    def summary(self) -> str:
        """Both lists, and how they match."""
        kinds = ["spurious" if s else f"for mode {k + 1}" for s, k in zip(self.spurious, self.nearest, strict=True)]
        return (
            f"generated: {self.generated.summary()}\n  ({', '.join(kinds)})\ntarget: {self.target.summary()}\n"
            f"spurious: {int(self.spurious.sum())}, missing: {int(self.missing.sum())}, "
            f"largest distance of a mirror image to a mode: {self.mirror:.3f}"
        )


def mode_report(
    problem: Problem, at: OrderParameters, *, directions: Any = None, points: int = 2**17, seed: int = 0
) -> ModeReport:
    """Find the modes of what a trained network generates and match them with the target's.

    Parameters
    ----------
    problem : Problem
    at : OrderParameters
        The trained network (``path(tau)``, or ``collapse.order_parameters(g)``).
    directions : (1 or 2, K), optional
        Project on these. Default: all if K ≤ 2, else the two leading principal directions of the centroids.
    points : int
        Points of either law.
    seed : int

    Raises
    ------
    InputError
        If more than two directions are asked for.
    """
    target = problem.target
    integer("points", points, at_least=1000)
    if directions is None:
        basis = np.eye(target.directions)
        if target.directions > 2:
            centred = target.centroids - target.weights @ target.centroids
            basis = np.linalg.svd(centred * np.sqrt(target.weights)[:, None])[2][:2]
    else:
        basis = array("directions", directions, shape=(None, target.directions))
    if len(basis) > 2:
        fail("directions", basis.shape, "at most two directions")
    ours = generated_modes(GeneratedDensity(problem, at, basis), points, seed)
    theirs = target_modes(target, basis, points, seed)
    distance = np.linalg.norm(ours.places[:, None] - theirs.places[None], axis=2)
    nearest = distance.argmin(axis=1)
    own = distance[np.arange(ours.count), nearest]
    width = np.sqrt(np.trace(theirs.widths, axis1=1, axis2=2) / len(basis))
    between = np.linalg.norm(theirs.places[:, None] - theirs.places[None], axis=2)
    reach = np.min(between[between > 0], initial=np.inf) / 2
    best = np.array([np.flatnonzero(nearest == k)[own[nearest == k].argmin()] if np.any(nearest == k) else -1
                     for k in range(theirs.count)])  # fmt: skip
    stands = np.isin(np.arange(ours.count), best) & (own < reach)
    mirror = np.linalg.norm(ours.places[:, None] + ours.places[None], axis=2).min(axis=1).max()
    return ModeReport(
        generated=ours,
        target=theirs,
        nearest=nearest,
        displacement=own / np.maximum(width[nearest], 1e-300),
        spurious=~stands,
        missing=~np.isin(np.arange(theirs.count), nearest[stands]),
        mirror=float(mirror),
    )
