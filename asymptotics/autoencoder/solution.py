"""What a user holds of the theory: the training path, with what finite dimension makes of it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .equations.training_path.later import held
from .equations.training_path.path import TrainingPath
from .generated.reported import Reported


@dataclass(frozen=True)
class OrderParameterPath(TrainingPath):
    """Solution of the order-parameter equations on [0, τ_max]; ``path(tau)`` gives `OrderParameters`.

    Attributes are those of `asymptotics.autoencoder.equations.training_path.path.TrainingPath`, and:

    generated : Reported, optional
        With ``solve(generated=True)``: the law that ``sampling.network`` generates at the last τ, or why there is none.
    """

    generated: Reported | None = None

    def to_json(self) -> dict[str, Any]:
        fields = super().to_json()
        if self.generated is not None:
            reason = self.generated.reason
            fields["generated"] = self.generated if reason is None else None
            if reason is not None:
                fields["generated_reason"] = reason
        return fields

    @classmethod
    def of(cls, path: TrainingPath, **changes: Any) -> OrderParameterPath:
        """What the integrator left, with some fields changed."""
        return cls(**{f.name: held(path, f.name) for f in fields(path) if f.name not in changes} | changes)

    def covariance(self, tau: float, dimension: float, other: float | None = None) -> np.ndarray:
        """Predicted covariance at dimension d of (Θ row by row, upper triangle of Q, b, κ) at τ, with those at ``other``."""
        from .finite_size.fluctuations import fluctuations

        return fluctuations(self).covariance(tau, dimension, other)

    def bias(self, tau: float, dimension: int) -> np.ndarray:
        """Predicted O(1/d) shift of the mean of (Θ row by row, upper triangle of Q, b, κ) at τ."""
        from .finite_size.bias import bias

        return bias(self, dimension)(tau)
