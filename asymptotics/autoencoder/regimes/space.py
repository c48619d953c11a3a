"""Clones and U-turns in R^d: networks trained by SGD, whole samples stepped by the sampler, no order parameter.

Two clones have different keys of their random numbers from the step on at which they split.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Unpack

import numpy as np

from ...common.output.ensemble import PerRun
from ...common.output.results import Result
from ...common.running.ensembles import Resources, columns_of_runs, spawn
from ..equations.training_path.path import OrderParameters
from ..model.problem import Problem
from ..model.start.weights import starts
from ..process.generating.carried import carry as compiled_carry
from ..process.generating.generate import Generator
from ..process.generating.sampler_steps import sampler_steps
from ..process.measurements import Network
from ..process.training.setup import sgd_problem
from ..process.training.sgd import Trainer
from .clusters import cluster_curves
from .landscape import nearest
from .sde.fields import Fields

#: Samples at once, and steps of the continuous scheme's clock.
TOGETHER, FINE = 500, 0.02
#: Trajectories of the reduced SDE for every pair in R^d, where it has to be sampled.
REDUCED = 20


@dataclass(frozen=True, eq=False)
class SpaceRuns(PerRun, Result):
    """Clones and U-turns of networks trained in R^d.

    Attributes
    ----------
    t : (times,)
    clones, uturns : (runs, times)
        Shares of pairs that ended in one cluster, and of samples that kept theirs.
    reduced_clones, reduced_uturns : (runs, times)
        What the reduced SDE says of each of these networks, given its own overlaps.
    pairs, dimension, seed : int
        Pairs of one network; d.
    tau, seconds : float
    """

    t: np.ndarray
    clones: np.ndarray
    uturns: np.ndarray
    reduced_clones: np.ndarray
    reduced_uturns: np.ndarray
    pairs: int
    dimension: int
    seed: int
    tau: float
    seconds: float

    @property
    def runs(self) -> int:
        """Number of networks."""
        return len(self.clones)

    def sem(self, name: str, *of: bool, **named: bool) -> np.ndarray:
        """Standard error of the mean over networks (of one: of its pairs)."""
        share = self.mean(name)
        return super().sem(name) if self.runs > 1 else np.sqrt(share * (1 - share) / self.pairs)

    def to_json(self) -> dict[str, Any]:
        out: dict[str, Any] = {"t": self.t, "tau": self.tau}
        for name in ("clones", "uturns"):
            out[name] = {"mean": self.mean(name), "sem": self.sem(name)}
        out |= {"runs": self.runs, "pairs": self.pairs, "dimension": self.dimension, "seed": self.seed}
        return out | {"seconds": self.seconds}

    def to_dataframe(self) -> Any:
        """One row a time as a pandas DataFrame (needs pandas)."""
        return self.with_errors(("clones", "uturns"), t=self.t)

    def summary(self) -> str:
        """Both curves with their standard errors."""
        head = f"{self.runs} networks at d = {self.dimension}, {self.pairs} pairs each ({self.seconds:.1f} s), at tau = {self.tau:g}"
        lines = [head]
        for k, t in enumerate(self.t):
            shown = [f"{self.mean(name)[k]:.4f} ± {self.sem(name)[k]:.4f}" for name in ("clones", "uturns")]
            lines.append(f"  t = {t:.4f}: clones {shown[0]}, U-turns {shown[1]}")
        return "\n".join(lines)


def overlaps(network: Network) -> OrderParameters:
    """The order parameters that a network in R^d has."""
    d, edges = network.dimension, starts(network.counts)
    W, U = np.asarray(network.weights, dtype=np.float64), np.asarray(network.references, dtype=np.float64)
    parts = [slice(int(lo), int(hi)) for lo, hi in pairwise(edges)]
    q = np.stack([W[:, part] @ W[:, part].T / d for part in parts])
    theta = np.stack([W[:, part] @ U[:, part].T / np.sqrt(d) for part in parts])
    Theta = theta.sum(axis=0)
    M = Theta @ network.problem.target.centroids.T
    return OrderParameters(network.tau, q.sum(axis=0), Theta, M, network.b, network.parameters, q, theta)


def trained(problem: Problem, tau: float, seed: np.random.SeedSequence) -> Network:
    """One training in R^d up to τ: the network that generates."""
    setup = sgd_problem(problem)
    trainer = Trainer(setup, seed)
    trainer.advance(setup.step_of(tau))
    own = trainer.network(problem.generating)
    return Network(problem, setup.denoiser, *own, trainer.references, trainer.counts, tau)


class _Sampler:
    """Whole samples of one network, from any step to any other."""

    def __init__(self, network: Network) -> None:
        self.network = network
        steps = sampler_steps(network.problem, network.b, fine=FINE)
        self.times = network.problem.sampling.start + np.concatenate([[0.0], np.cumsum(steps["h"])])
        self._generator = Generator(
            network.denoiser, network.weights, steps["gamma"], steps["delta"], steps["epsilon"], steps["h"],
            parameters=network.parameters, dtype="float32", clock=steps["clock"], label=network.problem.sampling.label,
            guidance=steps.get("guidance"),
        )  # fmt: skip

    def carry(self, x: np.ndarray, first: int, last: int, seed: np.random.SeedSequence) -> np.ndarray:
        """Samples at step ``last`` from those at step ``first``; x stays as it is."""
        return self._generator.carry(x, first, last, seed)

    def noised(self, t: float, cluster: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Samples of the given clusters, noised to time t."""
        target, net = self.network.problem.target, self.network
        s, edges = net.problem.interpolant, starts(net.counts)
        x = rng.standard_normal((len(cluster), net.dimension))
        spread = np.sqrt(target.cluster_eigenvalues)
        for atom, (low, high) in enumerate(pairwise(edges)):
            x[:, low:high] *= spread[cluster, atom][:, None]
        x += target.centroids[cluster] @ net.references
        return np.asarray(float(s.alpha(t)) * rng.standard_normal(x.shape) + float(s.beta(t)) * x)


