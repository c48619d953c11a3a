"""The same of the target's exact score: where it turns at the centre of mass, and clones and U-turns by the posterior of the clusters.

Two samples of the reversed noising process that share x_t end in the same cluster with probability Σ_c P(c|x_t)²:

    φ(t) = ∫ Σ_c (π_c G_c)²/Σ_c π_c G_c,      G_c = N(β_t μ_c, α_t² + β_t²Σ_c)  in the reference directions,

for two far clusters of equal weight ½∫(G₊² + G₋²)/(G₊ + G₋). A sample of cluster c that is noised to t and generated again keeps
its cluster with the same probability. Biroli, Bonnaire, de Bortoli, Mézard, arXiv 2402.18491 (speciation and clones); Sclocchi,
Favero, Wyart 2024 (U-turns).
"""

from __future__ import annotations

import numpy as np

from ...common.input.checks import array, fail
from ...common.numerics.quadrature.expectations import Rule
from ..model.problem import Problem
from .sde.fields import TIMES
from .turns.times import crossings

#: Grid of the integrals: points per standard deviation, standard deviations beyond the means, most points; Sobol' points.
FINE, BEYOND, MOST, SOBOL = 6, 9.0, 3_000_000, 2**16


def law_of(problem: Problem, t: float) -> tuple[np.ndarray, np.ndarray]:
    """Means (clusters, K) and covariances (clusters, K, K) of the projections u_k·x_t of each cluster."""
    s, target = problem.interpolant, problem.target
    alpha, beta = float(s.alpha(t)), float(s.beta(t))
    return beta * target.projected_centroids(), alpha**2 * target.gram + beta**2 * target.projected_covariance()


def curvature(problem: Problem, t: float, weights: np.ndarray) -> float:
    """Largest eigenvalue of the Hessian of log ρ_t at x = β_t Σ_c π_c μ_c, times its smallest variance."""
    means, covariances = law_of(problem, t)
    values, axes = np.linalg.eigh(problem.target.gram)
    frame = axes[:, values > 1e-12 * values[-1]]
    means, covariances = means @ frame, frame.T @ covariances @ frame
    x = weights @ means
    logs, pulls, inverses = np.empty(len(means)), np.empty_like(means), np.empty_like(covariances)
    for c, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        inverses[c] = np.linalg.inv(covariance)
        pulls[c] = -inverses[c] @ (x - mean)
        with np.errstate(divide="ignore"):
            logs[c] = np.log(weights[c]) + 0.5 * (pulls[c] @ (x - mean)) - 0.5 * np.linalg.slogdet(covariance)[1]
    share = np.exp(logs - logs.max())
    share /= share.sum()
    mean_pull = share @ pulls
    hessian = np.einsum("c,ckl->kl", share, pulls[:, :, None] * pulls[:, None, :] - inverses)
    hessian -= np.outer(mean_pull, mean_pull)
    return float(np.max(np.linalg.eigvalsh(hessian)) * np.min(np.linalg.eigvalsh(covariances)))


def score_times(problem: Problem, weights: np.ndarray | None = None) -> list[float]:
    """t_S of the exact score: where its Jacobian at x = β_t Σ_c π_c μ_c gets, or loses, a positive eigenvalue (π: default the target's)."""
    w = np.asarray(problem.target.weights) if weights is None else weights
    # As t → 1 a target without variance somewhere has no density.
    times = TIMES[TIMES < 1.0 - 1e-6]
    return crossings(lambda t: curvature(problem, t, w), times)


def posterior_agreement(weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> float:
    """∫ Σ_c (π_c G_c)²/Σ_c π_c G_c of Gaussian clusters.

    Parameters
    ----------
    weights : (clusters,)
    means : (clusters, K)
    covariances : (clusters, K, K)
    """
    w = array("weights", weights, ndim=1)
    means = array("means", means, shape=(len(w), None))
    C = array("covariances", covariances, shape=(len(w), means.shape[1], means.shape[1]))
    if np.any(w < 0) or abs(w.sum() - 1) > 1e-8:
        fail("weights", weights, "non-negative and sum to 1")
    if np.allclose(C, C[0], rtol=1e-12, atol=1e-300):
        # One covariance: in units of it, only the directions between the means say anything of the cluster.
        values, axes = np.linalg.eigh(C[0])
        white = axes / np.sqrt(np.maximum(values, 1e-12 * max(values[-1], 1e-300)))
        points = (means - means[0]) @ white
        _, size, directions = np.linalg.svd(points)
        kept = directions[: int(np.sum(size > 1e-10 * max(size.max(initial=0.0), 1e-10)))]
        means = points @ kept.T
        C = np.broadcast_to(np.eye(len(kept)), (len(w), len(kept), len(kept)))
    if means.shape[1] == 0:
        return float(np.sum(w**2))
    return _integral(w, means, np.asarray(C))


def _integral(w: np.ndarray, means: np.ndarray, C: np.ndarray) -> float:
    m = means.shape[1]
    sd = np.sqrt(np.diagonal(C, axis1=1, axis2=2))
    narrow = np.sqrt(np.linalg.eigvalsh(C)[:, 0].min())
    low, high = (means - BEYOND * sd).min(axis=0), (means + BEYOND * sd).max(axis=0)
    counts = np.ceil((high - low) / narrow * FINE).astype(int) + 1
    if m <= 3 and np.prod(counts.astype(float)) <= MOST:
        # The trapezoidal rule, which for such functions converges faster than any power.
        axes = [np.linspace(low[k], high[k], counts[k]) for k in range(m)]
        x = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, m)
        p = np.exp(_log_terms(x, w, means, C))
        total = np.maximum(p.sum(axis=1), 1e-300)
        return float(np.sum(p**2 / total[:, None]) * np.prod((high - low) / (counts - 1)))
    z, weight = Rule("sobol", SOBOL).points(m)
    found = 0.0
    for c in range(len(w)):
        if w[c] > 0:
            x = means[c] + z @ np.linalg.cholesky(C[c]).T
            logs = _log_terms(x, w, means, C)
            posterior = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
            found += float(w[c] * (weight @ posterior[:, c]))
    return found


def _log_terms(x: np.ndarray, w: np.ndarray, means: np.ndarray, C: np.ndarray) -> np.ndarray:
    """log π_c G_c at points, (points, clusters)."""
    out = np.empty((len(x), len(w)))
    for c in range(len(w)):
        y = np.linalg.solve(np.linalg.cholesky(C[c]), (x - means[c]).T)
        with np.errstate(divide="ignore"):
            out[:, c] = np.log(w[c]) - 0.5 * np.sum(y**2, axis=0) - 0.5 * np.linalg.slogdet(2 * np.pi * C[c])[1]
    return out


def agreement(problem: Problem, t: float, weights: np.ndarray) -> float:
    """φ(t) of the exact score, by the posterior of the clusters given the projections at time t."""
    means, covariances = law_of(problem, t)
    values, axes = np.linalg.eigh(problem.target.gram)
    frame = axes[:, values > 1e-12 * values[-1]]
    return posterior_agreement(weights, means @ frame, frame.T @ covariances @ frame)
