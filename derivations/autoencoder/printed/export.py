"""The derived equations as source code that a person reads: numpy, jax, julia, mathematica, c.

What is written are functions of arrays with documented arguments: the bulk and the potential of one sample, the integrands
whose Gaussian averages are the moments (gradients, Hessians, Gram derivative), and the drift of the order parameters in terms
of these moments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy.printing.c import C99CodePrinter
from sympy.printing.julia import JuliaCodePrinter
from sympy.printing.mathematica import MCodePrinter
from sympy.printing.numpy import JaxPrinter, SciPyPrinter

from ..network.catalogue import LANGUAGES
from ..network.denoiser import alpha, beta
from ..network.names import Lambda, eta, lam, mass, symbol, symmetric, varsigma
from ..training.update import Equations


@dataclass(frozen=True)
class Argument:
    """An argument of a function: a number, a vector or a matrix over the stacked vectors.

    Parameters
    ----------
    name, says : str
    symbols : ndarray-like of sympy.Symbol
        What its entries are called in the equations; a nested tuple for a matrix.
    """

    name: str
    says: str
    symbols: object

    @property
    def rank(self) -> int:
        """0, 1 or 2."""
        found = self.symbols
        if isinstance(found, tuple):
            return 2 if isinstance(found[0], tuple) else 1
        return 0


@dataclass(frozen=True)
class Function:
    """One function: arguments, intermediate quantities in order, and named results (numbers, vectors or matrices)."""

    name: str
    says: str
    arguments: tuple[Argument, ...]
    between: tuple[tuple[sympy.Symbol, sympy.Expr], ...]
    results: tuple[tuple[str, object], ...]


def functions(system: Equations) -> tuple[Function, ...]:
    """What is written, in the order of the derivation.

    Raises
    ------
    ValueError
        If the activation is open.
    """
    denoiser, p = system.denoiser, system.p
    if denoiser.unspecified:
        raise ValueError("code: the activation is open; choose one (activation=..., or denoiser.with_activation(...))")
    l0, l1 = system.channel_fields
    told = sorted((set().union(*(phi.free_symbols for phi in denoiser.phi)) - set(system.fields)), key=str)
    extra = [x for x in told if x not in (alpha, beta) and x not in denoiser.parameters]
    of_time = [Argument("alpha", "α_t", alpha), Argument("beta", "β_t", beta)]
    of_time += [Argument(_identifier(str(x)), "told to the network", x) for x in extra]
    b = [Argument("b", "skip connection (at this time)", system.skip)] if system.skip != 0 else []
    kappa = [
        Argument("kappa", f"trainable scalars {', '.join(map(str, denoiser.parameters))}", tuple(denoiser.parameters))
    ]
    kappa = kappa if denoiser.parameters else []
    gram = tuple(tuple(symmetric("Q", i, j) for j in range(p)) for i in range(p))
    names = ", ".join(denoiser.vectors)
    sample = [
        Argument("lambda0", f"w·x_0/√d of the vectors {names}", tuple(l0)),
        Argument("lambda1", "w·x_1/√d", tuple(l1)),
        Argument("Q", "overlaps of the vectors, w·w'/d", gram),
        *b, *kappa, *of_time,
    ]  # fmt: skip
    fields = tuple(zip(system.fields, (alpha * x + beta * y for x, y in zip(l0, l1, strict=True)), strict=True))
    residual = tuple(zip(system.residual_fields, system.residual_definition, strict=True))
    both = (*fields, *residual)
    square = range(p)

    def matrix(entry: Callable[[int, int], sympy.Expr]) -> object:
        return tuple(tuple(entry(i, j).doit() for j in square) for i in square)

    hessian = [matrix(lambda i, j, c=c: system.hessian[c][min(i, j)][max(i, j)]) for c in (0, 1)]  # type: ignore[misc]
    phat = matrix(lambda i, j: system.gram_derivative[min(i, j)][max(i, j)])
    results: list[tuple[str, object]] = [(f"g{c}", tuple(g.doit() for g in system.gradient[c])) for c in (0, 1)]
    # Where φ has a kink the second derivatives have δ functions: E h is then the regression of g on the fields.
    results += [("phat", phat)] if system.has_kink else [("h0", hessian[0]), ("h1", hessian[1]), ("phat", phat)]
    if denoiser.parameters:
        results.append(("dkappa", tuple(g.doit() for g in system.scalar_gradient)))
    bulk = [*b, Argument("Lambda", "mean eigenvalue of the target", Lambda), *of_time]
    out = [
        Function("bulk", "Loss of one sample of order d, divided by d.", tuple(bulk), (), (("bulk", system.bulk),)),
        Function(
            "potential", "Loss of one sample of order one, ℓ.", tuple(sample), both, (("ell", system.potential.doit()),)
        ),
        Function(
            "integrands",
            "g_c = −½ ∂ℓ/∂λ_c, h_c = ∂g_c/∂λ_c, P̂ = −½(1 + δ) ∂ℓ/∂Q, whose averages (and those of g_c g_cᵀ) are the moments."
            + (" φ has a kink: E h_c is C⁻¹ E[(λ_c − Eλ_c) g_c], C the covariance of λ_c." if system.has_kink else ""),
            tuple(sample), both, tuple(results),
        ),
    ]  # fmt: skip
    return (*out, _drift(system, bulk))


def _drift(system: Equations, bulk: Sequence[Argument]) -> Function:
    square = range(system.p)

    def vector(stem: str) -> tuple[sympy.Symbol, ...]:
        return tuple(symbol(stem, i + 1) for i in square)

    def full(stem: str) -> tuple[tuple[sympy.Symbol, ...], ...]:
        return tuple(tuple(symmetric(stem, i, j) for j in square) for i in square)

    moments = [
        Argument("A", "E g_1 in the cluster", vector("A")),
        *(Argument(name, says, full(name)) for name, says in (
            ("H0", "E h_0"), ("H1", "E h_1"), ("P", "E P̂"), ("N0", "E g_0 g_0ᵀ"), ("N1", "E g_1 g_1ᵀ"),
        )),
    ]  # fmt: skip
    state = [
        Argument("Theta", "overlaps with one reference direction u, on the atom", vector("Theta")),
        Argument("q", "overlaps of the vectors on the atom", full("q")),
        Argument("m", "Θ(s)·c: overlaps with the cluster's centroid on the atom", vector("m")),
        Argument("t", "overlap of the centroid and u on the atom", symbol("t")),
        Argument("varsigma", "eigenvalue of the cluster on the atom", varsigma),
        Argument("mass", "share p_s of the atom", mass),
    ]
    training = [Argument("eta", "learning rate", eta)]
    if system.optimiser is None:
        training += [Argument("weight_decay", "λ", lam), Argument("rho", "rates of the vectors", tuple(system.rates))]
    drift = tuple(tuple(system.gram_drift[min(i, j), max(i, j)] for j in square) for i in square)
    return Function(
        "drift",
        "dΘ(s)/dτ and dq(s)/dτ of one atom and one cluster; average over clusters with their weights.",
        (*moments, *state, *training), (), (("dTheta", tuple(system.theta_drift)), ("dq", drift)),
    )  # fmt: skip


def _identifier(name: str) -> str:
    plain = re.sub(r"\W", "_", name)
    return plain if plain and not plain[0].isdigit() else f"x{plain}"


class _C(C99CodePrinter):
    def _print_Heaviside(self, expr: sympy.Heaviside) -> str:
        return f"({self._print(expr.args[0])} > 0 ? 1.0 : 0.0)"


def _python(printer: type[SciPyPrinter]) -> Callable[[sympy.Expr], str]:
    shown = printer({"fully_qualified_modules": True})

    def code(expression: sympy.Expr) -> str:
        text = shown.doprint(expression)
        for long, short in (
            ("scipy.constants.pi", "np.pi"),
            ("jax.numpy.", "jnp."),
            ("jax.scipy.", "jsp."),
            ("numpy.", "np."),
            ("scipy.special.", "sp."),
        ):
            text = text.replace(long, short)
        return str(text)

    return code


class _Jax(JaxPrinter):
    def _print_erf(self, expr: sympy.erf) -> str:
        return f"jax.scipy.special.erf({self._print(expr.args[0])})"


_CODE: Mapping[str, Callable[[sympy.Expr], str]] = {
    "numpy": _python(SciPyPrinter),
    "jax": _python(_Jax),
    "julia": lambda x: str(JuliaCodePrinter().doprint(x)),
    "mathematica": lambda x: str(MCodePrinter().doprint(x)),
    "c": lambda x: str(_C().doprint(x)),
}
_HEADS = {
    "numpy": "import numpy as np\nimport scipy.special as sp\n",
    "jax": "import jax.numpy as jnp\nimport jax.scipy as jsp\n",
    "julia": "",
    "mathematica": "",
    "c": "#include <math.h>\n",
}


def code(system: Equations, language: str) -> str:
    """The equations as source of a language; see the module.

    Parameters
    ----------
    system : Equations
    language : str
        One of `LANGUAGES`.

    Raises
    ------
    ValueError
        If the language is not known, or the activation is open.
    """
    if language not in LANGUAGES:
        raise ValueError(f"language = {language!r}: must be one of {', '.join(LANGUAGES)}")
    mark = {"numpy": "#", "jax": "#", "julia": "#", "c": "//", "mathematica": "(*"}[language]
    end = " *)" if language == "mathematica" else ""
    title = f"{mark} {system.denoiser.name}: derived by SymPy from the update rule; vectors {', '.join(system.denoiser.vectors)}{end}"
    parts = [title, _HEADS[language]]
    parts += [_WRITERS[language](f, _CODE[language]) for f in functions(system)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _names(f: Function, plain: str) -> dict[sympy.Symbol, sympy.Symbol]:
    """Every symbol of a function by an identifier that all languages take (``plain``: what joins its parts)."""
    found: set[sympy.Symbol] = {x for x, _ in f.between}
    for argument in f.arguments:
        found |= set(_flat(argument.symbols))
    used: set[str] = set()
    names: dict[sympy.Symbol, sympy.Symbol] = {}
    for x in sorted(found, key=str):
        name = _identifier(str(x)).replace("_", plain)
        name = {"lambda": "weight_decay".replace("_", plain), "I": "II", "E": "EE"}.get(name, name)
        while name in used:
            name += "x"
        used.add(name)
        names[x] = sympy.Symbol(name, real=True)
    return names


def _flat(symbols: object) -> list[sympy.Symbol]:
    return [y for x in symbols for y in _flat(x)] if isinstance(symbols, tuple) else [symbols]  # type: ignore[list-item]


def _entries(argument: Argument) -> list[tuple[tuple[int, ...], sympy.Symbol]]:
    """Places and symbols; of a symmetric matrix the upper half."""
    return [(place, x) for place, x in _result_entries(argument.symbols) if len(place) < 2 or place[0] <= place[1]]


def _result_entries(value: object) -> list[tuple[tuple[int, ...], sympy.Expr]]:
    if not isinstance(value, tuple):
        return [((), value)]  # type: ignore[list-item]
    if not isinstance(value[0], tuple):
        return [((i,), x) for i, x in enumerate(value)]
    return [((i, j), x) for i, row in enumerate(value) for j, x in enumerate(row)]


def _shape(rank: int) -> str:
    return ("number", "(p,)", "(p, p)")[rank]


def _write_python(f: Function, show: Callable[[sympy.Expr], str]) -> str:
    names = _names(f, "_")
    lines = [
        f"def {f.name}({', '.join(a.name for a in f.arguments)}):",
        f'    """{f.says}',
        "",
        "    Parameters",
        "    ----------",
    ]
    lines += [f"    {a.name} : {_shape(a.rank)}\n        {a.says}" for a in f.arguments]
    lines += ["", "    Returns", "    -------", f"    {', '.join(name for name, _ in f.results)}", '    """']
    for a in f.arguments:
        for place, x in _entries(a):
            right = a.name + "".join(f"[{i}]" for i in place)
            if str(names[x]) != right:
                lines.append(f"    {names[x]} = {right}")
    lines += [f"    {names[x]} = {show(value.xreplace(names))}" for x, value in f.between]
    array = "jnp.array" if "jnp" in show(sympy.tanh(sympy.Symbol("x"))) else "np.array"
    for name, value in f.results:
        entries = [show(sympy.sympify(x).xreplace(names)) for _, x in _result_entries(value)]
        if not isinstance(value, tuple):
            lines.append(f"    {name}_ = {entries[0]}")
        elif not isinstance(value[0], tuple):
            lines.append(f"    {name}_ = {array}([\n        " + ",\n        ".join(entries) + ",\n    ])")
        else:
            n = len(value)
            rows = ["[" + ",\n         ".join(entries[k * n : (k + 1) * n]) + "]" for k in range(n)]
            lines.append(f"    {name}_ = {array}([\n        " + ",\n        ".join(rows) + ",\n    ])")
    return "\n".join([*lines, f"    return {', '.join(f'{name}_' for name, _ in f.results)}"])


