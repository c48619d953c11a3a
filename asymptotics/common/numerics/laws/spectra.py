"""Covariance spectra: power laws, spiked, from data or a file, and those of the shipped MNIST digits."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...input.checks import InputError, array, closest, fail, integer, number
from ...output.results import Result

#: What NumPy raises for a file that is no array: header, pickle, zip container, compressed stream, early end.
UNREADABLE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error)

#: Spectra shipped with the package, by name.
SHIPPED = {"mnist": "mnist_spectrum.npz"}


@dataclass(frozen=True)
class Spectrum(Result):
    """A covariance Σ in its eigenbasis, Σ = Σ_ν λ_ν e_ν e_νᵀ.

    Parameters
    ----------
    eigenvalues : ndarray, shape (d,)
        λ_ν ≥ 0, sorted into descending order.
    name : str
    eigenvectors : ndarray, shape (d, m), optional
        Leading m ≤ d eigenvectors as columns, reordered with the eigenvalues; None: Σ is diagonal.
    mean : ndarray, shape (d,), optional
        Mean of the data.
    class_means : ndarray, shape (classes, d), optional

    Raises
    ------
    InputError
        If an eigenvalue is negative or not finite, all are zero, or a shape does not fit.
    """

    eigenvalues: np.ndarray
    name: str = "spectrum"
    eigenvectors: np.ndarray | None = None
    mean: np.ndarray | None = None
    class_means: np.ndarray | None = None

    def __post_init__(self) -> None:
        label = f"{self.name}: " if self.name != "spectrum" else ""
        values = array(f"{label}eigenvalues", self.eigenvalues, ndim=1)
        if values.size == 0 or values.min() < 0 or values.max() == 0:
            fail(f"{label}eigenvalues", values, "at least one number, all >= 0 and not all zero")
        d = values.size
        order = np.argsort(-values, kind="stable")
        checked: dict[str, Any] = {"eigenvalues": values[order]}
        if self.eigenvectors is not None:
            vectors = array(f"{label}eigenvectors", self.eigenvectors, shape=(d, None))
            if vectors.shape[1] > d:
                fail(f"{label}eigenvectors.shape", vectors.shape, f"(d, m) with m <= d = {d}")
            if vectors.shape[1] == d:
                vectors = vectors[:, order]
            elif not np.array_equal(order, np.arange(d)):
                raise InputError(
                    f"{label}eigenvalues: must be in descending order when only leading eigenvectors are given"
                )
            if np.abs(vectors.T @ vectors - np.eye(vectors.shape[1])).max() > 1e-6:
                raise InputError(f"{label}eigenvectors: columns must be orthonormal (to 1e-6)")
            checked["eigenvectors"] = vectors
        if self.mean is not None:
            checked["mean"] = array(f"{label}mean", self.mean, shape=(d,))
        if self.class_means is not None:
            checked["class_means"] = array(f"{label}class_means", self.class_means, shape=(None, d))
        for field, value in checked.items():
            value.setflags(write=False)
            object.__setattr__(self, field, value)

    @property
    def dimension(self) -> int:
        """d."""
        return self.eigenvalues.size

    @property
    def trace(self) -> float:
        """Tr Σ."""
        return float(self.eigenvalues.sum())

    @property
    def participation_ratio(self) -> float:
        """(Tr Σ)²/Tr Σ²: the number of directions among which the variance is shared."""
        return float(self.eigenvalues.sum() ** 2 / np.square(self.eigenvalues).sum())

    @property
    def rank(self) -> int:
        """Number of non-zero eigenvalues."""
        return int(np.count_nonzero(self.eigenvalues))

    @property
    def singular(self) -> bool:
        """Whether Σ has no inverse."""
        return self.rank < self.dimension

    COLUMNS = ("eigenvalues",)

    def scaled(self, trace: float) -> Spectrum:
        """The same spectrum with another trace (the mean scaled with it)."""
        factor = number("trace", trace, above=0) / self.trace
        root = np.sqrt(factor)
        return Spectrum(
            self.eigenvalues * factor,
            self.name,
            self.eigenvectors,
            None if self.mean is None else self.mean * root,
            None if self.class_means is None else self.class_means * root,
        )

    def summary(self) -> str:
        lead = ", ".join(f"{v:z.6g}" for v in self.eigenvalues[:4])
        return (
            f"{self.name}: d = {self.dimension}, rank {self.rank}, eigenvalues {lead}, …, "
            f"trace {self.trace:z.6g}, participation ratio {self.participation_ratio:z.6g}"
        )

    def __repr__(self) -> str:
        return f"Spectrum({self.summary()})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spectrum):
            return NotImplemented
        pairs = [(getattr(self, f), getattr(other, f)) for f in ("eigenvalues", "eigenvectors", "mean", "class_means")]
        same = all(
            (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b)) for a, b in pairs
        )
        return same and self.name == other.name

    def __hash__(self) -> int:
        return hash((self.name, self.eigenvalues.tobytes()))


def power_law(dimension: int, exponent: float, trace: float | None = None) -> Spectrum:
    """λ_ν ∝ ν^(−k), ν = 1 … d, with Tr Σ fixed.

    Parameters
    ----------
    dimension : int
        d ≥ 1.
    exponent : float
        k ≥ 0 (0: isotropic).
    trace : float, optional
        Tr Σ > 0; default d.
    """
    d = integer("dimension", dimension, at_least=1)
    k = number("exponent", exponent, at_least=0)
    weights = np.arange(1, d + 1, dtype=float) ** -k
    return Spectrum(_with_trace(weights, d, trace), f"power law k = {k:g}")


def isotropic(dimension: int, trace: float | None = None) -> Spectrum:
    """All eigenvalues equal; Tr Σ = d unless stated."""
    d = integer("dimension", dimension, at_least=1)
    return Spectrum(_with_trace(np.ones(d), d, trace), "isotropic")


def spiked(dimension: int, spikes: Sequence[float], bulk: float = 1.0, trace: float | None = None) -> Spectrum:
    """A flat bulk with a few larger (or smaller) eigenvalues; rescaled only if ``trace`` is given."""
    d = integer("dimension", dimension, at_least=1)
    values = np.atleast_1d(array("spikes", spikes))
    if values.ndim != 1 or values.size > d or values.min(initial=0.0) < 0:
        fail("spikes", spikes, f"at most dimension = {d} numbers >= 0")
    eigenvalues = np.concatenate([values, np.full(d - values.size, number("bulk", bulk, at_least=0))])
    if trace is not None:
        eigenvalues = _with_trace(eigenvalues, d, trace)
    return Spectrum(eigenvalues, f"spiked, {values.size} spikes")


def _with_trace(weights: np.ndarray, dimension: int, trace: float | None) -> np.ndarray:
    wanted = float(dimension) if trace is None else number("trace", trace, above=0)
    if not weights.sum() > 0:
        raise InputError("eigenvalues: must not all be zero")
    return weights * (wanted / weights.sum())


def from_covariance(covariance: ArrayLike, name: str = "spectrum", mean: np.ndarray | None = None) -> Spectrum:
    """The spectrum of a symmetric positive semi-definite matrix (d, d).

    Eigenvalues within rounding of zero, |λ| ≤ d ε λ₁, become exactly 0; a negative one beyond that is an `InputError`.
    """
    matrix = array(f"{name}: covariance", covariance, ndim=2)
    d = matrix.shape[0]
    scale = np.abs(matrix).max(initial=0.0)
    if matrix.shape != (d, d) or d == 0 or np.abs(matrix - matrix.T).max() > 1e-8 * scale:
        raise InputError(f"{name}: covariance of shape {matrix.shape}: must be a symmetric square matrix")
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    rounding = d * np.finfo(float).eps * max(values[-1], 0.0)
    if values[0] < -max(rounding, 1e-8 * scale):
        raise InputError(f"{name}: covariance has the eigenvalue {values[0]:.6g}: must be positive semi-definite")
    values = np.where(values <= rounding, 0.0, values)
    return Spectrum(values[::-1], name, vectors[:, ::-1], mean)


def from_data(samples: ArrayLike, name: str = "data") -> Spectrum:
    """The spectrum of the empirical covariance, divided by N, of samples (N, d), with their mean."""
    x = array(f"{name}: samples", samples, ndim=2)
    if x.shape[0] < 2 or x.shape[1] < 1:
        raise InputError(f"{name}: samples of shape {x.shape}: must be (N, d) with N >= 2 and d >= 1")
    mean = x.mean(axis=0)
    centred = x - mean
    return from_covariance(centred.T @ centred / len(x), name, mean)


def load_spectrum(source: str | os.PathLike[str]) -> Spectrum:
    """A shipped spectrum by name ("mnist") or one from a user's file.

    Parameters
    ----------
    source : str or path
        ``mnist``; or a ``.npy`` file with eigenvalues (d,) or a covariance (d, d); or a ``.npz`` file with one of
        the arrays ``eigenvalues`` (d,) (and perhaps ``eigenvectors`` (d, m), ``mean`` (d,), ``class_means`` (c, d)),
        ``covariance`` (d, d) or ``data`` (N, d).

    Raises
    ------
    InputError
        If there is no such name or file, or the file does not hold what it should.
    """
    if isinstance(source, str) and source in SHIPPED:
        return _shipped(source)
    if not isinstance(source, (str, os.PathLike)):
        fail("spectrum", source, f"one of {', '.join(SHIPPED)} or the path of a .npz or .npy file")
    path = Path(source)
    if path.suffix not in (".npz", ".npy"):
        raise InputError(
            f"spectrum = {str(source)!r}: must be one of {', '.join(SHIPPED)} or the path of a .npz or .npy file"
            + closest(str(source), list(SHIPPED))
        )
    return _from_file(path)


@lru_cache(maxsize=len(SHIPPED))
def _shipped(name: str) -> Spectrum:
    with as_file(files("asymptotics.common") / "data" / SHIPPED[name]) as path, np.load(path) as stored:
        return Spectrum(stored["eigenvalues"], name, stored["eigenvectors"], stored["mean"], stored["class_means"])


def _from_file(path: Path) -> Spectrum:
    name = str(path)
    try:
        # NumPy leaves a file open that it fails to read; this one closes.
        with path.open("rb") as file:
            stored = np.load(file, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                arrays = {"covariance" if stored.ndim == 2 else "eigenvalues": stored}
            else:
                arrays = {key: stored[key] for key in stored.files}
    except FileNotFoundError:
        raise InputError(f"spectrum {name}: no such file") from None
    except UNREADABLE as error:
        raise InputError(f"spectrum {name}: not a readable {path.suffix} file ({error})".replace("\n", " ")) from None
    if "eigenvalues" in arrays:
        optional = {key: arrays.get(key) for key in ("eigenvectors", "mean", "class_means")}
        return Spectrum(arrays["eigenvalues"], name, **optional)
    if "covariance" in arrays:
        return from_covariance(arrays["covariance"], name, arrays.get("mean"))
    if "data" in arrays:
        return from_data(arrays["data"], name)
    raise InputError(
        f"spectrum {name}: has the arrays {', '.join(arrays) or 'none'}; must have eigenvalues, covariance or data"
    )


@lru_cache(maxsize=1)
def mnist_covariance() -> np.ndarray:
    """Pixel covariance (784, 784) of the 60 000 MNIST training images scaled to 0 … 1, divided by their number."""
    with as_file(files("asymptotics.common") / "data" / SHIPPED["mnist"]) as path, np.load(path) as stored:
        sums, upper, count = stored["pixel_sums"], stored["pixel_products"], int(stored["count"])
    products = np.zeros((sums.size, sums.size))
    products[np.triu_indices(sums.size)] = upper
    products += np.triu(products, 1).T
    mean = sums / count
    covariance: np.ndarray = (products / count - np.outer(mean, mean)) / 255.0**2
    covariance.setflags(write=False)
    return covariance


def mnist_digits() -> tuple[np.ndarray, np.ndarray]:
    """10 000 MNIST digits: images (10000, 784), float64 scaled to 0 … 1, and their labels (10000,), integers 0 … 9."""
    with as_file(files("asymptotics.common") / "data" / "mnist_digits.npz") as path, np.load(path) as stored:
        return stored["images"] / 255.0, stored["labels"].astype(np.int64)
