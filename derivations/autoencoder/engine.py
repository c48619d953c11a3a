r"""The engine: a denoiser's update rule → potential → order-parameter equations, each step by SymPy.

Steps 1 and 2 of the chain are in `potential`, 3 and 4 in `update`:
for stacked weight vectors w_a ∈ R^d with local fields λ_{0a} = w_a·x₀/√d, λ_{1a} = w_a·x₁/√d,
ω_a = αλ_{0a} + βλ_{1a} and Gram matrix Q_ab = w_a·w_b/d:

1. loss of one sample = bulk(b) d + ℓ(λ, Q; b), by the inner-product table;
2. g_{ca} = −½ ∂ℓ/∂λ_{ca}, Hessians ∂g_{ca}/∂λ_{cb}, P_ab = −½ (1 + δ_ab) ∂ℓ/∂Q_ab;
3. one SGD step changes the overlaps by (2η/d) × an increment, computed again by the inner-product table;
4. Stein's lemma turns its average into A, B(ς), N(ς) and the equations of Θ(s), q(s), b and the scalars κ.

Source: H. Cui, C. Pehlevan, Y. M. Lu, arXiv 2501.03937; the method of Saad and Solla (1995) for any potential ℓ.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property, lru_cache

from ..steps import Derivation, Derived
from .network.denoiser import Denoiser
from .printed import export, report
from .training.optimiser import Optimiser
from .training.update import Equations


class System(Derived, Equations):
    """The order-parameter equations of a denoiser; prints its derivation.

    Every attribute is a SymPy expression, or a list of them, in the symbols of `names`; `denoiser` is where they come from.
    Index a runs over stacked vectors (p of them), j over decoder vectors, c ∈ {0, 1} over channels.
    """

    def __repr__(self) -> str:
        of = self.denoiser
        lines = [f"System {of.name!r}: {of}", f"  vectors: {', '.join(of.vectors)}"]
        for field in dataclasses.fields(of):
            value = getattr(of, field.name)
            if field.name not in ("name", "vectors", "terms") and value != field.default:
                lines.append(f"  {field.name}: {', '.join(map(str, value)) if isinstance(value, tuple) else value}")
        if self.optimiser is not None:
            lines.append(f"  optimiser: {self.optimiser}")
        return "\n".join([*lines, "  print(system) shows its derivation; .latex(), .report(file), .code(language)"])

    @cached_property
    def derivation(self) -> Derivation:
        """The printable derivation."""
        return report.derivation(self)

    def code(self, language: str) -> str:
        """The potential, the moments' integrands and the drift as readable source: numpy, jax, julia, mathematica or c.

        Raises
        ------
        ValueError
            If the language is not one of these, or the activation is open.
        """
        return export.code(self, language)


@lru_cache(maxsize=64)
def derive(denoiser: Denoiser, optimiser: Optimiser | None = None) -> System:
    """The order-parameter equations of a denoiser.

    Parameters
    ----------
    denoiser : Denoiser
        Its activation may be open (σ unspecified): the equations then hold for any activation.
    optimiser : Optimiser, optional
        What moves its vectors. Default: SGD with weight decay and a rate for each vector.

    Returns
    -------
    System
        Prints its derivation; `asymptotics` solves and simulates it.
    """
    if optimiser is not None:
        optimiser.matrices(denoiser.vectors)
    return System(denoiser, optimiser)
