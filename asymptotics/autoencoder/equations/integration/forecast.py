"""What a solve will take, said before it begins: minutes in the log, hours as an error that names the keys.

A count of the work times seconds of one core that were measured: the derivation goes with the cube of the vectors, compiling
with the moments, an evaluation of the drift with moments × nodes × clusters × times. Right to a factor of a few.
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
COMPILED_NODE, ARRAY_NODE = 1e-9, 12e-9
#: Evaluations of a solve with the choice of its nodes.
EVALUATIONS = 400
#: About how many nodes n fields need, and more of them (or pairs of times).
NODES, MANY = (1, 60, 900, 6_000, 40_000), 1 << 14
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
    nodes = NODES[encoders] if encoders < len(NODES) else MANY
    work = nodes * moments_of(p) * times
    if problem.training.shares_samples:
        work += MANY * p * (p + 1) * times
    return EVALUATIONS * len(problem.cells.weight) * work * (COMPILED_NODE if compiled(p) else ARRAY_NODE)


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


def _refused(problem: Problem, seconds: float) -> None:
    if seconds > REFUSED:
        p, times = len(problem.denoiser.vectors), len(Coefficients.of(problem).start.times)
        raise InputError(
            f"denoiser.hidden_units, training.times ({p} weight vectors, {times} times): the solve would take about "
            f"{in_words(seconds)} of one core; must be fewer (simulate needs no expectations over their fields)"
        )
