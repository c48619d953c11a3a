"""Nodes for Gaussian expectations E[f(z)], z ~ N(0, I_n): tensor Gauss–Hermite and scrambled Sobol'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

import numpy as np

from ...input.checks import InputError, choice, integer

T = TypeVar("T")


@dataclass(frozen=True)
class Rule:
    """How a Gaussian expectation is computed.

    Parameters
    ----------
    kind : {"hermite", "sobol"}
        Tensor Gauss–Hermite (spectrally accurate for smooth integrands, cost nodes^n) or scrambled Sobol' points mapped by
        the normal quantile (error ~1/N up to logarithms, cost free of the dimension).
    nodes : int
        Nodes per direction (hermite) or number of points (sobol, a power of two).
    seed : int
        Scrambling of Sobol' points.
    """

    kind: str
    nodes: int
    seed: int = 0

    def __post_init__(self) -> None:
        choice("rule.kind", self.kind, ("hermite", "sobol"))
        integer("rule.nodes", self.nodes, at_least=1)
        if self.kind == "sobol" and self.nodes & (self.nodes - 1):
            raise InputError(f"rule.nodes = {self.nodes}: must be a power of two for Sobol' points")

    def points(self, dimension: int) -> tuple[np.ndarray, np.ndarray]:
        """``(z, w)``: nodes (N, dimension) and weights (N,) that sum to one."""
        return _hermite(self.nodes, dimension) if self.kind == "hermite" else _sobol(self.nodes, dimension, self.seed)

    @property
    def name(self) -> str:
        """Kind and nodes."""
        return f"{self.kind} {self.nodes}"

    def size(self, dimension: int) -> int:
        """Number of nodes."""
        return len(self.points(dimension)[1])


@dataclass(frozen=True)
class Lattice:
    """A lattice whose spacing follows the fields' widths, so that the error stays near a tolerance (see `lattices`).

    Parameters
    ----------
    tolerance : float
        Wanted error of the expectations.
    """

    tolerance: float


@dataclass(frozen=True)
class Split:
    """Fields conditioned one after the other, each split at its break, with Gauss rules on both sides (see `truncated`).

    Parameters
    ----------
    outer, inner : int
        Nodes a side of all fields but the last, and of the last, in which the function is polynomial between the breaks.
    pruned : float
        Branches of less weight are dropped.
    """

    outer: int
    inner: int
    pruned: float


#: How the expectations over the fields at one time are taken.
Fields = Rule | Lattice | Split

#: Tensor nodes whose weight, even times the eighth power of their radius, is below this are left out.
PRUNE = 1e-16


@lru_cache(maxsize=64)
def _hermite(nodes: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Tensor Gauss–Hermite nodes for N(0, I), without those whose weight is nothing in double precision.

    The pruning keeps a ball: at 64 nodes a direction, n = 2, five sixths of the tensor have a weight below 1e-16.
    """
    from scipy.special import roots_hermitenorm

    x, w = roots_hermitenorm(nodes)
    w = w / w.sum()
    z = np.zeros((1, 0))
    weight = np.ones(1)
    for _ in range(dimension):
        z = np.concatenate([np.repeat(z, nodes, axis=0), np.tile(x, len(z))[:, None]], axis=1)
        weight = np.repeat(weight, nodes) * np.tile(w, len(weight))
        keep = weight * (1.0 + np.sum(z * z, axis=1)) ** 4 > PRUNE
        z, weight = z[keep], weight[keep]
    z, weight = np.ascontiguousarray(z), weight / weight.sum()
    z.setflags(write=False)
    weight.setflags(write=False)
    return z, weight


#: Coordinates of a table of Sobol' points up to which it is kept.
KEPT = 1 << 19


def _sobol(count: int, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    made = _kept_sobol if count * dimension <= KEPT else _scrambled
    return made(count, dimension, seed)


def _scrambled(count: int, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scrambled Sobol' points, with their mirror images (z and −z), recentred to unit variance in every direction."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    if dimension == 0:
        return np.zeros((1, 0)), np.ones(1)
    u = qmc.Sobol(dimension, scramble=True, rng=np.random.default_rng(seed)).random(max(1, count // 2))
    half = ndtri(np.clip(u, 1e-15, 1 - 1e-15))
    z = np.ascontiguousarray(np.concatenate([half, -half]))
    weight = np.full(len(z), 1.0 / len(z))
    if len(z) > 4 * dimension:
        # The linear map to exact second moments removes the leading error of every quadratic integrand.
        covariance = (z.T * weight) @ z
        z = np.ascontiguousarray(z @ np.linalg.inv(np.linalg.cholesky(covariance)).T)
    z.setflags(write=False)
    weight.setflags(write=False)
    return z, weight


_kept_sobol = lru_cache(maxsize=32)(_scrambled)


def ladder(dimension: int, *, kink: bool = False, largest: int = 400_000) -> list[Rule]:
    """Rules from cheap to accurate for integrands of ``dimension`` variables; smooth ones first by Gauss–Hermite.

    With a kink Gauss–Hermite converges like 1/nodes even in one variable, where Sobol' points of the same cost are far ahead.
    """
    hermite = [
        Rule("hermite", n) for n in (8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128, 160, 208, 272, 352, 448)
    ]
    sobol = [Rule("sobol", 2**k) for k in range(9, 18)]
    if kink:
        return sobol
    if dimension <= 2:
        return hermite
    smooth = [r for r in hermite if r.nodes**dimension <= 2_000_000 and r.size(dimension) <= largest]
    return sorted(smooth + sobol, key=lambda r: r.size(dimension))


def climb(
    rungs: Sequence[Rule], value: Callable[[Rule], T], agree: Callable[[Rule, T, T], bool]
) -> tuple[Rule, Rule, T]:
    """Go up a ladder until a rung confirms the one before: ``agree(finer, before, after)``.

    Returns
    -------
    Rule, Rule, T
        The rule that was confirmed, the one that did it, and the value by that one. Where none is, twice the last rung.
    """
    after = value(rungs[0])
    for used, finer in pairwise(rungs):
        before, after = after, value(finer)
        if agree(finer, before, after):
            return used, finer, after
    return rungs[-1], rungs[-1], after
