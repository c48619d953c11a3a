"""Losses of the ridge estimator, for any spectrum, number of noises and λ ≥ 0."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.input.checks import InputError
from ..resolvents.equations import Model, Source, derivative, solve_real


@dataclass(frozen=True)
class RidgePoint:
    """The ridge estimator at one λ.

    Parameters
    ----------
    q, theta, theta_d : float or None
        Order parameters; q is infinite (None) and the others vanish where U has zero eigenvalues and λ = 0.
    train_loss, test_loss, memorisation_loss : float
        Per dimension; the last is the train loss with the noise averaged out.
    """

    q: float | None
    theta: float
    theta_d: float
    train_loss: float
    test_loss: float
    memorisation_loss: float


def rank(model: Model) -> float:
    """Rank of U over d: what its samples, noises and features leave; p/d where it has full rank."""
    if model.per_noise == 0:
        reach = model.psi_p if model.s2 > 0 else min(model.psi_p, 1.0)
    elif model.s2 > 0:
        reach = model.psi_n / model.per_noise
    else:
        reach = min(1.0, model.psi_n / model.per_noise)
    return min(reach, model.psi_p)


def ridge(model: Model, strength: float) -> RidgePoint:
    """Train, test and memorisation loss at λ = ``strength``.

    Raises
    ------
    InputError
        At λ = 0 where the test loss is infinite (p = nm).
    """
    noises = model.psi_n / model.per_noise if model.per_noise else float("inf")
    if strength == 0 and abs(model.psi_p - noises) <= 1e-9 * model.psi_p:
        raise InputError(
            "random_features.ridge = 0: must be > 0 where features = samples x noises (p = nm); the test loss is infinite there"
        )
    empty = strength == 0 and rank(model) < model.psi_p
    if empty and model.s2 == 0:
        raise InputError(
            "random_features.ridge = 0: must be > 0 for a linear activation with more features than it resolves"
        )
    # In units of λ where U has zero eigenvalues: everything below but q, θ, θ_d themselves is free of the unit.
    points = solve_real(model, 1.0, 0.0) if empty else solve_real(model, strength)
    theta, bar, tau_w = float(points.theta[0]), float(points.bar[0]), float(points.tau_w[0])
    zeta = 1 - 2 * theta * tau_w
    rest = model.v2 + model.s2
    slope, test, memory = derivative(
        points,
        (
            Source(1.0),
            Source(rest, model.b2, model.alpha2),
            Source(model.s2 + model.v2 * zeta, model.b2, model.alpha2 * zeta, shared=1.0),
        ),
    )[:, 0]
    phi, learned = float(points.phi[0]), 2 * model.b2 * bar * float(points.mean_k[0])
    if empty:
        return RidgePoint(None, 0.0, 0.0, 0.0, float(1 - learned + test), float(1 - learned + memory))
    return RidgePoint(
        float(points.q[0]),
        theta,
        float(points.theta_d[0]),
        float(phi - strength * slope),
        float(1 - learned + test),
        float(1 - learned + memory),
    )
