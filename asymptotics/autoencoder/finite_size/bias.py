"""The mean's own correction of order 1/d: E y_τ = y_∞(τ) + m₁(τ)/d + O(1/d²), derived.

m₁ is carried by the drift's Jacobian and fed by

* the drift's curvature over the fluctuations, ½ ∇²f : C,
* what the mean increment has beyond its leading order: the squared step minus its extensive part (for q), and the potential
  and the centroids' norms (for b),
* the finite step, −η J dy_∞/dτ (what −η d²y_∞/dτ² leaves where a step takes the mean of the rate schedule over itself).

All moments come from the same expectations as the fluctuations; only ∇²f : C is taken by central second differences of the
drift along the principal axes of C.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...common.input.checks import InputError, number
from ...common.numerics.algebra.gram import COMPUTED, rank
from ...common.numerics.flows.panels import panel_of
from ...common.numerics.quadrature.expectations import Rule
from ..equations.derivative.drift import Drift
from ..equations.integration.integrate import kernels_of
from ..equations.training_path.path import TrainingPath
from ..model.problem import Problem
from ..model.start.weights import atom_counts, joint_gram
from .covariances import Fluctuations
from .fluctuations import fluctuations
from .linear_noise.moments import transposed
from .linear_noise.noise import InnerProducts, Samples
from .linear_noise.terms import Evaluation, Terms

#: Length of the second differences, smooth and with a kink (where fixed nodes make the drift piecewise smooth).
DISPLACEMENT, KINK_DISPLACEMENT = 1e-3, 0.05


@dataclass(frozen=True)
class Bias:
    """m₁ along a path at one dimension.

    Attributes
    ----------
    fluctuations : Fluctuations
    source, correction : (panels, nodes, n), (panels + 1, n)
        What feeds m₁ at the panels' nodes; m₁ at the knots.
    dimension : int
    """

    fluctuations: Fluctuations
    source: np.ndarray
    correction: np.ndarray
    dimension: int

    def state(self, tau: float) -> np.ndarray:
        """m₁ of the packed state."""
        f = self.fluctuations
        tau = number("tau", tau, at_least=0, at_most=float(f.knots[-1]) * (1 + 1e-12))
        k = int(panel_of(f.knots, tau))
        return f.moved(k, tau, self.correction[k], self.source[k])

    def __call__(self, tau: float) -> np.ndarray:
        """E y_τ − y_∞(τ) at order 1/d, for (Θ row by row, upper triangle of Q, b, κ)."""
        return np.asarray(self.fluctuations.totals() @ self.state(tau) / self.dimension)


def excess_directions(path: TrainingPath, dimension: int) -> np.ndarray:
    """d_s − p_s d: coordinates that atom s has beyond its mass (single directions, rounding)."""
    theta, q = path.problem.initial_overlaps()
    target = path.problem.target
    ranks = [rank(gram) for gram in joint_gram(theta, q, target.reference_overlaps)]
    return np.asarray(atom_counts(dimension, target.masses, ranks) - target.masses * dimension)


def drift_of(problem: Problem, terms: Terms) -> Drift:
    """The drift whose curvature is taken, with expectations at least as fine as those of J."""
    rule = terms.rule if terms.rule.kind == "sobol" else Rule("hermite", terms.rule.nodes + 16)
    return Drift(problem, kernels_of(problem), rule, terms.noise_rule)


class _Source:
    """d m₁/dτ − J m₁ at the nodes of a path, (nodes, n)."""

    def __init__(
        self, path: TrainingPath, f: Fluctuations, terms: Terms, dimension: int, drift: Drift | None = None
    ) -> None:
        self.f, self.terms, self.taus = f, terms, np.minimum(f.nodes, path.tau_max)
        self.states, self.at = path.state(self.taus), f.evaluations_of(path)
        self.drift = drift_of(path.problem, terms) if drift is None else drift
        self.excess = excess_directions(path, dimension)
        self.displacement = KINK_DISPLACEMENT if terms.kernels.module.KINK else DISPLACEMENT

    def values(self) -> np.ndarray:
        """At all nodes."""
        slopes = self.drift.slopes(self.taus, self.states)
        # −η J f, with J f the d²y_∞/dτ² at constant rates
        out = -self.terms.coefficients.eta * (self.at.jacobian @ slopes[..., None])[..., 0]
        for k, (tau, y) in enumerate(zip(self.taus, self.states, strict=True)):
            out[k] += self.curvature(float(tau), y, slopes[k]) + self.beyond_leading(float(tau), y, self.at[k])
        return np.asarray(out)

    def curvature(self, tau: float, y: np.ndarray, base: np.ndarray) -> np.ndarray:
        """½ ∇²f : C."""
        values, axes = np.linalg.eigh(self.f.state_covariance(tau)[0])
        e = self.displacement * min(1.0, float(np.max(np.abs(y))))
        there = values > 1e-9 * max(values[-1], 1e-12)
        steps = e * axes.T[there]
        moved = self.drift.slopes(np.full(2 * len(steps), tau), np.concatenate([y + steps, y - steps]))
        second = (moved[: len(steps)] - 2 * base + moved[len(steps) :]) / e**2
        return np.asarray(values[there] / 2 @ second)

    def beyond_leading(self, tau: float, y: np.ndarray, at: Evaluation) -> np.ndarray:
        """O(1/d) part of the mean increment: 2η (E[v_a·v_b] − its extensive part) for q(s), with (2η/d) v one step of w/√d."""
        given, layout, samples = self.terms.coefficients, self.terms.layout, at.samples
        theta, q, _, _ = layout.unpack(y)
        S, (i, j) = layout.atoms, layout.upper
        gram = joint_gram(theta, q, given.T)
        inverse = np.linalg.pinv(gram, rcond=COMPUTED, hermitian=True)
        square, first = self._inner(samples, theta, q, gram, inverse)
        of_b, c = given.optimiser.of_scalar(given.scale(tau) * given.rho_b), given.c[samples.cluster]
        norm = np.einsum("gk,kl,gl->g", c, given.T.sum(axis=0), c)
        c00, _, c11 = np.moveaxis(samples.skip, -1, 0)
        extra = c00 * self.excess.sum() + c11 * (given.varsigma[samples.cluster] @ self.excess)[:, None]
        skip = at.skip_potential + of_b * (samples.weight @ (c11 * norm[:, None] + extra))
        R, L, m = at.assembly.R, at.assembly.L, given.batch
        # One step of the stacked vectors is R u + L w/√d: the u's of one sample at weight 1/m, those of two samples
        # independent, the linear part fixed.
        v = R @ first + L @ gram[:, : layout.p]
        total = square / m - first @ inverse @ transposed(first) / m
        total = (R @ total @ R.T + v @ inverse @ transposed(v)) * 2 * given.eta
        out = np.zeros(layout.size)
        for s in range(S):
            out[layout.q(s)] = total[s][i, j]
        out[layout.at_b : layout.at_b + layout.basis] = skip
        return out

    def _inner(
        self, samples: Samples, theta: np.ndarray, q: np.ndarray, gram: np.ndarray, inverse: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[u_a·u_b] on every atom without its extensive part, and E[u_a·(w, u)], averaged over the samples.

        For u = g₀x₀ + g₁x₁ + P̂w (rates left out): (S, p, p), (S, p, P + K).
        """
        model, p = self.terms, self.terms.p
        F, (i, j), V = samples.fields.shape[-1], model.pairs, samples.second
        at_f, at_P = 1 + 2 * p, 1 + 2 * p * (1 + F) + 2 * len(model.pairs[0])
        zeta, gg = InnerProducts.of(model, samples, theta, q), samples.gradients
        ranks = np.array([rank(g) for g in gram])
        # Inner products of u_a with (w, u) as maps of V: Σ_c g_ca ζ_c + Σ_e P̂_ae Gram_e, (samples, S, p, P + K, V).
        u = np.zeros((len(V), *gram.shape[:1], p, gram.shape[-1], V.shape[-1]))
        for c in (0, 1):
            for a in range(p):
                n = c * p + a
                u[:, :, a, :, 1 + n] = zeta.centred[:, c]
                u[:, :, a, :, at_f + n * F : at_f + (n + 1) * F] = zeta.regression[:, c]
        for n, (row, column) in enumerate(zip(i, j, strict=True)):
            u[:, :, row, :, at_P + n] = gram[:, column]
            u[:, :, column, :, at_P + n] = gram[:, row]
        through = u @ V[:, None, None]
        square = np.einsum("gsaxv,gsbzv,sxz->gsab", through, u, inverse, optimize=True)
        for c in (0, 1):
            for e in (0, 1):
                # tr(Gram⁺ × what the fields leave open of the inner products)
                trace = -np.einsum("sxz,gsxf,gszf->gs", inverse, zeta.regression[:, c], zeta.cross[:, e], optimize=True)
                if c == e:
                    trace = trace + zeta.spread[:, c] * (np.einsum("sxz,szx->s", inverse, gram) + self.excess - ranks)
                square += trace[..., None, None] * gg[:, None, c, :, e, :]
        first = through[..., 0]
        return np.einsum("g,g...->...", samples.weight, square), np.einsum("g,g...->...", samples.weight, first)


