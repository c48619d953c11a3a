"""A whole auto-encoder experiment: its tables together, and the checks that need several of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import InputError, fail
from ...common.numerics.interpolants import Interpolant
from ...common.output.results import to_builtin
from .cells import Cells, cells_of
from .data.target import GaussianMixture
from .functions.of_time import schedule_rows
from .generations import Generations
from .network.denoiser import Denoiser
from .sampling import Sampling
from .simulation import Simulation
from .start.initial import initial_overlaps, mean_coordinates, realised_weights
from .training.optimiser import LinearMap, evaluated, matrices
from .training.training import TimeAverage, Training
from .warnings import of_basis

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Problem:
    """A whole auto-encoder experiment: what `solve` and `simulate` take."""

    target: GaussianMixture
    interpolant: Interpolant
    denoiser: Denoiser
    training: Training
    sampling: Sampling
    simulation: Simulation
    generations: Generations = field(default_factory=Generations)

    def __post_init__(self) -> None:
        own = self.target.cluster_labels
        count = 0 if own is None else int(np.max(own)) + 1
        if count or self.denoiser.open:
            object.__setattr__(self, "denoiser", self.denoiser.with_labels(count))
        denoiser, training = self.denoiser, self.training
        self._check_labels(count)
        allowed = [*denoiser.vectors, *sorted({v.split("_")[0] for v in denoiser.vectors}), "b"]
        for name in training.rates or {}:
            if name not in allowed:
                raise InputError(f"training.rates.{name}: unknown; allowed are {', '.join(allowed)}")
            denoiser.unambiguous("training.rates", name)
        if denoiser.init.Theta is not None:
            self.initial_overlaps()
        training.rate_schedule()
        self._check_times()
        self._check_optimiser()
        self.sampling.epsilon_function(self.interpolant)

    def _check_labels(self, count: int) -> None:
        denoiser, sampling, dropout = self.denoiser, self.sampling, self.training.label_dropout
        if denoiser.labelled and denoiser.labels != count:
            fail(
                "target.labels",
                self.target.labels,
                f"labels 0 ... {int(denoiser.labels or 1) - 1}, those of the denoiser",
            )
        if dropout and not count:
            raise InputError(f"training.label_dropout = {dropout:g}: there is no label to drop; give target.labels")
        if sampling.label is not None and not (denoiser.labelled and sampling.label < count):
            allowed = f"one of 0 ... {count - 1}" if denoiser.labelled else "left out: the network is told no label"
            fail("sampling.label", sampling.label, allowed)
        if sampling.guided and not dropout:
            fail(
                "sampling.guidance",
                sampling.guidance,
                "0 where training.label_dropout is 0: f without a label is not trained",
            )

    def _check_times(self) -> None:
        """Functions of the time must be finite wherever they are asked for: in training and by the sampler."""
        training, sampling, s = self.training, self.sampling, self.interpolant
        taus = np.union1d(training.pieces(), np.linspace(0.0, training.tau, 257)) if training.moving else np.zeros(1)
        averages = [self.time_average(float(tau)) for tau in taus]
        asked = {
            "the training time": np.concatenate([a.times for a in averages]),
            "the sampler's time": sampling.times(),
        }
        for place, t in asked.items():
            for key, values in self.denoiser.network.functions_of_time(s, t):
                bad = ~np.all(np.isfinite(values).reshape(-1, len(t)), axis=0)
                if np.any(bad):
                    raise InputError(
                        f"{key}: must be finite wherever it is used; it is not at {place} t = {t[bad][0]:g}"
                    )
        sampling.guidance_at(s, sampling.times())
        if self.denoiser.basis > 1 and training.moving_time is None:
            of_basis(self.denoiser.skip_functions(s, averages[0].times)[1], averages[0].first)

    def _check_optimiser(self) -> None:
        training, (rho, _) = self.training, self.denoiser.rates(self.training.rates or {})
        names = [str(a) for a in training.averages]
        kind, _, which = self.sampling.network.partition(":")
        found = [a for a in training.averages if not which or a.named(which)]
        if kind == "ema" and len(found) != 1:
            allowed = ", ".join(["live", *(["ema"] if len(names) == 1 else []), *(f"ema:{x}" for x in names)])
            fail("sampling.network", self.sampling.network, f"one of {allowed}")
        if training.optimiser is not None and np.any(rho != 1):
            raise InputError(
                "training.optimiser: holds the rates of all vectors; rates and frozen must name none of them"
            )
        _ = self.optimiser.at(0.0, 1.0, 0.0)

    # what theory and simulation read ---------------------------------------------------------------------------

    @cached_property
    def declared_optimiser(self) -> tuple[sympy.Matrix, sympy.Matrix] | None:
        """R and A of the training's optimiser, or of the one that the network was derived with; None where neither declares one."""
        declared = self.training.optimiser
        if declared is None and self.denoiser.system is not None:
            declared = self.denoiser.system.optimiser
        return None if declared is None else matrices(declared, self.denoiser.vectors)

    @cached_property
    def optimiser(self) -> LinearMap:
        """R and A on the stack of the network's vectors, their velocities and averages."""
        training, denoiser = self.training, self.denoiser
        rho, _ = denoiser.rates(training.rates or {})
        declared = self.declared_optimiser
        given = None if declared is None else evaluated(*declared)
        return LinearMap(len(denoiser.vectors), rho, training.moved_by, training.averages, training.tau, given)

    def time_average(self, tau: float = 0.0) -> TimeAverage:
        """E_t at the training time τ: the times, with the weights of what is linear in the gradient and of its squares."""
        return self._first_average if tau == 0.0 else self.training.time_average(self.interpolant, tau)

    @cached_property
    def _first_average(self) -> TimeAverage:
        return self.training.time_average(self.interpolant, 0.0)

    def decay(self, tau: float = 0.0) -> float:
        """The weight decay λ at τ."""
        moving = self.training.moving_decay
        return float(self.training.weight_decay if moving is None else moving(tau))

    def told(self, t: ArrayLike) -> np.ndarray:
        """α, β, α̇, β̇ and t at the times t, (5, …): what the φ_j may know of the time."""
        return schedule_rows(self.interpolant, t)

    def skip_functions(self, t: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """s₀ (…) and the ψ_k (basis, …) at the times t."""
        return self.denoiser.skip_functions(self.interpolant, t)

    def skip_at(self, b: ArrayLike, t: ArrayLike) -> np.ndarray:
        """s(t) = s₀(t) + Σ_k b_k ψ_k(t) of a network with the trained b (a number or (basis,)) at the times t."""
        fixed, psi = self.skip_functions(t)
        return np.asarray(fixed + np.tensordot(np.atleast_1d(np.asarray(b, dtype=np.float64))[: len(psi)], psi, axes=1))

    @cached_property
    def cells(self) -> Cells:
        """Clusters, each with the labels that the network is told."""
        return cells_of(self.target, self.denoiser, self.training.label_dropout)

    @property
    def generating(self) -> int | None:
        """Which network generates: None for the live one, else the index of an average of the weights."""
        kind, _, which = self.sampling.network.partition(":")
        if kind == "live":
            return None
        return next(k for k, a in enumerate(self.training.averages) if not which or a.named(which))

    def initial_overlaps(self, dimension: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Θ(s) and q(s) of the initial weights; of a drawn matrix at ``dimension`` (default: that of the simulation)."""
        if dimension is None or dimension == self.simulation.dimension:
            theta, q = self._start
            return theta.copy(), q.copy()
        return initial_overlaps(self.target, self.denoiser, dimension)

    @cached_property
    def _start(self) -> tuple[np.ndarray, np.ndarray]:
        """The overlaps at the simulation's dimension: drawn weights are drawn once."""
        return initial_overlaps(self.target, self.denoiser, self.simulation.dimension)

    def predicted(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁) at the times t."""
        s = self.interpolant
        return self.denoiser.target(s.alpha(t), s.beta(t), s.alpha_dot(t), s.beta_dot(t))

    def mean_coordinates(self) -> np.ndarray:
        """Coordinates of the deterministic part of the initial weights; see `asymptotics.autoencoder.model.start.initial`."""
        return mean_coordinates(self.target, self.denoiser)

    def realised_weights(self, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One drawn start in R^d; see `asymptotics.autoencoder.model.start.initial`."""
        return realised_weights(self.target, self.denoiser, dimension)

    def to_tables(self) -> dict[str, Any]:
        """The experiment's tables as plain values (a derived system is left out; its name stays)."""
        tables = {f.name: dict(getattr(self, f.name).to_table()) for f in fields(self)}
        tables["denoiser"]["init"] = self.denoiser.init.to_table()
        tables["denoiser"].pop("system", None)
        # A declared optimiser is Python's alone.
        tables["training"].pop("optimiser", None)
        return dict(to_builtin(tables))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Problem:
        """Inverse of `to_tables`."""
        kinds = get_type_hints(cls)
        return cls(**{f.name: kinds[f.name].from_table(dict(tables.get(f.name, {}))) for f in fields(cls)})
