"""Finite-d error bars of the theory: covariance of the order parameters along the path, by the linear noise approximation.

Around the d → ∞ path, Cov(y_τ) = C_τ/d with dC/dτ = J C + C Jᵀ + 2η Cov(Y), where (2η/d) Y is one step's random increment and
J the Jacobian of the drift. The skip connection moves at its own order: Var b = C_bb/d + B/d², with C_bb = 0 unless the
clusters differ in tr Σ or times are drawn at random.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, choice, fail, number
from ...common.numerics.expectations import Rule
from ...common.output.results import Result, dataframe
from ..equations.drift import Layout
from ..equations.path import TrainingPath
from ..model.problem import Problem
from .rules import choose_rules
from .terms import Terms

#: Nodes at which J and Cov(Y) are computed in every panel of τ (ends shared).
NODES = 4
#: Largest number of order parameters (all atoms); the matrices are dense.
LARGEST = 1200


@dataclass(frozen=True)
class Deviations:
    """Standard deviations at dimension d of Q (p, p), Theta (p, K), M (p, clusters), b and parameters; τ first if several."""

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
        J and 2η Cov(Y) at the Chebyshev nodes of every panel, for the order parameters resolved by atom.
    covariances : (panels + 1, n, n)
        C at the knots.
    skip : (panels, nodes)
        2η × variance of b's increment at its own order.
    skip_variances : (panels + 1,)
        B at the knots.
    atoms, p, K, parameters : int
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

    @property
    def layout(self) -> Layout:
        """How order parameters are packed."""
        return Layout(self.atoms, self.p, self.K, self.parameters)

    def terms(self, problem: Problem) -> Terms:
        """J and Cov(Y) at any state, by the same expectations."""
        return Terms(problem, *(Rule(kind, nodes) for kind, nodes in self.rules))

    def totals(self) -> np.ndarray:
        """The linear map from the packed state to (Θ row by row, upper Q, b, κ): sums over atoms."""
        layout, S = self.layout, self.atoms
        n_theta, n_q = (x // S for x in layout.sizes)
        rest = 1 + self.parameters
        out = np.zeros((n_theta + n_q + rest, layout.size))
        for s in range(S):
            out[:n_theta, s * n_theta : (s + 1) * n_theta] = np.eye(n_theta)
            first = S * n_theta + s * n_q
            out[n_theta : n_theta + n_q, first : first + n_q] = np.eye(n_q)
        out[n_theta + n_q :, layout.size - rest :] = np.eye(rest)
        return out

    def state_covariance(self, tau: float, other: float | None = None) -> tuple[np.ndarray, float]:
        """d × Cov(y_τ, y_τ′) of the packed state, and d² × Cov(b_τ, b_τ′) at b's own order; τ′ = ``other`` ≥ τ or τ."""
        tau = self._check(tau)
        k = int(np.clip(np.searchsorted(self.knots, tau, side="right") - 1, 0, len(self.jacobian) - 1))
        C, B = self.covariances[k], float(self.skip_variances[k])
        if tau > self.knots[k]:
            _, C, B = propagate(self, k, self.knots[k], tau, C, B)
        if other is None or other == tau:
            return C, B
        if self._check(other) < tau:
            fail("other", other, f">= tau = {tau:g}")
        U = np.eye(len(C))
        while tau < other:
            end = min(float(other), float(self.knots[k + 1]))
            U = propagate(self, k, tau, end)[0] @ U
            tau, k = end, min(k + 1, len(self.jacobian) - 1)
        at_b = sum(self.layout.sizes)
        return C @ U.T, B * float(U[at_b, at_b])

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
        at_b = len(out) - 1 - self.parameters
        out[at_b, at_b] += B / d**2
        return np.asarray(out.T if swap else out)

    def deviations(self, tau: Any, dimension: float) -> Deviations:
        """Standard deviations at one τ or several."""
        taus = np.atleast_1d(np.asarray(tau, dtype=np.float64))
        p, K, (i, j) = self.p, self.K, self.layout.upper
        Q, Theta = np.zeros((len(taus), p, p)), np.zeros((len(taus), p, K))
        M = np.zeros((len(taus), p, len(self.centroids)))
        b, kappa = np.zeros(len(taus)), np.zeros((len(taus), self.parameters))
        for n, t in enumerate(taus):
            C = self.covariance(float(t), dimension)
            std = np.sqrt(np.maximum(np.diag(C), 0.0))
            Theta[n] = std[: p * K].reshape(p, K)
            Q[n, i, j] = Q[n, j, i] = std[p * K : p * K + len(i)]
            b[n], kappa[n] = std[p * K + len(i)], std[p * K + len(i) + 1 :]
            blocks = C[: p * K, : p * K].reshape(p, K, p, K)
            variance = np.einsum("ck,akal,cl->ac", self.centroids, blocks, self.centroids)
            M[n] = np.sqrt(np.maximum(variance, 0.0))
        if np.ndim(tau):
            return Deviations(tau, Q, Theta, M, b, kappa)
        return Deviations(tau, Q[0], Theta[0], M[0], float(b[0]), kappa[0])

    def summary(self) -> str:
        """Standard deviations × √d at a few τ."""
        lines = [
            f"fluctuations of the order parameters, standard deviation x sqrt(d) ({self.rule}, {self.initial} start)"
        ]
        for tau in np.linspace(0, self.knots[-1], 5):
            at = self.deviations(float(tau), 1.0)
            with np.printoptions(precision=4, suppress=True, linewidth=110):
                theta = np.array2string(at.Theta).replace("\n", "")
                lines.append(f"tau = {tau:<8.4g} diag Q {np.diag(at.Q)}  Theta {theta}")
        return "\n".join(lines)

    def to_dataframe(self, taus: Any = None, dimension: float = 1.0) -> Any:
        """Standard deviations at ``dimension`` as a pandas DataFrame, one row a τ (default 101 of them; needs pandas)."""
        times = np.linspace(0.0, self.knots[-1], 101) if taus is None else np.atleast_1d(taus)
        return dataframe(vars(self.deviations(times, dimension)))


