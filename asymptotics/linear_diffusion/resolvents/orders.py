"""How many terms of the expansion in 1/N a prediction contains: ``order`` 0 the leading one, 1 with O(1), 2 with O(1/N) too.

Relative to a leading term of O(d), for real Gaussian data.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from ...common.input.renamed import say_renamed

P = ParamSpec("P")
T = TypeVar("T")


def by_order(function: Callable[P, T]) -> Callable[P, T]:
    """Lets a function with ``order`` take ``corrected`` and ``next_order``, as before 0.2.0."""

    @functools.wraps(function)
    def called(*given: Any, corrected: bool | None = None, next_order: bool | None = None, **named: Any) -> T:
        if corrected is not None or next_order is not None:
            say_renamed("corrected, next_order", "order = 0, 1 or 2")
            if corrected or next_order:
                named["order"] = 2 if next_order else 1
        return function(*given, **named)

    return cast(Callable[P, T], called)
