"""The room's doors for the command line: tables, problem, solve, simulate, compare, plot."""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import InputError, fail, integer
from ..common.output.results import Result
from ..common.output.verdict import Row, Verdict
from .settings import OneStep, Sampler, Simulation

TABLES: dict[str, type] = {"one_step": OneStep, "sampler": Sampler, "simulation": Simulation}
REQUIRED: tuple[str, ...] = ("one_step",)
#: Options whose values a checkpoint keeps apart: a sweep with more numbers of samples goes on from one with fewer.
SWEPT = ("samples",)


@dataclass(frozen=True)
class Problem:
    """One experiment: the model, how it is sampled from, and the seed of its simulation."""

    model: OneStep
    sampler: Sampler = dataclasses.field(default_factory=Sampler)
    simulation: Simulation = dataclasses.field(default_factory=Simulation)


def build(tables: dict[str, Any]) -> Problem:
    """The problem of the given settings objects; absent tables have their defaults."""
    if "one_step" not in tables:
        raise InputError("one_step: missing; the experiment file needs this table")
    return Problem(tables["one_step"], tables.get("sampler") or Sampler(), tables.get("simulation") or Simulation())


def _samples(value: Any) -> list[int] | None:
    """Numbers of samples from a list or a comma-separated text."""
    if value is None:
        return None
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, Iterable):
        fail("samples", value, "a list of integers")
    numbers = []
    for part in parts:
        try:
            number = int(part) if isinstance(part, str) else part
        except ValueError:
            fail("samples", value, "integers separated by commas")
        numbers.append(integer("samples", number, at_least=2))
    return numbers


def solve_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--samples``."""
    # A comparison has the options of both doors: the one they share is added once.
    if "--samples" not in parser._option_string_actions:
        parser.add_argument("--samples", metavar="N1,N2,…", help="sweep the number of samples")


def solve(problem: Problem, *, samples: Any = None) -> Result:
    """The theory; with ``samples`` also its sweep, in ``sweep`` of the result (one list a quantity)."""
    from . import theory

    result = theory.solve(problem.model, problem.sampler)
    numbers = _samples(samples)
    if numbers is None:
        return result
    points = [theory.solve(problem.model.replace(samples=n), problem.sampler) for n in numbers]
    names = (
        "log_det_rate", "trace_rate", "kl_generated_target", "kl_target_generated", "hellinger_squared",
        "log_bhattacharyya", "mixing_time", "h2_mixing", "h2_kernel", "h2_amise", "h2_mise",
    )  # fmt: skip
    sweep = {"samples": numbers, **{name: [getattr(point, name) for point in points] for name in names}}
    return dataclasses.replace(result, sweep=sweep)


def simulate_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--data``, ``--noise`` and ``--samples``."""
    parser.add_argument(
        "--data",
        metavar="FILE.npy",
        help="evaluate this training set, shape (samples, dimension); or (2, samples, dimension): data and noise",
    )
    parser.add_argument(
        "--noise", metavar="FILE.npy", help="noise of its training pairs, the same shape; drawn from the seed if absent"
    )
    solve_options(parser)


def read_array(name: str, value: Any) -> Any:
    """An array, or the one in the ``.npy`` file of that path."""
    if not isinstance(value, str) and not hasattr(value, "__fspath__"):
        return value
    try:
        return np.load(value, allow_pickle=False)
    except FileNotFoundError:
        raise InputError(f"{name} = {str(value)!r}: no such file") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} = {str(value)!r}: must be a .npy file of numbers ({error})") from None


def simulate(
    problem: Problem,
    *,
    data: Any = None,
    noise: Any = None,
    samples: Any = None,
    checkpoint: Any = None,
    workers: int | None = None,
    progress: bool | None = None,
) -> Result:
    """The full process: an ensemble of data sets, one given data set (``data``), or a sweep (``samples``)."""
    from .simulation import simulate as run
    from .transition import probability_curve

    numbers = _samples(samples)
    if numbers is None:
        data, noise = read_array("data", data), read_array("noise", noise)
        if noise is None and np.ndim(data) == 3 and np.shape(data)[0] == 2:
            data, noise = data
        return run(
            problem.model,
            problem.sampler,
            problem.simulation,
            data=data,
            noise=noise,
            workers=workers,
            progress=progress,
            checkpoint=checkpoint,
        )
    if data is not None or noise is not None:
        fail("samples", samples, "absent where data are given")
    return probability_curve(
        problem.model,
        numbers,
        problem.sampler,
        problem.simulation,
        workers=workers,
        progress=progress,
        checkpoint=checkpoint,
    )


