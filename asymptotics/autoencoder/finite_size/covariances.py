"""What is known of the fluctuations along a path: covariances at any two times, standard deviations, answers to sources.

Around the d → ∞ path, Cov(y_τ) = C_τ/d with dC/dτ = J C + C Jᵀ + 2η Cov(Y), where (2η/d) Y is one step's random increment and
J the Jacobian of the drift. The skip connection moves at its own order: Var b = C_bb/d + B/d², with C_bb = 0 unless the
clusters differ in tr Σ or times are drawn at random.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import fail, number
from ...common.numerics.flows.linear_flow import carried
from ...common.numerics.flows.panels import lagrange, lobatto, panel_of
from ...common.numerics.quadrature.expectations import Rule
from ...common.output.plain import printed
from ...common.output.results import Result, dataframe
from ..equations.derivative.layout import Layout
from ..equations.training_path.path import TrainingPath
from ..model.problem import Problem
from ..model.training.optimiser import averages_of
from .linear_noise.terms import Evaluation, Terms

#: Nodes at which J and Cov(Y) are computed in every panel of τ (ends shared).
NODES = 4


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
        p of all stacked vectors; see `asymptotics.autoencoder.equations.derivative.layout.Layout`.
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

    @property
    def nodes(self) -> np.ndarray:
        """Every τ at which J and Cov(Y) are known, ends of the panels once."""
        inner = self.knots[:-1, None] + lobatto(NODES)[:-1] * np.diff(self.knots)[:, None]
        return np.append(inner.ravel(), self.knots[-1])

    def by_panels(self, values: np.ndarray) -> np.ndarray:
        """Values at the `nodes` as (panels, NODES, …): the last node of a panel is the first of the next."""
        return np.asarray(values[(NODES - 1) * np.arange(len(self.knots) - 1)[:, None] + np.arange(NODES)])

    def evaluations_of(self, path: TrainingPath) -> Evaluation:
        """J, Cov(Y) and the samples at all `nodes`."""
        if "_evaluated" not in self.__dict__:
            taus = np.minimum(self.nodes, path.tau_max)
            self.__dict__["_evaluated"] = self.terms(path.problem).along(taus, path.state(taus))
        kept: Evaluation = self.__dict__["_evaluated"]
        return kept

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
            U = self.propagator(k, tau, end) @ U
            tau, k = end, min(k + 1, len(self.jacobian) - 1)
        return C @ U.T, B @ U[np.ix_(self.skips, self.skips)].T

    def propagator(self, k: int, start: float, end: float) -> np.ndarray:
        """∂y(end)/∂y(start) inside panel k."""
        return self._carried(k, start, end, np.eye(self.layout.size), None, False)

    def moved(self, k: int, end: float, m: np.ndarray, source: np.ndarray) -> np.ndarray:
        """m at ``end`` from that at the first knot of panel k: dm/dτ = J m + source, given at the nodes of the panel."""
        return self._carried(k, float(self.knots[k]), end, m[:, None], source[..., None], False)[:, 0]

    def _carried(
        self,
        k: int,
        start: float,
        end: float,
        y: np.ndarray,
        source: np.ndarray | None,
        both: bool,
        at: np.ndarray | None = None,
    ) -> np.ndarray:
        """y at ``end`` from that at ``start`` inside panel k: dy/dτ = J y (+ y Jᵀ) + source; of the entries ``at``."""
        if end <= start:
            return y
        left, width = self.knots[k], self.knots[k + 1] - self.knots[k]
        J, stiffness = self.jacobian[k], float(np.max(np.abs(self.jacobian[k]).sum(axis=2)))
        if self.averages:
            rows = np.abs(self.following).sum(axis=2).max(axis=1)
            stiffness += float(self._gammas(start) @ rows)
        steps = max(1, int(np.ceil((end - start) * stiffness / 0.5)))
        taus = start + (end - start) * np.arange(2 * steps + 1) / (2 * steps)
        # As it is, and not interpolated: γ may be (1 + k)/τ.
        gammas = np.array([self._gammas(float(tau)) for tau in taus]) if self.averages else np.zeros((len(taus), 0))
        # Files of 0.1.0 know of no averages.
        following = self.following if self.averages else np.zeros((0, *J.shape[1:]))
        if at is not None:
            J, following = (np.ascontiguousarray(x[:, at[:, None], at]) for x in (J, following))
        return carried(
            np.ascontiguousarray(J), lagrange((taus - left) / width, NODES), np.ascontiguousarray(following), gammas,
            np.zeros((0, *y.shape)) if source is None else np.ascontiguousarray(source), y.copy(), both,
            (end - start) / steps,
        )  # fmt: skip

    def spread(self, k: int, tau: float) -> tuple[np.ndarray, np.ndarray]:
        """C and b's own covariance B at τ in panel k, from those at its first knot."""
        start, skips = float(self.knots[k]), self.skips
        # Files of 0.1.0 have numbers here.
        several = (len(skips), len(skips))
        variance, noise = self.skip_variances[k].reshape(several), self.skip[k].reshape(-1, *several)
        C = self._carried(k, start, tau, self.covariances[k], self.noise[k], True)
        return C, self._carried(k, start, tau, variance, noise, True, skips)

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

    def deviations(self, tau: ArrayLike, dimension: float) -> Deviations:
        """Standard deviations at one τ or several."""
        taus = np.atleast_1d(np.asarray(tau, dtype=np.float64))
        p, K = self.p, self.K
        C = np.array([self.covariance(float(t), dimension) for t in taus])
        variances = np.maximum(np.diagonal(C, axis1=1, axis2=2), 0.0)
        Theta, Q, b, kappa = replace(self.layout, atoms=1).unpack(np.sqrt(variances))
        blocks = C[:, : p * K, : p * K].reshape(-1, p, K, p, K)
        of_means = np.einsum("ck,takal,cl->tac", self.centroids, blocks, self.centroids)
        found = Q[:, 0], Theta[:, 0], np.sqrt(np.maximum(of_means, 0.0)), b, kappa
        return Deviations(tau, *(found if np.ndim(tau) else (x[0] for x in found)))

    def summary(self) -> str:
        """Standard deviations × √d at a few τ."""
        lines = [
            f"fluctuations of the order parameters, standard deviation x sqrt(d) ({self.rule}, {self.initial} start)"
        ]
        for tau in np.linspace(0, self.knots[-1], 5):
            at = self.deviations(float(tau), 1.0)
            lines.append(f"tau = {tau:<8.4g} diag Q {printed(np.diag(at.Q), 4)}  Theta {printed(at.Theta, 4)}")
        return "\n".join(lines)

    def to_dataframe(self, taus: ArrayLike | None = None, dimension: float = 1.0) -> Any:
        """Standard deviations at ``dimension`` as a pandas DataFrame, one row a τ (default 101 of them; needs pandas)."""
        times = np.linspace(0.0, self.knots[-1], 101) if taus is None else np.atleast_1d(taus)
        return dataframe(vars(self.deviations(times, dimension)))
