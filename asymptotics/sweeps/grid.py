"""The grid of a sweep: keys and their values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..common.input.checks import InputError, fail
from ..common.input.texts import LARGEST, assignment, series, values
from ..common.output.results import to_builtin


def values_of(text: str) -> tuple[str, list[Any]]:
    """One ``--over``: ``KEY=FIRST:LAST:COUNT`` (equal steps), ``KEY=FIRST:LAST:COUNT:log`` (equal ratios) or ``KEY=A,B,…``.

    Integers stay integers: ``1:8:8`` is 1, 2, …, 8. The entries of a list are TOML values, or bare words.

    Raises
    ------
    InputError
        Saying what is wrong with the text.
    """
    allowed = "KEY=FIRST:LAST:COUNT, KEY=FIRST:LAST:COUNT:log or KEY=A,B,…, such as training.tau=0.5:8:16"
    key, right = assignment(text, "--over", allowed)
    if not right or "." not in key or not all(key.split(".")):
        raise InputError(f"--over {text}: must be {allowed}")
    if right.count(":") in (2, 3) and "[" not in right and '"' not in right:
        try:
            return key, list(series(right))
        except InputError as error:
            raise InputError(f"--over {text}: {error}") from None
    found = values(right)
    if found is None:
        raise InputError(f"--over {text}: must be {allowed}")
    return key, found


def grid(over: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[dict[str, Any]]]:
    """The keys with their values as plain ones, and the points: every combination, the last key fastest.

    Raises
    ------
    InputError
        If a key has no list of values, or there are too many points.
    """
    keys = {}
    for key, given in over.items():
        if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
            fail(f"over[{key!r}]", given, "a list of values")
        keys[str(key)] = [to_builtin(v) for v in given]
        if not keys[str(key)]:
            fail(f"over[{key!r}]", given, "a list of at least one value")
    if not keys:
        raise InputError("over: needs at least one key, such as training.tau")
    size = math.prod(len(entries) for entries in keys.values())
    if size > LARGEST:
        raise InputError(f"over: has {size} points; at most {LARGEST} are allowed")
    return keys, [dict(zip(keys, point, strict=True)) for point in itertools.product(*keys.values())]
