"""The generator against published vectors, the transform against NumPy, the variates against the normal law."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit
from scipy import special, stats

from asymptotics.common.numerics.laws import normals
from asymptotics.common.numerics.laws.normals import fill_normals32, fill_normals64, fill_uniforms, philox_key

KEY = philox_key(20240607)
FILL = {np.float32: fill_normals32, np.float64: fill_normals64}
# Every statistic below is of one fixed stream; 4.5 standard errors are exceeded once in 150 000 by chance.
BARS = 4.5


def draw(n: int, dtype: type = np.float32, stream: int = 0, step: int = 0, key=KEY) -> np.ndarray:
    out = np.empty(n, dtype)
    FILL[dtype](*key, stream, step, out)
    return out


# Known-answer vectors of the authors' library Random123 (kat_vectors, philox4x32, 10 rounds).
VECTORS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


@njit
def words_of(counter, key):
    return normals.philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


@pytest.mark.parametrize(("counter", "key", "answer"), VECTORS)
def test_philox_known_answers(counter, key, answer):
    c, k, a = (np.array([int(w, 16) for w in text.split()], dtype=np.uint32) for text in (counter, key, answer))
    assert np.array_equal(np.array(words_of(c, k), dtype=np.uint32), a)


def test_layout_of_the_stream():
    """Normal i comes from the documented block and words, by Box-Muller in NumPy's double precision."""
    stream, step, n = 7, 2**32 + 3, 1024
    z32, z64 = draw(n, np.float32, stream, step), draw(n, np.float64, stream, step)
    for i in range(n):
        tile, rest = divmod(i, 256)
        quarter, lane = divmod(rest, 64)
        words = words_of(np.array([64 * tile + lane, stream, 3, 1], np.uint32), np.array(KEY))
        a, b = (int(w) for w in (words[:2] if quarter < 2 else words[2:]))
        radius = math.sqrt(-2 * math.log((a + 0.5) / 2**32)) * (-1 if b & 1 else 1)
        angle = math.pi * (b - 2**32 * (b >= 2**31)) / 2**32
        expected = radius * (math.sin(angle) if quarter % 2 else math.cos(angle))
        assert abs(z32[i] - expected) < 2e-6
        tile, rest = divmod(i, 128)
        half, lane = divmod(rest, 64)
        a, b, c, d = (int(w) for w in words_of(np.array([64 * tile + lane, stream, 3, 1], np.uint32), np.array(KEY)))
        radius = math.sqrt(-2 * math.log((a * 2**32 + b + 0.5) / 2**64)) * (-1 if d & 1 else 1)
        n64 = c * 2**32 + d
        angle = math.pi * (n64 - 2**64 * (n64 >= 2**63)) / 2**64
        expected = radius * (math.sin(angle) if half else math.cos(angle))
        assert abs(z64[i] - expected) < 4e-15 * max(1, abs(radius))


@njit(error_model="numpy")
def pairs32(a, b, out):
    for i in range(len(a)):
        out[i, 0], out[i, 1] = normals._pair32(a[i], b[i])


@njit(error_model="numpy")
def pairs64(w, out):
    for i in range(len(w)):
        out[i, 0], out[i, 1] = normals._pair64(w[i, 0], w[i, 1], w[i, 2], w[i, 3])


