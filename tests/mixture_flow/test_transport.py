"""The transport: blocked products against the plain loop, and against the finite-dimensional solution."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.numerics.interpolants import Interpolant
from asymptotics.mixture_flow.equations.schemes import TABLEAUX, make_grid
from asymptotics.mixture_flow.process.products import overlaps, signed_sum, update
from asymptotics.mixture_flow.process.transport import Drift, advance
from asymptotics.mixture_flow.settings import MixtureFlow

from .test_ridge import problem


def naive(points, ridge, interpolant, steps):
    """Explicit Euler exactly as one writes it down: f = b X + v sign(v·X), poles in 1/α and all, up to t = 1."""
    x, h = points.copy(), 1 / steps
    for k in range(steps):
        t = k * h
        a, b, a_dot, b_dot = (
            float(f(t)) for f in (interpolant.alpha, interpolant.beta, interpolant.alpha_dot, interpolant.beta_dot)
        )
        v = ridge.v(a, b)
        f = float(ridge.b(a, b)) * x + np.sign(x @ v)[:, None] * v
        x = x + h * ((b_dot - a_dot / a * b) * f + a_dot / a * x)
    return x


def drift_of(ridge, grid):
    rate, gain, p, q = ridge.drift(grid.alpha, grid.beta, grid.alpha_dot, grid.beta_dot)
    return Drift(rate, gain, lambda i, j: np.outer(p[i:j].ravel(), ridge.data) + np.outer(q[i:j].ravel(), ridge.noise))


@pytest.mark.parametrize(
    "flow", [MixtureFlow(4, 0.8, 0.3), MixtureFlow(3, 0.6, 0.2, skip=False), MixtureFlow(3, 1.2, 0.0, noises=2)]
)
@pytest.mark.parametrize("interpolant", [Interpolant(), Interpolant.preset("variance-preserving")])
def test_blocks_of_steps_are_the_plain_loop(flow, interpolant):
    _, _, ridge = problem(flow, 200, 2)
    start = np.random.default_rng(0).standard_normal((70, 200))
    grid = make_grid(interpolant, 53, "euler", "time", np.array([1.0]))
    ours = advance(start.copy(), drift_of(ridge, grid), grid.lengths, grid.tableau, 0, 53)
    np.testing.assert_allclose(ours, naive(start, ridge, interpolant, 53), atol=1e-11)


@pytest.mark.parametrize("name", ["heun", "rk4", "midpoint"])
def test_stages_are_the_plain_scheme(name):
    _, _, ridge = problem(MixtureFlow(4, 0.8, 0.3), 60, 2)
    interpolant = Interpolant.preset("trigonometric")
    grid = make_grid(interpolant, 30, name, "time", np.array([0.41, 1.0]))
    start = np.random.default_rng(1).standard_normal((20, 60))
    tableau = TABLEAUX[name]
    x = start.copy()

    def slope(t, y):
        a, b = float(interpolant.alpha(t)), float(interpolant.beta(t))
        values = ridge.drift(a, b, float(interpolant.alpha_dot(t)), float(interpolant.beta_dot(t)))
        u = values[2] * ridge.data + values[3] * ridge.noise
        return values[0] * y + values[1] * np.sign(y @ u)[:, None] * u

    t = 0.0
    for h in grid.lengths:
        k = []
        for j in range(len(tableau.weights)):
            inner = x + h * sum((tableau.stages[j, i] * k[i] for i in range(j)), np.zeros_like(x))
            k.append(slope(t + tableau.abscissae[j] * h, inner))
        x = x + h * sum(w * s for w, s in zip(tableau.weights, k, strict=True))
        t += h
    ours = advance(start.copy(), drift_of(ridge, grid), grid.lengths, tableau, 0, len(grid.lengths))
    np.testing.assert_allclose(ours, x, atol=1e-11)


@pytest.mark.parametrize("n", [4, 8, 16, 64])
def test_transport_reaches_the_finite_dimensional_solution(n):
    # Fourth-order steps with the exact ridge drift at every stage, on data of d = 2000.
    _, _, ridge = problem(MixtureFlow(n, 0.8, 0.3), 2000, n)
    start = np.random.default_rng(n).standard_normal((40, 2000))
    for interpolant in (Interpolant(), Interpolant.preset("variance-preserving")):
        grid = make_grid(interpolant, 100, "rk4", "angle", np.array([0.5, 1.0]))
        x = start.copy()
        drift, done = drift_of(ridge, grid), 0
        for node, radius, t in zip(grid.nodes, grid.radius, grid.times, strict=True):
            advance(x, drift, grid.lengths, grid.tableau, done, int(node))
            done = int(node)
            alpha, beta = float(interpolant.alpha(t)), float(interpolant.beta(t))
            exact = ridge.flow_map(alpha, beta, start)
            assert np.max(np.abs(radius * x - exact)) < 3e-8


def test_error_of_the_transport_falls_with_the_order():
    _, _, ridge = problem(MixtureFlow(4, 0.8, 0.3), 300, 5)
    start = np.random.default_rng(5).standard_normal((10, 300))
    exact = ridge.flow_map(0.0, 1.0, start)
    for name, tableau in TABLEAUX.items():
        errors = []
        for steps in (40, 80):
            grid = make_grid(Interpolant("(1 - t)*(1 + t/2)", "t"), steps, name, "time", np.array([1.0]))
            x = advance(start.copy(), drift_of(ridge, grid), grid.lengths, tableau, 0, steps)
            errors.append(np.max(np.abs(x - exact)))
        assert np.log2(errors[0] / errors[1]) == pytest.approx(tableau.order, abs=0.25), name


def test_products_in_pieces():
    rng = np.random.default_rng(0)
    points, vectors, c = rng.standard_normal((75, 5001)), rng.standard_normal((7, 5001)), rng.standard_normal((7, 75))
    np.testing.assert_allclose(overlaps(vectors, points), vectors @ points.T, atol=1e-10)
    np.testing.assert_allclose(signed_sum(points, c[0]), c[0] @ points, atol=1e-10)
    expected = 0.3 * points + c.T @ vectors
    update(points, 0.3, c, vectors)
    np.testing.assert_allclose(points, expected, atol=1e-12)
