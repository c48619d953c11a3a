"""Lattices, split Gauss rules and small eigenproblems against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from asymptotics.common.numerics.algebra.symmetric import eigen
from asymptotics.common.numerics.quadrature.lattices import dual_radius, fill_lattice, finest_level, level_of
from asymptotics.common.numerics.quadrature.stretched import stretched_axis
from asymptotics.common.numerics.quadrature.truncated import split_axis, split_table


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_lattices_know_the_characteristic_function_of_a_gaussian(dimension):
    decades = math.log(1e5) + 2
    level = level_of(dual_radius(0.4, decades, math.pi / 2, 6.0, 0.0))
    rng = np.random.default_rng(dimension)
    for shifted in (False, True):
        z, w = np.empty((200_000, dimension)), np.empty(200_000)
        count = fill_lattice(level, math.sqrt(2 * decades) + 0.8, shifted, z, w)
        assert count > 0
        z, w = z[:count], w[:count]
        assert np.sum(w) == pytest.approx(1.0, abs=1e-12)
        for _ in range(5):
            k = rng.standard_normal(dimension) * 0.5
            assert w @ np.cos(z @ k) == pytest.approx(math.exp(-k @ k / 2), abs=3e-5)
            assert w @ (z @ k) ** 2 == pytest.approx(k @ k, abs=3e-4)


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_the_finest_lattice_fits_its_room(dimension):
    for room in (500, 20_000):
        z, w = np.empty((room, dimension)), np.empty(room)
        count = fill_lattice(finest_level(dimension, 6.0, room), 6.0, True, z, w)
        assert room / 3 < count <= room


@pytest.mark.parametrize("t", [-3.3, -0.7, 0.0, 0.42, 2.9])
def test_split_rules_integrate_polynomials_on_both_sides(t):
    table = split_table(4)
    z, w = np.empty(8), np.empty(8)
    count = split_axis(t, table, 1e-12, z, w)
    z, w = z[:count], w[:count]
    above, density = 0.5 * math.erfc(t / math.sqrt(2)), math.exp(-t * t / 2) / math.sqrt(2 * math.pi)
    side = z > t
    assert w[side].sum() == pytest.approx(above, abs=1e-9)
    assert w[side] @ z[side] == pytest.approx(density, abs=1e-9)
    assert w[side] @ z[side] ** 2 == pytest.approx(above + t * density, abs=1e-8)
    assert w @ z**4 == pytest.approx(3.0, abs=1e-7)


@pytest.mark.parametrize("mean", [0.0, 0.5, 2.0, 5.0, 12.0])
@pytest.mark.parametrize("deviation", [0.03, 0.5, 3.0, 100.0, 1e5])
def test_stretched_axes_know_the_mean_of_erf_and_of_gelu(deviation, mean):
    """E erf(x) = erf(m/√(1 + 2s²)); E x Φ(x) = m Φ(m/r) + s² φ(m/r)/r with r = √(1 + s²); even functions by half the nodes."""
    m, s, r = mean * deviation, deviation, math.hypot(1.0, deviation)
    z, w, erf = np.empty(500), np.empty(500), np.vectorize(math.erf)
    for shifted in (False, True):
        count = stretched_axis(np.array([-m / s]), np.array([1 / s]), 1, 20.0, 7.2, shifted, False, z, w)
        assert 15 < count < 150
        x, p = m + s * z[:count], w[:count].copy()
        assert p.sum() == pytest.approx(1.0, abs=1e-8)
        assert p @ erf(x) == pytest.approx(math.erf(m / math.sqrt(1 + 2 * s * s)), abs=3e-8)
        normal = math.exp(-0.5 * (m / r) ** 2) / math.sqrt(2 * math.pi)
        gelu = m * 0.5 * math.erfc(-m / r / math.sqrt(2)) + s * s / r * normal
        assert p @ (x * (1 + erf(x / math.sqrt(2))) / 2) == pytest.approx(gelu, abs=1e-7 * (s + abs(m)))
        if mean == 0.0:
            half = stretched_axis(np.zeros(1), np.array([1 / s]), 1, 20.0, 7.2, shifted, True, z, w)
            assert half == (count + 1) // 2
            assert w[:half] @ erf(s * z[:half]) ** 2 == pytest.approx(p @ erf(x) ** 2, abs=1e-12)


def test_eigenvalues_by_rotations_are_those_of_lapack():
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 6, 12):
        x = rng.standard_normal((n, max(1, n - 1)))
        c = x @ x.T
        values, vectors = np.empty(n), np.empty((n, n))
        eigen(c, values, vectors)
        assert values == pytest.approx(np.linalg.eigvalsh(c), abs=1e-12)
        assert (vectors * values) @ vectors.T == pytest.approx(c, abs=1e-12)
