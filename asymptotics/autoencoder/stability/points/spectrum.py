"""Growth rates at a state: eigenvalues of the flow's Jacobian, the order parameters that grow, and what kind of point it is."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, number
from ....common.output.plain import printed
from ....common.output.results import Result
from ...equations.training_path.stability import label
from ...model.problem import Problem
from ..covered import ENDS, FIXED, FLOW, live
from ..flow import Flow, known_to, rungs

#: Rates that two rungs give alike to this are known; with a kink, where points of Sobol' gain little a rung, to the second.
AGREED, KINK_AGREED = 1e-7, 2e-2
#: A rate below this share of the largest is zero: families of fixed points have such, and bifurcations.
NEUTRAL = 1e-6


@dataclass(frozen=True)
class Spectrum(Result):
    """How deviations from a state grow.

    Attributes
    ----------
    eigenvalues : (n,)
        Of ∂f/∂y on the directions in which the state can move, by descending real part (complex where some are).
    vectors : (size, n)
        Their eigenvectors as packed states (Θ(s), upper q(s), b, κ), of unit norm.
    direction : tuple of str
        Order parameters that carry the leading one.
    speed : float
        ‖dy/dτ‖ at the state: 0 at a fixed point.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    direction: tuple[str, ...]
    speed: float

    @property
    def rate(self) -> float:
        """The largest growth rate."""
        return float(self.eigenvalues.real.max()) if len(self.eigenvalues) else 0.0

    @property
    def unstable(self) -> int:
        """Number of growing directions."""
        return int(np.sum(self.eigenvalues.real > self._zero))

    @property
    def _zero(self) -> float:
        return NEUTRAL * max(1.0, float(np.max(np.abs(self.eigenvalues), initial=0.0)))

    @property
    def kind(self) -> str:
        """stable, saddle, source, or marginal where the largest rate is zero."""
        return kind_of(self.eigenvalues)

    def to_json(self) -> dict[str, Any]:
        fields = {"rates": self.eigenvalues.real.tolist(), "frequencies": self.eigenvalues.imag.tolist()}
        return {**fields, "direction": list(self.direction), "speed": self.speed, "kind": self.kind}

    def summary(self) -> str:
        turning = self.eigenvalues.imag
        rates = printed(self.eigenvalues.real, 6) + (f" (frequencies {printed(turning, 6)})" if turning.any() else "")
        return f"growth rates {rates}, fastest along {', '.join(self.direction)}; |dy/dtau| = {self.speed:z.3g}"


def kind_of(eigenvalues: np.ndarray) -> str:
    """What a fixed point is by its eigenvalues: stable, saddle, source, or marginal where the largest rate is zero."""
    if not len(eigenvalues):
        return "marginal"
    rates = np.asarray(eigenvalues).real
    zero = NEUTRAL * max(1.0, float(np.max(np.abs(eigenvalues))))
    if rates.max() > zero:
        return "saddle" if rates.min() < zero else "source"
    return "stable" if rates.max() < -zero else "marginal"


def sorted_eigen(J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues by descending real part and their vectors, real where they are real."""
    values, vectors = np.linalg.eig(J)
    order = np.lexsort((-values.imag, -values.real))
    values, vectors = values[order], vectors[:, order]
    if np.max(np.abs(values.imag), initial=0.0) < 1e-9 * (1 + np.max(np.abs(values), initial=0.0)):
        return values.real, vectors.real
    return values, vectors


def spectrum_of(flow: Flow, y: np.ndarray) -> Spectrum:
    """Spectrum at a packed state with the expectations of one flow."""
    values, vectors = sorted_eigen(flow.jacobian(y))
    full = flow.basis @ vectors
    leading = label(flow.layout, np.real(full[:, 0])) if len(values) else ()
    return Spectrum(values, full, leading, float(np.linalg.norm(flow.basis.T @ flow(y))))


def agreed(problem: Problem, flow: Flow) -> float:
    """To what two rungs must agree."""
    return KINK_AGREED if not flow.drift.kernels.smooth and len(rungs(problem)) > 1 else known_to(problem, AGREED)


def growth_rates(
    problem: Problem,
    Theta: ArrayLike | None = None,
    Q: ArrayLike | None = None,
    b: ArrayLike | None = None,
    parameters: ArrayLike | None = None,
    tau: float | None = None,
) -> Spectrum:
    """Growth rates of deviations from any state, fixed point or not.

    At Θ = 0 with one atom the rates along Θ are the eigenvalues of κ_k H₁ + H₀ + P − λ/2, κ_k those of ς + T^{1/2} S_c T^{1/2}.

    Parameters
    ----------
    problem : Problem
    Theta, Q : array_like, optional
        Overlaps, shaped as in ``denoiser.init``; default those of the start.
    b, parameters : float or (basis,), (n,), optional
        Skip connection (a list where there are several ψ) and trainable scalars; default those of the start.
    tau : float, optional
        Training time whose rates are taken (default: the end).

    Raises
    ------
    InputError
        If no weights have these overlaps, or there are too many order parameters.
    """
    problem = live(problem, "growth rates", (*FLOW, *FIXED, *ENDS))
    ladder_ = rungs(problem)
    flow = Flow(problem, ladder_[0], tau)
    layout = flow.layout
    theta0, q0, b0, kappa0 = layout.unpack(flow.start)
    shape = (layout.atoms, layout.p, layout.K)
    theta = theta0 if Theta is None else _resolved("Theta", Theta, shape)
    q = q0 if Q is None else _resolved("Q", Q, (layout.atoms, layout.p, layout.p))
    skip = b0 if b is None else number("b", b) if layout.basis == 1 else array("b", b, shape=(layout.basis,))
    kappa = kappa0 if parameters is None else array("parameters", parameters, shape=kappa0.shape)
    y = layout.pack(theta, q, skip, kappa)
    flow.drift.hold(y)
    room = flow.room(y)
    if room < -1e-7 * (1 + float(np.max(np.abs(q)))):
        raise InputError(
            f"Theta, Q: no weights have these overlaps ([[Q, Theta], [Theta^T, T]] has the eigenvalue {room:.3g})"
        )
    found, tolerance = spectrum_of(flow, y), agreed(problem, flow)
    for _, finer in pairwise(ladder_):
        before, found = found, spectrum_of(flow.finer(finer), y)
        change = np.abs(np.sort(found.eigenvalues.real) - np.sort(before.eigenvalues.real))
        if np.max(change, initial=0.0) < tolerance * (1 + np.max(np.abs(found.eigenvalues), initial=0.0)):
            break
    return found


def _resolved(name: str, value: ArrayLike, shape: tuple[int, int, int]) -> np.ndarray:
    given = array(name, value)
    if shape[0] == 1 and given.ndim == 2:
        given = given[None]
    return array(name, given, shape=shape)
