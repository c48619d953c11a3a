"""What a unit of the objective is worth in everything that the drift reads of a problem."""

from __future__ import annotations

import numpy as np

from ..equations.derivative.coefficients import Coefficients

#: Of the times of E_t at one τ (`Instant`), which may move.
INSTANT = ("told", "fixed", "psi")


def smooth_values(given: Coefficients) -> dict[str, np.ndarray]:
    """Everything in a problem's coefficients that the drift depends on smoothly, by name.

    ``first``, ``second``, ``told``, ``fixed``, ``psi``, ``decay`` of the times · ``pi``, ``c``, ``varsigma``, ``mass``, ``T``, ``t``,
    ``Lambda`` of the target · ``eta``, ``rho``, ``rho_b`` · ``factor`` 1/(1 − β_m), ``friction``, ``gain``, and ``average`` (γ, or the
    power k, of every average) of the optimiser.
    """
    of, now = given.optimiser, given.start
    averages = [a.gamma if a.gamma is not None else float(a.power or 0.0) for a in of.averages]
    values = {
        "first": now.first, "second": now.second, "told": now.told, "fixed": now.fixed, "psi": now.psi, "decay": now.decay,
        "pi": given.pi, "c": given.c, "varsigma": given.varsigma, "mass": given.mass, "T": given.T, "t": given.t,
        "Lambda": given.Lambda, "eta": given.eta, "rho": of.rho, "rho_b": given.rho_b, "factor": of.momentum.factor,
        "friction": float(of.momentum.friction or 0.0), "gain": of.momentum.gain, "average": averages,
    }  # fmt: skip
    return {name: np.atleast_1d(np.asarray(value, dtype=np.float64)) for name, value in values.items()}


class Worths(dict[str, np.ndarray]):
    """Derivatives of the objective by the entries of `smooth_values`, summed over the training; ``scale`` is by s(τ)."""

    @classmethod
    def zeros(cls, given: Coefficients) -> Worths:
        """Nothing yet."""
        made = cls({name: np.zeros(value.shape) for name, value in smooth_values(given).items()})
        made["scale"] = np.zeros(1)
        return made

    def wipe(self) -> None:
        """Back to nothing."""
        for value in self.values():
            value[...] = 0.0

    def of_change(self, rates: dict[str, np.ndarray]) -> float:
        """The objective's rate where the coefficients change at these rates."""
        return float(sum(np.vdot(self[name], rate) for name, rate in rates.items()))
