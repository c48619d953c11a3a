"""dy/dτ of the packed order parameters from the moments of every cluster: what all right-hand sides do with them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ...kernels.compile import Kernels
from ...kernels.shared.assembly import assemble
from .coefficients import Coefficients
from .layout import Layout


class RightHandSide(ABC):
    """dy/dτ of the packed order parameters, from the moments of every cluster.

    Attributes
    ----------
    coefficients : Coefficients
    kernels : Kernels
    layout : Layout
    evaluations : int
        Calls so far.
    """

    def __init__(self, coefficients: Coefficients, kernels: Kernels) -> None:
        self.coefficients, self.kernels = coefficients, kernels
        atoms, directions = coefficients.T.shape[:2]
        stack = coefficients.optimiser
        basis = max(1, len(coefficients.start.psi))
        self.layout = Layout(atoms, stack.size, directions, kernels.parameters, basis, len(stack.averages))
        self.evaluations = 0
        self._kept_map: tuple[tuple[float, float, float], tuple[np.ndarray, np.ndarray]] | None = None

    @abstractmethod
    def moments(
        self, theta: np.ndarray, q: np.ndarray, b: float | np.ndarray, kappa: np.ndarray, tau: float = 0.0
    ) -> np.ndarray:
        """E_t-averaged moments of every cell, (cells, names), from Θ and q of the network's own vectors."""

    def unpack(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, Any, np.ndarray]:
        """Θ(s), q(s), b, κ of one state; b is a number, or (basis,)."""
        theta, q, b, kappa = self.layout.unpack(y)
        return theta, q, float(b) if self.layout.basis == 1 else b, kappa

    def _map(self, tau: float, scale: float, decay: float) -> tuple[np.ndarray, np.ndarray]:
        """R and A of the optimiser; the last ones are kept."""
        optimiser = self.coefficients.optimiser
        key = (0.0 if optimiser.still else tau, scale, decay)
        if self._kept_map is None or self._kept_map[0] != key:
            self._kept_map = key, optimiser.at(tau, scale, decay)
        return self._kept_map[1]

    def network(self, theta: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The part of Θ(s) and q(s) that is the network's own."""
        p = self.coefficients.optimiser.p
        if p == self.layout.p:
            return theta, q
        return np.ascontiguousarray(theta[:, :p]), np.ascontiguousarray(q[:, :p, :p])

    def __call__(self, tau: float, y: np.ndarray) -> np.ndarray:
        """dy/dτ."""
        return self.slope(y, self.coefficients.scale(tau), tau)

    def slope(self, y: np.ndarray, scale: float, tau: float = 0.0) -> np.ndarray:
        """dy/dτ at τ, with ``scale`` in the place of s(τ)."""
        self.evaluations += 1
        given, module, layout = self.coefficients, self.kernels.module, self.layout
        now = given.at(tau)
        theta, q, b, kappa = self.unpack(y)
        moments = self.moments(*self.network(theta, q), b, kappa, tau)
        p, atoms = given.optimiser.p, layout.atoms
        A, B, N = np.empty((len(given.pi), p)), np.empty((atoms, p, p)), np.empty((atoms, p, p))
        module.increments(moments, given.pi, given.varsigma, A, B, N)
        R, L = self._map(tau, scale, now.decay)
        dtheta, dq = np.empty_like(theta), np.empty_like(q)
        assemble(A, B, N, given.pi, given.c, given.t, given.mass, theta, q, given.eta, R, L, dtheta, dq)
        _, slope = module.bulk(*now.told[:4], given.Lambda, now.skip(b))
        db = np.zeros(layout.basis)
        db[: len(now.psi)] = given.optimiser.of_scalar(scale * given.rho_b) * (now.psi @ (now.first * slope))
        first = len(self.kernels.names) - 1 - layout.parameters
        gradient = given.pi @ moments[:, first : first + layout.parameters]
        dkappa = given.optimiser.of_scalar(scale) * gradient
        live = y[layout.at_b : layout.at_b + layout.scalars]
        if not layout.averages:
            return layout.pack(dtheta, dq, db, dkappa)
        averaged = y[layout.at_b + layout.scalars :].reshape(layout.averages, layout.scalars)
        return layout.pack(dtheta, dq, db, dkappa, given.optimiser.gammas(tau)[:, None] * (live - averaged))
