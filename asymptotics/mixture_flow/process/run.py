"""One run of the full process: a training set, the exact ridge denoiser at every t, the transport of many points."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..equations.schemes import Grid
from ..settings import MixtureFlow
from .data import TrainingSet
from .observables import Account, final_values
from .products import overlaps, signed_sum
from .ridge import Ridge
from .transport import Drift, advance

#: Numbers held at once in a chunk of generated points.
_CHUNK = 1 << 22


def run(
    seed: np.random.SeedSequence, flow: MixtureFlow, dimension: int, count: int, grid: Grid, ends: np.ndarray
) -> dict[str, Any]:
    """What one training set and its generated points say, by name (`Runs`).

    Parameters
    ----------
    seed : SeedSequence
    flow : MixtureFlow
    dimension, count : int
        d, and the number of generated points.
    grid : Grid
        Its times are the measured ones and, last, t = 1.
    ends : ndarray, shape (2, T)
        α and β at the measured times.
    """
    training = TrainingSet(flow, dimension, seed)
    pattern = training.pattern()
    sums = training.sums(pattern)
    total = flow.samples * flow.noises
    ridge = Ridge.of(sums, total, flow.ridge, flow.skip)
    if flow.fresh_noise:
        drift, learned = _fresh_drift(training, pattern, grid)
    else:
        rate, gain, p, q = ridge.drift(grid.alpha, grid.beta, grid.alpha_dot, grid.beta_dot)

        def directions(first: int, last: int) -> np.ndarray:
            return np.outer(p[first:last].ravel(), ridge.data) + np.outer(q[first:last].ravel(), ridge.noise)

        drift, learned = Drift(rate, gain, directions), None

    # Exactly zero where there is none, so that its rounding is not taken for a direction.
    eta = (sums.data / flow.noises - flow.samples * sums.centroid) * (flow.cluster_std > 0)
    bases = [
        np.stack([sums.centroid, sums.noise if learned is None else learned[k], eta]) for k in range(len(grid.times))
    ]
    accounts = [Account(basis) for basis in bases]
    mean, square, flips = np.zeros(dimension), 0.0, 0
    # The number of rows in a chunk depends on the dimension alone: it fixes the order of the random numbers.
    rows = max(1, _CHUNK // dimension)
    order = np.argsort(grid.nodes, kind="stable")
    for j, begin in enumerate(range(0, count, rows)):
        child = np.random.SeedSequence(entropy=seed.entropy, spawn_key=(*seed.spawn_key, 1, j))
        x = np.random.Generator(np.random.SFC64(child)).standard_normal((min(rows, count - begin), dimension))
        sign = np.where(overlaps(drift.directions(0, 1)[:1], x)[0] >= 0, 1.0, -1.0)
        done = 0
        for k in order:
            advance(x, drift, grid.lengths, grid.tableau, done, int(grid.nodes[k]))
            done = int(grid.nodes[k])
            accounts[k].add(x, sign, float(grid.radius[k]))
        mean += signed_sum(x, sign)
        square += float(np.einsum("ij,ij->", x, x))
        flips += int(np.sum(overlaps(ridge.data[None], x)[0] * sign < 0))
    along = {
        name: np.array([a.values()[name] for a in accounts[:-1]])
        for name in ("M", "Q_xi", "Q_eta", "perp", "Q", "cosine")
    }
    along["b"] = ridge.b(*ends)
    data_part, along["w_xi"] = ridge.coefficients(*ends)
    along["w_m"], along["w_eta"] = data_part * total, data_part * flow.noises
    final = final_values(flow, sums.centroid, eta, sums, mean / count, square, count)
    return along | final | {"mistakes": sums.mistakes, "flips": flips}


def _fresh_drift(training: TrainingSet, pattern: np.ndarray, grid: Grid) -> tuple[Drift, np.ndarray]:
    """Drift with noises redrawn at every Euler step, and −(learned noise)·√(Nd)/‖learned noise‖ at the wanted times.

    The noise that the points have absorbed is the same for all of them: it obeys the Euler recursion of one vector.
    """
    flow, d = training.flow, training.dimension
    total, steps = flow.samples * flow.noises, len(grid.lengths)
    sums = training.sums(pattern)
    rate, gain, u = np.empty((steps, 1)), np.empty((steps, 1)), np.empty((steps, d))
    absorbed, history = np.zeros(d), np.zeros((steps + 1, d))
    for k in range(steps):
        ridge = Ridge.of(training.redraw(sums, pattern, k + 1), total, flow.ridge, flow.skip)
        stage = (grid.alpha[k], grid.beta[k], grid.alpha_dot[k], grid.beta_dot[k])
        rate[k], gain[k], p, q = ridge.drift(*stage)
        u[k] = p * ridge.data + q * ridge.noise
        absorbed = absorbed + grid.lengths[k] * (rate[k] * absorbed + gain[k] * q * ridge.noise)
        history[k + 1] = absorbed
    norms = np.linalg.norm(history, axis=1, keepdims=True)
    learned = -history * np.sqrt(total * d) / np.where(norms > 0, norms, 1.0)
    return Drift(rate, gain, lambda first, last: u[first:last]), learned[grid.nodes]
