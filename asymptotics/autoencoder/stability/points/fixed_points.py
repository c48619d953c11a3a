"""All fixed points of the training flow that a search finds, each confirmed by finer expectations, with spectrum and kind."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.input.checks import InputError, integer
from ....common.output.plain import printed
from ....common.output.results import Result, to_builtin
from ....common.running import progress as _progress
from ....common.running.checkpoints import Checkpoint
from ...equations.integrate import kernels_of
from ...equations.layout import Layout
from ...model.problem import Problem
from ..covered import ENDS, FIXED, FLOW, live
from ..flow import MANY, SEARCHED, Flow, known_to, rungs
from .images import Images
from .search import candidates, own_starts
from .spectrum import Spectrum, kind_of, spectrum_of

#: A root is confirmed where finer expectations move it by less than this, in units of 1 + |y|; with a kink, where rungs gain little.
CONFIRMED, KINK_CONFIRMED = 1e-9, 2e-3
#: Where the search is made: the first rung with this many nodes in one direction (points of Sobol').
FIRST = {"hermite": SEARCHED, "sobol": 4096}
#: From states with larger order parameters than this a root is looked for with so many nodes in one direction at once: coarse
#: ones do not see what is that far out.
WIDE, WIDE_NODES = 4.0, 200
#: Nodes over pairs of times that a search can afford.
AFFORDABLE = 15_000
#: A root whose order parameters are this many times what the target's are measured in is at the edge of the search.
FAR = 1e4

#: Random states from which a root is looked for, and that many where a drift takes long.
STARTS, FEWER = 40, 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FixedPoint(Mapping[str, Any]):
    """One fixed point; its fields by name or as a mapping (``point.Theta``, ``point["Theta"]``).

    Attributes
    ----------
    Theta, Q : (p, K), (p, p)
    b : float, or (basis,) where there are several ψ
    parameters : (n,)
    eigenvalues : (m,)
        Of the flow's Jacobian there, by descending real part; complex where some are.
    kind : str
        stable, saddle, source, or marginal (the largest rate is zero).
    unstable : int
        Number of growing directions.
    direction : tuple of str
        Order parameters that carry the leading eigenvector.
    copies : int
        Images under exchange and reflection of units and directions, this one counted.
    state : (size,)
        Packed, resolved by atom.
    """

    Theta: np.ndarray
    Q: np.ndarray
    b: Any
    parameters: np.ndarray
    eigenvalues: np.ndarray
    kind: str
    unstable: int
    direction: tuple[str, ...]
    copies: int
    state: np.ndarray

    @property
    def rate(self) -> float:
        """The largest growth rate."""
        return float(np.max(self.eigenvalues.real)) if len(self.eigenvalues) else 0.0

    def __getitem__(self, name: str) -> Any:
        if name not in self.__dataclass_fields__ and name != "rate":
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dataclass_fields__)

    def __len__(self) -> int:
        return len(self.__dataclass_fields__)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; eigenvalues by their real parts, with ``frequencies`` where some are complex."""
        fields = {name: self[name] for name in self if name != "state"}
        fields["eigenvalues"] = self.eigenvalues.real
        if np.iscomplexobj(self.eigenvalues):
            fields["frequencies"] = self.eigenvalues.imag
        return dict(to_builtin(fields))


@dataclass(frozen=True)
class FixedPoints(Result):
    """Fixed points of a training flow: a sequence of `FixedPoint`, those of the least potential first.

    Attributes
    ----------
    states : (n, size)
        Packed; of each family of images the one nearest to where the experiment's own path ends.
    rates, frequencies : (n, m)
        Real and imaginary parts of the eigenvalues.
    potential : (n,)
        E[ℓ], the part of the loss that depends on the weights.
    copies : (n,)
    directions : tuple of tuple of str
        Order parameters that carry the leading eigenvectors.
    rejected : int
        Roots of the coarse expectations that finer ones do not have.
    confirmed : float
        How far the next rule moves a root at most.
    rule : str
    starts : int
        Newton's method was started from so many states: a fixed point that none of them reaches is not listed.
    atoms, p, K, parameters, basis : int
    """

    states: np.ndarray
    rates: np.ndarray
    frequencies: np.ndarray
    potential: np.ndarray
    copies: np.ndarray
    directions: tuple[tuple[str, ...], ...]
    rejected: int
    confirmed: float
    rule: str
    starts: int
    atoms: int
    p: int
    K: int
    parameters: int
    seconds: float
    version: str
    basis: int = 1

    def __len__(self) -> int:
        return len(self.states)

    def __getitem__(self, k: int) -> FixedPoint:
        layout = Layout(self.atoms, self.p, self.K, self.parameters, self.basis)
        theta, q, b, kappa = layout.unpack(self.states[k])
        values = self.rates[k]
        if np.any(self.frequencies[k]):
            values = values + 1j * self.frequencies[k]
        spectrum = Spectrum(values, np.zeros((0, 0)), self.directions[k], 0.0)
        return FixedPoint(
            Theta=theta.sum(axis=0), Q=q.sum(axis=0), b=float(b) if self.basis == 1 else b, parameters=kappa, eigenvalues=values,
            kind=kind_of(values), unstable=spectrum.unstable, direction=self.directions[k], copies=int(self.copies[k]),
            state=self.states[k],
        )  # fmt: skip

    def __iter__(self) -> Iterator[FixedPoint]:
        return (self[k] for k in range(len(self)))

    def to_json(self) -> dict[str, Any]:
        points = [{**point.to_json(), "potential": float(self.potential[k])} for k, point in enumerate(self)]
        fields = ("rejected", "confirmed", "rule", "starts", "seconds")
        return {"fixed_points": points, **{name: getattr(self, name) for name in fields}}

    def to_dataframe(self) -> Any:
        """One row a fixed point (needs pandas)."""
        from ....common.output.results import dataframe

        points = list(self)
        columns = {name: np.array([point[name] for point in points]) for name in ("Theta", "Q", "b", "rate")}
        kinds = {"kind": [p.kind for p in points], "unstable": [p.unstable for p in points], "copies": self.copies}
        return dataframe(
            {"number": np.arange(1, len(self) + 1), **columns, **kinds, "potential": self.potential}, "number"
        )

    def summary(self) -> str:
        lines = [
            f"{len(self)} fixed points of the training flow ({self.rule}, confirmed to {self.confirmed:.0e}; {self.starts} starts, "
            f"{self.rejected} roots of coarse expectations rejected)"
        ]
        for k, point in enumerate(self):
            theta, q = printed(point.Theta, 6), " ".join(f"{v:z.6f}" for v in np.diag(point.Q))
            skip = " ".join(f"{v:z.6f}" for v in np.atleast_1d(point.b))
            copies = f" ({point.copies} images)" if point.copies > 1 else ""
            along = f" along {', '.join(point.direction)}" if point.unstable else ""
            lines.append(
                f"{point.kind}{copies}: Theta = {theta} diag Q = {q} b = {skip}, largest rate {point.rate:+z.6f}{along}, "
                f"{point.unstable} unstable, potential {self.potential[k]:z.6f}"
            )
        return "\n".join(lines)


