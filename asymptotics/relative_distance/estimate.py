r"""E_TG, E_OG and E_TO of samples from any model, with errors: does it generalise, E_OG < E_TG?

References
----------
Halder 2024 (arXiv 2411.17807), definitions (3.6) and (4.1).
"""

from __future__ import annotations

import math

import numpy as np

from ..common.input.checks import InputError, choice, integer, number
from ..common.numerics.distances.coordinate_densities import Density, Gaussian, squared_distances
from ..common.numerics.distances.joint_densities import Kernels, Law, LogDistances, log_distances
from ..common.numerics.distances.pair_sums import kernel_variance
from ..common.output.ensemble import wilson_interval
from .result import PAIRS, Estimate, RelativeDistance
from .samples import KERNELS, Given, data_sets, stacked

#: Places of generated, training and original in the pairs.
INDICES = ((1, 0), (2, 0), (1, 2))
DENSITIES = ("coordinates", "joint")
#: Points whose pairs are summed in the joint density.
MOST_POINTS = 50_000


def _dimension(law: np.ndarray | Gaussian) -> int:
    return len(law.mean) if isinstance(law, Gaussian) else int(law.shape[1])


def memorisation(
    generated: Given,
    training: Given,
    original: Given,
    *,
    density: str = "coordinates",
    kernel: str | float = "optimal",
    bootstrap: int = 100,
    seed: int = 0,
    sets: bool = False,
) -> RelativeDistance:
    r"""The relative distance of what a model generates: nearer to the original law, or to the training set?

    .. math:: E_{XY} = \frac1d \sum_k \int (p_X^{(k)}(x) - p_Y^{(k)}(x))^2 dx, \qquad
              \text{generalises} \iff E_{OG} < E_{TG}.

    Parameters
    ----------
    generated, training, original : array, file, `asymptotics.tools.Gaussian`, or a list of these
        Samples (n, …), flattened to (n, d); a ``.npy`` file of such; or a Gaussian law that is known exactly (not the training
        set). Lists of arrays are data sets: one model trained and sampled for each; one original may serve all.
    density : {"coordinates", "joint"}
        Densities of single coordinates, averaged over these; or in all d dimensions, for which ``generated`` is best a Gaussian.
    kernel : {"optimal", "scott"} or float
        Kernel width of each set in units of the original's standard deviation of each coordinate: (4/3n)^{1/5}, the best for a
        Gaussian (source, (2.11) at d = 1); n^{−1/5}; or a number for all sets. The joint density has h² = σ²n^{−2/d} (source, (2.10)),
        or the square of a number times σ², σ² the mean variance of the original.
    bootstrap : int
        Draws of the bootstrap, for one data set with densities of coordinates; 0: no errors.
    seed : int
    sets : bool
        The first axis of ``generated`` and ``training`` counts data sets (sets, n, …); that of ``original`` too, if it has as many axes.

    Returns
    -------
    RelativeDistance

    Raises
    ------
    InputError
        For samples of different dimensions, too few, or not finite; for an original that is constant in all coordinates.

    Notes
    -----
    Kernel estimates hold their points, so that E of two samples of one law is not 0 but about Σ 1/(2√π h n). Where two densities are
    equal the bootstrap's error is too large, by √3 at most.

    References
    ----------
    Halder 2024 (arXiv 2411.17807), definitions (3.6) and (4.1).
    """
    choice("density", density, DENSITIES)
    if isinstance(kernel, str):
        choice("kernel", kernel, KERNELS)
    else:
        number("kernel", kernel, above=0)
    draws = integer("bootstrap", bootstrap, at_least=0, at_most=100_000)
    integer("seed", seed, at_least=0)
    named = {"generated": generated, "training": training, "original": original}
    if sets:
        given = {name: stacked(name, value, 3) for name, value in named.items()}
    else:
        given = {name: data_sets(name, value) for name, value in named.items()}
    count = max(map(len, given.values()))
    d = _dimension(given["training"][0])
    for name, laws in given.items():
        if len(laws) not in ((1, count) if name == "original" else (count,)):
            raise InputError(f"{name}: {len(laws)} data sets where the others have {count}")
        for law in laws:
            if _dimension(law) != d:
                raise InputError(f"{name}: of dimension {_dimension(law)}, the training set of {d}")
    if any(isinstance(law, Gaussian) for law in given["training"]):
        raise InputError("training: must be samples; a Gaussian is no training set")
    originals = given["original"] * (count if len(given["original"]) == 1 else 1)
    rows, generalising, spreads, fraction = [], [], None, None
    notes: list[str] = []
    left_out = 0
    for k in range(count):
        three: Laws = (given["generated"][k], given["training"][k], originals[k])
        if density == "joint":
            found = _joint(three, kernel)
            rows.append([getattr(found, f"log_{name}") for name in PAIRS])
            generalising.append(found.generalises)
            continue
        with_draws = draws if count == 1 else 0
        values, left_out = _coordinates(three, kernel, with_draws, seed)
        rows.append(values[0].tolist())
        generalising.append(bool(values[0, 1] < values[0, 0]))
        if with_draws > 1:
            spreads = values[1:].std(axis=0, ddof=1)
            fraction = float(np.mean(values[1:, 1] < values[1:, 0]))
    if left_out:
        notes.append(f"{left_out} of {d} coordinates are left out: the original is constant there")
    table = np.array(rows, dtype=float)
    if density == "joint" and count == 1:
        notes.append(
            "sem: the joint density of one data set has none (copies of points in a bootstrap would add to its self-overlaps)"
        )
    estimates = {
        name: _estimate(table[:, k], density == "joint", None if spreads is None else float(spreads[k]))
        for k, name in enumerate(PAIRS)
    }
    notes += [
        f"{name}: infinite or outside the range of floating point; see log_value"
        for name, estimate in estimates.items()
        if estimate.value is None
    ]
    probability = float(np.mean(generalising)) if count > 1 else None
    sizes = tuple(0 if isinstance(law, Gaussian) else len(law) for law in three)
    return RelativeDistance(
        **estimates,
        generalises=bool(np.mean(generalising) > 0.5),
        probability=probability,
        interval=None if probability is None else wilson_interval(probability, count),
        bootstrap_fraction=fraction,
        sets=count,
        dimension=d,
        sizes=(sizes[0], sizes[1], sizes[2]),
        left_out=left_out,
        density=density,
        kernel=kernel if isinstance(kernel, str) else f"{float(kernel):g}",
        values=table,
        notes=tuple(notes),
    )


