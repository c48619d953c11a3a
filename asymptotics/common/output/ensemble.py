"""Independent runs: arrays with a row a run, their means and standard errors, and two such ensembles at different d."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from ..input.renamed import say_renamed
from .results import Result, dataframe, to_builtin


def spread(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Standard deviation over independent runs along an axis; one run has none (NaN)."""
    if values.shape[axis] > 1:
        return np.asarray(values.std(axis=axis, ddof=1))
    return np.full(np.delete(values.shape, axis), np.nan)


def standard_error(values: np.ndarray, axis: int = 0) -> np.ndarray:
    """Standard error of the mean over independent runs along an axis; of one run NaN."""
    return np.asarray(spread(values, axis) / np.sqrt(values.shape[axis]))


def wilson_interval(probability: float, runs: int, deviations: float = 1.0) -> tuple[float, float]:
    """Wilson's score interval of a binomial fraction, ``deviations`` standard deviations to each side."""
    z2 = deviations**2
    centre = (probability + 0.5 * z2 / runs) / (1.0 + z2 / runs)
    half = deviations / (1.0 + z2 / runs) * math.sqrt(probability * (1.0 - probability) / runs + 0.25 * z2 / runs**2)
    return max(0.0, centre - half), min(1.0, centre + half)


@dataclasses.dataclass(frozen=True, eq=False)
class Ensemble:
    """Independent runs at one dimension.

    Parameters
    ----------
    arrays : mapping
        What was measured, (runs, ...) by name.
    dimension : int
    """

    arrays: Mapping[str, np.ndarray]
    dimension: int

    @classmethod
    def of(cls, results: Sequence[Mapping[str, Any]], dimension: int, names: Iterable[str]) -> Self:
        """From what every run gave, by name."""
        return cls({name: np.stack([result[name] for result in results]) for name in names}, dimension)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def runs(self) -> int:
        """Number of runs; 0 where there is no such ensemble."""
        return len(next(iter(self.arrays.values())))

    def mean(self, name: str) -> np.ndarray:
        """Mean over runs."""
        return np.asarray(self[name].mean(axis=0))

    def std(self, name: str) -> np.ndarray:
        """Standard deviation over runs."""
        return spread(self[name])

    def sem(self, name: str) -> np.ndarray:
        """Standard error of the mean over runs."""
        return standard_error(self[name])

    def take(self, part: slice, dimension: int | None = None) -> Self:
        """Some of the runs."""
        arrays = {name: values[part] for name, values in self.arrays.items()}
        return type(self)(arrays, self.dimension if dimension is None else dimension)


class PerRun:
    """Mix-in of a result whose arrays have a row a run; what else `values` takes, its statistics take too."""

    def values(self, name: str) -> np.ndarray:
        """A quantity of every run, (runs, ...)."""
        return np.asarray(getattr(self, name))

    def mean(self, name: str, *of: bool, **named: bool) -> np.ndarray:
        """Mean over runs."""
        return np.asarray(self.values(name, *of, **named).mean(axis=0))

    def std(self, name: str, *of: bool, **named: bool) -> np.ndarray:
        """Standard deviation over runs; NaN of a single run."""
        return spread(self.values(name, *of, **named))

    def sem(self, name: str, *of: bool, **named: bool) -> np.ndarray:
        """Standard error of the mean over runs; NaN of a single run."""
        return standard_error(self.values(name, *of, **named))

    def statistics(self, names: Sequence[str], *of: bool, **named: bool) -> dict[str, dict[str, np.ndarray]]:
        """``mean`` and ``sem``, each by name."""
        kinds = {"mean": self.mean, "sem": self.sem}
        return {kind: {name: statistic(name, *of, **named) for name in names} for kind, statistic in kinds.items()}

    def with_errors(self, names: Sequence[str], **columns: np.ndarray) -> Any:
        """Means and standard errors (``Q_12``, ``Q_sem_12``) along the first of ``columns`` as a pandas DataFrame."""
        shown: dict[str, Any] = dict(columns)
        for name in names:
            shown |= {name: self.mean(name), f"{name}_sem": self.sem(name)}
        return dataframe(shown, next(iter(columns)))