def basis(s: float, nodes: int = NODES) -> np.ndarray:
    """Lagrange polynomials of the Chebyshev–Lobatto nodes of [0, 1] at s."""
    x = (1 - np.cos(np.pi * np.arange(nodes) / (nodes - 1))) / 2
    return np.array([np.prod([(s - x[m]) / (x[k] - x[m]) for m in range(nodes) if m != k]) for k in range(nodes)])


def propagate(
    f: Any, k: int, start: float, end: float, C: np.ndarray | None = None, B: float = 0.0
) -> tuple[np.ndarray, np.ndarray, float]:
    """Propagator U, covariance C and b's own variance B from ``start`` to ``end`` inside panel k (classical Runge–Kutta)."""
    left, width = f.knots[k], f.knots[k + 1] - f.knots[k]
    J, noise, skip = f.jacobian[k], f.noise[k], f.skip[k]
    n, at_b = J.shape[1], sum(f.layout.sizes)
    norm = float(np.max(np.abs(J).sum(axis=2)))
    steps = max(1, int(np.ceil((end - start) * norm / 0.5)))
    h = (end - start) / steps
    U, C = np.eye(n), np.zeros((n, n)) if C is None else C
    for step in range(steps):
        at = [basis((start + (step + x) * h - left) / width) for x in (0.0, 0.5, 1.0)]
        Js, Ds = [np.tensordot(a, J, 1) for a in at], [np.tensordot(a, noise, 1) for a in at]
        Bs = [float(a @ skip) for a in at]
        kU: list[np.ndarray] = []
        kC: list[np.ndarray] = []
        kB: list[float] = []
        for stage, (i, weight) in enumerate(((0, 0.0), (1, 0.5), (1, 0.5), (2, 1.0))):
            u, c, v = U, C, B
            if stage:
                u, c, v = U + weight * h * kU[-1], C + weight * h * kC[-1], B + weight * h * kB[-1]
            jc = Js[i] @ c
            kU.append(Js[i] @ u)
            kC.append(jc + jc.T + Ds[i])
            kB.append(2 * Js[i][at_b, at_b] * v + Bs[i])
        U = U + h / 6 * (kU[0] + 2 * kU[1] + 2 * kU[2] + kU[3])
        C = C + h / 6 * (kC[0] + 2 * kC[1] + 2 * kC[2] + kC[3])
        B = B + h / 6 * (kB[0] + 2 * kB[1] + 2 * kB[2] + kB[3])
    return U, C, B


