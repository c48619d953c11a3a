"""The process itself in R^d: draw data, train the denoisers, run the sampler, measure the generated distribution.

Nothing here uses the theory's formulae: the denoiser is found by solving the regression's normal equations with an intercept,
or by integrating or descending the gradient of the loss; losses are measured on noised samples, the generated distribution on
points that went through all T steps of the sampler.
"""

from __future__ import annotations

import numpy as np

from ..common.input.checks import InputError
from .diffusion.schedule import Schedule


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
        raise InputError(
            f"learning_rate = {learning_rate:g}: must be > 0 and < {1 / largest:.6g}, the limit of stability"
        )
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
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Generated samples (points, d): all T reverse steps of the trained denoisers from u_T ~ N(0, 1).

    With ``variance = "flow"`` the noise-free reverse steps (DDIM) with the same denoisers. ``weights`` (T, d, d) are W_t for
    t = 1 … T from `train_descent`; by default the denoisers are at their optimum.
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
        w = (basis * (np.sqrt(noise) / second)) @ basis.T if weights is None else weights[t - 1]
        epsilon = centred @ w.T
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
