"""The mixture-Wasserstein distance of general mixtures, against another library, quadrature and the closed form."""

from __future__ import annotations

import numpy as np
import ot
import ot.gaussian
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.distances.transport import (
    Mixture,
    bures_squared,
    gaussian_w2_squared,
    mixture_w2_squared,
)
from asymptotics.mixture_flow.equations.order_parameters import final_state


def random_covariance(rng, d):
    a = rng.standard_normal((d, d))
    return a @ a.T / d


@pytest.mark.parametrize("seed", range(4))
def test_gaussians_against_pot(seed):
    rng = np.random.default_rng(seed)
    d = 5
    means, covariances = rng.standard_normal((2, d)), [random_covariance(rng, d) for _ in range(2)]
    ours = gaussian_w2_squared(means[0], covariances[0], means[1], covariances[1])
    theirs = ot.gaussian.bures_wasserstein_distance(means[0], means[1], covariances[0], covariances[1]) ** 2
    assert ours == pytest.approx(theirs, rel=1e-7)
    assert gaussian_w2_squared(means[1], covariances[1], means[0], covariances[0]) == pytest.approx(ours, rel=1e-12)


def test_rank_deficient_and_commuting_covariances():
    rng = np.random.default_rng(0)
    u = rng.standard_normal(6)
    u /= np.linalg.norm(u)
    defect = np.eye(6) - 2 / np.pi * np.outer(u, u)
    assert bures_squared(defect, np.eye(6)) == pytest.approx((1 - np.sqrt(1 - 2 / np.pi)) ** 2, rel=1e-10)
    assert bures_squared(np.outer(u, u), np.zeros((6, 6))) == pytest.approx(1, rel=1e-12)
    assert bures_squared(np.outer(u, u), np.outer(u, u)) == pytest.approx(0, abs=1e-12)
    a, b = rng.random(6), rng.random(6)
    assert bures_squared(np.diag(a), np.diag(b)) == pytest.approx(bures_squared(a, b), rel=1e-10)


def test_one_dimension_by_quantiles():
    # W₂² of two Gaussians on a line is ∫ (F⁻¹ − G⁻¹)², a Gaussian integral over the common quantile.
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    value = weights @ ((0.3 + 1.7 * nodes) - (-1.1 + 0.4 * nodes)) ** 2 / weights.sum()
    assert gaussian_w2_squared([0.3], [[1.7**2]], [-1.1], [[0.4**2]]) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("k", "j", "seed"), [(2, 2, 0), (3, 5, 1), (1, 4, 2), (6, 6, 3)])
def test_mixtures_against_pot(k, j, seed):
    rng = np.random.default_rng(seed)
    d = 3
    first = Mixture(
        rng.dirichlet(np.ones(k)), rng.standard_normal((k, d)), [random_covariance(rng, d) for _ in range(k)]
    )
    second = Mixture(
        rng.dirichlet(np.ones(j)), rng.standard_normal((j, d)), [random_covariance(rng, d) for _ in range(j)]
    )
    value, coupling = mixture_w2_squared(first, second)
    cost = np.array(
        [
            [
                ot.gaussian.bures_wasserstein_distance(m, n, c, e) ** 2
                for n, e in zip(second.means, second.covariances, strict=True)
            ]
            for m, c in zip(first.means, first.covariances, strict=True)
        ]
    )
    assert value == pytest.approx(ot.emd2(first.weights, second.weights, cost), rel=1e-6)
    np.testing.assert_allclose(coupling.sum(axis=1), first.weights, atol=1e-12)
    np.testing.assert_allclose(coupling.sum(axis=0), second.weights, atol=1e-12)


@pytest.mark.parametrize(("n", "sigma", "lam", "m"), [(4, 0.7, 0.2, 1.0), (2, 1.5, 0.1, 1.0), (16, 0.9, 2.0, 1.7)])
def test_closed_form_of_the_flow(n, sigma, lam, m):
    # Vectors in R^d that have exactly the lengths and right angles of the limit d → ∞.
    d = 60
    rng = np.random.default_rng(n)
    basis = np.linalg.qr(rng.standard_normal((d, 3)))[0].T * np.sqrt(d)
    mu, xi, eta = m * basis[0], np.sqrt(n) * basis[1], np.sqrt(n) * sigma * basis[2]
    theory = final_state(samples=n, cluster_std=sigma, ridge=lam, centroid_norm=m)
    spread = float(theory.sigma_generated)
    hat = (n * mu + eta - spread * xi) / (n + lam)
    target = Mixture([0.5, 0.5], [mu, -mu], [sigma**2, sigma**2])
    generated = Mixture([0.5, 0.5], [-hat, hat], [spread**2, spread**2])
    value, coupling = mixture_w2_squared(target, generated)
    assert value / d == pytest.approx(float(theory.mw2_squared), rel=1e-10)
    np.testing.assert_allclose(coupling, [[0, 0.5], [0.5, 0]], atol=1e-12)
    assert np.sum((hat - mu) ** 2) / d == pytest.approx(float(theory.mean_error), rel=1e-10)
    assert hat @ mu / np.linalg.norm(hat) / np.linalg.norm(mu) == pytest.approx(float(theory.mean_cosine), rel=1e-10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.6], [[0.0], [1.0]], [1.0, 1.0]), "weights"),
        (([1.5, -0.5], [[0.0], [1.0]], [1.0, 1.0]), "weights"),
        (([1.0], [[0.0], [1.0]], [1.0]), "means"),
        (([0.5, 0.5], [[0.0], [1.0]], [1.0, 1.0, 1.0]), "covariances"),
    ],
)
def test_bad_mixtures(arguments, message):
    with pytest.raises(InputError, match=message):
        Mixture(*arguments)


def test_bad_covariances():
    with pytest.raises(InputError, match="semi-definite"):
        bures_squared([[1.0, 2.0], [2.0, 1.0]], np.eye(2))
    with pytest.raises(InputError, match="symmetric"):
        bures_squared([[1.0, 0.5], [0.0, 1.0]], np.eye(2))
    with pytest.raises(InputError, match="shape"):
        bures_squared(np.eye(3), np.eye(2))
    with pytest.raises(InputError, match="dimension"):
        mixture_w2_squared(Mixture([1.0], [[0.0]], [1.0]), Mixture([1.0], [[0.0, 0.0]], [1.0]))
    with pytest.raises(InputError, match="second_mean"):
        gaussian_w2_squared([0.0], [1.0], [0.0, 1.0], [1.0, 1.0])
