r"""Constants of the Gaussian equivalent of the features: what is linear in x and in the noise, and what is left.

.. math:: \varphi_{\nu k}\to\alpha w x_\nu+b\,w\xi_{\nu k}+v\,\omega_\nu+s\,\eta_{\nu k}

Source: theory of random-feature score models (Bonnaire et al. 2025, arXiv 2505.17638; George et al. 2025, arXiv 2502.00336).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..common.input.checks import InputError
from .activations import Activation, activation

#: Two quadratures must agree to this (relative to E ϱ²).
AGREEMENT = 1e-11
#: Ends of panels in any case.
NEAR = (0.0, *(sign * 2.0**k for k in range(-1, 5) for sign in (-1, 1)))
#: Ends of the range of a standard normal variable in the quadrature by panels.
END = 9.0


@dataclass(frozen=True)
class Constants:
    """Hermite constants at one diffusion time.

    Parameters
    ----------
    a : float
        E ϱ'(Γz).
    b2 : float
        b² = a²Δ: linear in the noise.
    v2, s2 : float
        v²: the rest that the noises of a sample share; s²: the rest that they do not.
    alpha2 : float
        α² = a² e^{−2t}: linear in x.
    mean : float
        μ₀ = E ϱ(Γz); it only adds an outlying eigenvalue.
    """

    a: float
    b2: float
    v2: float
    s2: float
    alpha2: float
    mean: float


@dataclass(frozen=True)
class _Moments:
    """E ϱ, E zϱ, E ϱ² and ½E(ϱ − ϱ')² at standard deviation Γ and correlation ρ."""

    mean: float
    slope: float
    square: float
    difference: float


def hermite_constants(name: str, diffusion_time: float, variance: float) -> Constants:
    r"""Constants of the activation ``name`` at time t for data of variance σ_x² = Tr Σ/d.

    s² = ½E(ϱ − ϱ')² − b² and v² = E ϱ² − μ₀² − α²σ_x² − b² − s², with two noised copies ϱ, ϱ' of one sample: no difference of
    nearly equal numbers at small t. Closed forms for erf and ReLU, else Gauss–Hermite, or panels where that does not converge.

    Raises
    ------
    InputError
        If the activation varies too fast for its expectations to converge.
    """
    return _constants(name, float(diffusion_time), float(variance))


@lru_cache(maxsize=512)
def _constants(name: str, t: float, variance: float) -> Constants:
    decay, noise = np.exp(-2 * t), -np.expm1(-2 * t)
    total = decay * variance + noise
    root, rho = float(np.sqrt(total)), decay * variance / total
    m = _closed(name, root, rho, noise) or _quadrature(activation(name), root, rho)
    # Of an even activation only rounding is left.
    a = m.slope / root if abs(m.slope) > 1e-13 * np.sqrt(m.square) else 0.0
    alpha2, b2 = a**2 * decay, a**2 * noise
    s2 = m.difference - b2
    v2 = m.square - m.mean**2 - alpha2 * variance - b2 - s2
    # A linear activation leaves rounding alone.
    floor = 1e-13 * m.square
    s2, v2 = (0.0 if x < floor else float(x) for x in (s2, v2))
    mean = float(m.mean) if abs(m.mean) > 1e-13 * np.sqrt(m.square) else 0.0
    return Constants(float(a), float(b2), v2, s2, float(alpha2), mean)


def _closed(name: str, root: float, rho: float, noise: float) -> _Moments | None:
    if name == "erf":
        full = 2 * root**2 / (1 + 2 * root**2)
        product = 2 / np.pi * np.arcsin(rho * full)
        square = 2 / np.pi * np.arcsin(full)
        return _Moments(0.0, 2 * root / np.sqrt(np.pi * (1 + 2 * root**2)), square, square - product)
    if name == "relu":
        # 1 − ρ = Δ/Γ²; the arc-cosine kernel
        rest = noise / root**2
        angle = 2 * np.arcsin(np.sqrt(rest / 2))
        product = root**2 / (2 * np.pi) * (np.sin(angle) + (1 - rest) * (np.pi - angle))
        return _Moments(root / np.sqrt(2 * np.pi), root / 2, root**2 / 2, root**2 / 2 - product)
    if name == "linear":
        return _Moments(0.0, root, root**2, root**2 * (1 - rho))
    return None


def _quadrature(function: Activation, root: float, rho: float) -> _Moments:
    before = None
    for found in _ladder(function, root, rho):
        if before is not None:
            change = max(
                abs(found.mean - before.mean) * root,
                abs(found.slope - before.slope) * root,
                abs(found.square - before.square),
                abs(found.difference - before.difference),
            )
            if change <= AGREEMENT * max(found.square, 1e-300):
                return found
        before = found
    raise InputError(f"activation = {function.name!r}: varies too fast for its Gaussian expectations to converge")


def _ladder(function: Activation, root: float, rho: float) -> Iterator[_Moments]:
    across = np.sqrt(1 - rho**2)
    if not function.kinks:
        for nodes in (120, 160):
            from scipy.special import roots_hermitenorm

            z, w = roots_hermitenorm(nodes)
            w = w / w.sum()
            inner = np.broadcast_to(z, (nodes, nodes))
            yield _moments(function, root, z, w, rho * z[:, None] + across * inner, np.broadcast_to(w, inner.shape))
    # Activations vary on the scale one around zero, however large the fields are.
    kinks = np.array([*function.kinks, *NEAR]) / root
    for panels in (12, 24, 48, 96, 192):
        z, w = (x[0] for x in _panels(np.array([0.0]), 1.0, kinks, panels))
        inner, weights = _panels(rho * z, across, kinks, panels)
        yield _moments(function, root, z, w, rho * z[:, None] + across * inner, weights)


def _moments(f: Activation, root: float, z: np.ndarray, w: np.ndarray, z2: np.ndarray, w2: np.ndarray) -> _Moments:
    values = f(root * z)
    difference = 0.5 * w @ np.einsum("ij,ij->i", w2, (values[:, None] - f(root * z2)) ** 2)
    return _Moments(w @ values, w @ (z * values), w @ values**2, float(difference))


def _panels(start: np.ndarray, width: float, kinks: np.ndarray, panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and normalised weights (starts, nodes) for v ~ N(0, 1), with ends of panels where start + width v is a kink."""
    from scipy.special import roots_legendre

    x, w = roots_legendre(20)
    even = np.broadcast_to(np.linspace(-END, END, panels + 1), (start.size, panels + 1))
    cuts = np.clip((kinks[None, :] - start[:, None]) / width, -END, END)
    ends = np.sort(np.concatenate([even, cuts], axis=1), axis=1)
    half, middle = np.diff(ends) / 2, (ends[:, 1:] + ends[:, :-1]) / 2
    nodes = (middle[:, :, None] + half[:, :, None] * x).reshape(start.size, -1)
    weights = (half[:, :, None] * w).reshape(start.size, -1) * np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum(axis=1, keepdims=True)
