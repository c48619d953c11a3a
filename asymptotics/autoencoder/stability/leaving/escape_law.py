"""The law of the time at which a deviation that grows exponentially from Gaussian noise reaches a size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....common.output.records import Entries
from ...theory import solve
from .orbits import ROUGH, Lift, Orbits
from .saddle import Saddle, longer

#: Probabilities at which the law is tabulated.
LEVELS = (np.arange(400) + 0.5) / 400


#: Directions in a growing space of several dimensions (of two: equally spaced), and amplitudes for which orbits are integrated.
DIRECTIONS, AMPLITUDES = 48, 8


#: Draws of what scatters beside one growing overlap, each with both signs.
SIDES = 8


#: Runs are given this long beyond the last tabulated quantile, in units of 1/γ: e to minus this of the last have not escaped then.
LATE = 5.0


@dataclass(frozen=True)
class Times(Entries):
    """Measured escape times: those of runs that escaped in time.

    Attributes
    ----------
    mean, sem, std : float
        Mean, its standard error, standard deviation; not-a-number where too few escaped.
    runs, late : float
        How many runs there are, and how many had not escaped in time.
    """

    mean: float
    sem: float
    std: float
    runs: float
    late: float

    @classmethod
    def of(cls, times: np.ndarray) -> Times:
        """Of escape times (runs,), not-a-number where a run was late."""
        kept = times[np.isfinite(times)]
        std = float(kept.std(ddof=1)) if len(kept) > 1 else float("nan")
        sem = std / float(np.sqrt(max(len(kept), 1)))
        mean = float(kept.mean()) if len(kept) else float("nan")
        return cls(mean, sem, std, float(len(times)), float(len(times) - len(kept)))


@dataclass(frozen=True)
class Measured(Entries):
    """Escape times of the exact chain of the order parameters, and of SGD in R^d; None where not asked for."""

    chain: Times | None = None
    simulation: Times | None = None


def entries(saddle: Saddle) -> dict[str, float]:
    """The leading direction's entries above a hundredth of the largest, by name, of unit norm over (Θ, Q, b)."""
    theta, q, b, _ = saddle.flow.layout.unpack(saddle.right[:, 0])
    named = {f"Theta_{a + 1}{k + 1}": v for (a, k), v in np.ndenumerate(theta.sum(axis=0))}
    named |= {f"Q_{a + 1}{c + 1}": v for (a, c), v in np.ndenumerate(q.sum(axis=0)) if a <= c}
    named |= {"b" if np.ndim(b) == 0 else f"b_{k + 1}": float(v) for k, v in enumerate(np.atleast_1d(b))}
    norm = float(np.linalg.norm(list(named.values())))
    kept = {name: float(v) / norm for name, v in named.items() if abs(v) > 0.01 * norm}
    return dict(sorted(kept.items(), key=lambda item: -abs(item[1])))


def _gram(saddle: Saddle) -> np.ndarray:
    """Θ·Θ of the growing directions, (m, m)."""
    flat = saddle.theta.reshape(len(saddle.left), -1)
    return np.asarray(flat @ flat.T)


def _growth(saddle: Saddle) -> float:
    """log of the growth from the start to the end of the path, in the leading direction."""
    if saddle.resting:
        return 0.0
    from ...finite_size.fluctuations import fluctuations
    from .orbits import backward

    f = fluctuations(saddle.path, initial=saddle.initial)
    forms = backward(f, saddle.left, len(f.knots) - 1)
    theta = np.concatenate(
        [np.arange(s.start, s.stop) for s in map(saddle.flow.layout.theta, range(saddle.flow.layout.atoms))]
    )
    return float(np.log(np.linalg.norm(forms[:, theta], 2) / np.linalg.norm(saddle.left[:, theta], 2)))


def effective(saddle: Saddle) -> float:
    """C_eff: the mean square amplitude, over d, taken back to the start by the growth along the path."""
    square = float(np.trace(_gram(saddle) @ saddle.covariance)) / len(saddle.left)
    return square * float(np.exp(-2 * _growth(saddle)))


def _directions(m: int, beside: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors spread over the sphere in R^m, (n, m), each with numbers (n, beside) of a standard Gaussian."""
    from scipy.special import ndtri
    from scipy.stats import qmc

    rng = np.random.default_rng(0)
    if m > 2:
        z = ndtri(qmc.Sobol(m + beside, rng=rng).random_base2(6))
        return np.asarray(z[:, :m] / np.linalg.norm(z[:, :m], axis=1, keepdims=True)), z[:, m:]
    if m == 2:
        angles = 2 * np.pi * (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS
        found = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    else:
        # Both signs: they need not look the same to the network.
        found = np.tile([[1.0], [-1.0]], (SIDES if beside else 1, 1))
    if not beside:
        return found, np.zeros((len(found), 0))
    return found, np.asarray(ndtri(qmc.LatinHypercube(beside, rng=rng).random(len(found))))


def _norms(levels: np.ndarray, m: int) -> np.ndarray:
    """Quantiles of the norm of m independent Gaussian numbers."""
    from scipy.stats import chi

    return np.asarray(chi.ppf(levels, m))


def law_at_rest(saddle: Saddle, d: float, threshold: float) -> tuple[float, float, np.ndarray]:
    """(mean, standard deviation, quantiles) of the escape time from a saddle on which the path rests."""
    from scipy.special import digamma, polygamma

    m, gamma = len(saddle.left), saddle.rate
    orbits, root = Orbits(saddle, threshold), np.linalg.cholesky(saddle.covariance)
    gram, parts = _gram(saddle), []
    for n in _directions(m)[0]:
        along = root @ n
        size = float(np.sqrt(along @ gram @ along))
        parts.append(orbits.from_rest(along / size) - np.log(size) / gamma)
    of_direction = np.array(parts) + np.log(d) / (2 * gamma)
    mean = float(of_direction.mean() - (digamma(m / 2) + np.log(2)) / (2 * gamma))
    std = float(np.sqrt(of_direction.var() + polygamma(1, m / 2) / (4 * gamma**2)))
    fine = (np.arange(4000) + 0.5) / 4000
    times = of_direction[:, None] - np.log(_norms(fine, m)) / gamma
    return mean, std, np.quantile(times, LEVELS)


def law_along(saddle: Saddle, d: float, threshold: float) -> tuple[float, float, np.ndarray]:
    """The same where the path is still on its way, or more grows than what grows fastest: orbits of runs drawn at an early time."""
    from scipy.interpolate import PchipInterpolator

    orbits, lift = Orbits(saddle, threshold, ROUGH), Lift(saddle, d, threshold)
    m = lift.overlaps.shape[1]
    fine = (np.arange(4000) + 0.5) / 4000
    norms = np.log(_norms(fine, m))
    grid = np.linspace(norms[0], norms[-1], AMPLITUDES)
    times = []
    for n, beside in zip(*_directions(m, lift.beside.shape[1]), strict=True):
        at = [orbits.time(lift.tau, lift.state(np.exp(x) * n, beside)) for x in grid]
        times.append(PchipInterpolator(grid, at)(norms))
    sample = np.array(times)
    return float(sample.mean()), float(sample.std()), np.quantile(sample, LEVELS)


def grown(saddle: Saddle, d: float, threshold: float) -> Saddle:
    """The same saddle with its path followed until runs have left it."""
    square = float(np.trace(_gram(saddle) @ saddle.covariance))
    tau = (np.log(threshold) + np.log(d / square) / 2 + 1) / saddle.rate
    if saddle.path.tau_max >= tau:
        return saddle
    return replace(saddle, path=solve(longer(saddle.path.problem, tau), progress=False))
