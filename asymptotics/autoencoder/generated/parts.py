"""What the two samplers of the local fields, discrete and continuous, have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..kernels.compile import Kernels
from ..model.problem import Problem
from ..model.sampling import Sampling


@dataclass(frozen=True)
class Flow:
    """Where latent starting points end: linear part ℓ and network part I (points, terms)."""

    linear: np.ndarray
    network: np.ndarray


class Trained(Protocol):
    """What a sampler reads of a trained network (`LatentFlow`, which says what the names are)."""

    problem: Problem
    sampling: Sampling
    kernels: Kernels
    derived: Any
    epsilon: Callable[[Any], np.ndarray]
    b: Any
    kappa: np.ndarray
    coupling: np.ndarray
    root: np.ndarray
    told: np.ndarray

    def told_at(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]: ...

    def phi(self, z: np.ndarray, t: float) -> np.ndarray: ...


def guided(
    function: Callable[..., None],
    z: np.ndarray,
    now: np.ndarray,
    label: np.ndarray,
    kappa: np.ndarray,
    omega: float,
    shape: tuple[int, ...],
) -> np.ndarray:
    """(1 + ω) f(z; label) − ω f(z; no label) of a compiled function of the network at fields z (points, encoders).

    ``now`` (5,) is what it is told of the time; ``shape`` is that of its value at all points.
    """
    z, now = np.ascontiguousarray(z, dtype=np.float64), np.ascontiguousarray(now)
    out = np.empty(shape)
    function(z, now, label, kappa, out)
    if omega == 0.0:
        return out
    free = np.empty(shape)
    function(z, now, np.zeros_like(label), kappa, free)
    return np.asarray((1 + omega) * out - omega * free)
