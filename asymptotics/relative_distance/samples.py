"""Samples, and data sets of samples, as a person gives them: arrays, files, or a Gaussian that is known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, array, choice, fail
from ..common.numerics.distances.coordinate_densities import Gaussian
from ..common.numerics.laws.spectra import UNREADABLE

KERNELS = ("optimal", "scott")
#: What a person gives: points, a file of them, a Gaussian, or several of these.
Given: TypeAlias = ArrayLike | os.PathLike[str] | Gaussian | Sequence[ArrayLike | os.PathLike[str] | Gaussian]


def points_of(name: str, given: Given) -> np.ndarray | Gaussian:
    """Points (n, d) of an array of any shape (n, …), or of a file; a Gaussian as it is."""
    if isinstance(given, Gaussian):
        return given
    if isinstance(given, (str, os.PathLike)):
        given = read_array(name, Path(given))
    values = array(name, given)
    if values.ndim < 1 or values.size == 0:
        fail(name, f"array of shape {values.shape}", "samples of shape (n, d), at least two")
    values = values.reshape(len(values), -1)
    if len(values) < 2:
        fail(name, f"array of shape {values.shape}", "samples of shape (n, d), at least two")
    return values


def read_array(name: str, path: Path) -> np.ndarray:
    """The array in a .npy file."""
    if path.suffix != ".npy":
        fail(name, str(path), "a .npy file")
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{name} {path}: cannot be read ({error.strerror or error})") from None
    except UNREADABLE as error:
        raise InputError(f"{name} {path}: not a readable .npy file ({' '.join(str(error).split())})") from None
    if not isinstance(stored, np.ndarray):
        fail(name, str(path), "a .npy file with one array")
    return stored


def kernel_of(text: str) -> str | float:
    """A kernel as it is written on the command line: a name, or a number."""
    try:
        return float(text)
    except ValueError:
        return choice("kernel", text, KERNELS)


def stacked(name: str, given: Given, least: int) -> list[np.ndarray | Gaussian]:
    """The data sets along the first axis of one array; one set where it has fewer axes than ``least``."""
    values = read_array(name, Path(given)) if isinstance(given, (str, os.PathLike)) else np.asarray(given)
    if values.ndim < least:
        return [points_of(name, values)]
    return [points_of(f"{name}[{k}]", entry) for k, entry in enumerate(values)]


def data_sets(name: str, given: Given) -> list[np.ndarray | Gaussian]:
    """Data sets: a list or tuple of arrays (or files, or Gaussians) is several."""
    several = (np.ndarray, Gaussian, str, os.PathLike)
    if isinstance(given, (list, tuple)) and len(given) > 0 and all(isinstance(entry, several) for entry in given):
        return [points_of(f"{name}[{k}]", entry) for k, entry in enumerate(given)]
    return [points_of(name, given)]
