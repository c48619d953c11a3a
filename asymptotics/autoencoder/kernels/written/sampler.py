"""From the drift of a sampler to compiled functions: what `sampling.sampler` and `training.skip` of `derivations.autoencoder` derive."""

from __future__ import annotations

import textwrap
from functools import lru_cache
from types import ModuleType
from typing import Any

from ....common.numerics.code import codegen
from ...model.sampling import declared

_HEADER = '''"""Generated from the derivation of the sampler {drift!r}: do not edit.

coefficients(t, alpha, beta, alpha_dot, beta_dot, epsilon, y_0, y_1, b): (Gamma, Delta).
determinant(alpha, beta, y_0, y_1): where it vanishes, they do not exist.
step(Gamma, Delta, epsilon, h): (gain, growth, noise_variance) of one Euler step.
variance_step(growth, noise_variance, v), variance_rate(Delta, epsilon, v): of the linear part, one step and per time.
network_step(gain, growth, I, phi), network_rate(Gamma, Delta, I, phi): of the network's part, one step and per time.
linear_step(growth, l): of the linear part's fields, without its noise.
skip_rates(Lambda, alpha, beta, y_0, y_1): (h, kappa) of db/dtau = h - kappa b at one time.
skip(tau, kappa, b_0, b_infinity): b after the training time tau.
"""

import numpy
'''


def _source(drift: str | None) -> str:
    """The generated source of a sampler."""
    from derivations.autoencoder.sampling import algebra as sampling
    from derivations.autoencoder.training import skip

    sampler = declared(drift)
    linear, network = sampling.network_step()
    functions: list[tuple[str, str, tuple[Any, ...]]] = [
        (
            "coefficients",
            "t, alpha, beta, alpha_dot, beta_dot, epsilon, y_0, y_1, b",
            (sampler.gamma, sampler.delta),
        ),
        ("determinant", "alpha, beta, y_0, y_1", (sampler.determined_by,)),
        ("step", "Gamma, Delta, epsilon, h", sampling.euler()),
        ("variance_step", "growth, noise_variance, v", (sampling.variance_step(),)),
        ("variance_rate", "Delta, epsilon, v", (sampling.variance_rate(),)),
        ("network_step", "gain, growth, I, phi", (network,)),
        ("network_rate", "Gamma, Delta, I, phi", (sampling.network_rate(),)),
        ("linear_step", "growth, l", (linear,)),
        ("skip_rates", "Lambda, alpha, beta, y_0, y_1", skip.rates(skip.bulk((sampling.y0, sampling.y1)))),
        ("skip", "tau, kappa, b_0, b_infinity", (skip.exponential(),)),
    ]
    parts = [_HEADER.format(drift=str(sampler.drift))]
    for name, arguments, outputs in functions:
        values = [f"value_{i}" for i in range(len(outputs))]
        lines = codegen.assignments(list(zip(values, outputs, strict=True)), "numpy")
        # A constant takes the shape of the times too.
        shape = f" + 0.0 * {arguments.split(', ')[1]}" if name in ("coefficients", "determinant") else ""
        lines.append("return " + ", ".join(v + shape for v in values))
        parts.append(f"def {name}({arguments}):\n" + textwrap.indent("\n".join(lines), "    "))
    return "\n\n\n".join(parts) + "\n"


@lru_cache(maxsize=64)
def compile_sampler(drift: str | None = None) -> ModuleType:
    """Compiled functions of a sampler, from the cache where possible; see the header of the generated source."""
    modules = [__name__, "derivations"]
    return codegen.load_module(codegen.cached_source(("sampler", drift), modules, lambda: _source(drift)))
