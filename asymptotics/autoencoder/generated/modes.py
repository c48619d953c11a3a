"""Modes of a generated density against those of its target: number, place, weight, width; which are spurious.

An odd activation without bias makes the generative flow odd, so that the generated density is symmetric under x → −x whatever
the target: clusters come with their mirror images.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, array, fail, integer
from ...common.output.results import Result, dataframe, to_builtin
from ..equations.training_path.path import OrderParameters
from ..model.data.target import GaussianMixture
from ..model.problem import Problem
from .density import GeneratedDensity
from .mode_finding import GRID, Modes, exact_modes, find_modes


def generated_modes(law: GeneratedDensity, points: int = 2**17, seed: int = 0) -> Modes:
    """Modes of a generated law: of its exact density where there is one on a grid, else of points."""
    sample = law.sample(points, seed)
    low, high = sample.min(axis=0), sample.max(axis=0)
    margin = 0.02 * (high - low) + 1e-12
    if not law.noisy and len(law.Q) == 1 and sample.shape[1] == 1:
        # The distribution function gives the mass between points of the grid, however narrow it is.
        edges, below = law.image.laws[0].marginals[0]
        half = (high - low + 2 * margin)[0] / (GRID[1] - 1) / 2

        def density(x: np.ndarray) -> np.ndarray:
            after, before = (np.interp(x[..., 0] + sign * half, edges, below) for sign in (1, -1))
            return np.asarray(after - before) / (2 * half)

        found = exact_modes(density, low - margin, high + margin)
        if found is not None:
            return found
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
    from ...common.numerics.quadrature.expectations import Rule

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

    def _stored(self) -> dict[str, Any]:
        fields = self._kept()
        parts = {name: fields.pop(name)._kept() for name in ("generated", "target")}
        return fields | {f"{name}.{key}": value for name, part in parts.items() for key, value in part.items()}

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        fields = {key: value for key, value in stored.items() if "." not in key}
        for name in ("generated", "target"):
            part = {key.partition(".")[2]: value for key, value in stored.items() if key.startswith(f"{name}.")}
            fields[name] = Modes(**part)
        return fields

    def to_json(self) -> dict[str, Any]:
        return dict(to_builtin({name: getattr(self, name) for name in self.__dataclass_fields__}))

    def to_dataframe(self) -> Any:
        """Generated modes as a pandas DataFrame, one row a mode, beside the target's mode that each stands for (needs pandas)."""
        ours = {name: getattr(self.generated, name) for name in Modes.COLUMNS}
        own = {name: getattr(self, name) for name in ("nearest", "displacement", "spurious")}
        return dataframe({**ours, **own, "nearest_place": self.target.places[self.nearest]}, "weights")

    def summary(self) -> str:
        """Both lists, and how they match."""
        kinds = ["spurious" if s else f"for mode {k + 1}" for s, k in zip(self.spurious, self.nearest, strict=True)]
        return (
            f"generated: {self.generated.summary()}\n  ({', '.join(kinds)})\ntarget: {self.target.summary()}\n"
            f"spurious: {int(self.spurious.sum())}, missing: {int(self.missing.sum())}, "
            f"largest distance of a mirror image to a mode: {self.mirror:.3f}"
        )


def mode_report(
    problem: Problem, at: OrderParameters, *, directions: ArrayLike | None = None, points: int = 2**17, seed: int = 0
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
