"""The tied tanh auto-encoder in JAX and diffrax, as a colleague would write it: the right-hand side by hand, tensor Gauss–Hermite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

NODES = 44


def available() -> bool:
    """Whether JAX and diffrax are installed."""
    import importlib.util

    return all(importlib.util.find_spec(name) is not None for name in ("jax", "diffrax"))


def solver(rtol: float = 1e-7) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``(solve, solve_many)``: jitted functions of the learning rate (an array of them), with 101 times of output each."""
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, w = np.polynomial.hermite_e.hermegauss(NODES)
    z = jnp.array(np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2))
    w = jnp.array(np.outer(w, w).ravel() / w.sum() ** 2)
    c = jnp.array([[3.0, 0], [0, -3], [-3, 0]])
    t, lam = 0.7, 0.1
    a, be = 1 - t, t
    square = a**2 + be**2

    def cluster(ck: Any, theta: Any, Q: Any, b: Any, eta: Any) -> tuple[Any, Any]:
        M = theta @ ck
        omega = be * M + z @ jnp.linalg.cholesky(square * Q).T
        e = M + be / square * (omega - be * M) - b * omega
        s = jnp.tanh(omega)
        D = 1 - s**2
        e = e - s @ Q
        g1, g0 = (1 - b * be) * s + be * e * D, -b * a * s + a * e * D
        DD, R = (D * w[:, None]).T @ D, a**2 / square * Q
        A = w @ g1
        B = -(s * w[:, None]).T @ s - square * Q * DD
        B = B + jnp.diag((2 * be * (1 - b * be) - 2 * b * a**2) * (w @ D) - 2 * square * (w @ (e * s * D)))
        N = (g1 * w[:, None]).T @ g1 + (g0 * w[:, None]).T @ g0 + square * DD * R
        X = jnp.outer(A, M) + B @ Q
        return jnp.outer(A, ck) + B @ theta, X + X.T + 2 * eta * N

    def drift(_: Any, y: Any, eta: Any) -> Any:
        theta, Q, b = y
        dtheta, dQ = jax.vmap(cluster, in_axes=(0, None, None, None, None))(c, theta, Q, b, eta)
        return dtheta.mean(0) - lam / 2 * theta, dQ.mean(0) - lam * Q, be * (1 - b * be) - b * a**2

    start = jnp.array([[0.3, 0], [0, -0.3]]), 0.09 * jnp.eye(2), jnp.array(0.0)

    def solve(eta: Any) -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(drift), diffrax.Dopri8(), 0.0, 4.0, None, start, args=eta,
            saveat=diffrax.SaveAt(ts=jnp.linspace(0.0, 4.0, 101)),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol),
        ).ys  # fmt: skip

    return jax.jit(solve), jax.jit(jax.vmap(solve))
