r"""The ridge problem at finite dimension, solved exactly on the actual samples, and the flow that it makes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .data import Sums


@dataclass(frozen=True)
class Ridge:
    r"""Minimiser (b, v) of Σ ‖b y + h v − x₁‖² + λ‖v‖² at every t, y = α x₀ + β x₁, with a given sign pattern h.

    .. math:: C_{ab} = \sum x_a\cdot x_b - \frac{(\sum h x_a)\cdot(\sum h x_b)}{N+\lambda},\quad
       D = \alpha^2 C_{00} + 2\alpha\beta C_{01} + \beta^2 C_{11},\quad
       b = \frac{\alpha C_{01} + \beta C_{11}}{D},\quad v = \frac{(1-b\beta) K\bar X - b\alpha\,\xi}{N+\lambda} .

    Parameters
    ----------
    data, noise : ndarray, shape (d,)
        K X̄ and ξ.
    c00, c01, c11 : float
    scale : float
        N + λ.
    skip : bool
        Without the skip connection b = 0.
    """

    data: np.ndarray
    noise: np.ndarray
    c00: float
    c01: float
    c11: float
    scale: float
    skip: bool = True

    @classmethod
    def of(cls, sums: Sums, total: int, ridge: float, skip: bool = True) -> Ridge:
        """From the sums over a training set of N = nK pairs."""
        scale = total + ridge
        dots = np.array([sums.noise @ sums.noise, sums.noise @ sums.data, sums.data @ sums.data])
        c00, c01, c11 = (float(c) for c in sums.squares - dots / scale)
        if c11 <= 1e-12 * sums.squares[2]:
            # All samples are ±X̄/N and nothing is penalised: what is left is rounding.
            c01, c11 = 0.0, 0.0
        return cls(sums.data, sums.noise, c00, c01, c11, scale, skip)

    def determinant(self, alpha: float | np.ndarray, beta: float | np.ndarray) -> np.ndarray:
        """D, the curvature of the loss in b once v is eliminated."""
        return np.asarray(alpha**2 * self.c00 + 2 * alpha * beta * self.c01 + beta**2 * self.c11)

    def b(self, alpha: float | np.ndarray, beta: float | np.ndarray) -> np.ndarray:
        """The skip connection."""
        if not self.skip:
            return np.zeros(np.broadcast_shapes(np.shape(alpha), np.shape(beta)))
        return np.asarray((alpha * self.c01 + beta * self.c11) / self.determinant(alpha, beta))

    def coefficients(self, alpha: float | np.ndarray, beta: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of K X̄ and of ξ in v."""
        b = self.b(alpha, beta)
        return (1 - b * beta) / self.scale, -b * alpha / self.scale

    def v(self, alpha: float, beta: float) -> np.ndarray:
        """v = w/√d, shape (d,)."""
        x, y = self.coefficients(alpha, beta)
        return x * self.data + y * self.noise

    def drift(
        self, alpha: np.ndarray, beta: np.ndarray, alpha_dot: np.ndarray, beta_dot: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        r"""Rate a, gain g and the direction's coefficients (p, q) of the drift ``a X + s g (p K X̄ + q ξ)``.

        .. math:: a = \frac{\dot D}{2D},\quad g = \frac{\alpha\dot\beta-\dot\alpha\beta}{(N+\lambda)D},\quad
           p = \alpha C_{00} + \beta C_{01},\quad q = -(\alpha C_{01} + \beta C_{11}) .

        The poles in 1/α of ``(β̇ − α̇β/α) f + α̇/α X`` cancel in this form, which therefore holds up to t = 1; the direction
        is v/α up to a positive factor, so that s = sign(v·X) has its limit there too. Without the skip connection nothing
        cancels and α > 0 is needed.
        """
        if not self.skip:
            gain = beta_dot - alpha_dot * beta / alpha
            return alpha_dot / alpha, gain / self.scale, np.ones_like(gain), np.zeros_like(gain)
        d = self.determinant(alpha, beta)
        rate = (
            alpha * alpha_dot * self.c00 + (alpha * beta_dot + alpha_dot * beta) * self.c01 + beta * beta_dot * self.c11
        )
        gain = (alpha * beta_dot - alpha_dot * beta) / (self.scale * d)
        return rate / d, gain, alpha * self.c00 + beta * self.c01, -(alpha * self.c01 + beta * self.c11)

    def envelope(self, alpha: float | np.ndarray, beta: float | np.ndarray) -> np.ndarray:
        """E = √(D/C₀₀), the factor on X₀; α without the skip connection."""
        if not self.skip:
            return np.asarray(alpha, dtype=np.float64)
        return np.sqrt(self.determinant(alpha, beta) / self.c00)

    def first_direction(self) -> np.ndarray:
        """Direction whose sign of overlap with X₀ decides the cluster: v at t = 0."""
        return self.v(1.0, 0.0)

    def flow_map(self, alpha: float, beta: float, start: np.ndarray) -> np.ndarray:
        r"""Exact solution of the transport at finite d.

        .. math:: X_t = E_t X_0 + \frac{s}{N+\lambda}\,[\beta\,K\bar X + (\alpha - E_t)\,\xi],\qquad
           s = \mathrm{sign}(v_0\cdot X_0)

        Parameters
        ----------
        alpha, beta : float
            The interpolant at the time wanted.
        start : ndarray, shape (P, d)
            X₀.

        Returns
        -------
        ndarray, shape (P, d)
        """
        sign = np.where(start @ self.first_direction() >= 0, 1.0, -1.0)
        e = float(self.envelope(alpha, beta))
        return e * start + sign[:, None] * self.mean_shift(alpha, beta)

    def mean_shift(self, alpha: float, beta: float) -> np.ndarray:
        """[β K X̄ + (α − E) ξ]/(N + λ), shape (d,)."""
        e = float(self.envelope(alpha, beta))
        return (beta * self.data + (alpha - e) * self.noise) / self.scale

    def cluster_mean(self, alpha: float, beta: float) -> np.ndarray:
        r"""Exact mean of s X_t over X₀: the flow map's shift plus the half-space bias E √(2/π) v₀/‖v₀‖, shape (d,)."""
        first = self.first_direction()
        bias = float(self.envelope(alpha, beta)) * np.sqrt(2 / np.pi) / np.linalg.norm(first)
        return self.mean_shift(alpha, beta) + bias * first
