"""Theory against the full process, quantity by quantity, with the O(1) corrections that are known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from asymptotics.common.checks import InputError, present
from asymptotics.common.verdict import Row, Verdict

from .agreement import corrected_cosines
from .corrections import diagonal_correction
from .equivalents import critical_kappa
from .generated import generated_averages
from .settings import LinearDiffusion
from .training import averaged_training


def compare(theory: Any, runs: Any) -> Verdict:
    """Rows of theory and mean ± standard error; the theory includes its O(1) corrections for real Gaussian data.

    What is left of the theory's error is O(1/N): for a quantity with the correction δ to the value q an allowance of 2 δ²/|q|
    (the square of the relative correction) is stated.

    Parameters
    ----------
    theory : theory.Averages
    runs : simulation.Runs

    Raises
    ------
    InputError
        If they are of different settings, or ``theory`` is a sweep.
    """
    if not hasattr(theory, "kl_limits") or not isinstance(theory.samples, int):
        raise InputError("theory: must be the averages for one number of samples (not a sweep)")
    if theory.settings != runs.settings:
        raise InputError("runs: must have the settings of the theory")
    settings = LinearDiffusion.from_table(theory.settings)
    rows, notes = [], []
    for name, value, allowance in _predictions(theory, settings, np.asarray(runs.tau, dtype=float)):
        if name not in runs.mean or _missing(runs.mean[name]):
            continue
        if _missing(value):
            notes.append(f"{name}: no finite theory")
            continue
        mean, sem = np.asarray(runs.mean[name], dtype=float), np.asarray(runs.sem[name], dtype=float)
        rows.append(Row(name, np.asarray(value, dtype=float), mean, sem, allowance, runs.runs - 1))
    return Verdict.of(rows, notes=tuple(notes))


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, list) and any(v is None for v in value))


def _second_order(value: np.ndarray | float, change: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """Corrected value and allowance."""
    total = np.asarray(value, dtype=float) + change
    return total, 2.0 * np.square(change) / np.maximum(np.abs(total), 1e-300)


def _predictions(
    theory: Any, settings: LinearDiffusion, tau: np.ndarray
) -> Iterator[tuple[str, Any, np.ndarray | float]]:
    """(name, theory, allowance) of everything a simulation measures."""
    values, schedule = settings.covariance().eigenvalues, settings.schedule()
    big, c, t = settings.samples, settings.regularisation, present(settings.time, "time")
    change = theory.corrections
    yield "train_loss", *_second_order(theory.train_loss, change["train_loss"])
    # the test loss is that of the truth plus an excess; the relative size of the correction is to the excess
    excess = theory.test_loss - theory.train_loss
    _, allowance = _second_order(excess, change["test_loss"])
    yield "test_loss", theory.test_loss + change["test_loss"], allowance
    if tau.size:
        plain = averaged_training(values, big, c, schedule, t).losses(tau)
        corrected = averaged_training(values, big, c, schedule, t, corrected=True).losses(tau)
        for name, first, second in zip(("flow_train_loss", "flow_test_loss"), plain, corrected, strict=True):
            yield name, second, _second_order(excess, second - first)[1]
    if c > 0:
        gap = change["trace_sigma_inverse_squared"] - change["trace_empirical_inverse_squared"]
        yield "log_det", theory.log_det + change["log_det"], abs(change["log_det"]) * 2 / big
        yield "trace_inverse", *_second_order(theory.trace_inverse, change["trace_inverse"])
        yield "trace_sigma_inverse", *_second_order(theory.trace_sigma_inverse, change["trace_sigma_inverse"])
        yield "gap_trace", *_second_order(theory.gap_trace, gap)
        slack = (
            abs(change["log_det"]) / big + _second_order(theory.trace_sigma_inverse, change["trace_sigma_inverse"])[1]
        )
        yield "kl_generated_target", theory.kl_generated_target_corrected, abs(change["log_det"]) / big
        yield "kl_target_generated", theory.kl_target_generated_corrected, slack
    else:
        for name in ("log_det", "trace_inverse", "trace_sigma_inverse", "gap_trace"):
            yield name, getattr(theory, name), 0.0
        yield "kl_generated_target", theory.kl_generated_target, 0.0
        yield "kl_target_generated", theory.kl_target_generated, 0.0
    if theory.null_mass > 0:
        # Tr ΣP_null is the limit c → 0 of c Tr Σ(Σ₀+c)⁻¹
        kappa = np.array(critical_kappa(values, big))
        more = float(diagonal_correction(values, big - 1, np.array(1.0), kappa) @ values)
        yield "null_mass", *_second_order(theory.null_mass, more)
    else:
        yield "null_mass", 0.0, 0.0
    models, truth = corrected_cosines(values, big, c)
    yield "cosine_models", models, 2 * (models - theory.cosine_models) ** 2 + 2 / big**2
    yield "cosine_truth", truth, 2 * (truth - theory.cosine_truth) ** 2 + 2 / big**2
    yield from _sampled(values, settings)


def _sampled(values: np.ndarray, settings: LinearDiffusion) -> Iterator[tuple[str, Any, float]]:
    """Predictions for the points that the sampler generated."""
    if settings.variance == "flow":
        return  # the noise-free sampler as run (DDIM) has a discretisation error that the flow's limit does not know
    arguments = (values, settings.samples, settings.regularisation, settings.schedule(), settings.variance)
    plain = generated_averages(*arguments, last_noise=settings.last_noise)
    corrected = generated_averages(*arguments, last_noise=settings.last_noise, corrected=True)
    for name in ("trace", "kl_generated_target", "kl_target_generated"):
        value, bare = getattr(corrected, name), getattr(plain, name)
        allowance = 0.0 if value is None else float(_second_order(bare, value - bare)[1])
        yield f"sampled_{name}", value, allowance
