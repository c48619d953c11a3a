"""Spectra: the published numbers of MNIST, closed forms of power laws, and files that are not what they say."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.common.input.checks import InputError
from asymptotics.common.numerics.laws.spectra import (
    Spectrum,
    from_data,
    isotropic,
    load_spectrum,
    mnist_covariance,
    mnist_digits,
    power_law,
    spiked,
)


def test_mnist_has_the_known_spectrum():
    mnist = load_spectrum("mnist")
    assert mnist.eigenvalues[:4] == pytest.approx([5.116788, 3.741328, 3.252654, 2.841573], abs=5e-7)
    assert mnist.trace / 784 == pytest.approx(0.067251, abs=5e-7)
    assert mnist.participation_ratio == pytest.approx(30.69, abs=5e-3)
    assert mnist.dimension == 784
    assert mnist.singular  # border pixels are never lit
    assert mnist.class_means.shape == (10, 784)


def test_mnist_covariance_belongs_to_the_spectrum():
    mnist, covariance = load_spectrum("mnist"), mnist_covariance()
    assert np.abs(covariance @ mnist.eigenvectors - mnist.eigenvectors * mnist.eigenvalues[:16]).max() < 1e-12
    assert np.trace(covariance) == pytest.approx(mnist.trace, rel=1e-12)
    assert np.linalg.norm(covariance) ** 2 == pytest.approx(np.square(mnist.eigenvalues).sum(), rel=1e-12)


def test_digits_are_draws_of_that_covariance():
    images, labels = mnist_digits()
    assert images.shape == (10_000, 784)
    assert images.min() == 0.0
    assert images.max() == 1.0
    assert set(labels) == set(range(10))
    mnist = load_spectrum("mnist")
    # relative Frobenius distance of an empirical covariance is ~ sqrt(d_eff / N) (kurtosis of digits: below 2 × that)
    distance = np.linalg.norm(np.cov(images.T) - mnist_covariance()) / np.linalg.norm(mnist_covariance())
    assert distance < 2 * np.sqrt((1 + mnist.participation_ratio) / 10_000)
    means = np.array([images[labels == k].mean(axis=0) for k in range(10)])
    assert np.abs(means - mnist.class_means).max() < 5 * 0.5 / np.sqrt(860)


def test_power_law_has_stated_trace_and_participation_ratio():
    spectrum = power_law(50, 1)
    assert spectrum.trace == pytest.approx(50)
    assert 1 + spectrum.participation_ratio == pytest.approx(13.45612, rel=1e-6)
    assert power_law(50, 1, trace=7.0).trace == pytest.approx(7.0)
    assert spectrum.eigenvalues[0] / spectrum.eigenvalues[9] == pytest.approx(10)
    assert np.array_equal(power_law(5, 0).eigenvalues, isotropic(5).eigenvalues)
    assert isotropic(30).participation_ratio == pytest.approx(30)


def test_spiked_and_scaled():
    spectrum = spiked(10, [5.0, 0.5], bulk=1.0)
    assert spectrum.eigenvalues.tolist() == [5.0, *[1.0] * 8, 0.5]
    assert spiked(10, [5.0], trace=20).trace == pytest.approx(20)
    assert spectrum.scaled(1.0).trace == pytest.approx(1.0)
    assert not spectrum.singular


def test_from_data_and_covariance_agree_with_numpy():
    x = np.random.default_rng(0).normal(size=(40, 6)) * np.arange(1, 7)
    spectrum = from_data(x)
    assert spectrum.eigenvalues[::-1] == pytest.approx(np.linalg.eigvalsh(np.cov(x.T, bias=True)))
    assert spectrum.mean == pytest.approx(x.mean(axis=0))
    rebuilt = spectrum.eigenvectors * spectrum.eigenvalues @ spectrum.eigenvectors.T
    assert rebuilt == pytest.approx(np.cov(x.T, bias=True))
    # fewer samples than dimensions: N − 1 non-zero eigenvalues, the rest exactly zero
    assert from_data(x[:4]).rank == 3


def test_files_round_trip(tmp_path):
    x = np.random.default_rng(1).normal(size=(30, 5))
    covariance = np.cov(x.T, bias=True)
    expected = np.linalg.eigvalsh(covariance)[::-1]
    np.save(tmp_path / "values.npy", expected[[3, 1, 0, 2, 4]])
    np.save(tmp_path / "covariance.npy", covariance)
    np.savez(tmp_path / "data.npz", data=x)
    np.savez(tmp_path / "covariance.npz", covariance=covariance)
    np.savez(tmp_path / "values.npz", eigenvalues=expected, mean=x.mean(axis=0))
    for name in ("values.npy", "covariance.npy", "data.npz", "covariance.npz", "values.npz"):
        assert load_spectrum(tmp_path / name).eigenvalues == pytest.approx(expected)
        assert load_spectrum(str(tmp_path / name)).dimension == 5
    spectrum = load_spectrum(tmp_path / "data.npz")
    spectrum.save(tmp_path / "saved.npz")
    assert Spectrum.load(tmp_path / "saved.npz") == spectrum
    assert load_spectrum(tmp_path / "saved.npz").eigenvalues == pytest.approx(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"values": np.ones(3)}, "must have eigenvalues, covariance or data"),
        ({"eigenvalues": np.array([1.0, -0.5])}, ">= 0"),
        ({"eigenvalues": np.array([1.0, np.nan])}, "finite"),
        ({"eigenvalues": np.array([0.0, 0.0])}, "not all zero"),
        ({"eigenvalues": np.ones((2, 2))}, "1 axes"),
        ({"eigenvalues": np.array(["a", "b"])}, "finite numbers"),
        ({"eigenvalues": np.ones(3), "mean": np.ones(2)}, r"shape \(3\)"),
        ({"eigenvalues": np.ones(3), "eigenvectors": np.ones((3, 3))}, "orthonormal"),
        ({"eigenvalues": np.ones(3), "eigenvectors": np.eye(4)[:, :2]}, r"shape \(3, any\)"),
        ({"covariance": np.ones((2, 3))}, "symmetric"),
        ({"covariance": np.array([[1.0, 2.0], [2.0, 1.0]])}, "positive semi-definite"),
        ({"covariance": np.array([[1.0, np.inf], [np.inf, 1.0]])}, "finite"),
        ({"data": np.ones((1, 4))}, "N >= 2"),
        ({"data": np.ones((5, 4))}, "not all zero"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_one_clear_error(tmp_path, content, message):
    path = tmp_path / "bad.npz"
    np.savez(path, **content)
    with pytest.raises(InputError, match=message) as caught:
        load_spectrum(path)
    assert "\n" not in str(caught.value)
    assert "bad.npz" in str(caught.value)


def test_unreadable_files_and_unknown_names(tmp_path):
    garbage = tmp_path / "garbage.npz"
    garbage.write_bytes(b"this is no array")
    truncated = tmp_path / "truncated.npz"
    np.savez_compressed(tmp_path / "good.npz", eigenvalues=np.random.default_rng(0).random(4000))
    truncated.write_bytes((tmp_path / "good.npz").read_bytes()[:500])
    pickled = tmp_path / "pickled.npy"
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for path in (garbage, truncated, pickled):
        with pytest.raises(InputError, match="not a readable") as caught:
            load_spectrum(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="no such file"):
        load_spectrum(tmp_path / "absent.npz")
    with pytest.raises(InputError, match="did you mean mnist"):
        load_spectrum("mnsit")
    with pytest.raises(InputError, match="spectrum = 3"):
        load_spectrum(3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: power_law(0, 1), "dimension = 0"),
        (lambda: power_law(5, -1), "exponent = -1"),
        (lambda: power_law(5, 1, trace=0), "trace = 0"),
        (lambda: spiked(2, [1, 2, 3]), "spikes"),
        (lambda: Spectrum(np.array([])), "at least one"),
    ],
)
def test_bad_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
