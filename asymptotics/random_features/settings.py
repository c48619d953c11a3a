"""The tables of an experiment file that belong to this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from ..common.input.checks import InputError, array, choice, fail, integer, number
from ..common.input.notation import Notation
from ..common.input.settings import Natural, NonNegative, Positive, Settings
from ..common.input.spectrum import checked_spectrum
from ..common.numerics.laws.declared import spectrum_of
from .activations import activation

#: Ratios beyond these are no longer of order one in any dimension that fits a computer.
SMALLEST, LARGEST = 1e-3, 1e6
LARGEST_DIMENSION = 100_000
MOST_TIMES = 10_000
#: Every noise of a sample: the average over the noise is exact.
ALL = "all"


@dataclass(frozen=True)
class RandomFeatures(Settings):
    """Table ``[random_features]``: data, network and training.

    Parameters
    ----------
    features : float
        ψ_p = p/d.
    samples : float
        ψ_n = n/d.
    diffusion_time : float
        t > 0 of the Ornstein–Uhlenbeck noise, x_t = e^{−t}x + √Δ ξ, Δ = 1 − e^{−2t}; one model a time.
    noises : int or "all"
        m, noises drawn for each sample; "all": the average over them is exact (fresh noise at every small step).
    ridge : float
        λ ≥ 0 of the ridge estimator.
    weight_decay : float
        λ ≥ 0 of the gradient flow.
    initial_variance : float
        ω ≥ 0: gradient flow starts at an A(0) of independent N(0, ω/p); 0: at A(0) = 0.
    activation : str
        tanh, erf (the error function itself), relu, sigmoid, softplus, linear, or an expression in x.
    spectrum : table, str or list, optional
        ``"isotropic"`` (default); ``{power = k}``; ``{spikes = [...], bulk = 1.0}``; ``"mnist"``; the path of a ``.npy`` or
        ``.npz`` file; or a list of eigenvalues of equal mass.
    eigenvalues, masses : list of float, optional
        Instead of ``spectrum``: distinct eigenvalues of Σ and their shares (default: equal).
    dimension : int, optional
        Number of eigenvalues of a power law or a spiked spectrum; default that of the simulation.
    trace : float, optional
        Tr Σ over d eigenvalues; default d for a power law, else that of the spectrum.
    times : list of float
        τ ≥ 0 of gradient flow, A(τ) = −Δ^{−1/2}Vᵀ(1 − e^{−Uτ})/U; for Ȧ = −∇_A of the loss summed over outputs τ = 2Δ t/d.
    """

    table: ClassVar[str] = "random_features"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "features": Notation("ψ_p", ("psi_p",), "features per dimension, p/d"),
        "samples": Notation("ψ_n", ("psi_n",), "samples per dimension, n/d"),
        "diffusion_time": Notation("t", ("t",)),
        "noises": Notation("m", ("m",), "noises a sample"),
        "ridge": Notation("λ", ("lambda", "lam")),
        "initial_variance": Notation("ω", ("omega",), "p times the variance of a weight at the start"),
        "activation": Notation("σ", ("sigma", "nonlinearity")),
        "spectrum": Notation("", ("covariance",), "variance a direction"),
        "eigenvalues": Notation("ς", (), "variance a direction"),
        "masses": Notation("p", ("p",), "share of the d directions"),
        "trace": Notation("Tr Σ", (), "variance"),
        "times": Notation("τ", ("tau", "taus"), "training time"),
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "p": "write features = p/d",
        "n": "write samples = n/d",
    }

    features: Annotated[float, partial(number, at_least=SMALLEST, at_most=LARGEST)]
    samples: Annotated[float, partial(number, at_least=SMALLEST, at_most=LARGEST)]
    diffusion_time: Annotated[float, partial(number, at_least=1e-6, at_most=20)]
    noises: int | str = ALL
    ridge: NonNegative = 0.0
    weight_decay: NonNegative = 0.0
    initial_variance: Annotated[float, partial(number, at_least=0, at_most=1e6)] = 0.0
    activation: str = "tanh"
    spectrum: Any = None
    eigenvalues: Any = None
    masses: Any = None
    dimension: Annotated[int, partial(integer, at_least=1, at_most=LARGEST_DIMENSION)] | None = None
    trace: Positive | None = None
    times: Any = (0.1, 1.0, 10.0, 100.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        times = np.atleast_1d(array(self.key("times"), self.times))
        if times.ndim != 1 or not 0 < times.size <= MOST_TIMES or times.min() < 0 or times.max() > 1e12:
            fail(self.key("times"), self.times, f"a list of 1 to {MOST_TIMES} numbers from 0 to 1e12")
        noises = self.noises
        if isinstance(noises, str):
            choice(self.key("noises"), noises, (ALL,))
        else:
            noises = integer(self.key("noises"), noises, at_least=1, at_most=10**6)
        if not isinstance(self.activation, str):
            fail(self.key("activation"), self.activation, "a name or an expression in x")
        activation(self.activation, self.key("activation"))
        self.set(noises=noises, times=times.tolist())
        self._check_spectrum()

    def _check_spectrum(self) -> None:
        if self.eigenvalues is None:
            if self.masses is not None:
                raise InputError(f"{self.key('masses')}: needs {self.key('eigenvalues')}")
            value = "isotropic" if self.spectrum is None else self.spectrum
            self.set(spectrum=checked_spectrum(self.key("spectrum"), value))
            return
        if self.spectrum is not None:
            raise InputError(f"{self.key('eigenvalues')}: excludes {self.key('spectrum')}; give one of them")
        values = np.atleast_1d(array(self.key("eigenvalues"), self.eigenvalues))
        if values.ndim != 1 or values.size == 0 or values.min() < 0 or values.max() == 0:
            fail(self.key("eigenvalues"), self.eigenvalues, "numbers >= 0, not all zero")
        self.set(eigenvalues=values.tolist())
        if self.masses is not None:
            masses = np.atleast_1d(array(self.key("masses"), self.masses))
            if masses.shape != values.shape or masses.min() <= 0:
                fail(self.key("masses"), self.masses, f"{values.size} numbers > 0, one an eigenvalue")
            self.set(masses=masses.tolist())

    @property
    def per_noise(self) -> float:
        """1/m; 0 for the exact average."""
        return 0.0 if isinstance(self.noises, str) else 1.0 / self.noises

    @property
    def noise(self) -> float:
        """Δ."""
        return float(-np.expm1(-2 * self.diffusion_time))

    @property
    def start(self) -> float:
        """Δω, the scale of what a random A(0) adds to the losses."""
        return self.noise * self.initial_variance

    def spectral_law(self, dimension: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Distinct eigenvalues of Σ, descending, and their shares.

        Parameters
        ----------
        dimension : int, optional
            That of the simulation, where the spectrum needs one and the table has none.
        """
        if self.eigenvalues is not None:
            values = np.asarray(self.eigenvalues, dtype=float)
            masses = np.ones(values.size) if self.masses is None else np.asarray(self.masses, dtype=float)
            size = self.dimension or dimension
        else:
            values, size = self._values(self.dimension or dimension)
            masses = np.ones(values.size)
        distinct, index = np.unique(-values, return_inverse=True)
        shares = np.bincount(index.ravel(), weights=masses) / masses.sum()
        values = -distinct
        if self.trace is not None:
            if not size:
                raise InputError(f"{self.key('trace')}: needs {self.key('dimension')}; this spectrum does not say it")
            values = values * (self.trace / size / float(shares @ values))
        return values, shares

    def _values(self, dimension: int | None) -> tuple[np.ndarray, int | None]:
        if self.spectrum == "isotropic":
            return np.ones(1), dimension
        # That of the simulation stands for one that is missing, and contradicts none.
        own = dimension if isinstance(self.spectrum, dict) else self.dimension
        found = spectrum_of(self.spectrum, own, None, self.key("dimension"))
        return found.eigenvalues, found.dimension


@dataclass(frozen=True)
class Simulation(Settings):
    """Table ``[simulation]``: how the network is run.

    Parameters
    ----------
    dimension : int
        d.
    runs : int
        Independent draws of weights and data, at least 2.
    seed : int
    sizes : int
        Dimensions d, about d/2 and d/4 are run too (2 or 3 sizes), so that what is compared is extrapolated in 1/d; 1: only d.
    """

    table: ClassVar[str] = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "sizes": Notation("", (), "dimensions"),
        "runs": Notation("R", ("n_runs", "trials", "repeats", "repetitions"), "draws of weights and data"),
    }

    dimension: Annotated[int, partial(integer, at_least=4, at_most=4000)] = 200
    runs: Annotated[int, partial(integer, at_least=2)] = 8
    seed: Natural = 0
    sizes: Annotated[int, partial(integer, at_least=1, at_most=3)] = 3
