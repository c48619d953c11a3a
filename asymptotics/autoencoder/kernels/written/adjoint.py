"""Adjoints of a system's kernels: what a worth of the drift makes of everything that the drift is made of.

The sources are those of the kernels themselves, taken backwards line by line (`asymptotics.common.numerics.code.reverse`): whatever
`derivations` derives has its gradient, with the nodes where they are.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ....common.input.syntax import parsed
from ....common.numerics.code import codegen, slopes
from ....common.numerics.code.reverse import adjoint_source
from .closed import IMPORTS
from .system import TANH, SystemWriter
from .writer import SCHEDULE, TOLD

if TYPE_CHECKING:
    from derivations.autoencoder.engine import System

_SCHEDULE = tuple(f"{x}_" for x in SCHEDULE)
_TOLD = tuple(f"{x}_" for x in TOLD)
#: Kernel → (arguments to differentiate by, those of them that are numbers, arrays that it fills).
DIFFERENTIATED: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "moments": (("mean", "root", "emean", "eroot", "R", "Q", *_TOLD, "b_", "kappa"), (), ("out",)),
    "noise": (
        ("mean", "root0", "root1", "umean", "uroot0", "uroot1", "R0", "R1", "Q", *_TOLD, "tw", "b_", "kappa"), (), ("out",),
    ),
    "increments": (("moments", "pi", "varsigma_"), (), ("A", "B", "N")),
    "bulk_terms": ((*_SCHEDULE, "Lambda", "b_"), ("Lambda",), ("out",)),
    "weight_terms": ((*_SCHEDULE, "b_"), (), ("out",)),
}  # fmt: skip


class AdjointWriter(SystemWriter):
    """Writes the kernels that are differentiated, in loops over single nodes, and their adjoints."""

    @staticmethod
    def _tiled(
        fields: list[str],
        zero: list[str],
        constant: list[str],
        varying: list[str],
        sums: list[tuple[str, str]],
        head: list[str],
    ) -> tuple[list[str], list[str]]:
        inner = [f"s_{k} = 0.0" for k in range(len(sums))]
        inner += ["for k in range(w.shape[0]):", *("    " + line for line in [*fields, *zero])]
        inner += ["    for h in range(tw.shape[0]):", *("        " + line for line in [*constant, *varying])]
        inner += [f"    s_{k} += w[k] * ({e})" for k, (_, e) in enumerate(sums)]
        return head, [*inner, *(f"out[i, {k}] = s_{k}" for k in range(len(sums)))]

    def _over_times(self, name: str, arguments: str, outputs: list[Any]) -> str:
        """A kernel of functions of the time, given the skip connection at every time."""
        lines = [f"{x} = {x}_[h]" for x in (*SCHEDULE, "b")]
        lines += codegen.assignments([(f"y_{k}", self.clean(e)) for k, e in enumerate(outputs)])
        lines += [f"out[h, {k}] = y_{k}" for k in range(len(outputs))]
        body = ["for h in range(alpha_.shape[0]):", *("    " + line for line in lines)]
        return self.function(f"def {name}({', '.join(_SCHEDULE)}, {arguments}, out):", body)

    def adjoints(self) -> str:
        """The source of a module."""
        forward = "\n\n\n".join(
            [
                self.closed.get("moments") or self.moments(),
                self.closed.get("noise") or self.noise(),
                self.increments(),
                self._over_times("bulk_terms", "Lambda, b_", [self.system.bulk, self.system.skip_drift]),
                self._over_times("weight_terms", "b_", [*self.channel_weights()]),
            ]
        )
        parts = [self.head()]
        for node in parsed(forward).body:
            if isinstance(node, ast.FunctionDef):
                node.decorator_list = []
                active, scalars, outputs = DIFFERENTIATED[node.name]
                parts.append(self.decorate(adjoint_source(ast.unparse(node), active, outputs, scalars)))
        return "\n\n\n".join(parts)

    def head(self) -> str:
        """What the functions call."""
        lines = [f'"""Adjoints of the kernels of {self.system.denoiser.name}: generated, do not edit."""']
        lines += ["import math\n\nimport numpy\n", codegen.NJIT]
        if self.closed:
            lines += [IMPORTS, slopes.IMPORTS]
        return "\n".join(lines) + "\n\n\n" + self.decorate(TANH)


def write_adjoints(system: System, form: str) -> str:
    """The generated source of the adjoints of a system's kernels."""
    return AdjointWriter(system, "numba", form).adjoints()


def compile_adjoints(specification: object, build: Callable[[], System], *, form: str = "auto") -> ModuleType:
    """The adjoints of the kernels that `compile_kernels` gives for the same arguments (back end numba)."""
    key = ("adjoints", specification, form)
    source = codegen.cached_source(key, [__name__, "derivations"], lambda: write_adjoints(build(), form))
    return codegen.load_module(source, "adjoints")
