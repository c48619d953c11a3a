"""Moments of the fields' functions in every cell at several states, their derivatives, and the moments of a sample."""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.algebra.gram import square_root
from ....common.numerics.code.pointers import address_of
from ...kernels.shared.fields import FieldLaw, channels, fields_at, mixed_overlaps
from .laws import FieldLaws
from .moments import MovingLaw, derivatives, transposed
from .node_sums import SHARED, SINGLE, Squares, of_shared_samples, of_single_times, sums
from .noise import Samples


class Instants:
    """Coefficients and overlaps at several states: what `CellMoments` reads of them, first axis the states."""

    def __init__(self, model: FieldLaws, taus: np.ndarray, ys: np.ndarray) -> None:
        given, module = model.coefficients, model.kernels.module
        now, stack = [given.at(float(tau)) for tau in taus], given.optimiser
        self.first, self.second, self.told = (
            np.stack([getattr(x, n) for x in now]) for n in ("first", "second", "told")
        )
        self.scale = np.array([given.scale(float(tau)) for tau in taus])
        maps = [stack.at(float(tau), s, x.decay) for tau, s, x in zip(taus, self.scale, now, strict=True)]
        self.R, self.L = (np.stack([m[k] for m in maps]) for k in (0, 1))
        self.gammas = np.stack([stack.gammas(float(tau)) for tau in taus])
        self.theta, self.q, b, self.kappa = model.layout.unpack(ys)
        self.skip = np.stack([x.skip(v) for x, v in zip(now, b, strict=True)])
        self.trained = len(now[0].psi)
        self.psi = np.stack([x.psi for x in now]) if self.trained else np.zeros((len(now), 1, self.skip.shape[1]))
        schedule = tuple(self.told[:, k] for k in range(4))
        self.mixing = np.stack([*schedule[:2], *module.channel_weights(*schedule, self.skip)])
        self.norms = np.stack(module.norms(*schedule, self.skip), axis=-1)
        self.slope = self.first * module.skip_slope(*schedule, given.Lambda, self.skip)
        p = model.p
        own = np.ascontiguousarray(self.theta[:, :, :p]), np.ascontiguousarray(self.q[:, :, :p, :p])
        mixed = [mixed_overlaps(x, y, given.c, given.varsigma) for x, y in zip(*own, strict=True)]
        self.Q, self.M, self.Qc = (np.stack([x[k] for x in mixed]) for k in range(3))