def _write_julia(f: Function, show: Callable[[sympy.Expr], str]) -> str:
    names = _names(f, "_")
    lines = ['"""', f.says, ""] + [f"- `{a.name}` {_shape(a.rank)}: {a.says}" for a in f.arguments]
    lines += [f"\nReturns `{', '.join(name for name, _ in f.results)}`.", '"""']
    lines.append(f"function {f.name}({', '.join(a.name for a in f.arguments)})")
    for a in f.arguments:
        for place, x in _entries(a):
            right = a.name + (f"[{', '.join(str(i + 1) for i in place)}]" if place else "")
            if str(names[x]) != right:
                lines.append(f"    {names[x]} = {right}")
    lines += [f"    {names[x]} = {show(value.xreplace(names))}" for x, value in f.between]
    for name, value in f.results:
        entries = [show(sympy.sympify(x).xreplace(names)) for _, x in _result_entries(value)]
        if not isinstance(value, tuple):
            lines.append(f"    {name}_ = {entries[0]}")
        elif not isinstance(value[0], tuple):
            lines.append(f"    {name}_ = [{', '.join(entries)}]")
        else:
            n = len(value)
            lines.append(
                f"    {name}_ = ["
                + "; ".join(" ".join(f"({e})" for e in entries[k * n : (k + 1) * n]) for k in range(n))
                + "]"
            )
    return "\n".join([*lines, f"    return {', '.join(f'{name}_' for name, _ in f.results)}", "end"])