class ByName(Mapping[str, Any]):
    """A statistic of what has this name, ``runs.mean("test_loss")``, or ``runs.mean.test_loss`` in plain numbers.

    As the mapping that it was until 0.2 it warns.
    """

    def __init__(self, statistic: Callable[..., np.ndarray], names: Sequence[str]) -> None:
        self.statistic, self.names = statistic, names

    def __call__(self, name: str, *of: bool, **named: bool) -> np.ndarray:
        return self.statistic(name, *of, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.names:
            raise AttributeError(name)
        return to_builtin(self.statistic(name))

    def __getitem__(self, name: str) -> Any:
        if name not in self.names:
            raise KeyError(name)
        say_renamed(f"[{name!r}]", f"({name!r})")
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class Measured:
    """Attribute that is an array of an ensemble: named ``Q`` of the main one, named ``low_Q`` of the companion.

    A trailing underscore keeps a quantity apart from a method of that name.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.low, self.name = name.startswith("low_"), name.removeprefix("low_")

    def __get__(self, result: Ensembles | None, owner: type | None = None) -> np.ndarray:
        if result is None:
            raise AttributeError(self.name)  # the class itself has no arrays; dataclasses see no default
        return result.values(self.name, self.low)


@dataclasses.dataclass(frozen=True)
class Ensembles(PerRun, Result):
    """Runs at dimension d and, where the experiment has one, a companion ensemble at a lower dimension (else without runs).

    The companion is what the experiment itself says about its bias in 1/d. Stored is every array by its name, those of the
    companion with ``low_`` before it.

    Attributes
    ----------
    main, low : Ensemble
    seed : int
    seconds : float
    experiment : dict
        The tables that were simulated.
    """

    main: Ensemble
    low: Ensemble
    seed: int
    seconds: float
    experiment: dict[str, Any]

    #: What tables and JSON show.
    NAMES: ClassVar[tuple[str, ...]] = ()

    @property
    def runs(self) -> int:
        """Number of independent runs."""
        return self.main.runs

    @property
    def dimension(self) -> int:
        """d."""
        return self.main.dimension

    @property
    def low_dimension(self) -> int:
        """Dimension of the companion ensemble."""
        return self.low.dimension

    def values(self, name: str, low: bool = False) -> np.ndarray:
        """A quantity of every run, (runs, ...); ``low``: of the companion ensemble."""
        return (self.low if low else self.main)[name.removesuffix("_")]

    def take(self, main: slice, low: slice | None = None) -> Self:
        """Some of the runs; of the companion all, or some of it."""
        return dataclasses.replace(self, main=self.main.take(main), low=self.low if low is None else self.low.take(low))

    def alone(self) -> Self:
        """Without the companion ensemble."""
        return self.take(slice(None), slice(0))

    def _along(self) -> tuple[str, np.ndarray]:
        """Name and values of the axis after that of the runs."""
        raise NotImplementedError

    def to_dataframe(self) -> Any:
        """Means and standard errors as a pandas DataFrame, a row a time (``Q_12``, ``Q_sem_12``; needs pandas)."""
        axis, values = self._along()
        return self.with_errors(self.NAMES, **{axis: values})

    def _stored(self) -> dict[str, Any]:
        kept = self._kept()
        for prefix, ensemble in (("", kept.pop("main")), ("low_", kept.pop("low"))):
            kept[f"{prefix}dimension"] = ensemble.dimension
            # As the attribute is called: `mean` is a method.
            kept |= {f"{prefix}{name}{'_' * (name == 'mean')}": array for name, array in ensemble.arrays.items()}
        return kept

    @classmethod
    def _restored(cls, stored: dict[str, Any]) -> dict[str, Any]:
        own = {f.name for f in dataclasses.fields(cls)}
        dimensions = stored.pop("dimension"), stored.pop("low_dimension")
        arrays: tuple[dict[str, np.ndarray], ...] = ({}, {})
        for name in [name for name in stored if name not in own]:
            low = name.startswith("low_")
            arrays[low][name.removeprefix("low_").removesuffix("_")] = stored.pop(name)
        main, low_ = map(Ensemble, arrays, dimensions)
        return super()._restored(stored) | {"main": main, "low": low_}