class CellMoments(FieldLaws):
    """Moments of every cell, how they move with its fields, and those of its samples, at several states."""

    def _laws(self, now: Instants) -> tuple[MovingLaw, np.ndarray]:
        """Laws of (ω, e) in every condition (states, cells, times), moving; and their fields in λ₀ and λ₁ (2, …, n + J, p)."""
        (m, C, p), T, enc, dec = now.M.shape, now.skip.shape[1], self.encoders, self.decoders
        laws = [fields_at(now.Q[k], now.M[k], now.Qc[k], now.mixing[:, k], enc, dec) for k in range(m)]
        law = FieldLaw(
            *(np.stack(x).reshape(m, C, T, *x[0].shape[1:]) for x in zip(*(y.arrays() for y in laws), strict=True))
        )
        mixing = np.broadcast_to(now.mixing[:, :, None, :, None, None], (4, m, C, T, 1, 1))
        known, linear = mixing[:2] * np.eye(p)[enc], mixing[2:] * np.eye(p)[dec]
        by_b = -mixing[:2] * np.eye(p)[dec] if self.kernels.module.SKIP else None
        overlaps = now.Q[:, None, None], now.M[:, :, None], now.Qc[:, :, None]
        return self.moving(law, known, linear, by_b, overlaps), np.concatenate([known, linear], axis=-2)

    def _conditions(self, law: MovingLaw) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """Arrays of a law with its conditions along one axis, and the roots of its residuals."""
        lead = law.mean.shape[:-1]
        arrays = tuple(np.ascontiguousarray(x.reshape(math.prod(lead), *x.shape[len(lead) :])) for x in law.arrays())
        R = arrays[-1]
        return arrays, np.ascontiguousarray(square_root(R)[0]) if R.shape[-1] else R

    def _hessians(
        self, F: np.ndarray, change: np.ndarray, law: MovingLaw, now: Instants
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[∂g_ca/∂λ_ce] (…, 2, p, p) and its derivatives (…, 2, p, p, D)."""
        p, D, lead, (i, j) = self.p, change.shape[-1], F.shape[:-1], self.pairs
        H, dH = np.zeros((*lead, 2, p, p)), np.zeros((*lead, 2, p, p, D))
        if not self.kernels.module.KINK:
            for ch in (0, 1):
                first = self.row[f"H{ch}_1_1"]
                H[..., ch, i, j] = H[..., ch, j, i] = F[..., first : first + len(i)]
                dH[..., ch, i, j, :] = dH[..., ch, j, i, :] = change[..., first : first + len(i), :]
            return H, dH
        n, L, enc, dec = len(self.encoders), len(self.decoders), self.encoders, self.decoders
        precision = law.inverse @ law.inverse
        X, mixing = law.cross, now.mixing[:, :, None, :, None, None]
        for ch in (0, 1):
            slope, weight = mixing[ch], mixing[2 + ch]
            first = self.row[f"W{ch}_1_{enc[0] + 1}"]
            W, dW = (
                F[..., first : first + p * n].reshape(*lead, p, n),
                change[..., first : first + p * n, :].reshape(*lead, p, n, D),
            )
            first = self.row[f"G{ch}_1_{dec[0] + 1}"]
            G, dG = (
                F[..., first : first + p * L].reshape(*lead, p, L),
                change[..., first : first + p * L, :].reshape(*lead, p, L, D),
            )
            core = (W - G @ X) @ precision
            dcore = dW - np.einsum("...ajd,...jn->...and", dG, X) - np.einsum("...aj,...djn->...and", G, law.dcross)
            dcore = np.einsum(
                "...and,...nm->...amd", dcore - np.einsum("...an,...dnm->...amd", core, law.domega), precision
            )
            H[..., ch, :, enc] += np.moveaxis(slope * core, -1, 0)
            H[..., ch, :, dec] += np.moveaxis(weight * G, -1, 0)
            dH[..., ch, :, enc, :] += np.moveaxis(slope[..., None] * dcore, -2, 0)
            dH[..., ch, :, dec, :] += np.moveaxis(weight[..., None] * dG, -2, 0)
            if self.kernels.module.SKIP:
                dH[..., ch, :, dec, self.at_b] -= np.moveaxis(slope * G, -1, 0)
        return (H + transposed(H)) / 2, (dH + np.swapaxes(dH, -3, -2)) / 2

    def moments(self, now: Instants) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Samples]:
        """Moments (states, cells, names), derivatives (…, names, D) and those of K, −½ E ∂_bℓ (states, basis), and all samples."""
        given, at, p, rows = self.coefficients, self.moment_index, self.p, self.rows
        (m, C), T, n_pairs, (i, j) = now.M.shape[:2], now.skip.shape[1], len(self.pairs[0]), self.pairs
        law, slopes = self._laws(now)
        arrays, open_root = self._conditions(law)
        conditions = np.arange(m * C * T)
        state, cell, time = conditions // (C * T), conditions // T % C, conditions % T
        out = Squares.empty(
            0 if given.shared_sample else len(conditions), self.of_single, slopes.shape[-2], self.hermite.shape[1]
        )
        means = np.empty((len(conditions), len(self.kernels.single) + 1, self.hermite.shape[1]))
        of_single_times(
            address_of(self.kernels.module.single, SINGLE), sums(), self.z, self.w, self.hermite, self.of_single, arrays, open_root,
            now.Q[state], np.ascontiguousarray(now.told[state, :, time]), now.skip[state, time], given.told[cell], now.kappa[state],
            not given.shared_sample, means, out,
        )  # fmt: skip
        means = means.reshape(m, C, T, *means.shape[1:])
        F, Fe, Fv = means[..., self.value, :], means[..., self.slope, :], means[..., self.explicit, 0]
        change = derivatives(F, Fe, None, law, Fv, self.motion(1))
        F = F[..., 0]
        if self.kernels.module.KINK:
            for name, r in self.row.items():
                if name[0] == "W":
                    # W = E[(ω − m) g] is centred at the mean that moves.
                    ch = name[1]
                    a, e = name.split("_")[1:]
                    k = int(np.flatnonzero(self.encoders == int(e) - 1)[0])
                    change[..., r, :] -= F[..., self.row[f"g{ch}_{a}"], None] * law.dmean[..., k]
        H, dH = self._hessians(F, change, law, now)
        D, first, second, psi = self.directions(self.basis), now.first, now.second, np.swapaxes(now.psi, 1, 2)

        def averaged(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return np.einsum("mct...,mt->mc...", x, weights)

        def moved(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
            return averaged(self.by_basis(x, psi[:, None]), weights)

        values, derived = np.zeros((m, C, len(at))), np.zeros((m, C, len(at), D))
        for name, v, dv in (
            ("A_1", F[..., rows["g"][p:]], change[..., rows["g"][p:], :]),
            ("P_1_1", F[..., rows["P"]], change[..., rows["P"], :]),
            ("H0_1_1", H[..., i, j].reshape(m, C, T, -1), dH[..., i, j, :].reshape(m, C, T, 2 * n_pairs, -1)),
        ):
            block = slice(at[name], at[name] + v.shape[-1])
            values[..., block], derived[..., block, :] = averaged(v, first), moved(dv, first)
        by_kappa = moved(change[..., rows["K"], :], first)
        potential = -0.5 * np.einsum(
            "c,mt,mct,mkt->mk", given.pi, first, change[..., self.row["potential"], self.at_b], now.psi
        )
        noise = slice(at["N0_1_1"], at["N0_1_1"] + 2 * n_pairs)
        if given.shared_sample:
            N, dN, samples = self._shared_sample(now)
            values[..., noise], derived[..., noise, :] = N / given.batch, dN / given.batch
            return values, derived, by_kappa, potential, samples
        out = Squares(*(x.reshape(m, C, T, *x.shape[1:]) for x in out))
        dN = derivatives(out.F, out.Fe, out.Fee, law, out.Fv, self.motion(1))
        values[..., noise] = averaged(out.F[..., 0], second) / given.batch
        derived[..., noise, :] = moved(dN, second) / given.batch
        # first = p w and second = p w²: the time is drawn with p, and its gradient is multiplied by w.
        drawn = second > 0
        gain = np.divide(second, first, out=np.zeros_like(first), where=drawn)
        p_time = np.divide(first**2, second, out=np.zeros_like(first), where=drawn)
        V = out.second * self._powers(gain[:, None], out.second.shape[-1], slopes.shape[-2])
        samples = Samples(
            weight=given.pi[:, None] * p_time[:, None],
            cluster=np.broadcast_to(np.arange(C)[:, None], (m, C, T)),
            second=V,
            fields=np.concatenate([law.mean, law.emean], axis=-1),
            covariance=law.covariance(),
            slopes=np.moveaxis(slopes, 0, 3),
            skip=np.broadcast_to(
                (gain[..., None, None] * psi[..., None] * now.norms[..., None, :])[:, None], (m, C, T, self.basis, 3)
            ),
        )
        return values, derived, by_kappa, potential, samples.flat(2)

    def _powers(self, gain: np.ndarray, monomials: int, fields: int) -> np.ndarray:
        """gain to the order of V Vᵀ in (g, P̂, K)."""
        order = np.ones(monomials)
        order[0] = 0.0
        first = 1 + 2 * self.p * (1 + fields)
        order[first : first + 2 * len(self.pairs[0])] = 2.0
        one = gain[..., None] ** order
        return np.asarray(one[..., :, None] * one[..., None, :])

    def _shared_sample(self, now: Instants) -> tuple[np.ndarray, np.ndarray, Samples]:
        """N (states, cells, names), its derivatives and the moments of one sample that serves all times."""
        given, free, n, p, enc = self.coefficients, self.free, len(self.encoders), self.p, self.encoders
        (m, C), L = now.M.shape[:2], len(free)
        both = [channels(now.Q[k], now.M[k], now.Qc[k], enc, free) for k in range(m)]
        zero, one = (
            FieldLaw(*(np.stack(x) for x in zip(*(pair[ch].arrays() for pair in both), strict=True))) for ch in (0, 1)
        )
        # (λ₀, λ₁) of the encoders, and of the decoders that are none.
        known, linear = (
            np.broadcast_to(np.kron(np.eye(2)[:, :, None], np.eye(p)[x])[:, None, None], (2, m, C, 2 * len(x), p))
            for x in (enc, free)
        )
        overlaps = now.Q[:, None], now.M, now.Qc
        law = self.moving(zero.beside(one), known, linear, None, overlaps, self.basis)
        arrays, open_root = self._conditions(law)
        position = np.searchsorted(self.decoders, free)
        umean, uroot = np.zeros((m, C, len(self.decoders))), np.zeros((2, m, C, len(self.decoders), n))
        umean[..., position] = law.emean[..., L:]
        uroot[0][..., position, :], uroot[1][..., position, :] = law.eroot[..., :L, :n], law.eroot[..., L:, n:]
        channel = law.mean[..., n:], law.root[..., :n, :n], law.root[..., n:, n:], umean, *uroot
        state, cell = np.repeat(np.arange(m), C), np.tile(np.arange(C), m)
        out = Squares.empty(m * C, self.of_shared, 2 * (n + L), self.pair_hermite.shape[1])
        of_shared_samples(
            address_of(self.kernels.module.shared, SHARED), sums(), self.zz, self.ww, self.pair_hermite, self.of_shared, arrays, open_root,
            tuple(np.ascontiguousarray(x.reshape(m * C, *x.shape[2:])) for x in channel), now.Q[state], now.told[state],
            now.first[state], now.psi[state, : self.weighted_tables], now.skip[state], given.told[cell], now.kappa[state],
            len(self.kernels.shared) + 1, out,
        )  # fmt: skip
        out = Squares(*(x.reshape(m, C, *x.shape[1:]) for x in out))
        dN = derivatives(out.F, out.Fe, out.Fee, law, out.Fv, self.motion(self.basis))
        samples = Samples(
            weight=np.broadcast_to(given.pi, (m, C)),
            cluster=np.broadcast_to(np.arange(C), (m, C)),
            second=out.second,
            fields=np.concatenate([law.mean, law.emean], axis=-1),
            covariance=law.covariance(),
            slopes=np.moveaxis(np.concatenate([known, linear], axis=-2), 0, 2),
            skip=np.broadcast_to(((now.psi * now.first[:, None]) @ now.norms)[:, None], (m, C, self.basis, 3)),
        )
        return out.F[..., 0], dN, samples
