"""What is known of the order parameters at finite d: bias and spread, predicted, measured by a companion, or only their orders."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ..equations.integration.integrate import kernels_of
from ..finite_size.bias import bias
from ..finite_size.chi_square import joint_covariance, stacked
from ..finite_size.extrapolation import pooled
from ..finite_size.fluctuations import fluctuations
from ..finite_size.validity import LARGEST, nonlinearity
from ..model.problem import Problem
from ..process.ensemble import Runs
from ..solution import OrderParameterPath

#: Above these numbers of encoder fields and clusters the predicted covariance takes minutes: `path.covariance` has it.
COVARIANCE_ENCODERS, COVARIANCE_CLUSTERS = 2, 6
#: Name of the test with the predicted covariance.
JOINT = "order parameters: chi-square with the predicted covariance"


def _check_cost(problem: Problem) -> None:
    encoders, cells = len(kernels_of(problem).encoders), len(problem.cells.weight)
    if encoders > COVARIANCE_ENCODERS or cells > COVARIANCE_CLUSTERS:
        what = "clusters" if cells == problem.target.clusters else "clusters with and without their label"
        raise InputError(
            f"{encoders} encoder fields, {cells} {what}: left out above {COVARIANCE_ENCODERS} and "
            f"{COVARIANCE_CLUSTERS}, where it takes minutes"
        )


class FiniteSize:
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
            self._fluctuations = fluctuations(path, initial=runs.initial)
            self.expensive = False
            self._check_size(runs.dimension)
            # What has no derived bias is tested where a companion measures it.
            self.expensive = True
            self._bias = {d: bias(path, d, initial=runs.initial) for d in {runs.dimension, runs.low_dimension} if d > 1}
            self.expensive = False
        except InputError as error:
            self.reason = str(error)
        if self.predicted and self.companion:
            try:
                self._check_size(runs.low_dimension)
            except InputError as error:
                self.runs = runs.alone()
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
        return self.runs.low.runs > 1

    def bias(self, tau: float, d: int) -> Any:
        return self._bias[d](tau) if self.predicted else 0.0

    def spread(self, tau: float, d: int, size: int) -> np.ndarray:
        """Standard deviations of (Θ, Q, b, κ) in one run, those of d and d/4 in the right proportion."""
        orders, layout = np.ones(size), self.path.layout
        first = size - (layout.size - layout.at_b)
        for k in range(1 + layout.averages):
            orders[first + k * layout.scalars :][: layout.basis] = self._b_exponent
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

    def notes(self) -> list[str]:
        """What was done about the bias, in words."""
        d = self.runs.dimension
        if self.tested and self.companion:
            what = "the derived bias is taken out and" if self.predicted else "the bias is not derived:"
            order = "" if self.predicted else "; of order 1/d² it is neglected"
            return [f"{what} means are extrapolated in 1/d from d = {d} and {self.runs.low_dimension}{order}"]
        if self.predicted:
            return [f"the derived bias at d = {d} is taken out; of order 1/d² it is neglected{self.remark}"]
        return []

    def not_tested(self) -> list[tuple[str, str]]:
        """What of the order parameters is shown only, and why."""
        one_by_one = "order parameters one by one"
        if self.predicted:
            single = self.runs.runs == 1 and not self.companion
            return [(one_by_one, "one run has no spread; the chi-square test compares it")] if single else []
        unknown = "the bias of order 1/d is not known (no companion ensemble)"
        left = [] if self.tested else [(one_by_one, unknown if self.expensive else self.reason)]
        return [(JOINT, self.reason), *left]
