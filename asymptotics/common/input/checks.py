"""Checks at the door: one clear error that names the argument, its value and what is allowed."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any, NoReturn, Self, TypeVar

import numpy as np

T = TypeVar("T")


class InputError(ValueError):
    """Bad input. The message is one line: argument, value, what is allowed; of several errors one after the other.

    Attributes
    ----------
    kind : str
        "value", "choice" and "shape" of one argument, "unknown" and "missing" ones; empty: several arguments do not go together.
    allowed : str
        What is allowed, as the message says it.
    all : tuple of InputError
        The errors of a whole file one by one; empty where there is one alone.
    """

    def __init__(self, message: str = "", *, key: str = "", kind: str = "", allowed: str = "") -> None:
        super().__init__(message)
        self._key, self.kind, self.allowed = key, kind, allowed
        self.all: tuple[InputError, ...] = ()

    @classmethod
    def of(cls, errors: Sequence[InputError]) -> Self | InputError:
        """One error that says them all."""
        if len(errors) == 1:
            return errors[0]
        several = cls("; ".join(map(str, errors)))
        several.all = tuple(errors)
        return several

    @property
    def key(self) -> str:
        """The argument, dotted as in a file; empty where the message does not begin with one."""
        found = re.match(r"([A-Za-z_][\w.]*)(?= = |: )", str(self))
        return self._key or (found[1] if found else "")

    @property
    def lines(self) -> list[str]:
        """The errors one by one, each in one line."""
        return [" ".join(str(error).split()) for error in self.all or (self,)]


class ComputationError(RuntimeError):
    """A computation on good input that stopped early.

    Attributes
    ----------
    partial : object
        What was computed up to there, None if nothing was.
    """

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial

    def __reduce__(self) -> tuple[Any, ...]:
        # It may come from another process.
        return type(self), (str(self), self.partial)


def present(value: T | None, what: str) -> T:
    """The value itself, which the caller's own checks have put there; None is a fault of ours, and said so."""
    if value is None:
        raise RuntimeError(f"{what}: is missing")
    return value


def fail(name: str, value: object, allowed: str, kind: str = "value") -> NoReturn:
    """Raise `InputError` saying that argument ``name`` has ``value`` where ``allowed`` is."""
    shown = " ".join(repr(value.tolist() if isinstance(value, np.ndarray) else value).split())
    if len(shown) > 120:
        shown = shown[:117] + "..."
    raise InputError(f"{name} = {shown}: must be {allowed}", key=name, kind=kind, allowed=allowed)


def number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
) -> float:
    """Return ``value`` as a finite float inside the stated bounds, or fail naming it."""
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">", above), (">=", at_least), ("<", below), ("<=", at_most))
        if bound is not None
    ]
    allowed = " and ".join(["a finite number", *bounds])
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        fail(name, value, allowed)
    try:
        x = float(value)
    except OverflowError:  # an integer beyond every float
        x = np.inf
    if not np.isfinite(x):
        fail(name, value, allowed)
    if (
        (above is not None and not x > above)
        or (at_least is not None and not x >= at_least)
        or (below is not None and not x < below)
        or (at_most is not None and not x <= at_most)
    ):
        fail(name, value, allowed)
    return x


def integer(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """Return ``value`` as an int inside the stated bounds, or fail naming it."""
    bounds = [f"{sign} {bound}" for sign, bound in ((">=", at_least), ("<=", at_most)) if bound is not None]
    allowed = " and ".join(["an integer", *bounds])
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Integral):
        fail(name, value, allowed)
    n = int(value)
    if (at_least is not None and n < at_least) or (at_most is not None and n > at_most):
        fail(name, value, allowed)
    return n


def boolean(name: str, value: object) -> bool:
    """Return ``value`` if it is true or false, or fail naming it."""
    if not isinstance(value, (bool, np.bool_)):
        fail(name, value, "true or false")
    return bool(value)


def choice(name: str, value: object, options: Iterable[str]) -> str:
    """Return ``value`` if it is one of ``options``, or fail listing them (with the closest one)."""
    allowed = list(options)
    if not isinstance(value, str) or value not in allowed:
        fail(name, value, "one of " + ", ".join(allowed) + closest(str(value), allowed), "choice")
    return value


def nearest(word: str, options: Sequence[str]) -> str | None:
    """The option that a word nearly is, or that alone begins with it (of three letters or more); None where there is none."""
    match = difflib.get_close_matches(word, options, n=1)
    longer = sorted(option for option in options if len(word) >= 3 and option.startswith(word))
    # Of a word and its plural the word.
    alone = longer and all(option.startswith(longer[0]) for option in longer)
    return match[0] if match else longer[0] if alone else None


def closest(word: str, options: Sequence[str]) -> str:
    """Return a hint ``" (did you mean X?)"`` or an empty string."""
    match = nearest(word, options)
    return "" if match is None else f" (did you mean {match}?)"


def array(
    name: str, value: object, *, ndim: int | None = None, shape: tuple[int | None, ...] | None = None
) -> np.ndarray:
    """Return ``value`` as a finite float64 array of the stated shape (None: any length), or fail naming it."""
    allowed = "a rectangular array of finite numbers"
    if shape is not None:
        ndim = len(shape)
        allowed += " of shape (" + ", ".join("any" if n is None else str(n) for n in shape) + ")"
    elif ndim is not None:
        allowed += f" with {ndim} axes"
    masked = sys.modules.get("numpy.ma")  # not loaded for its own sake
    if masked is not None and isinstance(value, masked.MaskedArray):
        fail(name, "a masked array", f"{allowed} (what stands for the masked entries? fill them, or leave them out)")
    try:
        a = np.asarray(value)
    except ValueError:
        fail(name, value, allowed)
    real = np.issubdtype(a.dtype, np.number) and not np.issubdtype(a.dtype, np.complexfloating)
    if not real and (a.size or a.dtype == object):
        fail(name, value, allowed)
    a = np.array(a, dtype=np.float64)
    if not np.all(np.isfinite(a)):
        _not_finite(name, value, a, allowed)
    if ndim is not None and a.ndim != ndim:
        fail(name, value, allowed, "value" if shape is None else "shape")
    if shape is not None and any(want is not None and want != got for want, got in zip(shape, a.shape, strict=True)):
        fail(name, value, allowed, "shape")
    return a


def _not_finite(name: str, value: object, a: np.ndarray, allowed: str) -> NoReturn:
    """Say which entry is not finite, where the array is too large to see it."""
    if a.size <= 8:
        fail(name, value, allowed)
    bad = np.argwhere(~np.isfinite(a))
    entry = ", ".join(map(str, bad[0]))
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    raise InputError(
        f"{name}[{entry}] = {a[tuple(bad[0])]:g}{more}: must be {allowed}", key=name, kind="value", allowed=allowed
    )
