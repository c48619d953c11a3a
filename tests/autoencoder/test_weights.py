"""Weights that realise given overlaps, to rounding, whatever the rank and the atoms."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.autoencoder.model.start.weights import atom_counts, construct, drawn, on_references, overlaps, starts
from asymptotics.common.input.checks import InputError


def random_overlaps(atoms: int, p: int, K: int, rank: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((atoms, p + K, rank))
    gram = a @ a.transpose(0, 2, 1)
    return gram[:, p:, p:], gram[:, :p, p:], gram[:, :p, :p]


@pytest.mark.parametrize(("p", "K", "rank"), [(2, 2, 4), (3, 2, 5), (3, 2, 2), (1, 1, 1), (4, 3, 9)])
@pytest.mark.parametrize("masses", [[1.0], [0.25, 0.75], [0.6, 0.0, 0.4, 0.0]])
def test_gram_matrices_are_exact(p, K, rank, masses):
    T, theta, q = random_overlaps(len(masses), p, K, rank)
    d = 397
    W, U, counts = construct(d, masses, T, theta, q, seed=5)
    assert W.shape == (p, d) and U.shape == (K, d) and counts.sum() == d
    # By hand, atom by atom, from the definitions.
    first = 0
    for s, count in enumerate(counts):
        part = slice(first, first + count)
        assert np.abs(W[:, part] @ W[:, part].T / d - q[s]).max() < 1e-12
        assert np.abs(W[:, part] @ U[:, part].T / np.sqrt(d) - theta[s]).max() < 1e-12
        assert np.abs(U[:, part] @ U[:, part].T - T[s]).max() < 1e-12
        if masses[s] == 0:
            assert count == min(rank, p + K)
        first += count
    measured = overlaps(W, U, counts)
    for got, wanted in ((measured.q, q), (measured.theta, theta), (measured.T, T)):
        assert np.abs(got - wanted).max() < 1e-12
    assert np.allclose(measured.Q, W @ W.T / d) and np.allclose(measured.Theta, W @ U.T / np.sqrt(d))
    c = np.ones((4, K)) * np.arange(1, K + 1)
    assert np.allclose(measured.M(c), measured.Theta @ c.T)


def test_directions_are_random_and_reproducible():
    T, theta, q = random_overlaps(1, 2, 2, 4)
    first, again, other = (construct(300, [1.0], T, theta, q, seed)[1][0] for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    norm = np.linalg.norm(first) * np.linalg.norm(other)
    assert abs(first @ other) / norm < 5 / np.sqrt(300)
    # Dense: the direction is spread over the coordinates as a uniformly random one is.
    assert np.abs(first).max() / np.linalg.norm(first) < 5 / np.sqrt(300)


def test_too_few_coordinates_are_refused():
    T, theta, q = random_overlaps(2, 2, 2, 4)
    with pytest.raises(InputError, match=r"dimension = 20: atom 1 has 2 coordinates.*need 4"):
        construct(20, [0.1, 0.9], T, theta, q, 0)
    with pytest.raises(InputError, match="dimension = 4: must be > 4"):
        construct(4, [1.0, 0.0], T, theta, q, 0)
    with pytest.raises(InputError, match=r"atom 1.*no vectors have these overlaps"):
        construct(50, [1.0], np.eye(1)[None], np.full((1, 1, 1), 2.0), np.ones((1, 1, 1)), 0)
    with pytest.raises(InputError, match="masses"):
        construct(50, [0.5, 0.6], T, theta, q, 0)


def test_rounding_of_the_overlaps_is_no_further_coordinate():
    """As many references as coordinates: overlaps that were computed elsewhere agree with them to rounding only."""
    rng, size = np.random.default_rng(0), 9
    U, a = rng.standard_normal((size, size)), rng.standard_normal((2, size))
    T = (U @ U.T) * (1 - 1e-12)
    theta, q = (a @ T)[None], (a @ T @ a.T)[None]
    W = on_references(U, np.array([size]), theta, q, 0)
    assert np.abs(W @ W.T / size - q[0]).max() < 1e-11 * np.abs(q).max()
    assert np.abs(W @ U.T / np.sqrt(size) - theta[0]).max() < 1e-11 * np.abs(theta).max()
    with pytest.raises(InputError, match="9 coordinates, but its overlaps need 11"):
        on_references(U, np.array([size]), theta, q * (1 + 1e-3), 0)


def test_counts_by_largest_remainder():
    assert atom_counts(10, [1 / 3, 1 / 3, 1 / 3]).tolist() == [4, 3, 3]
    assert atom_counts(784, np.full(784, 1 / 784)).tolist() == [1] * 784
    assert atom_counts(10, [0.55, 0.45, 0.0], [9, 9, 2]).tolist() == [4, 4, 2]
    for d in (7, 100, 1001):
        masses = np.random.default_rng(d).dirichlet(np.ones(6))
        counts = atom_counts(d, masses)
        assert counts.sum() == d and np.abs(counts - masses * d).max() < 1
    assert starts(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]


def test_empty_atoms_have_no_overlaps():
    rng = np.random.default_rng(0)
    W, U = rng.standard_normal((2, 5)), rng.standard_normal((1, 5))
    measured = overlaps(W, U, np.array([0, 2, 0, 3, 0]))
    assert np.allclose(measured.q[1], W[:, :2] @ W[:, :2].T / 5)
    assert np.allclose(measured.q[3], W[:, 2:] @ W[:, 2:].T / 5)
    assert np.all(measured.q[[0, 2, 4]] == 0)


def test_drawn_weights():
    d, K = 20000, 2
    _, U, _ = construct(d, [1.0], np.eye(K)[None], np.zeros((1, 0, K)), np.zeros((1, 0, 0)), 3)
    c = np.array([[0.3, 0.0], [0.0, -0.2], [0.1, 0.1]])
    exact = overlaps(drawn(U, c, 0.0, 3), U, np.array([d]))
    assert np.allclose(exact.Theta, c, atol=1e-12) and np.allclose(exact.Q, c @ c.T, atol=1e-12)
    noisy = overlaps(drawn(U, c, 0.5, 3), U, np.array([d]))
    # Q_ab fluctuates by 0.25 √(1 + δ_ab)/√d and the overlap with the fixed part; Θ by 0.5/√d.
    assert np.abs(noisy.Q - c @ c.T - 0.25 * np.eye(3)).max() < 4.5 * 0.5 / np.sqrt(d)
    assert np.abs(noisy.Theta - c).max() < 4.5 * 0.5 / np.sqrt(d)
