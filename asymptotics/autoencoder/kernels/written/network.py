"""The network's nonlinear functions φ_j and their slopes, generated from its declaration.

The full simulation needs nothing else from the symbolic layer: no potential and no average. The slopes are SymPy's
derivatives of φ alone.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.numerics.code import codegen

if TYPE_CHECKING:
    import derivations

_SOURCE = '''"""Generated from the declaration of the denoiser {name!r}: do not edit.

Local fields omega[a] of the vectors {vectors}; trainable scalars kappa[k]: {parameters}.
now = (alpha, beta, alpha_dot, beta_dot, t, one-hot label): the time and what the network is told of the sample.
phi(omega, kappa, now, values)
    values[j] = phi_j for the terms with decoders {decoders}.
slopes(omega, kappa, now, values, by_field, by_parameter)
    The same, and by_field[j, a] = d phi_j/d omega_a, by_parameter[j, k] = d phi_j/d kappa_k.
target(alpha, beta, alpha_dot, beta_dot)
    (y0, y1): the network predicts y0 x0 + y1 x1.
"""

import math

import numpy
{njit}

VECTORS = {p}
DECODERS = {decoder_indices}
PARAMETERS = {count}
SKIP = {skip}
LABELS = {labels}


@njit("void(float64[::1], float64[::1], float64[::1], float64[::1])", cache=True, nogil=True, error_model="numpy")
def phi(omega, kappa, now, values):
{phi}


@njit(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[:, ::1], float64[:, ::1])",
    cache=True, nogil=True, error_model="numpy",
)
def slopes(omega, kappa, now, values, by_field, by_parameter):
{slopes}


def target(alpha, beta, alpha_dot, beta_dot):
    return {target}
'''


def _write(denoiser: derivations.Denoiser) -> str:
    """Source of the functions of a declared denoiser."""
    import sympy

    from derivations.autoencoder.network.conditioning import schedule
    from derivations.autoencoder.network.kinks import slope

    omegas = sympy.symbols(f"omega_1:{len(denoiser.vectors) + 1}", real=True)
    kappas = sympy.symbols(f"kappa_1:{len(denoiser.parameters) + 1}", real=True)
    told = (*schedule.of_time, *denoiser.one_hot)
    given = sympy.symbols(f"now_1:{len(told) + 1}", real=True)
    # One substitution at once: a user's names may be those of another symbol here.
    rename = dict(zip((*denoiser.fields, *denoiser.parameters, *told), (*omegas, *kappas, *given), strict=True))
    phi = [expression.xreplace(rename) for expression in denoiser.phi]
    used = set().union(*(expression.free_symbols for expression in phi))
    inputs = [f"{x} = omega[{a}]" for a, x in enumerate(omegas)] + [f"{x} = kappa[{k}]" for k, x in enumerate(kappas)]
    inputs += [f"{x} = now[{i}]" for i, x in enumerate(given) if x in used]
    values = [(f"values[{j}]", e) for j, e in enumerate(phi)]
    jacobian = [(f"by_field[{j}, {a}]", slope(e, x)) for j, e in enumerate(phi) for a, x in enumerate(omegas)]
    jacobian += [(f"by_parameter[{j}, {k}]", slope(e, x)) for j, e in enumerate(phi) for k, x in enumerate(kappas)]

    def body(outputs: list[tuple[str, Any]]) -> str:
        return textwrap.indent("\n".join([*inputs, *codegen.assignments(outputs)]), "    ")

    print_ = codegen.printer("numpy")
    return _SOURCE.format(
        njit=codegen.NJIT,
        name=denoiser.name,
        vectors=", ".join(denoiser.vectors),
        parameters=", ".join(map(str, denoiser.parameters)) or "none",
        decoders=", ".join(denoiser.vectors[u] for u in denoiser.decoders),
        p=len(denoiser.vectors),
        decoder_indices=denoiser.decoders,
        count=len(kappas),
        skip=denoiser.skip,
        labels=denoiser.labels,
        phi=body(values),
        slopes=body([*values, *jacobian]),
        target=", ".join(print_.doprint(y) for y in denoiser.target()),
    )


@dataclass(frozen=True)
class Forward:
    """The compiled functions of one network; small and picklable (it is its source text).

    Attributes
    ----------
    source : str
        Text of the generated module.
    """

    source: str

    @classmethod
    def of(cls, denoiser: derivations.Denoiser) -> Forward:
        """From a `derivations.Denoiser` whose activation is chosen."""
        if denoiser.unspecified:
            raise ValueError(f"denoiser {denoiser.name!r}: must have its activation chosen (with_activation)")
        return cls(_write(denoiser))

    @classmethod
    def from_specification(cls, specification: Hashable, declare: Callable[[], derivations.Denoiser]) -> Forward:
        """Like `of`, keeping the source in the cache: ``declare`` is called, and SymPy imported, only if it is not there.

        Parameters
        ----------
        specification : hashable
            Says by its ``repr`` which denoiser this is, for instance ("named", "tied", 2, "tanh", "data", 0.0).
        declare : callable
            Returns the declaration.
        """
        return cls(
            codegen.cached_source(
                ("forward", specification), [__name__, "derivations"], lambda: cls.of(declare()).source
            )
        )

    @cached_property
    def module(self) -> ModuleType:
        """The compiled module."""
        return codegen.load_module(self.source)

    def __getstate__(self) -> dict[str, Any]:
        return {"source": self.source}  # the compiled module stays behind

    @property
    def vectors(self) -> int:
        """p, the number of stacked weight vectors."""
        return int(self.module.VECTORS)

    @property
    def decoders(self) -> np.ndarray:
        """Index of the decoder vector of each term."""
        return np.array(self.module.DECODERS, dtype=np.int64)

    @property
    def parameters(self) -> int:
        """Number of trainable scalars κ."""
        return int(self.module.PARAMETERS)

    @property
    def skip(self) -> bool:
        """Whether there is a skip connection."""
        return bool(self.module.SKIP)

    def target(
        self, alpha: ArrayLike, beta: ArrayLike, alpha_dot: ArrayLike, beta_dot: ArrayLike
    ) -> tuple[np.ndarray, np.ndarray]:
        """(y₀, y₁) at the times of the schedule's values."""
        shape = np.shape(alpha)
        y0, y1 = self.module.target(*(np.asarray(x, dtype=np.float64) for x in (alpha, beta, alpha_dot, beta_dot)))
        return np.broadcast_to(y0, shape).astype(np.float64), np.broadcast_to(y1, shape).astype(np.float64)

    @property
    def labels(self) -> int:
        """Number of labels, 0 without."""
        return int(self.module.LABELS)

    def values(self, omega: np.ndarray, kappa: np.ndarray, now: np.ndarray | None = None) -> np.ndarray:
        """φ_j at one vector of local fields; ``now`` is α, β, α̇, β̇, t and the one-hot label (default zeros)."""
        out = np.empty(len(self.module.DECODERS))
        told = np.zeros(5 + self.labels) if now is None else now
        self.module.phi(*(np.ascontiguousarray(x, np.float64) for x in (omega, kappa, told)), out)
        return out
