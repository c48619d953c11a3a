"""Texts that a user types for values: ``KEY=VALUE``, ``1,2,3``, ``FIRST:LAST:COUNT``."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable
from typing import Any

import numpy as np

from .checks import InputError, boolean, fail

#: Values that one ``FIRST:LAST:COUNT`` may stand for.
LARGEST = 1_000_000
_WORDS = {float: "a finite number", int: "a whole number", str: "a text"}


def value(text: str) -> Any:
    """A TOML value, or the text itself where it is none (``tanh``)."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def assignment(text: str, option: str, allowed: str) -> tuple[str, str]:
    """Key and right side of ``KEY=VALUE``.

    Raises
    ------
    InputError
        ``OPTION TEXT: must be ALLOWED``.
    """
    key, sign, right = (part.strip() for part in text.partition("="))
    if not sign or not key:
        raise InputError(f"{option} {text}: must be {allowed}")
    return key, right


def changes_of(texts: Iterable[str]) -> dict[str, Any]:
    """The keys that ``--set`` overrides."""
    pairs = [assignment(text, "--set", "KEY=VALUE, such as training.tau=2") for text in texts]
    return {key: value(right) for key, right in pairs}


def values(text: str) -> list[Any] | None:
    """The entries of ``A,B,…``, each a TOML value or a bare word; None where it is neither."""
    try:
        return list(tomllib.loads(f"values = [{text}]")["values"])
    except tomllib.TOMLDecodeError:
        pass
    words = [value(word.strip()) for word in text.split(",")]
    plain = all(isinstance(w, (int, float)) or w.replace("_", "").replace("-", "").isalnum() for w in words)
    return words if plain else None


def series(text: str) -> list[float] | list[int]:
    """Equal steps ``FIRST:LAST:COUNT``, or equal ratios ``FIRST:LAST:COUNT:log``; integers stay integers.

    Raises
    ------
    InputError
        Saying what is wrong.
    """
    parts = text.split(":")
    try:
        first, last, count = float(parts[0]), float(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        raise InputError("must be FIRST:LAST:COUNT or FIRST:LAST:COUNT:log") from None
    logarithmic = len(parts) == 4
    if len(parts) > 4 or (logarithmic and parts[3] != "log") or not (math.isfinite(first) and math.isfinite(last)):
        raise InputError("must be FIRST:LAST:COUNT or FIRST:LAST:COUNT:log")
    if not 1 <= count <= LARGEST:
        raise InputError(f"COUNT must be from 1 to {LARGEST}")
    if logarithmic and not (first > 0 and last > 0):
        raise InputError("FIRST and LAST must be > 0 for equal ratios")
    steps = np.geomspace(first, last, count) if logarithmic else np.linspace(first, last, count)
    if not any(c in part for part in parts[:2] for c in ".eE") and all(float(x).is_integer() for x in steps):
        return [int(x) for x in steps]
    return [float(x) for x in steps]


def typed(name: str, given: Any, kind: type, *, many: bool = False) -> Any:
    """A value of the stated kind from a text or a number; a list of them from ``1,2,3``, one number or a sequence.

    Parameters
    ----------
    name : str
        For messages.
    given : object
        None stays None.
    kind : type
        float (finite), int, bool; str and object pass: who uses them knows what can be read.

    Raises
    ------
    InputError
        Naming the value and what is allowed.
    """
    if given is None or kind is object:
        return given
    if kind is bool:
        return boolean(name, given)
    if not many:
        return _one(name, given, given, kind, _WORDS[kind])
    entries = given.split(",") if isinstance(given, str) else given
    parts = list(entries) if isinstance(entries, Iterable) else [entries]
    if not parts:
        fail(name, given, "at least one value")
    return [_one(name, part, given, kind, f"{_WORDS[kind].partition(' ')[2]}s separated by commas") for part in parts]


def _one(name: str, part: Any, given: Any, kind: type, allowed: str) -> Any:
    if kind is str:
        return part
    try:
        found = kind(part)
        good = (
            math.isfinite(found) and not isinstance(part, (bool, np.bool_)) and (kind is float or found == float(part))
        )
    except (TypeError, ValueError, OverflowError):
        good = False
    if not good:
        fail(name, given, allowed)
    return found
