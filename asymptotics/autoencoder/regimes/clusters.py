"""Clones and U-turns by the reduced SDE of a trained network: probabilities that two samples, or a sample and its origin, share a cluster.

**Clones** share X up to t and have independent noise after it; φ(t) is the probability that both end nearest to the same
centroid. A **U-turn** takes x₁ of cluster c, noises it to t and generates from there; κ(t) is the probability that it ends nearest
to centroid c. One field (tied, centroids on a line): Kolmogorov's equation on a grid, the projection's Gaussian rest Y by
quadrature. Otherwise many trajectories of fields and projections (`paths`), with standard errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as of_class
from itertools import pairwise
from typing import Any

import numpy as np

from ...common.input.checks import array, fail
from ...common.output.records import Record
from ..model.sampling import Sampling
from .exact import agreement
from .landscape import nearest
from .sde.fields import Fields
from .sde.kolmogorov import line_of
from .sde.line import Line
from .sde.paths import Stepping

#: Nodes of the projection's Gaussian rest, and their reach in standard deviations.
NODES, REACH = 25, 6.0
#: Nodes of the field that the flow without noise carries.
FLOW_NODES = 2001
#: Trajectories at once.
BLOCK = 1 << 14


@dataclass(frozen=True)
class Curve(Record):
    """A probability against the time t of the split, or of the turn.

    Attributes
    ----------
    t : (times,)
    phi, sem : (times,)
        By the reduced SDE, with standard errors (0: by quadrature).
    exact : (times,)
        By the exact score and the reversed noising process (`exact`).
    """

    t: np.ndarray
    phi: np.ndarray
    sem: np.ndarray
    exact: np.ndarray

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Curve:
        """From its JSON form."""
        return cls(*(np.asarray(table[f.name], dtype=np.float64) for f in of_class(cls)))


def checked_times(sampling: Sampling, name: str, t: object) -> np.ndarray:
    """Times of splits in [start, stop]."""
    times = array(name, np.atleast_1d(np.asarray(t)), ndim=1)
    if len(times) == 0 or np.any(times < sampling.start) or np.any(times > sampling.stop):
        allowed = f"in [{sampling.start:g}, {sampling.stop:g}], from sampling.start to sampling.stop"
        fail(name, t, f"at least one time {allowed}")
    return times


def axis_of(centroids: np.ndarray) -> np.ndarray | None:
    """Unit vector (K,) along which all centroids (clusters, K) lie, or None; of coinciding ones any."""
    differences = centroids - centroids[0]
    _, size, directions = np.linalg.svd(differences)
    if len(size) > 1 and size[1] > 1e-10 * max(size[0], 1e-300):
        return None
    return np.asarray(directions[0])


def by_line(fields: Fields) -> bool:
    """Whether one line says it all: one field, tied, all centroids on a line."""
    return fields.n == 1 and fields.tied and axis_of(fields.problem.target.projected_centroids()) is not None


def cluster_curves(fields: Fields, times: np.ndarray, pairs: int, seed: int) -> tuple[Curve, Curve]:
    """Clones and U-turns at the given times."""
    values = _Projected(fields).curves(times) if by_line(fields) else _by_paths(fields, times, pairs, seed)
    exact = np.array([agreement(fields.problem, float(t), fields.weights) for t in times])
    return Curve(times, *values[:2], exact), Curve(times, *values[2:], exact)


def joint_law(fields: Fields, t: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean and covariance of (Z, P) of each cluster, noised to time t."""
    s, target = fields.problem.interpolant, fields.problem.target
    alpha, beta = float(s.alpha(t)), float(s.beta(t))
    means = np.concatenate([target.centroids @ fields.theta.T, target.projected_centroids()], axis=1)
    base = fields.shares().joint
    return [
        (beta * mean, alpha**2 * base + beta**2 * fields.shares(spectrum).joint)
        for mean, spectrum in zip(means, target.cluster_eigenvalues, strict=True)
    ]


