"""The collapse map Λ → v_{t_f}(b_τ(Λ)): one generation's effect on the variance of all directions that are not followed.

At d → ∞ the skip connection and the variance outside the span of the weights close on themselves, so that collapse of the bulk
is a map of the line: fixed points, their stability and basins follow without solving for the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...common.input.checks import integer, number
from ...common.output.plotting import Drawn
from ...common.output.records import Entries
from ..equations.training_path.relaxation import SkipRelaxation
from ..model.extensions import refuse
from ..model.problem import Problem
from .bulk import BulkVariance
from .orbits import MOST, PERIODS, SETTLED, follow, next_fixed


def _number(b: np.ndarray) -> Any:
    """b as a number where it is one."""
    return float(b) if np.ndim(b) == 0 else b


@dataclass(frozen=True)
class CriticalFraction(Entries):
    """The fraction φ of original data at which collapse stops, and the limit Λ on either side of it.

    They differ where the collapsed fixed point vanishes at once (saddle and node meet) and agree where Λ grows smoothly with φ.
    """

    fraction: float
    below: float
    above: float


@dataclass(frozen=True)
class FixedPoint:
    """A Λ that a generation leaves as it is, the skip connection there, and the factor of a small deviation a generation.

    For fresh weights the factor is d ln f/d ln Λ; for warm ones e + (1 − e) d ln f/d ln Λ, e = exp(−κτ), as the skip
    connection keeps e of its own deviation (of several ψ_k: b is (basis,), and e = exp(−Gτ)). Data that accumulate change Λ by an
    ever smaller share of f(Λ) − Λ.
    """

    Lambda: float
    b: Any
    slope: float
    accumulated: bool = False

    @property
    def stable(self) -> bool:
        """Whether nearby Λ are drawn to it (an alternating deviation grows if slope < −1, unless data accumulate)."""
        return self.slope < 1 and (self.accumulated or self.slope > -1)


class CollapseMap(Drawn):
    r"""f(Λ) = φ Λ₀ + (1 − φ) v_{t_f}(b(Λ)).

    For fresh weights b(Λ) = b_τ(Λ) from b₀: one generation is Λ → f(Λ). With ``generations.start = "warm"`` the skip connection
    goes on from the generation before, so that the state of the chain is the pair (Λ, b); b(Λ) is then the b_∞(Λ) to which
    many generations on the same Λ lead, and f has the chain's fixed points. `iterate`, `attractor`, `limit` and `phase` follow
    the chain itself in all cases.

    Parameters
    ----------
    problem : Problem
        Its target gives Λ₀; ``generations.original`` is φ.
    original : float, optional
        φ instead.

    Notes
    -----
    b_τ = b_∞ + (b₀ − b_∞) e^{−κτ} with κ = Λ E[β²] + E[α²] and κ b_∞ = Λ E[βy₁] + E[αy₀] for a network that predicts
    y₀x₀ + y₁x₁ (of several ψ_k: `asymptotics.autoencoder.equations.training_path.relaxation`); v̇ = 2Δv + 2ε. Both are compiled from
    `derivations.autoencoder.training.skip` and `sampling`. Cui, Pehlevan, Lu, arXiv
    2501.03937; closed forms in `derivations.autoencoder.sampling.collapse`.
    """

    def __init__(self, problem: Problem, original: float | None = None) -> None:
        covered = ("skip", "time", "labels", "weights", "probabilities", "momentum", "optimiser")
        refuse(problem, "the collapse map", covered if problem.generating is not None else (*covered, "ema"))
        self.problem = problem
        phi = problem.generations.original if original is None else original
        self.original = number("original", phi, at_least=0, at_most=1)
        self.start = problem.target.mean_eigenvalue
        self._relaxation = SkipRelaxation(problem)
        self.tau = float(self._relaxation.clock(problem.training.tau))
        self._bulk = BulkVariance(problem)

    @property
    def several(self) -> bool:
        """Whether b has an axis of its own (several ψ_k)."""
        return self._bulk.several

    def skip(self, Lambda: ArrayLike, b0: ArrayLike | None = None) -> np.ndarray:
        """b_τ of a training on a target with mean eigenvalue Λ (…,), from ``b0`` (default: the problem's): (…,) or (…, basis)."""
        return self._trained(self.tau, Lambda, self.initial_skip if b0 is None else b0)

    def _trained(self, clock: float, Lambda: ArrayLike, start: ArrayLike) -> np.ndarray:
        Lambda, start = np.asarray(Lambda, dtype=np.float64), np.asarray(start, dtype=np.float64)
        if not self.problem.denoiser.has_skip:
            return np.zeros(np.broadcast_shapes(Lambda.shape, start.shape))
        if self.several:
            return self._relaxation.after(clock, Lambda, start)
        # Shapes of Λ and of b broadcast: every entry is a training of its own.
        Lambda, start = np.broadcast_arrays(Lambda, start)
        return self._relaxation.after(clock, Lambda, start[..., None])[..., 0]

    def trained_skip(self, Lambda: ArrayLike) -> np.ndarray:
        """b_∞, where a long training on a target with mean eigenvalue Λ ends: (…,) or (…, basis)."""
        return self._trained(np.inf, Lambda, self.initial_skip)

    def _kept(self, Lambda: ArrayLike) -> np.ndarray:
        """e^{−Gτ}: what a training leaves of the initial b − b_∞, (…, basis, basis)."""
        return self._relaxation.kept(self.tau, Lambda)

    @property
    def warm(self) -> bool:
        """Whether the skip connection goes on from the generation before."""
        return self.problem.generations.start == "warm" and self.problem.denoiser.has_skip and self.tau > 0

    @property
    def initial_skip(self) -> Any:
        """b at τ = 0: a number, or (basis,)."""
        return self.problem.denoiser.skip if self.problem.denoiser.has_skip else 0.0

    def variance(self, b: ArrayLike) -> np.ndarray:
        """v_{t_f} of a sampler whose network has the skip connection b: (…,) of any shape, or (…, basis)."""
        return self._bulk(b)

    def __call__(self, Lambda: ArrayLike) -> np.ndarray:
        """f(Λ), any shape."""
        return self.following(self.trained_skip(Lambda) if self.warm else self.skip(Lambda))

    def following(self, b: ArrayLike) -> np.ndarray:
        """φ Λ₀ + (1 − φ) v(b): Λ of the next target after a network with the skip connection b (any shape)."""
        return self.original * self.start + (1 - self.original) * self.variance(b)

    def slope(self, Lambda: float) -> float:
        """d ln f/d ln Λ."""
        h = 1e-5
        up, down = self(Lambda * np.exp(h)), self(Lambda * np.exp(-h))
        return float((np.log(up) - np.log(down)) / (2 * h))

    def fixed_points(self, count: int = 2001) -> list[FixedPoint]:
        """All fixed points Λ > 0 in increasing order, bracketed on a logarithmic grid over the image of the map."""
        from scipy.optimize import brentq

        image = self(np.concatenate([[0.0], np.logspace(-12, 12, 97)]))
        low, high = float(image.min()), float(image.max())
        if not np.isfinite(high) or high <= 0:
            return []
        low = max(low, high * 1e-300, 1e-300)
        x = np.linspace(np.log(low) - 0.1, np.log(high) + 0.1, count)
        with np.errstate(divide="ignore"):
            f = np.log(self(np.exp(x))) - x
        found = []
        for k in np.flatnonzero((f[:-1] > 0) != (f[1:] > 0)):
            root = float(brentq(lambda y: float(np.log(self(np.exp(y)))) - y, x[k], x[k + 1], xtol=1e-14, rtol=1e-14))
            Lambda = float(np.exp(root))
            b = self.trained_skip(Lambda) if self.warm else self.skip(Lambda)
            slope = self._warm_slope(Lambda, b) if self.warm else self.slope(Lambda)
            found.append(FixedPoint(Lambda, _number(b), slope, self.problem.generations.accumulate))
        return found

    def _warm_slope(self, Lambda: float, b: np.ndarray) -> float:
        """Factor of a small deviation of b a generation, where the chain goes on from b: the largest eigenvalue (in size).

        b → b_∞(Λ(b)) + e^{−Gτ}(b − b_∞) has the derivative e^{−Gτ} + (1 − e^{−Gτ}) db_∞/dΛ ⊗ dΛ/db.
        """
        kept, h = self._kept(Lambda), 1e-5
        change = (self.trained_skip(Lambda * (1 + h)) - self.trained_skip(Lambda * (1 - h))) / (2 * h * Lambda)
        b, change = np.atleast_1d(b), np.atleast_1d(change)
        moved = b + h * np.concatenate([np.eye(len(b)), -np.eye(len(b))])
        ends = self.following(moved if self.several else moved[:, 0])
        by_b = (ends[: len(b)] - ends[len(b) :]) / (2 * h)
        values = np.linalg.eigvals(kept + np.outer((np.eye(len(b)) - kept) @ change, by_b))
        return float(values[int(np.argmax(np.abs(values)))].real)

    def iterate(self, count: int, Lambda: float | None = None) -> np.ndarray:
        """Λ of the targets of generations 1 … count + 1, following ``problem.generations`` (warm start, accumulation, φ)."""
        integer("count", count, at_least=0)
        settings = self.problem.generations.replace(original=self.original)
        values = [self.start if Lambda is None else number("Lambda", Lambda, at_least=0)]
        v: list[float] = []
        b = self.initial_skip
        for g in range(1, count + 1):
            b = self.skip(values[-1], b if settings.start == "warm" else None)
            v.append(float(self.variance(b)))
            shares = settings.shares(g + 1)
            values.append(float(shares[0] * self.start + shares[1:] @ np.array(v)))
        return np.array(values)

    def attractor(self, Lambda: float | None = None) -> np.ndarray:
        """The values that Λ takes in the end when the chain starts at Λ (default: the original target's), in increasing order.

        One value: the chain converges (0 and inf are possible); more: it alternates between them for ever, which a skip
        connection that starts above b_∞ can do, since more variance then trains it further down.

        The chain is a map of the line: Λ → f(Λ) for fresh weights, b → b_τ(Λ(b), b) with Λ(b) = φΛ₀ + (1 − φ)v(b) for warm ones.
        Accumulating data take ever smaller steps towards f(Λ): after some exact ones the chain goes on to the next fixed point.
        """
        start = self.start if Lambda is None else number("Lambda", Lambda, at_least=0)
        points = self.fixed_points()
        if not np.isfinite(float(self(start))):
            return np.array([np.inf])
        if self.problem.generations.accumulate:
            here = float(self.iterate(SETTLED, start)[-1])
            return np.array([next_fixed(here, float(self(here)) - here, [p.Lambda for p in points], 0.0)])
        if not self.warm:
            return np.sort(follow(self, start, [(p.Lambda, p.stable) for p in points], 0.0))
        if self.several:
            return self._settled(start, points)

        def train(b: np.ndarray) -> np.ndarray:
            return self.skip(self.following(b), b)

        states = follow(train, float(self.skip(start)), [(p.b, p.stable) for p in points], -np.inf)
        by_state = {p.b: p.Lambda for p in points}
        ends = [by_state[b] if b in by_state else float(self.following(b)) for b in states if np.isfinite(b)]
        return np.sort(ends) if ends else np.array([np.inf])

    def _settled(self, start: float, points: list[FixedPoint]) -> np.ndarray:
        """Where a warm chain with several b_k ends: it is no map of the line, and followed until it repeats."""
        values = self.iterate(MOST, start)
        near = [p.Lambda for p in points if abs(values[-1] - p.Lambda) <= 1e-6 * p.Lambda]
        return np.array(near[:1]) if near else np.unique(values[-PERIODS:])

    def limit(self, Lambda: float | None = None) -> float:
        """Where the chain ends that starts at Λ (default: the original target's); NaN if it alternates for ever."""
        values = self.attractor(Lambda)
        return float(values[0]) if len(values) == 1 else float("nan")

    def phase(self, factor: float = 10.0) -> str:
        """How the chain from Λ₀ ends: "collapse" below Λ₀/factor, "spread" between, "blow-up" above Λ₀ factor.

        A chain that alternates for ever has the phase in which all its values lie, or else "alternation".
        """
        ratios = self.attractor() / self.start
        phases = {"collapse" if r < 1 / factor else "blow-up" if r > factor else "spread" for r in ratios}
        return phases.pop() if len(phases) == 1 else "alternation"

    def critical_fraction(self, keep: float = 0.5) -> CriticalFraction:
        """Where collapse stops: the least φ with limit (least value of an alternation) ≥ ``keep`` Λ₀."""
        number("keep", keep, above=0, below=1)

        def end(phi: float) -> float:
            return float(np.min(CollapseMap(self.problem, phi).attractor()))

        if end(0.0) >= keep * self.start:
            return CriticalFraction(0.0, end(0.0), end(0.0))
        low, high = 0.0, 1.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (low, middle) if end(middle) >= keep * self.start else (middle, high)
        return CriticalFraction(high, end(low), end(high))
