"""The saddle at which a path ends (or starts): what grows there, and how large the noise has made it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ....common.input.checks import InputError, choice
from ...equations.training_path.path import TrainingPath
from ...finite_size.fluctuations import fluctuations, initial_covariance
from ...finite_size.linear_noise.rules import choose_rules
from ...model.problem import Problem
from ...theory import solve
from ..flow import Flow, known_to, rungs
from ..points.spectrum import Spectrum, spectrum_of

#: Rates within this share of the largest grow alike.
ALIKE = 1e-3
#: The path has reached its saddle where it moves less than this, relative, per τ; and has been there from the start where it never
#: was farther away than this, in units of 1 + |y|.
AT_REST, FROM_START = 1e-6, 2e-4
#: log of the growth after which the noise made later no longer counts, and how often the path is made twice as long for that.
SETTLED, DOUBLINGS = 8.0, 7
#: A growing direction whose overlaps are below this share of it carries none.
NO_OVERLAP = 1e-6
#: Expectations are fine enough where the drift changes by less than this, relative.
FINE = 1e-8


@dataclass(frozen=True)
class Saddle:
    """What grows along a path that stays at, or runs into, a saddle.

    Attributes
    ----------
    path : TrainingPath
        Long enough that later noise does not count.
    flow : Flow
        Its drift, with expectations fine enough.
    state : (size,)
        The path's end.
    rate : float
        γ, the largest growth rate there.
    spectrum : Spectrum
    right, left : (size, m), (m, size)
        Directions that grow at γ, of unit norm in Θ, and the linear forms that measure them (left @ right = 1).
    covariance : (m, m)
        d × covariance of the amplitudes at the end of the path, or, ``resting``, what it is times e^{−2γτ}: C_eff.
    resting : bool
        Whether the path rests on the saddle from the start.
    initial : str
        "exact" or "drawn".
    slower : bool
        Whether further overlaps grow, at smaller rates.
    """

    path: TrainingPath
    flow: Flow
    state: np.ndarray
    rate: float
    spectrum: Spectrum
    right: np.ndarray
    left: np.ndarray
    covariance: np.ndarray
    resting: bool
    initial: str
    slower: bool = False

    @property
    def theta(self) -> np.ndarray:
        """Θ of the growing directions, (m, p, K)."""
        return np.stack([self.flow.layout.unpack(v)[0].sum(axis=0) for v in self.right.T])


def default_start(problem: Problem, initial: str | None) -> str:
    """How runs start: their weights drawn anew where ``denoiser.init.random`` is not 0, unless something else is said."""
    init = problem.denoiser.init
    random = init.random > 0 and init.Theta is None and init.realisation is None
    if initial is None:
        return "drawn" if random else "exact"
    choice("initial", initial, ("exact", "drawn"))
    if initial == "drawn" and not random:
        raise InputError("initial = 'drawn': needs denoiser.init given by centroids and random, with random > 0")
    return initial


def fine_flow(problem: Problem, states: list[np.ndarray], tolerance: float = FINE) -> Flow:
    """The flow with the first expectations that finer ones confirm at all the states, relative to ``tolerance``."""
    ladder, tolerance = rungs(problem), known_to(problem, tolerance)
    flow = Flow(problem, ladder[0])
    for finer_rules in ladder[1:]:
        finer = flow.finer(finer_rules)
        change = max(float(np.linalg.norm(finer(y) - flow(y)) / (1e-3 + np.linalg.norm(finer(y)))) for y in states)
        if change < (tolerance if flow.drift.kernels.smooth else max(tolerance, 1e-3)):
            break
        flow = finer
    return flow


def longer(problem: Problem, tau: float) -> Problem:
    """The same training up to τ."""
    return replace(problem, training=problem.training.replace(tau=tau))


def _group(spectrum: Spectrum, flow: Flow) -> tuple[np.ndarray, np.ndarray]:
    """Right and left real vectors (packed) of all that grows at the largest rate; right ones of unit norm in Θ."""
    values, V = spectrum.eigenvalues, flow.basis.T @ spectrum.vectors
    alike = values.real > values.real.max() * (1 - ALIKE)
    count = int(alike.sum())

    def span(columns: np.ndarray) -> np.ndarray:
        """Orthonormal real basis; of a complex pair its real and imaginary parts."""
        both = np.concatenate([columns.real, columns.imag], axis=1)
        return np.asarray(np.linalg.svd(both, full_matrices=False)[0][:, :count])

    right, rows = span(V[:, alike]), span(np.linalg.pinv(V)[alike].T).T
    full = flow.basis @ right
    overlaps = np.stack([flow.layout.unpack(v)[0].sum(axis=0).ravel() for v in full.T])
    norms = np.linalg.norm(overlaps, axis=1)
    if np.any(norms < NO_OVERLAP):
        names = ", ".join(spectrum.direction)
        raise InputError(f"denoiser.init: what grows at the end of the path ({names}) is no overlap with the target")
    signs = np.sign(overlaps[range(count), np.argmax(np.abs(overlaps), axis=1)])
    right = right * signs / norms
    left = np.linalg.solve(rows @ right, rows)
    return flow.basis @ right, left @ flow.basis.T


def saddle_of(problem: Problem, initial: str | None = None) -> Saddle:
    """The saddle of an experiment's path, with the noise of its runs in the growing directions.

    Raises
    ------
    InputError
        If nothing grows at the end of the path, or what grows is no overlap.
    """
    initial = default_start(problem, initial)
    path: TrainingPath = solve(problem, progress=False)
    for _ in range(DOUBLINGS):
        state = path.state(path.tau_max)
        flow = fine_flow(longer(problem, path.tau_max), [path.state(x * path.tau_max) for x in (0.0, 0.5, 1.0)])
        spectrum = spectrum_of(flow, state)
        speed = float(np.linalg.norm(flow.basis.T @ flow(state)) / (1e-12 + np.linalg.norm(state)))
        rate = spectrum.rate
        resting = speed < AT_REST and _distance(path) < FROM_START * (1 + float(np.max(np.abs(state))))
        grows = rate > 1e-6 * (1 + float(np.max(np.abs(spectrum.eigenvalues))))
        settled = resting or _growth(path, flow) > SETTLED
        if (grows and settled) or (not grows and speed < 1e-3 * AT_REST):
            break
        path = solve(longer(problem, 2 * path.tau_max), progress=False)
    if not grows:
        raise InputError(
            f"denoiser.init: the path ends on no saddle (largest growth rate {rate:+.4g} per tau at tau = {path.tau_max:g}): runs stay "
            "near it and nothing escapes"
        )
    right, left = _group(spectrum, flow)
    if resting:
        covariance = _resting(problem, path, state, left, rate, initial)
    else:
        C = fluctuations(path, initial=initial).state_covariance(path.tau_max)[0]
        covariance = left @ C @ left.T
    return Saddle(path, flow, state, rate, spectrum, right, left, covariance, resting, initial, _slower(spectrum, flow))


def _slower(spectrum: Spectrum, flow: Flow) -> bool:
    """Whether overlaps grow at rates below the largest."""
    rates = spectrum.eigenvalues.real
    also = (rates > 1e-6 * rates.max()) & (rates <= rates.max() * (1 - ALIKE))
    overlaps = [flow.layout.unpack(np.abs(v))[0].sum() for v in spectrum.vectors.T[also]]
    return bool(np.any(np.array(overlaps) > NO_OVERLAP))


def _distance(path: TrainingPath) -> float:
    values = path.values.reshape(-1, path.values.shape[-1])
    return float(np.max(np.abs(values - values[-1])))


def _growth(path: TrainingPath, flow: Flow) -> float:
    """log of what a deviation grows by along the last stretch on which it grows."""
    tau, rate = path.stability.tau, path.stability.rate
    if len(tau) < 2:
        return 0.0
    stable = np.flatnonzero(rate <= 0)
    first = int(stable[-1]) + 1 if len(stable) else 0
    return float(np.trapezoid(rate[first:], tau[first:])) if first + 1 < len(tau) else 0.0


def _resting(
    problem: Problem, path: TrainingPath, state: np.ndarray, left: np.ndarray, rate: float, initial: str
) -> np.ndarray:
    """C_eff = C₀ + ∫ e^{−2γτ} 2η Cov(Y) dτ in the growing directions, with everything at rest."""
    terms, _, _ = choose_rules(problem, path)
    noise = 2 * problem.training.learning_rate * terms(path.tau_max, state).noise
    start = initial_covariance(problem, path.layout) if initial == "drawn" else np.zeros_like(noise)
    return np.asarray(left @ (start + noise / (2 * rate)) @ left.T)
