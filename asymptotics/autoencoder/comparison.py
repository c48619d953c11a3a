"""Theory against experiment: order parameters along τ and the generated density, with error bars and one verdict.

The theory holds at d → ∞ and predicts its own bias m₁/d and covariance C/d at finite d. With a companion ensemble at d/4 the
next order, m₂/d², is the experiment's own; where m₁ is not available, the companion measures m₁ instead. Without either the
order parameters are shown and not tested. Generated points are compared with the law of the network that made them, which is
exact at every d. No tolerance is set by hand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ..common.input.checks import InputError
from ..common.numerics.distances import sliced_wasserstein
from ..common.output.power import detectable, noncentral
from ..common.output.verdict import Row, Verdict
from .equations.integrate import kernels_of
from .finite_size.bias import bias
from .finite_size.chi_square import chi_square, deviation, joint_covariance, stacked, statistic
from .finite_size.extrapolation import pooled
from .finite_size.fluctuations import fluctuations
from .finite_size.sensitivity import responses
from .finite_size.validity import LARGEST, nonlinearity
from .generated.density import GeneratedDensity
from .generated_rows import generated_rows
from .model.problem import Problem
from .process.ensemble import Runs
from .solution import OrderParameterPath

#: Above these numbers of encoder fields and clusters the predicted covariance takes minutes: `path.covariance` has it.
COVARIANCE_ENCODERS, COVARIANCE_CLUSTERS = 2, 6
#: Name and share of the level of the test with the predicted covariance.
JOINT, SHARE = "order parameters: chi-square with the predicted covariance", 0.5


class _Finite:
    """What is known of the order parameters at finite d: bias and spread, predicted or only their orders."""

    def __init__(self, path: OrderParameterPath, runs: Runs) -> None:
        self.path, self.runs, self.reason, self.remark = path, runs, "", ""
        self.expensive = False
        problem = path.problem
        try:
            if runs.data:
                raise InputError("trained on samples: how they differ from the Gaussian target is not derived")
            self.expensive = True
            _check_cost(problem)
            self._fluctuations = fluctuations(path)
            self.expensive = False
            self._check_size(runs.dimension)
            self._bias = {d: bias(path, d) for d in {runs.dimension, runs.low_dimension} if d > 1}
        except InputError as error:
            self.reason = str(error)
        if self.predicted and self.companion:
            try:
                self._check_size(runs.low_dimension)
            except InputError as error:
                self.runs = _alone(runs)
                self.remark = f"; the companion is left out: {error}"
        traces = problem.target.cluster_eigenvalues @ problem.target.masses
        alike = bool(np.ptp(traces) <= 1e-12 * np.max(traces)) and problem.training.average == "times"
        self._b_exponent = 2.0 if alike else 1.0

    def _check_size(self, d: int) -> None:
        kept = self.path.__dict__.setdefault("_nonlinearity", {})
        if d not in kept:
            kept[d] = nonlinearity(self.path, self._fluctuations, d)
        size = kept[d]
        if not size <= LARGEST:
            raise InputError(
                f"fluctuations at d = {d} are not small, their next order is {100 * size:.0f} % of the first (an unstable path?)"
            )

    @property
    def predicted(self) -> bool:
        return not self.reason

    @property
    def tested(self) -> bool:
        """Without a predicted bias a companion measures it, where 1/d is small enough for anything."""
        return self.predicted or (self.expensive and self.companion)

    @property
    def companion(self) -> bool:
        return len(self.runs.low_b) > 1

    def bias(self, tau: float, d: int) -> Any:
        return self._bias[d](tau) if self.predicted else 0.0

    def spread(self, tau: float, d: int, size: int) -> np.ndarray:
        """Standard deviations of (Θ, Q, b, κ) in one run, those of d and d/4 in the right proportion."""
        orders = np.ones(size)
        orders[size - 1 - self.path.parameters] = self._b_exponent
        simple = d ** (-orders / 2)
        if not self.predicted:
            return np.asarray(simple)
        found = np.sqrt(np.maximum(np.diag(joint_covariance(self._fluctuations, [tau], d)), 0.0))
        return np.where(found > 0, found, simple)

    def values(self, k: int) -> np.ndarray:
        """Equivalent runs of the order parameters at the k-th τ, without what is known of their bias."""
        runs, path = self.runs, self.path
        tau = float(min(runs.tau[k], path.tau_max))
        main = stacked(runs, path.p)[:, k]
        size = main.shape[1]
        main = main - self.bias(tau, runs.dimension)
        if not self.companion:
            return np.asarray(main)
        low = stacked(runs, path.p, "low_")[:, k] - self.bias(tau, runs.low_dimension)
        spreads = [self.spread(tau, d, size) for d in (runs.dimension, runs.low_dimension)]
        order = 2 if self.predicted else 1
        return pooled(main, low, runs.dimension, runs.low_dimension, order, *spreads)


def _alone(runs: Runs) -> Runs:
    """Without the companion ensemble."""
    names = ("Q", "Theta", "M", "b", "parameters", "generated")
    return dataclasses.replace(runs, **{f"low_{name}": getattr(runs, f"low_{name}")[:0] for name in names})


def order_parameter_rows(path: OrderParameterPath, runs: Runs) -> list[Row]:
    """One row for every order parameter and τ > 0; M = Θ c is shown and not counted."""
    return _order_parameter_rows(path, runs, _Finite(path, runs))


def _order_parameter_rows(path: OrderParameterPath, runs: Runs, finite: _Finite) -> list[Row]:
    rows = []
    pairs, p, K = path.p * (path.p + 1) // 2, path.p, path.K
    for k, tau in enumerate(runs.tau):
        if tau == 0:
            continue
        at = path(min(float(tau), path.tau_max))
        theory, values = stacked(at, p), finite.values(k)
        parts: dict[str, Any] = {"Q": slice(p * K, p * K + pairs), "Theta": slice(0, p * K)}
        parts |= {"b": p * K + pairs, "parameters": slice(p * K + pairs + 1, None)}
        options: dict[str, Any] = {"allowance": path.error_estimate, "source": "numerical error"}
        shown: dict[str, tuple[np.ndarray, np.ndarray]] = {n: (theory[i], values[:, i]) for n, i in parts.items()}
        M = np.einsum("rak,ck->rac", values[:, : p * K].reshape(-1, p, K), path.centroids)
        shown["M"] = at.M, M
        for name in ("Q", "Theta", "M", "b", "parameters"):
            expected, found = shown[name]
            if not np.size(expected):
                continue
            shape = (p, K) if name == "Theta" else np.shape(expected)
            expected, found = np.reshape(expected, shape), found.reshape(len(found), *shape)
            rows.append(_row(f"{name}({tau:.3g})", expected, found, finite.tested and name != "M", options))
    return rows


def _row(name: str, theory: np.ndarray, values: np.ndarray, counted: bool, options: dict[str, Any]) -> Row:
    if len(values) > 1:
        return Row.of_runs(name, theory, values, counted=counted, **options)
    # One run: its spread is only known where it is predicted, and the χ² test has it.
    return Row(name, theory, values[0], np.full(np.shape(theory), np.nan), counted=False, **options)


def distances(law: GeneratedDensity, runs: Runs, seed: int = 1) -> tuple[float, float]:
    """Mean sliced Wasserstein distance of a run's points to theory, and to the other runs (both from as many points)."""
    points = runs.generated
    R, n, K = points.shape
    predicted = law.sample(R * n, np.random.SeedSequence([seed, 2])).reshape(R, n, K)
    to_theory, to_runs = np.empty(R), np.empty(R)
    for r in range(R):
        others = [s for s in range(R) if s != r]
        to_theory[r] = sliced_wasserstein(points[r], predicted[others].reshape(-1, K), seed=seed)
        to_runs[r] = sliced_wasserstein(points[r], points[others].reshape(-1, K), seed=seed)
    return float(to_theory.mean()), float(to_runs.mean())


