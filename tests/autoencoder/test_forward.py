"""Generated φ and slopes against NumPy and finite differences; no SymPy in a second process."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
import sympy

from asymptotics.autoencoder.kernels.written.network import Forward
from derivations.autoencoder.network.denoiser import Denoiser, architecture, local_field


def gate() -> Denoiser:
    """A decoder shared by two terms, a product of fields, a trainable scale whose name is that of a local field."""
    scale = sympy.Symbol("omega_1", real=True)
    u, v = local_field("u"), local_field("v")
    terms = (("u", scale * u * sympy.tanh(v)), ("u", sympy.erf(u - v)), ("v", sympy.Max(0, u + v)))
    return Denoiser("gate", ("u", "v"), terms, parameters=(scale,), predicts="velocity")


@pytest.mark.parametrize(
    "denoiser",
    [gate()] + [architecture(n, 2, activation=a) for n in ("tied", "untied_bias", "scaled") for a in ("tanh", "relu")]
    + [architecture("tied", 3, activation=a) for a in ("erf", "softplus", "sigmoid", "linear")],
    ids=lambda d: f"{d.name}-{d.terms[0][1].func.__name__}",
)  # fmt: skip
def test_slopes_against_finite_differences(denoiser):
    forward = Forward.of(denoiser)
    p, n, m = forward.vectors, len(denoiser.terms), forward.parameters
    rng = np.random.default_rng(1)
    omega, kappa = rng.standard_normal(p), rng.standard_normal(m)
    values, by_field, by_parameter = np.empty(n), np.empty((n, p)), np.empty((n, m))
    forward.module.slopes(omega, kappa, np.zeros(5), values, by_field, by_parameter)
    symbols = [*denoiser.fields, *denoiser.parameters]
    expected = [float(e.subs(dict(zip(symbols, [*omega, *kappa], strict=True)))) for e in denoiser.phi]
    assert np.allclose(values, expected, rtol=1e-13, atol=1e-15)
    assert np.array_equal(forward.values(omega, kappa), values)
    h = 1e-6
    for i in range(p + m):
        up, down = np.concatenate([omega, kappa]), np.concatenate([omega, kappa])
        up[i] += h
        down[i] -= h
        slope = (forward.values(up[:p], up[p:]) - forward.values(down[:p], down[p:])) / (2 * h)
        analytic = by_field[:, i] if i < p else by_parameter[:, i - p]
        assert np.allclose(analytic, slope, atol=1e-8)


def test_targets():
    alpha, beta, ad, bd = np.array([0.3, 0.4]), np.array([0.7, 0.6]), np.array([-1.0, -1.0]), np.array([1.0, 1.5])
    for predicts, y0, y1 in (
        ("data", 0 * alpha, 0 * alpha + 1),
        ("noise", 0 * alpha + 1, 0 * alpha),
        ("velocity", ad, bd),
    ):
        got = Forward.of(architecture("tied", 1, activation="tanh", predicts=predicts)).target(alpha, beta, ad, bd)
        assert np.array_equal(got[0], y0) and np.array_equal(got[1], y1)


def test_open_activation_is_refused():
    with pytest.raises(ValueError, match="must have its activation chosen"):
        Forward.of(architecture("tied", 2))


def test_travels_by_its_source():
    forward = Forward.of(gate())
    assert forward.module is pickle.loads(pickle.dumps(forward)).module


def test_second_process_needs_no_sympy(tmp_path):
    code = """
import sys
from asymptotics.autoencoder.kernels.written.network import Forward
def declare():
    from derivations.autoencoder.network.denoiser import tied
    return tied(2, activation="tanh")
forward = Forward.from_specification(("named", "tied", 2, "tanh"), declare)
print(forward.decoders.tolist(), "sympy" in sys.modules)
"""
    import os

    environment = {**os.environ, "ASYMPTOTICS_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    outputs = [
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert [o.strip() for o in outputs] == ["[0, 1] True", "[0, 1] False"]
