"""The full d-dimensional process: an ensemble of online trainings, and samples generated from each trained network.

Nothing here comes from the order-parameter equations: SGD on fresh samples in R^d (`sgd`), the generative SDE in R^d
(`generate`), and overlaps measured on the weights.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, array
from ...common.output.ensemble import Ensemble, Ensembles, Measured
from ...common.output.results import to_builtin
from ...common.running.checkpoints import Checkpoint
from ...common.running.ensembles import Run, run_ensemble, spawn
from ..equations.integrate import check_start
from ..model.problem import Problem
from .problem import SgdProblem
from .setup import sampler_steps, sgd_problem


@dataclass(frozen=True)
class Runs(Ensembles):
    """An ensemble of trainings in R^d and the points that each trained network generated.

    Attributes
    ----------
    tau : (times,)
    Q, Theta, M : (runs, times, p, p), (runs, times, p, K), (runs, times, p, clusters)
    b, parameters : (runs, times), (runs, times, n)
    generated : (runs, samples, K)
        Projections u_k·X of generated points, at the last τ.
    norms : (runs, samples)
        ‖X‖²/d of the generated points.
    low_Q, low_Theta, low_M, low_b, low_parameters, low_generated : arrays
        The same from a companion ensemble at ``low_dimension`` = d/4 (no runs where there is none): what the experiment
        itself says about its O(1/d) bias.
    data : str
        The samples trained on; empty: fresh ones from the Gaussian target.
    """

    tau: np.ndarray
    data: str = ""

    #: The order parameters, by the names that theory uses.
    NAMES = ("Q", "Theta", "M", "b", "parameters")

    Q, Theta, M, b, parameters = Measured(), Measured(), Measured(), Measured(), Measured()
    generated, norms = Measured(), Measured()
    low_Q, low_Theta, low_M, low_b, low_parameters = Measured(), Measured(), Measured(), Measured(), Measured()
    low_generated = Measured()

    def _along(self) -> tuple[str, np.ndarray]:
        return "tau", self.tau

    def to_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = {"tau": self.tau}
        for key, statistic in (("mean", self.mean), ("sem", self.sem), ("std", self.std)):
            fields[key] = {name: statistic(name) for name in self.NAMES}
        if self.generated.size:
            points = self.generated.reshape(-1, self.generated.shape[-1])
            fields["generated"] = {"mean": points.mean(axis=0), "covariance": np.atleast_2d(np.cov(points.T))}
        fields |= {"runs": self.runs, "dimension": self.dimension, "seed": self.seed, "seconds": self.seconds}
        return dict(to_builtin(fields))

    def summary(self) -> str:
        """Means and standard errors at the last τ."""
        of = f" trained on {self.data}" if self.data else ""
        lines = [f"{self.runs} runs at d = {self.dimension}{of} ({self.seconds:.1f} s), at tau = {self.tau[-1]:g}:"]
        with np.printoptions(precision=5, suppress=True, linewidth=110):
            for name in self.NAMES:
                if getattr(self, name).size:
                    mean, sem = self.mean(name)[-1], self.sem(name)[-1]
                    shown = [np.array2string(np.asarray(v)).replace("\n", "") for v in (mean, sem)]
                    lines.append(f"  {name:<10} {shown[0]} ± {shown[1]}")
        return "\n".join(lines)


#: Share of the training in the progress of a run that also generates samples.
TRAINING_SHARE = 0.95


def _one(
    pair: tuple[np.random.SeedSequence, SgdProblem], problem: Problem, taus: np.ndarray, samples: int, *, run: Run
) -> dict[str, Any]:
    """Train once, then generate from the trained network."""
    from .generate import Generator
    from .sgd import train_member

    seed, setup = pair
    training_seed, sampling_seed = seed.spawn(2)
    trained = train_member(run, setup, training_seed, taus, share=TRAINING_SHARE if samples else 1.0)
    fields = {name: getattr(trained, name) for name in Runs.NAMES}
    K = setup.centroids.shape[1]
    fields |= {"generated": np.empty((0, K)), "norms": np.empty(0)}
    if samples:
        b = float(trained.b[-1])
        generator = Generator(
            setup.denoiser,
            trained.weights,
            **sampler_steps(problem, b),
            directions=trained.references,
            parameters=trained.parameters[-1],
        )
        points = generator.sample(samples, sampling_seed)
        fields |= {"generated": points.projections, "norms": points.squared_norms / setup.dimension}
    return fields


#: The companion ensemble at d/4 has this many times the runs: its standard error is then the same.
COMPANION = 4


def simulate(
    problem: Problem,
    *,
    tau: Any = None,
    companion: bool | None = None,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    data: Any = None,
    executor: Any = None,
) -> Runs:
    """Train ``simulation.runs`` networks in R^d by online SGD and generate ``simulation.samples`` points from each.

    Parameters
    ----------
    problem : Problem
    tau : sequence of float, optional
        Training times to record; default 9 equally spaced ones from 0 to the end.
    companion : bool, optional
        Also run 4 times as many trainings at d/4 (a quarter more work), from which `compare` takes the experiment's own
        O(1/d) bias. Default: where the initial overlaps fit in d/4 dimensions and the start is not one drawn matrix.
    workers : int, optional
        Processes; the answer does not depend on it.
    progress : bool, optional
    checkpoint : Checkpoint, optional
        Keeps finished runs and the states of those under way; a later call goes on from there, bit for bit.
    data : array_like (n, d), str or path, optional
        Train on these samples (drawn with replacement) instead of fresh ones from the Gaussian target, which must have been
        measured on samples (`GaussianMixture.from_samples`): atoms and reference directions are those of its eigenbasis, and
        the same overlaps are recorded.
    executor : concurrent.futures.Executor, optional

    Raises
    ------
    InputError
        If an argument is not allowed, or the dimension is too small for the initial overlaps.
    """
    from ... import __version__
    from .generate import prepare as prepare_generator
    from .sgd import prepare as prepare_sgd

    start = time.perf_counter()
    settings = problem.simulation
    taus = np.linspace(0.0, problem.training.tau, 9) if tau is None else array("tau", tau, ndim=1)
    setup = sgd_problem(problem, data=data)
    d = setup.dimension
    setup.begin(0)  # refuses impossible overlaps before any process starts
    check_start(problem)
    low = d // COMPANION
    small = None
    if companion or (companion is None and data is None and problem.denoiser.init.realisation is None):
        try:
            small = sgd_problem(problem, dimension=low)
            small.begin(0)
        except InputError:
            if companion:
                raise
            small = None
    # Compiled here, so that worker processes find the machine code instead of each making their own.
    prepare_sgd(setup)
    prepare_generator(setup.denoiser)
    seeds = spawn(settings.seed, settings.runs * (1 + COMPANION * (small is not None)))
    tasks = [setup] * settings.runs + [small] * (len(seeds) - settings.runs)
    results = run_ensemble(
        _one,
        list(zip(seeds, tasks, strict=True)),
        problem,
        taus,
        settings.samples,
        workers=workers,
        executor=executor,
        progress=progress,
        description=f"d = {d}",
        checkpoint=checkpoint,
        watched=True,
    )
    names = (*Runs.NAMES, "generated", "norms")
    main, rest = Ensemble.of(results[: settings.runs], d, names), results[settings.runs :]
    steps = 2 * setup.learning_rate / d
    return Runs(
        main=main,
        low=Ensemble.of(rest, low, names) if rest else main.take(slice(0), low),
        tau=np.array([setup.step_of(t) * steps for t in taus]),
        seed=settings.seed,
        seconds=time.perf_counter() - start,
        experiment=problem.to_tables(),
        version=__version__,
        data=_describe(data),
    )


def _describe(data: Any) -> str:
    if data is None or isinstance(data, (str, os.PathLike)):
        return str(data or "")
    return f"array of shape {np.shape(data)}"
