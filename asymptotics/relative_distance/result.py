"""What the measurement says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..common.output.records import Record, Recorded
from ..common.output.results import dataframe

#: The distances, in order: training and generated, original and generated, training and original.
PAIRS = ("E_TG", "E_OG", "E_TO")


@dataclass(frozen=True)
class Estimate(Record):
    """One distance: its value (mean over data sets), standard error, and the logarithm of the value.

    ``value`` is None where it is outside the range of floating point or infinite, ``sem`` where there is none.
    """

    value: float | None
    sem: float | None
    log_value: float | None


@dataclass(frozen=True)
class RelativeDistance(Recorded):
    r"""Distances between the laws of training set, generated samples and original data.

    Parameters
    ----------
    E_TG, E_OG, E_TO : Estimate
        ∫(p − q)², the mean over coordinates (``density = "coordinates"``), or in all dimensions ("joint"). The error is that of the
        bootstrap for one data set, else the spread over data sets divided by the root of their number.
    generalises : bool
        E_OG < E_TG (of several data sets: of more than half of them).
    probability : float or None
        P(E_OG < E_TG) over data sets; None for one.
    interval : tuple of two floats, or None
        Wilson interval of one standard deviation.
    bootstrap_fraction : float or None
        Share of bootstrap draws with E_OG < E_TG.
    sets, dimension : int
    sizes : tuple of three ints
        Numbers of generated, training and original points (the first set's); 0 for a Gaussian.
    left_out : int
        Coordinates in which the original is constant: they have no density.
    density, kernel : str
    values : ndarray, shape (sets, 3)
        E_TG, E_OG, E_TO of every data set (logarithms where joint).
    notes : tuple of str
    """

    E_TG: Estimate
    E_OG: Estimate
    E_TO: Estimate
    generalises: bool
    probability: float | None
    interval: tuple[float, float] | None
    bootstrap_fraction: float | None
    sets: int
    dimension: int
    sizes: tuple[int, int, int]
    left_out: int
    density: str
    kernel: str
    values: np.ndarray
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "–" if value is None else f"{value:.6g}"

        g, t, o = (str(n) if n else "exact" for n in self.sizes)
        lines = [
            f"relative distance ({self.density}, kernel {self.kernel}), d = {self.dimension}: "
            f"generated {g}, training {t}, original {o}" + (f"; {self.sets} data sets" if self.sets > 1 else "")
        ]
        for name in PAIRS:
            e = getattr(self, name)
            lines.append(f"  {name}  {show(e.value)} ± {show(e.sem)}   ln {show(e.log_value)}")
        lines.append(
            f"  {'generalises' if self.generalises else 'memorises'}: E_OG {'<' if self.generalises else '>='} E_TG"
        )
        if self.probability is not None and self.interval is not None:
            lines.append(f"  P(E_OG < E_TG) = {self.probability:.4f}  [{self.interval[0]:.4f}, {self.interval[1]:.4f}]")
        if self.bootstrap_fraction is not None:
            lines.append(f"  in {self.bootstrap_fraction:.4f} of the bootstrap draws E_OG < E_TG")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])

    def to_dataframe(self) -> Any:
        """One row a data set as a pandas DataFrame (needs pandas)."""
        return dataframe({"set": np.arange(self.sets), **{n: self.values[:, k] for k, n in enumerate(PAIRS)}}, "set")
