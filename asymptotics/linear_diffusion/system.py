"""Adapter between the command line and this room."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

from ..common.input.checks import InputError
from ..common.output.verdict import Verdict
from .settings import LinearDiffusion, Simulation

TABLES: dict[str, type] = {"linear_diffusion": LinearDiffusion, "simulation": Simulation}
REQUIRED: tuple[str, ...] = ("linear_diffusion",)


@dataclass(frozen=True)
class Problem:
    """A linear diffusion model on data of one spectrum, and how it is simulated."""

    linear_diffusion: LinearDiffusion
    simulation: Simulation


def build(tables: dict[str, Any]) -> Problem:
    """The problem of the tables; a spectrum that cannot be had is an `InputError` already here."""
    settings: LinearDiffusion = tables["linear_diffusion"]
    settings.covariance()
    return Problem(settings, tables["simulation"])


def solve_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics solve``."""
    parser.add_argument("--samples", metavar="N,N,…", help="sweep the number of samples: the fields become lists")
    parser.add_argument("--tau", metavar="T,T,…", help="training times of the early-stopping curve")
    parser.add_argument("--eigenvalue", metavar="L,L,…", help="eigenvalues at which the sampler's variance is given")


def _numbers(name: str, value: Any, kind: type) -> Any:
    """A list from ``"1,2,3"``, a number or a sequence."""
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value if hasattr(value, "__iter__") else [value]
    try:
        return [kind(p) for p in parts]
    except (TypeError, ValueError):
        word = "whole numbers" if kind is int else "numbers"
        raise InputError(f"{name} = {value}: must be {word} separated by commas") from None


def _refuse(options: dict[str, Any], allowed: str) -> None:
    for name in options:
        raise InputError(f"{name}: unknown option; allowed are {allowed}")


def solve(problem: Problem, *, samples: Any = None, tau: Any = None, eigenvalue: Any = None, **unknown: Any) -> Any:
    """Averages over data sets (`averages.Averages`), or an `averages.Sweep` over N if ``samples`` is given."""
    from . import theory

    _refuse(unknown, "samples, tau, eigenvalue")

    options = {"tau": _numbers("tau", tau, float), "eigenvalues": _numbers("eigenvalue", eigenvalue, float)}
    if samples is None:
        return theory.solve(problem.linear_diffusion, **options)
    return theory.sweep(problem.linear_diffusion, _numbers("samples", samples, int), **options)


def simulate_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics simulate``: none beyond the ``[simulation]`` table."""


def simulate(
    problem: Problem,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Any = None,
    **unknown: Any,
) -> Any:
    """The full process: data sets, training, sampling (`simulation.Runs`)."""
    from . import simulation

    _refuse(unknown, "workers, progress and the keys of the [simulation] table (the dimension is that of the target)")

    return simulation.simulate(
        problem.linear_diffusion, problem.simulation, workers=workers, progress=progress, checkpoint=checkpoint
    )


def compare(theory: Any, runs: Any) -> Verdict:
    """Theory against simulation, with error bars."""
    from .comparison import compare as rows

    return rows(theory, runs)


def plot(theory: Any, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Loss against training time, or against N for a sweep; simulation as points."""
    from .averages import Sweep
    from .plots import stopping_curve, sweep_curve

    if isinstance(theory, Sweep):
        return sweep_curve(theory, ax=ax)
    return stopping_curve(theory, runs, ax=ax)
