"""Array code of large networks: products of matrices in the place of sums of products."""

from __future__ import annotations

import numpy as np
import pytest
import sympy

from asymptotics.autoencoder.kernels.written.system import SystemWriter
from asymptotics.common.numerics.code.codegen import load_module


@pytest.mark.parametrize(
    ("changes", "form", "latent"),
    [
        ({"denoiser.hidden_units": 5}, "auto", 0),
        ({"denoiser.hidden_units": 2, "denoiser.activation": "relu"}, "regression", 0),
        ({"denoiser.hidden_units": 1, "denoiser.activation": "x**2*tanh(x)"}, "auto", 1),
    ],
)
def test_products_of_matrices_are_the_sums_of_what_was_derived(three_clusters, changes, form, latent):
    """Every moment at random laws of the fields, against its own integrand at every node, one by one."""
    system = three_clusters.replace(changes).problem.denoiser.derived()
    writer = SystemWriter(system, "numpy", form, latent)
    module = load_module(writer.source(), "numpy")
    rng, n, J, p, nodes = np.random.default_rng(1), len(writer.encoders), len(writer.decoders), writer.p, 5000
    z, w = rng.standard_normal((nodes, n + latent)), rng.dirichlet(np.ones(nodes))
    mean, root = rng.standard_normal((1, n)), rng.uniform(-0.6, 0.6, (1, n, n + latent))
    emean, eroot = rng.standard_normal((1, J)), rng.uniform(-0.6, 0.6, (1, J, n + latent))
    R, Q = (x @ x.swapaxes(-1, -2) for x in (rng.uniform(-0.5, 0.5, (1, J, J)), rng.uniform(-0.5, 0.5, (p, p))))
    told, out = rng.uniform(0.2, 0.8, (6, 1)), np.empty((1, len(module.NAMES)))
    module.moments(z, w, mean, root, emean, eroot, R, Q, *told, np.zeros((1, 0)), np.zeros(0), out)

    values = {f"omega_{a + 1}": mean[0, i] + z @ root[0, i] for i, a in enumerate(writer.encoders)}
    values |= {f"e_{u + 1}": emean[0, j] + z @ eroot[0, j] for j, u in enumerate(writer.decoders)}
    values |= {f"centre_{i}": mean[0, i] + z[:, n:] @ root[0, i, n:] for i in range(n)}
    values |= {f"latent_{m}": z[:, n + m] for m in range(latent)}
    values |= {f"Q_{a + 1}_{c + 1}": Q[a, c] for a in range(p) for c in range(a, p)}
    values |= {f"R_{j}_{k}": R[0, j, k] for j in range(J) for k in range(j, J)}
    values |= dict(zip(("alpha", "beta", "alpha_dot", "beta_dot", "time", "b"), told[:, 0], strict=True))
    for k, (name, integrand) in enumerate(writer._node_outputs()):
        symbols = sorted(integrand.free_symbols, key=str)
        function = sympy.lambdify(symbols, integrand, ["scipy", "numpy"])
        expected = np.dot(w, function(*(values[str(x)] for x in symbols)) + np.zeros(nodes))
        assert module.NAMES[k] == name and out[0, k] == pytest.approx(expected, abs=1e-12), name