Laws = tuple[np.ndarray | Gaussian, np.ndarray | Gaussian, np.ndarray | Gaussian]


def _scale(original: np.ndarray | Gaussian) -> np.ndarray:
    """Standard deviation of every coordinate of the original; rounding counts as none."""
    if isinstance(original, Gaussian):
        return np.sqrt(np.maximum(np.diag(original.covariance), 0.0))
    spread = original.std(axis=0)
    return np.where(spread > 1e-12 * np.abs(original).max(axis=0), spread, 0.0)


def _coordinates(laws: Laws, kernel: str | float, draws: int, seed: int) -> tuple[np.ndarray, int]:
    """E of the three pairs (first row) and of bootstrap draws; number of coordinates left out."""
    scale = _scale(laws[2])
    keep = np.flatnonzero(scale > 0)
    if not keep.size:
        raise InputError("original: is constant in all coordinates; it has no density")
    densities = []
    for law in laws:
        n = 1 if isinstance(law, Gaussian) else len(law)
        width = (
            {"optimal": (4 / (3 * n)) ** 0.2, "scott": n**-0.2}[kernel] if isinstance(kernel, str) else float(kernel)
        )
        if isinstance(law, Gaussian):
            part: np.ndarray | Gaussian = Gaussian(law.mean[keep], law.covariance[np.ix_(keep, keep)])
        else:
            part = law[:, keep]
        densities.append(Density.of(part, scale[keep], width))
    return squared_distances(densities, INDICES, draws=draws, seed=seed), int(len(scale) - len(keep))


def _joint(laws: Laws, kernel: str | float) -> LogDistances:
    """Logarithms of E in all dimensions."""
    variance = float(np.mean(_scale(laws[2]) ** 2))
    if variance == 0:
        raise InputError("original: is constant; it has no density")
    densities: list[Law] = []
    for law in laws:
        if isinstance(law, Gaussian):
            densities.append(law)
            continue
        if len(law) > MOST_POINTS:
            raise InputError(f"{len(law)} points are too many for the joint density (at most {MOST_POINTS})")
        h2 = kernel_variance(*law.shape) if isinstance(kernel, str) else float(kernel) ** 2
        densities.append(Kernels(law, variance * h2))
    return log_distances(*densities)


def _estimate(values: np.ndarray, logarithms: bool, spread: float | None) -> Estimate:
    """Mean over data sets and its standard error."""
    if len(values) > 1:
        # Logarithms far below the range of floating point have a mean all the same.
        top = float(values.max()) if logarithms else 0.0
        if not math.isfinite(top):
            return Estimate(None, None, None)
        plain = np.exp(values - top) if logarithms else values
        mean, sem = float(plain.mean()), float(plain.std(ddof=1) / math.sqrt(len(plain)))
        logged = top + math.log(mean) if mean > 0 else None
        unit = math.exp(top) if -700 < top < 700 else None
        return Estimate(None if unit is None else mean * unit, None if unit is None else sem * unit, logged)
    value = float(values[0])
    if logarithms:
        fits = -708 < value < 709
        return Estimate(
            math.exp(value) if fits else 0.0 if value == -math.inf else None,
            None,
            value if math.isfinite(value) else None,
        )
    return Estimate(value, spread, math.log(value) if value > 0 else None)
