"""E_t-averaged moments of the network's functions, by fixed nodes over the law of the fields."""

from __future__ import annotations

import numpy as np

from ...common.input.checks import present
from ..kernels.compile import Kernels
from ..kernels.fields import FieldLaw, of_pairs
from ..kernels.regression import fill_hessians
from .coefficients import Coefficients

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
        self._tiled: dict[int, np.ndarray] = {}

    def mixing(self, b: float) -> np.ndarray:
        """α, β, y₀ − bα, y₁ − bβ at every time: coefficients of λ₀ and λ₁ in the fields, and in a residual field."""
        schedule = self.coefficients.schedule
        return np.stack([*schedule[:2], *self.kernels.module.channel_weights(*schedule, b)])

    def average(
        self,
        law: FieldLaw,
        pairs: tuple[FieldLaw, FieldLaw] | None,
        Q: np.ndarray,
        b: float,
        kappa: np.ndarray,
    ) -> np.ndarray:
        """Moments of every cluster, (clusters, names).

        Parameters
        ----------
        law : FieldLaw
            Of every cluster and time.
        pairs : (FieldLaw, FieldLaw) or None
            Of both channels in every cluster, where several times share one sample.
        Q, b, kappa : (p, p), float, (parameters,)
        """
        given, module = self.coefficients, self.kernels.module
        count, times = len(law.mean), len(given.times)
        clusters = count // times
        schedule = self._tiled.setdefault(clusters, np.tile(given.schedule, clusters))
        out = np.empty((count, len(self.kernels.names)))
        module.moments(*self.nodes, law.mean, law.root, law.emean, law.eroot, law.residual, Q, *schedule, b, kappa, out)
        if self.kernels.kink:
            mixing = np.tile(self.mixing(b), clusters)
            fill_hessians(out, self.kernels.column, self.kernels.p, law, mixing, self.encoders, self.decoders)
        averaged = out if times == 1 else given.time_weights @ out.reshape(clusters, times, -1)
        if pairs is not None:
            averaged[:, self._noise] = self._over_pairs(pairs, Q, b, kappa)
        if given.batch > 1:
            averaged[:, self._noise] /= given.batch
        return averaged

    def _over_pairs(self, pairs: tuple[FieldLaw, FieldLaw], Q: np.ndarray, b: float, kappa: np.ndarray) -> np.ndarray:
        """N where one sample serves all times: g averaged over t first, then multiplied."""
        given, nodes = self.coefficients, present(self.noise_nodes, "noise_nodes")
        out = np.empty((len(pairs[0].mean), self._noise.stop - self._noise.start))
        self.kernels.module.noise(*nodes, *of_pairs(*pairs), Q, *given.schedule, given.time_weights, b, kappa, out)
        return out
