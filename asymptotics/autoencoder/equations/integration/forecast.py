"""What a solve will take, said before it begins: minutes in the log, hours as an error that names the keys.

A count of the work times seconds of one core that were measured: the derivation goes with the cube of the vectors, compiling
with the moments, an evaluation of the drift with moments × nodes × clusters × times. Right to a factor of a few; where a first
rough solve has said how many evaluations a path needs (`evaluations_of_path`), right to less than two.
"""

from __future__ import annotations

import logging
from functools import cache

from ....common.input.checks import InputError
from ....common.running.progress import in_words
from ...kernels.written.system import moment_names
from ...model.problem import Problem
from ..derivative.coefficients import Coefficients

#: Weight vectors that are never worth a word where times share no samples.
FEW = 5
#: Moments above which compiling takes longer than array code does altogether.
COMPILED = 450
#: Seconds: of the derivation per p³, of compiling per (moments)^(3/2), of an evaluation per moment, node and cell.
DERIVING, COMPILING = 3e-3, 0.018
COMPILED_NODE, ARRAY_NODE = 0.22e-9, 1.0e-9
#: The same over pairs of times.
COMPILED_PAIR, ARRAY_PAIR = 1e-9, 12e-9
#: Evaluations of a solve with the choice of its nodes: where these follow the fields, and with Sobol' points for all τ and a unit of it.
EVALUATIONS, EVALUATIONS_SOBOL = 400, (100, 32)
#: About how many nodes n fields need, more of them, and pairs of times.
NODES, MANY, PAIRS = (1, 60, 900, 6_000, 40_000), 1 << 17, 1 << 14
#: Evaluations of a path by those of a rough one.
PILOTED = 1.55
#: Seconds from which it is said, and refused.
SAID, REFUSED = 60.0, 2 * 3600.0

_log = logging.getLogger(__name__)


@cache
def moments_of(vectors: int) -> int:
    """How many moments the drift of a network of so many vectors needs (without trainable scalars)."""
    return len(moment_names(vectors, (), (), 0, False))


def compiled(vectors: int) -> bool:
    """Whether its kernels are compiled, and not array code."""
    return moments_of(vectors) <= COMPILED


def preparing(problem: Problem) -> float:
    """Seconds of derivation and compiler, where nothing of this network is kept in the cache."""
    p = len(problem.denoiser.vectors)
    return DERIVING * p**3 + (COMPILING * moments_of(p) ** 1.5 if compiled(p) else 0.0)


def solving(problem: Problem, encoders: int) -> float:
    """Seconds of all evaluations, where the expectations over the fields of so many encoders need nodes."""
    p, times = len(problem.denoiser.vectors), len(Coefficients.of(problem).start.times)
    code = compiled(p)
    nodes, evaluations = MANY, EVALUATIONS_SOBOL[0] + EVALUATIONS_SOBOL[1] * problem.training.tau
    if encoders < len(NODES):
        nodes, evaluations = NODES[encoders], EVALUATIONS
    seconds = nodes * moments_of(p) * (COMPILED_NODE if code else ARRAY_NODE)
    if problem.training.shares_samples:
        seconds += PAIRS * p * (p + 1) * (COMPILED_PAIR if code else ARRAY_PAIR)
    return evaluations * len(problem.cells.weight) * times * seconds


def evaluations_of_path(pilot: int) -> int:
    """How many a path needs, by those of a rough solve of it."""
    return round(PILOTED * pilot)


def before_kernels(problem: Problem) -> None:
    """Say what derivation and compiler take, or refuse a network that is too large."""
    if len(problem.denoiser.vectors) <= FEW:
        return
    seconds = preparing(problem)
    _refused(problem, seconds + solving(problem, len(problem.denoiser.vectors)))
    if seconds > SAID:
        words = (
            "about %s of derivation and compiler for %d weight vectors, where they are not kept from before"
            " (backend = 'numpy' compiles nothing)"
        )
        _log.warning(words, in_words(seconds), len(problem.denoiser.vectors))


def before_solve(problem: Problem, encoders: int) -> None:
    """Say what the expectations take, or refuse them."""
    p = len(problem.denoiser.vectors)
    if p <= FEW and not problem.training.shares_samples:
        return
    seconds = solving(problem, encoders)
    _refused(problem, seconds)
    if seconds > SAID:
        times = len(Coefficients.of(problem).start.times)
        said = f"{p} weight vectors and {times} time{'s' if times > 1 else ''}"
        _log.warning("about %s of one core for %s (a wider tolerance takes less)", in_words(seconds), said)


def before_path(evaluations: int, pace: float) -> None:
    """Say what so many evaluations of ``pace`` seconds each take."""
    if evaluations * pace > SAID:
        _log.warning("the path: about %s (%d evaluations of %.2g s)", in_words(evaluations * pace), evaluations, pace)


def _refused(problem: Problem, seconds: float) -> None:
    if seconds > REFUSED:
        p, times = len(problem.denoiser.vectors), len(Coefficients.of(problem).start.times)
        raise InputError(
            f"denoiser.hidden_units, training.times ({p} weight vectors, {times} times): the solve would take about "
            f"{in_words(seconds)} of one core; must be fewer (simulate needs no expectations over their fields)"
        )
