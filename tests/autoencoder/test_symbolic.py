"""Compiled equations against the derived symbols: random experiments, averaged over the samples' own fields."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import asymptotics as asy
from asymptotics.autoencoder.equations.derivative.drift import Drift
from asymptotics.autoencoder.equations.integration.integrate import initial_state, kernels_of
from asymptotics.common.numerics.quadrature.expectations import Rule

NETWORKS = {
    "tied": {"architecture": "tied", "hidden_units": 1},
    "two units": {"architecture": "tied", "hidden_units": 2},
    "untied": {"architecture": "untied", "hidden_units": 1},
    "noise": {"architecture": "tied", "hidden_units": 1, "activation": "sin(x)", "predicts": "noise"},
}
#: Of which machine code is there anyway; the others by array code, from the same writer.
COMPILED = ("tied", "two units")
#: Nodes a field, of one vector and of two.
NODES = {1: 80, 2: 24}


@cache
def symbols(name):
    """g of both channels and the Gram part of −½√d ∇_w ‖e‖², as functions of (α, β, b, Q's entries, ω, e)."""
    system = asy.Experiment(**experiment(name, 0.5, 0.1, [1.0, 1.0], 0)).problem.denoiser.derived()
    p = system.p
    names = [sympy.Symbol(x, real=True) for x in ("alpha", "beta", "b")]
    names += [sympy.Symbol(f"Q_{i + 1}_{j + 1}", real=True) for i in range(p) for j in range(i, p)]
    names += [*system.fields, *system.residual_fields]
    gradient = [sympy.lambdify(names, list(system.gradient[channel])) for channel in (0, 1)]
    gram = sympy.lambdify(names, [system.gram_derivative[a][c] for a in range(p) for c in range(p)])
    return system, gradient, gram


def experiment(name, t, b, variances, seed):
    """Two clusters of one direction, Θ and Q at random."""
    rng = np.random.default_rng(seed)
    p = 1 if NETWORKS[name]["hidden_units"] == 1 and name != "untied" else 2
    theta, rest = 0.3 * rng.standard_normal((p, 1)), 0.3 * rng.standard_normal((p, p))
    Q = theta @ theta.T + rest @ rest.T + 0.1 * np.eye(p)
    return {
        "target": {"weights": [0.3, 0.7], "centroids": [[1.3], [-0.8]], "eigenvalues": [[v] for v in variances]},
        "denoiser": {**NETWORKS[name], "skip": b, "init": {"Theta": theta.tolist(), "Q": Q.tolist()}},
        "training": {"times": [t], "learning_rate": 0.4, "tau": 1.0},
    }  # fmt: skip


def by_hand(name, tables):
    """dΘ/dτ and dQ/dτ: E over (λ₀, λ₁) of what one step adds, x₀·u and x₁·u by their regression on the fields."""
    system, gradient, gram = symbols(name)
    theta, Q = (np.array(tables["denoiser"]["init"][k]) for k in ("Theta", "Q"))
    p, t, b, eta = (
        len(Q),
        tables["training"]["times"][0],
        tables["denoiser"]["skip"],
        tables["training"]["learning_rate"],
    )
    alpha, beta = 1 - t, t
    toward = (1.0, 0.0) if tables["denoiser"].get("predicts") == "noise" else (0.0, 1.0)
    x, w = np.polynomial.hermite_e.hermegauss(NODES[p])
    z = np.stack([g.ravel() for g in np.meshgrid(*[x] * (2 * p), indexing="ij")])
    w = np.prod(np.stack([g.ravel() for g in np.meshgrid(*[w / w.sum()] * (2 * p), indexing="ij")]), axis=0)
    root, projection = np.linalg.cholesky(Q), np.linalg.solve(Q, theta)
    dtheta, dq = np.zeros(p), np.zeros((p, p))
    target = tables["target"]
    for weight, (c,), (variance,) in zip(target["weights"], target["centroids"], target["eigenvalues"], strict=True):
        first, spread = root @ z[:p], np.sqrt(variance) * root @ z[p:]
        second = theta * c + spread
        omega = alpha * first + beta * second
        e = [(toward[0] * first + toward[1] * second - b * omega)[u] for u in system.decoder_vectors]
        given = [alpha, beta, b, *(Q[i, j] for i in range(p) for j in range(i, p)), *omega, *e]
        g0, g1 = (np.array(np.broadcast_arrays(*f(*given), z[0])[:p]) for f in gradient)
        P = np.array([np.broadcast_to(v, z[0].shape) @ w for v in gram(*given)]).reshape(p, p)
        dtheta += weight * ((g0 * (projection.T @ first) + g1 * (c + projection.T @ spread)) @ w + P @ theta[:, 0])
        along = (w * g0) @ first.T + (w * g1) @ second.T + P @ Q
        dq += weight * (along + along.T + 2 * eta * ((w * g0) @ g0.T + variance * (w * g1) @ g1.T))
    return dtheta, dq


@pytest.mark.parametrize("name", NETWORKS)
@settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    t=st.floats(0.2, 0.8),
    b=st.floats(-0.5, 1.0),
    variances=st.lists(st.floats(0.2, 1.5), min_size=2, max_size=2),
    seed=st.integers(0, 10**6),
)
def test_right_hand_side_is_the_average_of_the_derived_step(name, t, b, variances, seed):
    tables = experiment(name, t, b, variances, seed)
    problem = asy.Experiment(**tables).problem
    drift = Drift(
        problem,
        kernels_of(problem, backend="numba" if name in COMPILED else "numpy"),
        Rule("hermite", 40),
        Rule("hermite", 24),
    )
    theta, q, _, _ = drift.layout.unpack(drift(0.0, initial_state(problem, drift)))
    dtheta, dq = by_hand(name, tables)
    np.testing.assert_allclose(theta.sum(axis=0)[:, 0], dtheta, atol=1e-5)
    np.testing.assert_allclose(q.sum(axis=0), dq, atol=1e-5)
