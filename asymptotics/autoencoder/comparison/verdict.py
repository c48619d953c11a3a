"""Order parameters along τ and the generated points against theory: one verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...common.output.ensemble import Ensemble
from ...common.output.verdict import LEVEL, Row, Verdict
from ..finite_size.chi_square import chi_square, predicted
from ..generated.density import GeneratedDensity
from ..memory.comparison import beside
from ..memory.result import FiniteRuns
from ..model.problem import Problem
from ..process.ensemble import Runs
from ..process.measured import Means
from ..solution import OrderParameterPath
from .finite import JOINT, FiniteSize
from .generated import distances, generated_rows
from .order_parameters import labels_of, order_parameter_rows, places, power_of
from .typical import TypicalRuns, leaves, note, typical_runs

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


def compare_means(path: OrderParameterPath, measured: Means, *, level: float = LEVEL) -> Verdict:
    """Order parameters against means of which only the standard errors are known: Student's t, number by number.

    The predicted bias of order 1/d is taken out; where it is not known nothing can be tested.
    """
    d = measured.dimension
    nothing = Ensemble({name: np.empty((0, len(measured.tau))) for name in Runs.NAMES}, d)
    empty = Runs(
        main=nothing, low=nothing.take(slice(0), d // 4), tau=measured.tau, seed=0, seconds=0.0,
        experiment=dict(path.experiment),
    )  # fmt: skip
    finite, rows = FiniteSize(path, empty), []
    degrees = measured.runs - 1.0 if measured.runs else np.inf
    upper = np.triu_indices(path(0.0).Q.shape[0])
    for k, tau in enumerate(measured.tau):
        if tau == 0:
            continue
        limit = predicted(path, float(tau))
        expected = limit + np.broadcast_to(finite.bias(float(tau), d), limit.shape)
        for name, place in places(path).items():
            if name not in Runs.NAMES or not measured.measured(name):
                continue
            mean, sem = measured.mean(name)[k], measured.sem(name)[k]
            if name == "Q":
                mean, sem = mean[upper], sem[upper]
            theory = np.reshape(expected[place], np.shape(mean))
            rows.append(
                Row(
                    f"{name}({tau:.3g})", theory, mean, sem, path.error_estimate, degrees, "numerical error",
                    counted=finite.predicted, labels=labels_of(f"{name}({tau:.3g})", name, np.size(theory)),
                )
            )  # fmt: skip
    notes = [f"the derived bias at d = {d} is taken out; of order 1/d² it is neglected"] if finite.predicted else []
    not_tested = (
        [] if finite.predicted else [("order parameters", f"the bias of order 1/d is not known: {finite.reason}")]
    )
    return Verdict.of(rows, level=level, notes=tuple(notes), not_tested=tuple(not_tested))


def compare(theory: OrderParameterPath, runs: Runs | Means | FiniteRuns, *, level: float = LEVEL) -> Verdict:
    """All order parameters and, where points were generated, the generated density; one `Verdict`.

    Runs on fixed data sets are shown beside the theory, and not tested: it is of one pass.
    """
    if isinstance(runs, FiniteRuns):
        return beside(theory, runs)
    if isinstance(runs, Means):
        return compare_means(theory, runs, level=level)
    problem, finite = theory.problem, FiniteSize(theory, runs)
    rows = order_parameter_rows(theory, runs, finite)
    tests: list[tuple[str, float]] = []
    shares: dict[str, float] = {}
    not_tested = finite.not_tested()
    left = leaves(theory, runs)
    typical: TypicalRuns | None = None
    notes, warning = schedule_notes(problem, runs.dimension), theory.stability.message(runs.dimension)
    if runs.data:
        notes.insert(0, f"the experiment trained on samples ({runs.data}), not on the Gaussian target of the theory")
    if warning:
        notes.append(warning)
    if left is None:
        notes += finite.notes()
    else:
        typical = typical_runs(theory, runs)
        rows = [dataclasses.replace(row, counted=False) for row in rows] + list(typical.rows)
        tests += typical.tests
        notes.append(note(theory, runs, left))
        not_tested = [(name, reason) for name, reason in not_tested if name == JOINT]
    details: dict[str, Any] = {"stability": theory.stability.to_table(runs.dimension)}
    if finite.predicted and left is None:
        test = chi_square(theory, finite.runs, initial=runs.initial)
        tests.append((JOINT, test.p))
        shares[JOINT] = SHARE
        notes.append(f"order parameters: {test}")
    if runs.generated.shape[1] > 1 and runs.runs + runs.low.runs > 1:
        rows += generated_rows(theory, runs, problem)
        if runs.runs > 2:
            at = theory(min(float(runs.tau[-1]), theory.tau_max))
            distance, null = distances(GeneratedDensity(problem, at), runs)
            details["sliced_wasserstein"] = {"distance": distance, "null": null}
            words = f"run to theory {distance:.4f}, run to other runs {null:.4f}; its law is not known"
            not_tested.append(("generated: sliced Wasserstein", words))
    verdict = Verdict.of(
        rows, level=level, tests=tuple(tests), notes=tuple(notes), details=details, shares=shares,
        not_tested=tuple(not_tested),
    )  # fmt: skip
    if typical is not None:
        return dataclasses.replace(verdict, power=typical.power(verdict))
    return (
        dataclasses.replace(verdict, power=power_of(verdict, theory, finite.runs))
        if finite.predicted and left is None
        else verdict
    )
