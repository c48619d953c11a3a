"""The tables of an experiment file that belong to this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..common.input.checks import InputError, array, fail, integer
from ..common.input.notation import Notation
from ..common.input.settings import Natural, Settings
from .coupling.model import CoupledGaussian

#: Largest number of entries of C, (r, m, m).
LARGEST = 2**22


@dataclass(frozen=True)
class Interactions(Settings):
    r"""Table ``[interactions]``: one quadratic coupling, x_B = a + b x_A + x_Aᵀ C x_A + N(0, Γ), learned from N samples.

    Parameters
    ----------
    inputs, outputs : int
        Number m of coordinates x_A; number r of coordinates x_B, d = m + r.
    samples : int
        N.
    a, b, C, Gamma : arrays of shape (r,), (r, m), (r, m, m), (r, r)
        The truth; default a = b = C = 0, Γ = 1. The averages of maximum likelihood do not depend on it, those of ridge do.
        With r = 1 the first axis may be left out; Γ may be a number (times 1).
    mean, covariance : arrays of shape (m,), (m, m)
        Mean of x_A, default 0; its covariance, default 1, a list of m numbers being its diagonal.
    ridge : float or list of 3 floats, optional
        Penalties λ ≥ 0 of the coefficients of order 0, 1, 2 in Hermite polynomials of the white inputs (one number: all three); the
        law of x_A and Γ are then known. Without it: maximum likelihood of everything.
    """

    table: ClassVar[str] = "interactions"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "inputs": Notation("m", ("m", "n_inputs"), "coordinates that the coupling reads"),
        "outputs": Notation("r", ("r", "n_outputs"), "coordinates that the coupling writes"),
        "samples": Notation("N", ("N", "n", "n_samples"), "samples of the data set"),
        "a": Notation("a", ("bias", "constant"), "constant part"),
        "b": Notation("b", ("linear",), "linear part"),
        "C": Notation("C", ("quadratic",), "quadratic part"),
        "Gamma": Notation("Γ", ("noise", "noise_covariance"), "covariance"),
        "mean": Notation("μ", ("mu",), "mean of the inputs"),
        "covariance": Notation("Σ", ("Sigma",), "covariance of the inputs"),
        "ridge": Notation("λ", ("lambda", "lam"), "penalty"),
    }

    inputs: Annotated[int, partial(integer, at_least=1, at_most=1000)]
    outputs: Annotated[int, partial(integer, at_least=1, at_most=1000)]
    samples: Annotated[int, partial(integer, at_least=1, at_most=10**9)]
    a: Any = None
    b: Any = None
    C: Any = None
    Gamma: Any = None
    mean: Any = None
    covariance: Any = None
    ridge: Any = None

    def __post_init__(self) -> None:
        super().__post_init__()
        m, r = self.inputs, self.outputs
        if r * m * m > LARGEST:
            raise InputError(f"{self.key('outputs')} = {r}: C of shape ({r}, {m}, {m}) is too large")
        for name, shape in (("a", (r,)), ("b", (r, m)), ("C", (r, m, m)), ("mean", (m,))):
            if getattr(self, name) is not None:
                self.set(**{name: self._shaped(name, shape).tolist()})
        for name, size in (("Gamma", r), ("covariance", m)):
            if getattr(self, name) is not None:
                self.set(**{name: self._matrix(name, size).tolist()})
        if self.ridge is not None:
            penalties = np.atleast_1d(array(self.key("ridge"), self.ridge))
            if penalties.shape not in ((1,), (3,)) or penalties.min() < 0:
                fail(self.key("ridge"), self.ridge, "a number >= 0, or three (order 0, 1, 2)")
            if all(value is None for value in (self.a, self.b, self.C)):
                raise InputError(
                    f"{self.key('ridge')}: needs {self.key('a')}, {self.key('b')} or {self.key('C')}; its bias depends on them"
                )
            self.set(ridge=np.broadcast_to(penalties, 3).tolist())

    def _shaped(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """A value of this shape; axes of length one at the front, or all axes of a single number, may be left out."""
        value = array(self.key(name), getattr(self, name))
        short = shape[1:] if len(shape) > 1 and shape[0] == 1 else shape
        if value.shape not in (shape, short) and not (value.size == 1 and int(np.prod(shape)) == 1):
            fail(self.key(name), f"array of shape {value.shape}", f"of shape {shape}")
        return value.reshape(shape)

    def _matrix(self, name: str, size: int) -> np.ndarray:
        value = array(self.key(name), getattr(self, name))
        if value.ndim == 0:
            value = value * np.eye(size)
        elif value.ndim == 1:
            value = np.diag(value)
        if value.shape != (size, size):
            fail(
                self.key(name), f"array of shape {value.shape}", f"of shape {(size, size)}, a number or {size} of them"
            )
        if not np.allclose(value, value.T, rtol=1e-10, atol=0) or np.linalg.eigvalsh(value)[0] <= 0:
            fail(self.key(name), getattr(self, name), "symmetric with positive eigenvalues")
        return (value + value.T) / 2

    def truth(self) -> CoupledGaussian:
        """The law that is learned."""
        m, r = self.inputs, self.outputs

        def given(value: ArrayLike | None, default: np.ndarray) -> np.ndarray:
            return default if value is None else np.asarray(value, dtype=float)

        return CoupledGaussian(
            given(self.mean, np.zeros(m)),
            given(self.covariance, np.eye(m)),
            given(self.a, np.zeros(r)),
            given(self.b, np.zeros((r, m))),
            given(self.C, np.zeros((r, m, m))),
            given(self.Gamma, np.eye(r)),
        )


@dataclass(frozen=True)
class Simulation(Settings):
    """Table ``[simulation]``: how many data sets are drawn and fitted.

    Parameters
    ----------
    runs : int
        Independent data sets, at least 2.
    seed : int
    """

    table: ClassVar[str] = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "runs": Notation("R", ("n_runs", "trials", "repeats", "repetitions"), "data sets"),
    }

    runs: Annotated[int, partial(integer, at_least=2, at_most=10**6)] = 200
    seed: Natural = 0
