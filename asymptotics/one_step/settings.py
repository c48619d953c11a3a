"""Tables of an experiment file that are special to the one-step denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from ..common.input.checks import choice, integer
from ..common.input.notation import Notation
from ..common.input.renamed import say_renamed
from ..common.input.settings import Count, Finite, Natural, Positive, Settings


@dataclass(frozen=True)
class OneStep(Settings):
    r"""The model: n samples of N(μ, σ²) in d dimensions, noised once by y = a x + b z, with a = e^{−T}, b² = λ(1 − e^{−2T}).

    Parameters
    ----------
    dimension : int
        d ≥ 1.
    samples : int
        n ≥ 2, the size of the training set.
    diffusion_time : float
        T > 0.
    noise_scale : float
        λ > 0, the factor of the noise variance.
    std, mean : float
        σ > 0 and the value μ of every coordinate of the mean of the underlying distribution.
    underlying : {"exact", "kernel"}
        What the generated density is compared with: the Gaussian itself, or a kernel estimate of fresh samples of it.
    underlying_samples : int
        Number of fresh samples of the kernel estimate, at least 2.
    runs : int, optional
        Before 0.2.0 the number of training sets stood here; it is now ``simulation.runs``.

    Raises
    ------
    InputError
        If a value is outside its range.

    Notes
    -----
    Halder 2024 (arXiv 2411.17807), section 3; the author's code has d = 100, μ = 10, σ = 1, T = 2, λ = e^{−2T} g.
    """

    table: ClassVar[str] = "one_step"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "samples": Notation("n", ("n", "n_samples"), "data points"),
        "diffusion_time": Notation("T", ("T", "t")),
        "noise_scale": Notation("λ", ("lambda", "lam"), "variance"),
        "std": Notation("σ", ("sigma",), "standard deviation a direction"),
        "mean": Notation("μ", ("mu",), "value of every coordinate"),
        "underlying_samples": Notation("", (), "fresh samples"),
    }

    dimension: Count
    samples: Annotated[int, partial(integer, at_least=2)]
    diffusion_time: Positive
    noise_scale: Positive
    std: Positive = 1.0
    mean: Finite = 0.0
    underlying: Annotated[str, partial(choice, options=("exact", "kernel"))] = "exact"
    underlying_samples: Annotated[int, partial(integer, at_least=2)] = 10_000
    runs: Count | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.runs is not None:
            say_renamed(self.key("runs"), "simulation.runs")


@dataclass(frozen=True)
class Sampling(Settings):
    """How the linear denoiser is applied: once (Halder's model) or in several steps.

    Parameters
    ----------
    steps : int
        k ≥ 1 applications; 1 is the one-step model.
    scheme : {"deterministic", "ancestral"}
        Between steps keep the estimated noise (the probability flow), or redraw part of it as the reversed process does.
    spacing : {"angle", "time"}
        Intermediate times at equal steps of the angle φ, tan φ = b/(aσ) (the best for the deterministic scheme), or of t.
    """

    table: ClassVar[str] = "sampling"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "steps": Notation("k", ("k", "n_steps"), "applications"),
    }

    steps: Count = 1
    scheme: Annotated[str, partial(choice, options=("deterministic", "ancestral"))] = "deterministic"
    spacing: Annotated[str, partial(choice, options=("angle", "time"))] = "angle"


#: Its name before 0.2.0.
Sampler = Sampling


@dataclass(frozen=True)
class Simulation(Settings):
    """How the full process is run.

    Parameters
    ----------
    runs : int
        Number of training sets.
    seed : int
        Of all random numbers.
    """

    table: ClassVar[str] = "simulation"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "runs": Notation("R", ("n_runs", "trials", "repeats", "repetitions"), "training sets"),
    }

    runs: Count = 100
    seed: Natural = 0
