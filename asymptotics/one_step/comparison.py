"""Theory against an ensemble: means of moments, divergence and overlap."""

from __future__ import annotations

import dataclasses

from ..common.input.checks import InputError
from ..common.output.power import detectable, shifts
from ..common.output.scores import Prediction, judged
from ..common.output.verdict import LEVEL, Verdict
from .closed_forms.finite_size import mean_log_det
from .prediction import Theory
from .process.ensemble import QUANTITIES, Simulated
from .theory import predict

#: Standard errors need four moments of Tr V^{−1}, which exist for (n − d)/2 > 4.
MOMENTS = 8
#: The sum of two others.
TOTAL = "kl_generated_target"


def _predicted(theory: Theory) -> dict[str, float | None]:
    """What is compared, in the order of the rows."""
    kl = theory.kl_generated_target
    return {
        "log_det_rate": theory.log_det_rate,
        "trace_rate": theory.trace_rate,
        "kl_generated_target_variance": kl.variance,
        "kl_generated_target_mean": kl.mean,
        "kl_generated_target": kl.total,
        "log_bhattacharyya": theory.log_bhattacharyya,
        "probability": theory.probability,
    }


def _reason(name: str, value: float | None, d: int, n: int) -> str:
    """Why a mean cannot be compared by standard errors; empty where it can."""
    if value is None:
        return "the theory has no value (its notes say why)"
    if name == "probability":
        return "leading order in d; its 1/d term is not known"
    if name == "log_bhattacharyya" and d > 1:
        return "the O(1) term of ln|1 + S_G| is not known"
    # P(smallest eigenvalue of V < ε) ~ ε^{(n−d)/2}: moments of Tr V^{−1} below that order exist
    if name != "log_det_rate" and n - d <= MOMENTS:
        return f"heavy-tailed: its moments exist below the order (n - d)/2 = {0.5 * (n - d):g} only"
    return ""


def compare(theory: Theory, runs: Simulated, *, level: float = LEVEL) -> Verdict:
    """Theory against an ensemble: means of moments, divergence and overlap; ``level`` is the probability that a correct theory fails.

    Raises
    ------
    InputError
        For a sweep, a given data set or a single run, and for more than one step of the sampler: the theory at finite n is
        of the one-step model.
    """
    if not isinstance(runs, Simulated) or runs.runs < 2:
        raise InputError("runs: must be an ensemble of at least 2 data sets at one number of samples")
    if theory.problem.sampling.steps > 1:
        raise InputError("sampling.steps: must be 1 to compare; the theory at finite n is of the one-step model")
    model = theory.problem.one_step
    d, n = model.dimension, model.samples
    error = mean_log_det(theory.q, d, n)[1] if n > d else 0.0
    errors = {
        "log_det_rate": error / d,
        "kl_generated_target_variance": 0.5 * error,
        "kl_generated_target": 0.5 * error,
        "log_bhattacharyya": 0.25 * error,
    }
    series = "smallest term of the series of ln|S_G|"
    found = [
        Prediction(
            name, value, errors.get(name, 0.0), series, _reason(name, value, d, n), counted=name != TOTAL, skewed=True
        )
        for name, value in _predicted(theory).items()
    ]
    rows, skipped = judged(found, {name: runs.column(name) for name in QUANTITIES})
    skipped.append(("kl_target_generated", "its mean is infinite, and the 1/d term of its median is not known"))
    notes = [*theory.notes, f"P(E_OG < E_TG) = {runs.probability:.4f}" + _expected(theory)]
    details = {"probability": runs.probability}
    verdict = Verdict.of(rows, level=level, notes=tuple(notes), not_tested=tuple(skipped), details=details)
    return dataclasses.replace(verdict, power=_power(theory, verdict))


def _expected(theory: Theory) -> str:
    return "" if theory.probability is None else f" (theory, to leading order in d: {theory.probability:.4f})"


def _power(theory: Theory, verdict: Verdict) -> dict[str, float]:
    """The smallest relative change of each input that this comparison would have seen with probability ½."""
    model, step = theory.problem.one_step, 0.01
    moved = {
        f"one_step.{name}": _predicted(predict(model.replace(**{name: (1.0 + step) * getattr(model, name)})))
        for name in ("diffusion_time", "noise_scale", "std")
    }
    return detectable(verdict, shifts(verdict, _predicted(theory), moved, step))
