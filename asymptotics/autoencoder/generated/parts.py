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
