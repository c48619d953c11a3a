"""The relative distance of any generator: quadrature, closed forms, another room's exact values, and repeated draws."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import norm

import asymptotics as asy
from asymptotics.cli import main
from asymptotics.one_step.process.denoiser import fit
from asymptotics.one_step.process.distances import Underlying, closer_to_target, distances
from asymptotics.tools import Gaussian


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def test_against_quadrature():
    """Kernel estimates coordinate by coordinate, integrated on a grid; coordinates of very different scale."""
    scales = np.array([1.0, 0.02, 30.0])
    generated, training, original = (
        drawn(0, 80, 3) * scales * 1.2,
        drawn(1, 40, 3) * scales,
        (drawn(2, 300, 3) + 0.1) * scales,
    )
    found = asy.memorisation(generated, training, original, bootstrap=0)
    expected = np.zeros(3)
    for k in range(3):
        sigma = original[:, k].std()
        x = np.linspace(-9 * scales[k], 9 * scales[k], 4001)
        g, t, o = (
            norm.pdf(x[:, None], data[:, k], sigma * (4 / (3 * len(data))) ** 0.2).mean(axis=1)
            for data in (generated, training, original)
        )
        expected += [np.trapezoid((p - q) ** 2, x) / 3 for p, q in ((t, g), (o, g), (t, o))]
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-9)
    assert found.E_TG.sem is None


def test_gaussians_are_exact():
    """∫(p − q)² of two Gaussians, and a kernel estimate that becomes one."""
    training = drawn(3, 30, 1)
    found = asy.memorisation(Gaussian([0.5], [[0.8]]), training, Gaussian([0.0], [[1.0]]), bootstrap=0)
    square = lambda v: norm.pdf(0.0, 0.0, np.sqrt(v))  # noqa: E731
    expected = square(1.6) + square(2.0) - 2 * norm.pdf(0.5, 0.0, np.sqrt(1.8))
    assert found.E_OG.value == pytest.approx(expected, rel=1e-12)


def test_joint_density_is_that_of_the_one_step_room():
    points, noise = drawn(4, 40, 6), drawn(5, 40, 6)
    generated = fit(points, noise, [0.0, 1.0], 0.1)
    exact = distances(points, generated, Underlying())
    law = Gaussian(generated.mean, generated.covariance)
    found = asy.memorisation(law, points, Gaussian(np.zeros(6), np.eye(6)), density="joint")
    for name in ("E_TG", "E_OG", "E_TO"):
        assert getattr(found, name).value == pytest.approx(getattr(exact, name), rel=1e-9)
    assert found.generalises == exact.closer_to_target


@pytest.mark.parametrize(("n", "expected"), [(60, False), (150, True)])
def test_joint_comparison_far_below_rounding(n, expected):
    """d = 100: the overlaps that decide are 1e-10 of the self-overlaps and less."""
    points, noise, fresh = drawn(6, n, 100), drawn(7, n, 100), drawn(8, 1000, 100)
    generated = fit(points, noise, [0.0, 2.0], 0.01 * np.exp(-4.0))
    law = Gaussian(generated.mean, generated.covariance)
    assert asy.memorisation(law, points, fresh, density="joint").generalises is expected
    assert closer_to_target(points, generated, Underlying(fresh)) is expected


def test_copies_memorise_and_fresh_samples_generalise():
    training, original = drawn(9, 100, 5), drawn(10, 2000, 5)
    copies = training[np.random.default_rng(11).integers(0, 100, 1000)]
    found = asy.memorisation(copies, training, original)
    assert not found.generalises and found.bootstrap_fraction < 0.5
    assert asy.memorisation(training, training, original).E_TG.value < 1e-25
    fresh = asy.memorisation(drawn(12, 1000, 5), training, original)
    assert fresh.generalises and fresh.bootstrap_fraction > 0.5


def test_errors_are_those_of_repeated_draws():
    """Apart: the scatter of independent data; equal densities: √3 of it at most."""
    for shift, low, high in ((1.0, 0.8, 1.25), (0.0, 1.3, 2.1)):
        values, errors = [], []
        for k in range(150):
            rng = np.random.default_rng(k + 1000)
            sets = [rng.standard_normal((40, 1)) + at for at in (shift, 0.0, 0.0)]
            found = asy.memorisation(*sets, bootstrap=20, seed=k)
            values.append(found.E_OG.value)
            errors.append(found.E_OG.sem)
        assert low < np.mean(errors) / np.std(values) < high


def test_several_data_sets(tmp_path, capsys):
    """P over data sets, from lists and from the files of the command line."""
    training, fresh, original = drawn(13, 6, 30, 2), drawn(14, 6, 400, 2), drawn(15, 3000, 2)
    generated = np.concatenate([fresh[:4], np.repeat(training[4:], 14, axis=1)[:, :400]])
    found = asy.memorisation(list(generated), list(training), original)
    assert found.probability == pytest.approx(4 / 6)
    assert found.E_TG.sem == pytest.approx(found.values[:, 0].std(ddof=1) / np.sqrt(6))
    for name, data in (("G", generated), ("T", training), ("O", original)):
        np.save(tmp_path / f"{name}.npy", data)
    files = [str(tmp_path / f"{name}.npy") for name in "GTO"]
    assert main(["memorisation", *files, "--sets", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["probability"] == pytest.approx(4 / 6)


def test_command_line(tmp_path, capsys):
    for name, data in (("G", drawn(16, 50, 4, 3)), ("T", drawn(17, 40, 4, 3)), ("O", drawn(18, 90, 4, 3))):
        np.save(tmp_path / f"{name}.npy", data)
    files = [str(tmp_path / f"{name}.npy") for name in "GTO"]
    assert main(["memorisation", *files, "--json", "--save", str(tmp_path / "kept.npz")]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("E_TG", "E_OG", "E_TO"):
        assert found[name]["value"] > 0 and found[name]["sem"] > 0
    assert found["generalises"] is (found["E_OG"]["value"] < found["E_TG"]["value"])
    assert found["dimension"] == 12
    assert asy.RelativeDistance.load(tmp_path / "kept.npz").E_TG.value == found["E_TG"]["value"]
    assert main(["memorisation", files[0], files[1], str(tmp_path / "none.npy")]) == 2
    assert "none.npy" in capsys.readouterr().err
    (tmp_path / "text.npy").write_text("no array")
    assert main(["memorisation", files[0], files[1], str(tmp_path / "text.npy")]) == 2


def test_coordinates_without_spread_are_left_out():
    """Pixels that are black in all images."""
    training, original, generated = (np.hstack([drawn(k, 50, 2), np.zeros((50, 1))]) for k in (19, 20, 21))
    found = asy.memorisation(generated, training, original, bootstrap=0)
    assert found.left_out == 1
    np.testing.assert_allclose(
        found.values, asy.memorisation(generated[:, :2], training[:, :2], original[:, :2], bootstrap=0).values
    )


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((drawn(0, 10, 2), drawn(0, 10, 3), drawn(0, 10, 2)), {}, "of dimension 2, the training set of 3"),
        ((drawn(0, 1, 2), drawn(0, 10, 2), drawn(0, 10, 2)), {}, "at least two"),
        ((np.full((10, 2), np.nan), drawn(0, 10, 2), drawn(0, 10, 2)), {}, "generated"),
        ((drawn(0, 10, 2), drawn(0, 10, 2), np.ones((10, 2))), {}, "constant in all coordinates"),
        ((drawn(0, 10, 2), Gaussian([0, 0], np.eye(2)), drawn(0, 10, 2)), {}, "no training set"),
        ((drawn(0, 10, 2), drawn(0, 10, 2), drawn(0, 10, 2)), {"kernel": "best"}, "optimal"),
        ((drawn(0, 10, 2), drawn(0, 10, 2), drawn(0, 10, 2)), {"kernel": -1.0}, "kernel = -1.0"),
        ((drawn(0, 10, 2), drawn(0, 10, 2), drawn(0, 10, 2)), {"kernel": 1e-9}, "too narrow"),
        ((drawn(0, 10, 2), drawn(0, 10, 2), drawn(0, 10, 2)), {"density": "marginal"}, "density = 'marginal'"),
        (([drawn(0, 10, 2)] * 2, [drawn(0, 10, 2)] * 3, drawn(0, 10, 2)), {}, "2 data sets where the others have 3"),
        ((Gaussian([0], [[0.0]]), drawn(0, 10, 1), drawn(0, 10, 1)), {}, "width 0"),
    ],
)
def test_bad_input_is_one_clear_line(arguments, options, said):
    with pytest.raises(asy.InputError) as error:
        asy.memorisation(*arguments, **options)
    assert said in str(error.value) and "\n" not in str(error.value)
