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
from typing import Any

import numpy as np

from ...common.input.checks import InputError, number
from ...common.numerics.expectations import Rule
from ...common.numerics.gram import COMPUTED, rank
from ...common.numerics.panels import lobatto, panel_of
from ..equations.drift import Drift
from ..equations.integrate import kernels_of
from ..equations.path import TrainingPath
from ..model.problem import Problem
from ..model.weights import atom_counts, joint_gram
from .fluctuations import NODES, Fluctuations, fluctuations, stacked_start
from .noise import increments
from .terms import Evaluation, Terms

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
        return advance(f, k, self.source[k], tau, self.correction[k])

    def __call__(self, tau: float) -> np.ndarray:
        """E y_τ − y_∞(τ) at order 1/d, for (Θ row by row, upper triangle of Q, b, κ)."""
        return np.asarray(self.fluctuations.totals() @ self.state(tau) / self.dimension)


def advance(f: Fluctuations, k: int, source: np.ndarray, end: float, m: np.ndarray) -> np.ndarray:
    """m at ``end`` from that at the first knot of panel k: dm/dτ = J m + source, given at the nodes of the panel."""
    return f.carried(k, float(f.knots[k]), end, m, lambda J, weights, m: J @ m + weights @ source)


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
    """d m₁/dτ − J m₁ along a path."""

    def __init__(
        self, path: TrainingPath, f: Fluctuations, terms: Terms, dimension: int, drift: Drift | None = None
    ) -> None:
        self.path, self.f, self.terms = path, f, terms
        self.drift = drift_of(path.problem, terms) if drift is None else drift
        self.excess = excess_directions(path, dimension)
        self.displacement = KINK_DISPLACEMENT if terms.kernels.module.KINK else DISPLACEMENT

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        at = self.f.evaluation(tau) or self.terms(tau, y)
        out = self.curvature(tau, y) - self.terms.coefficients.eta * self.acceleration(tau, y, at)
        return out + self.beyond_leading(tau, y, at)

    def curvature(self, tau: float, y: np.ndarray) -> np.ndarray:
        """½ ∇²f : C."""
        values, axes = np.linalg.eigh(self.f.state_covariance(tau)[0])
        total, base = np.zeros_like(y), self.drift(tau, y)
        e = self.displacement * min(1.0, float(np.max(np.abs(y))))
        for value, axis in zip(values, axes.T, strict=True):
            if value > 1e-9 * max(values[-1], 1e-12):
                second = (self.drift(tau, y + e * axis) - 2 * base + self.drift(tau, y - e * axis)) / e**2
                total += value / 2 * second
        return total

    def acceleration(self, tau: float, y: np.ndarray, at: Evaluation) -> np.ndarray:
        """J f, which is d²y_∞/dτ² at constant rates."""
        return np.asarray(at.jacobian @ self.drift(tau, y))

    def beyond_leading(self, tau: float, y: np.ndarray, at: Evaluation) -> np.ndarray:
        """O(1/d) part of the mean increment: 2η (E[v_a·v_b] − its extensive part) for q(s), with (2η/d) v one step of w/√d."""
        given, layout, p = self.terms.coefficients, self.terms.layout, self.terms.p
        theta, q, _, _ = layout.unpack(y)
        S, (i, j) = layout.atoms, layout.upper
        square, first = np.zeros((S, p, p)), np.zeros((S, p, layout.p + layout.K))
        gram = joint_gram(theta, q, given.T)
        inverse = [np.linalg.pinv(g, rcond=COMPUTED, hermitian=True) for g in gram]
        ranks = np.array([rank(g) for g in gram])
        skip, of_b = at.skip_potential, given.optimiser.of_scalar(given.scale(tau) * given.rho_b)
        for sample in at.samples:
            own, mean = self._one(sample, at.assembly.R, theta, q, gram, inverse, ranks)
            square += sample.weight * own
            first += sample.weight * mean
            centroid = given.c[sample.cluster]
            norm = float(centroid @ given.T.sum(axis=0) @ centroid)
            c00, _, c11 = sample.skip.T
            extra = np.outer(c00, np.ones(S)) + np.outer(c11, given.varsigma[sample.cluster])
            skip = skip + sample.weight * of_b * (c11 * norm + extra @ self.excess)
        R, L, m = at.assembly.R, at.assembly.L, given.batch
        out = np.zeros(layout.size)
        for s in range(S):
            # One step of the stacked vectors is R u + L w/√d: the u's of one sample at weight 1/m, those of two samples
            # independent, the linear part fixed.
            v = R @ first[s] + L @ gram[s][: layout.p]
            total = square[s] / m - first[s] @ inverse[s] @ first[s].T / m
            total = (R @ total @ R.T + v @ inverse[s] @ v.T) * 2 * given.eta
            out[layout.q(s)] = total[i, j]
        out[layout.at_b : layout.at_b + layout.basis] = skip
        return out

    def _one(
        self,
        sample: Any,
        R: np.ndarray,
        theta: np.ndarray,
        q: np.ndarray,
        gram: np.ndarray,
        inverse: list[np.ndarray],
        ranks: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """E[u_a·u_b] on every atom without its extensive part, and E[u_a·(w, u)], for u = g₀x₀ + g₁x₁ + P̂w (rates left out)."""
        model, p = self.terms, self.terms.p
        S, width, F = len(q), model.layout.p + model.layout.K, len(sample.fields)
        of = increments(model, sample, R, 1.0, 1.0, theta, q)
        V, count = sample.second, len(sample.second)
        at_P = 1 + 2 * p * (1 + F) + 2 * len(model.pairs[0])
        centred = of.mean - of.regression @ sample.fields
        # g_i ζ and P̂_ae as maps of V
        maps = np.zeros((2 * p, S * width, count))
        for k in range(2 * p):
            maps[k, :, 1 + k] = centred[k // p]
            maps[k, :, 1 + 2 * p + k * F : 1 + 2 * p + (k + 1) * F] = of.regression[k // p]
        P = np.zeros((p, p, count))
        for n, (i, j) in enumerate(zip(*model.pairs, strict=True)):
            P[i, j, at_P + n] = P[j, i, at_P + n] = 1.0
        gg = V[1 : 1 + 2 * p, 1 : 1 + 2 * p]
        Z = S * width
        residual = of.residual.reshape(2, Z, 2, Z)
        square, first = np.zeros((S, p, p)), np.zeros((S, p, width))
        for s in range(S):
            rows = slice(s * width, (s + 1) * width)
            spread = (1.0, float(model.coefficients.varsigma[sample.cluster, s]))
            # inner products of u_a with (w, u) as maps of V: Σ_c g_ca ζ_c + Σ_e P̂_ae Gram_e
            u = maps[:p, rows] + maps[p:, rows] + np.einsum("aev,ez->azv", P, gram[s][:p])
            square[s] = np.einsum("azv,vw,bxw,zx->ab", u, V, u, inverse[s], optimize=True)
            first[s] = u @ V[0]
            for c in (0, 1):
                for e in (0, 1):
                    trace = float(np.sum(inverse[s] * residual[c][rows, e, rows]))
                    square[s] += trace * gg[c * p : c * p + p, e * p : e * p + p]
                square[s] += spread[c] * (self.excess[s] - ranks[s]) * gg[c * p : c * p + p, c * p : c * p + p]
        return square, first


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
    values, correction = np.empty((panels, NODES, layout.size)), np.zeros((panels + 1, layout.size))
    if initial == "drawn":
        start = stacked_start(path.problem, layout)
        diagonal = np.flatnonzero(layout.upper[0] == layout.upper[1])
        for s in range(layout.atoms):
            random = path.problem.denoiser.init.random**2 * excess[s] * np.diag(start @ start.T)
            correction[0, layout.q(s)][diagonal] = random
    for k in range(panels):
        for m in range(NODES):
            tau = float(min(f.knots[k] + lobatto(NODES)[m] * (f.knots[k + 1] - f.knots[k]), path.tau_max))
            values[k, m] = values[k - 1, -1] if k and m == 0 else source(tau, path.state(tau))
        correction[k + 1] = advance(f, k, values[k], float(f.knots[k + 1]), correction[k])
    return Bias(f, values, correction, dimension)
