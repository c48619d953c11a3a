"""The training flow as a vector field: where a state can move, the field's Jacobian there, and its roots by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...common.input.checks import InputError, integer
from ...common.numerics.algebra.gram import NULL, TINY, present
from ...common.numerics.quadrature.expectations import Rule, ladder
from ..equations.derivative.drift import Drift
from ..equations.integration.integrate import initial_state, kernels_of, scale_of, without_nodes
from ..equations.integration.nodes import UNUSED
from ..equations.integration.stepping import finite
from ..model.problem import Problem

#: Displacement of the differences of fourth order, in units of 1 + |y|; with a kink fixed nodes leave steps in the drift.
STEP, KINK_STEP = 1e-3, 3e-2
#: Most order parameters that can move: Jacobians are dense and taken by differences.
LARGEST = 300
#: A root: |dy/dτ| below this, in units of 1 + |y|.
ROOT = 1e-11
#: The next Newton step at a root is below this, in the same units.
MOVES = 1e-8
#: Most steps of Newton's method, the longest step in units of 1 + |y|, and the most halvings of one.
STEPS, LONGEST, HALVINGS = 40, 0.5, 12

#: From so many fields (over pairs of times: twice those of the encoders) on product rules are expensive, and roots are known to this
#: only; to that over pairs of times from so many on.
MANY, MANY_KNOWN, MOST, MOST_KNOWN = 3, 1e-6, 6, 1e-3
#: Nodes in one direction of such rules over pairs, and the most nodes of one.
PAIRED, LARGEST_RULE = (4, 5, 6, 8, 12, 16, 20, 24), 130_000
#: The search is made with so many nodes in one direction.
SEARCHED = 32
#: Smallest singular value of a Jacobian, in units of the largest, of a fixed point that stands alone.
ISOLATED = 1e-3
#: A step that leaves more than this share of the drift asks for a new Jacobian.
SLOW = 0.2
#: Gauss–Hermite nodes of one variable up to which there are equally spaced ones instead, their numbers, and how far they reach.
WIDE, TRAPEZOIDS, REACH = 160, (801, 3201, 12801), 11.0

#: Weights of f(y + k h) − f(y), over h: k = 1 … 4 forward, and k = ±1, ±2.
_FORWARD = ((1, 4.0), (2, -3.0), (3, 4.0 / 3.0), (4, -0.25))
_CENTRAL = ((-2, 1.0 / 12.0), (-1, -2.0 / 3.0), (1, 2.0 / 3.0), (2, -1.0 / 12.0))


@dataclass(frozen=True)
class Trapezoid(Rule):
    """Equally spaced nodes over one Gaussian variable: where a field is wide against what a network does with it.

    A trapezoidal sum converges geometrically in its spacing; Gauss–Hermite nodes of the same density reach far beyond where
    there is any weight (tanh of a field of standard deviation 4 needs more than 800 of them).
    """

    def __post_init__(self) -> None:
        integer("rule.nodes", self.nodes, at_least=3)

    def points(self, dimension: int) -> tuple[np.ndarray, np.ndarray]:
        """``(z, w)``: nodes (N, 1) and weights (N,) that sum to one."""
        z = np.linspace(-REACH, REACH, self.nodes)
        w = np.exp(-z * z / 2)
        return np.ascontiguousarray(z[:, None]), w / w.sum()


def rungs(problem: Problem) -> list[tuple[Rule, Rule]]:
    """Expectations from cheap to accurate, (rule at one time, rule for pairs of times); one rung where nothing needs nodes."""
    kernels = kernels_of(problem)
    if without_nodes(problem, kernels):
        return [(UNUSED, UNUSED)]
    n, kink = len(kernels.encoders), not kernels.smooth
    single = [r for r in ladder(n, kink=kink) if r.kind == "sobol" or r.nodes >= (16 if n < MANY else 8)]
    if n >= MANY and not kink:
        # Points of Sobol' are too rough to confirm a root.
        single = [r for r in single if r.kind == "hermite"]
    if n == 1 and not kink:
        single = [r for r in single if r.nodes <= WIDE] + [Trapezoid("trapezoid", k) for k in TRAPEZOIDS]
    if "moments" in kernels.exact:
        single = [UNUSED]
    pairs = single[:1]
    if problem.training.shares_samples and "noise" not in kernels.exact:
        pairs = [r for r in ladder(2 * n, kink=kink, largest=100_000) if r.kind == "sobol" or r.nodes >= 12]
        if 2 * n >= MANY and not kink:
            # No points of Sobol' here either: the search goes by the coarsest, which the next ones confirm.
            rules = [Rule("hermite", k) for k in PAIRED if k >= 8 or 2 * n >= MOST]
            few = [r for r in rules if r.nodes ** (2 * n) <= 2_000_000 and r.size(2 * n) <= LARGEST_RULE]
            searched = sum(r.nodes < SEARCHED for r in single) if n < MANY else 0
            pairs = [few[0]] * searched + few if few else pairs
    count = max(len(single), len(pairs))
    return [(single[min(k, len(single) - 1)], pairs[min(k, len(pairs) - 1)]) for k in range(count)]


def known_to(problem: Problem, wanted: float) -> float:
    """The accuracy that product rules can give of what is wanted."""
    kernels = kernels_of(problem)
    n = len(kernels.encoders)
    paired = problem.training.shares_samples and "noise" not in kernels.exact and not without_nodes(problem, kernels)
    if paired and 2 * n >= MOST:
        return max(wanted, MOST_KNOWN)
    return max(wanted, MANY_KNOWN) if n >= MANY or (paired and 2 * n >= MANY) else wanted


@lru_cache(maxsize=8)
def _symmetric_pairs(p: int) -> tuple[tuple[int, int], ...]:
    return tuple((a, c) for a in range(p) for c in range(a, p))


class Flow:
    """dy/dτ = f(y) of a problem at one training time, on the directions in which a state can move.

    Parameters
    ----------
    problem : Problem
    rules : (Rule, Rule)
        At one time, and for pairs of times.
    tau : float, optional
        Training time whose rates are taken; default the end of the training.

    Attributes
    ----------
    basis : (size, n)
        Directions in which a state can move, orthogonal columns: Θ(s) in the range of T(s), the upper triangle of q(s), b and κ,
        of vectors that are trained.
    """

    def __init__(self, problem: Problem, rules: tuple[Rule, Rule], tau: float | None = None) -> None:
        self.problem, self.rules = problem, rules
        self.tau = problem.training.tau if tau is None else tau
        self.drift = Drift(problem, kernels_of(problem), *rules)
        self.layout, given = self.drift.layout, self.drift.coefficients
        self.start = initial_state(problem, self.drift)
        self.drift.hold(self.start)
        self.held = {s for s, _ in self.drift.held}
        self.scale = scale_of(problem)
        self._guarded = finite(self.drift)
        layout, trained = self.layout, given.rho > 0
        self.trained = trained
        values, vectors = np.linalg.eigh(given.T)
        columns: list[np.ndarray] = []
        for s in range(layout.atoms):
            along = np.kron(np.eye(layout.p)[:, trained], vectors[s][:, present(values[s])])
            block = np.zeros((layout.size, along.shape[1]))
            block[layout.theta(s)] = along
            columns.append(block)
            if s not in self.held:
                moving = [k for k, (a, c) in enumerate(_symmetric_pairs(layout.p)) if trained[a] or trained[c]]
                block = np.zeros((layout.size, len(moving)))
                block[layout.q(s)][moving, range(len(moving))] = 1.0
                columns.append(block)
        rest = np.eye(layout.size)[:, layout.at_b :]
        columns.append(rest if given.rho_b > 0 else rest[:, layout.basis :])
        self.basis = np.concatenate(columns, axis=1)
        if self.basis.shape[1] > LARGEST:
            raise InputError(
                f"target: {self.basis.shape[1]} order parameters over {layout.atoms} atoms; fixed points and escapes are available "
                f"up to {LARGEST}"
            )

    def finer(self, rules: tuple[Rule, Rule]) -> Flow:
        """The same with other expectations."""
        return Flow(self.problem, rules, self.tau)

    def __call__(self, y: np.ndarray) -> np.ndarray:
        """dy/dτ; not-a-number where there is none."""
        return self._guarded(self.tau, y)

    def at(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ at another training time."""
        return self._guarded(tau, y)

    def settled_skip(self) -> Any:
        """b_∞: db/dτ is linear in b and free of the weights; the start's b where it is not trained."""
        first, basis, y = self.layout.at_b, self.layout.basis, self.start.copy()
        at, b = slice(first, first + basis), self.start[first : first + basis]
        if self.drift.coefficients.rho_b > 0:
            y[at] = 0.0
            constant = self(y)[at]
            matrix = np.empty((basis, basis))
            for k in range(basis):
                y[at] = np.eye(basis)[k]
                matrix[:, k] = self(y)[at] - constant
            if np.any(matrix):
                b = np.linalg.lstsq(matrix, -constant, rcond=1e-12)[0]
        return float(b[0]) if basis == 1 else b

    def jacobian(self, y: np.ndarray) -> np.ndarray:
        """∂f/∂y on the moving directions, (n, n), by differences of fourth order.

        q can only grow where it is singular: the drift is differentiated along positive semi-definite directions, forward
        where there is no room behind.
        """
        layout = self.layout
        h = (KINK_STEP if self.drift.kernels.kink else STEP) * (1.0 + float(np.max(np.abs(y))))
        base, full = self(y), np.zeros((layout.size, layout.size))
        _, q, _, _ = layout.unpack(y)
        for s in range(layout.atoms):
            for k in range(layout.theta(s).start, layout.theta(s).stop):
                full[:, k] = self._along(y, base, np.eye(layout.size)[k], h, _CENTRAL)
            if s in self.held:
                continue
            room = np.linalg.eigvalsh(q[s])[0] > 8 * h
            first = layout.q(s).start
            of: dict[tuple[int, int], np.ndarray] = {}
            for a, c in sorted(_symmetric_pairs(layout.p), key=lambda pair: pair[0] != pair[1]):
                vector = np.zeros(layout.p)
                vector[[a, c]] = 1.0
                step = np.zeros(layout.size)
                step[layout.q(s)] = np.outer(vector, vector)[layout.upper]
                of[a, c] = self._along(y, base, step, h, _CENTRAL if room else _FORWARD)
                if a != c:
                    of[a, c] = of[a, c] - of[a, a] - of[c, c]
            for k, pair in enumerate(_symmetric_pairs(layout.p)):
                full[:, first + k] = of[pair]
        for k in range(layout.at_b, layout.size):
            full[:, k] = self._along(y, base, np.eye(layout.size)[k], h, _CENTRAL)
        return np.asarray(self.basis.T @ full @ self.basis)

    def _along(
        self, y: np.ndarray, base: np.ndarray, step: np.ndarray, h: float, weights: tuple[tuple[int, float], ...]
    ) -> np.ndarray:
        total = np.zeros_like(y)
        for k, weight in weights:
            total += weight * (self(y + k * h * step) - base)
        return total / h

    def room(self, y: np.ndarray) -> float:
        """Smallest eigenvalue of q(s) − Θ(s) T(s)⁺ Θ(s)ᵀ over the atoms that are not held: below 0 no weights have these overlaps."""
        return min((float(v[0]) for v, _ in self._rest(y).values()), default=0.0)

    def _rest(self, y: np.ndarray) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        theta, q, _, _ = self.layout.unpack(y)
        found = {}
        for s, T in enumerate(self.drift.coefficients.T):
            if s not in self.held:
                lift = np.linalg.pinv(T, rcond=NULL, hermitian=True)
                values, vectors = np.linalg.eigh(q[s] - theta[s] @ lift @ theta[s].T)
                found[s] = values, vectors
        return found

    def physical(self, y: np.ndarray) -> np.ndarray:
        """The nearest state that some weights have: Θ kept, what q has beyond it made positive semi-definite."""
        theta, q, b, kappa = self.layout.unpack(y)
        for s, (values, vectors) in self._rest(y).items():
            if values[0] < 0:
                q[s] = q[s] - (vectors * np.minimum(values, 0.0)) @ vectors.T
        for s, lift in self.drift.held:
            q[s] = theta[s] @ lift @ theta[s].T
        return self.layout.pack(theta, q, b, kappa)

    def root(self, y: np.ndarray, near: np.ndarray | None = None) -> np.ndarray | None:
        """A fixed point from ``y`` by damped Newton steps inside the physical states; None where they find none.

        A Jacobian ``near`` that is known serves as long as steps by it gain; a root by a Jacobian of elsewhere is looked at anew.
        """
        y = self.physical(y)
        f = self(y)
        J, fresh = near, False
        for _ in range(STEPS):
            if not np.all(np.isfinite(f)):
                return None
            size = 1.0 + float(np.max(np.abs(y)))
            if J is None:
                J, fresh = self.jacobian(y), True
            if not np.all(np.isfinite(J)):
                return None
            # Families of fixed points (rotations of units) leave null directions: the shortest step.
            step = self.basis @ np.linalg.lstsq(J, -self.basis.T @ f, rcond=1e-9)[0]
            longest = float(np.max(np.abs(step)))
            # Close in value and in place: at a bifurcation a small rate of change is not enough.
            if self._small(f, size) and longest < MOVES * size:
                if fresh or self._isolated(J):
                    return y
                J = None
                continue
            step *= min(1.0, LONGEST * size / max(longest, TINY))
            for _ in range(HALVINGS):
                trial = self.physical(y + step)
                value = self(trial)
                if np.all(np.isfinite(value)) and np.linalg.norm(value) < np.linalg.norm(f):
                    break
                step = step / 2
            else:
                if not fresh:
                    J = None
                    continue
                return y if self._small(f, 1e3 * size) else None
            gained = float(np.linalg.norm(value)) < SLOW * float(np.linalg.norm(f))
            y, f, J, fresh = trial, value, J if gained else None, False
        return y if self._small(f, 1.0 + float(np.max(np.abs(y)))) else None

    @staticmethod
    def _isolated(J: np.ndarray) -> bool:
        """Whether a Jacobian is far from singular: then a small rate of change is close to a root."""
        values = np.linalg.svd(J, compute_uv=False)
        return bool(values[-1] > ISOLATED * values[0])

    def _small(self, f: np.ndarray, size: float) -> bool:
        return float(np.max(np.abs(self.basis.T @ f))) < ROOT * size
