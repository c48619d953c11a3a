"""What a search of fixed points has found so far: each root confirmed by finer expectations, with its images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...model.problem import Problem
from ..flow import Flow
from .spectrum import Spectrum, spectrum_of

#: From states with larger order parameters than this a root is looked for with so many nodes in one direction at once: coarse
#: ones do not see what is that far out.
WIDE, WIDE_NODES = 4.0, 200


#: Nodes over pairs of times that a search can afford.
AFFORDABLE = 15_000


#: A root whose order parameters are this many times what the target's are measured in is at the edge of the search.
FAR = 1e4


def rates_at_end(problem: Problem) -> float:
    """s(τ) at the end of the training."""
    schedule = problem.training.rate_schedule()
    return 1.0 if schedule is None else float(schedule(problem.training.tau))


class Found:
    """Different fixed points, confirmed one by one.

    Parameters
    ----------
    flow : Flow
        Where roots are looked for.
    ladder : list of (Rule, Rule)
        From its expectations on.
    tolerance : float
        How far the next rule may move a root.
    """

    def __init__(self, flow: Flow, ladder: list[Any], tolerance: float) -> None:
        self.flow, self.ladder, self.tolerance = flow, ladder, tolerance
        self.chain = [flow]
        self.wide: Flow | None = None
        self.states: list[np.ndarray] = []
        self.spectra: list[Spectrum] = []
        self.potential: list[float] = []
        self.flows: list[Flow] = []
        self.coarse: list[np.ndarray] = []
        self.rejected, self.confirmed = 0, 0.0
        self.end = flow.start

    def _finer(self, k: int) -> Flow:
        while len(self.chain) <= k:
            self.chain.append(self.flow.finer(self.ladder[len(self.chain)]))
        return self.chain[k]

    def _searched(self, k: int) -> Flow:
        """The k-th rung, where roots are looked for: over pairs of times of several fields with no more nodes than a search can afford."""
        n = len(self.flow.drift.kernels.encoders)
        single, pairs = self.ladder[k]
        if k == 0 or n == 1 or pairs.size(2 * n) <= AFFORDABLE:
            return self._finer(k)
        if self.wide is None:
            fewer = [r for _, r in self.ladder[:k] if r.size(2 * n) <= AFFORDABLE]
            self.wide = self.flow.finer((single, fewer[-1] if fewer else self.ladder[0][1]))
        return self.wide

    def add(self, y: np.ndarray) -> None:
        """Newton's method from a state; what it finds, if it is new and no artefact of the nodes."""
        first = 0
        if np.max(np.abs(y)) > WIDE and len(self.ladder) > 1:
            finest = len(self.ladder) - 2
            first = next((k for k, (r, _) in enumerate(self.ladder[:finest]) if r.nodes >= WIDE_NODES), finest)
        searched = self._searched(first)
        coarse = searched.root(y)
        if coarse is None or np.max(np.abs(coarse)) > FAR * self.flow.scale:
            return
        size = 1e-5 * (1 + float(np.max(np.abs(coarse))))
        if any(np.max(np.abs(coarse - other)) < size for other in self.coarse):
            return
        self.coarse.append(coarse)
        if len(self.states) == 0:
            self.end = coarse
        root, flow, moved = self._confirm(coarse, first + 1, searched)
        if root is None:
            self.rejected += 1
            return
        spectrum = spectrum_of(flow, root)
        potential = flow.drift.loss(root)[1]
        if any(self._same(k, root, spectrum, potential) for k in range(len(self.states))):
            return
        self.confirmed = max(self.confirmed, moved)
        self.states.append(root)
        self.spectra.append(spectrum)
        self.potential.append(potential)
        self.flows.append(flow)

    def _confirm(self, y: np.ndarray, first: int, searched: Flow) -> tuple[np.ndarray | None, Flow, float]:
        if len(self.ladder) == 1:
            return self._clean(self.flow, y), self.flow, 0.0
        near = searched.jacobian(y)
        for k in range(first, len(self.ladder)):
            finer = self._finer(k)
            root = finer.root(y, near)
            if root is None:
                return None, finer, np.inf
            moved = float(np.max(np.abs(root - y))) / (1 + float(np.max(np.abs(root))))
            if moved < self.tolerance:
                return self._clean(finer, root), finer, moved
            y = root
        return None, self.flow, np.inf

    @staticmethod
    def _clean(flow: Flow, y: np.ndarray) -> np.ndarray:
        """Zero where only rounding is left of an order parameter, if the root stays one."""
        size = 1 + float(np.max(np.abs(y)))
        clean = np.where(np.abs(y) < 1e-9 * size, 0.0, y)
        return clean if np.max(np.abs(flow.basis.T @ flow(clean))) < 1e-8 * size else y

    def _same(self, k: int, y: np.ndarray, spectrum: Spectrum, potential: float) -> bool:
        """Whether a root is an image of a known one: what no exchange, reflection or rotation of units changes is the same."""
        near = max(100 * self.tolerance, 1e-5)

        def alike(a: ArrayLike, c: ArrayLike) -> bool:
            a, c = np.sort(np.atleast_1d(a)), np.sort(np.atleast_1d(c))
            return bool(np.max(np.abs(a - c), initial=0.0) < near * (1 + np.max(np.abs(c), initial=0.0)))

        other = self.states[k]
        if np.max(np.abs(y - other)) < near * (1 + np.max(np.abs(other))):
            return True
        (_, q, b, _), (_, q0, b0, _) = (self.flow.layout.unpack(x) for x in (y, other))
        traces = (np.linalg.eigvalsh(q.sum(axis=0)), np.linalg.eigvalsh(q0.sum(axis=0)))
        smooth = self.flow.drift.kernels.smooth
        return (
            alike(potential, self.potential[k])
            and alike(b, b0)
            and alike(*traces)
            and (not smooth or alike(spectrum.eigenvalues.real, self.spectra[k].eigenvalues.real))
        )
