"""The full process in R^d: draw data sets, train the denoisers, run the sampler, measure.

Nothing here uses the theory's formulae: the denoiser is found by solving the regression's normal equations with an intercept,
or by integrating or descending the gradient of the loss; losses are measured on noised samples, the generated distribution on
points that went through all T steps of the sampler.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass
from typing import Any

import numpy as np

from asymptotics.common.checks import InputError
from asymptotics.common.ensembles import run_ensemble, spawn
from asymptotics.common.results import Result, to_builtin

from .schedule import Schedule
from .settings import LinearDiffusion, Simulation

#: Noise draws on each training sample when the training loss is measured: at least this many noised samples in all.
TRAIN_DRAWS = 2000


def draw(rng: np.random.Generator, samples: int, scale: np.ndarray) -> np.ndarray:
    """Gaussian samples (N, d) with independent components of standard deviations ``scale`` (d,) and mean 0."""
    return rng.standard_normal((samples, scale.size)) * scale


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean (d,) and covariance (d, d), divided by N, of samples (N, d)."""
    mean = x.mean(axis=0)
    centred = x - mean
    return mean, centred.T @ centred / len(x)


def train_closed_form(
    mean: np.ndarray, covariance: np.ndarray, alpha_bar: float, noise: float, regularisation: float
) -> tuple[np.ndarray, np.ndarray]:
    r"""Ridge regression of ε on (x_t, 1): ε_θ = W x_t + v; returns W (d, d) and v (d,).

    The normal equations are [W, v] ⟨(x_t,1)(x_t,1)ᵀ + ᾱ c diag(1,0)⟩ = ⟨ε (x_t,1)ᵀ⟩, averaged over the data set and the noise.
    """
    d = mean.size
    gram = np.empty((d + 1, d + 1))
    gram[:d, :d] = alpha_bar * (covariance + np.outer(mean, mean))
    gram[np.arange(d), np.arange(d)] += noise + alpha_bar * regularisation
    gram[:d, d] = gram[d, :d] = np.sqrt(alpha_bar) * mean
    gram[d, d] = 1.0
    cross = np.zeros((d, d + 1))
    cross[np.arange(d), np.arange(d)] = np.sqrt(noise)
    solution = np.linalg.solve(gram, cross.T).T
    return solution[:, :d], solution[:, d]


def gradient(weights: np.ndarray, second_moment: np.ndarray, noise: float) -> np.ndarray:
    """∇_W L = 2(W C − √(1−ᾱ)) with the bias at its optimum; leading axes of W and C are batched."""
    change = 2.0 * (weights @ second_moment)
    diagonal = np.einsum("...ii->...i", change)
    diagonal -= 2.0 * np.sqrt(noise) if np.ndim(noise) == 0 else 2.0 * np.sqrt(noise)[..., None]
    return change


def train_descent(
    covariance: np.ndarray,
    schedule: Schedule,
    times: np.ndarray,
    regularisation: float,
    learning_rate: float,
    iterations: int,
) -> np.ndarray:
    """Gradient descent from W = 0 for all steps in ``times`` at once; W of shape (times, d, d).

    Raises
    ------
    InputError
        If the learning rate is at or beyond the limit of stability, 1/s_max.
    """
    d = covariance.shape[0]
    ab, noise = schedule.alpha_bar[times], schedule.noise[times]
    second = ab[:, None, None] * (covariance + regularisation * np.eye(d)) + noise[:, None, None] * np.eye(d)
    largest = max(float(np.linalg.eigvalsh(c)[-1]) for c in second)
    if not 0 < learning_rate < 1 / largest:
        raise InputError(f"learning_rate = {learning_rate:g}: must be > 0 and < {1 / largest:.6g}, the limit of stability")
    weights = np.zeros_like(second)
    for _ in range(iterations):
        weights -= learning_rate * gradient(weights, second, noise)
    return weights


