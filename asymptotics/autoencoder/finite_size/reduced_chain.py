"""The order parameters of online SGD at finite d as a Markov chain of their own: exact in law, at a cost free of d.

For a target with finitely many atoms a sample is its components in the span of the weights and the reference directions, in
each atom, plus an orthogonal rest of which only norms and inner products matter: χ² variables. A trajectory at d = 10⁶ is
therefore as cheap a step as one at d = 100 and has the same law as the overlaps of a full training in R^d.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, integer
from ...common.numerics.algebra.gram import INDEFINITE, indefinite, present, rank
from ...common.numerics.laws.normals import philox_key
from ...common.output.ensemble import Ensemble
from ...common.running.checkpoints import Checkpoint, Keeper
from ...common.running.ensembles import Run, run_ensemble, spawn
from ..equations.integration.integrate import check_start
from ..model.problem import Problem
from ..model.start.weights import atom_counts, joint_gram, overlaps
from ..process.ensemble import Runs
from ..process.training.draws import Draws
from ..process.training.problem import SgdProblem
from ..process.training.results import measured
from ..process.training.setup import drawn_start, sgd_problem
from .chain import chain_samples
from .chain.chain_steps import steps_of, written

#: Steps a call of the kernel (only how often Ctrl-C and the checkpoint are looked at, and the length of the schedule's table).
PIECE = 1 << 16
#: Steps of a training above which it is worth the compiler's seconds to write the loops out for its sizes, and the largest sizes.
LONG, SMALL = 10**7, 4


@dataclass(frozen=True)
class Frame:
    """Weights over √d and reference directions in an orthonormal frame of every atom.

    Attributes
    ----------
    P, L : (atoms, p, span), (atoms, p, p)
        Coordinates of the weights along the reference directions' span, and in the rest of the frame.
    references : (atoms, K, span)
        Coordinates of the reference directions.
    ranks, widths, rest : (atoms,)
        Dimensions of the two parts, and of what is outside.
    """

    P: np.ndarray
    L: np.ndarray
    references: np.ndarray
    ranks: np.ndarray
    widths: np.ndarray
    rest: np.ndarray


def frame(problem: SgdProblem, theta: np.ndarray, q: np.ndarray, counts: np.ndarray | None = None) -> Frame:
    """The frame of weights with overlaps Θ(s), q(s) at the problem's dimension."""
    T = problem.reference_overlaps
    atoms, K, p = len(T), T.shape[1], q.shape[1]
    if counts is None:
        counts = atom_counts(problem.dimension, problem.masses, [rank(g) for g in joint_gram(theta, q, T)])
    parts, ranks = [], np.zeros(atoms, np.int64)
    for s in range(atoms):
        values, vectors = np.linalg.eigh(T[s])
        kept = present(values)
        ranks[s] = kept.sum()
        parts.append((vectors[:, kept] * np.sqrt(values[kept]), vectors[:, kept] / np.sqrt(values[kept])))
    span = max(1, int(ranks.max()))
    P, L, references = np.zeros((atoms, p, span)), np.zeros((atoms, p, p)), np.zeros((atoms, K, span))
    widths = np.minimum(p, counts - ranks)
    for s, (forward, backward) in enumerate(parts):
        if widths[s] < 0:
            raise InputError(
                f"dimension = {problem.dimension}: atom {s + 1} has {counts[s]} coordinates, fewer than its directions"
            )
        references[s, :, : ranks[s]] = forward
        P[s, :, : ranks[s]] = theta[s] @ backward
        values, vectors = np.linalg.eigh(q[s] - P[s] @ P[s].T)
        order = np.argsort(-values)
        root = vectors[:, order] * np.sqrt(np.maximum(values[order], 0.0))
        if np.any(values[order][widths[s] :] > INDEFINITE * max(1.0, values[-1])) or indefinite(values):
            raise InputError(f"q, Theta, T (atom {s + 1}): no vectors of {counts[s]} coordinates have these overlaps")
        L[s, :, : widths[s]] = root[:, : widths[s]]
    return Frame(P, L, references, ranks, widths.astype(np.int64), (counts - ranks - widths).astype(np.int64))


