"""Theory against the full process, quantity by quantity, with the terms of O(1) and O(1/N)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..common.input.checks import InputError
from ..common.output.power import detectable, shifts
from ..common.output.scores import Prediction, judged
from ..common.output.verdict import LEVEL, Verdict
from .averaged.best import best_curves, best_values, summed
from .averaged.generated import Generated, generated_averages
from .prediction import Averages
from .resolvents.equivalents import degrees_of_freedom, deterministic_equivalents
from .settings import LinearDiffusion, Simulation
from .simulation import Runs
from .theory import averaged

SOURCE = "last term of the expansion in 1/N"
#: Powers of the inverse of the smallest eigenvalue that a quantity contains.
POWERS = {"trace_inverse": 1, "trace_sigma_inverse": 1, "kl_target_generated": 1, "gap_trace": 2}
POWERS |= {"sampled_kl_target_generated": 1}
#: What is skewed from run to run: inverses and what contains them (the correction for it costs others power and accuracy).
SKEWED = {*POWERS, "test_loss", "kl_generated_target", "sampled_kl_generated_target"}
#: Means that are compared, in the order of the rows.
FIELDS: tuple[str, ...] = ("train_loss", "test_loss", "log_det", "trace_inverse", "trace_sigma_inverse", "gap_trace")
FIELDS += ("kl_generated_target", "kl_target_generated", "null_mass", "cosine_models", "cosine_truth")


def compare(theory: Averages, runs: Runs, *, level: float = LEVEL) -> Verdict:
    """Theory with all its terms against the runs; what is allowed is the last term of the expansion in 1/N.

    Parameters
    ----------
    theory : Averages
    runs : Runs
    level : float
        Probability that a correct theory fails.

    Raises
    ------
    InputError
        If they are of different settings, or ``theory`` is a sweep.
    """
    if not isinstance(theory, Averages):
        raise InputError("theory: must be the averages for one number of samples (not a sweep)")
    if theory.experiment["linear_diffusion"] != runs.experiment["linear_diffusion"]:
        raise InputError("runs: must have the settings of the theory")
    settings, simulation = theory.problem.linear_diffusion, runs.problem.simulation
    tau = np.asarray(runs.tau, dtype=float)
    own = averaged(settings, tau=tau if tau.size else None)
    found = list(predictions(settings, simulation, tau))
    given = [f if f.reason else dataclasses.replace(f, value=f.value + _moved(theory, own, f)) for f in found]
    rows, skipped = judged(given, {name: runs.values(name) for name in runs.names})
    verdict = Verdict.of(rows, level=level, not_tested=tuple(skipped))
    return dataclasses.replace(verdict, power=_power(settings, simulation, tau, found, verdict))


def _moved(theory: Averages, own: Averages, found: Prediction) -> float:
    """How far the given theory is from that of its settings, in its field and in its best value: 0 unless someone changed it."""
    if not hasattr(own, found.name):
        return 0.0
    here, given = getattr(own, found.name), getattr(theory, found.name)
    best, known = theory.corrected.get(found.name), own.corrected.get(found.name)
    shift = 0.0 if here is None or given is None else given - here
    return float(shift + (0.0 if best is None or known is None else best - known))


def _heavy(settings: LinearDiffusion, values: np.ndarray, power: int) -> bool:
    """Whether the fourth moment of the inverse smallest eigenvalue to that power is missing, or is made by c alone.

    For N > d, P(λ_min < ε) ~ ε^{(N−d)/2}, cut at c; at c below the gap of the spectrum (1 − df₁/n still that of c = 0, within a
    factor 2) rare data sets with small eigenvalues carry the moments.
    """
    d, big, c = values.size, settings.samples, settings.regularisation
    if big <= d or 4 * power < 0.5 * (big - d):
        return False
    if c == 0:
        return True
    n, _ = degrees_of_freedom(big)
    return 1.0 - float(deterministic_equivalents(values, big, c).df1) / n < 2.0 * (1.0 - d / n)


def predictions(settings: LinearDiffusion, simulation: Simulation, tau: np.ndarray) -> Iterator[Prediction]:
    """Everything that a simulation measures."""
    values = settings.covariance().eigenvalues
    best = best_values(settings, values)
    for name in FIELDS:
        value, error = best[name]
        if value is None or error is None:
            yield Prediction(name, reason="no finite mean, or the expansion in 1/N does not converge here")
        elif name in POWERS and _heavy(settings, values, POWERS[name]):
            yield Prediction(name, reason=_tail(settings, values, POWERS[name]))
        else:
            yield _known(name, value, error)
    if tau.size:
        curves = best_curves(settings, values, tau)
        yield _known("flow_train_loss", curves.train, curves.train_error, tau)
        yield _known("flow_test_loss", curves.test, curves.test_error, tau)
    yield from _sampled(settings, simulation, values)


def _known(name: str, value: Any, error: Any, along: Iterable[float] = ()) -> Prediction:
    """A mean with the size of the last term included; ``along`` the τ of a curve."""
    labels = tuple(f"{name}({t:.3g})" for t in along)
    return Prediction(name, value, error, SOURCE, skewed=name in SKEWED, labels=labels)


def _tail(settings: LinearDiffusion, values: np.ndarray, power: int) -> str:
    order = 0.5 * (settings.samples - values.size)
    return (
        f"heavy-tailed near N = d: moments of the smallest eigenvalue's inverse exist below the order (N - d)/2 = {order:g},"
        f" and standard errors need the order {4 * power}"
    )


def _sampled(settings: LinearDiffusion, simulation: Simulation, values: np.ndarray) -> Iterator[Prediction]:
    """Predictions for the points that the sampler generated."""
    names = ("trace", "kl_generated_target", "kl_target_generated")
    points = simulation.sampled_points(values.size)
    if points == 0:
        return
    if settings.variance == "flow":
        reason = "the noise-free sampler as run (DDIM) has a discretisation error that the flow's limit does not know"
        yield from (Prediction(f"sampled_{name}", reason=reason) for name in names)
        return
    of_model = (values, settings.samples, settings.regularisation, settings.schedule())
    orders = [
        generated_averages(*of_model, settings.variance, last_noise=settings.last_noise, order=order)
        for order in range(3)
    ]
    for name in names:
        yield _of_sampler(settings, name, orders, values, points)


def _of_sampler(
    settings: LinearDiffusion, name: str, orders: list[Generated], values: np.ndarray, points: int
) -> Prediction:
    full = f"sampled_{name}"
    terms = [getattr(order, name) for order in orders]
    if any(term is None for term in terms):
        return Prediction(full, reason="infinite")
    value, last = summed([terms[0], terms[1] - terms[0], terms[2] - terms[1]])
    if value is None or last is None:
        return Prediction(full, reason="the expansion in 1/N does not converge here")
    if name == "kl_generated_target" and orders[0].mean_slack > last:
        return Prediction(
            full, reason="the sampler keeps part of the mean's error, whose size is known to leading order only"
        )
    if name == "kl_target_generated":
        if _heavy(settings, values, 1):
            return Prediction(full, reason=_tail(settings, values, 1))
        if points - values.size <= 8:
            return Prediction(full, reason="too few points: the inverse of their covariance is heavy-tailed")
    return _known(full, value, last)


def _power(
    settings: LinearDiffusion, simulation: Simulation, tau: np.ndarray, found: list[Prediction], verdict: Verdict
) -> dict[str, float]:
    """The smallest relative change of each input that this comparison would have seen with probability ½."""
    step = 0.01
    moved = {
        f"linear_diffusion.{name}": {p.name: p.value for p in predictions(inputs, simulation, tau)}
        for name, inputs in _moved_inputs(settings, step).items()
    }
    return detectable(verdict, shifts(verdict, {p.name: p.value for p in found}, moved, step))


def _moved_inputs(settings: LinearDiffusion, step: float) -> dict[str, LinearDiffusion]:
    """The settings with each real-valued input larger by the relative step."""
    found = {}
    if settings.regularisation > 0:
        found["regularisation"] = settings.replace(regularisation=(1 + step) * settings.regularisation)
    found["trace"] = settings.replace(trace=(1 + step) * float(settings.covariance().eigenvalues.sum()))
    if isinstance(settings.spectrum, dict) and settings.spectrum.get("power", 0) > 0:
        found["spectrum.power"] = settings.replace(spectrum={"power": (1 + step) * settings.spectrum["power"]})
    last = (1 + step) * settings.beta_last
    if last < 1:
        found["beta_last"] = settings.replace(beta_last=last)
    return found
