"""One drawn weight matrix as the common start of theory and experiment."""

from __future__ import annotations

import numpy as np

from ..common.checks import InputError, fail
from .from_samples import EmpiricalMixture
from .settings import Problem
from .weights import construct, drawn, overlaps


def realised_weights(problem: Problem, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (p, d), reference directions (K, d) and coordinates of each atom, drawn once from ``init.realisation``."""
    from .initial import mean_coordinates

    target, init = problem.target, problem.denoiser.init
    if init.realisation is None:
        raise InputError("denoiser.init.realisation: missing; there is no drawn start without it")
    S, K, p = target.atoms, target.directions, len(problem.denoiser.vectors)
    empty = np.zeros((S, 0, K)), np.zeros((S, 0, 0))
    if isinstance(target, EmpiricalMixture):
        if dimension != target.dimension:
            fail("simulation.dimension", dimension, f"{target.dimension}, that of the samples, with init.realisation")
        references, counts = target.references, target.counts
    else:
        _, references, counts = construct(dimension, target.masses, target.reference_overlaps, *empty, init.realisation)
    weights = drawn(references, mean_coordinates(problem), init.random, init.realisation)
    if weights.shape != (p, dimension):
        raise RuntimeError(f"weights: have the shape {weights.shape}, not {(p, dimension)}")
    return weights, references, counts


def realised_overlaps(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    """Θ(s) and q(s) of the drawn start, at the dimension of the simulation."""
    measured = overlaps(*realised_weights(problem, problem.simulation.dimension))
    return measured.theta, measured.q
