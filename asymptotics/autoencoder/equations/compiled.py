"""What a compiled right-hand side is called with: coefficients, nodes and room of one problem."""

from __future__ import annotations

import math

import numpy as np

from ...common.numerics.expectations import Fields, Lattice, Rule
from ..kernels.compile import Kernels
from ..kernels.compiled_types import FIXED, LATTICE, ORDER, Given, Nodes, Room
from ..kernels.regression import first_columns
from .coefficients import Coefficients

#: Room for the nodes of a lattice, by dimension.
LARGEST = {1: 20_000, 2: 120_000, 3: 250_000, 4: 500_000}
#: Reserve of a lattice, in units of −ln of the error, and of its ball in standard deviations.
RESERVE, BEYOND = 2.0, 0.8


def given_of(coefficients: Coefficients, kernels: Kernels) -> Given:
    """The coefficients as arrays, for one stage."""
    c = coefficients
    encoders, decoders = np.array(kernels.encoders, dtype=np.int64), np.array(kernels.decoders, dtype=np.int64)
    columns = np.full(8, -1, dtype=np.int64)
    if kernels.kink:
        columns[:6] = first_columns(kernels.column, encoders, decoders)
    columns[6] = kernels.column("N0_1_1")
    columns[7] = kernels.column("potential") - kernels.parameters
    K = c.c.shape[1]
    return Given(
        *(np.array(x, dtype=np.float64, order="C") for x in (c.pi, c.c, c.t, c.varsigma, c.mass, c.rho)),
        held=np.zeros(0, dtype=np.int64),
        lift=np.zeros((0, K, K)),
        encoders=encoders,
        decoders=decoders,
        columns=columns,
        schedule=np.array(c.schedule[None], order="C"),
        weights=np.array([c.time_weights]),
        numbers=np.array([[1.0, c.Lambda, c.eta, c.decay, c.rho_b, float(c.batch)]]),
    )


def nodes_of(kernels: Kernels, rule: Fields, pairs: Rule | None) -> Nodes:
    """Nodes over the encoder fields at one time, and over those of both channels."""
    n = len(kernels.encoders)
    mode, law = np.zeros(8, dtype=np.int64), np.zeros(7)
    mode[2] = mode[4] = np.iinfo(np.int64).min
    law[ORDER + 2] = 1.0
    if isinstance(rule, Lattice):
        mode[0] = LATTICE
        decades = math.log(1.0 / rule.tolerance) + RESERVE
        distance, order, gaussian = kernels.singularity
        law[:5] = decades, math.sqrt(2.0 * decades) + BEYOND, distance, order, gaussian
        room = LARGEST[n]
        z, w, other_z, other_w = np.empty((room, n)), np.empty(room), np.empty((room, n)), np.empty(room)
    else:
        mode[0] = FIXED
        z, w = (np.array(x) for x in rule.points(n))
        other_z, other_w = np.empty((0, n)), np.empty(0)
    pair_z, pair_w = (np.zeros((0, 2 * n)), np.zeros(0)) if pairs is None else map(np.array, pairs.points(2 * n))
    table = np.zeros((0, 2, 0))
    return Nodes(mode, law, z, w, other_z, other_w, pair_z, pair_w, table, table)


def room_of(given: Given, kernels: Kernels) -> Room:
    """Arrays to work in."""
    (C, K), S, p = given.c.shape, len(given.mass), kernels.p
    n, J, T, names = len(given.encoders), len(given.decoders), given.weights.shape[1], len(kernels.names)
    N, e = C * T, np.empty
    return Room(
        theta=e((S, p, K)), q=e((S, p, p)), kappa=e(kernels.parameters), dtheta=e((S, p, K)), dq=e((S, p, p)),
        Q=e((p, p)), M=e((C, p)), Qc=e((C, p, p)),
        mean=e((N, n)), root=e((N, n, n)), inverse=e((N, n, n)), emean=e((N, J)), eroot=e((N, J, n)),
        cross=e((N, J, n)), residual=e((N, J, J)), conditional=e((N, n, n)), econditional=e((N, J, n)),
        tiled=e((4, N)), mixing=e((4, N)), out=e((N, names)), averaged=e((C, names)), noise=e((C, p * (p + 1))),
    )  # fmt: skip
