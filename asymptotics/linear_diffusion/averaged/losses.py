"""Train and test loss of the denoiser at its optimum, averaged over data sets."""

from __future__ import annotations

import numpy as np

from ..diffusion.schedule import Schedule
from ..resolvents.corrections import expansion
from ..resolvents.orders import by_order

#: Chebyshev points per unit of ln c_t for sums over all steps (the losses are analytic for |arg c| < π).
DENSITY = 9.0
#: Numbers in one temporary array.
BLOCK = 2_000_000


def _terms(values: np.ndarray, samples: int, c: float, shift: np.ndarray, order: int) -> np.ndarray:
    """Terms of the mean (train, test) loss at c_t up to ``order``; shape (order + 1, 2, ...)."""
    ratio = shift - c  # (1 − ᾱ)/ᾱ
    found = []
    for k, e in enumerate(expansion(values, samples, shift, order)):
        train = (values.size if k == 0 else 0.0) - ratio * (e.trace_inverse + c * e.trace_inverse_squared)
        gap = (1.0 + 1.0 / samples) * e.trace_sigma_inverse_squared - e.trace_empirical_inverse_squared
        found.append((train, train + ratio * gap))
    return np.array(found)


def loss_terms(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    schedule: Schedule,
    time: int | np.ndarray,
    order: int = 2,
) -> np.ndarray:
    """Terms of the mean (train, test) loss at step(s) t from the leading one to that of ``order``; shape (order + 1, 2, ...)."""
    shift = np.asarray(schedule.effective_regularisation(regularisation, time))
    return _terms(np.asarray(eigenvalues, dtype=float), samples, regularisation, shift, order)


def averaged_losses(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    schedule: Schedule,
    time: int | np.ndarray,
    *,
    order: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Mean train and test loss at step(s) t, sums over the d components.

    .. math::

        L_{\rm train}&=d-(1-\bar\alpha)\mathrm{Tr}C^{-1}-c\,\bar\alpha(1-\bar\alpha)\mathrm{Tr}C^{-2},\\
        L_{\rm test}&=L_{\rm train}+\bar\alpha(1-\bar\alpha)\,
            [\mathrm{Tr}(\Sigma-\Sigma_0)C^{-2}+\|C^{-1}(\mu-\mu_0)\|^2],

    with C = ᾱ(Σ₀ + c_t), c_t = c + (1−ᾱ)/ᾱ; the mean's error μ − μ₀ has covariance Σ/N.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
    samples : int
        N ≥ 2.
    regularisation : float
        c ≥ 0.
    schedule : Schedule
    time : int or ndarray of int
        Steps, 1 … T.
    order : {0, 1, 2}
        See `asymptotics.linear_diffusion.resolvents.orders`.

    Returns
    -------
    train, test : ndarray
        Of the shape of ``time``.
    """
    train, test = loss_terms(eigenvalues, samples, regularisation, schedule, time, order).sum(axis=0)
    return train, test


@by_order
def corrected_losses(
    eigenvalues: np.ndarray,
    samples: int,
    regularisation: float,
    schedule: Schedule,
    time: int | np.ndarray,
    *,
    order: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
    """`averaged_losses` with the O(1) corrections."""
    return averaged_losses(eigenvalues, samples, regularisation, schedule, time, order=order)


def total_losses(
    eigenvalues: np.ndarray, samples: int, regularisation: float, schedule: Schedule
) -> tuple[float, float]:
    """Mean train and test loss summed over all steps t = 1 … T, to leading order in d."""
    train, test = total_loss_terms(eigenvalues, samples, regularisation, schedule, order=0)[0]
    return float(train), float(test)


def total_loss_terms(
    eigenvalues: np.ndarray, samples: int, regularisation: float, schedule: Schedule, order: int = 2
) -> np.ndarray:
    """Mean (train, test) loss summed over all steps: leading order, O(1) correction, O(1/N) term; shape (order + 1, 2).

    All are analytic functions of ln c_t: they are computed at Chebyshev points and interpolated to the T steps (to 1e-11),
    or computed at every step if there are fewer of those.
    """
    values = np.asarray(eigenvalues, dtype=float)
    steps = np.arange(1, schedule.steps + 1)
    shift = np.asarray(schedule.effective_regularisation(regularisation, steps))

    def curves(at: np.ndarray) -> np.ndarray:
        return _terms(values, samples, regularisation, at, order)

    # the interpolation variable must resolve c_t − c, which may be far smaller than c
    variable = np.log(shift - regularisation)
    low, high = variable.min(), variable.max()
    count = int(np.ceil(DENSITY * (high - low))) + 24
    if count >= schedule.steps:
        whole: np.ndarray = curves(shift).sum(axis=-1)
        return whole
    angles = np.pi * (np.arange(count) + 0.5) / count
    nodes = np.cos(angles)
    transform = (2.0 / count) * np.cos(np.outer(np.arange(count), angles))
    transform[0] /= 2
    at = regularisation + np.exp(0.5 * (low + high) + 0.5 * (high - low) * nodes)
    x = np.clip((2 * variable - low - high) / (high - low), -1.0, 1.0)
    # a block of nodes at a time, so that memory stays proportional to d
    blocks = np.array_split(at, max(1, at.size * values.size // BLOCK))
    found = np.concatenate([curves(block) for block in blocks], axis=-1)
    totals = np.polynomial.chebyshev.chebval(x, np.moveaxis(found @ transform.T, -1, 0)).sum(axis=-1)
    return np.asarray(totals)
