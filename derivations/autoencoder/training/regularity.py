"""Where quadrature over the fields has to look: the nearest singularity of a smooth φ, the breaks of a piecewise polynomial one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import sympy

if TYPE_CHECKING:
    from .update import Equations

#: Distance from the real axis of the nearest singularity of a function, and the order of its pole (0: a logarithm).
SINGULARITIES = {
    "tanh": (math.pi / 2, 1),
    "sech": (math.pi / 2, 1),
    "cosh": (math.pi / 2, 1),
    "sigmoid": (math.pi, 1),
    "Softplus": (math.pi, 0),
    "atan": (1.0, 0),
    "asinh": (1.0, 0),
}
#: Entire: the first by a Gaussian factor e^{−x²}, the others of exponential type.
ENTIRE = {"erf": 1.0, "erfc": 1.0, "sin": 0.0, "cos": 0.0, "sinh": 0.0, "exp": 0.0}
#: What an unknown function is taken for; the quadrature checks itself.
UNKNOWN = (math.pi / 2, 6.0, 0.0)


def _steepness(argument: sympy.Expr, fields: tuple[sympy.Symbol, ...]) -> float | None:
    """Largest |∂argument/∂field|, None where it is no number."""
    slopes = [argument.diff(x) for x in fields]
    if any(s.free_symbols for s in slopes):
        return None
    return max((abs(float(s)) for s in slopes), default=0.0)


def nearest_singularity(system: Equations) -> tuple[float, float, float]:
    """Distance and order of the nearest singularity of what is averaged, in units of the fields; g of its Gaussian factors.

    With a pole of order q in φ the integrands (products of two g's, each with φ' and φ) have one of order 4q + 2.
    """
    fields = tuple(system.fields)
    distance, order, gaussian = math.inf, 0.0, 0.0
    for phi in system.denoiser.phi:
        for atom in phi.atoms(sympy.Function):
            steepness = _steepness(atom.args[0], fields) if atom.args else 0.0
            name = type(atom).__name__
            if steepness == 0.0:
                continue
            if steepness is None:
                # Scaled by what moves (a trained scalar, the time) or not affine: as steep as 1.
                steepness = 1.0
            if name in SINGULARITIES:
                place, power = SINGULARITIES[name]
                if place / steepness < distance:
                    distance, order = place / steepness, 4.0 * power + 2.0
            elif name in ENTIRE:
                gaussian = max(gaussian, 2.0 * ENTIRE[name] * steepness**2)
            else:
                return UNKNOWN
        if any(power.exp.is_negative and power.base.has(*fields) for power in phi.atoms(sympy.Pow)):
            inner = [x for power in phi.atoms(sympy.Pow) if power.exp.is_negative for x in power.base.atoms(sympy.exp)]
            if not inner:
                return UNKNOWN
            distance, order = min(distance, math.pi), max(order, 6.0)
    if math.isinf(distance):
        return 0.0, 1.0, gaussian
    return distance, order, gaussian


def single_breaks(system: Equations) -> dict[int, sympy.Expr] | None:
    """Where each encoder's field has its break, if φ is polynomial between breaks that are one field's own each; else None.

    Fields without a break are not in the answer; the place is an expression in scalars, times and labels.
    """
    fields = list(system.fields)
    found: dict[int, sympy.Expr] = {}
    for phi in system.denoiser.phi:
        steps = phi.atoms(sympy.Heaviside)
        dummies = {step: sympy.Dummy() for step in steps}
        if not phi.xreplace(dummies).is_polynomial(*fields):
            return None
        for step in steps:
            u = step.args[0]
            own = [x for x in fields if u.has(x)]
            if not own:
                continue
            if len(own) > 1 or sympy.Poly(u, own[0]).degree() != 1:
                return None
            place = sympy.solve(u, own[0])[0]
            a = fields.index(own[0])
            if found.setdefault(a, place) != place:
                return None
    return found
