"""The room's doors for experiment files and the command line."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from ..common.input.checks import fail
from ..common.output.verdict import Verdict
from .equations.path import OrderParameterPath
from .model.problem import TABLES, Problem, build

#: Options that do not decide the numbers of a checkpoint: theory and R^d keep theirs apart.
SWEPT = ("simulate",)

__all__ = ["REQUIRED", "TABLES", "build", "collapse", "compare", "plot", "report", "simulate", "solve"]

REQUIRED = ("target", "training")


def numbers(text: str) -> list[float]:
    """A comma-separated list of numbers from the command line."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: must be numbers separated by commas") from None
    if not np.all(np.isfinite(values)):
        raise argparse.ArgumentTypeError(f"{text!r}: must be finite numbers separated by commas")
    return values


def solve_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics solve``."""
    parser.add_argument("--tau", type=numbers, metavar="A,B,…", help="training times to report")
    parser.add_argument("--tolerance", type=float, help="wanted error of the order parameters")
    parser.add_argument("--method", help="integrator of scipy.integrate (default DOP853)")


def solve(problem: Problem, *, tau: Any = None, **options: Any) -> OrderParameterPath:
    """See `asymptotics.autoencoder.theory.solve`; ``tau`` (times to report) must lie on the path."""
    from .theory import solve as integrate

    if tau is not None and (np.min(tau) < 0 or np.max(tau) > problem.training.tau):
        fail("--tau", tau, f"in [0, training.tau] = [0, {problem.training.tau:g}]")
    return integrate(problem, **options)


def report(path: OrderParameterPath, *, tau: Any = None, **_: Any) -> dict[str, Any]:
    """The JSON of ``asymptotics solve``."""
    return path.table(np.linspace(0.0, path.tau_max, 9) if tau is None else tau)


def simulate_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics simulate``."""
    if not any(action.dest == "tau" for action in parser._actions):
        parser.add_argument("--tau", type=numbers, metavar="A,B,…", help="training times to record")
    parser.add_argument(
        "--data", metavar="X.npz", help="train on these samples (a file, or mnist) instead of Gaussian ones"
    )


def simulate(problem: Problem, *, tau: Any = None, taus: Any = None, **options: Any) -> Any:
    """See `asymptotics.autoencoder.process.ensemble.simulate`."""
    from .process.ensemble import simulate as run

    return run(problem, taus=tau if taus is None else taus, **options)


def compare(theory: OrderParameterPath, runs: Any, **options: Any) -> Verdict:
    """See `asymptotics.autoencoder.comparison.compare`."""
    from .comparison import compare as judge

    return judge(theory, runs, theory.problem, **options)


def plot(theory: OrderParameterPath, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Order parameters and densities: see `asymptotics.autoencoder.plots.paths.plot_comparison`."""
    from .plots.paths import plot_comparison

    return plot_comparison(theory.problem, theory, runs, ax=ax)


def collapse_options(parser: argparse.ArgumentParser) -> None:
    """Options of ``asymptotics collapse``."""
    parser.add_argument("--simulate", action="store_true", default=None, help="run the chain in R^d too, and compare")
    parser.add_argument("--tolerance", type=float, help="wanted error of the first generation's order parameters")


def collapse(problem: Problem, *, simulate: bool | None = None, progress: bool | None = None, **options: Any) -> Any:
    """See `asymptotics.autoencoder.generations.generations`; with ``simulate`` the chain in R^d beside it."""
    from .collapse.generations import collapse as run

    return run(problem, simulate=bool(simulate), progress=progress, **options)
