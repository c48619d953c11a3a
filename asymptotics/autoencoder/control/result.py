"""The gradient of an objective: by key, entry by entry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.output.plain import printed
from ...common.output.results import Result


@dataclass(frozen=True)
class Gradient(Result):
    """d𝒥/d(key) at an experiment; ``gradient["training.learning_rate"]`` is a number or an array of the key's shape.

    Attributes
    ----------
    objective : str
    value : float
        𝒥.
    gradient : dict
        By key.
    state : (n,)
        The order parameters at the end, packed.
    by_state : (n,)
        ∂𝒥/∂(start), packed alike.
    evaluations : int
        Drifts computed, forwards and backwards together.
    seconds : float
    rule : str
        How the expectations were taken.
    """

    objective: str
    value: float
    gradient: dict[str, Any]
    state: np.ndarray
    by_state: np.ndarray
    evaluations: int
    seconds: float
    rule: str

    def __getitem__(self, key: str) -> Any:
        value = self.gradient[key]
        return np.asarray(value) if isinstance(value, list) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self.gradient)

    def __len__(self) -> int:
        return len(self.gradient)

    def __contains__(self, key: object) -> bool:
        return key in self.gradient

    def keys(self) -> list[str]:
        """The keys, in the order asked for."""
        return list(self.gradient)

    def to_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name) for name in ("objective", "value", "gradient", "evaluations", "seconds", "rule")
        }

    def summary(self) -> str:
        """𝒥 and its derivatives."""
        lines = [f"{self.objective} = {self.value:z.10g}; its derivatives ({self.rule})"]
        width = max(map(len, self.gradient), default=0)
        for key, value in self.gradient.items():
            text = printed(value, 8)
            lines.append(f"  {key:<{width}}  {text}")
        return "\n".join(lines)
