"""What a compiled right-hand side is called with: coefficients, nodes and room of one problem."""

from __future__ import annotations

import math

import numpy as np

from ....common.numerics.quadrature.expectations import Fields, Lattice, Rule, Split
from ....common.numerics.quadrature.truncated import split_table
from ...kernels.compile import Kernels
from ...kernels.shared.compiled_types import FIXED, FREQUENCY, LATTICE, ORTHANT, PRUNED, REFINED, Given, Nodes, Room
from ...kernels.shared.regression import first_columns
from .coefficients import Coefficients

#: An array, or the shape of a new one.
Array = np.ndarray | tuple[int, ...]
#: Room for the nodes of a lattice, by dimension.
LARGEST = {1: 20_000, 2: 40_000, 3: 250_000, 4: 500_000}
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
    K, P, T = c.c.shape[1], c.optimiser.size, len(c.times)
    twin = twins(c.c, c.varsigma, c.told)
    given = Given.packed(
        pi=c.pi, c=c.c, t=c.t, varsigma=c.varsigma, mass=c.mass, labels=c.told, held=(0,), lift=(0, K, K),
        encoders=encoders, decoders=decoders, columns=columns, twin=twin,
        parity=kernels.parity if np.any(twin >= 0) else (0,), told=(1, 5, T), fixed=(1, T),
        psi=(1, len(c.start.psi), T), first=(1, T), second=(1, T), R=(1, P, c.optimiser.p), L=(1, P, P),
        gammas=(1, len(c.optimiser.averages)), numbers=(1, 5),
    )  # fmt: skip
    fill(given, c, 0, 0.0, 1.0)
    return given


def twins(centroids: np.ndarray, varsigma: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """An earlier cell of opposite centroid and else the same; the cell itself where its centroid is zero; −1 where there is none."""
    found = np.full(len(centroids), -1, dtype=np.int64)
    seen: dict[tuple[bytes, bytes], int] = {}
    for g, (c, *rest) in enumerate(zip(centroids, varsigma, labels, strict=True)):
        # (0 − c has no zeros of the other sign.)
        key = b"".join(x.tobytes() for x in rest)
        own, opposite = (c + 0.0).tobytes(), (0.0 - c).tobytes()
        if own == opposite:
            found[g] = g
        elif (opposite, key) in seen:
            found[g] = seen[opposite, key]
        else:
            seen[own, key] = g
    return found


#: What depends on τ.
MOVING = ("told", "fixed", "psi", "first", "second", "R", "L", "gammas", "numbers")


def stages(given: Given, count: int) -> Given:
    """The same with room for several stages of a step; `fill` says what they are."""
    return given.replaced(**{name: np.repeat(getattr(given, name), count, axis=0) for name in MOVING})


def without_held(given: Given) -> Given:
    """The same where q is taken as it is."""
    return given.replaced(held=given.held[:0], lift=given.lift[:0])


def fill(given: Given, c: Coefficients, stage: int, tau: float, scale: float) -> None:
    """The coefficients of one stage, at τ with ``scale`` in the place of s(τ)."""
    now = c.at(tau)
    given.told[stage], given.fixed[stage], given.psi[stage] = now.told, now.fixed, now.psi
    given.first[stage], given.second[stage] = now.first, now.second
    given.R[stage], given.L[stage] = c.optimiser.at(tau, scale, now.decay)
    given.gammas[stage] = c.optimiser.gammas(tau)
    of_b, of_kappa = c.optimiser.of_scalar(scale * c.rho_b), c.optimiser.of_scalar(scale)
    given.numbers[stage] = of_kappa, of_b, c.Lambda, c.eta, float(c.batch)


def nodes_of(kernels: Kernels, rule: Fields, pairs: Rule | None) -> Nodes:
    """Nodes over the encoder fields at one time, and over those of both channels."""
    n = len(kernels.encoders)
    mode, law = np.zeros(10, dtype=np.int64), np.zeros(8)
    mode[2] = mode[4] = np.iinfo(np.int64).min
    law[REFINED] = 1.0
    tables: list[Array] = [(0, 6, 0)] * 4
    z: Array
    w: Array
    if isinstance(rule, Lattice):
        mode[0] = LATTICE
        decades = math.log(1.0 / rule.tolerance) + RESERVE
        distance, order, gaussian, law[FREQUENCY] = kernels.singularity
        law[:5] = decades, math.sqrt(2.0 * decades) + BEYOND, distance, order, gaussian
        room = shifted = LARGEST[n]
        z, w = (room, n), (room,)
    elif isinstance(rule, Split):
        mode[0] = ORTHANT
        law[PRUNED] = rule.pruned
        # On each side of an axis; the check has a node more on each.
        room, shifted = (2 * (rule.outer + 1)) ** (n - 1) * 2 * (rule.inner + 1), 0
        z, w = (room, n), (room,)
        tables = [split_table(k) for k in (rule.outer, rule.inner, rule.outer + 1, rule.inner + 1)]
    else:
        mode[0], shifted = FIXED, 0
        z, w = rule.points(n)
    pair_z, pair_w = ((0, 2 * n), (0,)) if pairs is None else pairs.points(2 * n)
    outer, inner, shifted_outer, shifted_inner = tables
    return Nodes.packed(
        mode=mode, law=law, z=z, w=w, shifted_z=(shifted, n), shifted_w=(shifted,), pair_z=pair_z, pair_w=pair_w,
        outer=outer, inner=inner, shifted_outer=shifted_outer, shifted_inner=shifted_inner,
    )  # fmt: skip


def room_of(given: Given, kernels: Kernels, basis: int) -> Room:
    """Arrays to work in."""
    (C, K), S, (P, p) = given.c.shape, len(given.mass), given.R.shape[1:]
    n, J, T, names = len(given.encoders), len(given.decoders), given.first.shape[1], len(kernels.names)
    N = C * T
    return Room.packed(
        theta=(S, P, K), q=(S, P, P), dtheta=(S, P, K), dq=(S, P, P), own_theta=(S, p, K),
        own_q=(S, p, p), b=(basis,), kappa=(kernels.parameters,), A=(C, p), B=(S, p, p), N=(S, p, p),
        Q=(p, p), M=(C, p), Qc=(C, p, p), skip=(T,), c0=(T,), c1=(T,), bulk=(T,), slope=(T,),
        mean=(N, n), root=(N, n, n), inverse=(N, n, n), emean=(N, J), eroot=(N, J, n),
        cross=(N, J, n), residual=(N, J, J), conditional=(N, n, n), econditional=(N, J, n),
        tiled=(6, N), told=(N, given.labels.shape[1]), breaks=(N, 2 * kernels.places * n), mixing=(4, N), out=(N, names),
        averaged=(C, names), noise=(C, p * (p + 1)),
    )  # fmt: skip
