"""The adjoint of the order-parameter drift: a worth of dy/dτ → the worths of the state and of all coefficients.

The expectations keep their nodes: this is the exact derivative of the discretised drift, at about the cost of three of them
whatever the number of parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ..equations.coefficients import Coefficients
from ..equations.drift import Drift
from ..kernels.adjoint import compile_adjoints
from ..kernels.field_adjoints import conditions_adjoint
from ..kernels.fields import FieldLaw, channels, fields_at, of_pairs
from ..model.problem import Problem
from .worths import Worths

#: Fields of a law that have worths, in the order of `conditions_adjoint`.
_OF_LAW = ("mean", "root", "inverse", "emean", "eroot", "cross", "residual")
#: λ₀ and λ₁ as fields: α, β, c₀, c₁ of the two channels.
_CHANNELS = np.tile(np.eye(2), (2, 1))


def adjoints_of(problem: Problem, *, form: str = "auto") -> ModuleType:
    """The compiled adjoints of `kernels_of`'s kernels."""
    if form == "auto" and not np.any(problem.target.centroids):
        form = "closed"
    return compile_adjoints(problem.denoiser.specification(), problem.denoiser.derived, form=form)


@dataclass
class Tape:
    """One evaluation of the drift with all that its adjoint needs."""

    slope: np.ndarray
    y: np.ndarray
    scale: float
    overlaps: tuple[np.ndarray, ...]
    law: FieldLaw
    pairs: tuple[FieldLaw, FieldLaw] | None
    moments: np.ndarray
    single: np.ndarray


