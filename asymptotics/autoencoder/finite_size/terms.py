"""The two matrices of the linear noise approximation at one state: the drift's Jacobian and the increments' covariance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.numerics.gram import square_root
from ..equations.coefficients import Instant
from ..equations.layout import Layout
from ..kernels.fields import channels, fields_at, mixed_overlaps
from .assembly import Assembly
from .laws import FieldLaws
from .moments import Gradients, MovingLaw, derivatives, products, weighted
from .noise import Sample, increments


@dataclass(frozen=True)
class Evaluation:
    """The fluctuations' two matrices at one state.

    Attributes
    ----------
    jacobian, noise : (n, n)
        J and Cov(Y).
    mean : (n,)
        E[Y] without what does not fluctuate.
    skip_noise : (skips, skips)
        What b, and its averages, do at their own order.
    skip_potential : (basis,)
        −½ E ∂_{b_k}ℓ times the rate of b.
    samples : tuple of Sample
    assembly : Assembly
    """

    jacobian: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    skip_noise: np.ndarray
    skip_potential: np.ndarray
    samples: tuple[Sample, ...]
    assembly: Assembly


class Terms(FieldLaws):
    """J and Cov(Y) of a problem at any state: ``terms(tau, y)``."""

    def _linear(
        self, now: np.ndarray, told: np.ndarray, law: MovingLaw, Q: np.ndarray, b: float, kappa: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tabulated functions at one time, their means and their derivatives along the law's directions."""
        out = np.zeros((len(self.w), len(self.kernels.single) + 1))
        self.kernels.module.single(
            self.z, law.mean, law.root, law.emean, law.eroot, Q, *now, b, told, kappa, out
        )  # fmt: skip
        M = weighted(out, self.hermite)
        F, Fe = M[self.value], M[self.slope]
        change = derivatives(F, Fe, None, law, M[self.explicit][:, :, 0], self.motion(1))
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
        p, D, i, j = self.p, self.directions(1), *self.pairs
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
        self, now: Instant, theta: np.ndarray, q: np.ndarray, b: Any, kappa: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, tuple[Sample, ...]]:
        """Moments (cells, names), derivatives (cells, names, D) and those of K, −½ E ∂_bℓ, and all samples.

        Θ(s) and q(s) are those of the network's own vectors.
        """
        module, at, p = self.kernels.module, self.moment_index, self.p
        given, enc = self.coefficients, self.encoders
        Q, M, Qc = mixed_overlaps(theta, q, given.c, given.varsigma)
        C, D, (i, j) = len(given.pi), self.directions(self.basis), self.pairs
        values, change = np.zeros((C, len(at))), np.zeros((C, len(at), D))
        by_kappa, potential, samples = np.zeros((C, len(self.K), D)), np.zeros(self.basis), []
        skip = now.skip(b)
        psi = now.psi if len(now.psi) else np.zeros((1, len(skip)))
        mixing = np.stack([*now.told[:2], *module.channel_weights(*now.told[:4], skip)])
        norms = np.stack(module.norms(*now.told[:4], skip))
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
            for h, (weight, square) in enumerate(zip(now.first, now.second, strict=True)):
                alpha, beta, c0, c1 = mixing[:, h]
                known = np.stack([alpha * of_encoders, beta * of_encoders])
                linear = np.stack([c0 * of_decoders, c1 * of_decoders])
                by_b = -np.stack([alpha * of_decoders, beta * of_decoders]) if module.SKIP else None
                law = self.moving(laws[c * len(now.times) + h], known, linear, by_b, (Q, M[c], Qc[c]))
                out, F, dF = self._linear(now.told[:, h], given.told[c], law, Q, float(skip[h]), kappa)
                H, dH = self._hessians(F, dF, law, alpha, beta, c0, c1)
                for name, v, dv in (
                    ("A", F[rows["g"][p:]], dF[rows["g"][p:]]),
                    ("P", F[rows["P"]], dF[rows["P"]]),
                    ("H", H[:, i, j].reshape(-1), dH[:, i, j].reshape(-1, dH.shape[-1])),
                ):
                    values[c, blocks[name]] += weight * v
                    change[c, blocks[name]] += weight * self.by_basis(dv, psi[:, h])
                by_kappa[c] += weight * self.by_basis(dF[rows["K"]], psi[:, h])
                potential -= 0.5 * given.pi[c] * weight * dF[self.row["potential"], self.at_b] * psi[:, h]
                if given.shared_sample:
                    continue
                columns = [(out[:, self.value[rows[x]]], out[:, self.slope[rows[x]]]) for x in ("g", "P", "K")]
                gradients = Gradients(*columns[0], out[:, self.explicit[rows["g"]]], out[:, self.g_explicit_slope])
                N, dN = gradients.squares(self.z, self.w, law, self.motion(1))
                values[c, blocks["N"]] += square * N / given.batch
                change[c, blocks["N"]] += square * self.by_basis(dN, psi[:, h]) / given.batch
                slopes = np.concatenate([known, linear], axis=1)
                if square == 0.0:
                    continue
                # first = p w and second = p w²: the time is drawn with p, and its gradient is multiplied by w.
                gain, p_time = square / weight, weight**2 / square
                second, mean = self._second(self.w, [(gain * x, gain * y) for x, y in columns], self.z, law)
                of_skip = gain * np.outer(psi[:, h], norms[:, h])
                samples.append(Sample(given.pi[c] * p_time, c, second, mean, law.covariance(), slopes, of_skip))
            if given.shared_sample:
                law = self.moving(zero[c].beside(one[c]), apart[0], apart[1], None, (Q, M[c], Qc[c]), self.basis)
                slopes = np.concatenate(apart, axis=1)
                of_skip = (psi * now.first) @ norms.T
                N, dN, sample = self._shared_sample(c, now, law, slopes, Q, b, kappa, of_skip)
                values[c, blocks["N"]], change[c, blocks["N"]] = N / given.batch, dN / given.batch
                samples.append(sample)
        return values, change, by_kappa, potential, tuple(samples)

    def _shared_sample(
        self, c: int, now: Instant, law: MovingLaw, slopes: np.ndarray, Q: np.ndarray, b: Any, kappa: np.ndarray,
        of_skip: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray, Sample]:  # fmt: skip
        """N, its derivatives and the moments of one sample that serves all times."""
        given, free, n = self.coefficients, self.free, len(self.encoders)
        umean, uroot = np.zeros(len(self.decoders)), np.zeros((2, len(self.decoders), n))
        position = np.searchsorted(self.decoders, free)
        L = len(free)
        umean[position] = law.emean[L:]
        uroot[0, position], uroot[1, position] = law.eroot[:L, :n], law.eroot[L:, n:]
        fields = law.mean[n:], law.root[:n, :n], law.root[n:, n:], umean, uroot[0], uroot[1]

        def table(weights: np.ndarray) -> np.ndarray:
            out = np.zeros((len(self.ww), len(self.kernels.shared) + 1))
            self.kernels.module.shared(
                self.zz, *fields, Q, *now.told, weights, now.skip(b), given.told[c], kappa, out
            )  # fmt: skip
            return out

        out = table(now.first)
        columns = [tuple(out[:, x] for x in self.shared_columns[name]) for name in ("g", "P", "K")]
        explicit = [out[:, x] for x in self.shared_explicit]
        if self.basis > 1:
            # By b_k every time's s moves by ψ_k(t): the derivative by s, averaged with these too.
            at = len(self.pairs[0])
            moved = [table(now.first * psi) for psi in now.psi]
            explicit = [
                np.concatenate(
                    [values[:, :, :at], np.stack([m[:, x[:, at]] for m in moved], axis=2), values[:, :, at + 1 :]],
                    axis=2,
                )
                for values, x in zip(explicit, self.shared_explicit, strict=True)
            ]
        elif len(now.psi) and np.any(now.psi != 1.0):
            at, moved = len(self.pairs[0]), [table(now.first * now.psi[0])]
            for values, x in zip(explicit, self.shared_explicit, strict=True):
                values[:, :, at] = moved[0][:, x[:, at]]
        gradients = Gradients(*columns[0], *explicit)
        N, dN = gradients.squares(self.zz, self.ww, law, self.motion(self.basis))
        second, mean = self._second(self.ww, columns, self.zz, law)
        return N, dN, Sample(given.pi[c], c, second, mean, law.covariance(), slopes, of_skip)

    def following(self) -> np.ndarray:
        """∂J/∂γ of every average, (averages, n, n): what makes averages follow."""
        layout, stack = self.layout, self.coefficients.optimiser
        out = np.zeros((len(stack.averages), layout.size, layout.size))
        none = np.zeros((len(self.coefficients.pi), len(self.moment_index)))
        zero = np.zeros((layout.atoms, layout.p, layout.K)), np.zeros((layout.atoms, layout.p, layout.p))
        for k in range(len(out)):
            L = np.zeros((layout.p, layout.p))
            L[stack.average(k), : stack.p] = np.eye(stack.p)
            L[stack.average(k), stack.average(k)] = -np.eye(stack.p)
            R = np.zeros((layout.p, stack.p))
            out[k] = Assembly(self.coefficients, layout, self.linear, R, L).local(none, *zero)
            averages(out[k], layout, np.eye(len(out))[k])
        return out

    # the whole state -------------------------------------------------------------------------------------------

    def __call__(self, tau: float, y: np.ndarray) -> Evaluation:
        """J, Cov(Y) and E[Y] at a packed state."""
        theta, q, b, kappa = self.layout.unpack(y)
        given, layout, p = self.coefficients, self.layout, self.p
        now, scale, rate = given.at(tau), given.scale(tau), given.optimiser.of_scalar
        own = np.ascontiguousarray(theta[:, :p]), np.ascontiguousarray(q[:, :p, :p])
        values, change, by_kappa, potential, samples = self._samples(now, *own, b, kappa)
        assembly = Assembly(given, layout, self.linear, *given.optimiser.at(tau, scale, now.decay))
        J, at_b, at_kappa = assembly.local(values, theta, q), layout.at_b, layout.at_b + layout.basis
        for c, weight in enumerate(given.pi):
            motion = self._motion(c)
            J += weight * assembly.by_moment(c, theta, q) @ (change[c] @ motion)
            J[at_kappa : at_b + layout.scalars] += weight * rate(scale) * by_kappa[c] @ motion
        slope = now.first * self.kernels.module.skip_slope(*now.told[:4], given.Lambda, now.skip(b))
        trained, of_b = len(now.psi), rate(scale * given.rho_b)
        J[at_b : at_b + trained, at_b : at_b + trained] += of_b * (now.psi * slope) @ now.psi.T
        averages(J, layout, given.optimiser.gammas(tau))
        mean, second = np.zeros(layout.size), np.zeros((layout.size, layout.size))
        skips = layout.basis * (1 + layout.averages)
        skip_noise = np.zeros((skips, skips))
        for sample in samples:
            of = increments(self, sample, assembly.R, rate(scale), of_b, theta, q)
            mean += sample.weight * of.first(sample)
            second += sample.weight * of.second(sample)
            skip_noise[: layout.basis, : layout.basis] += sample.weight * self._skip_noise(sample)
        return Evaluation(
            jacobian=J,
            noise=(second - np.outer(mean, mean)) / given.batch,
            mean=mean,
            skip_noise=of_b**2 * skip_noise / given.batch,
            skip_potential=of_b * potential,
            samples=samples,
            assembly=assembly,
        )

    def _skip_noise(self, sample: Sample) -> np.ndarray:
        """Covariance of −½ ∂_{b_k} loss at its own order, (basis, basis): a quadratic form of its coefficients, polarised."""
        variance, mass = self.kernels.module.skip_variance, self.coefficients.mass
        varsigma = self.coefficients.varsigma[sample.cluster]

        def of(c: np.ndarray) -> float:
            return float(variance(*c, varsigma) @ mass)

        c, basis = sample.skip, range(self.basis)
        return np.array([[(of(c[k] + c[m]) - of(c[k] - c[m])) / 4 for m in basis] for k in basis])

    def _motion(self, c: int) -> np.ndarray:
        """Derivatives of (M(c), Q, Q^c, b, κ) of the network by the order parameters, (D, n)."""
        layout, given, (i, j) = self.layout, self.coefficients, self.pairs
        out = np.zeros((self.directions(self.basis), layout.size))
        place = np.zeros((layout.p, layout.p), dtype=int)
        place[layout.upper] = np.arange(len(layout.upper[0]))
        for s in range(layout.atoms):
            out[: self.p, layout.theta(s)][:, : self.p * layout.K] = np.kron(np.eye(self.p), given.c[c])
            columns = layout.q(s).start + place[i, j]
            out[np.arange(self.at_Q.start, self.at_Q.stop), columns] = 1.0
            out[np.arange(self.at_Qc.start, self.at_Qc.stop), columns] = given.varsigma[c, s]
        out[self.at_b :, layout.at_b : layout.at_b + layout.scalars] = np.eye(layout.scalars)
        return out


def averages(J: np.ndarray, layout: Layout, gammas: np.ndarray) -> None:
    """Add the rows of b̄ and κ̄: γ (b − b̄) of every average."""
    one, live = np.eye(layout.scalars), slice(layout.at_b, layout.at_b + layout.scalars)
    for k, gamma in enumerate(gammas):
        own = slice(live.start + (1 + k) * layout.scalars, live.stop + (1 + k) * layout.scalars)
        J[own, live] += gamma * one
        J[own, own] -= gamma * one
