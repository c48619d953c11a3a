"""All fixed points of the training flow that a search finds, each confirmed by finer expectations, with spectrum and kind."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ....common.input.checks import InputError, integer
from ....common.output.plain import printed
from ....common.output.records import Entries
from ....common.output.results import Result
from ....common.running import progress as _progress
from ....common.running.checkpoints import Checkpoint
from ...equations.derivative.layout import Layout
from ...equations.integration.integrate import kernels_of
from ...model.problem import Problem
from ..covered import ENDS, FIXED, FLOW, live
from ..flow import MANY, SEARCHED, Flow, known_to, rungs
from .confirmed import Found, rates_at_end
from .images import Images
from .search import candidates, own_starts
from .spectrum import Spectrum, kind_of, spectrum_of

#: A root is confirmed where finer expectations move it by less than this, in units of 1 + |y|; with a kink, where rungs gain little.
CONFIRMED, KINK_CONFIRMED = 1e-9, 2e-3
#: Where the search is made: the first rung with this many nodes in one direction (points of Sobol').
FIRST = {"hermite": SEARCHED, "sobol": 4096}

#: Random states from which a root is looked for, and that many where a drift takes long.
STARTS, FEWER = 40, 8

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FixedPoint(Entries):
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
        return self.rate if name == "rate" else super().__getitem__(name)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values; eigenvalues by their real parts, with ``frequencies`` where some are complex."""
        fields = {name: self[name] for name in self if name != "state"}
        fields["eigenvalues"] = self.eigenvalues.real
        if np.iscomplexobj(self.eigenvalues):
            fields["frequencies"] = self.eigenvalues.imag
        return fields


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
        basis=layout.basis,
    )  # fmt: skip
