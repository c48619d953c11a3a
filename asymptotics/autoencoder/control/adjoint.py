"""The adjoint of the order-parameter drift: a worth of dy/dτ → the worths of the state and of all coefficients.

The expectations keep their nodes: this is the exact derivative of the discretised drift, at about the cost of three of them
whatever the number of parameters.
"""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

import numpy as np

from ...common.input.checks import InputError, present
from ..equations.derivative.coefficients import Coefficients, Instant
from ..equations.derivative.drift import Drift
from ..kernels.shared.field_adjoints import conditions_adjoint
from ..kernels.shared.fields import fields_at, of_pairs
from ..kernels.written.adjoint import compile_adjoints
from ..model.problem import Problem
from .assembly import assembly_adjoint, by_parameter, optimiser_adjoint
from .recorded import RecordedDrift, Tape
from .worths import Worths

#: λ₀ and λ₁ as fields: α, β, c₀, c₁ of the two channels.
_CHANNELS = np.tile(np.eye(2), (2, 1))
#: Fields of a law that have worths, in the order of `conditions_adjoint`.
_OF_LAW = ("mean", "root", "inverse", "emean", "eroot", "cross", "residual")


def adjoints_of(problem: Problem, *, form: str = "auto") -> ModuleType:
    """The compiled adjoints of `kernels_of`'s kernels."""
    if form == "auto" and not np.any(problem.target.centroids):
        form = "closed"
    return compile_adjoints(problem.denoiser.specification(), problem.denoiser.derived, form=form)