def train_flow(second_moment: np.ndarray, noise: float, tau: np.ndarray) -> list[np.ndarray]:
    """W(τ) of gradient flow Ẇ = −∇L from W = 0 at ascending training times, by classical Runge–Kutta steps."""
    step_limit = 0.25 / float(np.linalg.eigvalsh(second_moment)[-1])
    w, at, found = np.zeros_like(second_moment), 0.0, []
    for goal in tau:
        count = int(np.ceil((goal - at) / step_limit)) if goal > at else 0
        for _ in range(count):
            h = (goal - at) / count
            k1 = gradient(w, second_moment, noise)
            k2 = gradient(w - 0.5 * h * k1, second_moment, noise)
            k3 = gradient(w - 0.5 * h * k2, second_moment, noise)
            k4 = gradient(w - h * k3, second_moment, noise)
            w = w - h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        at = float(goal)
        found.append(w)
    return found


def measured_loss(
    rng: np.random.Generator, x: np.ndarray, weights: np.ndarray, offset: np.ndarray, alpha_bar: float, noise: float
) -> float:
    """Mean of ‖ε − W x_t − v‖² over clean samples x (M, d), one draw of the noise and its opposite for each."""
    epsilon = rng.standard_normal(x.shape)
    total = 0.0
    for sign in (1.0, -1.0):
        noised = np.sqrt(alpha_bar) * x + sign * np.sqrt(noise) * epsilon
        residual = sign * epsilon - noised @ weights.T - offset
        total += float(np.einsum("ij,ij->", residual, residual)) / len(x)
    return total / 2


def run_sampler(
    rng: np.random.Generator,
    points: int,
    mean: np.ndarray,
    covariance: np.ndarray,
    schedule: Schedule,
    regularisation: float,
    variance: str,
    last_noise: bool,
) -> np.ndarray:
    """Generated samples (points, d): all T reverse steps of the trained denoisers from u_T ~ N(0, 1).

    With ``variance = "flow"`` the noise-free reverse steps (DDIM) with the same denoisers.
    """
    d = mean.size
    # One eigenbasis for all steps: the T inverses of ᾱ_t(Σ₀+c) + 1 − ᾱ_t would cost T d³
    values, basis = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0) + regularisation
    u = rng.standard_normal((points, d))
    for t in range(schedule.steps, 0, -1):
        ab, before, beta = schedule.alpha_bar[t], schedule.alpha_bar[t - 1], schedule.beta[t]
        noise, noise_before = schedule.noise[t], schedule.noise[t - 1]
        second = ab * values + noise
        centred = u - np.sqrt(ab) * mean
        epsilon = ((centred @ basis) * (np.sqrt(noise) / second)) @ basis.T
        if variance == "flow":
            u = np.sqrt(before / ab) * (u - np.sqrt(noise) * epsilon) + np.sqrt(noise_before) * epsilon
            continue
        u = (u - beta / np.sqrt(noise) * epsilon) / np.sqrt(1 - beta)
        if t == 1 and not last_noise:
            break
        fresh = rng.standard_normal((points, d))
        if variance == "beta":
            u += np.sqrt(beta) * fresh
        elif variance == "posterior":
            u += np.sqrt(beta * noise_before / noise) * fresh
        else:
            root = np.sqrt(beta * (before * values + noise_before) / second)
            u += ((fresh @ basis) * root) @ basis.T
    return u


