"""Generations: each network trains on samples of the one before, at d → ∞.

The density of generation g is a Gaussian mixture on a manifold with a continuous latent measure (`generations_latent`), so the
order-parameter equations close on themselves. The original directions stay among the reference directions throughout.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common import progress as _progress
from ..common.checks import InputError, integer, number
from ..common.expectations import Rule
from .collapse_result import QUANTITIES, Collapse
from .drift import Drift, square_root
from .generations_latent import GeneratedLaw, GenerationDrift, LatentMoments, quasi_normals
from .generations_observables import TargetQuantiles, bulk_distance
from .generations_settings import Generations
from .initial import initial_overlaps
from .kernels import Kernels, compile_kernels
from .path import OrderParameterPath, OrderParameters
from .settings import Problem
from .theory import SolveError, solve

#: Points for mean, covariance and distance of a generated density.
POINTS = 2**14
#: Nodes over both channels in the first training.
FIRST_PAIRS = Rule("sobol", 2**13)
#: Right-hand sides after which a generation is given up.
MAX_EVALUATIONS = 50_000


@dataclass(frozen=True)
class Trained:
    """The end of one training.

    Attributes
    ----------
    theta, q, b, kappa : (atoms, p, F), (atoms, p, p), float, (parameters,)
    gram : (atoms, F, F)
        Gram matrix of the reference directions that ``theta`` refers to: the K original ones first.
    """

    theta: np.ndarray
    q: np.ndarray
    b: float
    kappa: np.ndarray
    gram: np.ndarray

    def order_parameters(self, problem: Problem) -> OrderParameters:
        """Overlaps with the original directions alone."""
        theta = self.theta[:, :, : problem.target.directions]
        Theta = theta.sum(axis=0)
        M = Theta @ problem.target.centroids.T
        return OrderParameters(
            problem.training.tau, self.q.sum(axis=0), Theta, M, self.b, self.kappa, self.q, theta
        )  # fmt: skip

    def extended(self, law: GeneratedLaw, kept: int) -> np.ndarray:
        """Gram matrices of the first ``kept`` reference directions and the basis E = Q^{+1/2} W/√d of its own weights."""
        along = law.lift @ self.theta[:, :, :kept]
        own = law.lift @ self.q @ law.lift
        top = np.concatenate([self.gram[:, :kept, :kept], np.swapaxes(along, 1, 2)], axis=2)
        return np.concatenate([top, np.concatenate([along, own], axis=2)], axis=1)


def fresh_overlaps(problem: Problem, gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Θ(s) (atoms, p, F) and q(s) of new initial weights: what they share with the original directions, the rest random."""
    theta, q = initial_overlaps(problem)
    T = problem.target.reference_overlaps
    coordinates = theta @ np.linalg.pinv(T, hermitian=True)
    return coordinates @ gram[:, : T.shape[1]], q


class _Replica:
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

    def seed(self, generation: int) -> int:
        """Scrambling of this replica's nodes for a generation."""
        sequence = np.random.SeedSequence([self.settings.seed, self.number, generation])
        return int(sequence.generate_state(1)[0])

    def record(self, generation: int, quantiles: TargetQuantiles, Lambda: float) -> dict[str, np.ndarray]:
        """The quantities of `Collapse`, of the network just trained."""
        law, target, p = self.law, self.problem.target, self.kernels.p
        seed = self.seed(1000 + generation)
        z = quasi_normals(POINTS, p + target.directions, seed)
        at = self.trained.order_parameters(self.problem)
        centres = law.latent(np.ascontiguousarray(z[:, :p]), seed) @ (law.lift @ at.Theta)
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

    def train(self, generation: int, tolerance: float) -> float:
        """Train the next network; returns Λ of its target."""
        problem, settings = self.problem, self.settings
        shares = settings.shares(generation)
        nodes, seed, K = settings.nodes, self.seed(generation), problem.target.directions
        new = LatentMoments(problem, self.latent_kernels, self.law, nodes, seed)
        kept = self.trained.gram.shape[1] if settings.accumulate else K
        self.laws = [*self.laws, new] if settings.accumulate else [new]
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
            theta = np.concatenate([self.trained.theta[:, :, :kept], self.trained.q @ self.law.lift], axis=2)
            start = (theta, self.trained.q, self.trained.b, self.trained.kappa)
        else:
            b = problem.denoiser.skip if problem.denoiser.has_skip else 0.0
            start = (*fresh_overlaps(problem, gram), b, problem.denoiser.parameters)
        end = _integrate(drift, drift.layout.pack(*start), problem.training.tau, tolerance, generation)
        theta, q, b, kappa = drift.layout.unpack(end)
        self.trained = Trained(theta, q, float(b), kappa, gram)
        self.law = GeneratedLaw.of(problem, self.trained.order_parameters(problem))
        self.evaluations += drift.evaluations
        return drift.Lambda

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


