"""Whether fluctuations at dimension d are small enough for their linear theory: its own next order, along the path."""

from __future__ import annotations

import numpy as np

from ..equations.derivative.drift import Drift
from ..equations.integration.integrate import kernels_of
from ..equations.training_path.path import TrainingPath
from .covariances import Fluctuations

#: Fractions of τ_max at which a fluctuation is followed to the end; those that an instability amplifies start early.
FRACTIONS = (0.1, 0.25, 0.5)
#: A deviation this small is linear.
SMALL = 1e-3
#: Relative next order above which nothing is tested: predicted variances are then off by a fifth and more.
LARGEST = 0.1


def nonlinearity(path: TrainingPath, f: Fluctuations, dimension: int) -> float:
    """Relative size of the third order of a fluctuation of one standard deviation, carried to the end of the path.

    The largest fluctuation at some τ is followed by the drift itself; the part odd in it is compared with the linear
    response. The variance is off by about twice this. Infinite where such a fluctuation diverges.
    """
    from scipy.integrate import solve_ivp

    problem, totals = path.problem, f.totals()
    terms = f.terms(problem)
    drift = Drift(problem, kernels_of(problem), terms.rule, terms.noise_rule)
    worst = 0.0
    for fraction in FRACTIONS:
        tau = fraction * path.tau_max
        C = np.array(f.state_covariance(tau)[0])
        C[f.skips], C[:, f.skips] = 0.0, 0.0  # b fluctuates at its own order
        values, axes = np.linalg.eigh(C / dimension)
        if values[-1] <= 0:
            continue
        step, y = np.sqrt(values[-1]) * axes[:, -1], path.state(tau)

        def end(scale: float, tau: float = tau, y: np.ndarray = y, step: np.ndarray = step) -> np.ndarray:
            found = solve_ivp(drift, (tau, path.tau_max), y + scale * step, method="RK45", rtol=1e-7, atol=1e-9)
            return np.asarray(totals @ found.y[:, -1]) if found.success else np.full(len(totals), np.inf)

        ends = np.array([end(scale) for scale in (1.0, -1.0, SMALL, -SMALL)])
        if not np.all(np.isfinite(ends)):
            return float(np.inf)
        odd, linear = (ends[0] - ends[1]) / 2, (ends[2] - ends[3]) / (2 * SMALL)
        worst = max(worst, float(np.linalg.norm(odd - linear) / max(float(np.linalg.norm(linear)), 1e-300)))
    return worst
