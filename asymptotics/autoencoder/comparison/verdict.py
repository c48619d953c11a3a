"""Order parameters along τ and the generated points against theory: one verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

from ...common.output.verdict import Verdict
from ..finite_size.chi_square import chi_square
from ..generated.density import GeneratedDensity
from ..model.problem import Problem
from ..process.ensemble import Runs
from ..solution import OrderParameterPath
from .finite import JOINT, FiniteSize
from .generated import distances, generated_rows
from .order_parameters import order_parameter_rows, power_of

#: Share of the level of the test with the predicted covariance.
SHARE = 0.5


def schedule_notes(problem: Problem, dimension: int) -> list[str]:
    """What SGD at this dimension cannot follow of the rate schedule."""
    schedule, step = problem.training.rate_schedule(), 2 * problem.training.learning_rate / dimension
    if schedule is None or schedule.narrowest > 4 * step:
        return []
    return [
        f"the schedule changes within {schedule.narrowest:.2g} of tau, about one SGD step (2 eta/d = {step:.2g}): each step takes "
        "its mean, so that gradients act as in the theory, but their squares (in Q) less; take a larger dimension"
    ]


def compare(path: OrderParameterPath, runs: Runs, *, level: float = 0.01) -> Verdict:
    """All order parameters and, where points were generated, the generated density; one `Verdict`."""
    problem, finite = path.problem, FiniteSize(path, runs)
    rows = order_parameter_rows(path, runs, finite)
    tests, shares, not_tested = [], {}, finite.not_tested()
    notes, warning = schedule_notes(problem, runs.dimension), path.stability.message(runs.dimension)
    if runs.data:
        notes.insert(0, f"the experiment trained on samples ({runs.data}), not on the Gaussian target of the theory")
    if warning:
        notes.append(warning)
    notes += finite.notes()
    details: dict[str, Any] = {"stability": path.stability.to_table(runs.dimension)}
    if finite.predicted:
        test = chi_square(path, finite.runs)
        tests.append((JOINT, test.p))
        shares[JOINT] = SHARE
        notes.append(f"order parameters: {test}")
    if runs.generated.shape[1] > 1 and runs.runs + runs.low.runs > 1:
        rows += generated_rows(path, runs, problem)
        if runs.runs > 2:
            at = path(min(float(runs.tau[-1]), path.tau_max))
            distance, null = distances(GeneratedDensity(problem, at), runs)
            details["sliced_wasserstein"] = {"distance": distance, "null": null}
            words = f"run to theory {distance:.4f}, run to other runs {null:.4f}; its law is not known"
            not_tested.append(("generated: sliced Wasserstein", words))
    verdict = Verdict.of(
        rows, level=level, tests=tuple(tests), notes=tuple(notes), details=details, shares=shares,
        not_tested=tuple(not_tested),
    )  # fmt: skip
    return dataclasses.replace(verdict, power=power_of(verdict, path, finite.runs)) if finite.predicted else verdict
