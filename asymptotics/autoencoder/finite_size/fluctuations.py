"""Finite-d error bars of the theory: covariance of the order parameters along the path, by the linear noise approximation.

Around the d → ∞ path, Cov(y_τ) = C_τ/d with dC/dτ = J C + C Jᵀ + 2η Cov(Y), where (2η/d) Y is one step's random increment and
J the Jacobian of the drift. The skip connection moves at its own order: Var b = C_bb/d + B/d², with C_bb = 0 unless the
clusters differ in tr Σ or times are drawn at random.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...common.input.checks import InputError, choice, fail, number
from ...common.numerics.expectations import Rule
from ...common.numerics.panels import lagrange, lobatto, panel_of, runge_kutta
from ...common.output.plain import printed
from ...common.output.results import Result, dataframe
from ..equations.layout import Layout
from ..equations.path import TrainingPath
from ..model.optimiser import averages_of
from ..model.problem import Problem
from .rules import choose_rules
from .terms import Evaluation, Terms

#: Nodes at which J and Cov(Y) are computed in every panel of τ (ends shared).
NODES = 4
#: Largest growth exponent of a deviation within a panel, and the most parts that one is cut into for it.
GROWTH, MOST_PARTS = 1.5, 60
#: dy/dτ from the Jacobian, the Lagrange polynomials of the nodes of a panel, and y.
Slope = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
#: Largest number of order parameters (all atoms); the matrices are dense.
LARGEST = 1200


@dataclass(frozen=True)
class Deviations:
    """Standard deviations at dimension d of Q (p, p), Theta (p, K), M (p, clusters), b and parameters; τ first if several.

    Of all stacked vectors, where there are velocities or averages; b and the parameters are the network's own.
    """

    tau: Any
    Q: np.ndarray
    Theta: np.ndarray
    M: np.ndarray
    b: Any
    parameters: np.ndarray


@dataclass(frozen=True)
class Fluctuations(Result):
    """C_τ along a path.

    Attributes
    ----------
    knots : (panels + 1,)
    jacobian, noise : (panels, nodes, n, n)
        J, without what makes averages follow, and 2η Cov(Y) at the Chebyshev nodes of every panel, for the order parameters
        resolved by atom.
    following : (averages, n, n)
        J is the ``jacobian`` and γ(τ) times this of every average.
    ema : list
        γ of every average, or {"power": k}.
    covariances : (panels + 1, n, n)
        C at the knots.
    skip : (panels, nodes, skips, skips)
        2η × covariance of the increments of b and its averages at their own order.
    skip_variances : (panels + 1, skips, skips)
        B at the knots.
    atoms, p, K, parameters, basis : int
        p of all stacked vectors; see `asymptotics.autoencoder.equations.layout.Layout`.
    centroids : (clusters, K)
    initial : str
        "exact": every run starts from the same overlaps; "drawn": the random part of the weights is drawn in every run.
    rule : str
        How the expectations were computed; ``rules`` are (kind, nodes) at one time and for pairs of times.
    evaluations : int
    seconds : float
    """

    knots: np.ndarray
    jacobian: np.ndarray
    noise: np.ndarray
    covariances: np.ndarray
    skip: np.ndarray
    skip_variances: np.ndarray
    atoms: int
    p: int
    K: int
    parameters: int
    centroids: np.ndarray
    initial: str
    rule: str
    rules: tuple[tuple[str, int], ...]
    evaluations: int
    seconds: float
    version: str
    basis: int = 1
    following: np.ndarray = field(default_factory=lambda: np.zeros((0, 0, 0)), repr=False)
    ema: Any = ()

    def __post_init__(self) -> None:
        # Files of 0.1 have the variance of the one b where there is now a matrix.
        if self.skip_variances.ndim == 1:
            object.__setattr__(self, "skip_variances", self.skip_variances[..., None, None])
            object.__setattr__(self, "skip", self.skip[..., None, None])

    @property
    def averages(self) -> int:
        """Number of averages of the weights."""
        return len(self.ema)

    def _gammas(self, tau: float) -> np.ndarray:
        """γ of every average at τ."""
        return np.array([a.rate(tau, float(self.knots[-1])) for a in averages_of("ema", list(self.ema))])

    @property
    def layout(self) -> Layout:
        """How order parameters are packed."""
        return Layout(self.atoms, self.p, self.K, self.parameters, self.basis, self.averages)

    @property
    def skips(self) -> np.ndarray:
        """Where b and its averages stand in the packed state."""
        layout = self.layout
        return np.concatenate(
            [layout.at_b + k * layout.scalars + np.arange(layout.basis) for k in range(1 + layout.averages)]
        )

    def terms(self, problem: Problem) -> Terms:
        """J and Cov(Y) at any state, by the same expectations (kept with this after the first call)."""
        if "_terms" not in self.__dict__:
            self.__dict__["_terms"] = Terms(problem, *(Rule(kind, nodes) for kind, nodes in self.rules))
        kept: Terms = self.__dict__["_terms"]
        return kept

    def evaluation(self, tau: float) -> Evaluation | None:
        """J, Cov(Y) and the samples at a node, where they are still known."""
        kept: dict[float, Evaluation] = self.__dict__.get("_evaluations", {})
        return kept.get(tau)

    def totals(self) -> np.ndarray:
        """The linear map from the packed state to (Θ row by row, upper Q, b, κ): sums over atoms."""
        return self.layout.totals()

    def state_covariance(self, tau: float, other: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """d × Cov(y_τ, y_τ′) of the packed state, and d² × Cov(b_τ, b_τ′) at b's own order; τ′ = ``other`` ≥ τ or τ."""
        tau = self._check(tau)
        k = int(panel_of(self.knots, tau))
        C, B = self.spread(k, tau)
        if other is None or other == tau:
            return C, B
        if self._check(other) < tau:
            fail("other", other, f">= tau = {tau:g}")
        U = np.eye(len(C))
        while tau < other:
            end = min(float(other), float(self.knots[k + 1]))
            U = self.carried(k, tau, end, np.eye(len(C)), lambda J, _, u: J @ u) @ U
            tau, k = end, min(k + 1, len(self.jacobian) - 1)
        return C @ U.T, B @ U[np.ix_(self.skips, self.skips)].T

    def carried(self, k: int, start: float, end: float, y: np.ndarray, slope: Slope) -> np.ndarray:
        """y at ``end`` from that at ``start``, inside panel k; ``slope`` (J, Lagrange polynomials of the nodes, y) is dy/dτ."""
        left, width = self.knots[k], self.knots[k + 1] - self.knots[k]

        def at(tau: float, y: np.ndarray) -> np.ndarray:
            weights = lagrange((tau - left) / width, NODES)
            J = np.tensordot(weights, self.jacobian[k], 1)
            if self.averages:
                # As it is, and not interpolated: γ may be (1 + k)/τ.
                J = J + np.tensordot(self._gammas(tau), self.following, 1)
            return np.asarray(slope(J, weights, y))

        stiffness = float(np.max(np.abs(self.jacobian[k]).sum(axis=2)))
        if self.averages:
            rows = np.abs(self.following).sum(axis=2).max(axis=1)
            stiffness += float(self._gammas(start) @ rows)
        return runge_kutta(at, y, start, end, stiffness)

    def spread(self, k: int, tau: float) -> tuple[np.ndarray, np.ndarray]:
        """C and b's own covariance B at τ in panel k, from those at its first knot."""
        start, at = float(self.knots[k]), np.ix_(self.skips, self.skips)
        # Files of 0.1.0 have numbers here.
        several = (len(self.skips), len(self.skips))
        variance, noise = self.skip_variances[k].reshape(several), self.skip[k].reshape(-1, *several)

        def covariance(J: np.ndarray, weights: np.ndarray, C: np.ndarray) -> np.ndarray:
            JC = J @ C
            return np.asarray(JC + JC.T + np.tensordot(weights, self.noise[k], 1))

        def own(J: np.ndarray, weights: np.ndarray, B: np.ndarray) -> np.ndarray:
            JB = J[at] @ B
            return np.asarray(JB + JB.T + np.tensordot(weights, noise, 1))

        C = self.carried(k, start, tau, self.covariances[k], covariance)
        return C, self.carried(k, start, tau, variance, own)

    def _check(self, tau: float) -> float:
        return number("tau", tau, at_least=0, at_most=float(self.knots[-1]) * (1 + 1e-12))

    def covariance(self, tau: float, dimension: float, other: float | None = None) -> np.ndarray:
        """Covariance at dimension d of (Θ row by row, upper triangle of Q, b, κ) at τ (rows), with those at ``other`` (columns).

        Parameters
        ----------
        tau : float
        dimension : float
            d ≥ 1.
        other : float, optional
            Second training time; default τ.
        """
        d = number("dimension", dimension, at_least=1)
        swap = other is not None and other < tau
        C, B = self.state_covariance(*((other, tau) if swap else (tau, other)))  # type: ignore[arg-type]
        P = self.totals()
        out = P @ C @ P.T / d
        at = self.skips - self.layout.at_b + len(out) - (self.layout.size - self.layout.at_b)
        out[np.ix_(at, at)] += B / d**2
        return np.asarray(out.T if swap else out)

    def deviations(self, tau: Any, dimension: float) -> Deviations:
        """Standard deviations at one τ or several."""
        taus = np.atleast_1d(np.asarray(tau, dtype=np.float64))
        p, K, (i, j) = self.p, self.K, self.layout.upper
        Q, Theta = np.zeros((len(taus), p, p)), np.zeros((len(taus), p, K))
        M = np.zeros((len(taus), p, len(self.centroids)))
        b, kappa = np.zeros((len(taus), self.basis)), np.zeros((len(taus), self.parameters))
        for n, t in enumerate(taus):
            C = self.covariance(float(t), dimension)
            std = np.sqrt(np.maximum(np.diag(C), 0.0))
            Theta[n] = std[: p * K].reshape(p, K)
            Q[n, i, j] = Q[n, j, i] = std[p * K : p * K + len(i)]
            b[n], kappa[n] = np.split(std[p * K + len(i) :][: self.layout.scalars], [self.basis])
            blocks = C[: p * K, : p * K].reshape(p, K, p, K)
            variance = np.einsum("ck,akal,cl->ac", self.centroids, blocks, self.centroids)
            M[n] = np.sqrt(np.maximum(variance, 0.0))
        shown = b[:, 0] if self.basis == 1 else b
        if np.ndim(tau):
            return Deviations(tau, Q, Theta, M, shown, kappa)
        return Deviations(tau, Q[0], Theta[0], M[0], float(shown[0]) if self.basis == 1 else shown[0], kappa[0])

    def summary(self) -> str:
        """Standard deviations × √d at a few τ."""
        lines = [
            f"fluctuations of the order parameters, standard deviation x sqrt(d) ({self.rule}, {self.initial} start)"
        ]
        for tau in np.linspace(0, self.knots[-1], 5):
            at = self.deviations(float(tau), 1.0)
            lines.append(f"tau = {tau:<8.4g} diag Q {printed(np.diag(at.Q), 4)}  Theta {printed(at.Theta, 4)}")
        return "\n".join(lines)

    def to_dataframe(self, taus: Any = None, dimension: float = 1.0) -> Any:
        """Standard deviations at ``dimension`` as a pandas DataFrame, one row a τ (default 101 of them; needs pandas)."""
        times = np.linspace(0.0, self.knots[-1], 101) if taus is None else np.atleast_1d(taus)
        return dataframe(vars(self.deviations(times, dimension)))