def test_extreme_words_are_finite_and_reach_far_tails():
    edge = np.array([0, 1, 2, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 2, 2**32 - 1], np.uint32)
    a, b = (x.ravel() for x in np.meshgrid(edge, edge, indexing="ij"))
    out = np.empty((len(a), 2), np.float32)
    pairs32(a, b, out)
    assert np.all(np.isfinite(out))
    radius = np.sqrt(-2 * np.log((a + 0.5) / 2.0**32))
    assert np.allclose(np.hypot(*out.T.astype(float)), radius, rtol=3e-7, atol=3e-4)
    assert np.abs(out).max() > 6.6
    words = np.stack([x.ravel() for x in np.meshgrid(edge, edge, edge, edge, indexing="ij")], axis=1)
    out = np.empty((len(words), 2))
    pairs64(words, out)
    assert np.all(np.isfinite(out))
    assert np.abs(out).max() > 9.3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_moments_to_eighth_order(dtype):
    n = 8_000_000
    z = draw(n, dtype, stream=1).astype(np.float64)
    power = np.ones(n)
    for k in range(1, 9):
        power *= z
        even = lambda m: special.factorial2(m - 1, exact=True) if m % 2 == 0 and m else float(m == 0)  # noqa: E731
        error = math.sqrt((even(2 * k) - even(k) ** 2) / n)
        assert abs(power.mean() - even(k)) < BARS * error, f"moment {k}"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kolmogorov_smirnov_and_bins(dtype):
    z = draw(2**21, dtype, stream=2).astype(np.float64)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    counts = np.bincount((special.ndtr(z) * 4096).astype(int), minlength=4096)
    assert stats.chisquare(counts).pvalue > 1e-3
    # The two numbers of a pair, of two pairs and of neighbouring lanes, together.
    lanes = z.reshape(-1, 4, 64)
    pairs = ((lanes[:, 0], lanes[:, 1]), (lanes[:, 0], lanes[:, 2]), (lanes[:, :, :-1:2], lanes[:, :, 1::2]))
    for a, b in pairs:
        cells = ((special.ndtr(a) * 16).astype(int) * 16 + (special.ndtr(b) * 16).astype(int)).ravel()
        assert stats.chisquare(np.bincount(cells, minlength=256)).pvalue > 1e-3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lag_and_cross_correlations(dtype):
    n = 2_000_000
    z = draw(n, dtype, stream=3).astype(np.float64)
    others = {
        "stream": draw(n, dtype, stream=4),
        "step": draw(n, dtype, stream=3, step=1),
        "far step": draw(n, dtype, stream=3, step=2**32),
        "key": draw(n, dtype, stream=3, key=(KEY[0] + np.uint32(1), KEY[1])),
    }
    pairs = {f"lag {k}": (z[:-k], z[k:]) for k in (1, 2, 3, 16, 63, 64, 65, 128, 192, 256, 512, 1024)}
    pairs |= {name: (z, other.astype(np.float64)) for name, other in others.items()}
    for name, (x, y) in pairs.items():
        assert abs(np.mean(x * y)) * math.sqrt(len(x)) < BARS, name
        # Dependence that leaves the numbers uncorrelated (a common radius) shows in the squares.
        assert abs(np.mean((x**2 - 1) * (y**2 - 1))) / 2 * math.sqrt(len(x)) < BARS, name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tails_to_five_sigma_and_their_granularity(dtype):
    n, blocks, far = 10_000_000, 10, []
    for block in range(blocks):
        z = draw(n, dtype, stream=5, step=block)
        far.append(z[np.abs(z) > 3])
    tail = np.concatenate(far)
    for level in (3.0, 4.0, 5.0):
        for sign in (1, -1):
            expected = n * blocks * special.ndtr(-level)
            assert abs(np.sum(sign * tail > level) - expected) < BARS * math.sqrt(expected), (level, sign)
    assert stats.kstest(np.abs(tail), lambda x: 1 - special.ndtr(-x) / special.ndtr(-3.0)).pvalue > 1e-3
    extreme = np.abs(tail[np.abs(tail) > 4])
    assert len(np.unique(extreme)) > 0.97 * len(extreme)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_number_depends_on_its_address_alone(dtype):
    long = draw(3000, dtype, 1, 2)
    for n in (1, 63, 128, 255, 256, 257, 1999):
        assert np.array_equal(draw(n, dtype, 1, 2), long[:n])
    words, part = np.empty((4, 64), np.uint32), np.empty(512, dtype)
    normals.normal_block(*KEY, 1, 2, 1024, words, part)
    assert np.array_equal(part, long[1024:1536])
    assert not np.array_equal(draw(100, dtype, 1, 2 + 2**32), long[:100])


def test_uniforms():
    u = np.empty(1_000_000)
    fill_uniforms(*KEY, 9, 0, u)
    assert u.min() > 0 and u.max() < 1
    assert stats.kstest(u, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) * 1000 < BARS
    assert normals.uniform(*KEY, 9, 0, 123) == u[123]


def test_key_is_that_of_the_seed_sequence():
    expected = np.random.SeedSequence(5).generate_state(2, np.uint32)
    assert philox_key(5) == tuple(expected)
    children = [philox_key(s) for s in np.random.SeedSequence(5).spawn(100)]
    assert len(set(children)) == 100
