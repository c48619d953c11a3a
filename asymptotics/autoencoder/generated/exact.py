"""Exact generated densities by the change of variables along the flow (ε = 0): no kernel estimate.

In Lagrangian coordinates z₀ ~ N(0, Q) the projections are m(z₀) + Y with m the flow's image and Y Gaussian, so
p(x) = ∫ N(z₀; 0, Q) N(x − m(z₀); 0, S) dz₀, summed over cells of z₀ that resolve m (`asymptotics.autoencoder.generated.image`): this
asks nothing of m, which a coarse Euler scheme may fold. Where m can be inverted, the Eulerian form
p_Z(z) = N(z₀; 0, Q)/|∂z_t/∂z₀| is an independent way to the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...common.input.checks import ComputationError, InputError, array, fail, present
from ...common.numerics.gram import square_root

if TYPE_CHECKING:
    from .density import GeneratedDensity
    from .image_law import ImageLaw

#: Points a direction on which the Eulerian form tabulates the density of the flow's image.
EULERIAN_GRID = {1: 4001, 2: 301}


def _check(law: GeneratedDensity) -> int:
    n = len(law.Q)
    if law.noisy:
        fail("sampling.epsilon", law.sampling.epsilon, "0 for the exact density (samples are there for any epsilon)")
    if n > 2:
        fail("denoiser.hidden_units", n, "at most 2 for the exact density")
    return n


def latent_density(law: GeneratedDensity, z: Any) -> np.ndarray:
    """Density of the encoder fields Z_{t_f} at z (points, encoders): N(z₀; 0, Q)/|∂z_t/∂z₀| along the flow.

    Raises
    ------
    InputError
        For ε > 0, more than two encoders, or a singular Q.
    """
    n = _check(law)
    z = array("z", z, shape=(None, n))
    if np.linalg.eigvalsh(law.Q)[0] <= 1e-12 * np.trace(law.Q):
        raise InputError("Q: must have full rank for a density of the encoder fields")
    z0 = backward(law, z)
    # The linear and network parts at the found starting points give the Jacobian of the same forward flow.
    log_jacobian = present(law.transport(z0, jacobian=True).log_jacobian, "log_jacobian")
    quadratic = np.einsum("ka,ab,kb->k", z0, np.linalg.inv(law.Q), z0)
    normal = -0.5 * (quadratic + n * np.log(2 * np.pi) + np.linalg.slogdet(law.Q)[1])
    return np.asarray(np.exp(normal - log_jacobian))


def _solve(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Solutions of many 1 × 1 or 2 × 2 systems."""
    if matrix.shape[-1] == 1:
        return vector / matrix[..., 0]
    determinant = matrix[:, 0, 0] * matrix[:, 1, 1] - matrix[:, 0, 1] * matrix[:, 1, 0]
    x = matrix[:, 1, 1] * vector[:, 0] - matrix[:, 0, 1] * vector[:, 1]
    y = matrix[:, 0, 0] * vector[:, 1] - matrix[:, 1, 0] * vector[:, 0]
    return np.stack([x, y], axis=1) / determinant[:, None]


def backward(law: GeneratedDensity, z: np.ndarray) -> np.ndarray:
    """Starting points z₀ of the encoder fields z at t_f: each Euler step inverted by Newton, or the ODE run backwards."""
    if law._stepped:
        current = z.copy()
        identity = np.eye(z.shape[1])
        for gain, growth, _ in reversed(list(zip(*law._steps, strict=True))):
            wanted = current
            current = wanted / growth if abs(growth) > 1e-3 else wanted.copy()
            for _ in range(60):
                value = growth * current + gain * law.phi(current) @ law.coupling.T - wanted
                slope = growth * identity + gain * (law.coupling @ law.slopes(current))
                step = _solve(slope, value)
                current = current - step
                if np.max(np.abs(step)) < 1e-12 * (1 + np.max(np.abs(current))):
                    break
            else:
                raise ComputationError(
                    "an Euler step of the generative flow could not be inverted: the step is too large"
                )
        return current
    from scipy.integrate import solve_ivp

    from .coefficients import coefficients

    N, n = z.shape

    def slope_of(s: float, y: np.ndarray) -> np.ndarray:
        t = min(float(law._linear(s)[0]), law.sampling.stop)
        k = coefficients(law.problem, law.b, np.array(t), law.epsilon)
        points = y.reshape(N, n)
        change = k.delta * points + k.gamma * law.phi(points) @ law.coupling.T
        return np.asarray(law._clock.rate(t) * change).ravel()

    solved = solve_ivp(slope_of, law._span[::-1], z.ravel(), method="DOP853", rtol=1e-9, atol=1e-10)
    if not solved.success:
        raise ComputationError(f"the generative flow could not be run backwards: {solved.message}")
    return np.asarray(solved.y[:, -1].reshape(N, n))


