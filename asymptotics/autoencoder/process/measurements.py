"""The observables measured on networks trained in R^d: fresh samples, the network itself, no order-parameter equation.

A `Network` is a trained network with the frame it lives in; `train_networks` keeps one at every wanted training time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...common.input.checks import InputError, array, integer
from ...common.output.ensemble import standard_error
from ..kernels.written.network import Forward
from ..model.extensions import NAMES, refuse
from ..model.problem import Problem
from ..model.start.weights import starts
from .generating.sampler_steps import generator_of
from .training.setup import sgd_problem
from .training.sgd import Trainer


@dataclass(frozen=True, eq=False)
class Network:
    """A network trained in R^d.

    Attributes
    ----------
    problem : Problem
        What it was trained on.
    denoiser : Forward
    weights : (p, d)
    b : float or (skips,)
    parameters : (n,)
    references : (K, d)
    counts : (atoms,)
        Coordinates of each atom, consecutive.
    tau : float
    """

    problem: Problem
    denoiser: Forward
    weights: np.ndarray
    b: Any
    parameters: np.ndarray
    references: np.ndarray
    counts: np.ndarray
    tau: float

    @property
    def dimension(self) -> int:
        """d."""
        return int(self.weights.shape[1])

    def network_part(self, x: np.ndarray, t: float) -> np.ndarray:
        """Σ_j (u_j/√d) φ_j(W x/√d) at time t for every row of x (n, d): the prediction is s(t) x plus this."""
        root = np.sqrt(self.dimension)
        fields = x @ self.weights.T / root
        now = np.concatenate([self.problem.told(t), np.zeros(self.denoiser.labels)])
        values = np.array([self.denoiser.values(z, self.parameters, now) for z in fields])
        return np.asarray(values @ self.weights[self.denoiser.decoders] / root)

    def target_samples(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Fresh samples x₁ of the Gaussian target in R^d, (count, d)."""
        target = self.problem.target
        cluster = rng.choice(target.clusters, size=count, p=target.weights)
        edges = starts(self.counts)
        spread = np.empty((target.clusters, self.dimension))
        for s, (low, high) in enumerate(pairwise(edges)):
            spread[:, low:high] = np.sqrt(target.cluster_eigenvalues[:, s, None])
        noise = rng.standard_normal((count, self.dimension))
        return np.asarray(target.centroids[cluster] @ self.references + spread[cluster] * noise)

    def mean_square(self) -> float:
        """E‖x₁‖² in R^d, exactly."""
        target = self.problem.target
        norms = np.sum((target.centroids @ self.references) ** 2, axis=1)
        return float(target.weights @ (norms + target.cluster_eigenvalues @ self.counts))


def train_networks(
    problem: Problem,
    taus: Any,
    seed: int | np.random.SeedSequence = 0,
    *,
    dimension: int | None = None,
    data: Any = None,
) -> list[Network]:
    """One training in R^d, with the network that generates kept at each of the training times ``taus`` (ascending)."""
    refuse(problem, "measurements on networks in R^d", set(NAMES) - {"labels"})
    setup = sgd_problem(problem, dimension=dimension, data=data)
    trainer = Trainer(setup, seed)
    networks = []
    for tau in np.sort(array("taus", np.atleast_1d(taus), ndim=1)):
        step = setup.step_of(float(tau))
        if not 0 <= step <= setup.steps:
            raise InputError(f"taus = {tau:g}: must be in [0, training.tau] = [0, {problem.training.tau:g}]")
        trainer.advance(step - trainer.step)
        own = trainer.network(problem.generating)
        networks.append(Network(problem, setup.denoiser, *own, trainer.references, trainer.counts, float(tau)))
    return networks


def measure_denoising_error(
    network: Network, times: Any, *, samples: int = 4000, seed: int | np.random.SeedSequence = 0
) -> dict[str, np.ndarray]:
    """Denoising error on fresh samples, at the noise levels ``times``.

    Returns
    -------
    dict
        ``t``; ``bulk`` = E‖(y₁ − sβ)x₁ + (y₀ − sα)x₀‖², known exactly for this s(t) and d; ``network`` = mean of what the
        network adds to it (its variance is of order one, that of the bulk of order d), with ``sem``; ``total``.
    """
    t = array("times", np.atleast_1d(times), ndim=1)
    n = integer("samples", samples, at_least=2)
    rng, d = np.random.default_rng(seed), network.dimension
    values = np.empty((len(t), n))
    y0, y1, alpha, beta = _schedule(network, t)
    skip = network.problem.skip_at(network.b, t)
    for first in range(0, n, 500):
        x1 = network.target_samples(min(500, n - first), rng)
        x0 = rng.standard_normal(x1.shape)
        for k in range(len(t)):
            plain = (y1[k] - skip[k] * beta[k]) * x1 + (y0[k] - skip[k] * alpha[k]) * x0
            added = network.network_part(alpha[k] * x0 + beta[k] * x1, float(t[k]))
            values[k, first : first + len(x1)] = np.sum(added * (added - 2 * plain), axis=1)
    bulk = (y1 - skip * beta) ** 2 * network.mean_square() + d * (y0 - skip * alpha) ** 2
    mean = values.mean(axis=1)
    return {"t": t, "bulk": bulk, "network": mean, "sem": standard_error(values, axis=1), "total": bulk + mean}


def _schedule(network: Network, t: np.ndarray) -> tuple[np.ndarray, ...]:
    s = network.problem.interpolant
    schedule = [np.atleast_1d(f(t)) for f in (s.alpha, s.beta, s.alpha_dot, s.beta_dot)]
    y0, y1 = network.denoiser.target(*schedule)
    return y0, y1, schedule[0], schedule[1]


def generate(
    network: Network,
    samples: int,
    seed: int | np.random.SeedSequence = 0,
    *,
    stop: float | None = None,
    keep: bool = False,
) -> Any:
    """Points of the generative process of the network in R^d (`asymptotics.autoencoder.process.generating.generate.GeneratedPoints`)."""
    problem = network.problem
    if stop is not None:
        problem = replace(problem, sampling=problem.sampling.replace(stop=stop))
    trained = network.weights, network.b, network.parameters
    return generator_of(problem, network.denoiser, trained, network.references).sample(samples, seed, keep_points=keep)


def measure_score(
    network: Network, t: float, *, law: str = "flow", samples: int = 2000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Projections u_k·x of points x in R^d at noise level t, and u_k·ŝ_t(x) of the network's score there, (n, K) each.

    Points are those of the generative process stopped at t ("flow") or noised samples of the target ("target").
    """
    y0, y1, alpha, beta = (float(v[0]) for v in _schedule(network, np.array([t])))
    rng = np.random.default_rng(seed)
    if law == "target":
        x = alpha * rng.standard_normal((samples, network.dimension)) + beta * network.target_samples(samples, rng)
    elif t == 0:
        x = rng.standard_normal((samples, network.dimension))
    else:
        x = np.asarray(generate(network, samples, seed, stop=t, keep=True).points, dtype=np.float64)
    f = float(network.problem.skip_at(network.b, t)) * x + network.network_part(x, t)
    # x = αx̂₀ + βx̂₁ and f = y₀x̂₀ + y₁x̂₁.
    x_hat_0 = np.linalg.solve(np.array([[alpha, beta], [y0, y1]]), np.stack([x, f]).reshape(2, -1))[0].reshape(x.shape)
    return x @ network.references.T, (-x_hat_0 / alpha) @ network.references.T
