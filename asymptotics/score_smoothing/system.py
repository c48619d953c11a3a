"""The doors of the room for the command line."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.input.checks import InputError, number
from .settings import ScoreSmoothing, Simulation

if TYPE_CHECKING:
    from ..common.output.verdict import Verdict
    from .simulation import Particles
    from .theory import Solution

TABLES: dict[str, type] = {"score_smoothing": ScoreSmoothing, "simulation": Simulation}
REQUIRED: tuple[str, ...] = ("score_smoothing",)


@dataclass(frozen=True)
class Problem:
    """One experiment: ``score_smoothing`` and ``simulation`` settings."""

    score_smoothing: ScoreSmoothing
    simulation: Simulation


def build(tables: dict[str, Any]) -> Problem:
    """Put the tables together; the simulation must end after it starts."""
    settings, plan = tables["score_smoothing"], tables.get("simulation") or Simulation()
    return Problem(settings, plan)


def numbers(text: str) -> list[float]:
    """Comma-separated finite numbers of a command line."""
    try:
        values = [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers x1,x2,...") from None
    if not values or not np.all(np.isfinite(values)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of finite numbers x1,x2,...")
    return values


def solve_options(parser: argparse.ArgumentParser) -> None:
    """``--at``, ``--from``, ``--times``, ``--within``."""
    # A list that begins with a negative number is a value, not an option.
    if hasattr(parser, "_negative_number_matcher"):
        parser._negative_number_matcher = re.compile(r"^-(\d|\.\d)[-+\d.,eE ]*$")
    parser.add_argument("--at", type=numbers, default=None, metavar="X1,X2,…", help="positions of the density")
    parser.add_argument(
        "--from",
        dest="starts",
        type=numbers,
        default=None,
        metavar="X1,X2,…",
        help="positions at start_time of the flow map (circle: x, y pairs in a row)",
    )
    parser.add_argument("--times", type=numbers, default=None, metavar="T1,T2,…", help="times of the flow map")
    _within(parser)


def simulate_options(parser: argparse.ArgumentParser) -> None:
    """``--within``."""
    _within(parser)


def _within(parser: argparse.ArgumentParser) -> None:
    if "--within" in parser._option_string_actions:  # a command that solves and simulates asks once
        return
    parser.add_argument(
        "--within", type=float, default=None, metavar="EPS", help="distance that counts as memorised (0.1)"
    )


def solve(problem: Problem, *, at: Any = None, starts: Any = None, times: Any = None, within: Any = None) -> Solution:
    """Theory; without ``times`` the flow is to end_time, without ``starts`` there is none."""
    from . import theory

    settings = problem.score_smoothing
    if times is None:
        times = [] if starts is None else [settings.end_time]
    elif starts is None:
        raise InputError("times: given without from (positions at start_time)")
    return theory.solve(
        settings,
        at=[] if at is None else at,
        starts=[] if starts is None else starts,
        times=times,
        within=0.1 if within is None else number("within", within, at_least=0.0),
    )


def simulate(
    problem: Problem,
    *,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Any = None,
    within: Any = None,
) -> Particles:
    """Particles."""
    from . import simulation

    return simulation.simulate(
        problem.score_smoothing,
        problem.simulation,
        within=0.1 if within is None else number("within", within, at_least=0.0),
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
    )


def compare(theory: Solution, runs: Particles) -> Verdict:
    """Theory at the time where the particles stopped against mean ± standard error."""
    from . import comparison

    return comparison.compare(theory, runs)


def plot(theory: Solution, runs: Particles | None = None, ax: Any = None) -> tuple[Any, Any]:
    """Density with atoms as bars, particles as a histogram with error bars."""
    from . import plots

    return plots.solution(theory, runs, ax)
