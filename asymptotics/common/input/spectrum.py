"""A spectrum as an experiment file writes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .checks import InputError, array, closest, fail, number


def checked_spectrum(key: str, value: object) -> Any:
    """The checked value: a table, a name or path, or a list of eigenvalues.

    Raises
    ------
    InputError
        Naming the key, its value and what is allowed.
    """
    allowed = (
        '"isotropic", {power = k}, {spikes = [...], bulk = 1.0}, "mnist", the path of a .npy or .npz file '
        "or a list of eigenvalues"
    )
    if isinstance(value, Mapping):
        names = ("power",) if "power" in value else ("spikes", "bulk")
        for name in value:
            if name not in names:
                hint = closest(str(name), ["power", "spikes", "bulk"])
                raise InputError(f"{key}.{name}: unknown key{hint}; spectrum must be {allowed}")
        if "power" in value:
            return {"power": number(f"{key}.power", value["power"], at_least=0)}
        if "spikes" in value:
            spikes = np.atleast_1d(array(f"{key}.spikes", value["spikes"]))
            return {"spikes": spikes.tolist(), "bulk": number(f"{key}.bulk", value.get("bulk", 1.0), at_least=0)}
        fail(key, dict(value), allowed)
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple, np.ndarray)):
        return array(key, value, ndim=1).tolist()
    fail(key, value, allowed)
