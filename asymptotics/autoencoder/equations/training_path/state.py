"""The state at one τ: the order parameters of the network, of its averages and its velocities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.output.notebook import all_maths, page, tex
from ....common.output.plain import matrix
from ..derivative.layout import Layout


@dataclass(frozen=True, repr=False)
class OrderParameters:
    """The state at one τ (or several: then every array has them as its first axis).

    Attributes
    ----------
    Q : (p, p);  Theta : (p, K);  M : (p, clusters) = Θ c;  b : float (or (basis,) of several ψ_k);  parameters : (n,)
    q : (atoms, p, p) and theta : (atoms, p, K), resolved by atom (Q and Θ are their sums)
    averages : tuple of AveragedNetwork
        The averages of the weights, in the order of the experiment.
    velocity : Velocity or None
        With momentum of order-1/d friction.
    """

    tau: Any
    Q: np.ndarray
    Theta: np.ndarray
    M: np.ndarray
    b: Any
    parameters: np.ndarray
    q: np.ndarray
    theta: np.ndarray
    averages: tuple[AveragedNetwork, ...] = ()
    velocity: Velocity | None = None

    def _named(self) -> dict[str, Any]:
        """What a person looks at, by the names of JSON."""
        named = {"Q": self.Q, "Theta": self.Theta, "M": self.M, "b": self.b, "kappa": self.parameters}
        for k, average in enumerate(self.averages):
            which = "ema" if len(self.averages) == 1 else f"ema {k + 1}"
            named |= {f"Q_{which}": average.network.Q, f"Theta_{which}": average.network.Theta}
        if self.velocity is not None:
            named |= {"Q_velocity": self.velocity.Q, "Theta_velocity": self.velocity.Theta}
        return {name: value for name, value in named.items() if np.size(value)}

    def __repr__(self) -> str:
        if np.ndim(self.tau):
            lines = [f"order parameters at {np.size(self.tau)} tau from {np.min(self.tau):g} to {np.max(self.tau):g}"]
            return "\n".join([*lines, *(f"  {n}  array of shape {np.shape(v)}" for n, v in self._named().items())])
        lines = [f"order parameters at tau = {self.tau:g}"]
        lines += [f"  {n} = {matrix(v, indent=len(n) + 5)}" for n, v in self._named().items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        parts = "" if np.ndim(self.tau) else all_maths(self._named())
        return page(repr(self), parts)

    def _repr_latex_(self) -> str | None:
        if np.ndim(self.tau):
            return None
        return r"$\displaystyle " + r",\quad ".join(tex(n, v) for n, v in self._named().items()) + "$"

    def network(self, index: int | None = None) -> OrderParameters:
        """The live network (None), or that of an average of the weights."""
        return self if index is None else self.averages[index].network


@dataclass(frozen=True)
class AveragedNetwork:
    """An average w̄ of the weights.

    Attributes
    ----------
    gamma : float or dict
        γ, or {"power": k}.
    cross : (p, p)
        w̄_a·w_b/d.
    network : OrderParameters
        Of w̄, b̄ and κ̄.
    """

    gamma: Any
    cross: np.ndarray
    network: OrderParameters


@dataclass(frozen=True)
class Velocity:
    """The velocities v_a of heavy ball: Θ_v (p, K), v_a·v_b/d and v_a·w_b/d (p, p)."""

    Theta: np.ndarray
    Q: np.ndarray
    cross: np.ndarray


def state_of(
    tau: ArrayLike, y: np.ndarray, layout: Layout, centroids: np.ndarray, gammas: tuple[Any, ...], moving: bool
) -> OrderParameters:
    """What a packed state (…, size) says.

    Parameters
    ----------
    tau : float or (…,)
    y : (…, size)
    layout : Layout
    centroids : (clusters, K)
    gammas : tuple
        γ of every average, or {"power": k}.
    moving : bool
        Whether there are velocities.
    """
    theta, q, b, kappa = layout.unpack(y)
    p = layout.p // (1 + moving + layout.averages)
    Theta, Q = theta.sum(axis=-3), q.sum(axis=-3)

    def part(k: int, b: np.ndarray, kappa: np.ndarray, **rest: Any) -> OrderParameters:
        at = slice(k * p, (k + 1) * p)
        return OrderParameters(
            tau, Q[..., at, at], Theta[..., at, :], Theta[..., at, :] @ centroids.T, b if np.ndim(b) else float(b), kappa,
            q[..., at, at], theta[..., at, :], **rest,
        )  # fmt: skip

    averages, first = [], 1 + moving
    for index, gamma in enumerate(gammas):
        cross = Q[..., (first + index) * p : (first + index + 1) * p, :p]
        averages.append(AveragedNetwork(gamma, cross, part(first + index, *layout.averaged(y, index))))
    velocity = (
        Velocity(Theta[..., p : 2 * p, :], Q[..., p : 2 * p, p : 2 * p], Q[..., p : 2 * p, :p]) if moving else None
    )
    return part(0, b, kappa, averages=tuple(averages), velocity=velocity)
