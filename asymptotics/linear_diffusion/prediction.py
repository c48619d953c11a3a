"""What the theory gives back: averages over data sets of N samples, for one N or several."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..common.output.records import Entries, Recorded
from ..common.output.results import Result, dataframe, to_builtin
from ..common.output.tables import numbers
from .averaged.optimum import BestRegularisation
from .averaged.training import Stopping
from .averaged.wishart import KlLimits
from .diffusion.sampler import Sampled
from .problem import OfProblem

#: So many training times of the early-stopping curve are written out.
SHOWN_TIMES = 12


@dataclass(frozen=True)
class Corrections(Entries):
    """O(1) corrections of the losses at t, and at c > 0 of the log-determinant and the traces."""

    train_loss: float
    test_loss: float
    log_det: float | None = None
    trace_inverse: float | None = None
    trace_inverse_squared: float | None = None
    trace_sigma_inverse: float | None = None
    trace_sigma_inverse_squared: float | None = None
    trace_empirical_inverse_squared: float | None = None


@dataclass(frozen=True)
class Averages(OfProblem, Recorded):
    """Averages over data sets of N Gaussian samples; a field without a finite value is None and ``notes`` says why.

    At c > 0 deterministic equivalents (relative error O(1/d), without the O(1) corrections, which are in ``corrections``; the
    best values are in ``corrected``); at c = 0 the exact averages of the Wishart distribution, where there is one, for
    log-determinant, traces and divergences. In one dimension everything is exact.

    Parameters
    ----------
    dimension, samples, regularisation, steps, time
        d, N, c, T, t.
    spectrum : str
        Name of the target's spectrum.
    alpha_bar : float
        ᾱ_t.
    train_loss, test_loss : float
        At step t, summed over components.
    train_loss_total, test_loss_total : float
        Summed over all steps too.
    kl_generated_target, kl_target_generated : float or None
        Totals in nats, without O(1) corrections; ``..._corrected`` with those of both terms (at c = 0 all are exact).
    kl_limits : KlLimits
    kappa : float
        κ(ĉ).
    log_det, log_det_correction : float or None
        ln|Σ₀+c| and its O(1) correction (0 at c = 0, where the average is exact).
    trace_inverse, trace_inverse_squared : float or None
        Tr(Σ₀+c)⁻¹, Tr(Σ₀+c)⁻².
    trace_sigma_inverse, trace_sigma_inverse_squared : float or None
        Tr Σ(Σ₀+c)⁻¹, Tr Σ(Σ₀+c)⁻².
    trace_empirical_inverse_squared, gap_trace : float or None
        Tr Σ₀(Σ₀+c)⁻², Tr (Σ−Σ₀)(Σ₀+c)⁻².
    corrections : Corrections
    optimal_regularisation : BestRegularisation
    stopping : Stopping
    cosine_models, cosine_truth : float
        Cosine of samples from the same noise: two models trained on disjoint sets of N samples; a model and the truth.
    d_eff : float
        Effective dimension of the covariance's estimation.
    null_mass : float
        Tr ΣP over the null space of Σ₀; ``null_directions`` is its dimension within the support of Σ.
    sampler : Sampled
    experiment : dict
        The tables that gave all this.
    corrected : dict
        The best values: of the fields of the same names with the terms of O(1) and O(1/N) (relative to the leading O(d)), for
        real Gaussian data; ``optimal_regularisation.forward``, ``….reverse``, ``stopping.optimum.tau`` and ``….loss`` likewise. At
        d = 1 and for what is exact at c = 0 the field itself; None where the expansion does not converge.
    errors : dict
        How much the last term included moves each of them (0: exact; None: not known).
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "kl_generated_target_corrected": "with the correction of the next order",
        "kl_target_generated_corrected": "with the correction of the next order",
        "null_directions": "directions that no sample reaches",
        "settings": "the table that gave all this",
        "*": "",
    }

    dimension: int
    samples: int
    regularisation: float
    steps: int
    time: int
    spectrum: str
    alpha_bar: float
    train_loss: float
    test_loss: float
    train_loss_total: float
    test_loss_total: float
    kl_generated_target: float | None
    kl_target_generated: float | None
    kl_generated_target_corrected: float | None
    kl_target_generated_corrected: float | None
    kl_limits: KlLimits
    kappa: float
    log_det: float | None
    log_det_correction: float | None
    trace_inverse: float | None
    trace_inverse_squared: float | None
    trace_sigma_inverse: float | None
    trace_sigma_inverse_squared: float | None
    trace_empirical_inverse_squared: float | None
    gap_trace: float | None
    corrections: Corrections
    optimal_regularisation: BestRegularisation
    stopping: Stopping
    cosine_models: float
    cosine_truth: float
    d_eff: float
    null_mass: float
    null_directions: int
    sampler: Sampled
    notes: list[str]
    experiment: dict[str, Any]
    seconds: float
    corrected: dict[str, float | None] = field(default_factory=dict)
    errors: dict[str, float | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        data = super().to_json()
        data["settings"] = data.pop("experiment")["linear_diffusion"]
        return data

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "–" if value is None else f"{value:z.6g}"

        best = self.stopping.optimum

        def best_of(name: str) -> str:
            error = self.errors.get(name)
            return show(self.corrected.get(name)) + ("" if not error else f" ± {error:z.1g}")

        lines = [
            f"linear diffusion: d = {self.dimension}, N = {self.samples}, c = {self.regularisation:g}, spectrum "
            f"{self.spectrum}, step {self.time} of {self.steps}",
            f"  loss              train {show(self.train_loss)}, test {show(self.test_loss)}",
            f"  KL                generated‖target {show(self.kl_generated_target)}, "
            f"target‖generated {show(self.kl_target_generated)}",
            f"  best c            forward {show(self.optimal_regularisation.forward)}, "
            f"reverse {show(self.optimal_regularisation.reverse)}",
            f"  early stopping    τ* {show(best.tau)}, test loss {show(best.loss)}",
            f"  κ {show(self.kappa)}, ln det {show(self.log_det)} (correction {show(self.log_det_correction)})",
            f"  traces            (Σ₀+c)⁻¹ {show(self.trace_inverse)}, Σ(Σ₀+c)⁻¹ {show(self.trace_sigma_inverse)}, "
            f"gap {show(self.gap_trace)}",
            f"  agreement         two models {show(self.cosine_models)}, with the truth {show(self.cosine_truth)}",
            f"  d_eff {show(self.d_eff)}, null mass {show(self.null_mass)} in {self.null_directions} directions",
        ]
        curve = self.stopping
        if len(curve.tau) <= SHOWN_TIMES:  # asked for one by one
            lines.append(
                "  at tau            "
                + ", ".join(f"{tau:g}: {loss:z.6g}" for tau, loss in zip(curve.tau, curve.loss, strict=True))
            )
        if self.corrected:
            names = (
                "train_loss",
                "test_loss",
                "kl_generated_target",
                "kl_target_generated",
                "null_mass",
                "cosine_models",
            )
            lines.append("  with O(1), O(1/N)  " + ", ".join(f"{name} {best_of(name)}" for name in names))
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


#: Fields that are those of all N.
SHARED = ("dimension", "regularisation", "steps", "time", "spectrum", "alpha_bar", "d_eff", "sampler")


def _transposed(entries: list[Any]) -> Any:
    """A list of tables as a table of lists, to any depth."""
    if not isinstance(entries[0], dict):
        return entries
    return {key: _transposed([entry.get(key) for entry in entries]) for key in entries[0]}


def _entry(column: Any, k: int) -> Any:
    """One of the tables again."""
    return {key: _entry(c, k) for key, c in column.items()} if isinstance(column, dict) else column[k]


@dataclass(frozen=True)
class Sweep(OfProblem, Result):
    """Averages for several N: every field of `Averages` is an attribute, a list with one entry for each of ``samples``.

    In ``stopping`` the training times ``tau`` are the same for all N; ``loss`` has one list for each N.

    Parameters
    ----------
    points : tuple of Averages
        One an N.
    experiment : dict
        The tables, of the first N.
    seconds : float
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "samples": "numbers of samples N; every other field is that of one N as a list over these",
    }

    points: tuple[Averages, ...]
    experiment: dict[str, Any]
    seconds: float

    @property
    def samples(self) -> list[int]:
        """N."""
        return [point.samples for point in self.points]

    @functools.cached_property
    def columns(self) -> dict[str, Any]:
        """What `to_json` gives beside ``samples``."""
        first, tables = self.points[0], [to_builtin(point._kept()) for point in self.points]
        found = _transposed(tables) | {name: tables[0][name] for name in SHARED}
        found["stopping"]["tau"] = first.stopping.tau
        found["settings"] = first.experiment["linear_diffusion"]
        found["notes"] = list(dict.fromkeys(f"N = {p.samples}: {note}" for p in self.points for note in p.notes))
        found["seconds"] = self.seconds
        return {name: column for name, column in found.items() if name not in ("samples", "experiment")}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if not name.startswith("_") and name in self.columns:
                return self.columns[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _stored(self) -> dict[str, Any]:
        return self._kept() | {"points": [to_builtin(point._kept()) for point in self.points]}

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        if "columns" in stored:  # as in files of 0.1.0
            columns, samples = stored["columns"], stored["samples"]
            shared = {name: columns[name] for name in SHARED} | {"seconds": columns["seconds"] / len(samples)}
            curve = columns["stopping"] | {"tau": [columns["stopping"]["tau"]] * len(samples)}
            varied = {name: c for name, c in columns.items() if name not in {*shared, "notes", "settings"}}
            varied |= {"stopping": curve}
            points = []
            for k, n in enumerate(samples):
                own = {name: _entry(c, k) for name, c in varied.items()}
                own |= shared | {"samples": n, "notes": [t for t in columns["notes"] if t.startswith(f"N = {n}:")]}
                points.append({**own, "settings": {**columns["settings"], "samples": n}})
            stored = {"points": points, "seconds": columns["seconds"], "settings": columns["settings"]}
        restored = tuple(Averages(**Averages._restored(point)) for point in stored["points"])
        return super()._restored(stored) | {"points": restored}

    def to_json(self) -> dict[str, Any]:
        return {"samples": self.samples, **self.columns}

    def to_dataframe(self) -> Any:
        """One row an N as a pandas DataFrame, the single numbers of `Averages` as columns (needs pandas)."""
        rows = [numbers(to_builtin(point._kept())) for point in self.points]
        shared = (*SHARED, "samples", "seconds")
        columns = {name: [row.get(name) for row in rows] for name in rows[0] if name not in shared}
        return dataframe({"samples": self.samples, **columns}, "samples")

    def summary(self) -> str:
        names = ("train_loss", "test_loss", "kl_generated_target", "kl_target_generated", "kappa", "cosine_models")
        lines = [f"{'samples':>9} " + " ".join(f"{n:>20}" for n in names)]
        for point in self.points:
            row = [getattr(point, name) for name in names]
            lines.append(
                f"{point.samples:>9} " + " ".join(f"{'–' if v is None else format(v, '.6g'):>20}" for v in row)
            )
        return "\n".join(lines + [f"note: {note}" for note in self.columns["notes"]])
