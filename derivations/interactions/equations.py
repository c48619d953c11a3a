"""Polynomial actions of flows, derived: coefficients, their pull-back through a layer, and likelihood gradients.

Sources: talks of C. Merger and the abstract of arXiv 2304.00599 (Merger et al., PRX 2023). Details of the paper's layers were not
available; what follows is a self-consistent version.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb
from typing import Any

import sympy as sp

from ..identity import require_zero
from ..steps import Step, equation

x1, x2, c = sp.symbols("x_1 x_2 c", real=True)


def composed(layers: Sequence[Any], point: Sequence[sp.Expr]) -> list[sp.Expr]:
    """Images of a point under layers ``(W, b)`` or G[a][i][j], in order."""
    state = [sp.sympify(entry) for entry in point]
    d = len(state)
    for layer in layers:
        if isinstance(layer, tuple):
            W, b = layer
            state = [sum((W[a][i] * state[i] for i in range(d)), sp.sympify(b[a])) for a in range(d)]
        else:
            old = list(state)
            state = [
                old[a] + sum(layer[a][i][j] * old[i] * old[j] for i in range(d) for j in range(d)) for a in range(d)
            ]
    return [sp.expand(entry) for entry in state]


def symbolic_action(layers: Sequence[Any], coordinates: Sequence[sp.Symbol]) -> sp.Expr:
    """S = −|z|²/2 − (d/2) ln 2π + ln|det J|; the determinant must not depend on x.

    Raises
    ------
    DerivationError
        If it does: the logarithm of a polynomial that is not constant is no polynomial.
    """
    image = composed(layers, coordinates)
    det = sp.expand(sp.Matrix(image).jacobian(list(coordinates)).det())
    for symbol in coordinates:
        require_zero(sp.diff(det, symbol), "the determinant of the flow depends on x")
    squares = sum(entry**2 for entry in image)
    return sp.expand(-squares / 2 - sp.Rational(len(coordinates), 2) * sp.log(2 * sp.pi) + sp.log(sp.Abs(det)))


def coefficient(expression: sp.Expr, coordinates: Sequence[sp.Symbol], indices: Sequence[int]) -> sp.Expr:
    """A^{(k)} at these indices (from 0): the coefficient of x^α times α!/k!."""
    powers = [list(indices).count(a) for a in range(len(coordinates))]
    whole = sp.Poly(expression, *coordinates).coeff_monomial(
        sp.prod(symbol**power for symbol, power in zip(coordinates, powers, strict=True))
    )
    return whole * sp.prod(sp.factorial(power) for power in powers) / sp.factorial(len(indices))


def banana() -> Step:
    """The action of x_2 = c x_1² + ε."""
    coupling = [[[0, 0], [0, 0]], [[-c, 0], [0, 0]]]
    action = symbolic_action([coupling], (x1, x2))
    expected = -sp.log(2 * sp.pi) - (x1**2 + x2**2) / 2 + c * x1**2 * x2 - c**2 / 2 * x1**4
    require_zero(action - expected, "action of the banana")
    third, fourth = (coefficient(action, (x1, x2), k) for k in ((0, 0, 1), (0, 0, 0, 0)))
    require_zero(third - c / 3, "A_112")
    require_zero(fourth + c**2 / 2, "A_1111")
    return Step(
        "Action of a coupling",
        "The coupling y = x + G[x, x] writes what it does not read: its determinant is 1, and S = ln p is a polynomial of twice its "
        "degree. With symmetric coefficients A^(k), without 1/k!, the smallest example, x_2 = c x_1² + noise, has one interaction of "
        "order three and one of order four.",
        (
            equation(sp.Symbol("S"), expected),
            equation(sp.Symbol("A_112"), third),
            equation(sp.Symbol("A_1111"), fourth),
        ),
    )


def _symmetric(name: str, order: int, dimension: int) -> dict[tuple[int, ...], sp.Symbol]:
    """A generic symmetric tensor."""
    return {
        index: sp.Symbol(f"{name}{order}_" + "".join(map(str, sorted(index))))
        for index in itertools.product(range(dimension), repeat=order)
    }


def _contracted(tensor: dict[tuple[int, ...], Any], legs: Sequence[Sequence[sp.Expr]]) -> sp.Expr:
    return sp.expand(
        sum(value * sp.prod(leg[i] for leg, i in zip(legs, index, strict=True)) for index, value in tensor.items())
    )


def pull_back(order: int = 4, dimension: int = 2) -> Step:
    """The coefficients before a layer from those after it, as an identity in generic tensors."""
    xs = sp.symbols(f"x_1:{dimension + 1}")
    W = [[sp.Symbol(f"W_{a}{i}") for i in range(dimension)] for a in range(dimension)]
    G = [
        [[sp.Symbol(f"G_{a}{min(i, j)}{max(i, j)}") for j in range(dimension)] for i in range(dimension)]
        for a in range(dimension)
    ]
    linear = [sum(W[a][i] * xs[i] for i in range(dimension)) for a in range(dimension)]
    quadratic = [
        sum(G[a][i][j] * xs[i] * xs[j] for i in range(dimension) for j in range(dimension)) for a in range(dimension)
    ]
    image = [sp.expand(a + b) for a, b in zip(linear, quadratic, strict=True)]
    t = sp.Symbol("t")
    scaled = [symbol * t for symbol in xs]
    for k in range(order + 1):
        tensor = _symmetric("A", k, dimension)
        direct = sp.Poly(
            _contracted(tensor, [[e.subs(dict(zip(xs, scaled, strict=True)), simultaneous=True) for e in image]] * k), t
        )
        for n in range(k, min(2 * k, order) + 1):
            # Each of k legs may split in two: n − k of them do.
            legs = [linear] * (2 * k - n) + [quadratic] * (n - k)
            require_zero(
                direct.coeff_monomial(t**n) - comb(k, n - k) * _contracted(tensor, legs), f"order {n} from {k}"
            )
    n, k = sp.symbols("n k", integer=True)
    A, J, Q = sp.Function("A"), sp.Symbol("W"), sp.Symbol("G")
    return Step(
        "Pull-back",
        "A polynomial in y = Wx + G[x, x] is one in x: each of the k legs of A^(k) takes W, or splits in two with G; n − k of them split "
        "in what has order n. A bias b feeds higher orders down, so truncating about the origin after every layer is wrong in all "
        "orders; expanding along the trajectory of one point, where layers have no constant, it is exact. (Checked for generic "
        "symmetric tensors in two dimensions; the product stands for the contraction, made symmetric.)",
        (
            equation(
                sp.Function("Aprime")(n),
                sp.Sum(sp.binomial(k, n - k) * A(k) * J ** (2 * k - n) * Q ** (n - k), (k, sp.ceiling(n / 2), n)),
            ),
        ),
    )


def gradients() -> Step:
    """Likelihood gradients: −z pulled back through the layers."""
    w = sp.symbols("W_11 W_12 W_21 W_22", real=True)
    b = sp.symbols("b_1 b_2", real=True)
    g = sp.Symbol("G_211", real=True)
    W = [[w[0], w[1]], [w[2], w[3]]]
    affine, coupling = (W, b), [[[0, 0], [0, 0]], [[g, 0], [0, 0]]]
    middle = composed([affine], (x1, x2))
    z = composed([coupling], middle)
    det = w[0] * w[3] - w[1] * w[2]
    action = -(z[0] ** 2 + z[1] ** 2) / 2 + sp.log(det)
    last = sp.Matrix([-z[0], -z[1]])
    # The coupling's Jacobian at its input.
    jacobian = sp.Matrix([[1, 0], [2 * g * middle[0], 1]])
    first = jacobian.T * last
    require_zero(sp.diff(action, g) - last[1] * middle[0] ** 2, "gradient of G")
    for k in range(2):
        require_zero(sp.expand(sp.diff(action, b[k]) - first[k]), "gradient of b")
    inverse = sp.Matrix(W).inv().T
    for a, i in itertools.product(range(2), repeat=2):
        expected = first[a] * (x1, x2)[i] + inverse[a, i]
        require_zero(sp.simplify(sp.diff(action, W[a][i]) - expected), "gradient of W")
    h, state = sp.Symbol("g_l"), sp.Symbol("x_(l-1)")
    return Step(
        "Gradients",
        "With g_L = −z and g_(l−1) = J_l'g_l (primes are transposes) the gradients are those of a backward pass; the determinant adds the "
        "transposed inverse of W.",
        (
            equation(sp.Symbol("dS/dW"), h * state + sp.Symbol("W^(-T)")),
            equation(sp.Symbol("dS/db"), h),
            equation(sp.Symbol("dS/dG"), h * state**2),
        ),
    )


def unimodal() -> Step:
    """No double wells."""
    J, z = sp.MatrixSymbol("J", 2, 2), sp.MatrixSymbol("z", 2, 1)
    coupling = [[[0, 0], [0, 0]], [[-c, 0], [0, 0]]]
    action = symbolic_action([coupling], (x1, x2))
    image = sp.Matrix(composed([coupling], (x1, x2)))
    slope = sp.Matrix([sp.diff(action, x1), sp.diff(action, x2)]) + image.jacobian([x1, x2]).T * image
    for entry in slope:
        require_zero(entry, "∇S = −Jᵀz")
    return Step(
        "One maximum",
        "∇S = −J'z with an invertible J vanishes where z = 0 alone: however deep, such a flow has no double wells. The form of highest "
        "degree is minus half a square, so the degree of S is even.",
        (equation(sp.Symbol("gradS"), -J.T * z),),
    )


def degree() -> Step:
    """Degrees and numbers of coefficients."""
    layers, d = sp.symbols("L d", integer=True, positive=True)
    count = sp.binomial(d + 2 ** (layers + 1), d)
    for number, known in ((1, 1001), (2, 43758), (3, 5311735)):
        require_zero(count.subs({d: 10, layers: number}) - known, "number of coefficients")
    found = sp.Poly(
        symbolic_action([[[[0, 0], [0, 0]], [[1, 0], [0, 0]]], [[[0, 0], [0, 1]], [[0, 0], [0, 0]]]], (x1, x2)), x1, x2
    ).total_degree()
    require_zero(sp.Integer(found) - 8, "degree of two couplings")
    return Step(
        "Degree",
        "L couplings compose to a map of degree up to 2^L and an action of degree up to twice that, with so many coefficients in d "
        "dimensions (1001, 43 758 and 5 311 735 in d = 10 for one, two and three): only few are free.",
        (equation(sp.Symbol("count"), count),),
    )