def gaussian_divergences(
    mean: np.ndarray, covariance: np.ndarray, target: np.ndarray, points: int | None = None
) -> tuple[float, float]:
    """KL(N(mean, covariance)‖N(0, target)) and the reverse, in nats; NaN where infinite.

    With ``points`` the first two arguments are moments measured on that many samples of a Gaussian, and the bias of both is
    removed exactly (Wishart averages: log-determinant, inverse and mean).
    """
    d = mean.size
    sign, log_det = np.linalg.slogdet(covariance)
    sign_target, log_target = np.linalg.slogdet(target)
    if sign_target <= 0 or sign <= 0 or (points is not None and points <= d + 2):
        return np.nan, np.nan
    scale, inverse_scale, forward_mean, reverse_mean = 1.0, 1.0, 0.0, 0.0
    if points is not None:
        from scipy.special import digamma

        log_det -= float(digamma((points - np.arange(1, d + 1)) / 2).sum() + d * np.log(2 / points))
        scale = points / (points - 1)
        inverse_scale = (points - d - 2) / points
        forward_mean = float(np.trace(np.linalg.solve(target, covariance))) * scale / points
        reverse_mean = d / points
    ratio = log_target - log_det
    forward = np.trace(np.linalg.solve(target, covariance)) * scale + mean @ np.linalg.solve(target, mean)
    inverse = np.linalg.inv(covariance)
    reverse = inverse_scale * ((inverse * target).sum() + mean @ inverse @ mean) - reverse_mean
    return 0.5 * (ratio - d + forward - forward_mean), 0.5 * (-ratio - d + reverse)


def symmetric_root(matrix: np.ndarray) -> np.ndarray:
    """The symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T


def one_run(seed: np.random.SeedSequence, settings: LinearDiffusion, simulation: Simulation) -> dict[str, Any]:
    """One pair of data sets, trained and measured; a flat dictionary of numbers and short lists."""
    rng = np.random.default_rng(seed)
    spectrum, schedule = settings.covariance(), settings.schedule()
    scale = np.sqrt(spectrum.eigenvalues)
    target = np.diag(spectrum.eigenvalues)
    d, big, c, t = scale.size, settings.samples, settings.regularisation, settings.time
    assert t is not None
    ab, noise = float(schedule.alpha_bar[t]), float(schedule.noise[t])

    x = draw(rng, big, scale)
    fresh = draw(rng, simulation.test_samples, scale)
    repeated = np.repeat(x, max(1, -(-TRAIN_DRAWS // big)), axis=0)
    mean, covariance = moments(x)
    weights, offset = train_closed_form(mean, covariance, ab, noise, c)
    values: dict[str, Any] = {
        "train_loss": measured_loss(rng, repeated, weights, offset, ab, noise),
        "test_loss": measured_loss(rng, fresh, weights, offset, ab, noise),
    }

    second = ab * (covariance + c * np.eye(d)) + noise * np.eye(d)
    curves: dict[str, list[float]] = {"flow_train_loss": [], "flow_test_loss": []}
    for w in train_flow(second, noise, np.asarray(simulation.tau)):
        bias = -np.sqrt(ab) * (w @ mean)
        curves["flow_train_loss"].append(measured_loss(rng, repeated, w, bias, ab, noise))
        curves["flow_test_loss"].append(measured_loss(rng, fresh, w, bias, ab, noise))
    values |= curves

    learned = covariance + c * np.eye(d)
    values |= _traces(learned, covariance, target, big)
    divergences = gaussian_divergences(mean, learned, target) if c > 0 or big > d else (np.nan, np.nan)
    values["kl_generated_target"], values["kl_target_generated"] = divergences

    root = symmetric_root(learned)
    other = symmetric_root(moments(draw(rng, big, scale))[1] + c * np.eye(d))
    epsilon = rng.standard_normal((500, d))
    generated = [epsilon @ root, epsilon @ other, epsilon * scale]
    values["cosine_models"] = _cosine(generated[0], generated[1])
    values["cosine_truth"] = _cosine(generated[0], generated[2])

    points = simulation.sampled_points(d)
    if points > 0:
        u = run_sampler(rng, points, mean, covariance, schedule, c, settings.variance, settings.last_noise)
        sampled_mean, sampled_covariance = moments(u)
        kl = gaussian_divergences(sampled_mean, sampled_covariance, target, points)
        values["sampled_kl_generated_target"], values["sampled_kl_target_generated"] = kl
        values["sampled_trace"] = float(np.trace(sampled_covariance)) * points / max(points - 1, 1)
    return values


def _traces(learned: np.ndarray, covariance: np.ndarray, target: np.ndarray, samples: int) -> dict[str, float]:
    """Log-determinant and traces by matrix algebra; NaN where Σ₀ + c has no inverse."""
    d = len(learned)
    names = ("log_det", "trace_inverse", "trace_sigma_inverse", "gap_trace")
    _, projector = _null_space(covariance, min(samples - 1, d))
    found = {"null_mass": float((projector * target).sum())}
    if np.linalg.matrix_rank(learned, hermitian=True) < d:
        return {**found, **dict.fromkeys(names, np.nan)}
    inverse = np.linalg.inv(learned)
    difference = (target - covariance) @ inverse
    return found | {
        "log_det": float(np.linalg.slogdet(learned)[1]),
        "trace_inverse": float(np.trace(inverse)),
        "trace_sigma_inverse": float((target * inverse).sum()),
        "gap_trace": float((difference * inverse.T).sum()),
    }


def _null_space(covariance: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """The smallest d − rank eigenvectors and the projector onto them."""
    _, vectors = np.linalg.eigh(covariance)
    null = vectors[:, : len(covariance) - rank]
    return null, null @ null.T


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Ratio of means ⟨a·b⟩/√(⟨a²⟩⟨b²⟩) over the rows."""
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


