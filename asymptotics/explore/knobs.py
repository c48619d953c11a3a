"""Which keys of an experiment have a slider, and which a field of text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..experiment import Experiment

#: A list of more numbers than this has a field of text instead of sliders.
MOST = 12
#: Keys that are shares of one or times within (0, 1).
UNIT_NAMES = ("times", "stop", "original", "label_dropout", "weights", "masses", "momentum")


@dataclass(frozen=True)
class Knob:
    """One number of an experiment.

    Parameters
    ----------
    key : str
        Dotted key of the file.
    at : tuple of int
        Place within a list.
    value, low, high, step : float
    whole : bool
        An integer.
    """

    key: str
    at: tuple[int, ...]
    value: float
    low: float
    high: float
    step: float
    whole: bool

    @property
    def title(self) -> str:
        """The key without its table, with the place in the list counted from one."""
        return ".".join(self.key.split(".")[1:]) + "".join(f"[{k + 1}]" for k in self.at)


@dataclass(frozen=True)
class Field:
    """One text (an expression, a name), or anything else that a file writes on one line."""

    key: str
    value: Any


def _leaves(table: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}.{name}")
        else:
            yield f"{prefix}.{name}", value


def _numbers(value: object, at: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], float]]:
    if isinstance(value, (list, tuple)):
        for k, entry in enumerate(value):
            yield from _numbers(entry, (*at, k))
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    else:
        yield at, value


def _knob(key: str, at: tuple[int, ...], value: float) -> Knob:
    whole = isinstance(value, int) and not at
    size = abs(float(value)) or 1.0
    low, high = (0.0, 3 * size) if value >= 0 and not at else (value - 2 * size, value + 2 * size)
    if key.rpartition(".")[2] in UNIT_NAMES and 0 <= value <= 1:
        low, high = (0.01, 0.99) if "weights" not in key and "masses" not in key else (0.0, 1.0)
    if key.startswith("target.eigenvalues"):
        low = 0.0
    if whole:
        return Knob(key, at, value, min(value, 1), max(3 * value, 4), 1, True)
    return Knob(key, at, float(value), low, high, (high - low) / 200, False)


def controls(experiment: Experiment) -> tuple[list[Knob], list[Field]]:
    """Every numeric key as sliders, every other one as a field."""
    knobs: list[Knob] = []
    fields: list[Field] = []
    for table, entries in experiment.tables.items():
        if not isinstance(entries, dict):
            continue
        for key, value in _leaves(entries, table):
            try:
                numbers = list(_numbers(value))
            except TypeError:
                numbers = []
            if 0 < len(numbers) <= MOST:
                knobs += [_knob(key, at, number) for at, number in numbers]
            elif not isinstance(value, bool):
                fields.append(Field(key, value))
    return knobs, fields
