"""E_t-averaged moments of the network's functions, by fixed nodes over the law of the fields."""

from __future__ import annotations

import numpy as np

from ....common.input.checks import present
from ...kernels.compile import Kernels
from ...kernels.shared.fields import FieldLaw, of_pairs
from ...kernels.shared.regression import fill_hessians
from .coefficients import Coefficients, Instant

#: Nodes (N, n) and their weights.
Nodes = tuple[np.ndarray, np.ndarray]


class AveragedMoments:
    """The kernels ``moments`` and ``noise`` with their nodes.

    Parameters
    ----------
    coefficients : Coefficients
    kernels : Kernels
    nodes : (z, w)
        Over the encoder fields at one time.
    noise_nodes : (z, w), optional
        Over those of both channels, where several times share one sample.
    """

    def __init__(self, coefficients: Coefficients, kernels: Kernels, nodes: Nodes, noise_nodes: Nodes | None) -> None:
        self.coefficients, self.kernels = coefficients, kernels
        self.nodes, self.noise_nodes = nodes, noise_nodes
        self.encoders, self.decoders = np.array(kernels.encoders, dtype=int), np.array(kernels.decoders, dtype=int)
        first, pairs = kernels.column("N0_1_1"), kernels.p * (kernels.p + 1) // 2
        self._noise = slice(first, first + 2 * pairs)
        self._kept: dict[int, tuple[Instant, tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}

    def mixing(self, b: float | np.ndarray, now: Instant | None = None) -> np.ndarray:
        """α, β, y₀ − sα, y₁ − sβ at every time: coefficients of λ₀ and λ₁ in the fields, and in a residual field."""
        now = self.coefficients.start if now is None else now
        return np.stack([*now.told[:2], *self.kernels.module.channel_weights(*now.told[:4], now.skip(b))])

    def average(
        self,
        law: FieldLaw,
        pairs: tuple[FieldLaw, FieldLaw] | None,
        Q: np.ndarray,
        b: float | np.ndarray,
        kappa: np.ndarray,
        now: Instant | None = None,
    ) -> np.ndarray:
        """Moments of every cell, (cells, names).

        Parameters
        ----------
        law : FieldLaw
            Of every cell and time.
        pairs : (FieldLaw, FieldLaw) or None
            Of both channels in every cell, where several times share one sample.
        Q, b, kappa : (p, p), float or (basis,), (parameters,)
        now : Instant
            The times; default those at τ = 0.
        """
        given, module = self.coefficients, self.kernels.module
        now = given.start if now is None else now
        count, times = len(law.mean), len(now.times)
        cells = count // times
        rows, told, every = self._tiled(cells, now)
        skip = np.tile(now.skip(b), cells)
        out = np.empty((count, len(self.kernels.names)))
        fields = law.mean, law.root, law.emean, law.eroot, law.residual
        module.moments(*self.nodes, *fields, Q, *rows, skip, every, kappa, out)
        if self.kernels.kink:
            mixing = np.tile(self.mixing(b, now), cells)
            fill_hessians(out, self.kernels.column, self.kernels.p, law, mixing, self.encoders, self.decoders)
        if times == 1 and now.first[0] == now.second[0] == 1.0:
            averaged = out
        else:
            by_time = out.reshape(cells, times, -1)
            averaged = now.first @ by_time
            averaged[:, self._noise] = now.second @ by_time[:, :, self._noise]
        if pairs is not None:
            averaged[:, self._noise] = self._over_pairs(pairs, Q, b, kappa, now, told)
        if given.batch > 1:
            averaged[:, self._noise] /= given.batch
        return averaged

    def _tiled(self, cells: int, now: Instant) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the network is told in every cell at every time, the one-hot labels of the cells, and those of every condition.

        Of a continuous latent measure there are no labels.
        """
        if cells in self._kept and self._kept[cells][0] is now:
            return self._kept[cells][1]
        told = self.coefficients.told
        told = told if len(told) == cells else np.zeros((cells, told.shape[1]))
        found = np.tile(now.told, cells), told, np.repeat(told, len(now.times), axis=0)
        self._kept[cells] = now, found
        return found

    def _over_pairs(
        self,
        pairs: tuple[FieldLaw, FieldLaw],
        Q: np.ndarray,
        b: float | np.ndarray,
        kappa: np.ndarray,
        now: Instant,
        told: np.ndarray,
    ) -> np.ndarray:
        """N where one sample serves all times: g averaged over t first, then multiplied."""
        nodes = present(self.noise_nodes, "noise_nodes")
        out = np.empty((len(pairs[0].mean), self._noise.stop - self._noise.start))
        self.kernels.module.noise(*nodes, *of_pairs(*pairs), Q, *now.told, now.first, now.skip(b), told, kappa, out)
        return out