def _member(
    seed: np.random.SeedSequence, problem: Problem, tau: float, times: np.ndarray, pairs: int
) -> dict[str, np.ndarray]:
    """Train one network; its curves in R^d and what the reduced SDE says of it."""
    training, reduced, *blocks = seed.spawn(2 + -(-pairs // TOGETHER))
    network = trained(problem, tau, training)
    sampler, target = _Sampler(network), problem.target
    own_law = Fields(problem, overlaps(network))
    last = len(sampler.times) - 1
    centroids, order = target.projected_centroids(), np.argsort(times, kind="stable")
    same, kept = np.zeros(len(times)), np.zeros(len(times))

    def ends(x: np.ndarray, i: int, key: np.random.SeedSequence) -> np.ndarray:
        return nearest(sampler.carry(x, i, last, key) @ network.references.T, centroids)

    for number, block in enumerate(blocks):
        count = min(TOGETHER, pairs - number * TOGETHER)
        keys = block.spawn(1 + 5 * len(times))
        rng = np.random.default_rng(keys[0])
        trunk, here = rng.standard_normal((count, network.dimension), dtype=np.float32), 0
        for place, which in enumerate(order):
            own = keys[1 + 5 * place : 6 + 5 * place]
            i = int(np.argmin(np.abs(sampler.times - times[which])))
            trunk, here = sampler.carry(trunk, here, i, own[0]), i
            same[which] += np.sum(ends(trunk, i, own[1]) == ends(trunk, i, own[2]))
            fresh = np.random.default_rng(own[3])
            cluster = fresh.choice(target.clusters, size=count, p=own_law.weights)
            kept[which] += np.sum(ends(sampler.noised(float(times[which]), cluster, fresh), i, own[4]) == cluster)
    theory = cluster_curves(own_law, times, REDUCED * pairs, int(reduced.generate_state(1)[0]))
    return {
        "clones": same / pairs, "uturns": kept / pairs,
        "reduced_clones": theory[0].phi, "reduced_uturns": theory[1].phi,
    }  # fmt: skip


def simulate_clusters(
    problem: Problem, tau: float, times: np.ndarray, pairs: int, seed: int, **resources: Unpack[Resources]
) -> SpaceRuns:
    """Train ``simulation.runs`` networks in R^d; clones and U-turns of each, ``pairs`` in all."""
    begun = time.perf_counter()
    runs = problem.simulation.runs
    each = -(-pairs // runs)
    sgd_problem(problem).begin(0)
    compiled_carry("float32")  # for the worker processes
    shares = columns_of_runs(
        _member, spawn(seed, runs), problem, tau, times, each,
        description=f"clones, d = {problem.simulation.dimension}", **resources,
    )  # fmt: skip
    return SpaceRuns(
        t=times,
        **shares,
        pairs=each,
        dimension=problem.simulation.dimension,
        seed=seed,
        tau=tau,
        seconds=time.perf_counter() - begun,
    )
