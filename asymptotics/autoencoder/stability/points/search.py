"""Where Newton's method starts: slow stretches of the flow, states without overlap, random ones, and along unstable directions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....common.numerics.algebra.gram import NULL
from ..flow import Flow
from .spectrum import sorted_eigen

#: Length of a relaxation in units of the slowest bulk time, and the states kept of one.
RELAX, KEPT = 60.0, 4
#: Most steps of one: where the flow is stiff or goes round in circles, the states up to there are as good.
MOST_STEPS = 300
#: A trial that exceeds this many times the problem's scale has run away.
AWAY = 1e5


def relaxed(flow: Flow, y: np.ndarray, length: float) -> list[np.ndarray]:
    """States along the flow from ``y`` where it is slow (local minima of the relative speed), the last one first."""
    from scipy.integrate import LSODA

    def drift(_: float, x: np.ndarray) -> np.ndarray:
        return flow(x)

    found = [y]
    with np.errstate(all="ignore"):
        solver = LSODA(drift, 0.0, y, length, rtol=1e-5, atol=1e-8, max_step=length / 8)
        while solver.status == "running" and len(found) < MOST_STEPS:
            solver.step()
            if not np.all(np.isfinite(solver.y)) or np.max(np.abs(solver.y)) > AWAY * flow.scale:
                break
            found.append(solver.y)
    states = np.array(found)
    if len(states) < 3:
        return []
    speed = np.array([np.linalg.norm(flow.basis.T @ flow(x)) / (1e-12 + np.linalg.norm(x)) for x in states])
    inner = 1 + np.flatnonzero((speed[1:-1] <= speed[:-2]) & (speed[1:-1] <= speed[2:]))
    slow = inner[np.argsort(speed[inner])][: KEPT - 1]
    return [states[-1], *(states[k] for k in slow)]


#: Sizes of the states without overlap.
ASLEEP = (0.0, 0.1, 0.3, 0.7, 1.5, 5.0, 12.0)


def own_starts(count: int) -> int:
    """Starts that others follow from, with ``count`` random ones: the experiment's path, states without overlap, random ones."""
    return 1 + len(ASLEEP) + count


def candidates(flow: Flow, known: list[np.ndarray], count: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    """States from which a fixed point is looked for, each with the number of `own_starts` that are done.

    Parameters
    ----------
    flow : Flow
    known : list
        Fixed points found so far; the caller adds to it.
    count : int
        Random states.
    seed : int
    """
    layout, given = flow.layout, flow.drift.coefficients
    rng = np.random.default_rng(seed)
    b = flow.settled_skip()
    theta0, q0, _, kappa0 = layout.unpack(flow.start)
    start = layout.pack(theta0, q0, b, kappa0)
    for x in relaxed(flow, start, max(flow.tau, RELAX)):
        yield 0, x
    lifts = [np.linalg.pinv(T, rcond=NULL, hermitian=True) for T in given.T]

    def state(W: np.ndarray, L: np.ndarray, kappa: np.ndarray) -> np.ndarray:
        """Weights with coordinates W in the reference directions and i.i.d. entries with covariance L Lᵀ beside."""
        theta, q = np.zeros_like(theta0), np.zeros_like(q0)
        for s, (T, lift) in enumerate(zip(given.T, lifts, strict=True)):
            theta[s] = W @ T
            q[s] = theta[s] @ lift @ theta[s].T + (0.0 if s in flow.held else given.mass[s]) * L @ L.T
        frozen = ~flow.trained
        theta[:, frozen] = theta0[:, frozen]
        q[:, frozen[:, None] & frozen[None, :]] = q0[:, frozen[:, None] & frozen[None, :]]
        return layout.pack(theta, q, b, kappa)

    p, K = layout.p, layout.K
    for k, size in enumerate(ASLEEP):
        yield 1 + k, state(np.zeros((p, K)), size * np.eye(p), kappa0)
    directions = np.concatenate([given.c, np.eye(K)]) if K else np.zeros((1, 0))
    done = 0
    for k in range(count):
        W = 10 ** rng.uniform(-1.0, 0.3) * rng.standard_normal((p, K))
        along = directions[rng.integers(len(directions), size=p)]
        norm = np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
        aligned = rng.choice([-1.0, 1.0], (p, 1)) * 10 ** rng.uniform(-1.0, 0.4, (p, 1)) * along / norm
        W = aligned if k % 3 else W
        W = W * (rng.random((p, 1)) > 0.25)
        # Every fifth far out, where the noise may outgrow what restores.
        size = 10 ** (rng.uniform(0.3, 1.3) if k % 5 == 4 else rng.uniform(-1.5, 0.2))
        L = size * rng.standard_normal((p, p)) / np.sqrt(p)
        y = state(W, L, kappa0 + 0.3 * rng.standard_normal(len(kappa0)) * (k % 2))
        begun = 1 + len(ASLEEP) + k
        yield begun, y
        if k % 4 == 0:
            for x in relaxed(flow, y, RELAX):
                yield begun, x
        done, before = _unstable(flow, known, done)
        for from_saddle in before:
            for x in relaxed(flow, from_saddle, RELAX):
                yield begun, x


def _unstable(flow: Flow, known: list[np.ndarray], done: int) -> tuple[int, list[np.ndarray]]:
    """Small steps both ways along the growing directions of the fixed points that are new since the last call."""
    out = []
    for y in known[done:]:
        values, vectors = sorted_eigen(flow.jacobian(y))
        for k in np.flatnonzero(values.real > 1e-6)[:4]:
            step = flow.basis @ np.real(vectors[:, k])
            size = 0.02 * (1 + float(np.max(np.abs(y)))) / max(float(np.max(np.abs(step))), 1e-12)
            out += [flow.physical(y + sign * size * step) for sign in (1.0, -1.0)]
    return len(known), out
