"""Adapter between the command line and the binary-mixture flow."""

from __future__ import annotations

import argparse
from typing import Any

from ..common.numerics.interpolants import Interpolant
from ..common.output.verdict import Verdict
from .settings import MixtureFlow, Problem, Simulation

TABLES: dict[str, type] = {"mixture_flow": MixtureFlow, "interpolant": Interpolant, "simulation": Simulation}
REQUIRED: tuple[str, ...] = ("mixture_flow",)


def build(tables: dict[str, Any]) -> Problem:
    """The problem that the settings of the tables describe."""
    return Problem(tables["mixture_flow"], tables["interpolant"], tables["simulation"])


def solve_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics solve``."""
    parser.add_argument("--times", metavar="a,b,c", help="times in [0, 1] (default 0, 0.01, ..., 1)")
    parser.add_argument("--method", help="closed (exact solution, default) or ode (numerical integration)")
    parser.add_argument("--rtol", type=float, help="tolerance of --method ode (default 1e-10)")


def solve(problem: Problem, **options: Any) -> Any:
    """The theory: see `asymptotics.mixture_flow.solution.solve`."""
    from . import solution

    return solution.solve(problem, **options)


def simulate_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics simulate``: none beyond the ``[simulation]`` table."""


def simulate(problem: Problem, **options: Any) -> Any:
    """The full process: see `asymptotics.mixture_flow.simulation.simulate`."""
    from . import simulation

    return simulation.simulate(problem, **options)


def compare(theory: Any, runs: Any, **options: Any) -> Verdict:
    """Theory against experiment: see `asymptotics.mixture_flow.comparison.compare`."""
    from . import comparison

    return comparison.compare(theory, runs, **options)


def plot(theory: Any, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters along t."""
    from .plots import order_parameters

    return order_parameters(theory, runs, ax=ax)
