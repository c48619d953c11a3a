"""The room's doors for the command line: tables, problem, solve, simulate, compare, plot."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.input.checks import InputError, fail, integer
from ..common.output.power import detectable
from ..common.output.results import Result
from ..common.output.verdict import Row, Verdict
from .settings import OneStep, Sampler, Simulation

TABLES: dict[str, type] = {"one_step": OneStep, "sampler": Sampler, "simulation": Simulation}
REQUIRED: tuple[str, ...] = ("one_step",)
#: Options whose values a checkpoint keeps apart: a sweep with more numbers of samples goes on from one with fewer.
SWEPT = ("samples",)
#: Standard errors need four moments of Tr V^{−1}, which exist for (n − d)/2 > 4.
MOMENTS = 8


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


#: Means that are compared, in the order of the rows.
COMPARED = (
    "log_det_rate",
    "trace_rate",
    "kl_generated_target_variance",
    "kl_generated_target_mean",
    "kl_generated_target",
    "log_bhattacharyya",
)


def _predicted(theory: Any) -> dict[str, float | None]:
    """The theory's values by the names of `COMPARED`."""
    kl = theory.kl_generated_target
    return {
        "log_det_rate": theory.log_det_rate,
        "trace_rate": theory.trace_rate,
        "kl_generated_target_variance": kl["variance"],
        "kl_generated_target_mean": kl["mean"],
        "kl_generated_target": kl["total"],
        "log_bhattacharyya": theory.log_bhattacharyya,
    }


def _reason(name: str, value: float | None, d: int, n: int) -> str | None:
    """Why a mean cannot be compared by standard errors, or None."""
    if value is None:
        return "the theory has no value (its notes say why)"
    if name == "log_bhattacharyya" and d > 1:
        return "the O(1) term of ln|1 + S_G| is not known"
    # P(smallest eigenvalue of V < ε) ~ ε^{(n−d)/2}: moments of Tr V^{−1} below that order exist
    if name != "log_det_rate" and n - d <= MOMENTS:
        return f"heavy-tailed: its moments exist below the order (n - d)/2 = {0.5 * (n - d):g} only"
    return None


def compare(theory: Any, runs: Any) -> Verdict:
    """Theory against an ensemble: means of moments, divergence and overlap.

    Raises
    ------
    InputError
        For a sweep, a given data set or a single run, and for more than one step of the sampler: the theory at finite n is
        of the one-step model.
    """
    from .finite_size import mean_log_det
    from .simulation import Simulated

    if not isinstance(runs, Simulated) or runs.runs < 2:
        raise InputError("runs: must be an ensemble of at least 2 data sets at one number of samples")
    if theory.parameters["sampler"]["steps"] > 1:
        raise InputError("sampler.steps: must be 1 to compare; the theory at finite n is of the one-step model")
    table = theory.parameters["one_step"]
    d, n = table["dimension"], table["samples"]
    error = mean_log_det(theory.q, d, n)[1] if n > d else 0.0
    errors = {
        "log_det_rate": error / d,
        "kl_generated_target_variance": 0.5 * error,
        "kl_generated_target": 0.5 * error,
        "log_bhattacharyya": 0.25 * error,
    }
    rows, skipped = [], []
    for name, value in _predicted(theory).items():
        reason = _reason(name, value, d, n)
        if reason is not None:
            skipped.append((name, reason))
            continue
        rows.append(
            Row.of_runs(
                name,
                np.array(value),
                runs.column(name),
                allowance=errors.get(name, 0.0),
                source="smallest term of the series of ln|S_G|" if errors.get(name) else "",
                counted=name != "kl_generated_target",  # the sum of two others
                skewed=True,
            )
        )
    skipped += [
        ("kl_target_generated", "its mean is infinite, and the 1/d term of its median is not known"),
        ("probability", "no asymptotic prediction"),
    ]
    notes = [*theory.notes, f"P(E_OG < E_TG) = {runs.probability:.4f}"]
    verdict = Verdict.of(rows, notes=tuple(notes), not_tested=tuple(skipped), details={"probability": runs.probability})
    return dataclasses.replace(verdict, power=_power(theory, verdict))


def _power(theory: Any, verdict: Verdict) -> dict[str, float]:
    """The smallest relative change of each input that this comparison would have seen with probability ½."""
    from .theory import solve as evaluate

    model, step = OneStep.from_table(theory.parameters["one_step"]), 0.01
    shifts: dict[str, list[np.ndarray | None]] = {}
    base = _predicted(theory)
    for name in ("diffusion_time", "noise_scale", "std"):
        moved = _predicted(evaluate(model.replace(**{name: (1.0 + step) * getattr(model, name)})))
        changes: list[np.ndarray | None] = []
        for row in verdict.rows:
            before, after = base[row.name], moved[row.name]
            changes.append(None if before is None or after is None else np.array((after - before) / step))
        shifts[f"one_step.{name}"] = changes
    return detectable(verdict, shifts)


def plot(theory: Any, runs: Any = None, ax: Any = None) -> tuple[Any, Any]:
    """Divergences against d/n from theory, with the ensemble as points (or P against n for a sweep)."""
    from . import plots
    from .transition import Transition

    if isinstance(runs, Transition):
        return plots.plot_probability([runs], ax=ax)
    return plots.plot_divergences(theory, runs, ax=ax)
