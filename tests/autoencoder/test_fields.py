"""The law of the local fields against the covariance of (λ₀, λ₁) carried by a matrix, also where it is singular."""

from __future__ import annotations

import numpy as np
import pytest

from asymptotics.autoencoder.kernels.shared.fields import channels, fields_at, mixed_overlaps
from asymptotics.common.numerics.algebra.gram import indefinite, rank, square_root

ENCODERS, DECODERS = np.array([0, 2]), np.array([0, 1])
MIXING = np.array([[0.3, 1.0], [0.7, 0.0], [-0.4, 0.2], [1.1, 0.6]])


@pytest.fixture(params=[3, 1], ids=["regular", "rank one"])
def state(request):
    """Q, M(c), Q^c of three vectors; "rank one": all weights in proportion."""
    rng = np.random.default_rng(3)
    w = rng.standard_normal((2, 3, request.param))
    q = w @ np.swapaxes(w, 1, 2)
    theta, c, varsigma = rng.standard_normal((2, 3, 2)), rng.standard_normal((2, 2)), np.array([[1.0, 1.0], [0.5, 0.5]])
    if request.param == 1:
        q[1] = q[0]
    return mixed_overlaps(theta, q, c, varsigma), theta, q, c, varsigma


def test_overlaps_are_sums_over_atoms(state):
    (Q, M, Qc), theta, q, c, varsigma = state
    np.testing.assert_allclose(Q, q[0] + q[1], atol=1e-14)
    np.testing.assert_allclose(M, c @ (theta[0] + theta[1]).T, atol=1e-14)
    np.testing.assert_allclose(Qc, [s[0] * q[0] + s[1] * q[1] for s in varsigma], atol=1e-14)


def test_joint_covariance_is_that_of_both_channels(state):
    (Q, M, Qc), *_ = state
    law = fields_at(Q, M, Qc, MIXING, ENCODERS, DECODERS)
    zero = np.zeros((3, 3))
    for cluster in range(2):
        C = np.block([[Q, zero], [zero, Qc[cluster]]])
        mean = np.concatenate([np.zeros(3), M[cluster]])
        for time, (alpha, beta, c0, c1) in enumerate(MIXING.T):
            eye, one = np.eye(3), law[2 * cluster + time]
            A = np.block([[alpha * eye[ENCODERS], beta * eye[ENCODERS]], [c0 * eye[DECODERS], c1 * eye[DECODERS]]])
            np.testing.assert_allclose(one.covariance(), A @ C @ A.T, atol=1e-12)
            np.testing.assert_allclose(np.concatenate([one.mean, one.emean]), A @ mean, atol=1e-14)
            # What the encoder fields leave open of e is a covariance, and is regressed on nothing.
            assert np.linalg.eigvalsh(one.residual)[0] > -1e-12
            np.testing.assert_allclose(one.regression @ one.root @ one.root, one.cross, atol=1e-12)


def test_channels_are_independent(state):
    (Q, M, Qc), *_ = state
    zero, one = channels(Q, M, Qc, ENCODERS, DECODERS)
    order = np.concatenate([ENCODERS, DECODERS])
    for cluster in range(2):
        np.testing.assert_allclose(zero[cluster].covariance(), Q[np.ix_(order, order)], atol=1e-12)
        np.testing.assert_allclose(one[cluster].covariance(), Qc[cluster][np.ix_(order, order)], atol=1e-12)
        assert not np.any(zero[cluster].mean) and not np.any(zero[cluster].emean)
        both = zero[cluster].beside(one[cluster])
        n = len(ENCODERS)
        np.testing.assert_allclose(both.mean, np.concatenate([np.zeros(n), M[cluster, ENCODERS]]), atol=1e-14)
        np.testing.assert_allclose(both.covariance()[:n, n : 2 * n], 0.0, atol=1e-14)
        np.testing.assert_allclose(both.root[n:, n:], one[cluster].root, atol=0)


def test_null_directions():
    v = np.array([1.0, 2.0, -1.0])
    root, inverse = square_root(np.outer(v, v))
    np.testing.assert_allclose(root @ root, np.outer(v, v), atol=1e-14)
    np.testing.assert_allclose(root @ inverse, np.outer(v, v) / 6, atol=1e-14)
    assert rank(np.outer(v, v)) == 1 and rank(np.zeros((2, 2))) == 0 and rank(np.zeros((0, 0))) == 0
    assert indefinite(np.array([-1e-8, 1.0])) and not indefinite(np.array([-1e-8, 100.0]))


def test_rounding_below_zero_is_no_variance():
    """What a difference of equal matrices leaves may be negative definite."""
    none, M = -1e-17 * np.eye(2), np.zeros((1, 2))
    law = fields_at(none, M, none[None], MIXING, np.array([0, 1]), np.array([0, 1]))
    assert not any(np.any(x) for x in (law.root, law.inverse, law.eroot)) and np.all(np.abs(law.residual) < 1e-16)
