"""Online SGD of a narrow denoiser in R^d on fresh samples: the experiment that the theory is tested against.

Exactly the update rule, nothing averaged: x₀ ~ N(0, I), x₁ = μ(c) + Σ(c)^{1/2} z, x_t = α x₀ + β x₁ with the same (x₀, x₁)
at every time, loss = E_t w(t) ‖y₀x₀ + y₁x₁ − f_t(x_t)‖², and with η ρ the learning rates of the groups,

    Δw_a = −η ρ_a s(τ) (∇_{w_a} loss + (λ/d) w_a),   Δb_k = −(η ρ_b s(τ)/d²) ∂_{b_k} loss,   Δκ = −(η ρ_κ s(τ)/d) ∂_κ loss,

τ = 2ηn/d after n steps; momentum and averages are in `optimiser`. Memory is O((p + K) d): no data set is stored.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import ComputationError, InputError, array, integer
from ....common.numerics.laws.normals import philox_key
from ....common.running.checkpoints import INTERVAL, Keeper
from ....common.running.ensembles import Run
from ...model.start.weights import Overlaps, overlaps
from . import mixed_steps, steps
from .draws import Draws
from .problem import SgdProblem
from .results import SgdState, TrainedRun, trained_skip
from .steps import Target


class DivergedError(ComputationError):
    """The weights left the range of floating-point numbers. ``partial`` is the run as far as it was recorded."""


class Trainer:
    """A training that is advanced by hand, step by step or chunk by chunk.

    Parameters
    ----------
    problem : SgdProblem
    seed : int or SeedSequence
        Gives the initial weights and, through the counter-based generator, every random number of every step.
    """

    def __init__(self, problem: SgdProblem, seed: int | np.random.SeedSequence) -> None:
        self.problem = problem
        self.key = philox_key(seed)
        self._mark = problem.fingerprint()
        weights, references, self.counts = problem.begin(seed)
        self.references = references
        dtype = np.dtype(problem.dtype)
        self.step = 0
        self.stack = problem.stack
        stacked, self._scalars = self.stack.start(weights, np.concatenate([problem.b, problem.parameters]))
        self._V = np.array(stacked, dtype=dtype, order="C")
        self._mixing, self._gram = np.eye(len(stacked)), np.zeros((len(stacked), len(stacked)))
        self._recorded: dict[int, np.ndarray] = {}
        roots, self._root_of = np.unique(np.sqrt(problem.eigenvalues), axis=0, return_inverse=True)
        self._roots = np.repeat(roots, self.counts, axis=1).astype(dtype)
        self._root_of = np.ascontiguousarray(self._root_of.ravel(), dtype=np.int64)
        self._references = np.array(references, dtype=dtype, order="C")
        self._data = np.empty((0, problem.dimension), dtype) if problem.data is None else problem.data
        self.draws = Draws(problem, self.key)

    def restore(self, state: SgdState, name: str = "state") -> None:
        """Go on from a state that this training wrote; ``name`` stands in the error if it is another's."""
        if state.fingerprint != self._mark or not np.array_equal(state.key, self.key):
            raise InputError(f"{name}: belongs to another problem or seed; must be one that this training wrote")
        self.step = int(state.step)
        self._V, self._scalars = state.V.copy(), state.scalars.copy()
        self._mixing, self._gram = state.mixing.copy(), state.gram.copy()
        self._recorded = dict(zip(map(int, state.recorded_steps), state.records, strict=True))

    @property
    def weights(self) -> np.ndarray:
        """W, (p, d), in double precision."""
        return self.stacked[: self.stack.p]

    @property
    def stacked(self) -> np.ndarray:
        """W, then velocities and averages, (P, d), in double precision."""
        return np.asarray(self._mixing @ self._V.astype(np.float64))

    @property
    def b(self) -> Any:
        """Skip connection: a number, or (skips,) where there are several ψ_k."""
        return trained_skip(self._scalars[0, : len(self.problem.b)])

    @property
    def parameters(self) -> np.ndarray:
        """κ."""
        return self._scalars[0, len(self.problem.b) :].copy()

    def network(self, average: int | None = None) -> tuple[np.ndarray, Any, np.ndarray]:
        """W (p, d), b and κ of the network itself or of one of its averages."""
        part, row, skips = *self.stack.place(average), len(self.problem.b)
        return self.stacked[part], trained_skip(self._scalars[row, :skips]), self._scalars[row, skips:].copy()

    def overlaps(self) -> Overlaps:
        """Order parameters of the present weights."""
        return overlaps(self.weights, self.references, self.counts)

    def state(self) -> SgdState:
        """A copy of the present state."""
        steps = np.array(sorted(self._recorded), dtype=np.int64)
        records = np.array([self._recorded[int(k)] for k in steps]).reshape(len(steps), self._width)
        return SgdState(
            step=self.step,
            V=self._V.copy(),
            mixing=self._mixing.copy(),
            gram=self._gram.copy(),
            scalars=self._scalars.copy(),
            recorded_steps=steps,
            records=records,
            key=np.array(self.key),
            fingerprint=self._mark,
        )

    @property
    def _width(self) -> int:
        p, atoms = len(self._V), len(self.counts)
        return atoms * p * (p + len(self.references)) + self._scalars.size

    def record(self) -> None:
        """Keep the present order parameters for `run`."""
        now = overlaps(self.stacked, self.references, self.counts)
        self._recorded[self.step] = np.concatenate([now.q.ravel(), now.theta.ravel(), self._scalars.ravel()])

    def recorded(self, step: int) -> bool:
        """Whether the order parameters at a step were kept."""
        return step in self._recorded

    def finite(self) -> bool:
        """False once the weights have overflowed."""
        return bool(np.all(np.isfinite(self._scalars)) and np.isfinite(self._V.sum(dtype=np.float64)))

    def advance(self, count: int) -> None:
        """Make this many SGD steps."""
        problem, batch = self.problem, self.problem.batch
        network, step = problem.denoiser, self.step
        target = Target(self._references, problem.centroids, self._roots, self._root_of, self._data)
        given = (
            network.module.slopes, problem.told(step, count), self.draws.samples(step * batch, count * batch),
            problem.moved(step, count), target, self._V,
        )  # fmt: skip
        if problem.single:
            mixed_steps.advance(problem.dtype)(*given, self._mixing, self._gram, self._scalars, *self.key, step)
        else:
            scale = np.diagonal(self._mixing).copy()
            steps.advance(problem.dtype)(*given, scale, self._scalars, *self.key, step, batch)
            np.fill_diagonal(self._mixing, scale)
        self.step += count

    def run(self, steps: Iterable[int]) -> TrainedRun:
        """The result at recorded steps."""
        problem = self.problem
        steps = np.array([k for k in steps if int(k) in self._recorded], dtype=np.int64)
        atoms, P, K = len(problem.masses), self.stack.rows, problem.centroids.shape[1]
        rows = np.array([self._recorded[int(k)] for k in steps]).reshape(len(steps), self._width)
        q, theta, scalars = np.split(rows, [atoms * P * P, atoms * P * (P + K)], axis=1)
        q, theta = q.reshape(-1, atoms, P, P), theta.reshape(-1, atoms, P, K)
        p, n = self.stack.p, len(problem.b)
        scalars = scalars.reshape(len(steps), *self._scalars.shape)
        stacked_Q, stacked_Theta = q.sum(axis=1), theta.sum(axis=1)
        q, theta = np.ascontiguousarray(q[..., :p, :p]), np.ascontiguousarray(theta[..., :p, :])
        Theta = theta.sum(axis=1)
        return TrainedRun(
            tau=2 * problem.learning_rate * steps / problem.dimension,
            steps=steps,
            Q=q.sum(axis=1),
            Theta=Theta,
            M=Theta @ problem.centroids.T,
            q=q,
            theta=theta,
            b=trained_skip(scalars[:, 0, :n]),
            parameters=scalars[:, 0, n:].copy(),
            weights=self.weights,
            references=self.references,
            counts=self.counts,
            dimension=problem.dimension,
            stacked_Q=stacked_Q,
            stacked_Theta=stacked_Theta,
            stacked_b=scalars[..., :n].copy(),
            stacked_parameters=scalars[..., n:].copy(),
            stacked_weights=self.stacked,
        )


