"""The chain of generations in R^d: train, generate fresh samples one block at a time, train on them, and so on.

Nothing here comes from the order-parameter equations: SGD and the sampler run in R^d, and overlaps are measured on the weights.
No data set is ever stored: a block of samples is generated, used for as many SGD steps, and thrown away.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from ...common.input.checks import InputError
from ...common.running.checkpoints import Checkpoint, Keeper
from ...common.running.ensembles import Run
from ..model.extensions import NAMES, refuse
from ..model.problem import Problem
from ..model.start.weights import overlaps
from ..process.companion import with_companion
from ..process.generating.generate import Generator
from ..process.generating.sampler_steps import generator_of
from ..process.training.problem import SgdProblem
from ..process.training.results import SgdState
from ..process.training.setup import sgd_problem
from ..process.training.sgd import DivergedError, Trainer, default_chunk, prepare
from .observables import QUANTITIES, TargetQuantiles, bulk_distance
from .runs import CollapseRuns
from .stream import DataStream, StreamTrainer, fresh_weights


@dataclasses.dataclass(frozen=True)
class Network:
    """A trained network: weights W (p, d), b (a number, or one for each ψ) and κ."""

    weights: np.ndarray
    b: Any
    parameters: np.ndarray


class _Chain:
    """One chain of generations in R^d, resumable between any two steps.

    Parameters
    ----------
    seed : SeedSequence
        Four children a generation: training, fresh weights, its data, and the samples that measure it.
    setup : SgdProblem
        The first training.
    problem : Problem
    run : Run
    """

    def __init__(self, seed: np.random.SeedSequence, setup: SgdProblem, problem: Problem, run: Run) -> None:
        self.setup, self.problem, self.run = setup, problem, run
        self.settings, self.quantiles = problem.generations, TargetQuantiles(problem.target)
        self.seeds = seed.spawn(4 * self.settings.count)
        self.first = Trainer(setup, self.seeds[0])
        self.references, self.counts = self.first.references, self.first.counts
        self.networks: list[Network] = []
        self.generating: list[Network] = []
        self.generators: list[Generator] = []
        self.records: list[dict[str, np.ndarray]] = []

    def follow(self) -> list[dict[str, np.ndarray]]:
        """Train generation after generation, from the last state kept; the quantities of each."""
        state = None if self.run.files is None else self.run.files.load_state()
        if state is not None:
            self.records = state["records"]
            for stored, generating in zip(state["networks"], state["generating"], strict=True):
                self._add(Network(**stored), Network(**generating))
        for generation in range(len(self.records) + 1, self.settings.count + 1):
            trainer, stream = self._begin(generation)
            if state is not None and state["trainer"] is not None:
                trainer.restore(SgdState(**state["trainer"]))
                if stream is not None:
                    stream.restore(state["stream"])
            state = None
            self._train(trainer, stream, generation)
            self._add(Network(*trainer.network()), Network(*trainer.network(self.problem.generating)))
            trace = self._original_trace() if stream is None else stream.trace
            sampling = self.seeds[4 * generation - 1]
            self.records.append(_measure(self.problem, trainer, self.generators[-1], self.quantiles, trace, sampling))
            if self.run.files is not None:
                self.run.files.keep_state(self._state(None, None))
        return self.records

    def _begin(self, generation: int) -> tuple[Trainer, DataStream | None]:
        """The training of a generation before its first step, and the stream of its data."""
        if generation == 1:
            return self.first, None
        training, drawing, streaming, _ = self.seeds[4 * (generation - 1) : 4 * generation]
        if self.settings.start == "warm":
            start = self.networks[-1]
        else:
            weights = fresh_weights(self.setup, self.references, self.counts, drawing)
            start = Network(weights, self.setup.b, self.setup.parameters)
        own = dataclasses.replace(
            self.setup, theta=None, q=None, start=None, initial=(start.weights, self.references, self.counts),
            b=start.b, parameters=start.parameters,
        )  # fmt: skip
        shares = self.settings.shares(generation)
        used = self.generators if self.settings.accumulate else self.generators[-1:]
        shares = np.concatenate([shares[:1], shares[-len(used) :]])
        stream = DataStream(self.setup, self.references, self.counts, shares, used, streaming)
        return StreamTrainer(own, training, stream), stream

    def _train(self, trainer: Trainer, stream: DataStream | None, generation: int) -> None:
        problem = trainer.problem
        chunk = default_chunk(problem)
        with Keeper[dict[str, Any]].of(self.run.files, self._state(trainer, stream)) as keep:
            while trainer.step < problem.steps:
                trainer.advance(min(chunk, problem.steps - trainer.step))
                if not trainer.finite():
                    raise DivergedError(
                        f"generation {generation}: SGD diverged at d = {problem.dimension}", trainer.run([])
                    )
                keep(lambda: self._state(trainer, stream))
                self.run.progress(generation - 1 + trainer.step / problem.steps, self.settings.count)

    def _state(self, trainer: Trainer | None, stream: DataStream | None) -> dict[str, Any]:
        # Fields alone: a result's attributes hold more than that (where it comes from).
        sgd = None if trainer is None else trainer.state()
        return {
            "records": list(self.records),
            "networks": [vars(network) for network in self.networks],
            "generating": [vars(network) for network in self.generating],
            "trainer": None if sgd is None else {f.name: getattr(sgd, f.name) for f in dataclasses.fields(sgd)},
            "stream": None if stream is None else stream.state(),
        }

    def _add(self, network: Network, generating: Network) -> None:
        """A trained network, and the one that generates: itself or an average of it."""
        self.networks.append(network)
        self.generating.append(generating)
        trained, setup = (generating.weights, generating.b, generating.parameters), self.setup
        generator = generator_of(self.problem, setup.denoiser, trained, self.references, dtype=setup.dtype)
        self.generators.append(generator)

    def _original_trace(self) -> float:
        """Mean of ‖x‖²/d of the original target."""
        setup, u = self.setup, self.references
        norms = np.einsum("ck,kl,cl->c", setup.centroids, u @ u.T, setup.centroids)
        return float(setup.weights @ (norms + setup.eigenvalues @ self.counts)) / setup.dimension


def _chain(pair: tuple[np.random.SeedSequence, SgdProblem], problem: Problem, *, run: Run) -> dict[str, np.ndarray]:
    """One chain of generations in R^d: every quantity, first axis the generation."""
    records = _Chain(*pair, problem, run).follow()
    return {name: np.stack([np.asarray(r[name], dtype=np.float64) for r in records]) for name in records[0]}


def _measure(
    problem: Problem,
    trainer: Trainer,
    generator: Generator,
    quantiles: TargetQuantiles,
    trace: float,
    seed: np.random.SeedSequence,
) -> dict[str, Any]:
    """Order parameters of the trained network, and moments and distance of fresh samples of it."""
    measured = overlaps(trainer.weights, trainer.references, trainer.counts)
    network = overlaps(trainer.network(problem.generating)[0], trainer.references, trainer.counts)
    points = generator.sample(problem.simulation.samples, seed)
    inside = np.einsum("ka,ab,kb->k", points.fields, np.linalg.pinv(network.Q, hermitian=True), points.fields)
    rank = np.linalg.matrix_rank(network.Q, hermitian=True)
    v = float(np.mean(points.squared_norms - inside) / (trainer.problem.dimension - rank))
    return {
        "Lambda": trace,
        "b": trainer.b,
        "Q": measured.Q,
        "Theta": measured.Theta,
        "parameters": trainer.parameters,
        "v": v,
        "mean": points.projections.mean(axis=0),
        "covariance": np.atleast_2d(np.cov(points.projections.T)),
        "distance": quantiles.distance(points.projections),
        "bulk_distance": bulk_distance(problem.target, v),
        "generated": points.projections,
    }


def simulate_generations(
    problem: Problem,
    *,
    companion: bool | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    executor: Any = None,
) -> CollapseRuns:
    """Run ``simulation.runs`` chains of ``generations.count`` trainings in R^d.

    Each generation makes n = τd/(2η) SGD steps on fresh samples of the networks before it; ``simulation.samples`` more points
    are generated for mean, covariance and distance.

    Parameters
    ----------
    problem : Problem
    companion : bool, optional
        Also run 4 times as many chains at d/4, for the 1/d extrapolation. Default: where d/4 is large enough for the overlaps.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.
    executor : concurrent.futures.Executor, optional

    Raises
    ------
    InputError
        If an argument is not allowed, or the dimension is too small.
    """
    start = time.perf_counter()
    refuse(problem, "generations in R^d", set(NAMES) - {"labels"})
    if problem.denoiser.init.realisation is not None and problem.generations.count > 1:
        raise InputError("denoiser.init.realisation: must be left out for a chain of generations")
    setup = sgd_problem(problem)
    setup.begin(0)  # refuses impossible overlaps before any process starts
    # Compiled here, so that worker processes find the machine code instead of each making their own.
    prepare(setup)
    main, low = with_companion(
        _chain, (problem,), problem, setup, (*QUANTITIES, "generated"), QUANTITIES, companion=companion,
        workers=workers, executor=executor, progress=progress, checkpoint=checkpoint, part="chains",
    )  # fmt: skip
    return CollapseRuns(
        main=main,
        low=low,
        seed=problem.simulation.seed,
        seconds=time.perf_counter() - start,
        experiment=problem.to_tables(),
    )
