r"""Characteristic training times of a flow: generalisation, best stopping, memorisation; and the number of samples n*.

.. math::

    \tau_{\rm gen}\simeq\frac1{\psi_p(\alpha^2\sigma+b^2)},\quad \tau_{\rm mem}\simeq\frac1{u_-},\quad
    u_-=s^2+\frac{\psi_p}{\psi_n}\frac{v^2\Delta}{\Delta+e^{-2t}\sigma},\quad
    \psi_n^*=\frac{\psi_pv^2}{s^2}\frac\Delta{\Delta+e^{-2t}\sigma}

for ψ_p ≫ ψ_n ≫ 1; the times below are read off the losses at any ψ.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...common.input.checks import InputError
from ..resolvents.equations import Model
from .flow import Flow
from .ridge import RidgePoint, rank, ridge
from .start import left_over

#: Share of the initial excess test loss at which a model has generalised.
GENERALISED = 0.1
#: Grid of the search, points a decade of time.
GRID = 24
#: Time up to which losses are searched, where U has small eigenvalues, in units of the fastest time.
LONGEST = 1e9
#: A test loss that ends higher than its minimum by less than this share of what was learned does not overfit.
OVERFITTING = 0.1
#: Without a factor of two between best stopping and memorisation there are no two times to speak of.
SEPARATION = 2.0


@dataclass(frozen=True)
class Times:
    """Characteristic times of gradient flow; None where there is none, and ``reasons`` says why.

    Parameters
    ----------
    generalisation : float or None
        τ_gen: the excess test loss over the best possible is 10 % of its initial value.
    star : float or None
        τ*: the test loss is least.
    star_loss : float or None
        Test loss there.
    memorisation : float or None
        τ_mem: test minus train loss is half its final value.
    final : RidgePoint or None
        Losses at τ = ∞.
    reasons : tuple of (str, str)
        Name of what is missing, and why.
    """

    generalisation: float | None
    star: float | None
    star_loss: float | None
    memorisation: float | None
    final: RidgePoint | None
    reasons: tuple[tuple[str, str], ...]

    @property
    def final_gap(self) -> float | None:
        """Test minus train loss at τ = ∞."""
        return None if self.final is None else self.final.test_loss - self.final.train_loss


def longest(model: Model, times: np.ndarray) -> float:
    """The training time up to which a contour has to serve."""
    slowest = 1e3 / model.s2 if model.s2 > 0 else 0.0
    return float(max(np.max(times, initial=0.0), LONGEST / model.largest(), slowest))


def bayes_loss(model: Model, noise: float) -> float:
    """L_Bayes = 1 − ⟨Δ/(Δ + e^{−2t}σ)⟩, the least test loss."""
    return float(1 - model.mass @ (noise / (noise + (1 - noise) * model.sigma)))


def memory_rate(model: Model, noise: float, sigma: float) -> float:
    """u_−: rate at which a direction of variance σ is memorised (m = ∞, ψ_p ≫ ψ_n ≫ 1)."""
    return model.s2 + model.psi_p / model.psi_n * model.v2 * noise / (noise + (1 - noise) * sigma)


def samples_star(model: Model, noise: float, sigma: float) -> float | None:
    """ψ_n*: above it memorisation of a direction of variance σ vanishes; None where s = 0."""
    if model.s2 == 0:
        return None
    return model.psi_p * model.v2 / model.s2 * noise / (noise + (1 - noise) * sigma)


def _ended(model: Model, start: float) -> RidgePoint:
    """Losses at τ = ∞: those without ridge, and what is left of a random A(0) where U has zero eigenvalues."""
    point = ridge(model, 0.0)
    if start == 0:
        return point
    _, test, memory = start * left_over(model)
    return replace(point, test_loss=point.test_loss + test, memorisation_loss=point.memorisation_loss + memory)


def characteristic_times(flow: Flow, noise: float, until: float) -> Times:
    """The times of a flow without weight decay.

    Parameters
    ----------
    flow : Flow
    noise : float
        Δ.
    until : float
        Time up to which the flow's contour serves.
    """
    from scipy.optimize import brentq

    model, reasons = flow.model, {}
    grid = np.geomspace(1e-3 / model.largest(), until, max(50, int(GRID * np.log10(until * model.largest() * 1e3))))
    train, test, _ = flow.losses(grid)
    try:
        final = _ended(model, flow.start)
    except InputError:
        final = None
        p_is_nm = "p = nm: the test loss grows without bound" if rank(model) >= model.psi_p else "U is not invertible"
        reasons["final_gap"] = p_is_nm

    def crossing(level: float, low: float, high: float, minus: int) -> float:
        """Where the test loss, ``minus`` times the train loss, passes the level between two times."""

        def over(log_time: float) -> float:
            found = flow.losses(np.array([np.exp(log_time)]))
            return float((found[1] - minus * found[0])[0]) - level

        return float(np.exp(brentq(over, np.log(low), np.log(high), xtol=1e-12, rtol=1e-12)))

    star = star_loss = generalisation = memorisation = None
    best, begin = int(np.argmin(test)), float(flow.losses(np.zeros(1))[1][0])
    if model.b2 == 0 or begin - test[best] < 1e-9:
        reasons["tau_star"] = reasons["tau_generalisation"] = "nothing is learned: the test loss never falls"
    elif best == grid.size - 1 or flow.slope(grid[best + 1]) <= 0:
        reasons["tau_star"] = "the test loss falls to the end: no overfitting"
    else:
        low, high = np.log(grid[max(best - 1, 0)]), np.log(grid[best + 1])
        star = float(np.exp(brentq(lambda x: flow.slope(float(np.exp(x))), low, high, xtol=1e-12, rtol=1e-12)))
        star_loss = float(flow.losses(np.array([star]))[1][0])
    least, floor = bayes_loss(model, noise), float(test[best] if star_loss is None else star_loss)
    level = least + GENERALISED * (begin - least)
    if floor < level and "tau_generalisation" not in reasons:
        generalisation = crossing(level, grid[0], grid[best] if star is None else star, 0)
    else:
        reasons.setdefault(
            "tau_generalisation",
            f"the excess test loss never falls to {GENERALISED:.0%} of its initial value "
            f"(least {(floor - least) / max(begin - least, 1e-300):.1%})",
        )
    if final is None:
        reasons["tau_memorisation"] = f"no final gap ({reasons['final_gap']})"
    elif star is None or star_loss is None:
        reasons["tau_memorisation"] = reasons["tau_star"]
    elif final.test_loss - star_loss < OVERFITTING * (begin - star_loss):
        reasons["tau_memorisation"] = (
            f"overfitting vanishes: the test loss ends {(final.test_loss - star_loss) / (begin - star_loss):.1%} of what was "
            "learned above its minimum"
        )
    else:
        half = (final.test_loss - final.train_loss) / 2
        above = np.flatnonzero(test - train >= half)
        if above.size == 0:
            reasons["tau_memorisation"] = f"the gap reaches half of its final value after tau = {until:.3g}"
        else:
            memorisation = crossing(half, grid[max(above[0] - 1, 0)], grid[above[0]], 1)
            if memorisation < SEPARATION * star:
                reasons["tau_memorisation"] = (
                    f"no separation of times: the gap is half its final value at tau = {memorisation:.6g}, "
                    f"best stopping is at tau = {star:.6g}"
                )
                memorisation = None
    return Times(generalisation, star, star_loss, memorisation, final, tuple(reasons.items()))
