r"""Linear networks: W turns into the span of the target's leading eigenvectors, mode after mode; beside PCA.

The target is one centred Gaussian; every reference direction u_k is an eigenvector of it, alone in an atom of mass 0. Mode k
has the strength ‖Θ_k‖² and the captured fraction Θ_kᵀ Q⁺ Θ_k, the squared cosine of u_k with the span of the weights.

Growth rate, plateau and the logistic law of one mode come from `derivations.autoencoder.dynamics.linear_network`. Sample PCA: D. Paul,
Statistica Sinica 17, 1617 (2007); Z. Bai and J. Yao, J. Multivariate Anal. 106, 167 (2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, integer
from ...common.output.ensemble import standard_error
from ...common.output.results import Result
from ..equations.training_path.path import TrainingPath
from ..model.extensions import refuse
from ..model.problem import Problem
from ..process.ensemble import Runs

if TYPE_CHECKING:
    import sympy


def mode_atoms(problem: Problem) -> np.ndarray:
    """Atom of each reference direction, (modes,).

    Raises
    ------
    InputError
        Unless the network is linear and tied, predicts data, and the target is one centred Gaussian whose reference
        directions are eigenvectors, each alone in an atom of mass 0.
    """
    refuse(problem, "the modes of a linear network", ("weights", "probabilities", "ema"))
    denoiser, target = problem.denoiser, problem.target
    if (
        denoiser.activation != "linear"
        or denoiser.architecture not in ("tied", "linear")
        or denoiser.predicts != "data"
    ):
        raise InputError(f"denoiser.architecture = {denoiser.architecture!r}: must be linear, predicting data")
    if target.clusters != 1 or np.any(target.centroids):
        raise InputError("target.centroids: must be one centred cluster, whose eigenvectors are the modes")
    K, T = target.directions, target.reference_overlaps
    atoms = np.array([int(np.argmax(T[:, k, k])) for k in range(K)])
    wanted = np.zeros_like(T)
    wanted[atoms, np.arange(K), np.arange(K)] = 1.0
    if len(set(atoms.tolist())) < K or not np.allclose(T, wanted, atol=1e-9) or np.any(target.masses[atoms]):
        raise InputError("target.reference_overlaps: must put every reference direction alone in an atom of mass 0")
    return atoms


def eigenvalues(problem: Problem) -> np.ndarray:
    """ς_k of the modes."""
    return np.asarray(problem.target.cluster_eigenvalues[0, mode_atoms(problem)])


def _averages(problem: Problem) -> dict[str, float]:
    average = problem.time_average()
    times, weights = average.times, average.first
    alpha, beta = problem.interpolant.alpha(times), problem.interpolant.beta(times)
    return {
        "E_beta": float(weights @ beta),
        "E_beta2": float(weights @ beta**2),
        "E_alpha2": float(weights @ alpha**2),
    }


def _evaluate(expression: sympy.Expr, problem: Problem, b: ArrayLike) -> np.ndarray:
    import sympy

    from derivations.autoencoder.network.names import b as b_symbol
    from derivations.autoencoder.network.names import lam, varsigma

    values = {name: sympy.Float(value) for name, value in _averages(problem).items()}
    reduced = expression.subs({x: values[str(x)] for x in expression.free_symbols if str(x) in values})
    reduced = reduced.subs(lam, problem.training.weight_decay)
    function = sympy.lambdify([varsigma, b_symbol], reduced, modules="numpy")
    spread = eigenvalues(problem)
    b = np.asarray(b, dtype=np.float64)
    return np.stack([np.broadcast_to(function(x, b), b.shape) for x in spread], axis=-1)


def growth_rates(problem: Problem, b: ArrayLike) -> np.ndarray:
    """γ_k = 2E[ς_k β(1 − bβ) − bα²] − λ/2 at a value (or an array) of b, (..., modes)."""
    from derivations.autoencoder.dynamics import linear_network

    return _evaluate(linear_network.growth_rate(), problem, b)


def plateaus(problem: Problem, b: ArrayLike) -> np.ndarray:
    """s*_k, the strength at which mode k alone stops growing at small learning rate; 0 where it does not grow, (..., modes)."""
    from derivations.autoencoder.dynamics import linear_network

    return np.maximum(_evaluate(linear_network.plateau(), problem, b), 0.0)


def skip_limit(problem: Problem) -> float:
    """b_∞."""
    mean, Lambda = _averages(problem), problem.target.mean_eigenvalue
    return Lambda * mean["E_beta"] / (Lambda * mean["E_beta2"] + mean["E_alpha2"])


def strengths(Theta: np.ndarray) -> np.ndarray:
    """‖Θ_k‖² of every mode, (..., modes), from Θ (..., r, modes)."""
    return np.asarray(np.sum(Theta**2, axis=-2))


def captured(Theta: np.ndarray, Q: np.ndarray) -> np.ndarray:
    """Θ_kᵀ Q⁺ Θ_k: squared cosine of u_k with the span of the weights, (..., modes)."""
    inverse = np.linalg.pinv(Q, rcond=1e-12, hermitian=True)
    return np.asarray(np.einsum("...ak,...ab,...bk->...k", Theta, inverse, Theta))


def pca_captured(problem: Problem, tau: ArrayLike) -> np.ndarray:
    """Squared cosine of u_k with its eigenvector of the sample covariance of the n = τ d/(2η) samples seen until τ.

    For a spike ς over a bulk H and d/n → y: ψ(ς) = ς (1 + y ∫ x dH(x)/(ς − x)); above the threshold ψ′(ς) > 0 the squared
    cosine is ς ψ′(ς)/ψ(ς), below it 0.

    Returns
    -------
    ndarray, shape (..., modes)
    """
    spread, target = eigenvalues(problem), problem.target
    bulk, mass = target.cluster_eigenvalues[0], target.masses
    x, p = bulk[mass > 0], mass[mass > 0]
    with np.errstate(divide="ignore"):
        aspect = 2 * problem.training.learning_rate / np.asarray(tau, dtype=np.float64)[..., None]
    out = np.zeros(np.broadcast_shapes(aspect.shape, spread.shape))
    for k, value in enumerate(spread):
        if value <= np.max(x):
            continue
        gap = value - x
        with np.errstate(invalid="ignore"):
            psi = value * (1 + aspect[..., 0] * float(p @ (x / gap)))
            slope = 1 - aspect[..., 0] * float(p @ (x**2 / gap**2))
            out[..., k] = np.where(slope > 0, value * slope / psi, 0.0)
    return out


def sample_pca(problem: Problem, tau: float, dimension: int, seed: int | np.random.SeedSequence) -> np.ndarray:
    """Squared cosines of u_k with the span of the r leading eigenvectors of one sample covariance in R^d, (modes,)."""
    d, rng = integer("dimension", dimension, at_least=2), np.random.default_rng(seed)
    target, spread = problem.target, eigenvalues(problem)
    bulk = target.masses > 0
    from ..model.start.weights import atom_counts

    counts = atom_counts(d - len(spread), target.masses[bulk])
    deviation = np.sqrt(np.concatenate([spread, np.repeat(target.cluster_eigenvalues[0, bulk], counts)]))
    samples = round(tau * d / (2 * problem.training.learning_rate))
    covariance = np.zeros((d, d))
    for first in range(0, samples, 4096):
        x = rng.standard_normal((min(4096, samples - first), d)) * deviation
        covariance += x.T @ x
    _, vectors = np.linalg.eigh(covariance / max(samples, 1))
    leading = vectors[: len(spread), -problem.denoiser.hidden_units :]
    return np.asarray(np.sum(leading**2, axis=1))


@dataclass(frozen=True)
class ModeLearning(Result):
    """The modes of a linear network along its training path.

    Attributes
    ----------
    tau : (times,)
    eigenvalues : (modes,)
    strength, captured, pca : (times, modes)
        ‖Θ_k‖²; squared cosine of u_k with the span of the weights; the same of PCA on the samples seen so far (a mode
        beyond the r-th is none of PCA's: 0).
    growth : (modes,)
        γ_k at b_∞: the rate of Θ_k from small weights, once b has learned the bulk.
    plateau : (modes,)
        s*_k at b_∞ (small learning rate, each mode alone).
    final : (modes,)
        Strength at the end of the path.
    escape : (modes,)
        First τ at which the strength reaches half its final value (NaN for modes that end expelled).
    escape_linear, escape_logistic : (modes,)
        The same time predicted by pure growth from the initial strength, and by the logistic law of the mode alone; both with
        b_τ in closed form.
    """

    tau: np.ndarray
    eigenvalues: np.ndarray
    strength: np.ndarray
    captured: np.ndarray
    pca: np.ndarray
    growth: np.ndarray
    plateau: np.ndarray
    final: np.ndarray
    escape: np.ndarray
    escape_linear: np.ndarray
    escape_logistic: np.ndarray

    COLUMNS = ("tau", "strength", "captured", "pca")


#: A mode that ends below this share of its plateau counts as expelled.
EXPELLED = 0.05


def learn(path: TrainingPath, points: int = 801) -> ModeLearning:
    """Strengths, captured fractions and escape times of the modes of a solved path."""
    problem = path.problem
    spread, r = eigenvalues(problem), problem.denoiser.hidden_units
    tau = np.linspace(0.0, path.tau_max, integer("points", points, at_least=3))
    at = path(tau)
    strength = strengths(at.Theta)
    limit = skip_limit(problem)
    plateau, final = plateaus(problem, limit), strength[-1]
    pca = pca_captured(problem, tau)
    pca[:, np.argsort(-spread)[r:]] = 0.0
    learned = final > EXPELLED * np.maximum(plateau, 1e-300)
    linear, logistic = _predictions(problem, path.tau_max, strength[0], final)
    unknown = np.where(learned, 1.0, np.nan)
    return ModeLearning(
        tau=tau,
        eigenvalues=spread,
        strength=strength,
        captured=captured(at.Theta, at.Q),
        pca=pca,
        growth=growth_rates(problem, limit),
        plateau=plateau,
        final=final,
        escape=unknown * _first_crossing(tau, strength, final / 2),
        escape_linear=unknown * linear,
        escape_logistic=unknown * logistic,
    )


def _first_crossing(tau: np.ndarray, values: np.ndarray, level: np.ndarray) -> np.ndarray:
    """First τ at which each column reaches its level, linear between the points; NaN if never."""
    out = np.full(values.shape[1], np.nan)
    for k in range(values.shape[1]):
        above = np.flatnonzero(values[:, k] >= level[k])
        if not len(above):
            continue
        i = int(above[0])
        if i == 0:
            out[k] = tau[0]
            continue
        share = (level[k] - values[i - 1, k]) / (values[i, k] - values[i - 1, k])
        out[k] = tau[i - 1] + share * (tau[i] - tau[i - 1])
    return out


def _predictions(problem: Problem, end: float, start: np.ndarray, final: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times at which s(0) e^{2∫γ} and the logistic law with s*(b_τ) reach half the final strength."""
    from scipy.integrate import cumulative_simpson

    from derivations.autoencoder.dynamics import linear_network

    tau = np.linspace(0.0, end, 8001)
    mean, Lambda, limit = _averages(problem), problem.target.mean_eigenvalue, skip_limit(problem)
    decay = Lambda * mean["E_beta2"] + mean["E_alpha2"]
    b = limit + (problem.denoiser.skip - limit) * np.exp(-decay * tau)
    exponent = cumulative_simpson(2 * growth_rates(problem, b), x=tau, axis=0, initial=0.0)
    growth = np.exp(np.minimum(exponent, 600.0))
    k = _evaluate(linear_network.saturation(), problem, 0.0)
    # ds/dτ = (2γ(0) − k s) s is linear in 1/s.
    logistic = start * growth / (1 + k * start * cumulative_simpson(growth, x=tau, axis=0, initial=0.0))
    return _first_crossing(tau, start * growth, final / 2), _first_crossing(tau, logistic, final / 2)


def measured(runs: Runs) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """``{"strength": (mean, sem), "captured": (mean, sem)}`` over the runs of a simulation, each (times, modes)."""
    values = {"strength": strengths(runs.Theta), "captured": captured(runs.Theta, runs.Q)}
    return {name: (v.mean(axis=0), standard_error(v)) for name, v in values.items()}
