"""The table of the sampler: the generative SDE and how it is stepped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ...common.input import expressions
from ...common.input.checks import InputError, choice, fail, number
from ...common.input.notation import Notation
from ...common.input.settings import Natural, Settings
from ...common.numerics.interpolants import Interpolant
from .functions.of_time import OfTime, constant

if TYPE_CHECKING:
    from derivations.autoencoder.sampling.sampler import Sampler

KEY = "sampling.drift"
#: What a drift may contain (`derivations.autoencoder.sampling.sampler.SYMBOLS`); it is linear in the first six.
NAMES = ("x", "f", "noise", "data", "score", "velocity", "t", "epsilon", "alpha", "beta", "alpha_dot", "beta_dot")


def declared(drift: object) -> Sampler:
    """The symbolic sampler of ``sampling.drift``.

    Raises
    ------
    InputError
        If it is not arithmetic in `NAMES`, or not linear in what the network and the sample say.
    """
    from derivations.autoencoder.sampling.sampler import Sampler

    if drift is None:
        return Sampler()
    expression = expressions.to_sympy(drift, NAMES, KEY)
    try:
        return Sampler(expression)
    except ValueError:
        fail(KEY, drift, f"linear in {', '.join(NAMES[:6])}, without a constant")


@dataclass(frozen=True)
class Sampling(Settings):
    """The generative SDE and how it is stepped.

    Parameters
    ----------
    epsilon : str or float
        ε_t ≥ 0, an expression in t (and alpha, beta: the schedule's values at t).
    scheme : {"euler", "continuous"}
        Euler–Maruyama with ``step``, as an experiment runs it, or the continuous-time limit.
    step : float
        Step of the Euler scheme (the last one is shortened to end at ``stop``).
    stop : float
        t_f, the last time reached, in (start, 1).
    start : float
        Time at which X starts as N(0, I). A noise prediction says nothing at t = 0, where β = 0: it has to start later.
    drift : str
        Another sampler: the drift of dX = drift dt + √(2ε) dW, linear in the sample ``x``, the network's output ``f`` and what
        they say of ``noise``, ``data``, ``velocity`` and ``score``; with t, epsilon, alpha, beta, alpha_dot and beta_dot. Left
        out: ``velocity + epsilon*score``. `derivations.autoencoder.sampling.sampler` derives what follows from it.
    network : str
        Which network generates: "live", "ema" where there is one average of the weights, "ema:1.5" (or "ema:power=3") where
        there are several.
    label : int
        The label that it is told; left out: each label with its weight.
    guidance : float or str
        ω ≥ 0, or an expression in t: (1 + ω) f(·|label) − ω f(·|no label).
    """

    table = "sampling"
    NOTATION: ClassVar[Mapping[str, Notation]] = {
        "epsilon": Notation("ε_t", ("eps",), "diffusion"),
        "step": Notation("Δt", ("dt", "h", "step_size"), "time"),
        "stop": Notation("t_f", ("t_f", "tf", "t_final", "t_end", "end"), "time"),
        "start": Notation("t_0", ("t_0", "t0", "t_start"), "time"),
    }
    HINTS: ClassVar[Mapping[str, str]] = {
        "steps": "write step = 1/steps",
        "noise": "the sampler's noise is epsilon, a number or an expression in t",
        "sigma": "the sampler's noise is epsilon, a number or an expression in t",
    }

    epsilon: Any = "0"
    scheme: Annotated[str, partial(choice, options=("euler", "continuous"))] = "euler"
    step: Annotated[float, partial(number, above=0, at_most=1)] = 0.01
    stop: Annotated[float, partial(number, above=0, below=1)] = 0.99
    start: Annotated[float, partial(number, at_least=0, below=1)] = 0.0
    drift: Any = None
    network: str = "live"
    label: Natural | None = None
    guidance: Any = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.drift is not None:
            declared(self.drift)
            self.set(drift=str(self.drift))
        expressions.check(self.epsilon, ["t", "alpha", "beta"], self.key("epsilon"))
        self.set(epsilon=str(self.epsilon))
        if self.start >= self.stop:
            fail(self.key("start"), self.start, f"< {self.key('stop')} = {self.stop:g}")
        self._check_guidance()

    def _check_guidance(self) -> None:
        kind, _, which = str(self.network).partition(":")
        if not isinstance(self.network, str) or kind not in ("live", "ema") or (kind == "live" and which):
            fail(self.key("network"), self.network, 'live, ema, or ema:gamma where there are several ("ema:1.5")')
        value = constant(self.guidance)
        if value is not None:
            self.set(guidance=number(self.key("guidance"), value, at_least=0))
        else:
            OfTime(self.guidance, self.key("guidance"))
        if self.guided and self.label is None:
            raise InputError(f"{self.key('label')}: missing; guidance is towards a label (guidance = {self.guidance})")

    @property
    def guided(self) -> bool:
        """Whether ω is not 0 at all times."""
        return self.guidance != 0

    def guidance_at(self, interpolant: Interpolant, t: ArrayLike) -> np.ndarray:
        """ω at the times t; negative values are an error."""
        values = OfTime(self.guidance, self.key("guidance"))(interpolant, t)
        if not np.all(np.isfinite(values) & (values >= 0)):
            fail(self.key("guidance"), self.guidance, "finite and >= 0 at all times of the sampler")
        return values

    def times(self) -> np.ndarray:
        """Where the sampler asks the network: the starts of its Euler steps, or (continuous) many times from start to stop."""
        return self.grid()[:-1] if self.scheme == "euler" else np.linspace(self.start, self.stop, 257)

    def grid(self) -> np.ndarray:
        """Times start = t_0 < … < t_n = stop of the Euler scheme."""
        n = int(np.floor((self.stop - self.start) / self.step + 1e-9))
        t = self.start + self.step * np.arange(n + 1)
        return t if self.stop - t[-1] < 1e-9 * self.step else np.append(t, self.stop)

    def epsilon_function(self, interpolant: Interpolant) -> Any:
        """ε as a vectorised function of t; negative values are an error."""
        if self.epsilon.strip() in ("0", "0.0"):
            return lambda t: np.zeros_like(np.asarray(t, dtype=np.float64))
        expression = expressions.to_sympy(self.epsilon, ["t", "alpha", "beta"], self.key("epsilon"))
        raw = expressions.to_function(expression, ["t", "alpha", "beta"])

        def epsilon(t: ArrayLike) -> np.ndarray:
            values = raw(t, interpolant.alpha(t), interpolant.beta(t))
            if np.any(values < 0) or not np.all(np.isfinite(values)):
                fail(self.key("epsilon"), self.epsilon, ">= 0 and finite on [0, stop]")
            return values

        epsilon(np.linspace(self.start, self.stop, 101))
        return epsilon