class Chain:
    """One trajectory of the order parameters, advanced by hand.

    Parameters
    ----------
    problem : SgdProblem
        A training in R^d without data; its weights are never made.
    seed : int or SeedSequence
    """

    def __init__(self, problem: SgdProblem, seed: int | np.random.SeedSequence) -> None:
        if problem.data is not None:
            raise InputError("data: must be left out; the reduced chain draws fresh samples of a Gaussian mixture")
        self.problem, self.step = problem, 0
        self.key = philox_key(seed)
        self.stack = problem.stack
        f = self._stacked(self._start(seed))
        #: Stacked vectors over √d: coordinates along the reference directions' span, and in the rest of the frame.
        self.references, self.W = f.references, np.ascontiguousarray(np.concatenate([f.P, f.L], axis=2))
        scalars = np.concatenate([problem.b, problem.parameters])
        self.scalars = self.stack.start(np.zeros((self.stack.p, 0)), scalars)[1]
        means = np.ascontiguousarray(np.einsum("ck,ski->csi", problem.centroids, f.references))
        spreads = np.ascontiguousarray(np.sqrt(problem.eigenvalues))
        self.frame = chain_samples.Frame(f.ranks, f.widths, f.rest, means, spreads)
        self.draws = Draws(problem, self.key, (chain_samples.CLUSTER, chain_samples.TIME, chain_samples.LABEL))
        #: Of a long training the steps are compiled for its sizes.
        long = problem.steps > LONG and self.stack.plain and problem.batch == 1 and max(self.W.shape) <= SMALL
        self._advance = self.compiled() if long else steps_of("any")

    def compiled(self) -> Any:
        """The steps compiled for this problem's network and sizes."""
        (atoms, rows, columns), told, (scalar_rows, scalars) = self.W.shape, self.problem.told(0, 1), self.scalars.shape
        skips = told.clock.shape[1] - 9
        sizes = {
            "atoms": atoms, "rows": rows, "columns": columns, "span": columns - rows, "p": self.stack.p,
            "terms": len(told.decoders), "skips": skips, "parameters": scalars - skips, "scalar_rows": scalar_rows,
            "times": len(told.time_weights), "labels": self.problem.denoiser.labels, "batch": self.problem.batch,
            "m": 2 * self.problem.batch, "plain": self.stack.plain,
        }  # fmt: skip
        return written(self.problem.denoiser.source, tuple(sizes.items()))

    def _start(self, seed: int | np.random.SeedSequence) -> Frame:
        problem = self.problem
        if problem.initial is not None:
            at = overlaps(*problem.initial)
            return frame(problem, at.theta, at.q, problem.initial[2])
        if problem.theta is not None:
            return frame(problem, problem.theta, problem.q)
        coordinates, random = problem.start
        T, p, d = problem.reference_overlaps, problem.denoiser.vectors, problem.dimension
        theta = np.einsum("ak,skl->sal", coordinates, T)
        f = frame(problem, theta, np.einsum("sal,bl->sab", theta, coordinates))
        root = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([*root.generate_state(4), 1])))
        P, L = f.P.copy(), np.zeros_like(f.L)
        for s in range(len(T)):
            # Independent normal vectors in what the reference directions leave: Bartlett's triangle again.
            dimensions = int(f.widths[s] + f.rest[s])
            P[s, :, : f.ranks[s]] += random / np.sqrt(d) * rng.standard_normal((p, int(f.ranks[s])))
            for a in range(p):
                L[s, a, : min(a, dimensions)] = rng.standard_normal(min(a, dimensions))
                if a < dimensions:
                    L[s, a, a] = np.sqrt(rng.chisquare(dimensions - a))
        return Frame(P, random / np.sqrt(d) * L, f.references, f.ranks, f.widths, f.rest)

    def _stacked(self, f: Frame) -> Frame:
        """The frame with the rows that the optimiser carries along; its further directions are empty so far."""
        p, rows, atoms = self.stack.p, self.stack.rows, len(f.P)
        start = np.stack([self.stack.start(np.eye(p), np.zeros(0))[0]] * atoms)
        L = np.zeros((atoms, rows, rows))
        L[:, :, :p] = start @ f.L
        widths = np.minimum(rows, f.widths + f.rest)
        return Frame(start @ f.P, L, f.references, f.ranks, widths, f.widths + f.rest - widths)

    def advance(self, steps: int) -> None:
        """Make this many SGD steps."""
        problem = self.problem
        while steps > 0:
            count = min(steps, PIECE)
            first, batch = self.step, problem.batch
            self._advance(
                problem.denoiser.module.slopes, problem.told(first, count), self.draws.samples(first * batch, count * batch),
                problem.moved(first, count), self.frame, self.W, self.scalars, float(problem.dimension), *self.key, first, batch,
            )  # fmt: skip
            self.step += count
            steps -= count

    def state(self) -> dict[str, Any]:
        """A copy of all that going on needs (the randomness of a step is a function of its number)."""
        return {"step": self.step, "W": self.W.copy(), "scalars": self.scalars.copy()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        self.step = int(state["step"])
        self.W, self.scalars = np.array(state["W"]), np.array(state["scalars"])

    def overlaps(self) -> tuple[np.ndarray, np.ndarray]:
        """Θ(s) (atoms, p, K) and q(s) (atoms, p, p)."""
        along = self.W[:, :, : self.references.shape[2]]
        return along @ np.swapaxes(self.references, 1, 2), self.W @ np.swapaxes(self.W, 1, 2)


def trajectory(
    seed: np.random.SeedSequence, problem: SgdProblem, taus: np.ndarray, *, run: Run | None = None
) -> dict[str, np.ndarray]:
    """Order parameters of one run at the steps nearest to ``taus``."""
    chain = Chain(problem, seed)
    steps = np.array([problem.step_of(t) for t in taus])
    total, files = int(steps.max()), None if run is None else run.files
    found: dict[int, Any] = {}
    state = None if files is None else files.load_state()
    if state is not None:
        chain.restore(state)
        found = {int(step): value for step, value in state["found"].items()}
    with Keeper[dict[str, Any]].of(files, state) as keep:
        for step in np.unique(steps):
            while chain.step < step:
                chain.advance(min(int(step) - chain.step, PIECE))
                keep(lambda: {**chain.state(), "found": {str(k): v for k, v in found.items()}})
                if run is not None:
                    run.progress(chain.step, total)
            if int(step) not in found:
                theta, q = chain.overlaps()
                found[int(step)] = (q.sum(axis=0), theta.sum(axis=0), chain.scalars.copy())
    Q, Theta, scalars = (np.stack([found[int(s)][i] for s in steps]) for i in range(3))
    if not np.all(np.isfinite(scalars)) or not np.all(np.isfinite(Q)):
        raise InputError(
            f"training.learning_rate = {problem.learning_rate:g}: SGD diverged; must be smaller at this dimension"
        )
    skips = len(problem.b)
    return measured(chain.stack, problem.centroids, Q, Theta, scalars[..., :skips], scalars[..., skips:])


def simulate(
    problem: Problem,
    *,
    dimension: int | None = None,
    runs: int | None = None,
    seed: int | None = None,
    tau: Any = None,
    initial: str = "exact",
    workers: int | None = None,
    progress: bool | None = None,
    checkpoint: Checkpoint | None = None,
) -> Runs:
    """Trajectories of the order parameters at any d, in law those of the full simulation (no points are generated).

    Parameters
    ----------
    problem : Problem
    dimension, runs, seed : int, optional
        Default from the simulation's table.
    tau : sequence of float, optional
        Training times to record; default 9 equally spaced ones from 0 to the end.
    initial : {"exact", "drawn"}
        Every run starts from exactly the initial overlaps, or draws the random part of its weights.
    workers, progress, checkpoint
        See `asymptotics.common.running.ensembles.run_ensemble`.

    Returns
    -------
    Runs
        As from `simulation.simulate`, so that `compare` and the plots take it.
    """
    start = time.perf_counter()
    settings = problem.simulation
    d = settings.dimension if dimension is None else integer("dimension", dimension, at_least=2)
    count = settings.runs if runs is None else integer("runs", runs, at_least=1)
    seed = settings.seed if seed is None else integer("seed", seed, at_least=0)
    taus = problem.training.recorded(tau)
    setup = drawn_start(sgd_problem(problem, dimension=d), problem, initial)
    Chain(setup, 0)  # refuses impossible overlaps before any process starts
    check_start(problem)
    results = run_ensemble(
        trajectory, spawn(seed, count), setup, taus, workers=workers, progress=progress, description=f"d = {d}",
        checkpoint=checkpoint, watched=True,
    )  # fmt: skip
    # No weights, no points.
    none = {"generated": np.empty((0, problem.target.directions)), "norms": np.empty(0)}
    main = Ensemble.of([r | none for r in results], d, (*results[0], *none))
    tables = problem.to_tables()
    tables["simulation"] |= {"dimension": d, "runs": count, "seed": seed, "samples": 1}
    return Runs(
        main=main,
        low=main.take(slice(0), d // 4),
        tau=setup.nearest(taus),
        seed=seed,
        seconds=time.perf_counter() - start,
        experiment=tables,
        initial=initial,
    )
