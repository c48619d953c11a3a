"""The training path: order parameters at every τ, dense, from stored polynomials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import fail, number
from ....common.numerics.flows.panels import lobatto, panel_of
from ....common.numerics.flows.splines import monotone, spline
from ....common.output.plain import printed
from ....common.output.records import Recorded
from ....common.output.results import dataframe, to_builtin
from ...model.functions.table import is_table
from ...model.problem import Problem
from ..derivative.layout import Layout
from .later import later
from .loss_terms import averaged_unpredicted, quadratic
from .plateaus import POINTS, Plateau, plateaus_of
from .stability import Stability
from .state import OrderParameters as OrderParameters
from .state import state_of


def _moving(training: dict[str, Any]) -> bool:
    """Whether anything of a training's table is a function of τ: a schedule, an expression or a table."""
    expressions = (training.get("times"), training.get("weight_decay"))
    tables = (*expressions, training.get("weights"), training.get("time_probabilities"))
    said = training.get("schedule") is not None or any(isinstance(x, str) for x in expressions)
    return said or any(is_table(x) for x in tables)


@later("loss_bulk", "loss_potential", "experiment", "loss_unpredicted", "stability")
@dataclass(frozen=True)
class TrainingPath(Recorded):
    """Solution of the order-parameter equations on [0, τ_max]; ``path(tau)`` gives `OrderParameters`.

    Attributes
    ----------
    knots : (steps + 1,)
        Step ends of the integrator.
    values : (steps, nodes, size)
        The dense output at Chebyshev nodes of every step: the integrator's own polynomial, so nothing is lost.
    centroids : (clusters, K)
    loss_tau, loss_bulk, loss_potential : (times,)
        The loss per dimension and its potential E[ℓ] at some τ; `loss`, `loss_order_one` and `loss_total` interpolate.
    loss_unpredicted : (1 + basis, 1 + basis)
        E_t w (y₁ − sβ)² E‖μ‖² as a quadratic form of (1, b_1, …), one for each of ``loss_tau`` where the times move (files of
        before: the coefficients of a polynomial in b; of 0.1.0: None, and computed when asked for).
    atoms, p, K, parameters : int
        p: all stacked vectors, those of velocities and averages too.
    basis : int
        Number of b_k.
    averages : list
        γ of every average of the weights, or {"power": k}.
    moving : bool
        Whether there are velocities.
    evaluations : int
        Right-hand sides computed, all stages of the solve together.
    error_estimate : float
        Estimated largest error of Q, Θ and b along the path: expectations (against a finer rule) plus integrator.
    rule : str
        How the expectations were computed.
    experiment : dict
        The tables that were solved.
    shown : (times,), optional
        Training times that `to_json` and `summary` report; default some equally spaced ones.
    stability : Stability
        How deviations from the path grow, and when runs at finite dimension leave it (unknown of paths of version 0.1.0).
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "tau": "training times reported, τ = 2η × steps/d",
        "Q": "Q = w_a·w_b/d, overlaps of the weight vectors, (p, p)",
        "Theta": "Θ = w_a·u_k/√d, overlaps with the reference directions, (p, K)",
        "M": "M = Θ c, overlaps with the centroids, (p, clusters)",
        "b": "skip connection",
        "parameters": "trained scalars κ",
        "loss_bulk": "loss per dimension",
        "loss_potential": "E[ℓ], the part of order one that depends on the weights",
        "loss_order_one": "the loss minus d × bulk",
        "evaluations": "",
        "error_estimate": "",
        "seconds": "",
        "rule": "",
        "stability": "",
        "ema": "averages of the weights: gamma, Theta, Q, cross (with the live ones), M, b, parameters; a list of several",
        "velocity": "Theta, Q and cross (with the weights) of the friction's velocities",
        "plateaus": "where the path rests before it goes on",
        "generated": "law of what the network generates at the last τ (with generated)",
        "generated_reason": "why generated is null",
    }

    knots: np.ndarray
    values: np.ndarray
    centroids: np.ndarray
    loss_tau: np.ndarray
    loss_bulk: np.ndarray
    loss_potential: np.ndarray
    atoms: int
    p: int
    K: int
    parameters: int
    evaluations: int
    error_estimate: float
    seconds: float
    rule: str
    method: str
    experiment: dict[str, Any]
    loss_unpredicted: Any = None
    stability: Stability = field(default_factory=Stability)
    shown: np.ndarray | None = None
    basis: int = 1
    averages: Any = ()
    moving: bool = False
    source: Any = field(default=None, repr=False, compare=False, metadata={"transient": True})
    taken: Any = field(default=None, repr=False, compare=False, metadata={"transient": True})

    def __getstate__(self) -> dict[str, Any]:
        for each in fields(self):  # a function does not travel
            getattr(self, each.name)
        return {name: value for name, value in vars(self).items() if name not in ("source", "taken")} | {
            "source": None, "taken": None,
        }  # fmt: skip

    @property
    def problem(self) -> Problem:
        """What was solved (rebuilt from ``experiment`` after loading)."""
        return self.source if self.source is not None else Problem.from_tables(self.experiment)

    def _stored(self) -> dict[str, Any]:
        stored = super()._stored()
        stored["tangent"] = stored.pop("stability").stored()
        return stored

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        known = Stability.restored(stored.pop("tangent", {}))
        return {**super()._restored(stored), "stability": known}

    @property
    def dimension(self) -> int:
        """The simulation's d (read from the tables: they do not hold a declared system, from which a problem could be made)."""
        return int(self.experiment["simulation"]["dimension"])

    @property
    def layout(self) -> Layout:
        """How states are packed."""
        return Layout(self.atoms, self.p, self.K, self.parameters, self.basis, len(self.averages))

    @property
    def tau_max(self) -> float:
        """End of the path."""
        return float(self.knots[-1])

    @cached_property
    def plateaus(self) -> tuple[Plateau, ...]:
        """Stretches on which the path is slow although deviations grow."""
        tau = np.linspace(0.0, self.tau_max, POINTS)
        return plateaus_of(tau, self.state(tau), self.layout, self.stability)

    def state(self, tau: ArrayLike) -> np.ndarray:
        """Packed state(s) at τ by barycentric interpolation in the step that holds it."""
        taus = np.atleast_1d(np.asarray(tau, dtype=np.float64))
        if np.any(~np.isfinite(taus)) or np.any(taus < 0) or np.any(taus > self.tau_max * (1 + 1e-12)):
            fail("tau", tau, f"in [0, {self.tau_max:g}]")
        n = self.values.shape[1]
        x = 2 * lobatto(n) - 1
        weights = (-1.0) ** np.arange(n)
        weights[[0, -1]] /= 2
        steps = panel_of(self.knots, taus)
        left, right = self.knots[steps], self.knots[steps + 1]
        s = np.clip(2 * (taus - left) / (right - left) - 1, -1, 1)
        difference = s[:, None] - x
        hit = np.isclose(difference, 0.0, atol=1e-14)
        with np.errstate(divide="ignore", invalid="ignore"):
            factors = weights / difference
            factors = factors / factors.sum(axis=1, keepdims=True)
        factors = np.where(hit.any(axis=1, keepdims=True), hit.astype(float), factors)
        states = np.einsum("in,ink->ik", factors, self.values[steps])
        return states if np.ndim(tau) else states[0]

    def __call__(self, tau: ArrayLike) -> OrderParameters:
        """Order parameters at one τ or at an array of them."""
        return state_of(tau, self.state(tau), self.layout, self.centroids, tuple(self.averages), self.moving)

    def loss(self, tau: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """``(bulk per dimension, potential)`` at τ, interpolated between steps: what training minimises of the loss.

        The potential E[ℓ] is the part of order one that depends on the weights; the whole part of order one is
        `loss_order_one`, and the loss itself `loss_total`.
        """
        # A spline rings at the kinks that jumps and bursts of a schedule make.
        curve = monotone if _moving(self.experiment["training"]) else spline
        return curve(self.loss_tau, self.loss_bulk, tau), curve(self.loss_tau, self.loss_potential, tau)

    def loss_order_one(self, tau: ArrayLike) -> np.ndarray:
        """The loss at τ minus d × bulk: E[ℓ] + E_t(y₁ − bβ)² E‖μ‖² (and the single directions' share; see `loss_terms`)."""
        form = averaged_unpredicted(self.problem) if self.loss_unpredicted is None else self.loss_unpredicted
        if form.ndim == 3:
            form = monotone(self.loss_tau, form, tau)
        return np.asarray(self.loss(tau)[1] + quadratic(form, self(tau).b))

    def loss_total(self, tau: ArrayLike, dimension: float) -> np.ndarray:
        """E‖y₀x₀ + y₁x₁ − f(x_t)‖² at τ, averaged over the training times: d × bulk + order one, up to o(1)."""
        return np.asarray(number("dimension", dimension, at_least=1) * self.loss(tau)[0] + self.loss_order_one(tau))

    def table(self, taus: ArrayLike) -> dict[str, Any]:
        """The JSON fields of the command line at the given τ."""
        at = self(np.asarray(taus, dtype=np.float64))
        bulk, potential = self.loss(at.tau)
        fields = {"tau": at.tau, "Q": at.Q, "Theta": at.Theta, "M": at.M, "b": at.b, "parameters": at.parameters}
        if self.experiment["denoiser"].get("skip_basis") == []:
            fields["b"] = [[]] * np.size(at.tau)
        fields |= self._averaged(at)
        if at.velocity is not None:
            fields["velocity"] = {"Theta": at.velocity.Theta, "Q": at.velocity.Q, "cross": at.velocity.cross}
        fields |= {"loss_bulk": bulk, "loss_potential": potential}
        # A declared system is not in the tables: of a file of 0.1.0 the order-one part is then not known.
        if self.loss_unpredicted is not None or self.experiment["denoiser"].get("activation") != "(system)":
            fields["loss_order_one"] = self.loss_order_one(at.tau)
        fields |= {"evaluations": self.evaluations}
        fields |= {"error_estimate": self.error_estimate, "seconds": self.seconds, "rule": self.rule}
        fields["stability"] = self.stability.to_table(self.dimension)
        fields["plateaus"] = [plateau.to_json() for plateau in self.plateaus]
        return {name: to_builtin(value) for name, value in fields.items()}

    def _averaged(self, at: OrderParameters) -> dict[str, Any]:
        """The averages of the weights: one, or a list where the experiment has a list."""
        found = [
            {"gamma": x.gamma, "Theta": x.network.Theta, "Q": x.network.Q, "cross": x.cross, "M": x.network.M}
            | {"b": x.network.b, "parameters": x.network.parameters}
            for x in at.averages
        ]
        if not found:
            return {}
        return {"ema": found if isinstance(self.experiment["training"].get("ema"), list) else found[0]}

    def to_dataframe(self, taus: ArrayLike | None = None) -> Any:
        """Order parameters as a pandas DataFrame, one row a τ (default 101 of them), one column an entry (needs pandas)."""
        times = np.linspace(0.0, self.tau_max, 101) if taus is None else np.atleast_1d(taus)
        beside = ("stability", "ema", "velocity", "plateaus")
        return dataframe({name: value for name, value in self.table(times).items() if name not in beside})

    def _in_maths(self) -> dict[str, Any]:
        at = self(self.tau_max)
        return {"tau": self.tau_max, "Q": at.Q, "Theta": at.Theta, "b": at.b, "kappa": at.parameters}

    def to_json(self) -> dict[str, Any]:
        return self.table(np.linspace(0.0, self.tau_max, 9) if self.shown is None else self.shown)

    def summary(self) -> str:
        """Order parameters at a few τ, and how they were computed."""
        lines = [f"order parameters along tau (error estimate {self.error_estimate:.1e}; {self.rule}; {self.method})"]
        for tau in np.linspace(0.0, self.tau_max, 5) if self.shown is None else self.shown:
            at = self(tau)
            q, b = (" ".join(f"{v:z.6f}" for v in np.atleast_1d(x)) for x in (np.diag(at.Q), at.b))
            lines.append(f"tau = {tau:<8.4g} b = {b}  diag Q = {q}  Theta = {printed(at.Theta, 6)}")
        lines += [str(plateau) for plateau in self.plateaus]
        warning = self.stability.message(self.dimension)
        if warning:
            lines.append(f"note: {warning}")
        return "\n".join(lines)
