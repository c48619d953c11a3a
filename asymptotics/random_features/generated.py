r"""Law of what is generated, in the kernel limit: the score seen by a trajectory from noise is linear, −B_t(S)x.

With a_τ' of `kernel`, B_t = (b²/Δ) a_τ'(S): from the optimum (Δ + e^{−2t}S)⁻¹ of a linear diffusion model on the plateau to 1/Δ
(all weight on the own sample). A deterministic (DDIM) step t → t' multiplies a mode of S by
:math:`e^{t-t'}(1-\Delta B)+\sqrt{\Delta'/\Delta}\,\Delta B`; the generated law is N(0, K(S)). Memorised, samples shrink to 0,
not to training points. That the overlap with single training points stays negligible along whole trajectories is a conjecture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from ..common.input.checks import array, fail
from ..common.numerics.laws.sample_covariance import SolveError
from .losses.kernel import SampleAverage, corner
from .problem import Problem
from .settings import RandomFeatures

#: Times of a sampler: first, last, number of steps.
FIRST, LAST, STEPS = 3.0, 0.01, 50


def sampling_times(first: float = FIRST, last: float = LAST, steps: int = STEPS) -> np.ndarray:
    """Diffusion times of a sampler, descending, equally spaced in ln t, shape (steps + 1,)."""
    if not 0 < last < first:
        fail("last", last, f"> 0 and below first = {first:g}")
    return np.geomspace(first, last, steps + 1)


def step_factors(here: float, there: float) -> tuple[float, float, float]:
    """A DDIM step as x → f₀x + f₁s for the score s: returns f₀, f₁ and Δ of the earlier time."""
    noise, after = -np.expm1(-2 * here), -np.expm1(-2 * there)
    grow = np.exp(here - there)
    return float(grow), float(grow * noise - np.sqrt(after * noise)), float(noise)


def generated_variances(
    settings: RandomFeatures,
    sigma_0: np.ndarray,
    scaled_time: float,
    times: np.ndarray,
    *,
    finite_features: bool = False,
) -> np.ndarray:
    """K(σ₀) of the modes of S with these eigenvalues (real or complex), started from unit variance.

    Parameters
    ----------
    settings : RandomFeatures
        Its diffusion time is replaced by those of the sampler.
    sigma_0 : ndarray
    scaled_time : float
        τ'₀: the model of time t is trained until τ' = Δ τ'₀, the same number of gradient steps at all t.
    times : ndarray
        Diffusion times, descending.
    finite_features : bool
        Use ψ_pM + s² in place of ψ_pM.
    """
    sigma_0 = np.asarray(sigma_0)
    root = np.ones(sigma_0.shape, dtype=sigma_0.dtype)
    for factor in _factors(settings, sigma_0, scaled_time, times, finite_features):
        root = root * factor
    return root**2


def _factors(
    settings: RandomFeatures, sigma_0: np.ndarray, scaled_time: float, times: np.ndarray, finite_features: bool
) -> Iterator[np.ndarray]:
    """What every step of the sampler multiplies the modes by."""
    if settings.initial_variance > 0:
        fail(settings.key("initial_variance"), settings.initial_variance, "0 for the law of what is generated")
    for here, there in itertools.pairwise(times):
        model = Problem(settings.replace(diffusion_time=float(here))).model
        keep, score, noise = step_factors(here, there)
        shift = model.s2 / model.psi_p if finite_features else 0.0
        linear = model.b2 / noise * corner(model, sigma_0, np.array([noise * scaled_time]), shift)[0]
        yield keep - score * (linear if np.iscomplexobj(sigma_0) else linear.real)


def generated_norm(
    settings: RandomFeatures, scaled_times: object, times: np.ndarray | None = None, *, finite_features: bool = False
) -> np.ndarray:
    """E|x|²/d of generated samples, Tr K(S)/d, for every τ'₀.

    Parameters
    ----------
    settings : RandomFeatures
    scaled_times : list of float
        τ'₀ = ψ_pτ₀.
    times : ndarray, optional
        Diffusion times of the sampler; default `sampling_times`.
    finite_features : bool
        Keep s², which hinders memorisation at finite ψ_p.
    """
    wanted = np.atleast_1d(array("scaled_times", scaled_times))
    path = sampling_times() if times is None else array("times", times, ndim=1)
    last = Problem(settings.replace(diffusion_time=float(path[-1]))).model
    average = SampleAverage.of(last, last.b2 / last.alpha2)
    found = [
        average.trace(generated_variances(settings, average.nodes, t, path, finite_features=finite_features))
        for t in wanted
    ]
    return np.array(found)


def generated_divergence(
    settings: RandomFeatures, scaled_times: object, times: np.ndarray | None = None, *, finite_features: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    r"""KL(data ‖ generated)/d and KL(generated ‖ data)/d of the Gaussian laws N(0, Σ) and N(0, K(S)), for every τ'₀.

    .. math::

        \tfrac12\Big[\tfrac1d\mathrm{Tr}\,\Sigma K(S)^{-1}-1+\tfrac1d\ln\det K(S)-\tfrac1d\ln\det\Sigma\Big],\qquad
        \tfrac12\Big[\tfrac1d\mathrm{Tr}\,\Sigma^{-1}K(S)-1-\tfrac1d\ln\det K(S)+\tfrac1d\ln\det\Sigma\Big].

    On the plateau K = S, and both tend to d/4n per dimension for n ≫ d. Parameters as of `generated_norm`. Both are infinite where
    the data have directions without variance, which the sampler fills.

    Raises
    ------
    SolveError
        If ln K is not analytic around the eigenvalues of S.
    """
    wanted = np.atleast_1d(array("scaled_times", scaled_times))
    path = sampling_times() if times is None else array("times", times, ndim=1)
    last = Problem(settings.replace(diffusion_time=float(path[-1]))).model
    if np.any(last.sigma == 0):
        return np.full(wanted.shape, np.inf), np.full(wanted.shape, np.inf)
    average = SampleAverage.of(last, last.b2 / last.alpha2)
    log_data = float(last.mass @ np.log(last.sigma))
    found = []
    for t in wanted:
        factors = np.array(list(_factors(settings, average.nodes, t, path, finite_features)))
        # Along the nodes from one end of the real axis to the other: near 0 at both if no factor vanishes inside.
        phase = np.unwrap(np.concatenate([np.zeros((len(factors), 1)), np.angle(factors)], axis=1), axis=1)[:, 1:]
        if np.any(np.abs(phase[:, [0, -1]]) > np.pi / 2):
            raise SolveError(
                f"the generated law at scaled_times = {t:.6g} has no logarithm around the sample covariance"
            )
        log_k = 2 * (np.log(np.abs(factors)) + 1j * phase).sum(axis=0)
        difference = float(average.trace(log_k)) - log_data
        found.append(
            (
                0.5 * (float(average.trace(np.exp(-log_k), 1)) - 1 + difference),
                0.5 * (float(average.trace(np.exp(log_k), 2)) - 1 - difference),
            )
        )
    one, two = np.array(found).T
    return one, two