class AdjointDrift:
    """A drift that can be taken backwards.

    Parameters
    ----------
    drift : Drift
        With its nodes, which stay.
    adjoints : ModuleType
        Of the same kernels (`adjoints_of`).

    Attributes
    ----------
    worths : Worths
        What `pull` has summed up.

    Raises
    ------
    InputError
        Where a kink is integrated over nodes: such a sum jumps when a node crosses the kink, and has no useful derivative.
    """

    def __init__(self, drift: Drift, adjoints: ModuleType) -> None:
        if drift.kernels.kink:
            raise InputError(
                "denoiser.activation: has a kink and no closed form for this network, so that sums over nodes jump where a node "
                "crosses it; gradients need a smooth activation, or a network whose expectations are closed (relu with one "
                "time and at most two units)"
            )
        self.drift, self.adjoints = drift, adjoints
        self.given, self.kernels, self.averages = drift.coefficients, drift.kernels, drift.averages
        self.worths = Worths.zeros(self.given)
        self.evaluations = 0

    def at(self, given: Coefficients) -> AdjointDrift:
        """The same drift with other coefficients."""
        return AdjointDrift(self.drift.at(given), self.adjoints)

    # forward ---------------------------------------------------------------------------------------------------

    def record(self, y: np.ndarray, scale: float) -> Tape:
        """dy/dτ at the factor ``scale`` on the rates, kept for `pull`."""
        drift, given, of = self.drift, self.given, self.averages
        theta, q, b, kappa = drift.unpack(y)
        Q, M, Qc = drift.fields(theta, q)
        law = fields_at(Q, M, Qc, of.mixing(b), of.encoders, of.decoders)
        pairs = channels(Q, M, Qc, of.encoders, of.decoders) if given.shared_sample else None
        single = of.single(law, Q, b, kappa)
        moments = of.combine(single, pairs, Q, b, kappa)
        slope = drift.assembled(theta, q, b, moments, scale)
        self.evaluations += 1
        return Tape(slope, y, scale, (Q, M, Qc), law, pairs, moments, single)

    # backward --------------------------------------------------------------------------------------------------

    def pull(self, tape: Tape, worth: np.ndarray) -> np.ndarray:
        """Jᵀ ``worth``; the coefficients' share is added to `worths`."""
        drift, given, w = self.drift, self.given, self.worths
        layout, (theta, q, b, kappa) = drift.layout, drift.unpack(tape.y)
        bar_dtheta, bar_dq, bar_db, bar_dkappa = self._worth_of(worth)
        bar_moments = np.zeros_like(tape.moments)
        bar_theta, bar_q, bar_rho = np.zeros_like(theta), np.zeros_like(q), np.zeros_like(given.rho)
        scaled = tape.scale * given.rho
        self.adjoints.assemble_adjoint(
            tape.moments, given.pi, given.c, given.t, given.varsigma, given.mass, theta, q, given.eta, given.decay,
            scaled, bar_dtheta, bar_dq, bar_moments, w.pi, w.c, w.t, w.varsigma, w.mass, bar_theta, bar_q, w.eta,
            w.decay, bar_rho,
        )  # fmt: skip
        w.rho += tape.scale * bar_rho
        w.scale[0] += given.rho @ bar_rho
        # db = s ρ_b Σ_t w_t slope_t, dκ = s Σ_c π_c K_c
        terms, bar_terms = self._bulk(b), np.zeros((len(given.times), 2))
        total = float(given.time_weights @ terms[:, 1])
        w.rho_b[0] += bar_db * tape.scale * total
        w.scale[0] += bar_db * given.rho_b * total
        w.time_weights += bar_db * tape.scale * given.rho_b * terms[:, 1]
        bar_terms[:, 1] = bar_db * tape.scale * given.rho_b * given.time_weights
        bar_b, bar_kappa = np.zeros(1), np.zeros(layout.parameters)
        self._pull_bulk(b, bar_terms, bar_b)
        if layout.parameters:
            first = len(self.kernels.names) - 1 - layout.parameters
            columns = slice(first, first + layout.parameters)
            slopes = tape.moments[:, columns]
            w.pi += tape.scale * slopes @ bar_dkappa
            w.scale[0] += given.pi @ slopes @ bar_dkappa
            bar_moments[:, columns] += tape.scale * given.pi[:, None] * bar_dkappa
        self._pull_moments(tape, bar_moments, bar_theta, bar_q, bar_b, bar_kappa)
        return self._packed(theta, bar_theta, bar_q, bar_b, bar_kappa)

    def potential(self, y: np.ndarray, worth: tuple[float, float]) -> tuple[tuple[float, float], np.ndarray]:
        """``((bulk, E[ℓ]), gradient)`` of worth·(bulk, E[ℓ]) at a state, averaged over the times of this drift."""
        given, layout = self.given, self.drift.layout
        tape = self.record(y, 1.0)
        theta, q, b, _ = self.drift.unpack(y)
        terms = self._bulk(b)
        values = float(given.time_weights @ terms[:, 0]), float(given.pi @ tape.moments[:, -1])
        bar_moments, bar_b = np.zeros_like(tape.moments), np.zeros(1)
        bar_moments[:, -1] = worth[1] * given.pi
        bar_terms = np.zeros_like(terms)
        bar_terms[:, 0] = worth[0] * given.time_weights
        self.worths.time_weights += worth[0] * terms[:, 0]
        self.worths.pi += worth[1] * tape.moments[:, -1]
        self._pull_bulk(b, bar_terms, bar_b)
        bar_theta, bar_q, bar_kappa = np.zeros_like(theta), np.zeros_like(q), np.zeros(layout.parameters)
        self._pull_moments(tape, bar_moments, bar_theta, bar_q, bar_b, bar_kappa)
        return values, self._packed(theta, bar_theta, bar_q, bar_b, bar_kappa)

    def _bulk(self, b: float) -> np.ndarray:
        """(bulk, db/dτ) at every time."""
        return np.stack(self.kernels.module.bulk(*self.given.schedule, self.given.Lambda, b), axis=1)

    def _pull_bulk(self, b: float, bar_terms: np.ndarray, bar_b: np.ndarray) -> None:
        w = self.worths
        self.adjoints.bulk_terms_adjoint(
            *self.given.schedule, self.given.Lambda, b, bar_terms, *w.schedule, w.Lambda, bar_b
        )

    def _pull_moments(
        self,
        tape: Tape,
        bar: np.ndarray,
        bar_theta: np.ndarray,
        bar_q: np.ndarray,
        bar_b: np.ndarray,
        bar_kappa: np.ndarray,
    ) -> None:
        """From worths of the averaged moments to those of the overlaps, of b, κ and the coefficients."""
        given, of, w = self.given, self.averages, self.worths
        theta, q, b, kappa = self.drift.unpack(tape.y)
        (Q, M, Qc), bar = tape.overlaps, bar.copy()
        bars = np.zeros_like(Q), np.zeros_like(M), np.zeros_like(Qc)
        bar_mixing = np.zeros((4, len(given.times)))
        bar[:, of.noise_columns] /= given.batch
        if tape.pairs is not None:
            self._pull_pairs(tape, bar[:, of.noise_columns], bars, bar_b, bar_kappa)
            bar[:, of.noise_columns] = 0.0
        # averaged = Σ_t w_t single_t
        clusters, times = len(M), len(given.times)
        if times == 1:
            w.time_weights += np.sum(bar * tape.single)
            spread = bar
        else:
            single = tape.single.reshape(clusters, times, -1)
            w.time_weights += np.einsum("cn,ctn->t", bar, single)
            spread = (bar[:, None, :] * given.time_weights[:, None]).reshape(clusters * times, -1)
        law = tape.law
        by = {name: np.zeros_like(getattr(law, name)) for name in _OF_LAW}
        schedule = np.tile(given.schedule, clusters)
        bar_schedule = np.zeros_like(schedule)
        # One time needs its whole weight: that is 1 unless the time has another.
        self.adjoints.moments_adjoint(
            *of.nodes, law.mean, law.root, law.emean, law.eroot, law.residual, Q, *schedule, b, kappa,
            np.ascontiguousarray(spread), by["mean"], by["root"], by["emean"], by["eroot"], by["residual"], bars[0],
            *bar_schedule, bar_b, bar_kappa,
        )  # fmt: skip
        w.schedule += bar_schedule.reshape(4, clusters, times).sum(axis=1)
        mixing = of.mixing(b)
        conditions_adjoint(
            Q, M, Qc, *mixing, of.encoders, of.decoders, law.inverse, law.eroot, law.cross,
            *(by[name] for name in _OF_LAW), *bars, bar_mixing,
        )  # fmt: skip
        w.schedule[:2] += bar_mixing[:2]
        self.adjoints.weight_terms_adjoint(
            *given.schedule, b, np.ascontiguousarray(bar_mixing[2:].T), *w.schedule, bar_b
        )
        self._pull_overlaps(theta, q, bars, bar_theta, bar_q)

    def _pull_pairs(
        self, tape: Tape, bar: np.ndarray, bars: tuple[np.ndarray, ...], bar_b: np.ndarray, bar_kappa: np.ndarray
    ) -> None:
        """The same for N where one sample serves several times."""
        given, of, w = self.given, self.averages, self.worths
        Q, M, Qc = tape.overlaps
        _, _, b, kappa = self.drift.unpack(tape.y)
        both = fields_at(Q, M, Qc, _CHANNELS, of.encoders, of.decoders)
        by: dict[str, Any] = {name: np.zeros_like(getattr(both, name)) for name in _OF_LAW}
        zero, one = slice(0, None, 2), slice(1, None, 2)
        order = (
            ("mean", one), ("root", zero), ("root", one), ("emean", one), ("eroot", zero), ("eroot", one),
            ("residual", zero), ("residual", one),
        )  # fmt: skip
        worths = [np.zeros_like(np.ascontiguousarray(by[name][part])) for name, part in order]
        self.adjoints.noise_adjoint(
            *of.nodes_of_pairs, *of_pairs(both[zero], both[one]), Q, *given.schedule, given.time_weights, b, kappa,
            np.ascontiguousarray(bar), *worths, bars[0], *w.schedule, w.time_weights, bar_b, bar_kappa,
        )  # fmt: skip
        for (name, part), worth in zip(order, worths, strict=True):
            by[name][part] += worth
        conditions_adjoint(
            Q, M, Qc, *_CHANNELS, of.encoders, of.decoders, both.inverse, both.eroot, both.cross,
            *(by[name] for name in _OF_LAW), *bars, np.zeros((4, 2)),
        )  # fmt: skip

    def _pull_overlaps(
        self, theta: np.ndarray, q: np.ndarray, bars: tuple[np.ndarray, ...], bar_theta: np.ndarray, bar_q: np.ndarray
    ) -> None:
        """Adjoint of Q = Σ q(s), M(c) = Σ Θ(s)c, Q^c = Σ ς_s(c) q(s)."""
        given, w = self.given, self.worths
        bar_Q, bar_M, bar_Qc = bars
        bar_q += bar_Q + np.einsum("cs,cab->sab", given.varsigma, bar_Qc)
        w.varsigma += np.einsum("cab,sab->cs", bar_Qc, q)
        bar_theta += bar_M.T @ given.c
        w.c += bar_M @ theta.sum(axis=0)

    # packing ---------------------------------------------------------------------------------------------------

    def _worth_of(self, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """Worths of dΘ, dq (upper triangles alone), db and dκ."""
        layout = self.drift.layout
        theta, q, b, kappa = layout.unpack(worth)
        return np.ascontiguousarray(theta), np.ascontiguousarray(np.triu(q)), float(b), kappa

    def _packed(
        self, theta: np.ndarray, bar_theta: np.ndarray, bar_q: np.ndarray, bar_b: np.ndarray, bar_kappa: np.ndarray
    ) -> np.ndarray:
        for s, lift in self.drift.held:
            # There q(s) = Θ T⁺ Θᵀ.
            both = bar_q[s] + bar_q[s].T
            bar_theta[s] += both @ theta[s] @ lift
            self.worths.T[s] -= lift @ theta[s].T @ bar_q[s] @ theta[s] @ lift
            bar_q[s] = 0.0
        layout = self.drift.layout
        i, j = layout.upper
        upper = bar_q[:, i, j] + np.where(i == j, 0.0, bar_q[:, j, i])
        return np.concatenate([bar_theta.ravel(), upper.ravel(), bar_b, bar_kappa])