def _check_cost(problem: Problem) -> None:
    encoders = len(kernels_of(problem).encoders)
    if encoders > COVARIANCE_ENCODERS or problem.target.clusters > COVARIANCE_CLUSTERS:
        raise InputError(
            f"{encoders} encoder fields, {problem.target.clusters} clusters: left out above {COVARIANCE_ENCODERS} and "
            f"{COVARIANCE_CLUSTERS}, where it takes minutes"
        )


def schedule_notes(problem: Problem, dimension: int) -> list[str]:
    """What SGD at this dimension cannot follow of the rate schedule."""
    schedule, step = problem.training.rate_schedule(), 2 * problem.training.learning_rate / dimension
    if schedule is None or schedule.narrowest > 4 * step:
        return []
    return [
        f"the schedule changes within {schedule.narrowest:.2g} of tau, about one SGD step (2 eta/d = {step:.2g}): each step takes "
        "its mean, so that gradients act as in the theory, but their squares (in Q) less; take a larger dimension"
    ]


def _power(verdict: Verdict, path: OrderParameterPath, runs: Runs) -> dict[str, float]:
    """Relative changes of the inputs that rows and χ² would have seen."""
    at, _, covariance = deviation(path, runs)
    shifts: dict[str, list[Any]] = {}
    tests: dict[str, dict[str, Callable[[float, float], float]]] = {}
    p, K = path.p, path.K
    pairs = p * (p + 1) // 2
    taus = [float(min(t, path.tau_max)) for t in runs.tau if t > 0]
    for name, response in responses(path).items():
        moved = [response(t) for t in taus]
        of: dict[str, Any] = {}
        for tau, y in zip((t for t in runs.tau if t > 0), moved, strict=True):
            of |= {f"Theta({tau:.3g})": y[: p * K].reshape(p, K), f"Q({tau:.3g})": y[p * K : p * K + pairs]}
            of |= {f"b({tau:.3g})": y[p * K + pairs], f"parameters({tau:.3g})": y[p * K + pairs + 1 :]}
        shifts[name] = [of.get(row.name) for row in verdict.rows]
        distance, degrees = statistic(np.concatenate([response(float(t)) for t in at]), covariance, runs.dimension)
        tests[name] = {JOINT: noncentral(distance, degrees)}
    return detectable(verdict, shifts, tests)


