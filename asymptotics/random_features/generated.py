r"""Law of what is generated, in the kernel limit: the score seen by a trajectory from noise is linear, −B_t(S)x.

With a_τ' of `kernel`, B_t = (b²/Δ) a_τ'(S): from the optimum (Δ + e^{−2t}S)⁻¹ of a linear diffusion model on the plateau to 1/Δ
(all weight on the own sample). A deterministic (DDIM) step t → t' multiplies a mode of S by
:math:`e^{t-t'}(1-\Delta B)+\sqrt{\Delta'/\Delta}\,\Delta B`; the generated law is N(0, K(S)). Memorised, samples shrink to 0,
not to training points. That the overlap with single training points stays negligible along whole trajectories is a conjecture.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..common.input.checks import array, fail
from .kernel import SampleAverage, corner
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
    for here, there in itertools.pairwise(times):
        model = Problem(settings.replace(diffusion_time=float(here))).model
        keep, score, noise = step_factors(here, there)
        shift = model.s2 / model.psi_p if finite_features else 0.0
        linear = model.b2 / noise * corner(model, sigma_0, np.array([noise * scaled_time]), shift)[0]
        root = root * (keep - score * (linear if np.iscomplexobj(sigma_0) else linear.real))
    return root**2


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