def _integrate(drift: GenerationDrift, y0: np.ndarray, tau: float, tolerance: float, generation: int) -> np.ndarray:
    """State at τ."""
    from scipy.integrate import DOP853

    message = None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        if not np.all(np.isfinite(drift(0.0, y0))):
            raise SolveError(f"generation {generation}: the drift is not finite at tau = 0", None)
        solver = DOP853(drift, 0.0, y0, tau, rtol=tolerance, atol=tolerance)
        while solver.status == "running" and message is None:
            message = solver.step()
            if not np.all(np.isfinite(solver.y)):
                message = "a value is not finite"
            elif drift.evaluations > MAX_EVALUATIONS:
                message = f"more than {MAX_EVALUATIONS} evaluations"
    if message is not None or solver.status == "failed":
        raise SolveError(f"generation {generation} stopped at tau = {solver.t:.6g} of {tau:g}: {message}", None)
    return np.asarray(solver.y)


def generations(
    problem: Problem,
    *,
    tolerance: float | None = None,
    integrator_tolerance: float = 1e-6,
    workers: int | None = None,
    progress: bool | None = None,
) -> Collapse:
    """Follow ``problem.generations.count`` networks, each trained on the density that the one before generates.

    Parameters
    ----------
    problem : Problem
        ``problem.generations`` says how generations follow each other (`Generations`).
    tolerance : float, optional
        Wanted error of the first training (`asymptotics.autoencoder.theory.solve`).
    integrator_tolerance : float
        Relative and absolute tolerance of the integrator in the later ones.
    workers : int, optional
        Threads over which the replicas are spread; the answer does not depend on it.
    progress : bool, optional
        Show a bar; default on a terminal.

    Returns
    -------
    Collapse
        Averages over the replicas; the error estimate is the 99 % interval of their mean, plus what an error of the first
        training of its own estimate's size, in random directions, does to the later ones.

    Raises
    ------
    SolveError
        If a training stops early; ``partial`` is the chain up to there.
    InputError
        If an argument is not allowed.

    Notes
    -----
    Cui, Pehlevan, Lu, arXiv 2501.03937, section on mode collapse and model collapse.
    """
    start = time.perf_counter()
    settings: Generations = problem.generations
    number("integrator_tolerance", integrator_tolerance, above=0, below=1)
    if problem.denoiser.init.realisation is not None and settings.count > 1 and settings.start == "fresh":
        raise InputError(
            "denoiser.init.realisation: must be left out for fresh generations (one drawn matrix is no fresh start)"
        )
    workers = settings.replicas if workers is None else integer("workers", workers, at_least=1)
    denoiser = problem.denoiser
    kernels = compile_kernels(denoiser.specification(), denoiser.derived)
    # The first training needs no more accuracy than the later ones can use.
    pairs = problem.training.shares_samples and len(kernels.encoders) > 1
    path = solve(problem, tolerance=tolerance, noise_rule=FIRST_PAIRS if pairs else None, progress=progress)
    # The displaced replica shares the first one's nodes, so that it shows the effect of the displacement alone.
    replicas = [
        _Replica(
            problem, (kernels, kernels), r % settings.replicas, _first(path, problem, r == settings.replicas), path.rule
        )
        for r in range(settings.replicas + 1)
    ]
    quantiles = TargetQuantiles(problem.target)
    records: list[list[dict[str, np.ndarray]]] = []
    with (
        ThreadPoolExecutor(min(workers, len(replicas))) as pool,
        _progress.bar(settings.count, "generations", enabled=progress, unit="generation") as watch,
    ):
        Lambdas: Sequence[float] = [problem.target.mean_eigenvalue] * len(replicas)
        for generation in range(1, settings.count + 1):
            if generation == 2:
                latent = compile_kernels(denoiser.specification(), denoiser.derived, latent=kernels.p)
                for replica in replicas:
                    replica.latent_kernels = latent
            if generation > 1:
                try:
                    Lambdas = list(pool.map(lambda r, g=generation: r.train(g, integrator_tolerance), replicas))
                except SolveError as error:
                    partial = _result(problem, path, records, replicas, start)
                    raise SolveError(str(error), partial) from None  # type: ignore[arg-type]
            records.append(
                list(pool.map(lambda r, x, g=generation: r.record(g, quantiles, x), replicas, Lambdas))
            )  # fmt: skip
            watch.update()
    return _result(problem, path, records, replicas, start)


