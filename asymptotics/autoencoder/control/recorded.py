"""The drift of the order parameters as it is evaluated when it is to be taken backwards: with all that its adjoint needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import present
from ..equations.derivative.coefficients import Coefficients, Instant
from ..equations.derivative.drift import Drift
from ..kernels.shared.assembly import assemble
from ..kernels.shared.fields import FieldLaw, channels, fields_at, of_pairs


@dataclass
class Tape:
    """One evaluation of the drift with all that its adjoint needs."""

    slope: np.ndarray
    y: np.ndarray
    scale: float
    tau: float
    now: Instant
    #: Θ(s), q(s), b, κ.
    parts: tuple[np.ndarray, np.ndarray, Any, np.ndarray]
    skip: np.ndarray
    overlaps: tuple[np.ndarray, ...]
    law: FieldLaw
    pairs: tuple[FieldLaw, FieldLaw] | None
    #: Of every cell at every time, and averaged over the times.
    single: np.ndarray
    moments: np.ndarray
    increments: tuple[np.ndarray, np.ndarray, np.ndarray]


class RecordedDrift:
    """A drift that keeps what it computes.

    Parameters
    ----------
    drift : Drift
        With its nodes, which stay.
    given : Coefficients, optional
        In place of those of the drift.
    """

    def __init__(self, drift: Drift, given: Coefficients | None = None) -> None:
        self.drift = drift
        self.given = drift.coefficients if given is None else given
        self.kernels, self.layout = drift.kernels, drift.layout
        of = drift.averages
        self.nodes, self.noise_nodes, self.encoders, self.decoders = of.nodes, of.noise_nodes, of.encoders, of.decoders
        first, upper = drift.kernels.column("N0_1_1"), drift.kernels.p * (drift.kernels.p + 1) // 2
        self._noise = slice(first, first + 2 * upper)
        first = len(drift.kernels.names) - 1 - drift.layout.parameters
        self._scalars = slice(first, first + drift.layout.parameters)
        self.evaluations = 0

    def record(self, y: np.ndarray, scale: float, tau: float = 0.0) -> Tape:
        """dy/dτ at τ with the factor ``scale`` on the rates, kept for `pull`."""
        drift, given, layout, module = self.drift, self.given, self.layout, self.kernels.module
        now = given.at(tau)
        theta, q, b, kappa = drift.unpack(y)
        skip = now.skip(b)
        Q, M, Qc = drift.fields(*drift.network(theta, q)) if given is drift.coefficients else self._fields(theta, q)
        law = fields_at(Q, M, Qc, self._mixing(now, skip), self.encoders, self.decoders)
        pairs = channels(Q, M, Qc, self.encoders, self.decoders) if given.shared_sample else None
        cells, times = len(given.pi), len(now.times)
        single = np.empty((cells * times, len(self.kernels.names)))
        module.moments(
            *self.nodes, law.mean, law.root, law.emean, law.eroot, law.residual, Q, *np.tile(now.told, cells),
            np.tile(skip, cells), np.repeat(given.told, times, axis=0), kappa, single,
        )  # fmt: skip
        by_time = single.reshape(cells, times, -1)
        moments = now.first @ by_time
        if pairs is None:
            moments[:, self._noise] = now.second @ by_time[:, :, self._noise]
        else:
            out = np.empty((cells, self._noise.stop - self._noise.start))
            nodes = present(self.noise_nodes, "noise_nodes")
            module.noise(*nodes, *of_pairs(*pairs), Q, *now.told, now.first, skip, given.told, kappa, out)
            moments[:, self._noise] = out
        moments[:, self._noise] /= given.batch
        p, atoms = given.optimiser.p, layout.atoms
        increments = np.empty((cells, p)), np.empty((atoms, p, p)), np.empty((atoms, p, p))
        module.increments(moments, given.pi, given.varsigma, *increments)
        self.evaluations += 1
        tape = Tape(
            np.empty(0),
            y,
            scale,
            tau,
            now,
            (theta, q, b, kappa),
            skip,
            (Q, M, Qc),
            law,
            pairs,
            single,
            moments,
            increments,
        )
        tape.slope = self._assembled(tape)
        return tape

    def _fields(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Those of `Drift.fields` with these coefficients."""
        theta, q = self.drift.network(theta, q)
        Qc = np.einsum("cs,sab->cab", self.given.varsigma, q)
        return q.sum(axis=0), self.given.c @ theta.sum(axis=0).T, np.ascontiguousarray(Qc)

    def _mixing(self, now: Instant, skip: np.ndarray) -> np.ndarray:
        return np.stack([*now.told[:2], *self.kernels.module.channel_weights(*now.told[:4], skip)])

    def _assembled(self, tape: Tape) -> np.ndarray:
        given, layout, now, y = self.given, self.layout, tape.now, tape.y
        theta, q, _, _ = tape.parts
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        R, L = given.optimiser.at(tape.tau, tape.scale, now.decay)
        assemble(*tape.increments, given.pi, given.c, given.t, given.mass, theta, q, given.eta, R, L, dtheta, dq)
        db = np.zeros(layout.basis)
        slope = self._bulk(now, tape.skip)[:, 1]
        db[: len(now.psi)] = given.optimiser.of_scalar(tape.scale * given.rho_b) * (now.psi @ (now.first * slope))
        dkappa = given.optimiser.of_scalar(tape.scale) * (given.pi @ tape.moments[:, self._scalars])
        live, averaged = self._live(y)
        gammas = given.optimiser.gammas(tape.tau)[:, None]
        return layout.pack(dtheta, dq, db, dkappa, gammas * (live - averaged))

    def _live(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The scalars of the network, and those of the averages (averages, scalars)."""
        n, first = self.layout.scalars, self.layout.at_b
        return y[first : first + n], y[first + n :].reshape(self.layout.averages, n)

    def _bulk(self, now: Instant, skip: np.ndarray) -> np.ndarray:
        """(bulk, its part of db/dτ) at every time."""
        return np.stack(self.kernels.module.bulk(*now.told[:4], self.given.Lambda, skip), axis=1)
