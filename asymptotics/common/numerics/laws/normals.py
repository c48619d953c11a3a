"""Normal and uniform variates from a counter-based generator, written so that LLVM vectorises every loop.

The bit stream
--------------
Philox4x32-10 (Salmon, Moraes, Dror, Shaw, *Parallel random numbers: as easy as 1, 2, 3*, SC 2011) maps a key of two and
a counter of four 32-bit words to four 32-bit words. Here

    key     = (key0, key1)        two words of ``SeedSequence.generate_state(2, uint32)``, see `philox_key`
    counter = (block, stream, step mod 2³², step div 2³²)

``stream`` separates the uses of one run (noise, choice of the cluster, ...), ``step`` counts SGD steps, time steps or
samples, ``block`` runs through the numbers of one step. Any number is therefore had at once from its address: a run
resumes at any step knowing only the step's number, and the answer depends on no chunk, thread or length of array.

Single precision: 64 consecutive blocks make a tile of 256 normals. Block 64 T + l gives the words (a, b, c, d); the
normals 256 T + (l, 64 + l, 128 + l, 192 + l) are the Box-Muller pair of (a, b), then that of (c, d).
Double precision: 64 blocks make a tile of 128 normals; block 64 T + l gives 128 T + (l, 64 + l) from the two 64-bit
integers a 2³² + b and c 2³² + d.

In a pair the first integer gives the radius √(−2 ln u), u = (n + ½)/2³² (or /2⁶⁴), so that 6.7 (9.4) standard deviations
are reached; the second, read with a sign, the angle π n/2³² in (−π/2, π/2), and its last bit the sign of the radius.
Logarithm and circular functions are Taylor series, summed until the remainder is below half an ulp: no call, no branch.
Where a machine has no fused multiply-add the last bit of a normal may differ; the integers never do.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numba import uint32, uint64
from numpy.typing import NDArray

from ..code.compiled import njit

#: Four random words of every block of a tile.
Words: TypeAlias = NDArray[np.uint32]
Block: TypeAlias = tuple[np.uint32, np.uint32, np.uint32, np.uint32]

#: Blocks a tile; the unit in which the loops are vectorised.
LANES = 64
#: Normals a tile in single and in double precision.
TILE32, TILE64 = 4 * LANES, 2 * LANES

_MULTIPLIER0, _MULTIPLIER1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL0, _WEYL1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_SHIFT = np.uint64(32)

_F = np.float32
_HALF32, _ONE32, _TWO32 = _F(0.5), _F(1.0), _F(2.0)
_UNIT32, _TURN32, _LOG2_32 = _F(2.0**-32), _F(math.pi * 2.0**-32), _F(math.log(2.0))
_SQRT_HALF_BITS32, _MANTISSA32 = np.int32(0x3F3504F3), np.int32(0x007FFFFF)
_ONE_BITS32, _MANTISSA_LENGTH32 = np.int32(0x3F800000), np.int32(23)
_TO_ONE32 = np.int32(_ONE_BITS32 - _SQRT_HALF_BITS32)
_ONE_BIT32, _SIGN_SHIFT32 = np.uint32(1), np.uint32(31)

_UNIT64, _TURN64, _LOG2_64 = 2.0**-64, math.pi * 2.0**-64, math.log(2.0)
_SQRT_HALF_BITS64, _MANTISSA64 = np.int64(0x3FE6A09E667F3BCD), np.int64(0x000FFFFFFFFFFFFF)
_ONE_BITS64, _MANTISSA_LENGTH64 = np.int64(0x3FF0000000000000), np.int64(52)
_ONE_BIT64, _SIGN_SHIFT64 = np.uint64(1), np.uint64(63)

# atanh(s)/s, sin(x)/x and cos(x) as polynomials in the square of the argument; |s| <= (√2−1)/(√2+1), |x| <= π/2.
_ATANH32 = tuple(_F(1.0 / (2 * k + 1)) for k in range(6))
_SIN32 = tuple(_F((-1) ** k / math.factorial(2 * k + 1)) for k in range(7))
_COS32 = tuple(_F((-1) ** k / math.factorial(2 * k)) for k in range(8))
_ATANH64 = tuple(1.0 / (2 * k + 1) for k in range(11))
_SIN64 = tuple((-1) ** k / math.factorial(2 * k + 1) for k in range(12))
_COS64 = tuple((-1) ** k / math.factorial(2 * k) for k in range(13))

# Multiply-adds may be fused; nothing else is reordered.
_FLAGS = {"contract"}


def philox_key(seed: int | np.random.SeedSequence) -> tuple[np.uint32, np.uint32]:
    """The two key words of a run: the first two of ``SeedSequence(seed).generate_state``."""
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    key = sequence.generate_state(2, np.uint32)
    return key[0], key[1]


@njit(inline="always")
def _round(c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32) -> Block:
    product0 = uint64(c0) * _MULTIPLIER0
    product1 = uint64(c2) * _MULTIPLIER1
    return (
        uint32(product1 >> _SHIFT) ^ c1 ^ k0,
        uint32(product1),
        uint32(product0 >> _SHIFT) ^ c3 ^ k1,
        uint32(product0),
    )


@njit(inline="always")
def philox(c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32) -> Block:
    """Philox4x32-10: four random words of the counter (c0, c1, c2, c3) under the key (k0, k1); all uint32."""
    c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    for _ in range(9):
        k0, k1 = uint32(k0 + _WEYL0), uint32(k1 + _WEYL1)
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
    return c0, c1, c2, c3


@njit(cache=True)
def _words(key0: int, key1: int, stream: int, step: int, tile: int, words: Words) -> None:
    first = uint32(tile * LANES)
    low, high = uint32(step), uint32(uint64(step) >> _SHIFT)
    for lane in range(LANES):
        a, b, c, d = philox(uint32(first + uint32(lane)), uint32(stream), low, high, uint32(key0), uint32(key1))
        words[0, lane], words[1, lane], words[2, lane], words[3, lane] = a, b, c, d


@njit(inline="always")
def _pair32(a: np.uint32, b: np.uint32) -> tuple[np.float32, np.float32]:
    """Box-Muller in single precision."""
    u = (np.float32(a) + _HALF32) * _UNIT32
    # u = 2^e m with m in [√½, √2), and ln m = 2 atanh(s).
    shifted = np.int32(np.float32(u).view(np.int32) + _TO_ONE32)
    exponent = np.float32(np.int32(np.int32(shifted - _ONE_BITS32) >> _MANTISSA_LENGTH32))
    f = np.int32(np.int32(shifted & _MANTISSA32) + _SQRT_HALF_BITS32).view(np.float32) - _ONE32
    s = f / (_TWO32 + f)
    z = s * s
    p = _ATANH32[5]
    for k in range(5):
        p = p * z + _ATANH32[4 - k]
    log = exponent * _LOG2_32 + _TWO32 * s * p
    radius = np.sqrt(max(-(_TWO32 * log), _F(0.0)))
    radius = np.uint32(np.uint32(b << _SIGN_SHIFT32) ^ np.float32(radius).view(np.uint32)).view(np.float32)
    x = np.float32(np.int32(b)) * _TURN32
    y = x * x
    sine, cosine = _SIN32[6], _COS32[7]
    for k in range(6):
        sine = sine * y + _SIN32[5 - k]
    for k in range(7):
        cosine = cosine * y + _COS32[6 - k]
    return radius * cosine, radius * (x * sine)


@njit(inline="always")
def _pair64(a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32) -> tuple[float, float]:
    """Box-Muller in double precision."""
    u = (np.float64((uint64(a) << _SHIFT) | uint64(b)) + 0.5) * _UNIT64
    shifted = np.float64(u).view(np.int64) + (_ONE_BITS64 - _SQRT_HALF_BITS64)
    exponent = np.float64((shifted - _ONE_BITS64) >> _MANTISSA_LENGTH64)
    f = np.int64((shifted & _MANTISSA64) + _SQRT_HALF_BITS64).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    p = _ATANH64[10]
    for k in range(10):
        p = p * z + _ATANH64[9 - k]
    log = exponent * _LOG2_64 + 2.0 * s * p
    n = (uint64(c) << _SHIFT) | uint64(d)
    radius = np.sqrt(max(-2.0 * log, 0.0))
    radius = np.uint64((n << _SIGN_SHIFT64) ^ np.float64(radius).view(np.uint64)).view(np.float64)
    x = np.float64(np.int64(n)) * _TURN64
    y = x * x
    sine, cosine = _SIN64[11], _COS64[12]
    for k in range(11):
        sine = sine * y + _SIN64[10 - k]
    for k in range(12):
        cosine = cosine * y + _COS64[11 - k]
    return radius * cosine, radius * (x * sine)


@njit(cache=True, fastmath=_FLAGS, error_model="numpy")
def normal_tile32(
    key0: int, key1: int, stream: int, step: int, tile: int, words: Words, out: NDArray[np.float32]
) -> None:
    """Tile number ``tile`` of 256 float32 normals into ``out``; ``words`` is scratch, uint32 of shape (4, 64)."""
    _words(key0, key1, stream, step, tile, words)
    for pair in range(2):
        first, second = words[2 * pair], words[2 * pair + 1]
        one, two = out[2 * pair * LANES : (2 * pair + 1) * LANES], out[(2 * pair + 1) * LANES : (2 * pair + 2) * LANES]
        for lane in range(LANES):
            one[lane], two[lane] = _pair32(first[lane], second[lane])


@njit(cache=True, fastmath=_FLAGS, error_model="numpy")
def normal_tile64(
    key0: int, key1: int, stream: int, step: int, tile: int, words: Words, out: NDArray[np.float64]
) -> None:
    """Tile number ``tile`` of 128 float64 normals into ``out``; ``words`` is scratch, uint32 of shape (4, 64)."""
    _words(key0, key1, stream, step, tile, words)
    one, two = out[:LANES], out[LANES:]
    for lane in range(LANES):
        one[lane], two[lane] = _pair64(words[0, lane], words[1, lane], words[2, lane], words[3, lane])


@njit(cache=True, error_model="numpy")
def normal_block(
    key0: int, key1: int, stream: int, step: int, first: int, words: Words, out: NDArray[np.floating]
) -> None:
    """Normals first … first + len(out), of the precision of ``out``; both multiples of 256. ``words`` as in the tiles."""
    if out.itemsize == 4:
        for tile in range(out.shape[0] // TILE32):
            part = out[tile * TILE32 : (tile + 1) * TILE32]
            normal_tile32(key0, key1, stream, step, first // TILE32 + tile, words, part)
    else:
        for tile in range(out.shape[0] // TILE64):
            part = out[tile * TILE64 : (tile + 1) * TILE64]
            normal_tile64(key0, key1, stream, step, first // TILE64 + tile, words, part)


@njit(cache=True, nogil=True)
def fill_normals32(key0: int, key1: int, stream: int, step: int, out: NDArray[np.float32]) -> None:
    """Fill the float32 vector ``out`` with the first numbers of (key, stream, step); number i is the same for any length."""
    words = np.empty((4, LANES), np.uint32)
    whole = out.shape[0] // TILE32
    for tile in range(whole):
        normal_tile32(key0, key1, stream, step, tile, words, out[tile * TILE32 : (tile + 1) * TILE32])
    rest = out.shape[0] - whole * TILE32
    if rest > 0:
        last = np.empty(TILE32, np.float32)
        normal_tile32(key0, key1, stream, step, whole, words, last)
        out[whole * TILE32 :] = last[:rest]


@njit(cache=True, nogil=True)
def fill_normals64(key0: int, key1: int, stream: int, step: int, out: NDArray[np.float64]) -> None:
    """Fill the float64 vector ``out`` with normals of full double precision; number i is the same for any length."""
    words = np.empty((4, LANES), np.uint32)
    whole = out.shape[0] // TILE64
    for tile in range(whole):
        normal_tile64(key0, key1, stream, step, tile, words, out[tile * TILE64 : (tile + 1) * TILE64])
    rest = out.shape[0] - whole * TILE64
    if rest > 0:
        last = np.empty(TILE64, np.float64)
        normal_tile64(key0, key1, stream, step, whole, words, last)
        out[whole * TILE64 :] = last[:rest]


@njit(cache=True)
def uniform(key0: int, key1: int, stream: int, step: int, index: int) -> float:
    """A uniform number in (0, 1) with 53 bits: (n + ½)/2⁵³, n the top bits of block ``index`` of (key, stream, step)."""
    low, high = uint32(step), uint32(uint64(step) >> _SHIFT)
    a, b, _, _ = philox(uint32(index), uint32(stream), low, high, uint32(key0), uint32(key1))
    n = ((uint64(a) << _SHIFT) | uint64(b)) >> np.uint64(11)
    return (np.float64(n) + 0.5) * 2.0**-53


@njit(cache=True, error_model="numpy")
def uniforms(key0: int, key1: int, stream: int, first: int, index: int, out: NDArray[np.float64]) -> None:
    """out[i] = ``uniform(key0, key1, stream, first + i, index)``: many at once, so that the loop vectorises."""
    for i in range(out.shape[0]):
        out[i] = uniform(key0, key1, stream, first + i, index)


@njit(cache=True, nogil=True)
def fill_uniforms(key0: int, key1: int, stream: int, step: int, out: NDArray[np.float64]) -> None:
    """Fill the float64 vector ``out`` with ``uniform(key0, key1, stream, step, i)``."""
    for i in range(out.shape[0]):
        out[i] = uniform(key0, key1, stream, step, i)
