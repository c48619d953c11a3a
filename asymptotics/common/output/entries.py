"""Names of the entries of arrays, counted from 1 as in the papers' figures: Q_12."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def entry(name: str, index: Sequence[int], shape: Sequence[int]) -> str:
    """The name of one entry, its subscript before what stands in brackets.

    Parameters
    ----------
    name : str
    index : sequence of int
        From 0, as in the array; empty: a number, whose name it keeps.
    shape : sequence of int
        Of the array: where there are more than nine along some axis, the indices are apart (``Q_1,12``).

    Examples
    --------
    >>> entry("Q(0.3)", (0, 1), (2, 2))
    'Q_12(0.3)'
    """
    if not len(index):
        return name
    head, bracket, rest = name.partition("(")
    return f"{head}_{(',' if max(shape) > 9 else '').join(str(k + 1) for k in index)}{bracket}{rest}"


def entries(name: str, shape: Sequence[int]) -> tuple[str, ...]:
    """The names of all entries, in the order of the flattened array."""
    return tuple(entry(name, index, shape) for index in np.ndindex(*shape))


def upper_entries(name: str, size: int) -> tuple[str, ...]:
    """Those of the upper triangle of a symmetric matrix, in the order of `numpy.triu_indices`."""
    return tuple(entry(name, (i, j), (size, size)) for i in range(size) for j in range(i, size))
