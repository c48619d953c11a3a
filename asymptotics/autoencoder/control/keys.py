"""Numeric keys of an experiment: how everything that a training depends on changes with each of their entries.

A key acts through the coefficients of the drift, the start, and what the objective reads itself. These are explicit maps that cost
no expectations; their derivatives are differences of fourth order (relative error about 1e-11). Their worths come from one
adjoint sweep, whatever the number of keys.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...common.input.checks import InputError, closest
from ..equations.derivative.coefficients import Coefficients
from ..equations.integration.integrate import initial_state
from ..model.problem import Problem
from .differences import rate
from .setting import Setting
from .worths import INSTANT, smooth_values

#: From changed keys to the problem.
Make = Callable[[Mapping[str, Any]], Problem]
#: Keys whose entries sum to one: derivatives are along changes that keep the sum.
SHARES = ("target.weights", "target.masses", "training.time_probabilities")
#: Keys that say where the steps of a discrete sampler end.
WHOLE_STEPS = ("sampling.step", "sampling.stop", "sampling.start")
_INDEXED = re.compile(r"^([A-Za-z_][\w.]*)((?:\[\d+\])*)$")


@dataclass(frozen=True)
class Key:
    """One numeric key, or one entry of it (``target.centroids[0][1]``).

    Attributes
    ----------
    name : str
        As written.
    key : str
        Without the index.
    index : tuple of int
    value : ndarray
        All entries of the key.
    """

    name: str
    key: str
    index: tuple[int, ...]
    value: np.ndarray

    @property
    def entries(self) -> Iterator[tuple[int, ...]]:
        """Indices of the entries that are asked for."""
        for entry in np.ndindex(self.value.shape):
            if entry[: len(self.index)] == self.index:
                yield entry

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the gradient."""
        return self.value.shape[len(self.index) :]

    def changed(self, entry: tuple[int, ...], by: float) -> Any:
        """The key's value with one entry moved (the others by what keeps a sum of one)."""
        value = self.value.astype(np.float64)
        value[entry] += by
        if self.key in SHARES:
            value -= by / value.size
        return value.tolist() if value.ndim else float(value)

    def unit(self, entry: tuple[int, ...]) -> float:
        """What changes of an entry are measured in."""
        size = abs(float(self.value[entry]))
        return size if size > 0 else 1.0


def key_of(problem: Problem, name: str) -> Key:
    """A key by its dotted name.

    Raises
    ------
    InputError
        If there is no such key, or it is no real number (or array of them).
    """
    match = _INDEXED.match(name) if isinstance(name, str) else None
    if match is None or "." not in match[1]:
        raise InputError(f"wrt: {name!r} must be a dotted key such as training.learning_rate")
    index = tuple(int(x) for x in re.findall(r"\d+", match[2]))
    parts, value = match[1].split("."), problem
    for depth, part in enumerate(parts):
        known: Any = value if isinstance(value, Mapping) else getattr(value, "__dataclass_fields__", {})
        if part not in known:
            place = ".".join(parts[:depth]) or "the experiment"
            raise InputError(f"wrt: {name}: no key {part} in {place}{closest(part, [*known])}")
        value = value[part] if isinstance(value, Mapping) else getattr(value, part)
    if value is None:
        raise InputError(f"wrt: {name}: is not set in this experiment; must have a value to be changed")
    if isinstance(value, (bool, str, numbers.Integral)):
        raise InputError(
            f"wrt: {name} = {value!r}: must be a real number or an array of them, or nothing changes smoothly"
        )
    try:
        numeric = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"wrt: {name} = {value!r}: must be a real number or an array of them") from None
    if len(index) > numeric.ndim or any(i >= n for i, n in zip(index, numeric.shape, strict=False)):
        raise InputError(f"wrt: {name}: no such entry; the key has the shape {numeric.shape}")
    if match[1] in WHOLE_STEPS and problem.sampling.scheme == "euler":
        raise InputError(f"wrt: {name}: moves the ends of whole steps of the discrete sampler, where nothing is smooth")
    return Key(name, match[1], index, numeric)


def changes(
    setting: Setting, make: Make, key: Key, entry: tuple[int, ...], also: Callable[[Problem], float]
) -> dict[str, np.ndarray]:
    """Derivatives by one entry of the coefficients, of the ``start``, and of ``also`` (a function of the problem)."""

    def everything(by: float) -> dict[str, np.ndarray]:
        problem = make({key.key: key.changed(entry, by)})
        if problem.denoiser.specification() != setting.problem.denoiser.specification():
            raise InputError(f"wrt: {key.name}: changes the network's own functions; gradients by it are not available")
        drift = setting.drift(problem)
        values = smooth_values(Coefficients.of(problem))
        return {**values, "start": initial_state(problem, drift), "also": np.array(also(problem))}

    found = rate(everything, key.unit(entry))
    if setting.problem.training.moving_time is not None and any(np.any(found[name]) for name in INSTANT):
        raise InputError(f"wrt: {key.name}: acts through the times, which move along the training; not available there")
    return found


def replaced(problem: Problem, changed: Mapping[str, Any]) -> Problem:
    """The problem with other settings, by dotted key."""
    for key, value in changed.items():
        table, *rest = key.split(".")
        settings = getattr(problem, table)
        if len(rest) == 1:
            new = settings.replace(**{rest[0]: value})
        else:
            inner = getattr(settings, rest[0])
            inner = (
                {**(inner or {}), rest[1]: value}
                if not hasattr(inner, "replace")
                else inner.replace(**{rest[1]: value})
            )
            new = settings.replace(**{rest[0]: inner})
        problem = replace(problem, **{table: new})
    return problem
