"""One training after another at d → ∞: the order parameters of each generation, trained on the law of the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.numerics.algebra.gram import square_root
from ...common.numerics.quadrature.expectations import Rule
from ..equations.derivative.drift import Drift
from ..equations.derivative.layout import Layout
from ..equations.integration.integrate import SolveError, whole_state
from ..equations.integration.stepping import StepError, finite, pieces_of, steps
from ..equations.training_path.path import OrderParameters
from ..kernels.compile import Kernels
from ..model.problem import Problem
from .latent import GeneratedLaw, GenerationDrift, LatentMoments, quasi_normals
from .observables import QUANTITIES, TargetQuantiles, bulk_distance

#: Points for mean, covariance and distance of a generated density.
POINTS = 2**14
#: Right-hand sides after which a generation is given up.
MAX_EVALUATIONS = 50_000


@dataclass(frozen=True)
class Trained:
    """The end of one training.

    Attributes
    ----------
    theta, q, b, kappa : (atoms, P, F), (atoms, P, P), float or (basis,), (parameters,)
        Of all stacked vectors, the live network's first; b and κ are the live network's.
    gram : (atoms, F, F)
        Gram matrix of the reference directions that ``theta`` refers to: the K original ones first.
    first : int
        Where the vectors of the network that generates stand in the stack: 0 for the live one, else an average of it.
    mean : (b̄, κ̄), optional
        Its skip connection and scalars, where it is an average.
    """

    theta: np.ndarray
    q: np.ndarray
    b: Any
    kappa: np.ndarray
    gram: np.ndarray
    first: int = 0
    mean: Any = None

    @classmethod
    def of(cls, problem: Problem, layout: Layout, y: np.ndarray, gram: np.ndarray) -> Trained:
        """From a packed state."""
        theta, q, b, kappa = layout.unpack(y)
        b = float(b) if layout.basis == 1 else b
        index = problem.generating
        if index is None:
            return cls(theta, q, b, kappa, gram)
        return cls(theta, q, b, kappa, gram, problem.optimiser.average(index).start, layout.averaged(y, index))

    def _at(self, problem: Problem, live: bool) -> slice:
        first = 0 if live else self.first
        return slice(first, first + problem.optimiser.p)

    def order_parameters(self, problem: Problem, live: bool = False) -> OrderParameters:
        """Overlaps with the original directions alone, of the network that generates or of the live one."""
        at = self._at(problem, live)
        theta, q = self.theta[:, at, : problem.target.directions], self.q[:, at, at]
        b, kappa = (self.b, self.kappa) if live or self.mean is None else self.mean
        Theta = theta.sum(axis=0)
        M = Theta @ problem.target.centroids.T
        return OrderParameters(
            problem.training.tau, q.sum(axis=0), Theta, M, b if np.ndim(b) else float(b), kappa, q, theta
        )  # fmt: skip

    def warm(self, problem: Problem, law: GeneratedLaw, kept: int) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        """Θ(s), q(s), b and κ of the live network in the frame of `extended`."""
        live = self._at(problem, True)
        across = self.q[:, live, self._at(problem, False)] @ law.lift
        theta = np.concatenate([self.theta[:, live, :kept], across], axis=2)
        return theta, self.q[:, live, live], self.b, self.kappa

    def extended(self, law: GeneratedLaw, kept: int) -> np.ndarray:
        """Gram matrices of the first ``kept`` reference directions and the basis E = Q^{+1/2} W/√d of the generating weights."""
        at = slice(self.first, self.first + len(law.Q))
        along = law.lift @ self.theta[:, at, :kept]
        own = law.lift @ self.q[:, at, at] @ law.lift
        top = np.concatenate([self.gram[:, :kept, :kept], np.swapaxes(along, 1, 2)], axis=2)
        return np.concatenate([top, np.concatenate([along, own], axis=2)], axis=1)


def fresh_overlaps(problem: Problem, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Θ(s) (atoms, p, F) and q(s) of new initial weights: what they share with the original directions, the rest random."""
    theta, q = problem.initial_overlaps()
    T = problem.target.reference_overlaps
    coordinates = theta @ np.linalg.pinv(T, hermitian=True)
    return coordinates @ gram[:, : T.shape[1]], q


