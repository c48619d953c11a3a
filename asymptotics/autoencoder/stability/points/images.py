"""Exchanges and reflections under which a training flow looks the same, and the images of a state under them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from ..flow import Flow

#: Most transformations that are listed; of more units only those of the directions are.
MOST = 4000
#: Two rates of change agree to this, in units of their size: expectations by a product rule keep exchanges and signs exactly.
ALIKE = 1e-6


class Images:
    """The group of a flow: permutations and signs of the units, signs and permutations of the reference directions.

    Only transformations that the flow itself confirms at a state without any symmetry are kept.

    Parameters
    ----------
    flow : Flow
    """

    def __init__(self, flow: Flow) -> None:
        self.flow, layout = flow, flow.layout
        self.p, self.K = layout.p, layout.K
        names = flow.problem.denoiser.vectors
        keys = [name.rpartition("_")[2] for name in names]
        units: dict[str, list[int]] = {}
        for a, key in enumerate(keys):
            units.setdefault(key, []).append(a)
        sizes = {len(group) for group in units.values()}
        # Vectors without a common pattern of names are left as they are.
        self.units = [np.array(group) for group in units.values()] if len(sizes) == 1 else []
        self.state = self._generic()
        self.slope = flow(self.state)
        self.elements = [g for g in self._candidates() if self._holds(*g)]

    def _generic(self) -> np.ndarray:
        flow, layout = self.flow, self.flow.layout
        rng = np.random.default_rng(7)
        theta, q = np.zeros((layout.atoms, self.p, self.K)), np.zeros((layout.atoms, self.p, self.p))
        for s, (T, mass) in enumerate(zip(flow.drift.coefficients.T, flow.drift.coefficients.mass, strict=True)):
            W = 0.4 * rng.standard_normal((self.p, self.K))
            L = 0.4 * rng.standard_normal((self.p, self.p))
            theta[s], q[s] = W @ T, W @ T @ W.T + (0.0 if s in flow.held else mass * L @ L.T)
        kappa = flow.drift.layout.unpack(flow.start)[3] + 0.1 * rng.standard_normal(layout.parameters)
        return flow.physical(layout.pack(theta, q, flow.settled_skip(), kappa))

    def _candidates(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Signed permutations (of the vectors, of the directions), the identity first."""
        r, K = len(self.units), self.K
        of_units = math.factorial(r) * 2**r if r else 1
        of_directions = math.factorial(K) * 2**K
        directions = list(_signed(K)) if of_directions <= 48 else [np.eye(K)]
        units = list(_signed(r)) if r and of_units * len(directions) <= MOST else [np.eye(max(r, 1))]
        for small in units:
            big = np.eye(self.p)
            if self.units:
                big = np.zeros((self.p, self.p))
                for i, j in itertools.product(range(r), repeat=2):
                    if small[i, j]:
                        big[self.units[i], self.units[j]] = small[i, j]
            for direction in directions:
                yield big, direction

    def _holds(self, units: np.ndarray, directions: np.ndarray) -> bool:
        T = self.flow.drift.coefficients.T
        if not np.allclose(directions.T @ T @ directions, T, atol=1e-12):
            return False
        image, slope = (self.apply(units, directions, y) for y in (self.state, self.slope))
        found = self.flow(image)
        return bool(np.max(np.abs(found - slope)) < ALIKE * (1 + np.max(np.abs(slope))))

    def apply(self, units: np.ndarray, directions: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The image of a packed state (or of its rate of change)."""
        layout = self.flow.layout
        theta, q, b, kappa = layout.unpack(y)
        if len(kappa) == len(self.units) > 0:
            # One scalar a unit (a bias, which changes its sign with the unit).
            kappa = units[np.ix_([u[0] for u in self.units], [u[0] for u in self.units])] @ kappa
        return layout.pack(units @ theta @ directions, units @ q @ units.T, b, kappa)

    def of(self, y: np.ndarray) -> list[np.ndarray]:
        """All different images of a state, itself first."""
        found = [y]
        size = 1e-6 * (1 + float(np.max(np.abs(y))))
        for element in self.elements:
            image = self.apply(*element, y)
            if all(np.max(np.abs(image - other)) > size for other in found):
                found.append(image)
        return found

    def nearest(self, y: np.ndarray, to: np.ndarray) -> tuple[np.ndarray, int]:
        """The image nearest to a state (of several the one of largest overlaps, first entries first), and their number."""
        images = self.of(y)
        distances = np.round([float(np.linalg.norm(image - to)) for image in images], 6)
        near = [image for image, x in zip(images, distances, strict=True) if x == distances.min()]
        return max(near, key=lambda image: np.round(image, 6).tolist()), len(images)


def _signed(n: int) -> Iterator[np.ndarray]:
    """All signed permutation matrices, the identity first."""
    for permutation in itertools.permutations(range(n)):
        for signs in itertools.product((1.0, -1.0), repeat=n):
            yield np.eye(n)[list(permutation)] * np.array(signs)[:, None]
