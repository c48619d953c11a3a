"""Targets measured on samples: against known mixtures, exact identities, and SGD that sees the same observables."""

from __future__ import annotations

import dataclasses
import itertools
import json
import warnings

import numpy as np
import pytest

import asymptotics as asy
from asymptotics import EmpiricalMixture, GaussianMixture, InputError
from asymptotics.autoencoder.model.data.from_samples import CommutationWarning, group
from asymptotics.autoencoder.model.data.samples import load_samples
from asymptotics.autoencoder.model.start.weights import on_references, overlaps
from asymptotics.autoencoder.process.training.setup import sgd_problem
from asymptotics.cli import main
from asymptotics.common.output.verdict import Verdict


def known(d: int, n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Samples of three clusters with commuting covariances in a random frame; labels, means, frame, eigenvalues."""
    rng = np.random.default_rng(seed)
    frame, _ = np.linalg.qr(rng.standard_normal((d, d)))
    means = rng.standard_normal((3, d)) / np.sqrt(d) * np.array([[3.0], [2.0], [2.5]])
    eigenvalues = np.sort(rng.uniform(0.1, 2.0, d))[::-1] * np.array([[1.0], [0.5], [1.5]])
    labels = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
    z = rng.standard_normal((n, d)) * np.sqrt(eigenvalues)[labels]
    return means[labels] + z @ frame.T, labels, means, frame, eigenvalues


def exact_pair(theta: float) -> tuple[np.ndarray, np.ndarray]:
    """Two classes in the plane whose empirical covariances are exactly diag(2, 1), the second turned by ``theta``."""
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) * np.sqrt([2.0, 1.0])
    turn = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    many = np.tile(square, (500, 1))
    return np.concatenate([many, many @ turn.T + 3.0]), np.repeat([0, 1], 2000)


def test_recovers_a_known_mixture_in_any_frame() -> None:
    X, labels, means, _, eigenvalues = known(20, 60_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the covariances commute: sampling noise alone is no reason to warn
        mixture = GaussianMixture.from_samples(X, labels)
    assert isinstance(mixture, EmpiricalMixture) and isinstance(mixture, GaussianMixture)
    assert np.allclose(mixture.weights, np.bincount(labels) / len(labels))
    # Inner products of the means do not depend on the frame.
    assert np.allclose(mixture.centroids @ mixture.centroids.T, means @ means.T, atol=0.08)
    sampling = np.sqrt(2 / np.bincount(labels))[:, None] * eigenvalues
    assert np.all(np.abs(mixture.cluster_eigenvalues - eigenvalues) < 5 * sampling + 0.02)
    assert np.all(mixture.commutation < 1.3 * mixture.commutation_noise)
    assert mixture.mean_eigenvalue == pytest.approx(float(mixture.weights @ eigenvalues.mean(axis=1)), rel=0.01)


def test_the_frame_is_exact() -> None:
    X, labels, *_ = known(30, 3000)
    mixture = GaussianMixture.from_samples(X, labels, atoms=7)
    Z = mixture.coordinates(X)
    for c in range(3):
        mine = Z[labels == c]
        assert np.allclose(mine.mean(axis=0), mixture.centroids[c] @ mixture.references, atol=1e-12)
        spread = mine.var(axis=0)
        edges = np.concatenate([[0], np.cumsum(mixture.counts)])
        for s, (a, b) in enumerate(itertools.pairwise(edges)):
            assert mixture.cluster_eigenvalues[c, s] == pytest.approx(spread[a:b].mean(), rel=1e-10)
            T = mixture.references[:, a:b] @ mixture.references[:, a:b].T
            assert np.allclose(mixture.reference_overlaps[s], T, atol=1e-13)
    assert np.allclose(mixture.gram, np.eye(mixture.directions), atol=1e-12)
    assert np.allclose(mixture.basis.T @ mixture.basis, np.eye(30), atol=1e-12)
    assert np.allclose(mixture.masses, mixture.counts / 30) and mixture.counts.sum() == 30
    pooled = (Z - (mixture.centroids @ mixture.references)[labels]).T @ (
        Z - (mixture.centroids @ mixture.references)[labels]
    )
    assert np.allclose(pooled / len(Z), np.diag(mixture.pooled), atol=1e-10)
    assert np.allclose(mixture.directions_in_space() @ mixture.basis, mixture.references, atol=1e-12)


def test_commutation_in_numbers() -> None:
    theta = 0.6
    X, labels = exact_pair(theta)
    with pytest.warns(CommutationWarning) as caught:
        mixture = GaussianMixture.from_samples(X, labels)
    # In the common eigenbasis each covariance is turned by ±θ/2: off-diagonal ½ sin θ, twice, of 2² + 1².
    share = np.sin(theta) ** 2 / 2 / 5
    assert np.allclose(mixture.commutation, share, atol=1e-12)
    assert f"{share:.3g}" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GaussianMixture.from_samples(X, labels, diagonal=True)
        GaussianMixture.from_samples(*exact_pair(0.0))
        GaussianMixture.from_samples(X)  # one class commutes with itself


def test_grouping_is_optimal() -> None:
    rng = np.random.default_rng(3)
    values = np.sort(rng.exponential(size=9) ** 2)[::-1]

    def loss(sizes: np.ndarray) -> float:
        parts = np.split(values, np.cumsum(sizes)[:-1])
        return sum(float(np.sum((p - p.mean()) ** 2)) for p in parts)

    for atoms in (1, 2, 4, 9):
        best = min(
            loss(np.diff([0, *cuts, 9])) for cuts in itertools.combinations(range(1, 9), atoms - 1)
        )  # fmt: skip
        sizes = group(values, atoms)
        assert len(sizes) == atoms and sizes.min() >= 1 and loss(sizes) == pytest.approx(best, abs=1e-12)


def test_one_class_without_a_mean() -> None:
    X = np.random.default_rng(0).standard_normal((500, 6)) * np.array([3, 1, 1, 1, 1, 1])
    mixture = GaussianMixture.from_samples(X, centre=True)
    assert mixture.clusters == 1 and mixture.directions == 1 and np.allclose(mixture.centroids, 0, atol=1e-12)
    # The reference direction is then the leading eigenvector.
    assert abs(mixture.directions_in_space()[0, 0]) > 0.99
    assert np.allclose(mixture.coordinates(X).mean(axis=0), 0, atol=1e-12)


def experiment(target: object, **changes: object) -> asy.Experiment:
    tables = {
        "denoiser": {"hidden_units": 2, "init": {"centroids": 0.4}},
        "training": {"times": [0.6], "learning_rate": 0.2, "weight_decay": 0.1, "tau": 3.0},
        "simulation": {"dimension": 120, "runs": 12, "samples": 50, "seed": 4},
    }
    return asy.Experiment(target=target, **tables).replace(changes)


def test_theory_and_sgd_on_samples_share_every_observable() -> None:
    X, labels, *_ = known(120, 4000, seed=1)
    target = GaussianMixture.from_samples(X, labels, atoms=5, diagonal=True)
    for init in ({"centroids": 0.3}, {"centroids": 0.2, "random": 0.4}, {"random": 0.5, "realisation": 2}):
        exp = experiment(target).replace(denoiser={"hidden_units": 2, "init": init})
        setup = sgd_problem(exp.problem, data=X)
        weights, references, counts = setup.begin(11)
        measured = overlaps(weights, references, counts)
        theta, q = exp.problem.initial_overlaps()
        assert np.allclose(measured.theta, theta, atol=1e-12) and np.allclose(measured.q, q, atol=1e-12)
        # In the samples' own coordinates: Θ = W u/√d with the directions of the class means, M = W μ/√d.
        W = weights @ target.basis.T
        assert np.allclose(W @ target.directions_in_space().T / np.sqrt(120), theta.sum(axis=0), atol=1e-12)
        means = np.array([X[labels == c].mean(axis=0) for c in range(3)])
        assert np.allclose(W @ means.T / np.sqrt(120), theta.sum(axis=0) @ target.centroids.T, atol=1e-12)
        assert np.allclose(setup.data, X @ target.basis, atol=1e-4)


def test_weights_on_given_references() -> None:
    rng = np.random.default_rng(0)
    references, counts = rng.standard_normal((2, 12)), np.array([1, 4, 7])
    given = rng.standard_normal((3, 12))
    wanted = overlaps(given, references, counts)
    # Atom 1 has one coordinate: only weights along it exist; the others have room for random parts.
    made = on_references(references, counts, wanted.theta[:, :2], wanted.q[:, :2, :2], 5)
    found = overlaps(made, references, counts)
    assert np.allclose(found.theta, wanted.theta[:, :2], atol=1e-12)
    assert np.allclose(found.q, wanted.q[:, :2, :2], atol=1e-12)
    other = on_references(references, counts, wanted.theta[:, :2], wanted.q[:, :2, :2], 6)
    assert np.abs(other - made).max() > 0.1
    with pytest.raises(InputError, match="no weights have"):
        on_references(references, counts, wanted.theta, 0.01 * wanted.q, 5)
    crowded = wanted.q[:, :2, :2] + np.array([1.0, 0, 0])[:, None, None] * np.eye(2)
    with pytest.raises(InputError, match="atom 1 has 1 coordinate,"):
        on_references(references, counts, wanted.theta[:, :2], crowded, 5)


def test_sgd_on_gaussian_samples_agrees_with_theory() -> None:
    X, labels, *_ = known(300, 20_000, seed=2)
    target = GaussianMixture.from_samples(X, labels, atoms=12, diagonal=True)
    exp = experiment(target, **{"simulation.samples": 1})
    path = asy.solve(exp, tolerance=1e-4)
    runs = asy.simulate(exp, data=X, workers=1)
    assert runs.dimension == 300 and "20000" in runs.data
    verdict = asy.compare(path, runs)
    # How samples differ from the Gaussian target is not derived; these are Gaussian and many.
    assert verdict.outcome == "NOT TESTED" and any("trained on samples" in why for _, why in verdict.not_tested)
    rows = [dataclasses.replace(row, counted=not row.name.startswith("M(")) for row in verdict.rows]
    judged = Verdict.of(rows)
    assert judged.count == 80 and judged.passed, judged
    assert any("not on the Gaussian target" in note for note in verdict.notes)
    # It is a test: means of another mixture are told apart.
    wrong = asy.solve(exp.replace(target=target.target.replace(centroids=1.1 * target.centroids)), tolerance=1e-4)
    assert abs(wrong(3.0).M - runs.mean("M")[-1]).max() > 10 * runs.sem("M")[-1].max()


def test_files(tmp_path, capsys) -> None:
    X, labels, *_ = known(120, 1500)
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "xy.npz", data=X, labels=labels)
    np.savez(tmp_path / "other.npz", pixels=X, digit=labels)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    assert np.array_equal(load_samples(tmp_path / "x.npy")[0], X)
    for name in ("xy.npz", "other.npz"):
        found, marks = load_samples(tmp_path / name)
        assert np.array_equal(found, X) and marks is not None and np.array_equal(marks, labels)
    with pytest.raises(InputError, match="has the arrays a, b"):
        load_samples(tmp_path / "two.npz")
    table = {"samples": str(tmp_path / "xy.npz"), "atoms": 3, "diagonal": True}
    exp = experiment(table)
    assert exp.problem.target.clusters == 3 and exp.problem.target.atoms == 3
    assert exp.replace({"target.atoms": 4}).problem.target.atoms == 4
    # The tables of a result give the same problem back.
    path = asy.solve(exp, tolerance=1e-3)
    path.save(tmp_path / "path.npz")
    again = type(path).load(tmp_path / "path.npz").problem.target
    assert isinstance(again, EmpiricalMixture) and np.allclose(again.centroids, exp.problem.target.centroids)
    plain = asy.Experiment(
        target=GaussianMixture.from_samples(X, labels, 3, diagonal=True).to_table(), training=exp.tables["training"]
    )
    assert np.allclose(plain.problem.target.eigenvalues, again.eigenvalues)
    text = (
        f'[target]\nsamples = "{tmp_path / "xy.npz"}"\natoms = 3\ndiagonal = true\n[denoiser.init]\ncentroids = 0.4\n'
        "[training]\ntimes = [0.6]\nlearning_rate = 0.2\ntau = 0.5\n[simulation]\nruns = 2\nsamples = 20\n"
    )
    (tmp_path / "mine.toml").write_text(text)
    arguments = [str(tmp_path / "mine.toml"), "--json", "--workers", "1"]
    assert main(["simulate", *arguments, "--data", str(tmp_path / "xy.npz")]) == 0
    out = json.loads(capsys.readouterr().out)
    assert out["dimension"] == 120 and len(out["mean"]["M"][-1][0]) == 3
    for data in ("nowhere.npz", "x.txt"):
        assert main(["simulate", *arguments, "--data", data]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 2 and "nowhere.npz" in error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros(5),), "samples"),
        (([[1, 2], [3]],), "samples"),
        ((np.array([[1.0, np.nan], [0, 1], [1, 0]]),), "samples"),
        ((np.ones((10, 3)),), "non-zero variance"),
        ((np.eye(4), [0, 1]), r"labels = \(2,\)"),
        ((np.eye(4), [0, 0, 1, 2]), "labels = 1"),
        ((np.eye(4), [0.5, 0, 1, 1]), "integers or strings"),
        ((np.random.default_rng(0).standard_normal((9, 4)), None, 5), "atoms = 5"),
        ((np.random.default_rng(0).standard_normal((9, 4)), None, 0), "atoms = 0"),
        (("mnits",), "mnist"),
    ],
)
def test_bad_input(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        GaussianMixture.from_samples(*arguments)
    assert "\n" not in str(caught.value)


def test_bad_combinations() -> None:
    X, labels, *_ = known(30, 300)
    exp = experiment(GaussianMixture.from_samples(X, labels, atoms=3, diagonal=True))
    with pytest.raises(InputError, match=r"data = .*of shape \(n, 30\)"):
        asy.simulate(exp, data=X[:, :20])
    with pytest.raises(InputError, match="must be made from samples"):
        asy.simulate(asy.example("three-clusters"), data=X)
    with pytest.raises(InputError, match=r"target.weights: must be left out where target.samples"):
        experiment({"samples": "mnist", "weights": [1.0]})
    with pytest.raises(InputError, match=r"simulation.dimension = 120: must be 30"):
        asy.solve(exp.replace(denoiser={"init": {"random": 0.5, "centroids": 0.0, "realisation": 1}}))