def initial_covariance(problem: Problem, layout: Layout) -> np.ndarray:
    """C₀ where the random part of the initial weights, i.i.d. N(0, random²) entries, is drawn anew in every run.

    With w = √d m + random ξ: Cov(Θ_ak, Θ_bl) = random² δ_ab T_kl/d; Θ with q and q with q by Wick's theorem, all per atom.
    """
    init = problem.denoiser.init
    if init.Theta is not None or init.realisation is not None:
        raise InputError("initial: a drawn start needs denoiser.init given by centroids and random")
    coordinates, variance = problem.mean_coordinates(), init.random**2
    C, (i, j) = np.zeros((layout.size, layout.size)), layout.upper
    p, K, S, n_pairs = layout.p, layout.K, layout.atoms, len(i)
    eye = np.eye(p)
    for s in range(S):
        T = problem.target.reference_overlaps[s]
        theta = slice(s * p * K, (s + 1) * p * K)
        q = slice(S * p * K + s * n_pairs, S * p * K + (s + 1) * n_pairs)
        along, gram = coordinates @ T, coordinates @ T @ coordinates.T
        C[theta, theta] = variance * np.kron(eye, T)
        cross = np.einsum("ab,ck->akbc", eye, along) + np.einsum("ac,bk->akbc", eye, along)
        C[theta, q] = variance * cross[:, :, i, j].reshape(p * K, n_pairs)
        C[q, theta] = C[theta, q].T
        full = np.einsum("ac,be->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + np.einsum("ae,bc->abce", eye, variance * gram + variance**2 * problem.target.masses[s] / 2 * eye)
        full = full + full.transpose(1, 0, 3, 2)
        C[q, q] = full[i, j][:, i, j]
    return C


def fluctuations(
    path: TrainingPath, *, initial: str = "exact", rule: Rule | None = None, noise_rule: Rule | None = None
) -> Fluctuations:
    """Solve the linear noise equations along a path (kept with the path after the first call).

    Parameters
    ----------
    path : TrainingPath
    initial : {"exact", "drawn"}
        Whether every run starts from exactly the initial overlaps (as `simulate` does), or from weights drawn anew.
    rule, noise_rule : Rule, optional
        Fix the expectations by hand.

    Raises
    ------
    InputError
        If there are more than `LARGEST` order parameters, or an argument is not allowed.
    """
    choice("initial", initial, ("exact", "drawn"))
    kept = path.__dict__.setdefault("_fluctuations", {})
    key = (initial, rule, noise_rule)
    if key not in kept:
        kept[key] = _solve(path, initial, rule, noise_rule)
    return kept[key]  # type: ignore[no-any-return]


def panels_of(path: TrainingPath) -> np.ndarray:
    """Ends of the panels: steps of the path's integrator, two at a time (of a method of order 8), else a dozen groups.

    With a rate schedule each step is a panel of its own (two at a time would reach across a jump).
    """
    steps = len(path.knots) - 1
    if path.problem.training.schedule is not None:
        return path.knots
    group = 2 if path.method == "DOP853" else max(1, round(steps / 12))
    return np.unique(np.append(path.knots[::group], path.knots[-1]))


def _solve(path: TrainingPath, initial: str, rule: Rule | None, noise_rule: Rule | None) -> Fluctuations:
    from types import SimpleNamespace

    from ... import __version__

    start, problem, layout = time.perf_counter(), path.problem, path.layout
    if layout.size > LARGEST:
        raise InputError(
            f"target: {layout.size} order parameters over {layout.atoms} atoms; fluctuations are available up to {LARGEST}"
        )
    if rule is None:
        terms, name, count = choose_rules(problem, path)
    else:
        terms, name, count = Terms(problem, rule, noise_rule), f"{rule.kind} {rule.nodes}", 0
    knots, size, eta = panels_of(path), layout.size, problem.training.learning_rate
    panels = len(knots) - 1
    J, D = np.empty((panels, NODES, size, size)), np.empty((panels, NODES, size, size))
    skip = np.empty((panels, NODES))
    x = (1 - np.cos(np.pi * np.arange(NODES) / (NODES - 1))) / 2
    for k in range(panels):
        for m in range(NODES):
            if k and m == 0:
                J[k, 0], D[k, 0], skip[k, 0] = J[k - 1, -1], D[k - 1, -1], skip[k - 1, -1]
                continue
            tau = min(knots[k] + x[m] * (knots[k + 1] - knots[k]), path.tau_max)
            at = terms(float(tau), path.state(tau))
            J[k, m], D[k, m], skip[k, m] = at.jacobian, 2 * eta * at.noise, 2 * eta * at.skip_noise
            count += 1
    C, B = np.zeros((panels + 1, size, size)), np.zeros(panels + 1)
    if initial == "drawn":
        C[0] = initial_covariance(problem, layout)
    view = SimpleNamespace(knots=knots, jacobian=J, noise=D, skip=skip, layout=layout)
    for k in range(panels):
        _, C[k + 1], B[k + 1] = propagate(view, k, knots[k], knots[k + 1], C[k], float(B[k]))
    rules = tuple((r.kind, r.nodes) for r in (terms.rule, terms.noise_rule))
    return Fluctuations(
        knots=knots, jacobian=J, noise=D, covariances=C, skip=skip, skip_variances=B,
        atoms=layout.atoms, p=layout.p, K=layout.K, parameters=layout.parameters, centroids=path.centroids,
        initial=initial, rule=name, rules=rules, evaluations=count, seconds=time.perf_counter() - start, version=__version__,
    )  # fmt: skip
