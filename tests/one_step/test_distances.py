"""Distances: the eight-point anchor, quadrature on a grid, 60-digit arithmetic, and the comparison without subtraction."""

from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asymptotics.common.numerics.distances import pair_sums
from asymptotics.one_step.problem import Problem
from asymptotics.one_step.process import distances as dist
from asymptotics.one_step.process.denoiser import Generated, fit
from asymptotics.one_step.process.ensemble import evaluate
from asymptotics.one_step.settings import OneStep


def eight_points():
    """The data set X_ij = m + √2 sin(1.7i² + 2.3j + .5ij) and the noise Z_ij = √2 cos(.9i² + 1.1j + .3ij)."""
    i, j = np.arange(1, 9)[:, None], np.arange(1, 3)[None, :]
    data = 0.5 + math.sqrt(2) * np.sin(1.7 * i**2 + 2.3 * j + 0.5 * i * j)
    return data, math.sqrt(2) * np.cos(0.9 * i**2 + 1.1 * j + 0.3 * i * j)


def test_eight_points(reference):
    """n = 8, d = 2, m = 0.5, T = 1, λ = 0.1, σ = 1."""
    model = OneStep(dimension=2, samples=8, diffusion_time=1.0, noise_scale=0.1, mean=0.5)
    found = evaluate(Problem(model), *eight_points()).distances
    known = reference("one_step.eight_points")
    assert {name: getattr(found, name) for name in reference.value("one_step.eight_points")} == known


@pytest.mark.parametrize("sigma", [1.0, 0.4])
@pytest.mark.parametrize("kind", ["exact", "kernel"])
def test_all_distances_by_quadrature(sigma, kind):
    """Densities on a fine grid in two dimensions: E by the sum of squared differences, KL and H² by their integrals."""
    rng = np.random.default_rng(6)
    n, d, mu = 12, 2, 0.7
    data, noise = mu + sigma * rng.standard_normal((n, d)), rng.standard_normal((n, d))
    generated = fit((data - mu) / sigma, noise, [0.0, 1.0], 0.2 / sigma**2)
    other = rng.standard_normal((9, d)) if kind == "kernel" else None
    found = dist.distances((data - mu) / sigma, generated, dist.Underlying(other), sigma)

    axis = np.linspace(-9, 9, 1501)
    u, v = np.meshgrid(axis, axis, indexing="ij")
    cell = (axis[1] - axis[0]) ** 2

    def gaussian(mean, covariance):
        inverse = np.linalg.inv(covariance)
        a, b = u - mean[0], v - mean[1]
        quadratic = inverse[0, 0] * a**2 + 2 * inverse[0, 1] * a * b + inverse[1, 1] * b**2
        return np.exp(-0.5 * quadratic) / (2 * math.pi * math.sqrt(np.linalg.det(covariance)))

    def kernel(points):
        h2 = len(points) ** (-2 / d)
        return sum(gaussian(p, h2 * np.eye(2)) for p in points) / len(points)

    g = gaussian(generated.mean, generated.covariance)
    t = kernel((data - mu) / sigma)
    normal = gaussian(np.zeros(2), np.eye(2))
    o = kernel(other) if kind == "kernel" else normal
    scale = sigma**-d  # ∫p² has the units of a density
    for name, first, second in (("E_TG", t, g), ("E_OG", o, g), ("E_TO", t, o)):
        assert getattr(found, name) == pytest.approx(np.sum((first - second) ** 2) * cell * scale, rel=1e-8), name
    inside = (g > 1e-300) & (normal > 1e-300)
    ratio = np.log(g[inside] / normal[inside])
    assert found.kl_generated_target == pytest.approx(np.sum(g[inside] * ratio) * cell, rel=1e-8)
    assert found.kl_target_generated == pytest.approx(-np.sum(normal[inside] * ratio) * cell, rel=1e-6)
    overlap = np.sum(np.sqrt(g * normal)) * cell
    assert found.hellinger_squared == pytest.approx(1 - overlap, rel=1e-8)
    assert found.closer_to_target == (found.E_OG < found.E_TG)


