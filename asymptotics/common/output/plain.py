"""Plain values: what JSON can say."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np


def printed(values: Any, digits: int = 5) -> str:
    """An array of numbers in one line, rounded, without a minus before what is rounded to 0."""
    with np.printoptions(linewidth=110):
        shown = np.round(np.asarray(values, dtype=np.float64), digits) + 0.0
        return np.array2string(shown, precision=digits, suppress_small=True).replace("\n", "")


def to_builtin(value: Any) -> Any:
    """Turn arrays, NumPy scalars, mappings and sequences into JSON values; NaN and infinities become None."""
    if isinstance(value, np.ndarray):
        return to_builtin(value.tolist())
    if isinstance(value, np.generic):
        return to_builtin(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): to_builtin(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_builtin(v) for v in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_builtin(getattr(value, f.name)) for f in dataclasses.fields(value)}
    raise TypeError(f"cannot write a {type(value).__name__} as JSON")
