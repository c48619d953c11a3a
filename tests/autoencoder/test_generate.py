"""The generative SDE in R^d against plain NumPy on the same noise, and against exact Gaussian moments."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from asymptotics.autoencoder.kernels.written.network import Forward
from asymptotics.autoencoder.process.generating.carried import GENERATED
from asymptotics.autoencoder.process.generating.generate import GeneratedPoints, Generator, prepare
from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.normals import fill_normals32, fill_normals64, philox_key
from derivations.autoencoder.network.denoiser import Denoiser, architecture, local_field


def tied(hidden: int, activation: str = "tanh") -> Forward:
    return Forward.of(architecture("tied", hidden, activation=activation))


def gate() -> Forward:
    scale = sympy.Symbol("a", real=True)
    u, v = local_field("u"), local_field("v")
    terms = (("u", scale * u * sympy.tanh(v)), ("u", sympy.tanh(v - u)), ("v", sympy.tanh(u + scale)))
    return Forward.of(Denoiser("gate", ("u", "v"), terms, parameters=(scale,)))


def tied_by_hand(W, kappa, Z):
    return W.T @ np.tanh(Z)


def gate_by_hand(W, kappa, Z):
    return W[0] * (kappa[0] * Z[0] * np.tanh(Z[1]) + np.tanh(Z[1] - Z[0])) + W[1] * np.tanh(Z[0] + kappa[0])


def scheme(steps: int = 30, noise: float = 0.2):
    """Γ, Δ, ε, h of unequal steps; one step without noise."""
    rng = np.random.default_rng(3)
    epsilon = noise * rng.random(steps)
    epsilon[4] = 0.0
    return rng.standard_normal(steps), -rng.random(steps), epsilon, 0.05 * rng.random(steps)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("forward", "by_hand"), [(tied(3), tied_by_hand), (gate(), gate_by_hand)], ids=["tied", "gate"]
)
@pytest.mark.parametrize("d", [7, 2500])
def test_against_the_scheme_in_numpy(dtype, forward, by_hand, d):
    rng = np.random.default_rng(0)
    W = rng.standard_normal((forward.vectors, d))
    E = rng.standard_normal((2, d))
    kappa = rng.standard_normal(forward.parameters)
    gamma, delta, epsilon, h = scheme()
    generator = Generator(forward, W, gamma, delta, epsilon, h, E, kappa, dtype)
    got = generator.sample(3, seed=21, keep_points=True)
    fill = fill_normals64 if dtype == "float64" else fill_normals32
    for n in range(3):

        def normals(stream, n=n):
            z = np.empty(d, dtype)
            fill(*philox_key(21), stream, n, z)
            return z.astype(float)

        X = normals(GENERATED)
        for k in range(len(h)):
            drift = gamma[k] / np.sqrt(d) * by_hand(W, kappa, W @ X / np.sqrt(d)) + delta[k] * X
            X = X + h[k] * drift + np.sqrt(2 * epsilon[k] * h[k]) * normals(GENERATED + 1 + k)
        tolerance = 1e-12 if dtype == "float64" else 2e-5
        assert np.allclose(got.points[n], X, rtol=0, atol=tolerance)
        assert np.allclose(got.fields[n], W @ X / np.sqrt(d), rtol=0, atol=10 * tolerance)
        assert np.allclose(got.projections[n], E @ X, rtol=1e-6 if dtype == "float32" else 1e-13, atol=1e3 * tolerance)
        assert np.isclose(got.squared_norms[n], X @ X, rtol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_linear_network_gives_exact_gaussian_moments(dtype):
    """σ(x) = x: along w the variance follows (1 + h(Δ + ΓQ))² v + 2εh, across it (1 + hΔ)² v + 2εh; all means vanish."""
    d, samples = 600, 4000
    rng = np.random.default_rng(1)
    w = rng.standard_normal(d)
    w *= np.sqrt(d * 0.8) / np.linalg.norm(w)  # Q = 0.8
    across = rng.standard_normal(d)
    across -= w * (w @ across) / (w @ w)
    E = np.stack([w / np.linalg.norm(w), across / np.linalg.norm(across)])
    gamma, delta, epsilon, h = scheme(60)
    gamma = np.abs(gamma)
    along, other = 1.0, 1.0
    for g, m, e, s in zip(gamma, delta, epsilon, h, strict=True):
        along = (1 + s * (m + 0.8 * g)) ** 2 * along + 2 * e * s
        other = (1 + s * m) ** 2 * other + 2 * e * s
    got = Generator(tied(1, "linear"), w[None], gamma, delta, epsilon, h, E, dtype=dtype).sample(samples, seed=4)
    for column, v in zip(got.projections.T, (along, other), strict=True):
        assert abs(column.mean()) < 4 * np.sqrt(v / samples)
        assert abs(column.var() / v - 1) < 4 * np.sqrt(2 / samples)
    assert abs(np.corrcoef(got.projections.T)[0, 1]) < 4 / np.sqrt(samples)
    total = along + (d - 1) * other
    spread = np.sqrt(2 * (along**2 + (d - 1) * other**2) / samples)
    assert abs(got.squared_norms.mean() - total) < 4 * spread
    assert abs(along - other) > 20 * along * np.sqrt(2 / samples)  # the network matters here


def test_points_depend_on_no_block_and_no_thread(tmp_path):
    d = 300
    W = np.random.default_rng(2).standard_normal((2, d))
    generator = Generator(tied(2), W, *scheme(), directions=W[:1])
    prepare(generator.denoiser, generator.dtype)
    whole = generator.sample(50, seed=1, keep_points=True)
    assert whole.points.shape == (50, d)
    assert np.array_equal(generator.sample(20, seed=1).projections, whole.projections[:20])
    assert generator.sample(20, seed=1).points.shape == (0, d)
    threaded = generator.sample(50, seed=1, keep_points=True, threads=3)
    blocks = list(generator.blocks(50, seed=1, block=7))
    assert max(len(b.points) for b in blocks) == 7 and [b.first for b in blocks] == list(range(0, 50, 7))
    for name in ("projections", "fields", "squared_norms", "points"):
        joined = np.concatenate([getattr(b, name) for b in blocks])
        assert np.array_equal(joined, getattr(whole, name))
        assert np.array_equal(getattr(threaded, name), getattr(whole, name))
    assert not np.allclose(generator.sample(50, seed=2).projections, whole.projections)
    loaded = GeneratedPoints.load(whole.save(tmp_path / "points.npz"))
    assert np.array_equal(loaded.points, whole.points)


def test_no_steps_give_the_base():
    d, none = 500, np.empty(0)
    W = np.random.default_rng(2).standard_normal((2, d))
    got = Generator(tied(2), W, none, none, none, none).sample(400, seed=0, keep_points=True)
    assert abs(got.squared_norms.mean() / d - 1) < 4 * np.sqrt(2 / d / 400)
    assert np.allclose(got.fields, got.points @ W.T / np.sqrt(d), atol=1e-12)
    assert got.projections.shape == (400, 0)


def test_bad_input_is_refused():
    W, one = np.ones((2, 10)), np.ones(3)
    for arguments, words in (
        ((np.ones((3, 10)), one, one, one, one), "weights"),
        ((W, np.ones(2), one, one, one), "gamma"),
        ((W, one, one, -one, one), "epsilon"),
        ((W, one, one, one, one, np.ones((1, 9))), "directions"),
        ((W, one, one, one, np.nan * one), "h ="),
        ((W, one, one, one, one, None, [1.0]), "parameters"),
    ):
        with pytest.raises(InputError, match=words):
            Generator(tied(2), *arguments)
    with pytest.raises(InputError, match="samples"):
        Generator(tied(2), W, one, one, one, one).sample(0)