def initial_covariance(problem: Problem, layout: Layout) -> np.ndarray:
    """C₀ where the random part of the initial weights, i.i.d. N(0, random²) entries, is drawn anew in every run.

    With w = √d m + random ξ: Cov(Θ_ak, Θ_bl) = random² δ_ab T_kl/d; Θ with q and q with q by Wick's theorem, all per atom.
    """
    init, start = problem.denoiser.init, stacked_start(problem, layout)
    if init.Theta is not None or init.realisation is not None:
        raise InputError("initial: a drawn start needs denoiser.init given by centroids and random")
    # The averages start with the weights: their random parts are the same.
    coordinates, variance = start @ problem.mean_coordinates(), init.random**2
    C, (i, j) = np.zeros((layout.size, layout.size)), layout.upper
    p, K, eye = layout.p, layout.K, start @ start.T
    for s, T in enumerate(problem.target.reference_overlaps):
        theta, q = layout.theta(s), layout.q(s)
        along, gram = coordinates @ T, coordinates @ T @ coordinates.T
        C[theta, theta] = variance * np.kron(eye, T)
        cross = np.einsum("ab,ck->akbc", eye, along) + np.einsum("ac,bk->akbc", eye, along)
        C[theta, q] = variance * cross[:, :, i, j].reshape(p * K, len(i))
        C[q, theta] = C[theta, q].T
        full = np.einsum("ac,be->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + np.einsum("ae,bc->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + full.transpose(1, 0, 3, 2)
        C[q, q] = full[i, j][:, i, j]
    return C


def stacked_start(problem: Problem, layout: Layout) -> np.ndarray:
    """The stacked vectors at τ = 0 in those of the network, (P, p): velocities are zero, averages are the weights."""
    stack = problem.optimiser
    out = np.zeros((layout.p, stack.p))
    out[: stack.p] = np.eye(stack.p)
    for k in range(layout.averages):
        out[stack.average(k)] = np.eye(stack.p)
    return out


def fluctuations(
    path: TrainingPath,
    *,
    initial: str = "exact",
    rule: Rule | None = None,
    noise_rule: Rule | None = None,
    terms: Terms | None = None,
) -> Fluctuations:
    """Solve the linear noise equations along a path (kept with the path after the first call).

    Parameters
    ----------
    path : TrainingPath
    initial : {"exact", "drawn"}
        Whether every run starts from exactly the initial overlaps (as `simulate` does), or from weights drawn anew.
    rule, noise_rule : Rule, optional
        Fix the expectations by hand.
    terms : Terms, optional
        J and Cov(Y) of the path's problem, where they are known already.

    Raises
    ------
    InputError
        If there are more than `LARGEST` order parameters, or an argument is not allowed.
    """
    choice("initial", initial, ("exact", "drawn"))
    kept = path.__dict__.setdefault("_fluctuations", {})
    key = (initial, rule, noise_rule)
    if key not in kept:
        kept[key] = _solve(path, initial, rule, noise_rule, terms)
    return kept[key]  # type: ignore[no-any-return]


def panels_of(path: TrainingPath) -> np.ndarray:
    """Ends of the panels: steps of the path's integrator, two at a time (of a method of order 8), else a dozen groups.

    Where something moves along τ each step is a panel of its own (two at a time would reach across a jump).
    """
    steps = len(path.knots) - 1
    training = path.problem.training
    if training.schedule is not None or training.moving or any(a.power is not None for a in training.averages):
        return _resolved(path, path.knots)
    group = 2 if path.method == "DOP853" else max(1, round(steps / 12))
    return _resolved(path, np.unique(np.append(path.knots[::group], path.knots[-1])))


def _resolved(path: TrainingPath, knots: np.ndarray) -> np.ndarray:
    """Panels cut where deviations grow by more than `GROWTH` in one: a path at rest on a saddle is one long step."""
    tau, rate = path.stability.tau, path.stability.rate
    if len(tau) < 2:
        return knots
    fine = np.linspace(0.0, float(knots[-1]), 2001)
    growing = np.maximum(np.interp(fine, tau, rate), 0.0)
    total = np.concatenate([[0.0], np.cumsum((growing[1:] + growing[:-1]) / 2 * np.diff(fine))])
    growth = np.diff(np.interp(knots, fine, total))
    parts = np.clip(np.ceil(growth / GROWTH), 1, MOST_PARTS).astype(int)
    pieces = [np.linspace(a, b, n, endpoint=False) for a, b, n in zip(knots[:-1], knots[1:], parts, strict=True)]
    return np.append(np.concatenate(pieces), knots[-1])


def _solve(
    path: TrainingPath, initial: str, rule: Rule | None, noise_rule: Rule | None, known: Terms | None
) -> Fluctuations:
    from ... import __version__

    start, problem, layout = time.perf_counter(), path.problem, path.layout
    if layout.size > LARGEST:
        raise InputError(
            f"target: {layout.size} order parameters over {layout.atoms} atoms; fluctuations are available up to {LARGEST}"
        )
    if known is not None:
        terms, name, count = known, f"{known.rule.kind} {known.rule.nodes}", 0
    elif rule is None:
        terms, name, count = choose_rules(problem, path)
    else:
        terms, name, count = Terms(problem, rule, noise_rule), f"{rule.kind} {rule.nodes}", 0
    following = terms.following()
    knots, size, eta = panels_of(path), layout.size, problem.training.learning_rate
    panels = len(knots) - 1
    J, D = np.empty((panels, NODES, size, size)), np.empty((panels, NODES, size, size))
    skips = layout.basis * (1 + layout.averages)
    skip = np.empty((panels, NODES, skips, skips))
    evaluations: dict[float, Evaluation] = {}
    for k in range(panels):
        for m in range(NODES):
            if k and m == 0:
                J[k, 0], D[k, 0], skip[k, 0] = J[k - 1, -1], D[k - 1, -1], skip[k - 1, -1]
                continue
            tau = min(knots[k] + lobatto(NODES)[m] * (knots[k + 1] - knots[k]), path.tau_max)
            at = terms(float(tau), path.state(tau))
            evaluations[float(tau)] = at
            J[k, m], D[k, m], skip[k, m] = at.jacobian, 2 * eta * at.noise, 2 * eta * at.skip_noise
            if len(following):
                J[k, m] -= np.tensordot(problem.optimiser.gammas(tau), following, 1)
            count += 1
    C, B = np.zeros((panels + 1, size, size)), np.zeros((panels + 1, skips, skips))
    if initial == "drawn":
        C[0] = initial_covariance(problem, layout)
    rules = tuple((r.kind, r.nodes) for r in (terms.rule, terms.noise_rule))
    found = Fluctuations(
        knots=knots, jacobian=J, noise=D, covariances=C, skip=skip, skip_variances=B,
        atoms=layout.atoms, p=layout.p, K=layout.K, parameters=layout.parameters, centroids=path.centroids,
        initial=initial, rule=name, rules=rules, evaluations=count, seconds=0.0, version=__version__,
        basis=layout.basis, following=following, ema=[a.to_builtin() for a in problem.training.averages],
    )  # fmt: skip
    for k in range(panels):
        C[k + 1], B[k + 1] = found.spread(k, float(knots[k + 1]))
    found = replace(found, seconds=time.perf_counter() - start)
    found.__dict__.update(_terms=terms, _evaluations=evaluations)
    return found
