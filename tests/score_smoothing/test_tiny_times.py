"""Times so early that √t is far below the rounding of the positions: every number has its limit in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from asymptotics.common.input.checks import InputError
from asymptotics.score_smoothing.laws.closed import GeneratedLaw
from asymptotics.score_smoothing.laws.distances import memorised
from asymptotics.score_smoothing.problem import Problem
from asymptotics.score_smoothing.settings import ScoreSmoothing, Simulation
from asymptotics.score_smoothing.simulation import simulate
from asymptotics.score_smoothing.theory import solve

POINTS = [2, 7, 12, [-1.0, 1.0], [3.0, 4.0, 5.0], [1e6, 1e6 + 1, 1e6 + 2], [-0.3, 0.4, 1.1, 1.8]]


def density(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("kappa", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("t0", [1e-20, 1e-29, 1e-40, 1e-90])
def test_limits_of_the_closed_form(points, kappa, t0):
    s = solve(Problem(ScoreSmoothing(points=points, kappa=kappa, start_time=t0)))
    n = len(s.points)
    # 2(n − 1) half-Gaussians reach into a gap; in units of √t₀ a particle there is |u| − κ away from its point.
    reaching = 2 * (n - 1) / n
    tail, edge = ndtr(-kappa), density(kappa)
    assert s.interpolated_mass == pytest.approx(reaching * tail, rel=1e-8)
    ends = (1 - tail) / n
    np.testing.assert_allclose(s.atoms, [ends] + (n - 2) * [(1 - 2 * tail) / n] + [ends], rtol=1e-8)
    # To first order in √t₀/Δ, which multiplies by 1/(1 − δ/Δ).
    assert s.w1_training / np.sqrt(t0) == pytest.approx(reaching * (edge - kappa * tail), rel=1e-8)
    spread = (1 + kappa**2) * tail - kappa * edge
    assert s.w2_training / np.sqrt(t0) == pytest.approx(np.sqrt(reaching * spread), rel=1e-8)
    # Everything sits at the points, each 1/n: W₂ to the uniform law of n equally spaced atoms at its ends.
    length = s.points[-1] - s.points[0]
    cells = [(k / n - k / (n - 1), (k + 1) / n - k / (n - 1)) for k in range(n)]
    w1, w2 = sum((b * abs(b) - a * abs(a)) / 2 for a, b in cells), sum((b**3 - a**3) / 3 for a, b in cells)
    assert s.w1 == pytest.approx(w1 * length, rel=1e-8)
    assert s.w2 == pytest.approx(np.sqrt(w2) * length, rel=1e-8)
    assert s.memorised == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("kernel", ["box", "box-numerical", "none"])
@pytest.mark.parametrize("process", ["variance-exploding", "ornstein-uhlenbeck"])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_positive_end_times_of_every_averaging(kernel, process, share):
    """The balls of radius δ shrink to √share of themselves, the gaps keep their mass; "none" keeps the Gaussians."""
    kappa, t0, points = 0.7, 1e-40, [-1.0, 1.0] if kernel == "box" else [-1.0, 0.0, 3.0]
    table = {"kernel": kernel, "process": process, "start_time": t0, "end_time": share * t0}
    s = solve(Problem(ScoreSmoothing(points=points, kappa=kappa, **table)))
    n, root = len(points), np.sqrt(share)
    sigma = np.sqrt(t0) * (np.sqrt(2) if process == "ornstein-uhlenbeck" else 1.0)  # e^{2t} − 1
    if kernel == "none":
        assert s.w1_training / sigma == pytest.approx(root * np.sqrt(2 / np.pi), rel=1e-7)
        np.testing.assert_allclose(s.atoms, 1 / n, rtol=1e-12)
        return
    reaching = 2 * (n - 1) / n
    assert s.interpolated_mass == pytest.approx(reaching * ndtr(-kappa), rel=1e-7)
    assert s.atoms.sum() + s.interpolated_mass == pytest.approx(1.0, abs=1e-12)
    if kernel == "box":
        # E|w|/σ: √s |u| in balls and outside, κ√s + (|u| − κ) in gaps.
        tail, edge = ndtr(-kappa), density(kappa)
        gaps = reaching * (edge - kappa * tail * (1 - root))
        balls = root * (np.sqrt(2 / np.pi) - reaching * edge)
        assert s.w1_training / sigma == pytest.approx(gaps + balls, rel=1e-7)


@pytest.mark.parametrize(
    ("kernel", "points"), [("gaussian", [-1.0, 0.0, 3.0]), ("box-numerical", [1e3, 1e3 + 1, 1e3 + 2.5])]
)
def test_scale_invariance_of_integrated_flows(kernel, points):
    """Positions and √t scaled down together, about a point: the same law; far below the rounding it must go on."""
    found = [
        solve(Problem(ScoreSmoothing(points=points, kappa=0.5, start_time=t, end_time=t / 100, kernel=kernel))).w2
        for t in (1e-16, 1e-40)
    ]
    np.testing.assert_allclose(found[1:], found[0], rtol=1e-6)


def test_offsets_from_the_points_are_kept():
    law = GeneratedLaw([3.0, 5.0], 0.5, 1e-40)
    k, v = np.array([0, 0, 1]), np.array([2e-20, 0.3e-20, -1e-19])
    # Stretched from the edge of the ball, δ = 0.5e-20, collapsed inside it.
    np.testing.assert_allclose(law.move(k, v), [1.5e-20, 0.0, -9.5e-20], rtol=1e-12)
    back, again = law.back(k, np.array([1.5e-20, 0.0, -9.5e-20]))
    np.testing.assert_allclose(again[[0, 2]], v[[0, 2]], rtol=1e-12)
    assert list(back) == [0, 0, 1]
    assert float(law.cdf(3.0)) == pytest.approx(ndtr(0.5) / 2, rel=1e-12)
    assert float(law.cdf(3.0, below=True)) == 0.0
    assert memorised(law, 0.0) == pytest.approx(ndtr(0.5), rel=1e-12)


@pytest.mark.parametrize("points", [2, [1e6, 1e6 + 1]])
def test_particles_below_the_rounding_of_their_positions_are_refused(points):
    settings = ScoreSmoothing(points=points, kappa=0.5, start_time=1e-20, end_time=1e-24)
    with pytest.raises(InputError, match=r"end_time = 1e-24: must be >= .* \(rounding\)"):
        simulate(Problem(settings, Simulation(samples=10, runs=2, steps=2)))