def prepare(problem: SgdProblem) -> None:
    """Compile (or load) the kernels now, so that worker processes started later find them."""
    (mixed_steps if problem.single else steps).advance(problem.dtype)
    _ = problem.denoiser.module  # loaded on first use


def default_chunk(problem: SgdProblem) -> int:
    """Steps that take about a fifth of a second (only how often Ctrl-C and the progress bar are looked at)."""
    p, d = problem.denoiser.vectors, problem.dimension
    nanoseconds = problem.batch * ((1.5 + 0.25 * p) * d + 100.0 * (1 + p) * len(problem.alpha))
    if problem.batch > 1:
        nanoseconds += 0.1 * p * p * d
    if not problem.stack.plain:
        nanoseconds += 0.3 * (problem.stack.rows + p) * d
    return max(1, int(2e8 / nanoseconds))


def train(
    problem: SgdProblem,
    seed: int | np.random.SeedSequence = 0,
    taus: ArrayLike | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    chunk: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    every: float = INTERVAL,
) -> TrainedRun:
    """Train from τ = 0 to the problem's τ and record the order parameters on the way.

    Parameters
    ----------
    problem : SgdProblem
    seed : int or SeedSequence
    taus : sequence of float, optional
        Training times to record, each at the nearest step, in [0, problem.tau]; default the last one alone.
    progress : callable, optional
        ``progress(done, total)`` in steps, after every chunk.
    chunk : int, optional
        Steps between two looks at Ctrl-C; the answer does not depend on it. The kernel runs without the GIL.
    checkpoint : path, optional
        Written atomically now and then and when the training is interrupted; if it is there, the training goes on from it,
        bit for bit as if it had never stopped.
    every : float
        Seconds between two writes of the checkpoint.

    Raises
    ------
    InputError
        If the checkpoint is cut short, of another problem or seed, or cannot be written; the file is left as it is.
    DivergedError
        If the weights overflow; it carries what was recorded.
    """
    taus = array("taus", [problem.tau] if taus is None else taus, ndim=1)
    if np.any(taus < 0) or np.any(taus > problem.tau * (1 + 1e-12)):
        raise InputError(f"taus = {taus.tolist()}: must be in [0, tau] = [0, {problem.tau:g}]")
    wanted = np.array([problem.step_of(t) for t in taus], dtype=np.int64)
    chunk = default_chunk(problem) if chunk is None else integer("chunk", chunk, at_least=1)
    trainer, path = Trainer(problem, seed), None if checkpoint is None else Path(checkpoint)
    if path is not None and path.exists():
        trainer.restore(SgdState.load(path), str(path))
    missing = [k for k in wanted if k < trainer.step and not trainer.recorded(int(k))]
    if missing:
        raise InputError(f"taus: step {missing[0]} is behind the checkpoint (step {trainer.step}) and was not recorded")
    total = problem.steps
    with Keeper[SgdState](None if path is None else lambda state: state.save(path), every) as keep:
        while True:
            if trainer.step in wanted:
                trainer.record()
            keep(trainer.state)
            if trainer.step >= total:
                break
            stops = [trainer.step + chunk, total, *wanted[wanted > trainer.step]]
            trainer.advance(int(min(stops)) - trainer.step)
            if not trainer.finite():
                raise DivergedError(
                    f"SGD diverged before step {trainer.step} of {total}: the weights are no longer finite",
                    trainer.run(wanted),
                )
            if progress is not None:
                progress(trainer.step, total)
    return trainer.run(wanted)


def train_member(
    run: Run, problem: SgdProblem, seed: np.random.SeedSequence, taus: ArrayLike | None = None, *, share: float = 1.0
) -> TrainedRun:
    """`train` as (``share`` of) a member of an ensemble: it tells its progress and keeps its state where the run says."""
    files = run.files
    return train(
        problem,
        seed,
        taus,
        progress=lambda done, total: run.progress(share * done, total),
        checkpoint=None if files is None else files.state,
        every=INTERVAL if files is None else files.every,
    )


def one_run(
    seed: np.random.SeedSequence,
    problem: SgdProblem,
    taus: ArrayLike | None = None,
    keep_weights: bool = False,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """One member of an ensemble (`asymptotics.common.running.ensembles.run_ensemble`): the fields of `TrainedRun` by name."""
    trained = train(problem, seed, taus) if run is None else train_member(run, problem, seed, taus)
    names = ["tau", "steps", "Q", "Theta", "M", "q", "theta", "b", "parameters"]
    names += ["weights", "references", "counts"] if keep_weights else []
    return {name: getattr(trained, name) for name in names}
