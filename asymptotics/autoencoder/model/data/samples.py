"""A user's samples and labels, from an array, a file or those shipped with the package."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, closest, fail

#: What a user gives: an array, a file, or the name of what is shipped.
Source: TypeAlias = ArrayLike | os.PathLike[str]
#: Samples shipped with the package, by name.
SHIPPED = ("mnist",)
#: Names under which a .npz file may hold samples and labels, in the order in which they are tried.
NAMES = (("data", "labels"), ("X", "y"), ("x", "y"), ("images", "labels"), ("samples", "labels"))


def load_samples(source: Source, name: str = "data") -> tuple[np.ndarray, np.ndarray | None]:
    """Samples (n, d) and, where a file holds them, labels (n,).

    Parameters
    ----------
    source : array_like, str or path
        An array; "mnist" (10 000 digits with their labels); a ``.npy`` file with an array (n, d); or a ``.npz`` file with
        the samples as ``data``, ``X``, ``x``, ``images`` or ``samples`` (and ``labels`` or ``y``), or a single such array.
    name : str
        How the argument is called in an error.

    Raises
    ------
    InputError
        If there is no such file, or it does not hold samples.
    """
    values: ArrayLike
    labels: Any = None
    if isinstance(source, (str, os.PathLike)):
        if str(source) in SHIPPED:
            from ....common.numerics.laws.spectra import mnist_digits

            return mnist_digits()
        values, labels = _read(Path(source), name)
    else:
        values = source
    x = array(name, values, ndim=2)
    if x.shape[0] < 2 or x.shape[1] < 2:
        fail(name, x.shape, "samples of shape (n, d) with n >= 2 and d >= 2")
    return x, None if labels is None else check_labels(labels, len(x))


def check_labels(labels: ArrayLike, count: int) -> np.ndarray:
    """One label a sample, integers or strings: an array of shape (count,)."""
    try:
        values = np.asarray(labels)
    except ValueError:
        fail("labels", labels, "an array of one integer or string for each sample")
    if values.shape != (count,):
        fail("labels", values.shape, f"of shape ({count},), one for each sample")
    if values.dtype == object:  # such as columns of pandas
        missing = [k for k, label in enumerate(values) if label is None or label != label or str(label) == "<NA>"]
        if missing:
            raise InputError(f"labels[{missing[0]}]: is missing; every sample needs an integer or a string")
        if all(isinstance(label, str) for label in values):
            values = values.astype(str)
        elif all(isinstance(label, (int, np.integer)) for label in values):
            values = values.astype(np.int64)
    if values.dtype.kind == "f" and np.any(np.isnan(values)):
        raise InputError(
            f"labels[{int(np.argmax(np.isnan(values)))}]: is missing; every sample needs an integer or a string"
        )
    if values.dtype.kind == "f" and np.all(np.isfinite(values)) and np.all(values == np.round(values)):
        values = values.astype(np.int64)
    if values.dtype.kind not in "biuUS":
        fail("labels", values.dtype.name, "integers or strings")
    return values


def _read(path: Path, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    from ....common.numerics.laws.spectra import UNREADABLE

    if path.suffix not in (".npy", ".npz"):
        hint = closest(str(path), list(SHIPPED))
        raise InputError(f"{name} = {str(path)!r}: must be {' or '.join(SHIPPED)}, or a .npy or .npz file{hint}")
    try:
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                return stored, None
            arrays = {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        raise InputError(f"{name} {path}: no such file") from None
    except UNREADABLE as error:
        raise InputError(f"{name} {path}: not a readable {path.suffix} file ({error})".replace("\n", " ")) from None
    for samples, labels in NAMES:
        if samples in arrays:
            return arrays[samples], arrays.get(labels)
    tables = [key for key, value in arrays.items() if value.ndim == 2]
    if len(tables) != 1:
        raise InputError(
            f"{name} {path}: has the arrays {', '.join(arrays) or 'none'}; must have data (n, d) and perhaps labels (n,)"
        )
    marks = [key for key, value in arrays.items() if value.shape == arrays[tables[0]].shape[:1]]
    return arrays[tables[0]], arrays[marks[0]] if len(marks) == 1 else None
