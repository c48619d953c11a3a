"""How deviations from a path grow: rates, amplification of errors, and the time at which runs at dimension d leave it.

Along the path the drift's Jacobian J gives the tangent propagator Φ(τ, s): what a deviation at s has become at τ. Its largest
norm multiplies every error made on the way (rounding, integrator, expectations), and what it makes of the noise of SGD,
dC/dτ = J C + C Jᵀ + noise, says when runs leave the path: a symmetric path through a saddle is exact at d → ∞ and the path of
no run at any finite d. `fluctuations` has C itself; here the noise is isotropic, read off dq/dτ, and C right to some 20 %.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..common.results import to_builtin
from .drift import Drift, Layout

#: Points of the path at which J is taken: evenly in what the state has moved, at halved τ, and where the rate still changes
#: the growth by more than `RESOLVED` between two of them.
MOVED, HALVED, MORE, RESOLVED = 6, 4, 8, 1.0
#: Up to this many order parameters J is taken whole; above, its growth is looked for in a Krylov space of this many vectors.
WHOLE, KRYLOV = 64, 8
#: Displacement of the differences, in units of 1 + |y|; with a kink and fixed nodes the drift is only piecewise smooth.
STEP, KINK_STEP = 1e-5, 1e-3
#: Runs have left the path where their spread is this share of the order parameters.
LEFT = 0.5
#: Growth by less than this since the path was last stable is not called a saddle.
GROWN = float(np.e)
#: A path at rest, not on its way along the growing direction, moves less than this share of the growth.
AT_REST = 0.1
#: Growth exponent of one part of τ, the most parts between two nodes, and the exponent beyond which all is the same.
PART, MOST_PARTS, LARGEST_GROWTH = 0.5, 200, 200.0


@dataclass(frozen=True)
class Stability:
    """Growth of deviations along a path.

    Attributes
    ----------
    tau : (nodes,)
        Training times at which the Jacobian was taken.
    rate : (nodes,)
        Largest growth rate per τ there.
    gain : (nodes,)
        log of the largest norm of the tangent propagator that ends there.
    spread : (nodes,)
        √d × standard deviation of one run along its widest direction (empty where there are too many order parameters).
    scale : (nodes,)
        Norm of the order parameters, at least a quarter of its largest value.
    direction : tuple of str
        Order parameters along which deviations grow at the end.
    speed : float
        Relative speed ‖dy/dτ‖/‖y‖ of the path itself at its end.
    start : bool
        Whether Θ = 0 for ever.
    asleep : tuple of int
        Hidden vectors (counted from 1) that start at zero and stay there, in every run.
    """

    tau: np.ndarray = field(default_factory=lambda: np.zeros(0))
    rate: np.ndarray = field(default_factory=lambda: np.zeros(0))
    gain: np.ndarray = field(default_factory=lambda: np.zeros(0))
    spread: np.ndarray = field(default_factory=lambda: np.zeros(0))
    scale: np.ndarray = field(default_factory=lambda: np.zeros(0))
    direction: tuple[str, ...] = ()
    speed: float = 0.0
    start: bool = False
    asleep: tuple[int, ...] = ()

    def stored(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: to_builtin(value) for name, value in vars(self).items()}

    @classmethod
    def restored(cls, stored: dict[str, Any]) -> Stability:
        """Inverse of `stored` (of nothing: nothing is known)."""
        arrays = ("tau", "rate", "gain", "spread", "scale")
        fields = {k: np.asarray(v, dtype=np.float64) if k in arrays else v for k, v in stored.items()}
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})

    @property
    def amplification(self) -> float:
        """Largest factor by which an error made on the path can have grown."""
        return float(np.exp(min(np.max(self.gain, initial=0.0), 700.0)))

    @property
    def saddle(self) -> bool:
        """Whether deviations grow at the end of the path, and have done so for more than one factor of e."""
        if len(self.tau) < 2 or self.rate[-1] <= 0:
            return False
        first = self._last_stable
        steps = np.diff(self.tau[first:]) * (np.maximum(self.rate[first:-1], 0) + self.rate[first + 1 :]) / 2
        settled = self.start or first > 0 or self.speed < AT_REST * self.rate[-1]
        return bool(settled and steps.sum() > np.log(GROWN))

    @property
    def _last_stable(self) -> int:
        stable = np.flatnonzero(self.rate <= 0)
        return int(stable[-1]) if len(stable) else 0

    def departure(self, dimension: float) -> float | None:
        """τ from which runs at dimension d are not near the path any more; None if they stay (or it is not known)."""
        if not len(self.spread):
            return None
        first = self._last_stable if self.saddle else 0
        ratio = np.divide(self.spread, LEFT * self.scale, out=np.zeros_like(self.spread), where=self.scale > 0)
        excess = np.log(np.maximum(ratio / np.sqrt(dimension), 1e-300))
        above = first + np.flatnonzero(excess[first:] > 0)
        if not len(above):
            return None
        k = int(above[0])
        if k == 0:
            return float(self.tau[0])
        # Growth is exponential: between two nodes the logarithm is linear (or the first node is without spread).
        if excess[k - 1] < -600:
            return float(self.tau[k])
        part = -excess[k - 1] / (excess[k] - excess[k - 1])
        return float(self.tau[k - 1] + np.clip(part, 0, 1) * (self.tau[k] - self.tau[k - 1]))

    def to_table(self, dimension: float) -> dict[str, Any]:
        """The JSON of ``stability``."""
        kind = "saddle" if self.saddle else "passage" if self.departure(dimension) is not None else ""
        return {
            "kind": kind or ("unknown" if not len(self.tau) else "stable" if self.rate[-1] <= 0 else "growing"),
            "rate": float(self.rate[-1]) if len(self.tau) else None,
            "amplification": self.amplification if len(self.tau) else None,
            "direction": list(self.direction) if self.saddle else [],
            "departure": self.departure(dimension),
            "dimension": dimension,
            "message": self.message(dimension) or None,
        }

    def message(self, dimension: float) -> str:
        """One line that says what is unstable, when runs notice and what to do; empty if nothing is."""
        asleep = ""
        if self.asleep:
            asleep = (
                f"weight vector {', '.join(map(str, self.asleep))} of the stack starts at zero and stays there, in theory and in every run "
                "(denoiser.init gives them a start)"
            )
        if not self.saddle:
            left = self.departure(dimension)
            if left is None:
                return asleep
            text = (
                f"runs at d = {dimension:g} are scattered widely around the path from near tau = {left:.3g} on (deviations are "
                f"amplified by up to {self.amplification:.3g}): take a larger dimension, smaller rates, or start from one drawn "
                "weight matrix (denoiser.init.realisation = 0)"
            )
            return "; ".join(x for x in (text, asleep) if x)
        what = "the start is a saddle (Theta = 0 for ever)" if self.start else "the path is a saddle"
        text = f"{what}: deviations in {', '.join(self.direction)} grow at {self.rate[-1]:+.4f} per tau"
        fastest = float(np.max(self.rate[self._last_stable :]))
        if fastest > 1.5 * self.rate[-1]:
            text += f" at the end (up to {fastest:+.4g} before)"
        left = self.departure(dimension)
        if left is not None:
            text += f"; runs at d = {dimension:g} leave it near tau = {left:.3g}"
        elif len(self.spread):
            text += f"; runs at d = {dimension:g} stay near it up to tau = {self.tau[-1]:.3g}"
        advice = "start from one drawn weight matrix, which has a direction (denoiser.init.realisation = 0)"
        if left is not None and not self.start:
            advice = f"compare up to there, or {advice}"
        return "; ".join(x for x in (f"{text}: {advice}" if left is not None or self.start else text, asleep) if x)


def _nodes(knots: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Indices of the knots at which J is taken."""
    moved = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(states, axis=0), axis=1))])
    wanted = [np.searchsorted(moved, np.linspace(0, moved[-1], MOVED))]
    wanted.append(np.searchsorted(knots, knots[-1] * 0.5 ** np.arange(HALVED)))
    return np.unique(np.clip(np.concatenate(wanted), 0, len(knots) - 1))


