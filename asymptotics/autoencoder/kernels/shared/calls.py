"""The compiled right-hand side by its address: what steps and differentiates it is compiled, kept and loaded without a copy of it."""

from __future__ import annotations

from ....common.numerics.code.pointers import function_at
from .compiled_types import AVERAGED, FUNCTIONS, RATES

#: Places in ``functions`` behind a denoiser's own.
RATES_AT: int = len(FUNCTIONS)
AVERAGED_AT: int = len(FUNCTIONS) + 1

#: Address → function, in compiled code.
rates_at, averaged_at = function_at(RATES), function_at(AVERAGED)