def _write_mathematica(f: Function, show: Callable[[sympy.Expr], str]) -> str:
    names = _names(f, "")
    arguments = [a.name.replace("_", "") for a in f.arguments]
    renamed = [
        n if n not in {str(x) for x in names.values()} or a.rank == 0 else f"{n}Array"
        for n, a in zip(arguments, f.arguments, strict=True)
    ]
    lines = (
        [f"(* {f.says}"]
        + [f"   {n}, {_shape(a.rank)}: {a.says}" for n, a in zip(renamed, f.arguments, strict=True)]
        + ["*)"]
    )
    local, body = [], []
    for n, a in zip(renamed, f.arguments, strict=True):
        for place, x in _entries(a):
            if place or str(names[x]) != n:
                local.append(str(names[x]))
                body.append(f"  {names[x]} = {n}{'[[' + ', '.join(str(i + 1) for i in place) + ']]' if place else ''};")
    for x, value in f.between:
        local.append(str(names[x]))
        body.append(f"  {names[x]} = {show(value.xreplace(names))};")

    def braces(value: object) -> str:
        if isinstance(value, tuple):
            return "{" + ", ".join(map(braces, value)) + "}"
        return show(sympy.sympify(value).xreplace(names))  # type: ignore[no-any-return]

    results = [braces(value) for _, value in f.results]
    end = results[0] if len(results) == 1 else "{" + ",\n   ".join(results) + "}"
    name = f"derived{f.name.capitalize()}"
    return "\n".join(
        [*lines, f"{name}[{', '.join(f'{n}_' for n in renamed)}] := Module[{{{', '.join(local)}}},", *body, f"  {end}]"]
    )