def _label(layout: Layout, vector: np.ndarray) -> tuple[str, ...]:
    """The order parameters that carry a direction: those above half of the largest entry."""
    theta, q, b, _ = layout.unpack(vector)
    names: list[tuple[float, str]] = [(abs(float(b)), "b")]
    names += [(abs(v), f"Theta_{a + 1}{k + 1}") for (a, k), v in np.ndenumerate(theta.sum(axis=0))]
    names += [(abs(v), f"Q_{a + 1}{c + 1}") for (a, c), v in np.ndenumerate(q.sum(axis=0)) if a <= c]
    largest = max(size for size, _ in names)
    return tuple(name for size, name in sorted(names, key=lambda x: -x[0]) if size > 0.5 * largest)[:4]


class _Tangent:
    """J of a drift by the clock of the rates, on the directions in which a state can move (orthonormal, a sparse matrix's columns)."""

    def __init__(self, drift: Drift, ever: np.ndarray) -> None:
        from scipy.sparse import block_diag, csc_array

        self.drift = copy.copy(drift)
        self.rates(1.0)
        self.step = KINK_STEP if drift.kernels.kink else STEP
        layout = drift.layout
        held = {s for s, _ in drift._held}
        i, j = layout.upper
        values, vectors = np.linalg.eigh(drift._overlaps)
        blocks: list[Any] = []
        for s in range(layout.atoms):
            # Θ(s) lies in the range of T(s); units that start at zero stay there.
            kept = values[s] > 1e-12 * max(float(values[s, -1]), 1e-300)
            blocks.append(np.kron(np.eye(layout.p)[:, ever], vectors[s][:, kept]))
        pairs = np.eye(len(i))[:, ever[i] & ever[j]]
        # Where the weights lie in the span of the reference directions, q follows Θ.
        blocks += [np.zeros((len(i), 0)) if s in held else pairs for s in range(layout.atoms)]
        blocks.append(np.eye(1 + layout.parameters))
        self.basis = csc_array(block_diag(blocks))
        self.size = int(self.basis.shape[1])

    def rates(self, s: float) -> None:
        """Take the factor s on all learning rates (where they stand still, that of nearby is as good as any: 1)."""
        s = s if s > 0 else 1.0
        self.drift.rate_schedule = None if s == 1.0 else lambda tau: s
        self.clock = s * (1 + s) / 2

    def slopes(self, y: np.ndarray, base: np.ndarray, directions: np.ndarray) -> np.ndarray:
        """J times each row of ``directions``."""
        h = self.step * (1 + np.max(np.abs(y)))
        out = np.empty_like(directions)
        for k, direction in enumerate(directions):
            out[k] = self.basis.T @ (self.drift(0.0, y + h * (self.basis @ direction)) - base) / h
        return out / self.clock

    def jacobian(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """J and the covariance of the noise (times d), both per unit of the clock."""
        base = self.drift(0.0, y)
        return self.slopes(y, base, np.eye(self.size)).T, self.noise(y, base) / self.clock

    def noise(self, y: np.ndarray, base: np.ndarray) -> np.ndarray:
        """d × covariance per τ of the noise of SGD, as if a step moved the weights alike in all directions.

        With increments of w_a and w_b of covariance N_ab, read off the part of dq/dτ that is quadratic in the learning rate,
        Cov(Θ_ak, Θ_bl) = N_ab T_kl, and so on with q by the product rule.
        """
        layout, quiet = self.drift.layout, copy.copy(self.drift)
        quiet.eta = 0.0
        _, extra, _, _ = layout.unpack(base - quiet(0.0, y))
        theta, q, _, _ = layout.unpack(y)
        N = extra.sum(axis=0) / max(float(self.drift.mass.sum()), 1e-300)
        p, K, (i, j) = layout.p, layout.K, layout.upper
        D = np.zeros((layout.size, layout.size))
        for s, T in enumerate(self.drift._overlaps):
            at_theta = slice(s * p * K, (s + 1) * p * K)
            at_q = slice(layout.sizes[0] + s * len(i), layout.sizes[0] + (s + 1) * len(i))
            D[at_theta, at_theta] = np.kron(N, T)
            cross = np.einsum("ac,dk->akcd", N, theta[s]) + np.einsum("ad,ck->akcd", N, theta[s])
            D[at_theta, at_q] = cross[:, :, i, j].reshape(p * K, len(i))
            D[at_q, at_theta] = D[at_theta, at_q].T
            half = np.einsum("ac,be->abce", N, q[s]) + np.einsum("ae,bc->abce", N, q[s])
            D[at_q, at_q] = (half + half.transpose(1, 0, 2, 3))[i, j][:, i, j]
        return np.asarray(self.basis.T @ (self.basis.T @ D).T)


def _krylov(tangent: _Tangent, y: np.ndarray, base: np.ndarray) -> float:
    """Largest real part of J's eigenvalues as a few vectors see it."""
    n = tangent.size
    basis = np.zeros((KRYLOV + 1, n))
    basis[0] = np.random.default_rng(0).standard_normal(n)
    basis[0] /= np.linalg.norm(basis[0])
    H = np.zeros((KRYLOV + 1, KRYLOV))
    for k in range(KRYLOV):
        image = tangent.slopes(y, base, basis[k : k + 1])[0]
        for _ in range(2):
            along = basis[: k + 1] @ image
            H[: k + 1, k] += along
            image = image - along @ basis[: k + 1]
        H[k + 1, k] = np.linalg.norm(image)
        if H[k + 1, k] < 1e-10:
            return float(np.linalg.eigvals(H[: k + 1, : k + 1]).real.max())
        basis[k + 1] = image / H[k + 1, k]
    return float(np.linalg.eigvals(H[:-1]).real.max())


def _exponentials(A: np.ndarray, D: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """U = e^A and ∫₀¹ e^{sA} D e^{sAᵀ} ds of stacks of matrices: Taylor's series of a small part, doubled."""
    size = float(np.max(np.abs(A).sum(axis=-1), initial=0.0))
    doublings = max(0, int(np.ceil(np.log2(max(size / 0.25, 1e-300)))))
    A, D = A / 2.0**doublings, D / 2.0**doublings
    U, term, one, N = np.eye(A.shape[-1]), np.eye(A.shape[-1]), D, D
    for k in range(1, 7):
        term = term @ A / k
        U = U + term
        one = (A @ one + one @ np.swapaxes(A, -1, -2)) / (k + 1)
        N = N + one
    for _ in range(doublings):
        N = N + U @ N @ np.swapaxes(U, -1, -2)
        U = U @ U
    return U, N


def _propagate(J: np.ndarray, clock: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places between the nodes (0, 1, …; fractions between), log of the largest norm of Φ and √(largest eigenvalue of C) there.

    J and the noise are taken as linear between the nodes, on parts in which nothing grows by more than `PART`.
    """
    lengths = np.diff(clock)
    growth = np.linalg.eigvals(J).real.max(axis=1)
    wanted = np.maximum(growth[:-1], growth[1:]) * lengths / PART
    parts = np.clip(np.ceil(wanted), 1, MOST_PARTS).astype(int)
    place = np.concatenate([[0.0], *[k + np.arange(1, m + 1) / m for k, m in enumerate(parts)]])
    middle = (place[1:] + place[:-1]) / 2
    index, share = middle.astype(int), (middle % 1)
    length = np.repeat(lengths / parts, parts)
    A = ((1 - share)[:, None, None] * J[index] + share[:, None, None] * J[index + 1]) * length[:, None, None]
    D = ((1 - share)[:, None, None] * noise[index] + share[:, None, None] * noise[index + 1]) * length[:, None, None]
    # More growth than this in one part is beyond all numbers: it says the same if it is less.
    strongest = np.linalg.eigvals(A).real.max(axis=1)
    A = A * np.minimum(1.0, LARGEST_GROWTH / np.maximum(strongest, 1e-300))[:, None, None]
    U, N = _exponentials(A, D)
    gain, spread = np.zeros(len(place)), np.zeros(len(place))
    starts, factors = np.zeros((0, *J.shape[1:])), np.zeros(0)
    C, logarithm = np.zeros(J.shape[1:]), 0.0
    for k in range(len(U)):
        if place[k] == round(place[k]):
            starts, factors = np.concatenate([starts, np.eye(J.shape[1])[None]]), np.append(factors, 0.0)
        starts = U[k] @ starts
        sizes = np.maximum(np.linalg.norm(starts, 2, axis=(1, 2)), 1e-300)
        starts, factors = starts / sizes[:, None, None], factors + np.log(sizes)
        gain[k + 1] = max(0.0, float(factors.max()))
        C = U[k] @ C @ U[k].T + N[k] * np.exp(-logarithm)
        top = max(float(np.linalg.eigvalsh((C + C.T) / 2)[-1]), 1e-300)
        spread[k + 1] = np.exp(min((np.log(top) + logarithm) / 2, 600.0))
        if top > 1e60:
            C, logarithm = C / top, logarithm + np.log(top)
    return place, gain, spread


def analyse(knots: np.ndarray, states: np.ndarray, drift: Drift, exact: Drift, schedule: Any) -> Stability:
    """Stability of a path through ``states`` at ``knots``.

    Parameters
    ----------
    knots, states : (n,), (n, size)
    drift : Drift
        A cheap one, right to a few per cent: its Jacobian is taken.
    exact : Drift
        That of the path: the rate at the end of a saddle is its own.
    schedule : RateSchedule or None
    """
    layout = drift.layout
    theta, q, _, _ = layout.unpack(states)
    ever = np.max(np.abs(np.diagonal(q.sum(axis=1), axis1=1, axis2=2)), axis=0) > 0
    asleep = tuple(int(a) + 1 for a in np.flatnonzero(~ever))
    clocks = knots if schedule is None else np.asarray(schedule.clock(knots))
    tangent = _Tangent(drift, ever)
    norm = np.linalg.norm(states[:, : sum(layout.sizes)], axis=1)
    scales = np.maximum(norm, norm.max() / 4)
    start = bool(theta.size and np.max(np.abs(theta)) < 1e-9 * norm.max())
    moving = float(np.linalg.norm(exact(float(knots[-1]), states[-1])) / max(np.linalg.norm(states[-1]), 1e-300))
    kept = [int(k) for k in _nodes(knots, states)]
    if tangent.size > WHOLE:
        some = np.unique(np.array(kept)[np.linspace(0, len(kept) - 1, 4).round().astype(int)])
        rates = np.array([_krylov(tangent, states[k], tangent.drift(0.0, states[k])) for k in some])
        rate, clock = np.interp(clocks[kept], clocks[some], rates), clocks[kept]
        total = np.concatenate([[0.0], np.cumsum(np.diff(clock) * (rate[1:] + rate[:-1]) / 2)])
        gain = total - np.minimum.accumulate(total)
        rate = rate * _speed(schedule, knots[kept])
        return Stability(knots[kept], rate, gain, np.zeros(0), scales[kept], (), moving, start, asleep)
    found: dict[int, tuple[np.ndarray, np.ndarray, float]] = {}

    def look(k: int) -> None:
        if schedule is not None:
            tangent.rates(float(schedule(knots[k])))
        J, noise = tangent.jacobian(states[k])
        found[k] = J, noise, float(np.linalg.eigvals(J).real.max())

    for k in kept:
        look(k)
    for _ in range(MORE):
        ends = [(a, b) for a, b in zip(kept, kept[1:], strict=False) if b > a + 1]
        growth = [
            abs(found[b][2] - found[a][2]) * (clocks[b] - clocks[a]) if max(found[a][2], found[b][2]) > 0 else 0.0
            for a, b in ends
        ]
        if not ends or max(growth) < RESOLVED:
            break
        a, b = ends[int(np.argmax(growth))]
        middle = int(np.clip(np.searchsorted(clocks, (clocks[a] + clocks[b]) / 2), a + 1, b - 1))
        look(middle)
        kept = sorted([*kept, middle])
    tau, clock = knots[kept], clocks[kept]
    J, noise = np.array([found[k][0] for k in kept]), np.array([found[k][1] for k in kept])
    if found[kept[-1]][2] > 0 and exact is not drift:
        own = _Tangent(exact, ever)
        if schedule is not None:
            own.rates(float(schedule(knots[-1])))
        J[-1] = own.jacobian(states[-1])[0]
    values, vectors = np.linalg.eig(J[-1])
    leading = np.asarray(tangent.basis @ vectors[:, int(np.argmax(values.real))].real)
    place, gain, spread = _propagate(J, clock, noise)
    nodes = np.arange(len(tau))
    rate = np.interp(place, nodes, np.linalg.eigvals(J).real.max(axis=1) * _speed(schedule, tau))
    scale = np.interp(place, nodes, scales[kept])
    at = np.interp(place, nodes, tau)
    return Stability(at, rate, gain, spread, scale, _label(layout, leading), moving, start, asleep)


def _speed(schedule: Any, tau: np.ndarray) -> np.ndarray:
    """d clock/dτ."""
    if schedule is None:
        return np.ones(len(tau))
    s = np.array([float(schedule(t)) for t in tau])
    return np.asarray(s * (1 + s) / 2)
