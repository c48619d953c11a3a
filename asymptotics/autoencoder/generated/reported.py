"""What `solve` says of the generated law (apart from `law`, which makes it and needs densities of images)."""

from __future__ import annotations

from dataclasses import dataclass

from ...common.output.records import Entries


@dataclass(frozen=True)
class Reported(Entries):
    """The law that ``sampling.network`` generates, in the K reference directions; all but ``reason`` None where there is none.

    Attributes
    ----------
    tau : float
        Training time.
    mean, covariance : list
        (K,) and (K, K).
    levels, quantiles : list
        (levels,) and (K, levels).
    reason : str
        Why there is no such law.
    """

    tau: float | None = None
    mean: list[float] | None = None
    covariance: list[list[float]] | None = None
    levels: list[float] | None = None
    quantiles: list[list[float]] | None = None
    reason: str | None = None
