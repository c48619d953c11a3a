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
#: Not settling to a power of the field on both sides of the origin, but of this frequency.
OSCILLATING = ("sin", "cos")
#: What an unknown function is taken for; the quadrature checks itself.
UNKNOWN = (math.pi / 2, 6.0, 0.0, 0.0)
#: Scale on which an unknown function of a field varies about the origin.
ABOUT = 1.0
#: Most places of a field that are told apart.
PLACES = 4


def _steepness(argument: sympy.Expr, fields: tuple[sympy.Symbol, ...]) -> float | None:
    """Largest |∂argument/∂field|, None where it is no number."""
    slopes = [argument.diff(x) for x in fields]
    if any(s.free_symbols for s in slopes):
        return None
    return max((abs(float(s)) for s in slopes), default=0.0)


def nearest_singularity(system: Equations) -> tuple[float, float, float, float]:
    """Distance and order of the nearest singularity of what is averaged, in units of the fields; g of its Gaussian factors; its frequency.

    With a pole of order q in φ the integrands (products of two g's, each with φ' and φ) have one of order 4q + 2, and with an
    oscillation four times its frequency.
    """
    fields = tuple(system.fields)
    distance, order, gaussian, frequency = math.inf, 0.0, 0.0, 0.0
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
                frequency = max(frequency, 4.0 * steepness if name in OSCILLATING else 0.0)
            else:
                return UNKNOWN
        singular = [
            x for x in phi.atoms(sympy.Pow) if x.base.has(*fields) and (x.exp.is_negative or not x.exp.is_integer)
        ]
        if singular:
            if not any(power.base.atoms(sympy.exp) for power in singular):
                return UNKNOWN
            distance, order = min(distance, math.pi), max(order, 6.0)
    if math.isinf(distance):
        return 0.0, 1.0, gaussian, frequency
    return distance, order, gaussian, frequency


def centres(system: Equations) -> dict[int, list[tuple[sympy.Expr, sympy.Expr]]]:
    """Where in every encoder's field a smooth φ varies, and on what scale: of tanh(2ω + κ) at −κ/2, on the scale π/4.

    At most `PLACES` of a field; an argument of several fields says nothing.
    """
    found: dict[int, dict[sympy.Expr, sympy.Expr]] = {a: {} for a in system.denoiser.encoders}
    for phi in system.denoiser.phi:
        for atom in sorted(phi.atoms(sympy.Function), key=str):
            own = [a for a in found if atom.has(system.fields[a])]
            if len(own) != 1:
                continue
            field, places = system.fields[own[0]], found[own[0]]
            slope = sympy.diff(atom.args[0], field)
            if slope == 0 or slope.has(field):
                continue
            place = -atom.args[0].xreplace({field: sympy.Integer(0)}) / slope
            if place in places or len(places) < PLACES:
                scale, _ = SINGULARITIES.get(type(atom).__name__, (ABOUT, 0))
                scale = sympy.Float(scale) / sympy.Abs(slope)
                places[place] = sympy.Min(scale, places.get(place, scale))
    return {a: list(each.items()) or [(sympy.Integer(0), sympy.Float(ABOUT))] for a, each in found.items()}


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
