"""The two matrices of the linear noise approximation at one state: the drift's Jacobian and the increments' covariance."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from ...equations.derivative.layout import Layout
from .assembly import Assembly
from .cell_moments import CellMoments, Instants
from .moments import transposed
from .noise import Samples, increments

#: Numbers of the largest array of several states that are worked at together.
TOGETHER = 2**22


@dataclass(frozen=True)
class Evaluation:
    """The fluctuations' two matrices at one state, or at several (…).

    Attributes
    ----------
    jacobian, noise : (…, n, n)
        J and Cov(Y).
    mean : (…, n)
        E[Y] without what does not fluctuate.
    skip_noise : (…, skips, skips)
        What b, and its averages, do at their own order.
    skip_potential : (…, basis)
        −½ E ∂_{b_k}ℓ times the rate of b.
    samples : Samples
    assembly : Assembly
    """

    jacobian: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    skip_noise: np.ndarray
    skip_potential: np.ndarray
    samples: Samples
    assembly: Assembly

    def __getitem__(self, index: int) -> Evaluation:
        """That of one state."""
        return Evaluation(*(getattr(self, f.name)[index] for f in fields(self)))

    @classmethod
    def joined(cls, parts: list[Evaluation]) -> Evaluation:
        """Those of several sets of states, one after the other."""

        def one(name: str, of: list[Any]) -> np.ndarray:
            return np.concatenate([getattr(x, name) for x in of])

        samples, assemblies = [x.samples for x in parts], [x.assembly for x in parts]
        return cls(
            jacobian=one("jacobian", parts),
            noise=one("noise", parts),
            mean=one("mean", parts),
            skip_noise=one("skip_noise", parts),
            skip_potential=one("skip_potential", parts),
            samples=Samples(*(one(f.name, samples) for f in fields(Samples))),
            assembly=replace(assemblies[0], R=one("R", assemblies), L=one("L", assemblies)),
        )


class Terms(CellMoments):
    """J and Cov(Y) of a problem at any state: ``terms(tau, y)``, and at several: ``terms.along(taus, ys)``."""

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
        return self.along(np.array([tau]), y[None])[0]

    def along(self, taus: np.ndarray, ys: np.ndarray) -> Evaluation:
        """J, Cov(Y) and E[Y] at several packed states (m, n)."""
        count, conditions = len(ys), len(self.coefficients.pi) * len(self.coefficients.times)
        monomials = 1 + 2 * self.p * (1 + 2 * self.p) + 3 * len(self.pairs[0])
        size = conditions * max(self.layout.size**2, monomials**2, len(self.value) * self.directions(1))
        together = max(1, min(count, TOGETHER // size))
        parts = [self._some(taus[k : k + together], ys[k : k + together]) for k in range(0, count, together)]
        return parts[0] if len(parts) == 1 else Evaluation.joined(parts)

    def _some(self, taus: np.ndarray, ys: np.ndarray) -> Evaluation:
        given, layout, rate = self.coefficients, self.layout, self.coefficients.optimiser.of_scalar
        now = Instants(self, taus, ys)
        values, change, by_kappa, potential, samples = self.moments(now)
        assembly = Assembly(given, layout, self.linear, now.R, now.L)
        J, at_b, at_kappa = assembly.local(values, now.theta, now.q), layout.at_b, layout.at_b + layout.basis
        of_kappa, of_b = (np.array([rate(x) for x in rates]) for rates in (now.scale, now.scale * given.rho_b))
        for c, weight in enumerate(given.pi):
            motion = self._motion(c)
            J += weight * assembly.by_moment(c, now.theta, now.q) @ (change[:, c] @ motion)
            J[:, at_kappa : at_b + layout.scalars] += weight * of_kappa[:, None, None] * (by_kappa[:, c] @ motion)
        trained = now.trained
        own = (now.psi * now.slope[:, None]) @ transposed(now.psi)
        J[:, at_b : at_b + trained, at_b : at_b + trained] += (of_b[:, None, None] * own)[:, :trained, :trained]
        for k in range(len(J)):
            averages(J[k], layout, now.gammas[k])
        mean, second = np.zeros((len(J), layout.size)), np.zeros((len(J), layout.size, layout.size))
        count = samples.weight.shape[1]
        together = max(1, TOGETHER // (len(J) * 4 * layout.size**2))
        for first in range(0, count, together):
            part = samples[:, first : first + together]
            for total, found in zip(
                (mean, second), increments(self, part, now.R, of_kappa, of_b, now.theta, now.q), strict=True
            ):
                total += np.einsum("ms,ms...->m...", part.weight, found)
        skips = layout.basis * (1 + layout.averages)
        skip_noise = np.zeros((len(J), skips, skips))
        of_skip = np.einsum("ms,ms...->m...", samples.weight, self._skip_noise(samples))
        skip_noise[:, : layout.basis, : layout.basis] = of_b[:, None, None] ** 2 * of_skip / given.batch
        return Evaluation(
            jacobian=J,
            noise=(second - mean[:, :, None] * mean[:, None, :]) / given.batch,
            mean=mean,
            skip_noise=skip_noise,
            skip_potential=of_b[:, None] * potential,
            samples=samples,
            assembly=assembly,
        )

    def _skip_noise(self, samples: Samples) -> np.ndarray:
        """Covariance of −½ ∂_{b_k} loss at its own order, (…, basis, basis): a quadratic form of its coefficients, polarised."""
        variance, mass = self.kernels.module.skip_variance, self.coefficients.mass
        varsigma = self.coefficients.varsigma[samples.cluster][..., None, None, :]

        def of(c: np.ndarray) -> np.ndarray:
            return np.asarray(variance(*np.moveaxis(c, -1, 0)[..., None], varsigma) @ mass)

        one, other = samples.skip[..., :, None, :], samples.skip[..., None, :, :]
        return (of(one + other) - of(one - other)) / 4

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
