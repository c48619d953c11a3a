"""What a control is along the horizon: constant on equal pieces, or a cubic spline whose pieces join with two derivatives.

u(x) = Σ_j c_j B_j(x), x the share of the horizon, with B_j ≥ 0 and Σ_j B_j = 1 everywhere: bounds on the coefficients c_j, or a sum of
one, hold for u at every x and not at knots alone. (A spline may be within its bounds with coefficients that are not; such are not
looked at. As pieces get finer nothing is lost.)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

#: Kinds, and the pieces that a control has unless said otherwise.
PIECES = {"constant": 100, "spline": 12}
#: Degree of splines.
DEGREE = 3


@lru_cache(maxsize=32)
def _knots(pieces: int) -> np.ndarray:
    """Of the splines: those of the pieces, the ends four times."""
    return np.concatenate([np.zeros(DEGREE), np.linspace(0.0, 1.0, pieces + 1), np.ones(DEGREE)])


@dataclass(frozen=True)
class Basis:
    """The functions B_j of one control.

    Attributes
    ----------
    kind : {"constant", "spline"}
    pieces : int
        Equal parts of the horizon.
    """

    kind: str
    pieces: int

    @property
    def count(self) -> int:
        """Number of coefficients."""
        return self.pieces + (DEGREE if self.kind == "spline" else 0)

    @property
    def areas(self) -> np.ndarray:
        """∫ B_j dx over the horizon, (count,); their sum is one."""
        if self.kind == "constant":
            return np.full(self.pieces, 1.0 / self.pieces)
        knots = _knots(self.pieces)
        return np.asarray((knots[DEGREE + 1 :] - knots[: -DEGREE - 1]) / (DEGREE + 1))

    @property
    def centres(self) -> np.ndarray:
        """Where each coefficient is felt most, (count,): middles of pieces, or the places at which c_j = x_j makes u(x) = x."""
        if self.kind == "constant":
            return (np.arange(self.pieces) + 0.5) / self.pieces
        knots = _knots(self.pieces)
        return np.array([knots[j + 1 : j + 1 + DEGREE].mean() for j in range(self.count)])

    def place(self, x: float) -> int:
        """The piece that x is in."""
        return min(max(int(x * self.pieces), 0), self.pieces - 1)

    def row(self, x: float) -> np.ndarray:
        """B_j(x), (count,)."""
        out = np.zeros(self.count)
        k = self.place(x)
        if self.kind == "constant":
            out[k] = 1.0
            return out
        # Cox and de Boor's recursion on the piece [t_k, t_{k+1}) of the padded knots.
        knots, k = _knots(self.pieces), k + DEGREE
        values = np.ones(1)
        for degree in range(1, DEGREE + 1):
            left = knots[k - degree + 1 : k + 1]
            right = knots[k + 1 : k + 1 + degree]
            part = values / (right - left)
            values = np.append((right - x) * part, 0.0) + np.append(0.0, (x - left) * part)
        out[k - DEGREE : k + 1] = values
        return out

    def rows(self, x: np.ndarray) -> np.ndarray:
        """B_j at several x, (len(x), count)."""
        return np.array([self.row(float(a)) for a in x]).reshape(len(x), self.count)