class AdjointDrift(RecordedDrift):
    """A drift that can be taken backwards.

    Parameters
    ----------
    drift : Drift
        With its nodes, which stay.
    adjoints : ModuleType
        Of the same kernels (`adjoints_of`).
    given : Coefficients, optional
        In place of those of the drift.

    Attributes
    ----------
    worths : Worths
        What `pull` has summed up.

    Raises
    ------
    InputError
        Where a kink is integrated over nodes: such a sum jumps when a node crosses the kink, and has no useful derivative.
    """

    def __init__(self, drift: Drift, adjoints: ModuleType, given: Coefficients | None = None) -> None:
        pairs = drift.coefficients.shared_sample and "noise" not in drift.kernels.exact
        if drift.kernels.kink or (pairs and not drift.kernels.smooth):
            raise InputError(
                "denoiser.activation: has a kink and no closed form for this network, so that sums over nodes jump where a node "
                "crosses it; gradients need a smooth activation, or a network whose expectations are closed (relu with one "
                "time and at most two units)"
            )
        super().__init__(drift, given)
        self.adjoints = adjoints
        self.worths = Worths.zeros(self.given)

    def at(self, given: Coefficients) -> AdjointDrift:
        """The same drift with other coefficients."""
        other = copy.copy(self)
        other.given, other.worths = given, Worths.zeros(given)
        return other

    # backward --------------------------------------------------------------------------------------------------

    def pull(self, tape: Tape, worth: np.ndarray) -> np.ndarray:
        """Jᵀ ``worth``; the coefficients' share is added to `worths`."""
        given, w, now, layout = self.given, self.worths, tape.now, self.layout
        theta, q, _, _ = tape.parts
        bar_dtheta, bar_dq, bar_db, bar_dkappa = self._worth_of(worth)
        map_ = given.optimiser
        R, L = map_.at(tape.tau, tape.scale, now.decay)
        bar_theta, bar_q, bar_increments, bar_R, bar_L = assembly_adjoint(
            tape.increments, given, theta, q, R, L, bar_dtheta, bar_dq, w
        )
        bar_moments = np.zeros_like(tape.moments)
        self.adjoints.increments_adjoint(
            tape.moments, given.pi, given.varsigma, *bar_increments, bar_moments, w["pi"], w["varsigma"]
        )
        optimiser_adjoint(map_, tape.tau, tape.scale, now.decay, R, bar_R, bar_L, w)
        # db_k = f s ρ_b Σ_t first_t ψ_k slope_t, dκ = f s Σ_c π_c K_c, with the factor f of the momentum.
        terms, rate = self._bulk(now, tape.skip), map_.of_scalar(tape.scale)
        by_time = bar_db[: len(now.psi)] @ now.psi
        total = float(np.sum(by_time * now.first * terms[:, 1]))
        w["rho_b"] += rate * total
        by_rate = given.rho_b * total
        w["first"] += rate * given.rho_b * by_time * terms[:, 1]
        w["psi"] += rate * given.rho_b * np.outer(bar_db[: len(now.psi)], now.first * terms[:, 1])
        bar_terms = np.zeros_like(terms)
        bar_terms[:, 1] = rate * given.rho_b * by_time * now.first
        bar_skip = np.zeros_like(tape.skip)
        self._pull_bulk(now, tape.skip, bar_terms, bar_skip)
        if layout.parameters:
            slopes = tape.moments[:, self._scalars]
            w["pi"] += rate * slopes @ bar_dkappa
            by_rate += float(given.pi @ slopes @ bar_dkappa)
            bar_moments[:, self._scalars] += rate * given.pi[:, None] * bar_dkappa
        w["scale"] += map_.momentum.factor * by_rate
        w["factor"] += tape.scale * by_rate
        return self._packed(tape, worth, bar_moments, bar_theta, bar_q, bar_skip)

    def potential(
        self, y: np.ndarray, worth: tuple[float, float], tau: float = 0.0
    ) -> tuple[tuple[float, float], np.ndarray]:
        """``((bulk, E[ℓ]), gradient)`` of worth·(bulk, E[ℓ]) at a state, averaged over the times of this drift."""
        given = self.given
        tape = self.record(y, 1.0, tau)
        now = tape.now
        theta, q, _, _ = tape.parts
        terms = self._bulk(now, tape.skip)
        values = float(now.first @ terms[:, 0]), float(given.pi @ tape.moments[:, -1])
        bar_moments, bar_skip = np.zeros_like(tape.moments), np.zeros_like(tape.skip)
        bar_moments[:, -1] = worth[1] * given.pi
        bar_terms = np.zeros_like(terms)
        bar_terms[:, 0] = worth[0] * now.first
        self._pull_bulk(now, tape.skip, bar_terms, bar_skip)
        gradient = self._packed(tape, np.zeros_like(y), bar_moments, np.zeros_like(theta), np.zeros_like(q), bar_skip)
        return values, gradient

    def _pull_bulk(self, now: Instant, skip: np.ndarray, bar_terms: np.ndarray, bar_skip: np.ndarray) -> None:
        w = self.worths
        self.adjoints.bulk_terms_adjoint(
            *now.told[:4], self.given.Lambda, skip, bar_terms, *w["told"][:4], w["Lambda"], bar_skip
        )

    def _pull_moments(
        self,
        tape: Tape,
        bar: np.ndarray,
        bar_theta: np.ndarray,
        bar_q: np.ndarray,
        bar_skip: np.ndarray,
        bar_kappa: np.ndarray,
    ) -> None:
        """From worths of the averaged moments to those of the overlaps, of s, κ and the coefficients."""
        given, w, now = self.given, self.worths, tape.now
        theta, q, _, kappa = tape.parts
        (Q, M, Qc), bar = tape.overlaps, bar.copy()
        bars = np.zeros_like(Q), np.zeros_like(M), np.zeros_like(Qc)
        cells, times = len(given.pi), len(now.times)
        bar[:, self._noise] /= given.batch
        by_time = tape.single.reshape(cells, times, -1)
        of_noise = bar[:, self._noise].copy()
        bar[:, self._noise] = 0.0
        w["first"] += np.einsum("cn,ctn->t", bar, by_time)
        spread = bar[:, None, :] * now.first[:, None]
        if tape.pairs is not None:
            self._pull_pairs(tape, of_noise, bars, bar_skip, bar_kappa)
        else:
            w["second"] += np.einsum("cn,ctn->t", of_noise, by_time[:, :, self._noise])
            spread[:, :, self._noise] = of_noise[:, None, :] * now.second[:, None]
        law = tape.law
        by = {name: np.zeros_like(getattr(law, name)) for name in _OF_LAW}
        told, skip = np.tile(now.told, cells), np.tile(tape.skip, cells)
        bar_told, bar_skips = np.zeros_like(told), np.zeros_like(skip)
        self.adjoints.moments_adjoint(
            *self.nodes, law.mean, law.root, law.emean, law.eroot, law.residual, Q, *told, skip,
            np.repeat(given.told, times, axis=0), kappa, spread.reshape(cells * times, -1), by["mean"], by["root"],
            by["emean"], by["eroot"], by["residual"], bars[0], *bar_told, bar_skips, bar_kappa,
        )  # fmt: skip
        w["told"] += bar_told.reshape(5, cells, times).sum(axis=1)
        bar_skip += bar_skips.reshape(cells, times).sum(axis=0)
        bar_mixing = np.zeros((4, times))
        conditions_adjoint(
            Q, M, Qc, *self._mixing(now, tape.skip), self.encoders, self.decoders, law.inverse, law.eroot, law.cross,
            *(by[name] for name in _OF_LAW), *bars, bar_mixing,
        )  # fmt: skip
        w["told"][:2] += bar_mixing[:2]
        self.adjoints.weight_terms_adjoint(
            *now.told[:4], tape.skip, np.ascontiguousarray(bar_mixing[2:].T), *w["told"][:4], bar_skip
        )
        self._pull_overlaps(theta, q, bars, bar_theta, bar_q)

    def _pull_pairs(
        self, tape: Tape, bar: np.ndarray, bars: tuple[np.ndarray, ...], bar_skip: np.ndarray, bar_kappa: np.ndarray
    ) -> None:
        """The same for N where one sample serves several times."""
        given, w, now = self.given, self.worths, tape.now
        Q, M, Qc = tape.overlaps
        kappa = tape.parts[3]
        both = fields_at(Q, M, Qc, _CHANNELS, self.encoders, self.decoders)
        by: dict[str, Any] = {name: np.zeros_like(getattr(both, name)) for name in _OF_LAW}
        zero, one = slice(0, None, 2), slice(1, None, 2)
        order = (
            ("mean", one), ("root", zero), ("root", one), ("emean", one), ("eroot", zero), ("eroot", one),
            ("residual", zero), ("residual", one),
        )  # fmt: skip
        worths = [np.zeros_like(np.ascontiguousarray(by[name][part])) for name, part in order]
        self.adjoints.noise_adjoint(
            *present(self.noise_nodes, "noise_nodes"), *of_pairs(both[zero], both[one]), Q, *now.told, now.first, tape.skip,
            given.told, kappa, np.ascontiguousarray(bar), *worths, bars[0], *w["told"], w["first"], bar_skip, bar_kappa,
        )  # fmt: skip
        for (name, part), worth in zip(order, worths, strict=True):
            by[name][part] += worth
        conditions_adjoint(
            Q, M, Qc, *_CHANNELS, self.encoders, self.decoders, both.inverse, both.eroot, both.cross,
            *(by[name] for name in _OF_LAW), *bars, np.zeros((4, 2)),
        )  # fmt: skip

    def _pull_overlaps(
        self, theta: np.ndarray, q: np.ndarray, bars: tuple[np.ndarray, ...], bar_theta: np.ndarray, bar_q: np.ndarray
    ) -> None:
        """Adjoint of Q = Σ q(s), M(c) = Σ Θ(s)c, Q^c = Σ ς_s(c) q(s), over the network's vectors."""
        given, w, p = self.given, self.worths, self.given.optimiser.p
        bar_Q, bar_M, bar_Qc = bars
        bar_q[:, :p, :p] += bar_Q + np.einsum("cs,cab->sab", given.varsigma, bar_Qc)
        w["varsigma"] += np.einsum("cab,sab->cs", bar_Qc, q[:, :p, :p])
        bar_theta[:, :p] += bar_M.T @ given.c
        w["c"] += bar_M @ theta[:, :p].sum(axis=0)

    # packing ---------------------------------------------------------------------------------------------------

    def _worth_of(self, worth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Worths of dΘ, dq (upper triangles alone), db and dκ."""
        theta, q, b, kappa = self.layout.unpack(worth)
        return theta, np.triu(q), np.atleast_1d(np.asarray(b, dtype=np.float64)), kappa

    def _packed(
        self,
        tape: Tape,
        worth: np.ndarray,
        bar_moments: np.ndarray,
        bar_theta: np.ndarray,
        bar_q: np.ndarray,
        bar_skip: np.ndarray,
    ) -> np.ndarray:
        """The worth of the state, from that of the averaged moments and of what the drift has from it directly."""
        layout, now, w = self.layout, tape.now, self.worths
        bar_kappa = np.zeros(layout.parameters)
        self._pull_moments(tape, bar_moments, bar_theta, bar_q, bar_skip, bar_kappa)
        theta, _, b, _ = tape.parts
        # s = s₀ + Σ_k b_k ψ_k at every time
        bar_b = np.zeros(layout.basis)
        bar_b[: len(now.psi)] = now.psi @ bar_skip
        w["fixed"] += bar_skip
        w["psi"] += np.outer(np.atleast_1d(b)[: len(now.psi)], bar_skip)
        for s, lift in self.drift.held:
            # There q(s) = Θ T⁺ Θᵀ.
            both = bar_q[s] + bar_q[s].T
            bar_theta[s] += both @ theta[s] @ lift
            w["T"][s] -= lift @ theta[s].T @ bar_q[s] @ theta[s] @ lift
            bar_q[s] = 0.0
        i, j = layout.upper
        upper = bar_q[:, i, j] + np.where(i == j, 0.0, bar_q[:, j, i])
        # averages of b and κ: dx̄ = γ(x − x̄)
        _, bar_averaged = self._live(worth)
        live, averaged = self._live(tape.y)
        passed = self.given.optimiser.gammas(tape.tau)[:, None] * bar_averaged
        for k, average in enumerate(self.given.optimiser.averages):
            w["average"][k] += float(bar_averaged[k] @ (live - averaged[k])) * by_parameter(
                average, tape.tau, self.given.optimiser.end
            )
        scalars = np.concatenate([bar_b, bar_kappa]) + passed.sum(axis=0)
        return np.concatenate([bar_theta.ravel(), upper.ravel(), scalars, -passed.ravel()])
