"""Generations: each network trains on samples of the one before, at d → ∞.

The density of generation g is a Gaussian mixture on a manifold with a continuous latent measure (`generations_latent`), so the
order-parameter equations close on themselves. The original directions stay among the reference directions throughout.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import numpy as np

from ...common.input.checks import InputError, integer, number
from ...common.numerics.quadrature.expectations import Rule
from ...common.running import progress as _progress
from ...common.running.calls import Stopped
from ...common.running.checkpoints import Checkpoint, Interrupted, RunFiles
from ..equations.integration.integrate import SolveError
from ..kernels.compile import compile_kernels
from ..model.extensions import NAMES, refuse
from ..model.generations import Generations
from ..model.problem import Problem
from ..solution import OrderParameterPath
from ..theory import solve
from .comparison import compare
from .observables import QUANTITIES, TargetQuantiles
from .process import simulate_generations
from .replica import Replica, Trained
from .result import Collapse

#: Nodes over both channels in the first training.
FIRST_PAIRS = Rule("sobol", 2**13)
#: Seconds between two looks at how far the replicas are.
LOOK = 0.1


def generations(
    problem: Problem,
    *,
    tolerance: float | None = None,
    integrator_tolerance: float = 1e-6,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
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
    checkpoint : Checkpoint, optional
        Keeps every finished generation; a later call goes on from there, bit for bit.

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
    refuse(problem, "generations", set(NAMES) - {"labels"})
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
        Replica(
            problem, (kernels, kernels), r % settings.replicas, _first(path, problem, r == settings.replicas), path.rule
        )
        for r in range(settings.replicas + 1)
    ]
    files = None if checkpoint is None else checkpoint.run(0, "theory")
    if settings.count > 1:
        latent = compile_kernels(denoiser.specification(), denoiser.derived, latent=kernels.p)
        for replica in replicas:
            replica.latent_kernels = latent
    records = _restore(files, replicas)
    quantiles, stop = TargetQuantiles(problem.target), threading.Event()
    with (
        ThreadPoolExecutor(min(workers, len(replicas))) as pool,
        _progress.bar(settings.count, "generations", enabled=progress, unit="generation", unit_scale=True) as watch,
    ):
        watch.update(len(records))
        far = [0.0] * len(replicas)

        def look(replica: int, fraction: float) -> None:
            if stop.is_set():
                raise Stopped
            far[replica] = fraction

        def next_network(index: int, generation: int) -> float:
            return replicas[index].train(generation, integrator_tolerance, lambda x: look(index, x))

        try:
            for generation in range(len(records) + 1, settings.count + 1):
                if generation == 1:
                    Lambda = [problem.target.mean_eigenvalue] * len(replicas)
                else:
                    work = [pool.submit(next_network, r, generation) for r in range(len(replicas))]
                    while wait(work, timeout=LOOK).not_done:
                        watch.update(max(0.0, generation - 1 + sum(far) / len(far) - watch.n))
                    Lambda, far = [w.result() for w in work], [0.0] * len(replicas)
                records.append(list(pool.map(lambda r, x, g=generation: r.record(g, quantiles, x), replicas, Lambda)))
                if files is not None:
                    files.keep_state(_kept(records, replicas))
                watch.update(generation - watch.n)
        except SolveError as error:
            stop.set()
            raise SolveError(str(error), _result(problem, path, records, replicas, start)) from None
        except KeyboardInterrupt:
            stop.set()
            kept = "nothing is kept (a checkpoint would have kept them)"
            if checkpoint is not None:
                kept = f"they are kept in {checkpoint.folder}: the same command goes on from there"
            raise Interrupted(f"interrupted after {len(records)} of {settings.count} generations; {kept}") from None
    return _result(problem, path, records, replicas, start)


def _kept(records: list[list[dict[str, np.ndarray]]], replicas: list[Replica]) -> dict[str, Any]:
    """What a checkpoint keeps of the generations so far (the first network is solved for again)."""
    return {
        "records": records,
        "networks": [[vars(trained) for trained in replica.history[1:]] for replica in replicas],
        "evaluations": [replica.evaluations for replica in replicas],
    }


def _restore(files: RunFiles | None, replicas: list[Replica]) -> list[list[dict[str, np.ndarray]]]:
    """Put the replicas where a checkpoint left them; the records of the generations done."""
    state = None if files is None else files.load_state()
    if state is None:
        return []
    for replica, networks, evaluations in zip(replicas, state["networks"], state["evaluations"], strict=True):
        replica.restore([Trained(**network) for network in networks], evaluations)
    return list(state["records"])


def _first(path: OrderParameterPath, problem: Problem, displaced: bool) -> Trained:
    """End of the first training; displaced in a random direction by its error estimate, to see what that does later."""
    made = Trained.of(problem, path.layout, path.state(path.tau_max), np.array(problem.target.reference_overlaps))
    theta, q = made.theta, made.q
    if displaced:
        rng = np.random.default_rng(0)
        atoms = len(q)
        theta = theta + path.error_estimate / atoms * rng.choice([-1.0, 1.0], theta.shape)
        signs = rng.choice([-1.0, 1.0], q.shape)
        q = q + path.error_estimate / atoms * (signs + np.swapaxes(signs, 1, 2)) / 2
    return dataclasses.replace(made, theta=theta, q=q)


def _result(
    problem: Problem,
    path: OrderParameterPath,
    records: list[list[dict[str, np.ndarray]]],
    replicas: list[Replica],
    start: float,
) -> Collapse:
    from scipy.stats import t

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
        source=problem,
    )


def collapse(
    problem: Problem,
    *,
    simulate: bool = False,
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
    **options: Any,
) -> Collapse:
    """The chain of `generations` and, with ``simulate``, the one in R^d beside it (``result.simulation``), compared."""
    result = generations(problem, workers=workers, progress=progress, checkpoint=checkpoint, **options)
    if not simulate:
        return result
    runs = simulate_generations(problem, workers=workers, progress=progress, checkpoint=checkpoint)
    return dataclasses.replace(result, simulation=runs, verdict=compare(result, runs))
