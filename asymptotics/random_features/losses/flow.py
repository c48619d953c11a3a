r"""Losses along gradient flow from A(0) = 0: A(τ) = −Δ^{−1/2} Vᵀ f_τ(U), f_τ(u) = (1 − e^{−uτ})/u; `start` adds a random A(0).

For Ȧ = −∇_A L with the loss summed over the d outputs, as usual in code (loss/(dn)), τ = 2Δ t_GF/d.

.. math::

    L_{\rm train}=1-\oint\frac{dz}{2\pi i}(2f-zf^2)[\phi(-z)-1],\quad
    L_{\rm test}=1+2\oint\frac{dz}{2\pi i}f\,b^2\bar\theta\langle k\rangle+\oint\!\oint\frac{dz\,dz'}{(2\pi i)^2}f f' h(z,z'),

h the two-point response of φ to the population matrix; the memorisation loss has the noise-averaged matrix of the same points
there. With weight decay λ, f = (1 − e^{−(u+λ)τ})/(u+λ).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..resolvents.contour import Contour, around
from ..resolvents.equations import Model, Points, Source, response
from .start import resolvent_traces


def relaxation(z: np.ndarray, times: np.ndarray, decay: float = 0.0) -> np.ndarray:
    """f_τ(z) for every time, shape (times, *z.shape)."""
    # f_τ(0) = τ.
    rate = np.where(z + decay == 0, 1e-200, z + decay)
    x = rate * times.reshape(-1, *(1,) * np.ndim(z))
    r: np.ndarray = -np.expm1(-x) / rate
    return r


@dataclass(frozen=True)
class Flow:
    """Losses at any training time, from one contour.

    Parameters
    ----------
    model : Model
    contour : Contour
    decay : float
        Weight decay λ.
    start : float
        Δω of a random A(0) of variance ω/p.
    """

    model: Model
    contour: Contour
    decay: float = 0.0
    start: float = 0.0

    @classmethod
    def of(cls, model: Model, longest: float, decay: float = 0.0, start: float = 0.0) -> Flow:
        """For training times up to ``longest`` (longer ones where U has no zero eigenvalues)."""
        return cls(model, around(model, longest), decay, start)

    @cached_property
    def _pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Weighted h at all pairs of nodes and of nodes with conjugate ones, shape (test and memorisation, nodes, nodes)."""
        here = self.contour.points
        weights = self.contour.weights
        found = []
        for there, other in ((here, weights), (here.conj(), weights.conj())):
            found.append(response(here, there, _sources(self.model, here, there)) * weights[:, None] * other)
        return found[0], found[1]

    def losses(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Train, test and memorisation loss at the times, each of their shape."""
        times = np.asarray(times, dtype=float)
        f = relaxation(self.contour.z, times.ravel(), self.decay)
        p = self.contour.points
        train = 1 + self.contour.integral((2 * f - self.contour.z * f**2) * (1 - p.phi))
        single = 1 + 2 * self.contour.integral(f * self.model.b2 * p.bar * p.mean_k)
        test, memory = single + self._double(f, f)
        if self.start > 0:
            fading = np.exp(-2 * (self.contour.z + self.decay) * times.ravel()[:, None])
            train, test, memory = np.array([train, test, memory]) + self._started(fading)
        return tuple(x.reshape(times.shape) for x in (train, test, memory))  # type: ignore[return-value]

    def _started(self, fading: np.ndarray) -> np.ndarray:
        """What A(0) adds with e^{−2(U+λ)τ}, or another function of U, at the nodes: shape (3, times)."""
        traces = resolvent_traces(self.contour.points, -self.contour.z)
        return -self.start * np.stack([self.contour.integral(fading * trace) for trace in traces])

    def slope(self, time: float) -> float:
        """dL_test/dτ."""
        times = np.array([time])
        rate = self.contour.z + self.decay
        f, change = relaxation(self.contour.z, times, self.decay), np.exp(-rate * time)[None, :]
        p = self.contour.points
        single = 2 * self.contour.integral(change * self.model.b2 * p.bar * p.mean_k)
        learned = float((single + 2 * self._double(f, change)[0])[0])
        return learned + float(self._started(-2 * rate * change**2)[1, 0]) if self.start > 0 else learned

    def _double(self, one: np.ndarray, two: np.ndarray) -> np.ndarray:
        """∮∮ of one(z) two(z') h(z, z') for test and memorisation, shape (2, times)."""
        same, across = self._pairs
        total = np.einsum("ti,lij,tj->lt", one, same, two, optimize=True)
        total += np.einsum("ti,lij,tj->lt", one, across, two.conj(), optimize=True)
        r: np.ndarray = 2 * total.real
        return r


def _sources(model: Model, one: Points, two: Points) -> tuple[Source, Source]:
    zeta = 1 - (one.theta * one.tau_w)[:, None] - (two.theta * two.tau_w)[None, :]
    return (
        Source(model.v2 + model.s2, model.b2, model.alpha2),
        Source(model.v2 * zeta + model.s2, model.b2, model.alpha2 * zeta, shared=1.0),
    )