@dataclass(frozen=True)
class Runs(Result):
    """Means and standard errors over independent data sets.

    Parameters
    ----------
    dimension, runs : int
    tau : list of float
        Training times of ``flow_train_loss`` and ``flow_test_loss`` (gradient flow at step t).
    mean, sem : dict
        By the names of the theory's fields; ``sampled_...`` are measured on points generated by the sampler. None: not finite.
    values : dict
        The single runs, lists of length ``runs``.
    settings, simulation : dict
        The tables that made them.
    seconds : float
    """

    dimension: int
    runs: int
    tau: list[float]
    mean: dict[str, Any]
    sem: dict[str, Any]
    values: dict[str, Any]
    settings: dict[str, Any]
    simulation: dict[str, Any]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            name: to_builtin(getattr(self, name))
            for name in ("dimension", "runs", "tau", "mean", "sem", "settings", "simulation", "seconds")
        }

    def summary(self) -> str:
        lines = [f"linear diffusion: {self.runs} data sets in d = {self.dimension}, {self.seconds:.1f} s"]
        for name, value in self.mean.items():
            entries = zip(np.atleast_1d(np.array(value, float)), np.atleast_1d(np.array(self.sem[name], float)), strict=True)
            lines.append(f"  {name:<30} " + ", ".join(f"{m:.6g} ± {s:.2g}" for m, s in entries))
        return "\n".join(lines)

    def __repr__(self) -> str:
        return self.summary()

    def plot(self, ax: Any = None) -> tuple[Any, Any]:
        """Measured losses against training time, with error bars."""
        from .plots import measured_curve

        return measured_curve(self, ax=ax)


def simulate(
    settings: LinearDiffusion, simulation: Simulation, *, workers: int | None = None, progress: bool | None = None
) -> Runs:
    """An ensemble of independent data sets through the full process.

    Parameters
    ----------
    settings : LinearDiffusion
    simulation : Simulation
    workers : int, optional
        Processes; the answer does not depend on their number.
    progress : bool, optional
        Show a bar; default only on a terminal.
    """
    started = clock.perf_counter()
    seeds = spawn(simulation.seed, simulation.runs)
    found = run_ensemble(
        one_run, seeds, settings, simulation, workers=workers, progress=progress, description="data sets"
    )
    mean, sem = {}, {}
    values = {name: np.array([run[name] for run in found], dtype=float) for name in found[0]}
    for name, column in values.items():
        mean[name] = to_builtin(column.mean(axis=0))
        sem[name] = to_builtin(column.std(axis=0, ddof=1) / np.sqrt(len(column)))
    return Runs(
        settings.covariance().dimension,
        simulation.runs,
        list(simulation.tau),
        mean,
        sem,
        {name: to_builtin(column) for name, column in values.items()},
        settings.to_table(),
        simulation.to_table(),
        clock.perf_counter() - started,
    )
