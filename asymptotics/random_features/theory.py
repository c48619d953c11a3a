"""The asymptotic prediction: constants, ridge losses, gradient flow, spectrum and characteristic times."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

import numpy as np

from ..common.output.results import Result, to_builtin
from .constants import Constants
from .losses.flow import Flow
from .losses.kernel import KernelLimit, kernel_limit
from .losses.ridge import RidgePoint, ridge
from .losses.spectrum import Atom, Bulk, bulks
from .losses.times import Times, bayes_loss, characteristic_times, longest, memory_rate, samples_star
from .problem import OfProblem, Problem
from .resolvents.equations import Model


@dataclass(frozen=True)
class Solution(OfProblem, Result):
    """A random-feature score model as d → ∞ at p, n ∝ d.

    Parameters
    ----------
    constants : Constants
    ridge : RidgePoint
        At the table's ridge.
    bayes_loss : float
        The least test loss.
    times, train_loss, test_loss, memorisation_loss : ndarray
        Gradient flow.
    characteristic : Times
        τ_gen, τ*, τ_mem and the final losses (without weight decay).
    scales : tuple of float
        Estimates at the mean variance for ψ_p ≫ ψ_n ≫ 1: 1/(ψ_p(α²σ_x² + b²)) of τ_gen and 1/u_− of τ_mem.
    bulks : tuple of Bulk
    atom : Atom or None
    samples_star : float or None
        ψ_n* at the mean variance.
    kernel : KernelLimit or None
        At τ' = ψ_p × times.
    reasons : tuple of (str, str)
        What has no value, and why.
    notes : tuple of str
    experiment : dict
        The tables that gave all this.
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "constants": "",
        "ridge": "",
        "flow": "losses along gradient flow by name, and its characteristic times (test loss smallest at tau_star)",
        "bayes_loss": "",
        "scales": "tau_generalisation and tau_memorisation as scales of the spectrum",
        "bulks": "edges, mass and target_weight of every bulk of the spectrum",
        "atom": "",
        "samples_star": "",
        "kernel_limit": "losses of the kernel limit p/d → ∞ (with kernel_limit)",
        "reasons": "why a field is null",
        **dict.fromkeys(("notes", "settings", "seconds"), ""),
    }

    COLUMNS = ("times", "train_loss", "test_loss", "memorisation_loss")

    constants: Constants
    ridge: RidgePoint
    bayes_loss: float
    times: np.ndarray
    train_loss: np.ndarray
    test_loss: np.ndarray
    memorisation_loss: np.ndarray
    characteristic: Times
    scales: tuple[float, float]
    bulks: tuple[Bulk, ...]
    atom: Atom | None
    samples_star: float | None
    kernel: KernelLimit | None
    reasons: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    experiment: dict[str, Any]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        c = self.characteristic
        return {
            "constants": asdict(self.constants),
            "ridge": asdict(self.ridge),
            "flow": {
                "times": self.times,
                "train_loss": self.train_loss,
                "test_loss": self.test_loss,
                "memorisation_loss": self.memorisation_loss,
                "tau_generalisation": c.generalisation,
                "tau_star": c.star,
                "test_loss_star": c.star_loss,
                "tau_memorisation": c.memorisation,
                "final_gap": c.final_gap,
            },
            "bayes_loss": self.bayes_loss,
            "scales": {"tau_generalisation": self.scales[0], "tau_memorisation": self.scales[1]},
            "bulks": [
                {"edges": [b.lower, b.upper], "mass": b.mass, "target_weight": b.target_weight} for b in self.bulks
            ],
            "atom": None if self.atom is None else asdict(self.atom),
            "samples_star": self.samples_star,
            "kernel_limit": None if self.kernel is None else asdict(self.kernel),
            "reasons": dict(self.reasons),
            "notes": self.notes,
            "settings": self.experiment,
            "seconds": self.seconds,
        }

    def _stored(self) -> dict[str, Any]:
        fields = self._kept()
        kernel = fields.pop("kernel")
        for name in ("constants", "ridge", "characteristic", "atom", "bulks"):
            fields[name] = to_builtin(fields[name])
        if kernel is not None:
            fields |= {f"kernel.{name}": value for name, value in asdict(kernel).items()}
        return fields

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        kernel = {n.partition(".")[2]: stored.pop(n) for n in list(stored) if n.startswith("kernel.")}
        found = super()._restored(stored)
        times = dict(found["characteristic"])
        final = times["final"]
        times["final"] = None if final is None else RidgePoint(**final)
        times["reasons"] = tuple((name, why) for name, why in times["reasons"])
        return found | {
            "constants": Constants(**found["constants"]),
            "ridge": RidgePoint(**found["ridge"]),
            "characteristic": Times(**times),
            "bulks": tuple(Bulk(**b) for b in found["bulks"]),
            "atom": None if found["atom"] is None else Atom(**found["atom"]),
            "kernel": KernelLimit(**kernel) if kernel else None,
        }

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "–" if value is None else f"{value:z.6g}"

        table, c, r = self.experiment["random_features"], self.constants, self.ridge
        lines = [
            f"random features: p/d = {table['features']:g}, n/d = {table['samples']:g}, m = {table['noises']}, "
            f"t = {table['diffusion_time']:g}, {table['activation']}",
            f"  constants         a {c.a:z.6g}, b² {c.b2:z.6g}, v² {c.v2:z.6g}, s² {c.s2:z.6g}",
            f"  ridge {table['ridge']:<10g}  train {show(r.train_loss)}, test {show(r.test_loss)}, "
            f"memorisation {show(r.memorisation_loss)} (Bayes {show(self.bayes_loss)})",
            f"  times             generalisation {show(self.characteristic.generalisation)}, best stopping "
            f"{show(self.characteristic.star)} (test loss {show(self.characteristic.star_loss)}), memorisation "
            f"{show(self.characteristic.memorisation)}",
            f"  final gap         {show(self.characteristic.final_gap)}; n*/d {show(self.samples_star)}",
            f"  {'tau':>12} {'train':>11} {'test':>11} {'memorisation':>13}",
        ]
        rows = list(zip(self.times, self.train_loss, self.test_loss, self.memorisation_loss, strict=True))
        for row in rows[:: -(-len(rows) // 12)]:
            lines.append(f"  {row[0]:>z12.6g} {row[1]:>z11.6g} {row[2]:>z11.6g} {row[3]:>z13.6g}")
        if self.atom is not None:
            lines.append(f"  atom              at {self.atom.eigenvalue:z.6g}, {self.atom.mass:z.6g} d eigenvalues")
        for b in self.bulks:
            lines.append(
                f"  bulk              [{b.lower:z.6g}, {b.upper:z.6g}], {b.mass:z.6g} d eigenvalues, "
                f"target weight {b.target_weight:z.4g}"
            )
        lines += [f"  no {name}: {why}" for name, why in self.reasons]
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def solve(problem: Problem, *, progress: bool | None = None, kernel_limit: bool = False) -> Solution:
    """Everything that the theory says of one problem.

    Parameters
    ----------
    problem : Problem
    progress : bool, optional
        Without meaning here: it takes a second.
    kernel_limit : bool
        Add the losses of the kernel limit p/d → ∞ at τ' = ψ_pτ.

    Raises
    ------
    InputError
        At ridge 0 where p = nm (the test loss is infinite).
    SolveError
        If the equations have no physical root that can be followed.
    """
    started = clock.perf_counter()
    table, model = problem.random_features, problem.model
    point = ridge(model, table.ridge)
    times = np.asarray(table.times, dtype=float)
    until = longest(model, times)
    flow = Flow.of(model, until, start=table.start)
    train, test, memory = replace(flow, decay=table.weight_decay).losses(times)
    characteristic = characteristic_times(flow, table.noise, until)
    found, atom = bulks(model)
    variance = float(model.mass @ model.sigma)
    star = samples_star(model, table.noise, variance)
    reasons = dict(characteristic.reasons)
    if star is None:
        reasons["samples_star"] = "s = 0: the activation is linear"
    limit = _kernel(problem, times, reasons) if kernel_limit else None
    return Solution(
        problem.constants,
        point,
        bayes_loss(model, table.noise),
        times,
        train,
        test,
        memory,
        characteristic,
        (
            1 / (model.psi_p * (model.alpha2 * variance + model.b2)) if model.b2 > 0 else float("inf"),
            1 / memory_rate(model, table.noise, variance) if model.s2 + model.v2 > 0 else float("inf"),
        ),
        found,
        atom,
        star,
        limit,
        tuple(reasons.items()),
        _notes(problem, model),
        problem.to_tables(),
        clock.perf_counter() - started,
    )


def _kernel(problem: Problem, times: np.ndarray, reasons: dict[str, str]) -> KernelLimit | None:
    if problem.random_features.per_noise > 0:
        reasons["kernel_limit"] = 'noises must be "all": the limit is that of the exact average'
    elif problem.random_features.weight_decay > 0:
        reasons["kernel_limit"] = "weight decay has no limit at the kernel's times"
    elif problem.random_features.initial_variance > 0:
        reasons["kernel_limit"] = (
            "initial_variance must be 0: most of a random A(0) does not relax at the kernel's times"
        )
    elif problem.model.b2 == 0 or problem.model.v2 == 0:
        reasons["kernel_limit"] = "the activation has no linear part, or nothing else"
    else:
        return kernel_limit(problem.model, problem.model.psi_p * times)
    return None


def _notes(problem: Problem, model: Model) -> tuple[str, ...]:
    notes = []
    mean = float(model.mass @ model.sigma)
    if model.sigma[0] > 20 * mean:
        notes.append(
            f"the largest eigenvalue of the data is {model.sigma[0] / mean:.3g} times the mean: the Gaussian equivalent neglects "
            "what outlying directions do to the features (percents)"
        )
    if problem.constants.mean != 0:
        notes.append("the activation has a mean: it adds one outlying eigenvalue to U, which is not shown")
        if problem.random_features.initial_variance > 0 and 0 in problem.random_features.times:
            notes.append(
                "losses at tau = 0 are those just after: the mean of a random start is unlearned at once as d grows"
            )
    return tuple(notes)