def _first(path: OrderParameterPath, problem: Problem, displaced: bool) -> Trained:
    """End of the first training; displaced in a random direction by its error estimate, to see what that does later."""
    at = path(path.tau_max)
    theta, q = np.array(at.theta), np.array(at.q)
    if displaced:
        rng = np.random.default_rng(0)
        atoms = len(q)
        theta = theta + path.error_estimate / atoms * rng.choice([-1.0, 1.0], theta.shape)
        signs = rng.choice([-1.0, 1.0], q.shape)
        q = q + path.error_estimate / atoms * (signs + np.swapaxes(signs, 1, 2)) / 2
    return Trained(theta, q, float(at.b), np.array(at.parameters), np.array(problem.target.reference_overlaps))


def _result(
    problem: Problem,
    path: OrderParameterPath,
    records: list[list[dict[str, np.ndarray]]],
    replicas: list[_Replica],
    start: float,
) -> Collapse:
    from scipy.stats import t

    from .. import __version__

    R = problem.generations.replicas
    factor = float(t.ppf(0.995, R - 1)) / np.sqrt(R)
    fields: dict[str, Any] = {}
    for name in QUANTITIES:
        values = np.array([[replica[name] for replica in generation] for generation in records])
        main = values[:, :R]
        error = factor * main.std(axis=1, ddof=1) + np.abs(values[:, R] - values[:, 0])
        if name in ("Q", "Theta") and len(error):
            error[0] = path.error_estimate
        fields[name], fields[f"error_{name}"] = main.mean(axis=1), error
    return Collapse(
        **fields,
        rule=f"first generation: {path.rule}; later ones: {R} x {problem.generations.nodes} Sobol' points",
        evaluations=path.evaluations + sum(r.evaluations for r in replicas),
        seconds=time.perf_counter() - start,
        experiment=problem.to_tables(),
        version=__version__,
        source=problem,
    )


def collapse(
    problem: Problem,
    *,
    simulate: bool = False,
    workers: int | None = None,
    progress: bool | None = None,
    **options: Any,
) -> Collapse:
    """The chain of `generations` and, with ``simulate``, the one in R^d beside it (``result.simulation``)."""
    result = generations(problem, workers=workers, progress=progress, **options)
    if not simulate:
        return result
    from .generations_simulation import simulate_generations

    runs = simulate_generations(problem, workers=workers, progress=progress)
    return dataclasses.replace(result, simulation=runs)
