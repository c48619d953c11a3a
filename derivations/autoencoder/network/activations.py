"""Activations as functions of x, and forms of them that do not overflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sympy

from .catalogue import FORMULAE

if TYPE_CHECKING:
    from sympy.printing.codeprinter import CodePrinter

#: The activation while it is unspecified.
sigma = sympy.Function("sigma")
_x = sympy.Symbol("x", real=True)


class Softplus(sympy.Function):
    """log(1 + e^x), kept whole so that code for it does not overflow; its derivative is the sigmoid."""

    nargs = 1
    is_real = True

    def fdiff(self, argindex: int = 1) -> sympy.Expr:
        return sigmoid(self.args[0])

    def doit(self, **hints: Any) -> sympy.Expr:
        return self.func(*[a.doit(**hints) for a in self.args]) if hints.get("deep", True) else self

    def rewrite(self, *args: Any, **hints: Any) -> sympy.Expr:
        """``rewrite(sympy.exp)`` gives the elementary form."""
        if args and args[-1] is sympy.exp:
            return sympy.log(1 + sympy.exp(self.args[0]))
        return super().rewrite(*args, **hints)

    def _eval_evalf(self, prec: int) -> sympy.Expr:
        return sympy.log(1 + sympy.exp(self.args[0]))._eval_evalf(prec)

    def _pythoncode(self, printer: CodePrinter) -> str:
        x = printer._print(self.args[0])
        log1p, exp = (printer._module_format(f"math.{name}") for name in ("log1p", "exp"))
        return f"(max({x}, 0.0) + {log1p}({exp}(-abs({x}))))"

    def _numpycode(self, printer: CodePrinter) -> str:
        return f"{printer._module_format('numpy.logaddexp')}(0.0, {printer._print(self.args[0])})"


def sigmoid(x: sympy.Expr) -> sympy.Expr:
    """1/(1 + e^{−x}) = (1 + tanh(x/2))/2: all its derivatives are polynomials in tanh, so none overflows."""
    return (1 + sympy.tanh(x / 2)) / 2


def stable(expression: sympy.Expr) -> sympy.Expr:
    """The same function with log(1 + e^u) and ratios of exponentials in forms that do not overflow.

    e^{ku}/(1 + e^u)^n with 0 ≤ k ≤ n is a product of sigmoids; c₁e^a + c₂e^b + … below a fraction first gives off its first
    term, so that a softmax gate of two is a sigmoid and tanh by exponentials is tanh.
    """
    if not expression.has(sympy.exp):
        return expression
    u = sympy.Wild("u", exclude=[0])
    expression = expression.replace(sympy.log(1 + sympy.exp(u)), lambda u: Softplus(u))
    expression = expression.replace(lambda e: e.func is sympy.log and e.args[0].is_Add, _log_of_sum)

    def fraction(product: sympy.Expr) -> sympy.Expr:
        factors = [f for factor in sympy.Mul.make_args(product) for f in _one_of_sum(factor)]
        for factor in list(factors):
            base, power = factor.as_base_exp()
            found = base.match(1 + sympy.exp(u))
            if found is None or not (power.is_Integer and power < 0):
                continue
            argument, n = found[u], -int(power)
            rest = sympy.Mul(*[f for f in factors if f is not factor])
            sigmoids = [_sigmoids(t, argument, n) for t in sympy.Add.make_args(_distributed(rest))]
            if any(t is None for t in sigmoids):
                continue
            return sympy.expand(sympy.Add(*sigmoids)) if len(sigmoids) > 1 else sigmoids[0]
        return sympy.Mul(*factors)

    # Products first: a power taken out of its product would leave an exponential behind.
    return expression.replace(lambda e: e.is_Mul, fraction).replace(lambda e: e.is_Pow, fraction)


def _log_of_sum(log: sympy.Expr) -> sympy.Expr:
    """log(c₁e^a + c₂e^b) = log c₁ + a + softplus(b − a + log(c₂/c₁))."""
    factors = _one_of_sum(1 / log.args[0])
    found = (1 / factors[-1]).match(1 + sympy.exp(sympy.Wild("u", exclude=[0])))
    if len(factors) != 3 or not found:
        return log
    return -sympy.log(factors[0]) - sympy.log(factors[1]) + Softplus(*found.values())


def _one_of_sum(factor: sympy.Expr) -> list[sympy.Expr]:
    """(c₁e^a + c₂e^b + …)^{−n} as c₁^{−n} e^{−na} (1 + (c₂/c₁) e^{b−a} + …)^{−n}."""
    base, power = factor.as_base_exp()
    parts = sorted(sympy.Add.make_args(base), key=sympy.default_sort_key)
    if not (power.is_Integer and power < 0) or len(parts) < 2 or sympy.Integer(1) in parts:
        return [factor]
    split = [part.as_coeff_Mul() for part in parts]
    if not all(c > 0 and (e.func is sympy.exp or e == 1) for c, e in split):
        return [factor]
    exponents = [sympy.expand(e.args[0]) if e.func is sympy.exp else sympy.Integer(0) for _, e in split]
    (c, _), a = split[0], exponents[0]
    others = [sympy.exp(x - a + sympy.log(k / c)) for (k, _), x in zip(split[1:], exponents[1:], strict=True)]
    return [c**power, sympy.exp(sympy.expand(power * a)), (1 + sympy.Add(*others)) ** power]


def _distributed(product: sympy.Expr) -> sympy.Expr:
    """A product with its sums of exponentials multiplied out."""
    return sympy.expand_mul(product) if any(f.is_Add and f.has(sympy.exp) for f in product.args) else product


def _sigmoids(term: sympy.Expr, argument: sympy.Expr, n: int) -> sympy.Expr | None:
    """term/(1 + e^argument)^n by sigmoids, for a term with e^{k argument}, 0 ≤ k ≤ n; None for others."""
    factors = list(sympy.Mul.make_args(term))
    powers = [f for f in factors if f.func is sympy.exp]
    k = sympy.cancel(sympy.expand(sympy.Add(*[f.args[0] for f in powers])) / argument)
    if not (k.is_Integer and 0 <= k <= n):
        powers = [f for f in powers if sympy.expand(f.args[0] / argument).is_Integer]
        k = sympy.expand(sympy.Add(*[f.args[0] for f in powers]) / argument)
        if not (k.is_Integer and 0 <= k <= n):
            return None
    rest = [f for f in factors if f not in powers]
    return sympy.Mul(*rest, sigmoid(argument) ** k, sigmoid(-argument) ** (n - k))


#: Named activations as functions of x.
ACTIVATIONS: dict[str, sympy.Expr] = {
    name: sympy.sympify(text, {"x": _x, "softplus": Softplus, "sigmoid": sigmoid}) for name, text in FORMULAE.items()
}


def activation_expression(activation: str | sympy.Expr) -> sympy.Expr:
    """σ(x) for a named activation, or the expression itself after a check of its symbols."""
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"activation = {activation!r}: must be one of {', '.join(ACTIVATIONS)} or an expression in x"
            )
        return ACTIVATIONS[activation]
    expression = sympy.sympify(activation)
    if expression.free_symbols - {_x}:
        raise ValueError(f"activation = {expression}: must be a function of Symbol('x', real=True) alone")
    return stable(expression)


def apply_activation(expression: sympy.Basic, activation: str | sympy.Expr) -> Any:
    """Replace the open σ (and its derivatives) in any expression by a chosen activation."""
    chosen = sympy.Lambda(_x, activation_expression(activation))
    return expression.subs(sigma, chosen).doit()
