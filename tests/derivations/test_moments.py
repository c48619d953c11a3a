"""Exact Gaussian moments against the moment generating function, quadrature and sampling."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import sympy

from derivations.autoencoder.training.moments import NotClosed, Reduction, expectation

X = sympy.symbols("x_1:5", real=True)
C = sympy.Matrix(
    [
        [sympy.Rational(13, 10), sympy.Rational(1, 2), sympy.Rational(-2, 5), sympy.Rational(1, 5)],
        [sympy.Rational(1, 2), sympy.Rational(4, 5), sympy.Rational(1, 10), sympy.Rational(1, 4)],
        [sympy.Rational(-2, 5), sympy.Rational(1, 10), sympy.Rational(9, 10), sympy.Rational(-3, 10)],
        [sympy.Rational(1, 5), sympy.Rational(1, 4), sympy.Rational(-3, 10), sympy.Rational(7, 10)],
    ]
)
ZERO = (0, 0, 0, 0)


def _value(expression, mean=ZERO):
    return float(expectation(expression, X, mean, C))


def _hermite(function, mean=ZERO, nodes=40):
    """Tensor Gauss–Hermite over x_1, x_2, x_3."""
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    root = np.linalg.cholesky(np.array(C[:3, :3], dtype=float))
    grid = np.stack(np.meshgrid(z, z, z, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.array([a * b * c for a, b, c in itertools.product(w, w, w)])
    return float(weights @ function(*(np.array(mean[:3], dtype=float) + grid @ root.T).T))


def test_polynomials_are_derivatives_of_the_moment_generating_function():
    t = sympy.symbols("t_1:4")
    mu = [sympy.Rational(1, 3), sympy.Rational(-1, 2), sympy.Integer(1)]
    v = sympy.Matrix(t)
    generator = sympy.exp(sympy.Matrix(mu).dot(v) + (v.T * C[:3, :3] * v)[0] / 2)
    for powers in [(1, 0, 0), (2, 0, 1), (1, 2, 1), (3, 1, 0), (2, 2, 2)]:
        monomial = sympy.Mul(*[x**n for x, n in zip(X, powers, strict=False)])
        wanted = generator
        for s, n in zip(t, powers, strict=True):
            wanted = sympy.diff(wanted, s, n)
        assert expectation(monomial, X[:3], mu, C[:3, :3]) == wanted.subs(dict.fromkeys(t, 0))


def test_isserlis_with_symbolic_covariances():
    c = sympy.Matrix(4, 4, lambda i, j: sympy.Symbol(f"c_{min(i, j)}{max(i, j)}"))
    value = expectation(X[0] * X[1] * X[2] * X[3], X, ZERO, c)
    assert sympy.expand(value - (c[0, 1] * c[2, 3] + c[0, 2] * c[1, 3] + c[0, 3] * c[1, 2])) == 0
    a = sympy.Symbol("a")
    assert sympy.expand(expectation(a * X[0] ** 6, X, ZERO, c) - 15 * a * c[0, 0] ** 3) == 0


def test_polynomial_equals_gauss_hermite_which_is_exact():
    mean = (sympy.Rational(1, 2), sympy.Rational(-1, 3), sympy.Rational(1, 4), 0)
    f = (X[0] - 2 * X[1] * X[2] + 3) ** 3 * X[2]
    number = sympy.lambdify(X[:3], f)
    assert _value(f, mean) == pytest.approx(_hermite(number, mean, 8), rel=1e-12)


def test_error_functions_and_gaussians_equal_quadrature():
    sigma = [sympy.erf(x / sympy.sqrt(2)) for x in X]
    slope = [sympy.diff(s, x) for s, x in zip(sigma, X, strict=True)]
    curvature = [sympy.diff(s, x) for s, x in zip(slope, X, strict=True)]
    cases = [
        sigma[0] * sigma[1],
        sigma[0] ** 2,
        slope[0] * X[1] * sigma[2],
        slope[0] * slope[1] * sigma[1] * sigma[2],
        slope[0] * slope[1] * X[0] * X[2],
        curvature[0] * X[2] * X[0] ** 2,
        curvature[1] * sigma[2],
        slope[0] ** 2 * X[1] ** 2 + sigma[0] * X[0] ** 3,
    ]
    for f in cases:
        number = sympy.lambdify(X[:3], f, modules=["scipy", "numpy"])
        assert _value(f) == pytest.approx(_hermite(number), abs=1e-9), f


def test_steps_and_ramps_equal_quadrature_on_orthants():
    """On every orthant the integrand is smooth: Gauss–Legendre on [0, 9]³ converges."""
    covariance = np.array(C[:3, :3], dtype=float)
    precision, norm = np.linalg.inv(covariance), np.sqrt((2 * np.pi) ** 3 * np.linalg.det(covariance))
    g, weight = np.polynomial.legendre.leggauss(56)
    x, w = 4.5 * (g + 1), 4.5 * weight
    grid = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1).reshape(-1, 3)
    weights = np.einsum("i,j,k->ijk", w, w, w).ravel()
    ramp, step = [sympy.Max(0, a) for a in X], [sympy.Heaviside(a) for a in X]
    cases = [
        ramp[0] * ramp[1],
        ramp[0] * X[1],
        step[0] * step[1] * X[2] ** 2,
        step[0] * step[1] * X[0] * ramp[2],
        step[0] * step[1] * ramp[2] ** 2,
        step[0] * ramp[1] * ramp[2] * X[0],
        ramp[0] ** 2 * X[0] ** 2 + sympy.Abs(X[0]) * ramp[1],
        sympy.Min(0, X[0]) * ramp[1] + sympy.sign(X[0]) * X[2],
    ]
    for f in cases:
        function = sympy.lambdify(X[:3], f, modules=["numpy"])
        total = 0.0
        for signs in itertools.product((1, -1), repeat=3):
            y = grid * np.array(signs)
            density = np.exp(-0.5 * np.einsum("ni,ij,nj->n", y, precision, y)) / norm
            total += weights @ (density * function(*y.T))
        assert _value(f) == pytest.approx(total, abs=1e-9), f


def test_delta_functions_are_densities():
    f = sympy.DiracDelta(X[0]) * sympy.Max(0, X[1]) * X[1]
    c = np.array(C[:2, :2], dtype=float)
    left = c[1, 1] - c[0, 1] ** 2 / c[0, 0]
    assert _value(f) == pytest.approx(0.5 * left / np.sqrt(2 * np.pi * c[0, 0]), rel=1e-12)
    assert _value(X[0] * sympy.DiracDelta(X[0])) == 0
    # The second derivative of a ramp, in Stein's lemma: E[x_1 f'(x_1)] twice over.
    assert _value(X[0] * sympy.Heaviside(X[0])) == pytest.approx(float(C[0, 0]) / np.sqrt(2 * np.pi * float(C[0, 0])))


MEAN = (sympy.Rational(2, 5), sympy.Rational(-7, 10), sympy.Rational(1, 4), 0)


def _number(expression, mean=MEAN):
    return float(expectation(expression, X, mean, C).evalf())


def test_any_means_for_two_error_functions():
    sigma = [sympy.erf(x / sympy.sqrt(2)) for x in X]
    slope = [sympy.diff(s, x) for s, x in zip(sigma, X, strict=True)]
    for f in [
        sigma[0],
        sigma[0] * sigma[1],
        X[2] * sigma[0] ** 2,
        slope[0] * slope[1] * sigma[1] * sigma[2],
        slope[0] * X[0] * X[1] * sigma[2],
        sympy.erf(X[0] + sympy.Rational(1, 3)) * X[1],
        sympy.exp(-((X[0] - sympy.Rational(1, 2)) ** 2)) * X[2] ** 2,
        sympy.exp(-(X[0] ** 2)) * sympy.exp(-(X[1] ** 2) / 3 - X[1]) * X[2],
    ]:
        number = sympy.lambdify(X[:3], f, modules=["scipy", "numpy"])
        assert _number(f) == pytest.approx(_hermite(number, MEAN, 48), abs=2e-9), f


def test_any_means_for_two_steps_and_steps_of_linear_forms():
    """Against Gauss–Legendre over x_1 on both sides of every jump, of a closed or smooth inner average."""
    from scipy.integrate import quad
    from scipy.stats import norm

    m, v = np.array(MEAN[:2], dtype=float), np.array(C[:2, :2], dtype=float)
    slope, left = v[0, 1] / v[0, 0], np.sqrt(v[1, 1] - v[0, 1] ** 2 / v[0, 0])

    def average(f, inner, jumps=(0.0,)):
        """E[f(x_1) inner(mean and deviation of x_2 given x_1)]."""
        density = norm(m[0], np.sqrt(v[0, 0]))
        edges = [m[0] - 12, *jumps, m[0] + 12]
        return sum(
            quad(lambda x: density.pdf(x) * f(x) * inner(m[1] + slope * (x - m[0]), left), lo, hi, epsabs=1e-13)[0]
            for lo, hi in itertools.pairwise(edges)
        )

    def ramp(mean, deviation):
        return mean * norm.cdf(mean / deviation) + deviation * norm.pdf(mean / deviation)

    for f, wanted in [
        (sympy.Max(0, X[0]) * sympy.Max(0, X[1]), average(lambda x: max(0.0, x), ramp)),
        (sympy.Heaviside(X[0]) * X[0] ** 2 * X[1], average(lambda x: x * x * (x > 0), lambda a, s: a)),
        (
            sympy.Max(-sympy.Rational(1, 2), X[0]) * sympy.Heaviside(X[1]),
            average(lambda x: max(-0.5, x), lambda a, s: norm.cdf(a / s), (-0.5,)),
        ),
        (sympy.Abs(X[0] - 1) * X[1], average(lambda x: abs(x - 1), lambda a, s: a, (1.0,))),
        (
            sympy.Heaviside(X[0] + X[1]) * X[0],
            average(lambda x: x, lambda a, s: norm.cdf((a + (a - m[1]) / slope + m[0]) / s), ()),
        ),
    ]:
        assert _number(f) == pytest.approx(wanted, abs=1e-10), f


def test_what_is_not_closed_is_refused():
    step = [sympy.Heaviside(x) for x in X]
    sigma = [sympy.erf(x / sympy.sqrt(2)) for x in X]
    for f, mean in [
        (sympy.Mul(*step), ZERO),
        (sympy.Mul(*step[:3]), MEAN),
        (sympy.Mul(*sigma), ZERO),
        (sympy.Mul(*sigma[:3]), MEAN),
        (sympy.tanh(X[0]), ZERO),
        (sympy.Max(0, X[0] * X[1]), ZERO),
        (sympy.exp(X[0]), ZERO),
        (sympy.DiracDelta(X[0]) ** 2, ZERO),
        (step[0] * sigma[1], ZERO),
    ]:
        with pytest.raises(NotClosed):
            expectation(f, X, mean, C)


def test_program_is_limited_in_length():
    reduction = Reduction(X, ZERO, sympy.Matrix(4, 4, lambda i, j: sympy.Symbol(f"c_{min(i, j)}{max(i, j)}")), limit=5)
    with pytest.raises(NotClosed, match="lines"):
        reduction.expectation(sympy.expand((X[0] + X[1] + X[2]) ** 6))