def bias(path: TrainingPath, dimension: int, *, initial: str = "exact", drift: Drift | None = None) -> Bias:
    """Solve for m₁ along a path (kept with the path after the first call).

    Parameters
    ----------
    path : TrainingPath
    dimension : int
        Enters only through the whole numbers of coordinates of the atoms.
    initial : {"exact", "drawn"}
        As in `fluctuations`.
    drift : Drift, optional
        Of the path's problem, where it is known already (`drift_of`).
    """
    if path.problem.training.moved_by.fixed:
        raise InputError(
            f"training.momentum = {path.problem.training.moved_by.fixed:g}: the bias of order 1/d is not derived for a fixed one"
        )
    kept = path.__dict__.setdefault("_bias", {})
    excess = tuple(np.round(excess_directions(path, dimension), 9))
    if (excess, initial) not in kept:
        kept[excess, initial] = _solve(path, dimension, initial, np.array(excess), drift)
    found = kept[excess, initial]
    return Bias(found.fluctuations, found.source, found.correction, dimension)


def _solve(path: TrainingPath, dimension: int, initial: str, excess: np.ndarray, drift: Drift | None) -> Bias:
    f = fluctuations(path, initial=initial)
    source = _Source(path, f, f.terms(path.problem), dimension, drift)
    panels, layout = len(f.knots) - 1, path.layout
    correction = np.zeros((panels + 1, layout.size))
    if initial == "drawn":
        start = path.problem.optimiser.copies
        diagonal = np.flatnonzero(layout.upper[0] == layout.upper[1])
        for s in range(layout.atoms):
            random = path.problem.denoiser.init.random**2 * excess[s] * np.diag(start @ start.T)
            correction[0, layout.q(s)][diagonal] = random
    values = f.by_panels(source.values())
    for k in range(panels):
        correction[k + 1] = f.moved(k, float(f.knots[k + 1]), correction[k], values[k])
    return Bias(f, values, correction, dimension)