class _Projected:
    """One field and the projection x = lift z + y on the line of the centroids."""

    def __init__(self, fields: Fields) -> None:
        target = fields.problem.target
        centroids = target.projected_centroids()
        axis = axis_of(centroids)
        if axis is None:
            fail("target.centroids", centroids, "on a line")
        self.fields, self.axis = fields, axis
        self.lift = float(axis @ fields.lift[:, 0])
        rest = target.gram - fields.lift @ fields.theta
        self.rest = max(float(axis @ rest @ axis), 0.0)
        if self.rest < 1e-10 * float(axis @ target.gram @ axis):
            self.rest = 0.0
        along = centroids @ axis
        order = np.argsort(along, kind="stable")
        edges = np.concatenate([[-np.inf], (along[order][1:] + along[order][:-1]) / 2, [np.inf]])
        self.cells = np.empty((len(along), 2))
        for c, cell in zip(order, pairwise(edges), strict=True):
            self.cells[c] = cell

    def terminal(self, line: Line, clusters: np.ndarray, y: np.ndarray, noise: float) -> np.ndarray:
        """P(x in the cell of a cluster) at stop, (cells of z, columns), for columns with a cluster and a mean of Y each."""
        from scipy.special import ndtr

        x = self.lift * line.z[:, None] + y
        width, cell = np.sqrt(noise * self.rest), abs(self.lift) * line.dz
        low, high = self.cells[clusters].T
        if width > cell:
            return np.asarray(ndtr((high - x) / width) - ndtr((low - x) / width))
        # Without a Gaussian rest the share of every grid cell that lies inside.
        size = max(cell, 1e-12)
        return np.asarray(np.clip((high - x) / size + 0.5, 0, 1) - np.clip((low - x) / size + 0.5, 0, 1))

    def nodes(self, mean: float, variance: float) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of a Gaussian in one dimension; one node where it has no width."""
        if variance <= 1e-14:
            return np.array([mean]), np.ones(1)
        x = np.linspace(-REACH, REACH, NODES)
        w = np.exp(-0.5 * x**2)
        return mean + np.sqrt(variance) * x, w / w.sum()

    def curves(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Clones, their (vanishing) errors, U-turns, theirs."""
        fields = self.fields
        starts = {float(t): joint_law(fields, float(t)) for t in times}
        if not fields.noisy:
            return np.ones(len(times)), np.zeros(len(times)), self._without_noise(times), np.zeros(len(times))
        extra = max(abs(m[0]) + 6 * np.sqrt(C[0, 0]) for law in starts.values() for m, C in law)
        line = line_of(fields, times, extra)
        stepping = Stepping.of(fields, times)
        last = len(line.times) - 1
        C = len(self.cells)
        columns: list[np.ndarray] = []
        readers: dict[int, list[tuple[int, slice, int, np.ndarray]]] = {}
        begin = 0
        for which, t in enumerate(times):
            i = line.index(float(t))
            (growth, noise), (g0, v0) = stepping.span(i, last), stepping.span(0, i)
            parts = []
            y, w = self.nodes(0.0, (g0**2 + v0) * self.rest)
            parts.append((-1, np.repeat(np.arange(C), len(y)), np.tile(y, C), w))
            for c, (mean, covariance) in enumerate(starts[float(t)]):
                m, S = self._of_rest(mean, covariance)
                y, w = self.nodes(m[1], S[1, 1])
                parts.append((c, np.full(len(y), c), y, w))
            for kind, clusters, y, w in parts:
                columns.append(self.terminal(line, clusters, growth * y, noise))
                readers.setdefault(i, []).append((which, slice(begin, begin + len(y)), kind, w))
                begin += len(y)
        clones, turns = np.zeros(len(times)), np.zeros(len(times))
        laws = self._laws(line, sorted(readers))
        u = np.concatenate(columns, axis=1)
        for k in range(last, -1, -1):
            if k < last:
                u = line.back(k, u)
            for which, part, kind, w in readers.pop(k, []):
                values = u[:, part]
                if kind < 0:
                    same = np.sum(values.reshape(len(u), C, -1) ** 2, axis=1) @ w
                    clones[which] = laws[k] @ same
                else:
                    law = self._given_rest(line, *starts[float(times[which])][kind])
                    turns[which] += fields.weights[kind] * float(np.sum((law * values) @ w))
            if not readers:
                break
        return clones, np.zeros(len(times)), turns, np.zeros(len(times))

    def _without_noise(self, times: np.ndarray) -> np.ndarray:
        """U-turns by the flow itself: a grid of z carried from t to the end, for nodes of Y."""
        fields = self.fields
        stepping = Stepping.of(fields, times)
        kept = np.zeros(len(times))
        for which, t in enumerate(times):
            i, last = stepping.index(float(t)), stepping.count
            growth, _ = stepping.span(i, last)
            for c, (mean, covariance) in enumerate(joint_law(fields, float(t))):
                m, S = self._of_rest(mean, covariance)
                y, w = self.nodes(m[1], S[1, 1])
                slope = S[0, 1] / S[1, 1] if len(y) > 1 else 0.0
                x = np.linspace(-REACH - 1, REACH + 1, FLOW_NODES)
                share = np.exp(-0.5 * x**2)
                share /= share.sum()
                sd = np.sqrt(max(S[0, 0] - slope * S[0, 1], 0.0))
                z = m[0] + slope * (y - m[1]) + sd * x[:, None]
                state = stepping.begin(z.reshape(-1, 1))
                ends = stepping.advance(state, i, last, np.random.default_rng(0))[:, 0].reshape(z.shape)
                along = self.lift * ends + growth * y
                inside = (along > self.cells[c, 0]) & (along <= self.cells[c, 1])
                kept[which] += fields.weights[c] * float(share @ inside @ w)
        return kept

    def _laws(self, line: Line, wanted: list[int]) -> dict[int, np.ndarray]:
        mass = line.gaussian(0.0, float(self.fields.Q[0, 0]))[:, None]
        laws = {}
        for k in range(wanted[-1] + 1):
            if k in wanted:
                laws[k] = mass[:, 0]
            if k < wanted[-1]:
                mass = line.forth(k, mass)
        return laws

    def _of_rest(self, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of (z, y) from those of (Z, P)."""
        to = np.zeros((2, len(mean)))
        to[0, 0], to[1, 0], to[1, 1:] = 1.0, -self.lift, self.axis
        return to @ mean, to @ covariance @ to.T

    def _given_rest(self, line: Line, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Masses of z given each node of y, (cells, nodes)."""
        m, S = self._of_rest(mean, covariance)
        y, _ = self.nodes(m[1], S[1, 1])
        slope = S[0, 1] / S[1, 1] if len(y) > 1 else 0.0
        return np.stack([line.gaussian(m[0] + slope * (v - m[1]), S[0, 0] - slope * S[0, 1]) for v in y], axis=1)


def _by_paths(
    fields: Fields, times: np.ndarray, pairs: int, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Trajectories: pairs from a common state, and single ones from noised samples of the target."""
    stepping = Stepping.of(fields, times)
    target, n, last = fields.problem.target, fields.n, stepping.count
    centroids = target.projected_centroids()
    same, kept = np.zeros(len(times)), np.zeros(len(times))
    order = np.argsort(times, kind="stable")
    for block, child in enumerate(np.random.SeedSequence(seed).spawn(-(-pairs // BLOCK))):
        rng = np.random.default_rng(child)
        count = min(BLOCK, pairs - block * BLOCK)
        trunk, here = stepping.draw(count, rng), 0
        for which in order:
            i = stepping.index(float(times[which]))
            trunk, here = stepping.advance(trunk, here, i, rng), i
            if fields.noisy:
                ends = [nearest(stepping.advance(trunk, i, last, rng)[:, n:], centroids) for _ in range(2)]
                same[which] += np.sum(ends[0] == ends[1])
            else:
                same[which] += count
            cluster = rng.choice(target.clusters, size=count, p=fields.weights)
            state = np.empty_like(trunk)
            for c, (mean, covariance) in enumerate(joint_law(fields, float(times[which]))):
                own = cluster == c
                values, axes = np.linalg.eigh(covariance)
                root = axes * np.sqrt(np.maximum(values, 0.0))
                state[own] = mean + rng.standard_normal((int(np.sum(own)), len(mean))) @ root.T
            kept[which] += np.sum(nearest(stepping.advance(state, i, last, rng)[:, n:], centroids) == cluster)
    found = []
    for total in (same, kept):
        p = total / pairs
        found += [p, np.sqrt(np.maximum(p * (1 - p), 0.0) / max(pairs - 1, 1))]
    return found[0], found[1], found[2], found[3]