def fixed_points(
    problem: Problem,
    *,
    starts: int | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> FixedPoints:
    """Fixed points of the training flow at its final rates, each confirmed by the next rule.

    What moves along the training counts by its values at the end; averages of the weights are left out, as they do not act back.
    Newton's method from the end and the slow stretches of the experiment's path, from states without overlap, from random
    ones, and from where the flow leads along the unstable directions of the points found. Coarse expectations invent fixed
    points (trapezoidal rules know better): a root counts where finer rules have it too. Of images under exchange and
    reflection of units one is listed.

    Parameters
    ----------
    problem : Problem
    starts : int, optional
        Random states to start from, besides the others. Default 40; 8 where expectations are over more than two variables (several
        units and times of one sample, or three units), which cost more.
    seed : int
    workers, checkpoint
        Not used: the search is short.
    progress : bool, optional

    Raises
    ------
    InputError
        If the rates are zero at the end of the training, or there are too many order parameters.
    """
    from .... import __version__

    begin = time.perf_counter()
    if starts is not None:
        integer("starts", starts, at_least=0)
    problem = live(problem, "fixed points", (*FLOW, *FIXED, *ENDS))
    if not rates_at_end(problem) > 0:
        raise InputError("training.schedule: is 0 at the end of the training, where every state is a fixed point")
    ladder_ = rungs(problem)
    if starts is None:
        starts = STARTS if known_to(problem, 0.0) == 0.0 else FEWER
    few = len(kernels_of(problem).encoders) < MANY
    first = next(
        (k for k, (r, _) in enumerate(ladder_) if not few or r.nodes >= FIRST.get(r.kind, 0)), len(ladder_) - 1
    )
    flow = Flow(problem, ladder_[first])
    images = Images(flow)
    kink = not flow.drift.kernels.smooth and len(ladder_) > 1
    found = Found(flow, ladder_[first:], KINK_CONFIRMED if kink else known_to(problem, CONFIRMED))
    with _progress.bar(own_starts(starts), "fixed points", enabled=progress, unit="start") as watch:
        tried = 0
        for begun, y in candidates(flow, found.states, starts, integer("seed", seed, at_least=0)):
            tried += 1
            _progress.advance(watch, begun)
            found.add(y)
    order = np.lexsort((np.arange(len(found.states)), np.round(found.potential, 9)))
    end = found.end
    chosen = [images.nearest(found.states[k], end) for k in order]
    values = [found.spectra[k].eigenvalues for k in order]
    shape = (0, flow.basis.shape[1])
    _log.info("%d starts, %d fixed points, %d rejected", tried, len(found.states), found.rejected)
    layout = flow.layout
    return FixedPoints(
        states=np.array([y for y, _ in chosen]).reshape(-1, layout.size),
        rates=np.array([v.real for v in values]).reshape(-1, shape[1]),
        frequencies=np.array([v.imag for v in values]).reshape(-1, shape[1]),
        potential=np.array([found.potential[k] for k in order]),
        copies=np.array([count for _, count in chosen], dtype=np.int64),
        directions=tuple(
            spectrum_of(found.flows[k], y).direction for k, (y, _) in zip(order, chosen, strict=True)
        ),
        rejected=found.rejected,
        confirmed=found.confirmed,
        rule="exact moments" if len(ladder_) == 1 else f"{flow.rules[0].kind} {flow.rules[0].nodes} and finer",
        starts=tried,
        atoms=layout.atoms, p=layout.p, K=layout.K, parameters=layout.parameters,
        seconds=time.perf_counter() - begin,
        version=__version__,
        basis=layout.basis,
    )  # fmt: skip


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

        def alike(a: Any, c: Any) -> bool:
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