def projected_density(law: GeneratedDensity, x: Any, *, stated: bool = False) -> np.ndarray:
    """Density of the projections at x (..., m), or with ``stated`` its error there; see `GeneratedDensity.density`."""
    _check(law)
    x = np.asarray(x, dtype=np.float64)
    m = len(law.span_covariance)
    if x.ndim == 0 or x.shape[-1] != m:
        fail("x", x.shape, f"an array of points with last axis {m} (the number of directions)")
    points = array("x", x.reshape(-1, m), ndim=2)
    resolved = law.image
    fine = resolved.laws[0]
    _check_support(fine)
    p = fine.density(points)
    if stated:
        p = np.max([np.abs(other.density(points) - p) for other in resolved.others(fine)], axis=0) + 1e-9 * p
    return p.reshape(x.shape[:-1])


#: A direction in which the law is narrower than this share of its extent has no width.
FLAT = 1e-7


def _check_support(law: ImageLaw) -> None:
    """Refuse laws that are confined to a set of lower dimension: they have no density."""
    values, axes = np.linalg.eigh(law.covariance)
    scale = max(float(np.max(law.high - law.low)), float(np.sqrt(max(values[-1], 0.0))))
    null = axes[:, np.sqrt(np.maximum(values, 0.0)) <= FLAT * scale]
    image = np.linalg.eigvalsh(null.T @ law.image_covariance() @ null) if null.size else np.ones(1)
    if null.shape[1] > law.n or image[0] <= (FLAT * scale) ** 2:
        free = max(null.shape[1] - law.n, int(np.sum(image <= (FLAT * scale) ** 2)))
        raise InputError(
            f"directions: there is no density: the {law.m} projections are confined to a set of {law.m - free} "
            f"dimension{'s' * (law.m - free != 1)} (the Gaussian part of the samples has no width in "
            f"{null.shape[1]} of them and {law.n} encoder{'s' * (law.n != 1)} do not fill these); samples, moments and "
            "quantiles are there"
        )


def _eulerian(law: GeneratedDensity, points: np.ndarray) -> np.ndarray:
    """p(x) = E_Y[p_m(x − Y)] with p_m the density of the flow's image, for as many encoders as directions.

    The image's density at y is N(z₀; 0, Q)/|∂m/∂z₀| at the z₀ with m(z₀) = y, found by Newton from the nearest grid point.
    """
    n, m = len(law.Q), points.shape[1]
    if n != m:
        raise InputError(
            f"directions: the Gaussian part of the projection is singular and {n} encoders do not determine {m} directions;"
            " an exact density needs as many directions as encoders here"
        )
    terms = law.theta_network
    # Tied weights: m(z₀) = Θᵀ Q⁺ z_t exactly; otherwise the lift and the network part differ.
    if not np.allclose(law.lift @ law.coupling, terms.T, atol=1e-9 * (1 + np.abs(terms).max())):
        raise InputError("directions: the exact density with a singular Gaussian part needs tied weights")
    transform = law.lift
    determinant = abs(np.linalg.det(transform))
    if determinant < 1e-10:
        raise InputError("directions: the projected weights are linearly dependent; the density is singular")
    half, _ = square_root(law.span_covariance)
    from scipy.interpolate import RectBivariateSpline, make_interp_spline

    from ...common.numerics.expectations import Rule

    inverse = np.linalg.inv(transform)
    reach = 6.0 * np.abs(half).sum(axis=1)
    low, high = points.min(axis=0) - reach - 1e-9, points.max(axis=0) + reach + 1e-9
    axes = [np.linspace(low[k], high[k], EULERIAN_GRID[n]) for k in range(m)]
    mesh = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, m)
    log_p = np.log(np.maximum(latent_density(law, mesh @ inverse.T), 1e-300))
    z, w = Rule("hermite", 24).points(m)
    if np.abs(half).max() <= 1e-12:
        z, w = np.zeros((1, m)), np.ones(1)
    total = np.zeros(len(points))
    if m == 1:
        line = make_interp_spline(axes[0], log_p, k=5)
    else:
        surface = RectBivariateSpline(*axes, log_p.reshape([len(x) for x in axes]), kx=5, ky=5)
    for node, weight in zip(z, w, strict=True):
        y = points - half @ node
        total += weight * np.exp(line(y[:, 0]) if m == 1 else surface(y[:, 0], y[:, 1], grid=False))
    return np.asarray(total / determinant)
