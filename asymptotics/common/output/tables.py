"""Tables: results as pandas DataFrames."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..input.checks import InputError
from .entries import entry

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset


def dataframe(table: Mapping[str, Any], axis: str = "tau") -> DataFrame:
    """A pandas DataFrame with one row a value of ``axis``: every array along it, entry by entry (``Q_12``: counted from 1).

    Raises
    ------
    InputError
        If pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise InputError("to_dataframe: needs pandas; install it by pip install pandas") from None
    length = len(table[axis])
    columns: dict[str, Any] = {}
    for name, value in table.items():
        if not isinstance(value, (list, tuple, np.ndarray)) or len(value) != length:
            continue
        array = np.asarray(value)
        if array.dtype.kind not in "biuU":  # None among numbers is NaN
            array = array.astype(np.float64)
        for index in np.ndindex(array.shape[1:]):
            values = array[(slice(None), *index)]
            # A minus before 0 says nothing.
            columns[entry(name, index, array.shape[1:])] = values + 0.0 if array.dtype.kind == "f" else values
    return pandas.DataFrame(columns)


def dataset(
    coordinates: Mapping[str, Any],
    variables: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
    notes: Mapping[str, Any],
) -> Dataset:
    """An xarray Dataset of named arrays over named dimensions.

    Parameters
    ----------
    coordinates : mapping
        Values along every dimension that has some; of what is no number or text, their texts.
    variables : mapping
        Dimensions and values by name.
    notes : mapping
        Attributes of the whole.

    Raises
    ------
    InputError
        If xarray is not installed.
    """
    try:
        import xarray
    except ImportError:
        raise InputError("to_xarray: needs xarray; install it by pip install xarray") from None
    places = {}
    for name, values in coordinates.items():
        plain = all(isinstance(v, (bool, int, float, str, np.generic)) for v in values)
        places[name] = values if plain else [str(v) for v in values]
    return xarray.Dataset(dict(variables), places, dict(notes))


def numbers(report: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The numbers in a nest of mappings by dotted names; texts only of the outermost one, lists not at all."""
    found: dict[str, Any] = {}
    for key, value in report.items():
        if isinstance(value, Mapping):
            found |= numbers(value, f"{prefix}{key}.")
        elif isinstance(value, (bool, int, float)) or (isinstance(value, str) and not prefix):
            found[f"{prefix}{key}"] = value
        elif value is None:
            found[f"{prefix}{key}"] = math.nan
    return found
