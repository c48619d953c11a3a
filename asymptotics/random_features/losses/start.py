r"""What a random start A(0) of variance ω/p adds to the losses: its cross terms with what is learned vanish as d → ∞.

.. math:: L(\tau)\mathrel{+}=\Delta\omega\,\tfrac1p\mathrm{Tr}\,X e^{-2(U+\lambda)\tau},

X = U for the train loss, the population's Ũ for the test loss, the noise-averaged U_∞ of the same points for memorisation. With the
vector of a sample g_ν and its noises e_νk, φ_νk = g_ν + e_νk, leaving the sample out gives
:math:`g_\nu^\top Rg_\nu/n=\tau_w(1-\theta\tau_w)`, R = (U + c₀)⁻¹, and hence

.. math::

    \tfrac1p\mathrm{Tr}\,UR=1-c_0q,\quad
    \tfrac1p\mathrm{Tr}\,\tilde UR=\frac{\alpha^2\langle\sigma k\rangle+b^2\langle k\rangle}{\psi_p}+(v^2+s^2)q,\quad
    \tfrac1p\mathrm{Tr}\,U_\infty R=\frac{\psi_n\tau_w(1-\theta\tau_w)+b^2\langle k\rangle}{\psi_p}+s^2q.
"""

from __future__ import annotations

import numpy as np

from ..resolvents.equations import Model, Points, solve_real
from .ridge import rank


def resolvent_traces(points: Points, c0: np.ndarray) -> np.ndarray:
    """(1/p)Tr X(U + c₀)⁻¹ for X = U, Ũ, U_∞, shape (3, points)."""
    m = points.model
    shared, linear = m.b2 * points.mean_k / m.psi_p, m.alpha2 * points.sums[:, 1] / m.psi_p
    sample = m.psi_n / m.psi_p * points.tau_w * (1 - points.theta * points.tau_w)
    return np.stack([1 - c0 * points.q, linear + shared + (m.v2 + m.s2) * points.q, sample + shared + m.s2 * points.q])


def left_over(model: Model) -> np.ndarray:
    """(1/p)Tr XP for X = U, Ũ, U_∞ and P the projector on the zero eigenvalues of U: what no training removes, shape (3,)."""
    if rank(model) >= model.psi_p or model.s2 == 0:
        return np.zeros(3)
    # P = lim λ(U + λ)⁻¹: the limit equations, in which q and k are in units of 1/λ.
    found: np.ndarray = resolvent_traces(solve_real(model, 1.0, 0.0), np.ones(1))[:, 0]
    found[0] = 0.0
    return found
