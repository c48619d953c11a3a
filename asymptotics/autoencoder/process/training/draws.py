"""What every sample of a training is drawn to be: its cluster or its row of the data, its time, its label; by its number alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import float64, int64, types, uint32

from ....common.numerics.code.compiled import njit
from ....common.numerics.laws.normals import fill_uniforms, uniforms
from ...model import streams
from .gradient import Samples
from .problem import SgdProblem

#: Uniform numbers drawn together; weights above which they are searched by halves.
_TOGETHER, _FEW = 128, 16


@njit(
    types.void(uint32, uint32, int64, int64, int64, float64[:, ::1], int64[::1]), cache=True, nogil=True,
    error_model="numpy",
)  # fmt: skip
def choose_along(key0, key1, stream, first, batch, cumulative, out):  # type: ignore[no-untyped-def]
    """out[i] = index drawn for sample number first + i by the cumulative weights of its step, ``batch`` samples a step.

    ``cumulative`` has one row a step, or one for all.
    """
    last, moving = cumulative.shape[1] - 1, cumulative.shape[0] > 1
    numbers = np.empty(_TOGETHER)
    for start in range(0, out.shape[0], _TOGETHER):
        part = out[start : start + _TOGETHER]
        uniforms(key0, key1, stream, first + start, 0, numbers)
        for i in range(part.shape[0]):
            weights, u = cumulative[(start + i) // batch if moving else 0], numbers[i]
            found = 0
            if last <= _FEW:
                for k in range(last):
                    found += 1 if u >= weights[k] else 0
            else:
                above = last
                while found < above:
                    middle = (found + above) // 2
                    if u >= weights[middle]:
                        found = middle + 1
                    else:
                        above = middle
            part[i] = found


def choose(key0: np.uint32, key1: np.uint32, stream: int, first: int, cumulative: np.ndarray, out: np.ndarray) -> None:
    """`choose_along` with the same weights at every step."""
    choose_along(key0, key1, stream, first, 1, np.ascontiguousarray(cumulative)[None], out)


class Draws:
    """The samples of one training.

    Parameters
    ----------
    problem : SgdProblem
    key : (uint32, uint32)
    cluster, time, label : int
        Streams that they are drawn from.
    """

    def __init__(
        self,
        problem: SgdProblem,
        key: tuple[np.uint32, np.uint32],
        of: Sequence[int] = (streams.CLUSTER, streams.TIME, streams.LABEL),
    ) -> None:
        self.problem, self.key = problem, key
        self.cluster, self.time, self.label = of
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def samples(self, first: int, count: int) -> Samples:
        """All of the samples first, first + 1, …."""
        picks = self.picks(first, count)
        return Samples(picks, self.times(first, count), self.labels(first, picks), self.problem.denoiser.labels)

    def picks(self, first: int, count: int) -> np.ndarray:
        """Cluster or row of the data."""
        problem, out = self.problem, np.empty(count, np.int64)
        if problem.data is None:
            choose(*self.key, self.cluster, first, np.cumsum(problem.weights), out)
        elif problem.data_order == "replacement":
            n = len(problem.data)
            choose(*self.key, streams.ROW, first, np.arange(1, n + 1) / n, out)
        else:
            self._permuted(first, out)
        return out

    def times(self, first: int, count: int) -> np.ndarray:
        """Index of the one time that is used, −1 for all."""
        out, batch = np.full(count, -1, np.int64), self.problem.batch
        if self.problem.average == "random":
            chances = self.problem.chances(first // batch, count // batch)
            choose_along(*self.key, self.time, first, batch, chances, out)
        return out

    def labels(self, first: int, picks: np.ndarray) -> np.ndarray:
        """Labels (−1: dropped, or none)."""
        problem = self.problem
        of = problem.labels if problem.data is None else problem.data_labels
        if of is None or not problem.denoiser.labels:
            return np.full(len(picks), -1, np.int64)
        labels = of[picks]
        if problem.label_dropout:
            dropped = np.empty(len(picks), np.int64)
            choose(*self.key, self.label, first, np.array([problem.label_dropout, 1.0]), dropped)
            labels[dropped == 0] = -1
        return np.asarray(labels)

    def _permuted(self, first: int, picks: np.ndarray) -> None:
        """Every row once an epoch."""
        n, done = len(self.problem.data), 0
        while done < len(picks):
            epoch, offset = divmod(first + done, n)
            if self._epoch[0] != epoch:
                keys = np.empty(n)
                fill_uniforms(*self.key, streams.ROW, epoch, keys)
                self._epoch = (epoch, np.argsort(keys, kind="stable"))
            part = self._epoch[1][offset : offset + len(picks) - done]
            picks[done : done + len(part)] = part
            done += len(part)
