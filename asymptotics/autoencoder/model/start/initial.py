"""Overlaps of the weights at τ = 0, per atom: given, of drawn weights in law, or of one drawn weight matrix."""

from __future__ import annotations

import numpy as np

from ....common.input.checks import InputError, fail
from ....common.numerics.algebra.gram import INDEFINITE
from ..data.target import EmpiricalMixture, GaussianMixture
from ..network.denoiser import Denoiser
from .weights import construct, drawn, joint_gram, overlaps


def initial_overlaps(target: GaussianMixture, denoiser: Denoiser, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Θ(s) (atoms, p, K) and q(s) (atoms, p, p) of the initial weights.

    From ``denoiser.init``: given overlaps; or w_γ = a √d μ_γ (γ ≤ min(hidden units, clusters); the same for every group of
    vectors) plus i.i.d. N(0, random²) entries, for which Θ(s)_γ = a T(s) c_γ and
    q(s)_γδ = a² c_γᵀ T(s) c_δ + random² p_s δ_γδ; or the measured overlaps of one weight matrix drawn at ``dimension``.
    """
    init, p = denoiser.init, len(denoiser.vectors)
    S, K = target.atoms, target.directions
    if init.realisation is not None:
        measured = overlaps(*realised_weights(target, denoiser, dimension))
        return measured.theta, measured.q
    if init.Theta is not None:
        return _given(target, denoiser)
    w = mean_coordinates(target, denoiser)
    T = target.reference_overlaps
    theta = np.einsum("ak,skl->sal", w, T)
    q = np.einsum("ak,skl,bl->sab", w, T, w) + init.random**2 * target.masses[:, None, None] * np.eye(p)
    if theta.shape != (S, p, K):
        raise RuntimeError(f"theta: has the shape {theta.shape}, not {(S, p, K)}")
    return theta, q


def mean_coordinates(target: GaussianMixture, denoiser: Denoiser) -> np.ndarray:
    """Coordinates of the deterministic part of the initial weights in the reference directions, (p, K), over √d."""
    p, r = len(denoiser.vectors), denoiser.hidden_units
    w = np.zeros((p, target.directions))
    for a in range(p):
        unit = a % r
        if unit < target.clusters:
            w[a] = denoiser.init.centroids * target.centroids[unit]
    return w


def realised_weights(
    target: GaussianMixture, denoiser: Denoiser, dimension: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (p, d), reference directions (K, d) and coordinates of each atom, drawn once from ``init.realisation``."""
    init = denoiser.init
    if init.realisation is None:
        raise InputError("denoiser.init.realisation: missing; there is no drawn start without it")
    S, K, p = target.atoms, target.directions, len(denoiser.vectors)
    empty = np.zeros((S, 0, K)), np.zeros((S, 0, 0))
    if isinstance(target, EmpiricalMixture):
        if dimension != target.dimension:
            fail("simulation.dimension", dimension, f"{target.dimension}, that of the samples, with init.realisation")
        references, counts = target.references, target.counts
    else:
        _, references, counts = construct(dimension, target.masses, target.reference_overlaps, *empty, init.realisation)
    weights = drawn(references, mean_coordinates(target, denoiser), init.random, init.realisation)
    if weights.shape != (p, dimension):
        raise RuntimeError(f"weights: have the shape {weights.shape}, not {(p, dimension)}")
    return weights, references, counts


def _given(target: GaussianMixture, denoiser: Denoiser) -> tuple[np.ndarray, np.ndarray]:
    init, p = denoiser.init, len(denoiser.vectors)
    S, K = target.atoms, target.directions
    theta, q = np.array(init.Theta), np.array(init.Q)
    if S == 1:
        theta, q = theta.reshape(-1, *theta.shape[-2:]), q.reshape(-1, *q.shape[-2:])
    if theta.shape != (S, p, K):
        fail(init.key("Theta"), init.Theta, f"of shape ({p}, {K}) for one atom, else ({S}, {p}, {K})")
    if q.shape != (S, p, p) or not np.allclose(q, q.transpose(0, 2, 1), atol=1e-12):
        fail(init.key("Q"), init.Q, f"symmetric of shape ({p}, {p}) for one atom, else ({S}, {p}, {p})")
    for s, gram in enumerate(joint_gram(theta, q, target.reference_overlaps)):
        if np.linalg.eigvalsh(gram)[0] < -INDEFINITE:
            raise InputError(
                f"{init.key('Theta')}, {init.key('Q')}: no weights have these overlaps with the reference directions "
                f"(atom {s + 1}: [[Q, Theta], [Theta^T, T]] must be positive semi-definite)"
            )
    return theta, q
