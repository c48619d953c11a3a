"""The two matrices of the linear noise approximation at one state: the drift's Jacobian and the increments' covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.numerics.gram import square_root
from ..kernels.fields import channels, fields_at, mixed_overlaps
from .laws import FieldLaws
from .moments import Gradients, MovingLaw, derivatives, products, weighted
from .noise import Sample, increments


@dataclass(frozen=True)
class Evaluation:
    """J (n, n), Cov(Y) (n, n), E[Y] (n,) without weight decay, and what b does at its own order."""

    jacobian: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    skip_rate: float
    skip_noise: float
    skip_potential: float
    samples: tuple[Sample, ...]


class Terms(FieldLaws):
    """J and Cov(Y) of a problem at any state: ``terms(tau, y)``."""

    def _linear(
        self, h: int, law: MovingLaw, Q: np.ndarray, b: float, kappa: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tabulated functions of time h, their means and their derivatives along the law's directions."""
        out = np.zeros((len(self.w), len(self.kernels.single) + 1))
        self.kernels.module.single(
            self.z, law.mean, law.root, law.emean, law.eroot, Q, *self.coefficients.schedule[:, h], b, kappa, out
        )
        M = weighted(out, self.hermite)
        F, Fe = M[self.value], M[self.slope]
        change = derivatives(F, Fe, None, law, M[self.explicit][:, :, 0], self.motion)
        if self.kernels.module.KINK:
            for name, r in self.row.items():
                if name[0] == "W":
                    # W = E[(ω − m) g] is centred at the mean that moves.
                    ch = name[1]
                    a, e = name.split("_")[1:]
                    i = int(np.flatnonzero(self.encoders == int(e) - 1)[0])
                    change[r] -= F[self.row[f"g{ch}_{a}"], 0] * law.dmean[:, i]
        return out, F[:, 0], change

    def _hessians(
        self, F: np.ndarray, change: np.ndarray, law: MovingLaw, alpha: float, beta: float, c0: float, c1: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[∂g_ca/∂λ_ce] (2, p, p) and its derivatives (2, p, p, D)."""
        p, D, i, j = self.p, self.directions, *self.pairs
        H, dH = np.zeros((2, p, p)), np.zeros((2, p, p, D))
        if not self.kernels.module.KINK:
            for ch in (0, 1):
                first = self.row[f"H{ch}_1_1"]
                H[ch, i, j] = H[ch, j, i] = F[first : first + len(i)]
                dH[ch, i, j] = dH[ch, j, i] = change[first : first + len(i)]
            return H, dH
        n, L, enc, dec = len(self.encoders), len(self.decoders), self.encoders, self.decoders
        precision = law.inverse @ law.inverse
        X = law.cross
        for ch, slope, weight, by_b in ((0, alpha, c0, -alpha), (1, beta, c1, -beta)):
            first = self.row[f"W{ch}_1_{enc[0] + 1}"]
            W, dW = F[first : first + p * n].reshape(p, n), change[first : first + p * n].reshape(p, n, D)
            first = self.row[f"G{ch}_1_{dec[0] + 1}"]
            G, dG = F[first : first + p * L].reshape(p, L), change[first : first + p * L].reshape(p, L, D)
            core = (W - G @ X) @ precision
            dcore = dW - np.einsum("ajd,jn->and", dG, X) - np.einsum("aj,djn->and", G, law.dcross)
            dcore = np.einsum("and,nm->amd", dcore - np.einsum("an,dnm->amd", core, law.domega), precision)
            H[ch][:, enc] += slope * core
            H[ch][:, dec] += weight * G
            dH[ch][:, enc] += slope * dcore
            dH[ch][:, dec] += weight * dG
            if self.kernels.module.SKIP:
                dH[ch][:, dec, self.at_b] += by_b * G
        return (H + np.swapaxes(H, 1, 2)) / 2, (dH + np.swapaxes(dH, 1, 2)) / 2

    def _second(self, w: np.ndarray, columns: Any, known: np.ndarray, law: MovingLaw) -> tuple[np.ndarray, np.ndarray]:
        """E[V Vᵀ] and E[f] from g, P, K and their slopes at the nodes."""
        (g, gs), (P, _), (K, Ks) = columns
        L = law.residual.shape[0]
        open_root, _ = square_root(law.residual) if L else (np.zeros((0, 0)), None)
        linear = law.emean + known @ law.eroot.T
        f = np.concatenate([law.mean + known @ law.root, linear], axis=1)
        fs = np.concatenate([np.zeros((known.shape[1], L)), open_root])
        arrays = [np.ascontiguousarray(x) for x in (g, gs @ open_root, f, fs, P, K, Ks @ open_root)]
        return products(w, *arrays), np.concatenate([law.mean, law.emean])

    def _samples(
        self, theta: np.ndarray, q: np.ndarray, b: float, kappa: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, tuple[Sample, ...]]:
        """Moments (clusters, names), derivatives (clusters, names, D) and those of K, −½ E ∂_bℓ, and all samples."""
        module, at, p = self.kernels.module, self.moment_index, self.p
        given, enc = self.coefficients, self.encoders
        Q, M, Qc = mixed_overlaps(theta, q, given.c, given.varsigma)
        C, D, (i, j) = len(given.pi), self.directions, self.pairs
        values, change = np.zeros((C, len(at))), np.zeros((C, len(at), D))
        by_kappa, potential, samples = np.zeros((C, len(self.K), D)), 0.0, []
        mixing = np.stack([*given.schedule[:2], *module.channel_weights(*given.schedule, b)])
        norms = np.stack(module.norms(*given.schedule, b))
        laws = fields_at(Q, M, Qc, mixing, enc, self.decoders)
        zero, one = channels(Q, M, Qc, enc, self.free)
        of_encoders, of_decoders = np.eye(p)[enc], np.eye(p)[self.decoders]
        # (λ₀, λ₁) of the encoders, and of the decoders that are none.
        apart = [np.kron(np.eye(2)[:, :, None], np.eye(p)[x]) for x in (enc, self.free)]
        rows = {x: [self.row[name] for name in names] for x, names in (("g", self.g), ("P", self.P), ("K", self.K))}
        first = {x: at[f"{x}_1" if x == "A" else f"{x}_1_1"] for x in ("A", "H0", "P", "N0")}
        n_pairs = len(i)
        blocks = {
            "A": slice(first["A"], first["A"] + p), "H": slice(first["H0"], first["H0"] + 2 * n_pairs),
            "P": slice(first["P"], first["P"] + n_pairs), "N": slice(first["N0"], first["N0"] + 2 * n_pairs),
        }  # fmt: skip
        for c in range(C):
            for h, weight in enumerate(given.time_weights):
                alpha, beta, c0, c1 = mixing[:, h]
                known = np.stack([alpha * of_encoders, beta * of_encoders])
                linear = np.stack([c0 * of_decoders, c1 * of_decoders])
                by_b = -np.stack([alpha * of_decoders, beta * of_decoders]) if module.SKIP else None
                law = self.moving(laws[c * len(given.times) + h], known, linear, by_b, (Q, M[c], Qc[c]))
                out, F, dF = self._linear(h, law, Q, b, kappa)
                H, dH = self._hessians(F, dF, law, alpha, beta, c0, c1)
                for name, v, dv in (
                    ("A", F[rows["g"][p:]], dF[rows["g"][p:]]),
                    ("P", F[rows["P"]], dF[rows["P"]]),
                    ("H", H[:, i, j].reshape(-1), dH[:, i, j].reshape(-1, D)),
                ):
                    values[c, blocks[name]] += weight * v
                    change[c, blocks[name]] += weight * dv
                by_kappa[c] += weight * dF[rows["K"]]
                potential -= 0.5 * given.pi[c] * weight * dF[self.row["potential"], self.at_b]
                if given.shared_sample:
                    continue
                columns = [(out[:, self.value[rows[x]]], out[:, self.slope[rows[x]]]) for x in ("g", "P", "K")]
                gradients = Gradients(*columns[0], out[:, self.explicit[rows["g"]]], out[:, self.g_explicit_slope])
                N, dN = gradients.squares(self.z, self.w, law, self.motion)
                values[c, blocks["N"]] += weight * N / given.batch
                change[c, blocks["N"]] += weight * dN / given.batch
                slopes = np.concatenate([known, linear], axis=1)
                second, mean = self._second(self.w, columns, self.z, law)
                samples.append(Sample(given.pi[c] * weight, c, second, mean, law.covariance(), slopes, norms[:, h]))
            if given.shared_sample:
                law = self.moving(zero[c].beside(one[c]), apart[0], apart[1], None, (Q, M[c], Qc[c]))
                slopes = np.concatenate(apart, axis=1)
                N, dN, sample = self._shared_sample(c, law, slopes, Q, b, kappa, norms @ given.time_weights)
                values[c, blocks["N"]], change[c, blocks["N"]] = N / given.batch, dN / given.batch
                samples.append(sample)
        return values, change, by_kappa, potential, tuple(samples)

    def _shared_sample(
        self, c: int, law: MovingLaw, slopes: np.ndarray, Q: np.ndarray, b: float, kappa: np.ndarray, norms: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, Sample]:
        """N, its derivatives and the moments of one sample that serves all times."""
        given, free, n = self.coefficients, self.free, len(self.encoders)
        out = np.zeros((len(self.ww), len(self.kernels.shared) + 1))
        umean, uroot = np.zeros(len(self.decoders)), np.zeros((2, len(self.decoders), n))
        position = np.searchsorted(self.decoders, free)
        L = len(free)
        umean[position] = law.emean[L:]
        uroot[0, position], uroot[1, position] = law.eroot[:L, :n], law.eroot[L:, n:]
        self.kernels.module.shared(
            self.zz, law.mean[n:], law.root[:n, :n], law.root[n:, n:], umean, uroot[0], uroot[1], Q, *given.schedule,
            given.time_weights, b, kappa, out,
        )  # fmt: skip
        columns = [tuple(out[:, x] for x in self.shared_columns[name]) for name in ("g", "P", "K")]
        gradients = Gradients(*columns[0], *(out[:, x] for x in self.shared_explicit))
        N, dN = gradients.squares(self.zz, self.ww, law, self.motion)
        second, mean = self._second(self.ww, columns, self.zz, law)
        return N, dN, Sample(given.pi[c], c, second, mean, law.covariance(), slopes, norms)

    # the whole state -------------------------------------------------------------------------------------------

    def __call__(self, tau: float, y: np.ndarray) -> Evaluation:
        """J, Cov(Y) and E[Y] at a packed state."""
        theta, q, b, kappa = self.layout.unpack(y)
        given = self.coefficients
        b, scale, size = float(b), given.scale(tau), self.layout.size
        values, change, by_kappa, potential, samples = self._samples(theta, q, b, kappa)
        local, by_moment = np.empty((size, size)), np.empty((len(given.pi), size, values.shape[1]))
        self.kernels.module.jacobian(
            values, given.pi, given.c, given.t, given.varsigma, given.mass, theta, q,
            given.eta, given.decay, scale * given.rho, local, by_moment,
        )  # fmt: skip
        J, at_b = local, self.layout.at_b
        for c, weight in enumerate(given.pi):
            motion = self._motion(c)
            J = J + weight * by_moment[c] @ (change[c] @ motion)
            J[at_b + 1 :] += weight * scale * by_kappa[c] @ motion
        slope = given.time_weights @ self.kernels.module.skip_slope(*given.schedule, given.Lambda, b)
        J[at_b, at_b] += scale * given.rho_b * slope
        mean, second, skip_noise = np.zeros(size), np.zeros((size, size)), 0.0
        for sample in samples:
            of = increments(self, sample, scale, theta, q)
            mean += sample.weight * of.first(sample)
            second += sample.weight * of.second(sample)
            variance = self.kernels.module.skip_variance(*sample.skip, given.varsigma[sample.cluster])
            skip_noise += sample.weight * float(variance @ given.mass)
        rate = scale * given.rho_b
        return Evaluation(
            jacobian=J,
            noise=(second - np.outer(mean, mean)) / given.batch,
            mean=mean,
            skip_rate=float(J[at_b, at_b]),
            skip_noise=rate**2 * skip_noise / given.batch,
            skip_potential=rate * potential,
            samples=samples,
        )

    def _motion(self, c: int) -> np.ndarray:
        """Derivatives of (M(c), Q, Q^c, b, κ) by the order parameters, (D, n)."""
        layout, given, n_pairs = self.layout, self.coefficients, len(self.pairs[0])
        out = np.zeros((self.directions, layout.size))
        for s in range(layout.atoms):
            out[: self.p, layout.theta(s)] = np.kron(np.eye(self.p), given.c[c])
            out[self.at_Q, layout.q(s)] = np.eye(n_pairs)
            out[self.at_Qc, layout.q(s)] = given.varsigma[c, s] * np.eye(n_pairs)
        out[self.at_b :, layout.at_b :] = np.eye(1 + layout.parameters)
        return out
