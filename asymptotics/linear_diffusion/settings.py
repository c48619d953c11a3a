"""The tables of an experiment file that belong to this room."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, ClassVar

import numpy as np

from ..common.input.checks import InputError, array, choice, fail, integer, number
from ..common.input.notation import Notation
from ..common.input.settings import Count, Flag, Natural, NonNegative, Positive, Settings
from ..common.input.spectrum import checked_spectrum
from ..common.numerics.laws.spectra import Spectrum, load_spectrum, power_law, spiked
from .diffusion.sampler import VARIANCES
from .diffusion.schedule import Schedule

LARGEST_DIMENSION = 100_000
#: Up to this dimension a simulation samples from the model unless told otherwise.
SAMPLED_DIMENSION = 256


@dataclass(frozen=True)
class LinearDiffusion(Settings):
    """Table ``[linear_diffusion]``: the target, the data set's size, the ridge and the schedule.

    Parameters
    ----------
    spectrum : table, str or list
        ``{power = k}``: λ_ν ∝ ν^(−k); ``{spikes = [...], bulk = 1.0}``; ``"isotropic"``; ``"mnist"``; the path of a ``.npy`` or
        ``.npz`` file; or a list of eigenvalues.
    samples : int
        N ≥ 2.
    dimension : int, optional
        d; needed where the spectrum does not say it.
    regularisation : float
        c ≥ 0.
    steps : int
        T.
    time : int, optional
        Step t = 1 … T at which losses are given; default T/10 (at least 1).
    trace : float, optional
        Tr Σ; default d for a power law, else that of the spectrum.
    variance : {"beta", "posterior", "exact", "flow"}
        Variance σ_t² of the sampler's noise.
    last_noise : bool
        Whether the sampler's last step adds noise.
    beta_first, beta_last : float
        Ends of the schedule.
    fourth_moment : float, optional
        E‖x−μ‖⁴ of non-Gaussian data, for d_eff.
    """

    table: ClassVar[str] = "linear_diffusion"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "samples": Notation("N", ("N", "n", "n_samples"), "data points"),
        "regularisation": Notation("c", ("c", "regularization", "ridge", "lambda")),
        "spectrum": Notation("λ_ν", ("eigenvalues", "covariance"), "variance a direction"),
        "steps": Notation("T", ("T", "n_steps"), "steps"),
        "time": Notation("t", ("t",), "step"),
        "trace": Notation("Tr Σ", (), "variance"),
        "variance": Notation("σ_t²", ("sampler_variance",)),
        "beta_first": Notation("β_1", ("beta_1", "beta1", "beta_start")),
        "beta_last": Notation("β_T", ("beta_T", "beta_end")),
    }

    spectrum: Any
    samples: Annotated[int, partial(integer, at_least=2)]
    dimension: Annotated[int, partial(integer, at_least=1, at_most=LARGEST_DIMENSION)] | None = None
    regularisation: NonNegative = 0.0
    steps: Annotated[int, partial(integer, at_least=1, at_most=1_000_000)] = 1000
    time: int | None = None
    trace: Positive | None = None
    variance: Annotated[str, partial(choice, options=VARIANCES)] = "beta"
    last_noise: Flag = True
    beta_first: Annotated[float, partial(number, above=0, below=1)] = 1e-4
    beta_last: Annotated[float, partial(number, above=0, below=1)] = 1e-2
    fourth_moment: Positive | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        time = max(1, self.steps // 10) if self.time is None else self.time
        self.set(
            spectrum=checked_spectrum(self.key("spectrum"), self.spectrum),
            time=integer(self.key("time"), time, at_least=1, at_most=self.steps),
        )
        if isinstance(self.spectrum, dict) or self.spectrum == "isotropic":
            self._stated()

    def _stated(self) -> int:
        """d, where the spectrum does not say it."""
        if self.dimension is None:
            raise InputError(f"{self.key('dimension')}: missing; this spectrum does not say it")
        return self.dimension

    def covariance(self) -> Spectrum:
        """The target's spectrum, with the stated dimension and trace."""
        spectrum: Spectrum
        if isinstance(self.spectrum, dict) and "power" in self.spectrum:
            return power_law(self._stated(), self.spectrum["power"], self.trace)
        if isinstance(self.spectrum, dict):
            spectrum = spiked(self._stated(), self.spectrum["spikes"], self.spectrum["bulk"])
        elif self.spectrum == "isotropic":
            spectrum = power_law(self._stated(), 0.0)
        elif isinstance(self.spectrum, list):
            spectrum = Spectrum(np.array(self.spectrum))
        else:
            spectrum = load_spectrum(self.spectrum)
        if self.dimension is not None and spectrum.dimension != self.dimension:
            fail(self.key("dimension"), self.dimension, f"{spectrum.dimension}, that of the spectrum (or left out)")
        return spectrum if self.trace is None else spectrum.scaled(self.trace)

    def schedule(self) -> Schedule:
        """The noise schedule."""
        return Schedule(self.steps, self.beta_first, self.beta_last)


@dataclass(frozen=True)
class Simulation(Settings):
    """Table ``[simulation]``: how the full process is run.

    Parameters
    ----------
    runs : int
        Independent data sets (two each: the second for the agreement of models), at least 2.
    seed : int
    test_samples : int
        Fresh samples on which the test loss is measured.
    samples : int, optional
        Points generated by running the sampler in R^d, T steps; 0: none; default 1000 up to dimension 256, 0 above.
    tau : list of float
        Training times at which the losses of gradient flow are measured.
    """

    table: ClassVar[str] = "simulation"
    ALIASES: ClassVar[Mapping[str, str]] = {"points": "samples"}
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "tau": Notation("τ", (), "training time"),
        "samples": Notation("", ("n_samples",), "generated points a run"),
        "test_samples": Notation("", ("n_test",), "fresh samples"),
    }

    runs: Annotated[int, partial(integer, at_least=2)] = 8
    seed: Natural = 0
    test_samples: Count = 2000
    samples: Natural | None = None
    tau: Any = (0.3, 1.0, 3.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        tau = np.atleast_1d(array(self.key("tau"), self.tau))
        if tau.ndim != 1 or tau.min(initial=0.0) < 0 or tau.size > 1000:
            fail(self.key("tau"), self.tau, "a list of at most 1000 numbers >= 0")
        self.set(tau=sorted(tau.tolist()))

    def sampled_points(self, dimension: int) -> int:
        """Number of points to sample in ``dimension``."""
        if self.samples is not None:
            return self.samples
        return 1000 if dimension <= SAMPLED_DIMENSION else 0