def _write_c(f: Function, show: Callable[[sympy.Expr], str]) -> str:
    names = _names(f, "_")
    inputs = [f"double {a.name}" if a.rank == 0 else f"const double *{a.name}_" for a in f.arguments]
    outputs = [f"double *{name}_" for name, _ in f.results]
    lines = [f"/* {f.says}"]
    lines += [f"   {a.name}{'_' if a.rank else ''}, {_shape(a.rank)}, row by row: {a.says}" for a in f.arguments]
    lines += [f"   {name}_: result, row by row" for name, _ in f.results] + ["*/"]
    lines.append(f"void derived_{f.name}({', '.join([*inputs, *outputs])})\n{{")
    for a in f.arguments:
        size = len(a.symbols) if a.rank else 1  # type: ignore[arg-type]
        for place, x in _entries(a):
            if place:
                at = place[0] if len(place) == 1 else place[0] * size + place[1]
                lines.append(f"    const double {names[x]} = {a.name}_[{at}];")
            elif str(names[x]) != a.name:
                lines.append(f"    const double {names[x]} = {a.name};")
    lines += [f"    const double {names[x]} = {show(value.xreplace(names))};" for x, value in f.between]
    for name, value in f.results:
        for k, (_, x) in enumerate(_result_entries(value)):
            lines.append(f"    {name}_[{k}] = {show(sympy.sympify(x).xreplace(names))};")
    return "\n".join([*lines, "}"])


_WRITERS: Mapping[str, Callable[[Function, Callable[[sympy.Expr], str]], str]] = {
    "numpy": _write_python,
    "jax": _write_python,
    "julia": _write_julia,
    "mathematica": _write_mathematica,
    "c": _write_c,
}
