"""Noising processes: all formulas are those of the variance-exploding one, at its own time and scale."""

from __future__ import annotations

import numpy as np

PROCESSES = ("variance-exploding", "ornstein-uhlenbeck")


def exploding_time(process: str, t: float) -> float:
    """The variance-exploding time of time ``t``: t itself, or τ = e^{2t} − 1 for dx = −x dt + √2 dW."""
    return float(np.expm1(2 * t)) if process == "ornstein-uhlenbeck" else float(t)


def own_time(process: str, tau: float) -> float:
    """The process's time of the variance-exploding time ``tau``: the inverse of `exploding_time`."""
    return 0.5 * float(np.log1p(tau)) if process == "ornstein-uhlenbeck" else float(tau)


def contraction(process: str, t: float) -> float:
    """The factor e^{−t} by which the Ornstein–Uhlenbeck process is smaller than the exploding one (1 for the latter)."""
    return float(np.exp(-t)) if process == "ornstein-uhlenbeck" else 1.0


def expansion(process: str, t: float) -> float:
    """1/`contraction` − 1, without cancellation at small times."""
    return float(np.expm1(t)) if process == "ornstein-uhlenbeck" else 0.0