@pytest.mark.parametrize(("n", "d"), [(40, 100), (700, 30), (60, 1000), (30, 3)])
def test_pair_sums_against_direct_differences(n, d):
    """Matrix products of centred points against coordinate differences, far from the origin too: 1e-12."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n, d))
    h2 = pair_sums.kernel_variance(n, d)
    exponents = np.array(
        [-np.sum((points[i] - points[j]) ** 2) / (4 * h2) for i in range(n) for j in range(n) if i != j]
    )
    expected = exponents.max() + math.log(math.fsum(np.exp(exponents - exponents.max())))
    assert pair_sums.log_pair_sum(points, 2 * h2) == pytest.approx(expected, abs=1e-12)
    assert pair_sums.log_pair_sum(points + 100.0, 2 * h2) == pytest.approx(expected, abs=1e-10)
    other = rng.standard_normal((17, d))
    exponents = np.array([-np.sum((x - y) ** 2) / (2 * h2) for x in points for y in other])
    expected = exponents.max() + math.log(math.fsum(np.exp(exponents - exponents.max())))
    assert pair_sums.log_pair_sum(points, h2, other) == pytest.approx(expected, abs=1e-12)


def test_pair_sum_of_narrow_kernels_uses_differences():
    """d = 1, n = 3000: h ≪ the spread, where |x|² + |y|² − 2xy would lose digits."""
    points = np.random.default_rng(1).standard_normal((3000, 1))
    h2 = pair_sums.kernel_variance(3000, 1)
    difference = (points - points.T) ** 2 / (4 * h2)
    np.fill_diagonal(difference, np.inf)
    assert pair_sums.log_pair_sum(points, 2 * h2) == pytest.approx(math.log(np.exp(-difference).sum()), abs=1e-12)


def test_pair_sum_far_below_underflow():
    """Exponents near −10⁴ and −4·10⁴: the logarithm is exact where the sum itself would be 0."""
    points = np.array([[0.0, 0.0], [200.0, 0.0], [0.0, 400.0]])
    assert pair_sums.log_pair_sum(points, 2.0) == pytest.approx(math.log(2.0) - 10_000.0, rel=1e-14)
    assert pair_sums.log_pair_sum(points[:1], 2.0) == -math.inf


@pytest.mark.parametrize("coordinates", [30, 75, 100])
def test_bound_is_above_and_close(coordinates):
    """The single-precision bound lies above the double-precision sum over the same coordinates, by less than 0.5 %."""
    points = np.random.default_rng(2).standard_normal((1500, 100))
    bound = pair_sums.log_kernel_excess_bound(points, coordinates)
    h2 = pair_sums.kernel_variance(1500, 100)
    value = pair_sums.log_pair_sum(points[:, :coordinates], 2 * h2) - math.log(1500)
    assert value < bound < value + 5e-3
    assert bound > pair_sums.log_kernel_excess(points)


def test_sum_stops_when_it_is_enough():
    """A partial sum is a lower bound above the given value; without the value the whole sum comes."""
    points = np.random.default_rng(3).standard_normal((3000, 20))
    whole = pair_sums.log_kernel_excess(points)
    part = pair_sums.log_kernel_excess(points, enough=whole - 2.0)
    assert whole - 2.0 < part < whole
    assert pair_sums.log_kernel_excess(points, enough=whole + 1e-6) == whole


def test_bound_gives_up_where_rounding_is_too_large():
    assert pair_sums.log_kernel_excess_bound(np.random.default_rng(0).standard_normal((2000, 1)), 1) == math.inf


def _exact_side(points, generated, other, digits=60):
    """E_OG < E_TG with every overlap in long arithmetic, by subtracting what the comparison never subtracts."""
    with mpmath.workdps(digits):
        return _subtracted(points, generated, other)


def _subtracted(points, generated, other):
    d = points.shape[1]

    def normal(differences, covariance):
        c = mpmath.matrix(covariance.tolist())
        inverse, scale = c**-1, mpmath.sqrt((2 * mpmath.pi) ** d * mpmath.det(c))
        total = mpmath.mpf(0)
        for difference in differences:
            r = mpmath.matrix(difference.tolist())
            total += mpmath.exp(-(r.T * inverse * r)[0] / 2) / scale
        return total / len(differences)

    def kernel(count):
        return mpmath.mpf(count) ** (mpmath.mpf(-2) / d)

    def self_overlap(p):
        h2 = kernel(len(p))
        factor = (4 * mpmath.pi * h2) ** (-mpmath.mpf(d) / 2) / len(p) ** 2
        rows = [[mpmath.mpf(float(a)) for a in x] for x in p]
        total = mpmath.mpf(len(p))
        for i, x in enumerate(rows):
            for y in rows[:i]:
                square = mpmath.fsum((a - b) ** 2 for a, b in zip(x, y, strict=True))
                total += 2 * mpmath.exp(-square / (4 * h2))
        return factor * total

    def overlap(p):
        h2 = float(kernel(len(p)))
        covariance = generated.covariance + h2 * np.eye(d)
        return normal(p - generated.mean, covariance)

    og = overlap(other) if other is not None else normal(-generated.mean[None], generated.covariance + np.eye(d))
    oo = self_overlap(other) if other is not None else (4 * mpmath.pi) ** (-mpmath.mpf(d) / 2)
    # ∫G² is the same on both sides
    return oo - 2 * og < self_overlap(points) - 2 * overlap(points)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    n=st.integers(2, 14),
    d=st.integers(1, 8),
    other=st.one_of(st.none(), st.integers(2, 20)),
    noise_scale=st.floats(1e-4, 3.0),
    seed=st.integers(0, 10**6),
)
def test_comparison_equals_long_arithmetic(n, d, other, noise_scale, seed):
    """Random small problems, n below and above d: the log-domain comparison is that of 60-digit subtraction."""
    rng = np.random.default_rng(seed)
    points, noise = rng.standard_normal((2, n, d))
    fresh = None if other is None else rng.standard_normal((other, d))
    generated = fit(points, noise, [0.0, 1.0], noise_scale)
    expected = bool(_exact_side(points, generated, fresh))
    assert dist.closer_to_target(points, generated, dist.Underlying(fresh)) == expected


@pytest.mark.slow
def test_comparison_where_self_terms_hide_the_answer():
    """d = 100 ≈ n: all that decides is below 1e-6 of the self-overlaps; the answer still is that of long arithmetic."""
    rng = np.random.default_rng(11)
    points, noise = rng.standard_normal((2, 104, 100))
    fresh = rng.standard_normal((80, 100))
    underlying = dist.Underlying(fresh)
    for scale in (1.0, 0.003):
        generated = fit(points, noise, [0.0, 2.0], math.exp(-4) * scale)
        deciding = [pair_sums.log_kernel_excess(points), pair_sums.log_kernel_excess(fresh)]
        deciding += [dist.log_overlap(generated, p) for p in (points, fresh)]
        assert max(deciding) < math.log(1e-6)
        assert dist.closer_to_target(points, generated, underlying) == bool(_exact_side(points, generated, fresh))


def test_bound_never_changes_the_answer():
    """With and without the shortcut (given the excess, none is taken)."""
    rng = np.random.default_rng(13)
    for n, scale in ((30, 0.01), (45, 0.01), (60, 0.01), (200, 0.01), (40, 1.0), (41, 1.0)):
        for _ in range(5):
            points, noise = rng.standard_normal((2, n, 40))
            underlying = dist.Underlying(rng.standard_normal((400, 40)))
            generated = fit(points, noise, [0.0, 2.0], math.exp(-4) * scale)
            excess = pair_sums.log_kernel_excess(underlying.points)
            direct = dist.closer_to_target(points, generated, underlying, excess=excess)
            assert dist.closer_to_target(points, generated, underlying) == direct


def test_gaussian_divergences_near_equality_keep_their_digits():
    """Σ = (1 + ε) 1, ε = 1e-7: KL = dε²/4, ln BC = −dε²/16, where naive formulae give noise."""
    d, eps = 5, 1e-7
    found = dist.gaussian_divergences(Generated(np.zeros(d), math.sqrt(1 + eps) * np.eye(d), d))
    assert found.kl_generated_target == pytest.approx(d * eps**2 / 4, rel=1e-6)
    assert found.kl_target_generated == pytest.approx(d * eps**2 / 4, rel=1e-6)
    assert found.log_bhattacharyya == pytest.approx(-d * eps**2 / 16, rel=1e-6)


def test_large_dimension_gives_logarithms():
    """d = 600: E is below the range of floating point; its logarithm is there, and the reason."""
    rng = np.random.default_rng(1)
    points, noise = rng.standard_normal((2, 620, 600))
    found = dist.distances(points, fit(points, noise, [0.0, 2.0], 1e-4), dist.Underlying())
    assert found.E_TO is None
    assert math.isfinite(found.log_E_TO)
    assert any(note.startswith("E_TO") for note in found.notes)


def test_singular_covariance_gives_nulls_with_reasons():
    rng = np.random.default_rng(1)
    points, noise = rng.standard_normal((2, 4, 6))
    found = dist.distances(points, fit(points, noise, [0.0, 2.0], 1e-2), dist.Underlying())
    for name in ("E_TG", "E_OG", "kl_generated_target", "kl_target_generated"):
        assert getattr(found, name) is None
        assert any(note.startswith(name) for note in found.notes)
    assert found.hellinger_squared == 1.0
    assert found.E_TO > 0
