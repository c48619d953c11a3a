"""Plain values: what JSON can say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def printed(values: ArrayLike, digits: int = 5) -> str:
    """An array of numbers in one line, rounded to so many decimals (of a number: digits), without a minus before 0.

    An array that rounding would make (nearly) 0 is written with exponents instead.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        return shown(float(array), digits)
    largest = np.max(np.abs(array), initial=0.0, where=np.isfinite(array))
    small = 0.0 < largest < 10.0 ** (2 - digits)
    rounded = (array if small else np.round(array, digits)) + 0.0
    with np.printoptions(linewidth=110):
        return np.array2string(rounded, precision=digits, suppress_small=not small).replace("\n", "")


def shown(value: float, digits: int = 6) -> str:
    """One number in so many digits, without a minus before 0; an integer as it is."""
    return str(value) if isinstance(value, (bool, int, np.integer)) else f"{value:z.{digits}g}"


def matrix(values: ArrayLike, digits: int = 5, indent: int = 0) -> str:
    """A matrix with a line for each of its rows, all after the first moved in; else as `printed`."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or not array.size:
        return printed(array, digits)
    with np.printoptions(linewidth=100_000):
        rounded = np.round(array, digits) + 0.0
        text = np.array2string(rounded, precision=digits, suppress_small=True, threshold=1000)
    return text.replace("\n", "\n" + " " * indent)


def to_builtin(value: Any) -> Any:
    """Turn arrays, NumPy scalars, mappings and sequences into JSON values; NaN and infinities become None."""
    # The usual kinds come first: a sweep does this for a thousand values a point.
    kind = type(value)
    if kind is float:
        return value + 0.0 if math.isfinite(value) else None  # no minus before 0
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if kind is list:
        return [to_builtin(v) for v in value]
    if kind is dict:
        return {str(k): to_builtin(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        finite = value.dtype.kind == "f" and value.itemsize <= 8 and bool(np.all(np.isfinite(value)))
        return (value + 0.0).tolist() if finite else to_builtin(value.tolist())
    if isinstance(value, np.generic):
        return to_builtin(value.item())
    if isinstance(value, float):
        return to_builtin(float(value))
    if isinstance(value, (int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_builtin(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtin(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_builtin(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")
