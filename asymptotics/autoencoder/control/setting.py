"""What all gradients of one problem share: kernels, nodes that stay, and the steps of an adaptive solve."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import cast

import numpy as np
from scipy.integrate import DOP853

from ...common.numerics.quadrature.expectations import Rule
from ..equations.derivative.drift import Drift
from ..equations.derivative.layout import Layout
from ..equations.integration.integrate import Controls, check_start, initial_state, kernels_of, scale_of, without_nodes
from ..equations.integration.nodes import Chooser
from ..equations.integration.stepping import pieces_of, steps
from ..kernels.compile import Kernels
from ..model.problem import Problem
from .adjoint import AdjointDrift, adjoints_of
from .sweep import Segment

#: Relative and absolute tolerance of the steps that gradients are taken of.
STEPS = 1e-10


@dataclass(frozen=True)
class Setting:
    """Kernels and nodes of one problem.

    Attributes
    ----------
    problem : Problem
    kernels : Kernels
    adjoints : ModuleType
    rule, noise_rule : Rule
        Nodes at single times, and over pairs of times.
    """

    problem: Problem
    kernels: Kernels
    adjoints: ModuleType
    rule: Rule
    noise_rule: Rule

    @classmethod
    def of(
        cls, problem: Problem, tolerance: float | None = None, rule: Rule | None = None, noise_rule: Rule | None = None
    ) -> Setting:
        """The nodes that `solve` takes for this tolerance, unless they are given."""
        check_start(problem)
        form = "auto" if rule is None and noise_rule is None else "nodes"
        kernels = kernels_of(problem, form=form)
        if tolerance is None:
            tolerance = 2e-5 if problem.training.shares_samples and not without_nodes(problem, kernels) else 1e-6
        adjoints = adjoints_of(problem, form=form)
        chosen, noise = Chooser(problem, kernels, tolerance, rule, noise_rule, natural=False).choose(
            Controls("DOP853", 0.1 * tolerance, 0.1 * tolerance, 100_000)
        )
        # Without natural nodes they are fixed.
        return cls(problem, kernels, adjoints, cast(Rule, chosen), noise)

    def finer(self) -> Setting:
        """With half as many nodes again."""

        def more(rule: Rule) -> Rule:
            return replace(rule, nodes=2 * rule.nodes if rule.kind == "sobol" else rule.nodes + max(4, rule.nodes // 3))

        return replace(self, rule=more(self.rule), noise_rule=more(self.noise_rule))

    def drift(self, problem: Problem | None = None) -> Drift:
        """The drift of this problem, or of a neighbouring one, with these nodes."""
        return Drift(self.problem if problem is None else problem, self.kernels, self.rule, self.noise_rule)

    def start(self, drift: Drift) -> np.ndarray:
        """The state at τ = 0; the drift keeps what the start has of a relation between Θ and q."""
        y = initial_state(self.problem, drift)
        drift.hold(y)
        return y

    def adjoint(self, drift: Drift) -> AdjointDrift:
        """The drift with its adjoint."""
        return AdjointDrift(drift, self.adjoints)

    @property
    def layout(self) -> Layout:
        """How states are packed."""
        return self.drift().layout

    def adaptive(self, drift: Drift, y: np.ndarray, tolerance: float = STEPS) -> list[Segment]:
        """Segments whose steps are those of an adaptive solve over [0, τ]."""
        schedule = drift.coefficients.rate_schedule
        pieces = pieces_of(drift, self.problem.training.tau)
        atol = np.full(len(y), tolerance)
        ends = [0.0]
        for solver in steps(DOP853, drift, y, pieces, rtol=tolerance, atol=atol, scale=scale_of(self.problem)):
            ends.append(float(solver.t))
        scale = 1.0 if schedule is None else drift.coefficients.scale
        return [Segment(self.adjoint(drift), scale, np.array(ends))]