class Replica:
    """One scrambling of the nodes, followed through the generations."""

    def __init__(
        self, problem: Problem, kernels: tuple[Kernels, Kernels], number: int, first: Trained, rule: str
    ) -> None:
        self.problem, self.settings = problem, problem.generations
        self.kernels, self.latent_kernels = kernels
        self.number, self.trained, self.rule = number, first, rule
        self.laws: list[LatentMoments] = []
        self.law = GeneratedLaw.of(problem, first.order_parameters(problem))
        self.evaluations = 0
        self.history = [first]

    def seed(self, generation: int) -> int:
        """Scrambling of this replica's nodes for a generation."""
        sequence = np.random.SeedSequence([self.settings.seed, self.number, generation])
        return int(sequence.generate_state(1)[0])

    def record(self, generation: int, quantiles: TargetQuantiles, Lambda: float) -> dict[str, np.ndarray]:
        """The quantities of `Collapse`, of the network just trained."""
        law, target, p = self.law, self.problem.target, self.kernels.p
        seed = self.seed(1000 + generation)
        z = quasi_normals(POINTS, p + target.directions, seed)
        at = self.trained.order_parameters(self.problem, live=True)
        own = self.trained.order_parameters(self.problem)
        centres = law.latent(np.ascontiguousarray(z[:, :p]), seed) @ (law.lift @ own.Theta)
        mean = centres.mean(axis=0)
        deviation, rest = centres - mean, law.density.span_covariance
        points = centres + z[:, p:] @ square_root(rest)[0]
        values = {
            "Lambda": Lambda,
            "b": at.b,
            "Q": at.Q,
            "Theta": at.Theta,
            "parameters": at.parameters,
            "v": law.variance,
            "mean": mean,
            "covariance": deviation.T @ deviation / POINTS + rest,
            "distance": quantiles.distance(points),
            "bulk_distance": bulk_distance(target, law.variance),
        }
        return {name: np.asarray(values[name], dtype=np.float64) for name in QUANTITIES}

    def _look_at_law(self, generation: int) -> None:
        """Nodes over the law that the last network generates, in place of or beside those before."""
        nodes, seed = self.settings.nodes, self.seed(generation)
        new = LatentMoments(self.problem, self.latent_kernels, self.law, nodes, seed)
        self.laws = [*self.laws, new] if self.settings.accumulate else [new]

    def _adopt(self, trained: Trained) -> None:
        self.trained = trained
        self.law = GeneratedLaw.of(self.problem, trained.order_parameters(self.problem))
        self.history.append(trained)

    def restore(self, history: list[Trained], evaluations: int) -> None:
        """Take the networks of generations 2, 3, … from a checkpoint."""
        for generation, trained in enumerate(history, 2):
            if self.settings.accumulate:
                self._look_at_law(generation)
            self._adopt(trained)
        self.evaluations = evaluations

    def train(self, generation: int, tolerance: float, look: Callable[[float], None]) -> float:
        """Train the next network; returns Λ of its target."""
        problem, settings = self.problem, self.settings
        shares = settings.shares(generation)
        seed, K = self.seed(generation), problem.target.directions
        kept = self.trained.gram.shape[1] if settings.accumulate else K
        self._look_at_law(generation)
        gram = self.trained.extended(self.law, kept)
        original = (float(shares[0]), self._original(seed)) if shares[0] > 0 else None
        drift = GenerationDrift(
            problem,
            self.kernels,
            list(zip(map(float, shares[-len(self.laws) :]), self.laws, strict=True)),
            original,
            gram,
        )
        if settings.start == "warm":
            start = self.trained.warm(problem, self.law, kept)
        else:
            start = (*fresh_overlaps(problem, gram), problem.denoiser.start, problem.denoiser.parameters)
        y0 = whole_state(problem, drift.layout, *start)
        end = _integrate(drift, y0, problem.training.tau, tolerance, generation, look)
        self._adopt(Trained.of(problem, drift.layout, end, gram))
        self.evaluations += drift.evaluations
        return drift.coefficients.Lambda

    def _original(self, seed: int) -> Drift:
        """Drift of the original target, with the nodes that the first training found sufficient."""
        kind, nodes, *_ = self.rule.replace(",", "").split()
        if kind in ("hermite", "sobol"):
            rule = Rule(kind, int(nodes), seed if kind == "sobol" else 0)
        else:  # closed forms; they may hold for the first training alone
            n = len(self.kernels.encoders)
            rule = Rule("hermite", 64) if n < 3 and not self.kernels.kink else Rule("sobol", self.settings.nodes, seed)
        noise = Rule("sobol", self.settings.nodes, seed) if self.problem.training.shares_samples else None
        return Drift(self.problem, self.kernels, rule, noise)


def _integrate(
    drift: GenerationDrift,
    y0: np.ndarray,
    tau: float,
    tolerance: float,
    generation: int,
    look: Callable[[float], None],
) -> np.ndarray:
    """State at τ; ``look`` is told how far the integration is."""
    from scipy.integrate import DOP853

    y = y0
    if not np.all(np.isfinite(finite(drift)(0.0, y0))):
        raise SolveError(f"generation {generation}: the drift is not finite at tau = 0", None)
    try:
        for solver in steps(DOP853, drift, y0, pieces_of(drift, tau), rtol=tolerance, atol=tolerance):
            y = solver.y
            look(solver.t / tau)
            if drift.evaluations > MAX_EVALUATIONS:
                raise StepError(solver.t, f"more than {MAX_EVALUATIONS} evaluations")
    except StepError as error:
        raise SolveError(
            f"generation {generation} stopped at tau = {error.tau:.6g} of {tau:g}: {error.reason}", None
        ) from None
    return np.asarray(y)
