"""Actions of flows: values of a flow given in full, the density itself, and the symbolic composition."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import asymptotics as asy
from asymptotics.interactions import Affine, Coupling, Flow, action, evaluate, fit_flow, sampled_kl
from asymptotics.interactions.networks.action import symmetrised
from derivations.interactions.equations import coefficient, symbolic_action


def entry(size, *places):
    G = np.zeros((size,) * 3)
    for a, i, j, value in places:
        G[a, i, j] = value
    return G


#: A flow of two couplings with biases.
FLOW = [
    ([[1, 0.5], [-0.25, 1]], [0.5, -1 / 3]),
    entry(2, (1, 0, 0, 0.4)),
    {"W": [[0.8, -0.6], [0.6, 0.8]], "b": [-0.25, 0.2]},
    {"G": entry(2, (0, 1, 1, -0.3))},
    (np.diag([1.25, 0.8]), [0.0, 0.1]),
]


def test_values_of_a_flow():
    A = action(FLOW, 8)
    known = [
        (A[0], -1.834612403), (A[1][0], -0.435922338), (A[1][1], -0.126763832), (A[2][0, 0], -0.328126885),
        (A[2][0, 1], 0.086710645), (A[2][1, 1], -0.548307602), (A[3][0, 0, 0], 0.317965760), (A[3][0, 0, 1], 0.036999880),
        (A[3][0, 1, 1], -0.140714185), (A[3][1, 1, 1], -0.519607655), (A[4][0, 0, 0, 0], -0.058361600),
        (A[4][0, 0, 0, 1], -0.105185800), (A[4][0, 0, 1, 1], -0.177103400), (A[4][0, 1, 1, 1], -0.230966575),
        (A[4][1, 1, 1, 1], -0.291355381), (A[8].flat[0], -7.3728e-4), (A[8].flat[-1], -2.88e-6),
    ]  # fmt: skip
    for found, expected in known:
        assert float(found) == pytest.approx(expected, rel=1e-6)
    assert not np.any(action(FLOW, 9)[9])  # the degree of S is 8


def random_flow(d, layers, seed=0):
    rng = np.random.default_rng(seed)
    found = []
    for k in range(layers):
        found.append((np.eye(d) + 0.3 * rng.standard_normal((d, d)) / np.sqrt(d), 0.5 * rng.standard_normal(d)))
        G = np.zeros((d, d, d))
        read, write = (slice(0, d // 2), slice(d // 2, d)) if k % 2 == 0 else (slice(d // 2, d), slice(0, d // 2))
        G[write, read, read] = rng.standard_normal((d, d, d))[write, read, read] / d
        found.append(G)
    return Flow(tuple(found))


@pytest.mark.parametrize(("d", "layers"), [(1, 0), (2, 2), (3, 2), (4, 1)])
def test_the_action_is_the_density(d, layers):
    """About the origin and about another point; the determinant by differences."""
    flow = Flow((([[1.7]], [0.3]),)) if layers == 0 else random_flow(d, layers)
    x = np.random.default_rng(1).standard_normal((6, d))
    for origin in (None, np.full(d, 0.4)):
        A = action(flow, flow.degree, origin)
        shift = 0 if origin is None else origin
        np.testing.assert_allclose(evaluate(A, x), flow.log_density(x + shift), rtol=1e-12, atol=1e-11)
    # An independent determinant.
    step = 1e-6
    jacobian = np.array([(flow(x[0] + step * e) - flow(x[0] - step * e)) / (2 * step) for e in np.eye(d)])
    assert np.linalg.slogdet(jacobian)[1] == pytest.approx(flow.log_det, abs=1e-7)
    np.testing.assert_allclose(flow.inverse(flow(x)), x, atol=1e-10)


def test_the_composition_in_symbols():
    layers = [([[2, 1], [0, 1]], [0, sp.Rational(1, 2)]), [[[0, 0], [0, 0]], [[sp.Rational(1, 3), 0], [0, 0]]]]
    x = sp.symbols("x_1 x_2", real=True)
    symbolic = symbolic_action(layers, x)
    A = action([(np.array([[2.0, 1.0], [0.0, 1.0]]), [0.0, 0.5]), entry(2, (1, 0, 0, 1 / 3))], 4)
    for index in ((), (0,), (1,), (0, 1), (0, 0, 1), (0, 1, 1), (0, 0, 1, 1), (1, 1, 1, 1)):
        assert float(A[len(index)][index]) == pytest.approx(float(coefficient(symbolic, x, index)), rel=1e-13)


def test_a_coupling_without_a_mask():
    """y = x + V q(Uᵀx) with UᵀV = 0."""
    rng = np.random.default_rng(2)
    q, _ = np.linalg.qr(rng.standard_normal((4, 4)))
    U, V = q[:, :2], q[:, 2:]
    core = rng.standard_normal((2, 2, 2))
    G = np.einsum("av,vjk,ij,lk->ail", V, core, U, U)
    flow = Flow((Coupling(G),))
    x = rng.standard_normal((3, 4))
    assert np.linalg.det(flow.layers[0].jacobian(x[0])) == pytest.approx(1, rel=1e-10)
    np.testing.assert_allclose(evaluate(action(flow, 4), x), flow.log_density(x), rtol=1e-11)


def test_symmetrised_is_the_mean_over_permutations():
    from itertools import permutations

    T = np.random.default_rng(3).standard_normal((3, 3, 3, 3))
    expected = np.mean([T.transpose(p) for p in permutations(range(4))], axis=0)
    np.testing.assert_allclose(symmetrised(T), expected, atol=1e-14)


def test_gradients_by_differences():
    flow = random_flow(3, 2, seed=5)
    x = np.random.default_rng(4).standard_normal((7, 3))
    for k, found in enumerate(flow.gradients(x)):
        for name, gradient in found.items():
            value = np.asarray(getattr(flow.layers[k], name))
            direction = np.random.default_rng(k).standard_normal(value.shape)
            if name == "G":
                direction = (direction + direction.transpose(0, 2, 1)) * (value != 0)
            values = []
            for step in (1e-6, -1e-6):
                layers = list(flow.layers)
                new = value + step * direction
                old = layers[k]
                layers[k] = Coupling(new) if name == "G" else Affine(**{"W": old.W, "b": old.b, name: new})
                values.append(Flow(tuple(layers)).log_density(x).mean())
            assert (values[0] - values[1]) / 2e-6 == pytest.approx(float(np.sum(gradient * direction)), rel=1e-6)


def test_a_flow_learns_what_least_squares_does():
    """The most likely coupling with a known split, by closed form and by descent on the whole flow."""
    from asymptotics.interactions import CoupledGaussian, fit

    truth = CoupledGaussian([0.3], [[1.2]], [0.1], [[0.4]], [[[0.5]]], [[0.3]])
    data = truth.sample(np.random.default_rng(0), 60)
    known = fit(data, 1).flow()
    found = fit_flow(truth.flow(), data)
    assert found.log_density(data).mean() == pytest.approx(known.log_density(data).mean(), abs=1e-9)
    for one, other in zip(action(found, 4), action(known, 4), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4)
    mean, sem = sampled_kl(truth.flow(), known, 40_000)
    assert abs(mean - truth.kl(fit(data, 1)).total) < 4 * sem


@pytest.mark.parametrize(
    ("flow", "order", "said"),
    [
        ([], 2, "at least one layer"),
        ([np.ones((2, 2, 2))], 2, "must not read what it writes"),
        ([(np.zeros((2, 2)), [0, 0])], 2, "a matrix with an inverse"),
        ([(np.eye(2), [0, 0]), entry(3, (2, 0, 0, 1.0))], 2, "one dimension"),
        ([{"V": 1}], 2, "a pair (W, b)"),
        ([np.eye(2)], 2, "a pair (W, b)"),
        (3, 2, "a sequence of layers"),
        (FLOW, -1, "order = -1"),
        ([(np.eye(40), np.zeros(40))], 6, "too large"),
    ],
)
def test_bad_flows(flow, order, said):
    with pytest.raises(asy.InputError) as error:
        action(flow, order)
    assert said in str(error.value) and "\n" not in str(error.value)
