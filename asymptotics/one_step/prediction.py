"""What the theory says of one experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ..common.output.records import Record, Recorded
from .closed_forms.divergences import Floors, Parts
from .problem import OfProblem


@dataclass(frozen=True)
class AtSize(Record):
    """The quantities that exist with and without finite-size terms; the names are those of `Theory`."""

    log_det_rate: float | None
    trace_rate: float | None
    kl_generated_target: Parts
    kl_target_generated: float | None
    log_bhattacharyya: float | None
    hellinger_squared: float


@dataclass(frozen=True)
class Bandwidths(Record):
    """One number for each of the four kernel variances."""

    h2_mixing: float | None
    h2_kernel: float | None
    h2_amise: float | None
    h2_mise: float | None


@dataclass(frozen=True)
class GaussianTime(Record):
    """t_S for the underlying covariance and for the largest empirical eigenvalue σ²(1 + √γ)²."""

    underlying: float
    empirical: float


@dataclass(frozen=True)
class Multistep(Record):
    """k, q_k and the floors of the k-step sampler for n → ∞; and KL(G‖O) at this n for k → ∞."""

    steps: int
    scheme: str
    q: float
    hellinger_floor: float
    kl_floor: Floors
    kl_generated_target_flow: Parts


@dataclass(frozen=True)
class Along(Record):
    """Fields of `Theory` at several numbers of ``samples``, a list each."""

    samples: list[int]
    log_det_rate: list[float | None]
    trace_rate: list[float | None]
    kl_generated_target: list[Parts]
    kl_target_generated: list[float | None]
    hellinger_squared: list[float]
    log_bhattacharyya: list[float | None]
    probability: list[float | None]
    mixing_time: list[float]
    h2_mixing: list[float]
    h2_kernel: list[float]
    h2_amise: list[float]
    h2_mise: list[float]


@dataclass(frozen=True)
class Theory(OfProblem, Recorded):
    r"""What the theory says of one experiment. None where there is no finite value; `notes` says why.

    Parameters
    ----------
    experiment : dict
        The tables of the experiment.
    q : float
        Signal fraction q.
    ratio : float
        γ = d/n.
    log_det_rate : float
        Λ = (1/d) E ln|Σ_G|/σ^{2d} at finite d and n; None near and beyond γ = q, where only its limit is known.
    trace_rate : float
        m = E Tr Σ_G/(dσ²).
    kl_generated_target : Parts
        E KL(G‖O) at finite d and n.
    kl_target_generated : float
        Typical KL(O‖G).
    n_star : float
        d/q.
    hellinger_squared, log_bhattacharyya : float
        H² = 1 − BC and ln BC, typical values (d = 1: from the exact mean of ln BC).
    hellinger_floor : float
        H² for n → ∞.
    kl_floor : Floors
        Both divergences for n → ∞.
    mixing_time : float
        t_C.
    h2_mixing, h2_kernel, h2_amise, h2_mise : float
        Kernel variances: at the mixing time; its leading term σ²n^{−2/d}, which the training density has; the asymptotic
        optimum; the exact optimum.
    relative_mise : Bandwidths
        Exact MISE/∫p² at each of them (the zero function scores 1).
    gaussian_time : GaussianTime
    quadratic_truncation : float
        Second-order expansion of the variance part.
    monotone : bool
        Whether the variance part grows with d/n at every d/n; ``decreasing_interval`` is where it does not.
    multistep : Multistep
    asymptotic : AtSize
        The same names without finite-size terms.
    notes : tuple of str
        ``name: reason`` for each null.
    seconds : float
        Time taken.
    probability, log_ratio : float
        P(E_OG < E_TG) by sums of random energies, and the median of ln OG − ln TG (see `relative_law`).
    """

    JSON: ClassVar[Mapping[str, str]] = {
        "decreasing_interval": "where the Hellinger distance falls with n; null where there is none",
        "parameters": "the tables that made it",
        "sweep": "the same fields over several numbers of samples (with samples)",
        "*": "",
    }

    experiment: dict[str, Any]
    q: float
    ratio: float
    log_det_rate: float | None
    trace_rate: float | None
    kl_generated_target: Parts
    kl_target_generated: float | None
    n_star: float | None
    hellinger_squared: float
    log_bhattacharyya: float | None
    hellinger_floor: float
    kl_floor: Floors
    mixing_time: float
    h2_mixing: float
    h2_kernel: float
    h2_amise: float
    h2_mise: float
    relative_mise: Bandwidths
    gaussian_time: GaussianTime
    quadratic_truncation: float | None
    monotone: bool
    decreasing_interval: tuple[float, float] | None
    multistep: Multistep
    asymptotic: AtSize
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    sweep: Along | None = None
    probability: float | None = None
    log_ratio: float | None = None

    def to_json(self) -> dict[str, Any]:
        data = super().to_json()
        data["parameters"] = data.pop("experiment")
        if self.sweep is None:
            del data["sweep"]
        return data

    def summary(self) -> str:
        def show(value: float | None) -> str:
            return "none" if value is None else f"{value:z.6g}"

        model = self.problem.one_step
        kl = self.kl_generated_target
        lines = [
            f"One-step linear denoiser, d = {model.dimension}, n = {model.samples}, q = {self.q:z.6g},"
            f" n* = d/q = {show(self.n_star)}",
            f"  KL(G||O)  {show(kl.total)} = variance {show(kl.variance)} + mean {show(kl.mean)}"
            f"   (floor {show(self.kl_floor.generated_target)})",
            f"  KL(O||G)  {show(self.kl_target_generated)} (typical)   (floor {show(self.kl_floor.target_generated)})",
            f"  H^2       {show(self.hellinger_squared)}   (floor {show(self.hellinger_floor)})"
            f"   ln BC {show(self.log_bhattacharyya)}",
            f"  (1/d) ln|S_G| {show(self.log_det_rate)}   (1/d) Tr S_G {show(self.trace_rate)}",
            f"  mixing time {self.mixing_time:z.6g}; h^2: mixing {self.h2_mixing:z.6g}, kernel {self.h2_kernel:z.6g},"
            f" AMISE {self.h2_amise:z.6g}, MISE {self.h2_mise:z.6g}",
        ]
        if self.probability is not None:
            underlying = self.problem.one_step.underlying
            lines.append(
                f"  P(E_OG < E_TG) {show(self.probability)} ({underlying} underlying density, leading order in d)"
            )
        if self.multistep.steps > 1:
            lines.append(f"  {self.multistep.steps} steps: variance fraction {self.multistep.q:z.6g} for n -> infinity")
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])
