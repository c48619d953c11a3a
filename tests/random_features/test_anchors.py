"""Numbers that were computed independently (mpmath, two codes): constants, ridge, gradient flow, spectrum, times, kernel limit."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import trapezoid

import asymptotics as asy
from asymptotics.random_features import (
    Flow,
    Problem,
    RandomFeatures,
    SolveError,
    bulks,
    hermite_constants,
    kernel_limit,
    ridge,
    samples_star,
)
from asymptotics.random_features.losses.spectrum import density
from asymptotics.random_features.losses.times import longest

TWO = {"eigenvalues": [0.5, 1.5], "masses": [0.5, 0.5]}


def model(psi_p, psi_n, t, noises="all", **more):
    return Problem(RandomFeatures(psi_p, psi_n, t, noises=noises, **more)).model


def solved(psi_p, psi_n, t, noises="all", **more):
    table = {"features": psi_p, "samples": psi_n, "diffusion_time": t, "noises": noises, **more}
    return asy.solve(asy.Experiment(system="random_features", random_features=table))


@pytest.mark.rows("random_features.tanh")
def test_constants_of_tanh(t, expected):
    c = hermite_constants("tanh", t, 1.0)
    np.testing.assert_allclose((c.a, c.b2, c.v2, c.s2), expected, rtol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "more", "expected"),
    [
        ((4, 2, 0.05), {}, (0.7008625338, 1.541255258, 0.7008625338)),
        ((4, 2, 0.05), TWO, (0.6697909127, 1.464905455, 0.6697909127)),
        ((4, 2, 0.05, 3), TWO, (0.3598215946, 1.691550267, 0.9280178)),
        ((4, 2, 0.05, 1), {}, (0.03492186956, 2.003346496, 1.561361)),
        ((3, 2, 0.1), {"spectrum": {"power": 1.0}, "dimension": 300}, (0.5118485, 0.8207189, 0.5118485)),
    ],
)
def test_ridge(arguments, more, expected):
    point = ridge(model(*arguments, **more), 0.01)
    np.testing.assert_allclose((point.train_loss, point.test_loss, point.memorisation_loss), expected, rtol=1e-6)


def test_order_parameters(reference):
    point = ridge(model(4, 2, 0.05), 0.01)
    assert [point.q, point.theta, point.theta_d] == reference("random_features.order_parameters.point")
    assert ridge(model(4, 2, 0.05, 3, **TWO), 0.01).theta_d == reference("random_features.order_parameters.theta_d")


def test_noises_and_the_peak_where_features_meet_noised_samples():
    peak = model(4, 2, 0.05, 2)
    found = [ridge(peak, s).test_loss for s in (1e-4, 1e-6, 1e-8)]
    np.testing.assert_allclose(found, [12.06, 111.2, 1101.7], rtol=5e-4)
    with pytest.raises(asy.InputError, match=r"p = nm"):
        ridge(peak, 0.0)
    points = [ridge(model(8, 2, 0.05, m), 1e-3) for m in (1, 2, 4, 8, 32, "all")]
    np.testing.assert_allclose(
        [p.memorisation_loss for p in points], [1.600, 1.243, 1.181, 0.790, 0.550, 0.493], atol=6e-4
    )
    np.testing.assert_allclose([p.test_loss for p in points], [1.90, 3.27, 4.85, 4.17, 3.60, 3.46], atol=6e-3)


def test_without_ridge_below_and_above_the_peak():
    above, below = model(8, 2, 0.05, 2), model(3, 2, 0.05, 2)
    assert ridge(above, 0.0).train_loss == 0.0
    for m in (above, below):
        exact, near = ridge(m, 0.0), ridge(m, 1e-10)
        for name in ("train_loss", "test_loss", "memorisation_loss"):
            assert getattr(exact, name) == pytest.approx(getattr(near, name), rel=1e-6, abs=1e-9)


TAU = np.array([0.1, 1.0, 10.0, 100.0])


@pytest.mark.parametrize(
    ("arguments", "more", "train", "test"),
    [
        (
            (4, 2, 0.05),
            {},
            (0.9764454, 0.8976648, 0.8090642, 0.6810947),
            (0.9765715, 0.9217107, 1.088079, 1.821693),
        ),
        (
            (4, 2, 0.05),
            TWO,
            (0.9763761, 0.8907179, 0.7813927, 0.6498327),
            (0.976498, 0.911716, 1.047495, 1.727507),
        ),
        (
            (4, 2, 0.05, 3),
            TWO,
            (0.936287, 0.7680804, 0.5760193, 0.3265467),
            (0.9806395, 0.981749, 1.183684, 1.984436),
        ),
        (
            (64, 8, 0.01),
            {},
            (0.9779181, 0.9695037, 0.9029407, 0.5357236),
            (0.9814102, 0.9870076, 1.1037, 6.279983),
        ),
    ],
)
def test_flow(arguments, more, train, test):
    found = Flow.of(model(*arguments, **more), 1e3).losses(TAU)
    np.testing.assert_allclose(found[0], train, rtol=1e-6)
    np.testing.assert_allclose(found[1], test, rtol=1e-6)
    if len(arguments) == 4:
        np.testing.assert_allclose(found[2], (0.9815267, 0.963613, 0.9322386, 0.968478), rtol=1e-6)
    else:
        np.testing.assert_allclose(found[2], found[0], rtol=1e-9)


def test_flow_of_three_hundred_eigenvalues(reference):
    flow = Flow.of(model(3, 2, 0.1, spectrum={"power": 1.0}, dimension=300), 1e3)
    train, test, _ = flow.losses(TAU[1:])
    assert train == reference("random_features.three_hundred_eigenvalues.train")
    assert test == reference("random_features.three_hundred_eigenvalues.test")


def test_two_contours_agree():
    m = model(4, 2, 0.05, 3, **TWO)
    one, two = (np.array(Flow.of(m, longest_).losses(TAU)) for longest_ in (1e3, 1e7))
    np.testing.assert_allclose(one, two, rtol=2e-9)


@pytest.mark.parametrize("noises", [1, 3, "all"])
def test_the_flow_ends_at_the_ridge_without_ridge(noises):
    m = model(5, 2, 0.05, noises, **TWO)
    until = longest(m, TAU)
    end, ridgeless = np.array(Flow.of(m, until).losses(np.array([until])))[:, 0], ridge(m, 0.0)
    expected = (ridgeless.train_loss, ridgeless.test_loss, ridgeless.memorisation_loss)
    np.testing.assert_allclose(end, expected, rtol=2e-5, atol=2e-6)


def test_weight_decay_ends_at_the_ridge():
    m = model(4, 2, 0.05, 3, **TWO)
    point, flow = ridge(m, 0.01), Flow.of(m, 1e4, decay=0.01)
    end = np.array(flow.losses(np.array([1e4])))[:, 0]
    np.testing.assert_allclose(end, (point.train_loss, point.test_loss, point.memorisation_loss), rtol=1e-8)


@pytest.mark.parametrize(
    ("arguments", "more", "star", "star_loss", "memorisation", "gap", "generalisation"),
    [
        ((4, 2, 0.05), {}, 1.04368, 0.9216615, 54.9637, 1.63028, None),
        ((4, 2, 0.05), TWO, None, None, 51.9931, None, None),
        ((64, 8, 0.01), {}, 0.0821766, 0.98127, 199.211, None, 0.0510948),
        ((1024, 128, 0.01), {}, 0.00949, None, 220.2, None, 0.003071),
    ],
)
def test_times(arguments, more, star, star_loss, memorisation, gap, generalisation):
    flow = solved(*arguments, **more).to_json()["flow"]
    digits = 1e-5 if star_loss else 3e-4
    assert flow["tau_memorisation"] == pytest.approx(memorisation, rel=digits if star_loss else 3e-4)
    if star:
        assert flow["tau_star"] == pytest.approx(star, rel=digits)
    if star_loss:
        assert flow["test_loss_star"] == pytest.approx(star_loss, rel=1e-5)
    if gap:
        assert flow["final_gap"] == pytest.approx(gap, rel=1e-5)
    if generalisation:
        assert flow["tau_generalisation"] == pytest.approx(generalisation, rel=digits)


def test_overfitting_vanishes_above_n_star():
    found = [ridge(model(64, n, 0.01), 0.0).test_loss for n in (8, 16, 32, 64, 128, 256, 512)]
    np.testing.assert_allclose(found, (25.5, 14.7, 5.90, 1.63, 1.034, 0.991, 0.984), rtol=4e-3)
    assert samples_star(model(64, 8, 0.01), 1 - np.exp(-0.02), 1.0) == pytest.approx(17.3, abs=0.05)


def test_no_separation_of_times_is_said():
    many = solved(64, 4000, 0.01)
    assert many.characteristic.memorisation is None
    assert "overfitting vanishes" in dict(many.reasons)["tau_memorisation"]
    few = solved(0.5, 2, 0.05)
    assert few.characteristic.memorisation is None
    assert "no separation" in dict(few.reasons)["tau_memorisation"]


@pytest.mark.parametrize(
    ("arguments", "edges", "masses", "weights"),
    [
        (
            (64, 8, 0.01),
            [(0.00368, 0.01019), (0.0914, 0.3595), (9.84, 44.7)],
            (1, 7, 1),
            (0.641, 0.003, 0.022),
        ),
        (
            (16, 4, 0.05),
            [(0.00998, 0.02491), (0.0310, 0.1606), (1.68, 14.12)],
            (1, 3, 1),
            (0.3458, 0.0308, 0.1143),
        ),
    ],
)
def test_three_bulks(arguments, edges, masses, weights):
    m = model(*arguments)
    found, atom = bulks(m)
    np.testing.assert_allclose([(b.lower, b.upper) for b in found], edges, rtol=4e-3)
    np.testing.assert_allclose([b.mass for b in found], masses, atol=1e-8)
    np.testing.assert_allclose([b.target_weight for b in found], weights, atol=5e-4)
    assert atom.eigenvalue == m.s2
    assert atom.share == pytest.approx(1 - (1 + m.psi_n) / m.psi_p, abs=1e-9)
    # What the bulks carry is what can be learned at all.
    assert sum(b.target_weight for b in found) == pytest.approx(1 - ridge(m, 0.0).train_loss, abs=1e-9)


def test_bulks_of_few_noises_and_of_one_where_p_is_nm():
    found, atom = bulks(model(4, 2, 0.05, 1))
    np.testing.assert_allclose([b.mass for b in found], (1, 1), atol=1e-8)
    assert (atom.eigenvalue, atom.share) == (0.0, pytest.approx(0.5, abs=1e-9))  # p − nm zero eigenvalues
    found, atom = bulks(model(4, 2, 0.05, 2))
    assert atom is None
    assert found[0].lower == 0.0
    assert sum(b.mass for b in found) == pytest.approx(4.0, abs=1e-6)


def test_density_holds_the_masses():
    m = model(16, 4, 0.05)
    law = density(m)
    top = law.eigenvalues > 1.0
    mass = trapezoid(law.density[top], law.eigenvalues[top]) * m.psi_p
    assert mass == pytest.approx(1.0, rel=1e-2)


@pytest.mark.rows("random_features.kernel_limit")
def test_kernel_limit(psi_n, times, train, test):
    limit = kernel_limit(model(4, psi_n, 0.05), np.array(times))
    np.testing.assert_allclose(limit.train_loss, train, rtol=1e-6)
    np.testing.assert_allclose(limit.test_loss, test, rtol=1e-6)
    # and from the full equations at very many features
    losses = Flow.of(model(1e5, psi_n, 0.05), 1e3).losses(np.array(times) / 1e5)
    np.testing.assert_allclose(losses[1], test, rtol=2e-4)


@pytest.mark.parametrize("psi_p", [1e3, 1e5])
def test_start_of_the_homotopy_is_far_enough(psi_p):
    """Too near a start silently takes a wrong root; the contour's mass would then not be one."""
    flow = Flow.of(model(psi_p, 8, 0.01, **TWO), 1e3)
    assert float(flow.contour.integral(flow.contour.points.q)) == pytest.approx(-1.0, abs=1e-8)
    assert np.all(flow.contour.points.q.imag > 0)
    assert np.all(flow.contour.points.theta.imag < 0)


def test_a_wrong_root_is_refused(monkeypatch):
    from asymptotics.random_features.resolvents import contour

    def wrong(start, at, z):
        points = along(start, at, z)
        return type(points)(points.model, points.q * 1.01, points.theta, points.theta_d)

    along = contour.along
    monkeypatch.setattr(contour, "along", wrong)
    with pytest.raises(SolveError, match="encloses"):
        Flow.of(model(4, 2, 0.05), 1e3)
