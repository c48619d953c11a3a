"""A whole auto-encoder experiment: its tables together, and the checks that need several of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

import numpy as np

from ...common.input.checks import InputError
from ...common.numerics.interpolants import Interpolant
from ...common.output.results import to_builtin
from .denoiser import Denoiser
from .generations import Generations
from .sampling import Sampling
from .simulation import Simulation
from .start import initial_overlaps, mean_coordinates, realised_weights
from .target import GaussianMixture
from .training import Training


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
        denoiser, training = self.denoiser, self.training
        allowed = [*denoiser.vectors, *sorted({v.split("_")[0] for v in denoiser.vectors}), "b"]
        for name in training.rates or {}:
            if name not in allowed:
                raise InputError(f"training.rates.{name}: unknown; allowed are {', '.join(allowed)}")
            denoiser.unambiguous("training.rates", name)
        if denoiser.init.Theta is not None:
            self.initial_overlaps()
        training.rate_schedule()
        self.sampling.epsilon_function(self.interpolant)

    def initial_overlaps(self, dimension: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Θ(s) and q(s) of the initial weights; of a drawn matrix at ``dimension`` (default: that of the simulation)."""
        return initial_overlaps(
            self.target, self.denoiser, self.simulation.dimension if dimension is None else dimension
        )

    def predicted(self, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁) at the times t."""
        s = self.interpolant
        return self.denoiser.target(s.alpha(t), s.beta(t), s.alpha_dot(t), s.beta_dot(t))

    def mean_coordinates(self) -> np.ndarray:
        """Coordinates of the deterministic part of the initial weights; see `asymptotics.autoencoder.model.start`."""
        return mean_coordinates(self.target, self.denoiser)

    def realised_weights(self, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One drawn start in R^d; see `asymptotics.autoencoder.model.start`."""
        return realised_weights(self.target, self.denoiser, dimension)

    def to_tables(self) -> dict[str, Any]:
        """The experiment's tables as plain values (a derived system is left out; its name stays)."""
        tables = {f.name: dict(getattr(self, f.name).to_table()) for f in fields(self)}
        tables["denoiser"]["init"] = self.denoiser.init.to_table()
        tables["denoiser"].pop("system", None)
        return dict(to_builtin(tables))

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any]) -> Problem:
        """Inverse of `to_tables`."""
        kinds = get_type_hints(cls)
        return cls(**{f.name: kinds[f.name].from_table(dict(tables.get(f.name, {}))) for f in fields(cls)})
