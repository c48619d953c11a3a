"""The spectrum that an experiment file writes (`asymptotics.common.input.spectrum` checks it)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...input.checks import InputError, fail
from .spectra import Spectrum, load_spectrum, power_law, spiked


def spectrum_of(
    declared: Mapping[str, Any] | Sequence[float] | str | os.PathLike[str],
    dimension: int | None,
    trace: float | None,
    key: str,
) -> Spectrum:
    """The spectrum of a table, name, path or list of eigenvalues.

    Parameters
    ----------
    declared : table, str or list
    dimension : int, optional
        d; needed where the spectrum does not say it.
    trace : float, optional
        Tr Σ; default d for a power law, else that of the spectrum.
    key : str
        What the dimension is called in a message.
    """
    if dimension is None and (isinstance(declared, Mapping) or declared == "isotropic"):
        raise InputError(f"{key}: missing; this spectrum does not say it")
    if isinstance(declared, Mapping) and "power" in declared:
        return power_law(dimension or 0, declared["power"], trace)
    if isinstance(declared, Mapping):
        found = spiked(dimension or 0, declared["spikes"], declared["bulk"])
    elif declared == "isotropic":
        found = power_law(dimension or 0, 0.0)
    else:
        found = load_spectrum(declared) if isinstance(declared, (str, os.PathLike)) else Spectrum(np.array(declared))
    if dimension is not None and found.dimension != dimension:
        fail(key, dimension, f"{found.dimension}, that of the spectrum (or left out)")
    return found if trace is None else found.scaled(trace)
