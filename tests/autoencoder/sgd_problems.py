"""Small problems of SGD, and its samples from the documented streams, for the tests of it."""

from __future__ import annotations

import numpy as np

from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.model import streams
from asymptotics.autoencoder.process.training import draws
from asymptotics.autoencoder.process.training.problem import SgdProblem
from asymptotics.common.numerics.laws.normals import fill_normals32, philox_key
from derivations.autoencoder.network.denoiser import architecture

FOUR_TIMES = dict(
    alpha=[0.9, 0.6, 0.3, 0.05], beta=[0.1, 0.5, 0.7, 0.9], time_weights=[0.1, 0.2, 0.3, 0.4]
)  # fmt: skip


def named(name: str, hidden: int, activation: str = "tanh", **options: object) -> Forward:
    return Forward.of(architecture(name, hidden, activation=activation, **options))


def sample_of(problem: SgdProblem, seed, number: int):
    """(x₀, x₁) and the time's index of a sample, from the documented streams."""
    key, d = philox_key(seed), problem.dimension
    z0, z1, pick = np.empty(d, np.float32), np.empty(d, np.float32), np.empty(1, np.int64)
    fill_normals32(*key, streams.BASE, number, z0)
    fill_normals32(*key, streams.TARGET, number, z1)
    draws.choose(*key, streams.CLUSTER, number, np.cumsum(problem.weights), pick)
    _, U, counts = problem.begin(seed)
    spread = np.sqrt(np.repeat(problem.eigenvalues[pick[0]], counts))
    x1 = problem.centroids[pick[0]] @ U + spread * z1
    draws.choose(*key, streams.TIME, number, np.cumsum(problem.time_weights), pick)
    return z0.astype(float), x1, pick[0]


def small(forward, **changes):
    """A problem at d = 7 that nothing about is special: two atoms, unequal clusters with unequal spreads, λ, η large."""
    rng = np.random.default_rng(0)
    p = forward.vectors
    options = dict(
        dimension=7, centroids=[[1.5, 0.3], [-0.7, 1.1], [0.2, -2.0]], weights=[0.5, 0.3, 0.2], masses=[0.6, 0.4],
        eigenvalues=[[1.0, 0.3], [0.5, 2.0], [0.0, 1.4]], alpha=[0.3], beta=[0.7], y0=[0.0], y1=[1.0],
        learning_rate=0.3, tau=1.0, weight_decay=0.4, b=0.37,
        initial=(rng.standard_normal((p, 7)), rng.standard_normal((2, 7))),
        parameters=rng.standard_normal(forward.parameters), dtype="float64",
    ) | changes  # fmt: skip
    return SgdProblem(forward, **options)


def three_clusters(d: int, **changes) -> SgdProblem:
    """The reference example: w_γ(0) = 0.1 √d μ_γ, centroids 3e₁, −3e₂, −3e₁."""
    c = np.array([[3.0, 0.0], [0.0, -3.0], [-3.0, 0.0]])
    w = 0.1 * c[:2]
    options = dict(weight_decay=0.1, theta=w[None], q=(w @ w.T)[None]) | changes
    return SgdProblem(named("tied", 2), d, c, [0.3], [0.7], [0.0], [1.0], 0.1, 4.0, **options)
