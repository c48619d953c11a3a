"""One sample's gradient from its inner products, and what a step makes of the scalars: the same in R^d and for the reduced chain.

Nothing here is averaged. For one sample (x₀, x₁), with the local fields λ₀ = W x₀/√d, λ₁ = W x₁/√d and the Gram matrix
Q = W Wᵀ/d, the residual e_t = y₀x₀ + y₁x₁ − f(x_t) of the network f(x) = s x + Σ_j (u_j/√d) φ_j has the inner products
ε_j = u_j·e_t/√d = y₀λ₀ + y₁λ₁ − sω (components u_j) − Σ_k Q_{u_j u_k} φ_k, and the gradients of ‖e_t‖² are

    ∂_{w_a}: −(2/√d) [Φ_a e_t + F_a x_t],  Φ_a = Σ_{j: u_j = w_a} φ_j,  F_a = Σ_j ε_j ∂φ_j/∂ω_a
    ∂_κ:     −2 Σ_j ε_j ∂φ_j/∂κ            ∂_{b_k}: −2 ψ_k(t) e_t·x_t,   s(t) = s₀(t) + Σ_k b_k ψ_k(t)

so that a step is a linear combination of x₀, x₁ and the decoder vectors for any number of times t.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numba import float64, int64, types

from ....common.numerics.code.compiled import njit


class Told(NamedTuple):
    """What steps are told of a training.

    Attributes
    ----------
    decoders : (terms,)
        Index of the decoder of each term.
    clock : (1 or steps, 9 + skips, times)
        α, β, α̇, β̇, t, y₀, y₁, w, s₀, ψ_1, ψ_2, …: the same at every step, or one table a step. w is a factor on the gradient of
        a time, whether it is averaged over or drawn.
    time_weights : (times,)
        Weights of E_t.
    factors, decays : (steps,)
        Factor on the learning rates, and λ, at every step.
    rates : (p + 2,)
        Learning rates of the vectors, of b and of κ.
    """

    decoders: np.ndarray
    clock: np.ndarray
    time_weights: np.ndarray
    factors: np.ndarray
    decays: np.ndarray
    rates: np.ndarray


class Samples(NamedTuple):
    """What the samples of some steps are.

    Attributes
    ----------
    picks, times, labels : (samples,)
        Cluster, or row of the data; index of the one time that is used, or −1 for all; label (−1: dropped or none).
    label_count : int
        How many labels there are.
    """

    picks: np.ndarray
    times: np.ndarray
    labels: np.ndarray
    label_count: int


class Map(NamedTuple):
    """An optimiser's map by its entries (`asymptotics.autoencoder.process.training.optimiser`), all empty for plain SGD.

    Attributes
    ----------
    gradient_of, gradient_by, linear_of, linear_by : (n, 2), (steps, n), (m, 2), (steps, m)
        Of R and L.
    scalar_gradient, scalar_of, scalar_by : (S,), (m, 2), (steps, m)
        The same of the rows of scalars.
    """

    gradient_of: np.ndarray
    gradient_by: np.ndarray
    linear_of: np.ndarray
    linear_by: np.ndarray
    scalar_gradient: np.ndarray
    scalar_of: np.ndarray
    scalar_by: np.ndarray


class Work(NamedTuple):
    """Room for one gradient, and what it adds up to.

    Attributes
    ----------
    omega, now, values, by_field, by_parameter, total, encoded, residual, change
        Scratch.
    b, kappa : (skips,), (parameters,)
        The network's own, for this step.
    D : (p, terms)
        Coefficients of the decoders, per 2η/d.
    by_b, by_kappa : (skips,), (parameters,)
        Gradient of the scalars.
    """

    omega: np.ndarray
    now: np.ndarray
    values: np.ndarray
    by_field: np.ndarray
    by_parameter: np.ndarray
    total: np.ndarray
    encoded: np.ndarray
    residual: np.ndarray
    change: np.ndarray
    b: np.ndarray
    kappa: np.ndarray
    D: np.ndarray
    by_b: np.ndarray
    by_kappa: np.ndarray


_vector, _matrix, _pairs, _integers = float64[::1], float64[:, ::1], int64[:, ::1], int64[::1]
#: φ_j with their slopes: of fields, parameters and what is known of the time, into values and both slopes.
Slopes: TypeAlias = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], None]
#: Types of φ_j with their slopes (`Forward.module.slopes`), and of the tuples above.
SLOPES = types.FunctionType(types.void(_vector, _vector, _vector, _vector, _matrix, _matrix))
TOLD = types.NamedTuple((_integers, float64[:, :, ::1], _vector, _vector, _vector, _vector), Told)
SAMPLES = types.NamedTuple((_integers, _integers, _integers, int64), Samples)
MAP = types.NamedTuple((_pairs, _matrix, _pairs, _matrix, _vector, _pairs, _matrix), Map)


@njit(cache=True, error_model="numpy")
def room_for(p: int, terms: int, skips: int, parameters: int, labels: int, rows: int) -> Work:
    """A `Work`."""
    return Work(
        np.empty(p), np.empty(5 + labels), np.empty(terms), np.empty((terms, p)), np.empty((terms, parameters)), np.empty(p),
        np.empty(p), np.empty(terms), np.empty((rows, skips + parameters)), np.empty(skips), np.empty(parameters),
        np.empty((p, terms)), np.empty(skips), np.empty(parameters),
    )  # fmt: skip


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def begin(scalars: np.ndarray, work: Work) -> None:
    """A step begins: the network's scalars, and no gradient so far."""
    skips = work.b.shape[0]
    for m in range(skips):
        work.b[m] = scalars[0, m]
        work.by_b[m] = 0.0
    for m in range(work.kappa.shape[0]):
        work.kappa[m] = scalars[0, skips + m]
        work.by_kappa[m] = 0.0
    for a in range(work.D.shape[0]):
        for j in range(work.D.shape[1]):
            work.D[a, j] = 0.0


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def averaged(
    slopes: Slopes, decoders: np.ndarray, told: Told, frame: int, times: int, chosen: int, label: int, batch: int,
    lambda0: np.ndarray, lambda1: np.ndarray, Q: np.ndarray, s00: float, s01: float, s11: float, work: Work,
    a0: np.ndarray, a1: np.ndarray,
) -> None:  # fmt: skip
    """The average of one sample's gradient over the times, from its fields λ₀, λ₁ and the Gram matrices Q and s.

    ``a0`` and ``a1`` become the coefficients of x₀ and x₁, per 2η/√d; to ``D``, ``by_b`` and ``by_kappa`` of the `Work` the
    sample's share is added.
    """
    p, terms, skips = lambda0.shape[0], decoders.shape[0], work.b.shape[0]
    clock, now, omega, values, residual = told.clock, work.now, work.omega, work.values, work.residual
    total, encoded = work.total, work.encoded
    for a in range(p):
        a0[a] = 0.0
        a1[a] = 0.0
    for m in range(now.shape[0] - 5):
        now[5 + m] = 1.0 if label == m else 0.0
    for h in range(times):
        if chosen >= 0 and h != chosen:
            continue
        weight = clock[frame, 7, h] * (1.0 if chosen >= 0 else told.time_weights[h]) / batch
        for m in range(5):
            now[m] = clock[frame, m, h]
        alpha, beta, skip = now[0], now[1], clock[frame, 8, h]
        for m in range(skips):
            skip += work.b[m] * clock[frame, 9 + m, h]
        r0, r1 = clock[frame, 5, h] - skip * alpha, clock[frame, 6, h] - skip * beta
        for a in range(p):
            omega[a] = alpha * lambda0[a] + beta * lambda1[a]
            total[a] = 0.0
            encoded[a] = 0.0
        slopes(omega, work.kappa, now, values, work.by_field, work.by_parameter)
        aligned = r0 * alpha * s00 + r1 * beta * s11 + (r0 * beta + r1 * alpha) * s01
        for j in range(terms):
            u = decoders[j]
            total[u] += values[j]
            aligned -= values[j] * omega[u]
            e = r0 * lambda0[u] + r1 * lambda1[u]
            for i in range(terms):
                e -= Q[u, decoders[i]] * values[i]
            residual[j] = e
        for j in range(terms):
            for a in range(p):
                encoded[a] += residual[j] * work.by_field[j, a]
            for m in range(work.by_kappa.shape[0]):
                work.by_kappa[m] -= 2.0 * weight * residual[j] * work.by_parameter[j, m]
        for m in range(skips):
            work.by_b[m] -= 2.0 * weight * aligned * clock[frame, 9 + m, h]
        for a in range(p):
            a0[a] += weight * (total[a] * r0 + encoded[a] * alpha)
            a1[a] += weight * (total[a] * r1 + encoded[a] * beta)
            for j in range(terms):
                work.D[a, j] -= weight * total[a] * values[j]


@njit(cache=True, error_model="numpy", fastmath={"contract"}, forceinline=True)
def move_scalars(told: Told, k: int, d: float, moved: Map, work: Work, scalars: np.ndarray) -> None:
    """What step k does to b and κ, and to the rows that no network uses, at the gradients of a `Work`."""
    skips, parameters, change = work.b.shape[0], work.kappa.shape[0], work.change
    p, factor = told.rates.shape[0] - 2, told.factors[k]
    for r in range(change.shape[0]):
        gain_b = moved.scalar_gradient[r] * factor * told.rates[p] / (d * d)
        gain_kappa = moved.scalar_gradient[r] * factor * told.rates[p + 1] / d
        for m in range(skips):
            change[r, m] = scalars[r, m] - gain_b * work.by_b[m]
        for m in range(parameters):
            change[r, skips + m] = scalars[r, skips + m] - gain_kappa * work.by_kappa[m]
    for e in range(moved.scalar_of.shape[0]):
        for m in range(skips + parameters):
            change[moved.scalar_of[e, 0], m] += moved.scalar_by[k, e] * scalars[moved.scalar_of[e, 1], m]
    for r in range(change.shape[0]):
        for m in range(skips + parameters):
            scalars[r, m] = change[r, m]
