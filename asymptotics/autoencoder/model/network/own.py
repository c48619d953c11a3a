"""A network of one's own, declared in a file: vectors, terms and trainable scalars."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ....common.input import expressions
from ....common.input.checks import InputError, fail, number
from ..functions.of_time import TIME

#: What an own network is called where it has no name.
OWN = "own"
#: More terms than this are refused.
MOST = 64


@dataclass(frozen=True)
class OwnNetwork:
    """f(x) = s x + Σ_j (u_j/√d) φ_j: ``vectors`` names, ``terms`` pairs (decoder, φ) with φ an expression.

    Parameters
    ----------
    vectors : tuple of str
        Names of the weight vectors; in a φ the name stands for the vector's local field.
    terms : tuple of (str, str)
    scalars : tuple of str
        Names of the trainable scalars.
    """

    vectors: tuple[str, ...]
    terms: tuple[tuple[str, str], ...]
    scalars: tuple[str, ...] = ()

    @classmethod
    def of(cls, vectors: object, terms: object, parameters: object) -> OwnNetwork:
        """From the keys of a file."""
        if vectors is None or terms is None:
            missing = "vectors" if vectors is None else "terms"
            raise InputError(f"denoiser.{missing}: missing; a network of one's own has vectors and terms")
        names = _names("denoiser.vectors", vectors)
        scalars = _names("denoiser.parameters", [*_values(parameters)])
        if set(names) & set(scalars):
            fail("denoiser.parameters", sorted(scalars), "names that are no vectors'")
        if not isinstance(terms, (list, tuple)) or not 1 <= len(terms) <= MOST:
            fail("denoiser.terms", terms, f"1 to {MOST} pairs [decoder, expression]")
        found = []
        for term in terms:
            if not isinstance(term, (list, tuple)) or len(term) != 2 or term[0] not in names:
                fail("denoiser.terms", term, f"a pair [decoder, expression] with a decoder of {', '.join(names)}")
            found.append((str(term[0]), term[1]))
        return cls(names, tuple(found), scalars)

    @property
    def asks_for_labels(self) -> bool:
        """Whether some φ mentions a label."""
        return any("label_" in str(phi) for _, phi in self.terms)

    def check(self, labels: int) -> None:
        """Fail unless every φ is arithmetic in the fields, the scalars, the time and this many labels."""
        for u, phi in self.terms:
            expressions.check(phi, self._variables(labels), f"denoiser.terms of decoder {u}")

    def _variables(self, labels: int) -> list[str]:
        return [*self.vectors, *self.scalars, *TIME, *(f"label_{k}" for k in range(labels))]

    def declaration(self, name: str, labels: int, **options: Any) -> Any:
        """The `derivations.Denoiser`, made once."""
        return _declared(self, name, labels, tuple(sorted(options.items(), key=lambda x: x[0])))

    def _declare(self, name: str, labels: int, options: dict[str, Any]) -> Any:
        import sympy

        from derivations import Denoiser, label, local_field, schedule

        variables = self._variables(labels)
        own: dict[str, Any] = {v: local_field(v) for v in self.vectors}
        own |= {k: sympy.Symbol(k, real=True) for k in self.scalars}
        own |= {x: getattr(schedule, x) for x in TIME} | {f"label_{k}": label(k) for k in range(labels)}
        terms = []
        for u, phi in self.terms:
            expression = expressions.to_sympy(phi, variables, f"denoiser.terms of decoder {u}")
            terms.append((u, expression.xreplace({sympy.Symbol(x, real=True): own[x] for x in variables})))
        parameters = [own[k] for k in self.scalars]
        try:
            return Denoiser(name, self.vectors, tuple(terms), tuple(parameters), labels=labels, **options)
        except ValueError as error:
            raise InputError(f"denoiser.terms: {error}") from None


@lru_cache(maxsize=64)
def _declared(network: OwnNetwork, name: str, labels: int, options: tuple[tuple[str, Any], ...]) -> Any:
    return network._declare(name, labels, dict(options))


def _values(parameters: object) -> dict[str, float]:
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        fail("denoiser.parameters", parameters, "a table of names and values, {kappa = 0.4}")
    return {k: number(f"denoiser.parameters.{k}", v) for k, v in parameters.items()}


def _names(key: str, given: object) -> tuple[str, ...]:
    taken = {*TIME, *expressions.FUNCTIONS, *expressions.CONSTANTS, "tau", "b"}
    if not isinstance(given, (list, tuple)) or len(set(map(str, given))) != len(given):
        fail(key, given, "a list of names that differ")
    for name in given:
        plain = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
        if not plain or name in taken or name.startswith("label_"):
            fail(
                key,
                name,
                f"a name of letters, digits and _ that is none of {', '.join(sorted(taken))} and no label_0, ...",
            )
    if key.endswith("vectors") and not given:
        fail(key, given, "at least one name")
    return tuple(given)


def read(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with ``vectors`` and ``terms``, with the network that they declare in their place."""
    found = dict(table)
    vectors, terms, parameters = (found.pop(key, None) for key in ("vectors", "terms", "parameters"))
    for key in ("hidden_units", "activation", "shift", "input_scale", "output_scale"):
        if key in found:
            raise InputError(f"denoiser.{key}: must be left out where denoiser.terms declare the network")
    found |= {"own": OwnNetwork.of(vectors, terms, parameters), "parameters": list(_values(parameters).values())}
    return {"architecture": OWN, **found}


def written(table: Mapping[str, Any], own: OwnNetwork, parameters: list[float]) -> dict[str, Any]:
    """Inverse of `read`."""
    kept = {key: x for key, x in table.items() if key not in ("own", "hidden_units", "activation", "shift")}
    return kept | {
        "vectors": list(own.vectors),
        "terms": [list(term) for term in own.terms],
        "parameters": dict(zip(own.scalars, parameters, strict=True)),
    }
