"""P(E_OG < E_TG) in theory: published simulations, an independent one, and limits."""

from __future__ import annotations

import numpy as np
import pytest

import asymptotics as asy
from asymptotics.one_step import relative_law
from asymptotics.one_step.closed_forms.energies import fresh_energies, trained_energies
from asymptotics.one_step.process.denoiser import fit


def fraction(g):
    """q at T = 2, λ = e^{−4}g, σ = 1."""
    return 1 / (1 + g * np.exp(-4) * np.expm1(4))


@pytest.mark.parametrize(
    ("g", "n", "known"),
    [
        (0.01, 50, 0.0), (0.01, 75, 0.0), (0.01, 100, 0.77), (0.01, 125, 0.93), (0.01, 200, 0.96), (0.01, 500, 0.97),
        (0.01, 10_000, 0.55), (1.0, 125, 0.0), (1.0, 200, 0.02), (1.0, 500, 0.65),
    ],
)  # fmt: skip
def test_the_transition_of_the_source(g, n, known):
    """d = 100, 10⁴ points behind the underlying density: simulated values, each ± .02 to .05 (at n = 10⁴ ± .11)."""
    assert relative_law(fraction(g), 100, n, 10_000).probability == pytest.approx(known, abs=0.06)


def test_no_transition_with_the_exact_law():
    for n in (20, 100, 1000):
        law = relative_law(0.9, 100, n, None)
        assert law.probability > 0.999 and law.log_ratio > 5


@pytest.mark.parametrize("n", [60, 130, 400])
def test_energies_of_drawn_data(n):
    """Mean and spread of ½(x − μ_G)ᵀ(Σ_G + h²)^{-1}(x − μ_G) within one data set, trained and fresh points; ln|Σ_G + h²|."""
    d, q, h2 = 100, 0.8, 0.9
    rng = np.random.default_rng(0)
    found = []
    for _ in range(6):
        x, fresh = rng.standard_normal((n, d)), rng.standard_normal((2000, d))
        law = fit(x, rng.standard_normal((n, d)), [0.0, 1.0], (1 / q - 1) / np.expm1(2.0))
        inverse = np.linalg.inv(law.covariance + h2 * np.eye(d))
        rows = []
        for points in (x, fresh):
            energy = 0.5 * np.einsum("ij,jk,ik->i", points - law.mean, inverse, points - law.mean)
            rows += [energy.mean(), energy.std()]
        found.append([*rows, -np.linalg.slogdet(inverse)[1]])
    mean, sem = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(6)
    trained, other = trained_energies(q, d, n, h2), fresh_energies(q, d, n, h2)
    predicted = []
    for law in (trained, other):
        k = np.flatnonzero(law.s == 0)[0]
        slope = np.polynomial.Polynomial.fit(law.s[k - 3 : k + 4], law.psi[k - 3 : k + 4], 4).deriv
        predicted += [-slope(1)(0.0), np.sqrt(slope(2)(0.0))]
    predicted.append(trained.log_det)
    # 1/d of the means and of the determinant, and a percent of the spreads.
    assert np.all(np.abs(predicted - mean) < 4 * sem + np.array([0.15, 0.1, 0.15, 0.1, 0.3]))


def test_against_simulation():
    """d = 40: P over data sets, the law of the theory within its errors and the 1/d."""
    chosen = asy.example("one-step-transition").replace(
        {"one_step.dimension": 40, "one_step.underlying_samples": 1000, "simulation.runs": 150}
    )
    for n in (36, 80):
        at = chosen.replace({"one_step.samples": n})
        found = asy.simulate(at, workers=1)
        low, high = found.interval(3.0)
        assert low - 0.08 < asy.solve(at).probability < high + 0.08


def test_equal_numbers_cannot_be_told_apart():
    assert relative_law(0.99, 60, 2000, 2000).probability == pytest.approx(0.5, abs=0.02)
    assert relative_law(0.9, 5, 50, 100) is None