def _allowances(theory: Any) -> dict[str, float]:
    """Stated finite-size bias of each prediction.

    The unknown terms of ln|Σ_G| are O(1) and grow logarithmically where the smallest eigenvalue closes, at γ = q; beyond,
    where the spectrum reaches 0, they include −½ ln d (as for a square Gaussian matrix, E ln det² = ln (d − 1)! + const).
    Those of Tr Σ_G^{−1} grow as an inverse square of the distance to q.
    """
    q, ratio, d = theory.q, theory.ratio, theory.parameters["one_step"]["dimension"]
    n = theory.parameters["one_step"]["samples"]
    edge = abs(math.log(max(abs(q - ratio), 1.0 / d) / (q * (1.0 - ratio)))) if ratio < 1.0 else 0.0
    log_det = (0.5 * edge if ratio < q else 1.0 + 0.5 * math.log(d) + edge) / d + 2.0 / d**2
    trace = 4.0 * (theory.trace_rate or 0.0) / (n * d)
    forward = 0.5 * d * (log_det + trace)
    overlap = 0.25 * d * log_det + 1.0 / d
    backward = 2.0 * (theory.kl_target_generated or 0.0) / (d * (1.0 - ratio / q) ** 2) if ratio < q else 0.0
    return {
        "log_det_rate": log_det,
        "trace_rate": trace,
        "kl_generated_target": forward,
        "kl_generated_target_variance": forward,
        "kl_generated_target_mean": trace * 0.5 * d,
        "log_bhattacharyya": overlap,
        "kl_target_generated": backward,
    }


def compare(theory: Any, runs: Any) -> Verdict:
    """Theory against an ensemble: means of moments, divergence and overlap, the median of KL(O‖G).

    Raises
    ------
    InputError
        For a sweep, a given data set or a single run, and for more than one step of the sampler: the theory at finite n is
        of the one-step model.
    """
    from .simulation import Simulated

    if not isinstance(runs, Simulated) or runs.runs < 2:
        raise InputError("runs: must be an ensemble of at least 2 data sets at one number of samples")
    if theory.parameters["sampler"]["steps"] > 1:
        raise InputError("sampler.steps: must be 1 to compare; the theory at finite n is of the one-step model")
    allowances = _allowances(theory)
    kl = theory.kl_generated_target
    predicted = {
        "log_det_rate": theory.log_det_rate,
        "trace_rate": theory.trace_rate,
        "kl_generated_target": kl["total"],
        "kl_generated_target_variance": kl["variance"],
        "kl_generated_target_mean": kl["mean"],
        "log_bhattacharyya": theory.log_bhattacharyya,
    }
    rows, degrees = [], runs.runs - 1
    for name, value in predicted.items():
        mean, sem = runs.mean(name), runs.sem(name)
        if value is not None and mean is not None and sem is not None:
            rows.append(Row(name, np.array(value), np.array(mean), np.array(sem), allowances[name], degrees))
    median = runs.median("kl_target_generated")
    low, high = runs.median_interval("kl_target_generated")
    if theory.kl_target_generated is not None and median is not None and low is not None and high is not None:
        name, half = "kl_target_generated", np.array(0.5 * (high - low))
        value = np.array(theory.kl_target_generated)
        rows.append(Row(f"{name} (median)", value, np.array(median), half, allowances[name], degrees))
    notes = [*theory.notes, f"P(E_OG < E_TG) = {runs.probability:.4f}: no asymptotic prediction, not compared"]
    if theory.kl_target_generated is not None:
        notes.append("KL(O||G) has an infinite mean at every finite d; its median is compared with the typical value")
    return Verdict.of(rows, notes=tuple(notes), details={"probability": runs.probability})


def plot(theory: Any, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Divergences against d/n from theory, with the ensemble as points (or P against n for a sweep)."""
    from . import plots
    from .transition import Transition

    if isinstance(runs, Transition):
        return plots.plot_probability([runs], ax=ax)
    return plots.plot_divergences(theory, runs, ax=ax)