def compare(path: OrderParameterPath, runs: Runs, *, level: float = 0.01) -> Verdict:
    """All order parameters and, where points were generated, the generated density; one `Verdict`."""
    problem = path.problem
    finite = _Finite(path, runs)
    rows = _order_parameter_rows(path, runs, finite)
    notes, tests, not_tested = [], [], []
    details: dict[str, Any] = {}
    shares = {}
    if runs.data:
        notes.append(f"the experiment trained on samples ({runs.data}), not on the Gaussian target of the theory")
    notes += schedule_notes(problem, runs.dimension)
    warning = path.stability.message(runs.dimension)
    if warning:
        notes.append(warning)
    details["stability"] = path.stability.to_table(runs.dimension)
    if finite.tested and finite.companion:
        what = "the derived bias is taken out and" if finite.predicted else "the bias is not derived:"
        order = "" if finite.predicted else "; of order 1/d² it is neglected"
        notes.append(f"{what} means are extrapolated in 1/d from d = {runs.dimension} and {runs.low_dimension}{order}")
    elif finite.predicted:
        notes.append(
            f"the derived bias at d = {runs.dimension} is taken out; of order 1/d² it is neglected{finite.remark}"
        )
    if finite.predicted:
        test = chi_square(path, finite.runs)
        tests.append((JOINT, test.p))
        shares[JOINT] = SHARE
        notes.append(f"order parameters: {test}")
        if runs.runs == 1 and not finite.companion:
            not_tested.append(("order parameters one by one", "one run has no spread; the chi-square test compares it"))
    else:
        not_tested.append((JOINT, finite.reason))
        if not finite.tested:
            unknown = "the bias of order 1/d is not known (no companion ensemble)"
            reason = unknown if finite.expensive else finite.reason
            not_tested.append(("order parameters one by one", reason))
    if runs.generated.shape[1] > 1 and runs.runs + len(runs.low_b) > 1:
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
    return dataclasses.replace(verdict, power=_power(verdict, path, finite.runs)) if finite.predicted else verdict
