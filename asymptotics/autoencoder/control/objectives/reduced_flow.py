"""The adjoint of the generated law's moments: the Euler flow of starting points, taken backwards step by step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...generated.density import GeneratedDensity
from ...model.problem import Problem

#: A Gram matrix whose smallest eigenvalue is below this share of the largest has no inverse to differentiate.
SINGULAR = 1e-10


@dataclass(frozen=True)
class Network:
    """Worths of the overlaps of the network that generates: Q (p, p), Θ (p, K), b (basis,)."""

    Q: np.ndarray
    Theta: np.ndarray
    b: np.ndarray


def differentiable(law: GeneratedDensity) -> bool:
    """Whether `pulled` has the adjoint of this law: a stepped flow without noise, and independent encoder vectors."""
    values = np.linalg.eigvalsh(law.Q)
    return law.stepped and not law.noisy and bool(values[0] > SINGULAR * values[-1])


def pulled(
    problem: Problem, law: GeneratedDensity, x: np.ndarray, w: np.ndarray, bar_mean: np.ndarray, bar_second: np.ndarray
) -> Network:
    """From worths of mean (K,) and second moments (K, K) over the nodes x, w to those of the network.

    I_{k+1} = g_k I_k + a_k φ(z_k), z_k = G_k x Q^{1/2} + I_k Q_{·u}ᵀ, G_k = Π g; X = G Θᵀ Q⁺ Q^{1/2} x + Θ_uᵀ I, and outside
    v (G − Θᵀ Q⁺ Θ) with v = Π g².
    """
    gain, growth = law.discrete.steps
    J = law.coupling.shape[1]
    before = np.concatenate([[1.0], np.cumprod(growth)])
    first = x @ law.root
    networks = [np.zeros((len(x), J))]
    for k in range(len(gain)):
        z = before[k] * first + networks[-1] @ law.coupling.T
        networks.append(growth[k] * networks[-1] + gain[k] * law.discrete.phi_at(k, z))
    last = before[-1] * first
    centres = last @ law.lift.T + networks[-1] @ law.theta_network
    bar_centres = w[:, None] * (bar_mean + centres @ (bar_second + bar_second.T))
    bar_I = bar_centres @ law.theta_network.T
    bar_theta_u = networks[-1].T @ bar_centres
    bar_last, bar_lift = bar_centres @ law.lift, bar_centres.T @ last
    bar_first = before[-1] * bar_last
    bar_before = np.zeros_like(before)
    bar_before[-1] = np.vdot(bar_last, first)
    bar_growth, bar_coupling = np.zeros_like(growth), np.zeros_like(law.coupling)
    for k in reversed(range(len(gain))):
        z = before[k] * first + networks[k] @ law.coupling.T
        bar_growth[k] += np.vdot(bar_I, networks[k])
        bar_z = gain[k] * np.sum(bar_I[:, :, None] * law.discrete.slopes_at(k, z), axis=1)
        bar_I = growth[k] * bar_I + bar_z @ law.coupling
        bar_coupling += bar_z.T @ networks[k]
        bar_first += before[k] * bar_z
        bar_before[k] += np.vdot(bar_z, first)
    variance = before[-1] ** 2
    at = law.at
    theta = at.Theta[law.encoders]
    inverse = np.linalg.inv(law.Q)
    outside = problem.target.gram - theta.T @ inverse @ theta
    bar_before[-1] += 2 * before[-1] * np.vdot(bar_second, outside)
    # G_k = g_0 … g_{k−1}
    after = np.cumsum((bar_before * before)[::-1])[::-1]
    bar_growth += after[1:] / growth
    bar_theta = inverse @ bar_lift.T - variance * inverse @ theta @ (bar_second + bar_second.T)
    bar_inverse = theta @ bar_lift - variance * theta @ bar_second @ theta.T
    bar_Q = -inverse @ bar_inverse @ inverse + _of_root(law.Q, x.T @ bar_first)
    whole_Q, whole_theta = np.zeros_like(at.Q), np.zeros_like(at.Theta)
    whole_Q[np.ix_(law.encoders, law.encoders)] += bar_Q
    np.add.at(whole_Q, np.ix_(law.encoders, law.terms), bar_coupling)
    np.add.at(whole_theta, law.encoders, bar_theta)
    np.add.at(whole_theta, law.terms, bar_theta_u)
    return Network(whole_Q, whole_theta, law.discrete.growth_by_skip() @ bar_growth)


def _of_root(Q: np.ndarray, bar_root: np.ndarray) -> np.ndarray:
    """The worth of Q from that of its symmetric root: dR_ij = dQ_ij/(s_i + s_j) in its eigenbasis."""
    values, vectors = np.linalg.eigh(Q)
    s = np.sqrt(values)
    inner = vectors.T @ ((bar_root + bar_root.T) / 2) @ vectors / (s[:, None] + s)
    return np.asarray(vectors @ inner @ vectors.T)
