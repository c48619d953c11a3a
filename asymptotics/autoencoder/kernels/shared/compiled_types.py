"""What compiled right-hand sides are given: coefficients, nodes, room to work in; and the types of the functions that take them."""

from __future__ import annotations

from dataclasses import dataclass

from numba import float64, int64, types

from ....common.numerics.code.blocks import Block, Cube, Integers, Matrix, Vector, block

#: How the nodes of an evaluation come about.
FIXED, LATTICE, ORTHANT = range(3)
#: Entries of `Nodes.mode`: the kind; whether shifted nodes are wanted; rung and number of the two tables; where room ran out; the
#: most nodes of one condition; whether a lattice keeps its spacing, whatever the fields (differences of nearby states do not jump);
#: whether in its place stretched axes are taken.
KIND, SHIFTED, RUNG, COUNT, RUNG_SHIFTED, COUNT_SHIFTED, OVERFLOW, USED, FROZEN, STRETCHED = range(10)
#: Entries of `Nodes.law`: −ln of the wanted error; radius of the ball; distance and order of the nearest singularity; Gaussian
#: factor; what the dual vectors are longer by; weight below which nodes are dropped; frequency of a φ that does not saturate.
DECADES, CUT, DISTANCE, ORDER, GAUSSIAN, REFINED, PRUNED, FREQUENCY = range(8)
#: Entries of `Given.numbers`: factors on the gradients of κ and of b; Λ, η, samples a step.
OF_KAPPA, OF_B, LAMBDA, ETA, BATCH = range(5)


@dataclass(frozen=True)
class Given(Block):
    """Coefficients of the order-parameter equations; the first axis of what depends on τ is the stage of a step (or has length 1).

    Attributes
    ----------
    pi, c, t, varsigma, mass : as in `asymptotics.autoencoder.equations.derivative.coefficients.Coefficients`
    labels : (cells, L)
        The one-hot label of every cell.
    held, lift : (n,), (n, K, K)
        Atoms in which q = Θ T⁺ Θᵀ, and T⁺ there.
    encoders, decoders : (n,), (J,)
    columns : (8,)
        First columns of the moments W0, W1, G0, G1 (−1: no regression), H0, H1, N0, K.
    twin : (cells,)
        An earlier cell whose fields have the opposite means; the cell itself where its means are zero; −1: neither.
    parity : (names,)
        Whether a moment keeps its sign where the means change theirs (1, −1); (0,) where that is no use.
    told : (stages, 5, times)
        α, β, α̇, β̇, t.
    fixed, psi : (stages, times), (stages, basis, times)
        s₀ and the ψ_k.
    first, second : (stages, times)
        Weights of E_t for all that is linear in the gradient, and for its squares.
    R, L : (stages, P, p), (stages, P, P)
        The optimiser's linear map on the stacked vectors.
    gammas : (stages, averages)
    numbers : (stages, 5)
        See the names above.
    """

    pi: Vector
    c: Matrix
    t: Cube
    varsigma: Matrix
    mass: Vector
    labels: Matrix
    held: Integers
    lift: Cube
    encoders: Integers
    decoders: Integers
    columns: Integers
    twin: Integers
    parity: Vector
    told: Cube
    fixed: Matrix
    psi: Cube
    first: Matrix
    second: Matrix
    R: Cube
    L: Cube
    gammas: Matrix
    numbers: Matrix


@dataclass(frozen=True)
class Nodes(Block):
    """Nodes and how they are made.

    Attributes
    ----------
    mode, law : (10,), (8,)
        See the names above.
    z, w, shifted_z, shifted_w : (room, n), (room,)
        Tables for single times, and the same shifted.
    pair_z, pair_w : (N, 2n), (N,)
        Nodes for pairs of times (none: N = 0).
    outer, inner, shifted_outer, shifted_inner : (intervals, 6, 2m)
        Gauss rules of m nodes of truncated normal laws by the point of truncation (`truncated.split_table`), for the outer fields
        and for the innermost; and larger ones.
    """

    mode: Integers
    law: Vector
    z: Matrix
    w: Vector
    shifted_z: Matrix
    shifted_w: Vector
    pair_z: Matrix
    pair_w: Vector
    outer: Cube
    inner: Cube
    shifted_outer: Cube
    shifted_inner: Cube


@dataclass(frozen=True)
class Room(Block):
    """Arrays that an evaluation writes in (the caller's own: evaluations of several threads need several).

    Attributes
    ----------
    theta, q, dtheta, dq : (atoms, P, K), (atoms, P, P), …
        The state unpacked, and its derivative.
    own_theta, own_q : (atoms, p, K), (atoms, p, p)
        The part of the network's own vectors.
    b, kappa : (basis,), (parameters,)
    A, B, N : (cells, p), (atoms, p, p), (atoms, p, p)
        Drift and noise of a gradient step.
    Q, M, Qc : (p, p), (cells, p), (cells, p, p)
    skip, c0, c1, bulk, slope : (times,)
        s(t); coefficients of λ₀ and λ₁ in a residual field; the loss per dimension and its share of db/dτ.
    mean, root, inverse, emean, eroot, cross, residual : the laws of all conditions (`FieldLaw`)
    conditional, econditional : (conditions, n, n), (conditions, J, n)
        Roots for nodes that follow each other.
    tiled : (6, conditions)
        α, β, α̇, β̇, t and s(t).
    told : (conditions, L)
        One-hot labels.
    breaks : (conditions, 2 places n)
        Where the fields have their breaks, or φ varies in them, place by place; then on what scales it does.
    mixing : (4, conditions)
    out, averaged, noise : (conditions, names), (clusters, names), (clusters, 2 pairs)
    """

    theta: Cube
    q: Cube
    dtheta: Cube
    dq: Cube
    own_theta: Cube
    own_q: Cube
    b: Vector
    kappa: Vector
    A: Matrix
    B: Cube
    N: Cube
    Q: Matrix
    M: Matrix
    Qc: Cube
    skip: Vector
    c0: Vector
    c1: Vector
    bulk: Vector
    slope: Vector
    mean: Matrix
    root: Cube
    inverse: Cube
    emean: Matrix
    eroot: Cube
    cross: Cube
    residual: Cube
    conditional: Cube
    econditional: Cube
    tiled: Matrix
    told: Matrix
    breaks: Matrix
    mixing: Matrix
    out: Matrix
    averaged: Matrix
    noise: Matrix


GIVEN, NODES, ROOM = block(Given), block(Nodes), block(Room)

_v, _m, _t, _i = float64[::1], float64[:, ::1], float64[:, :, ::1], int64[::1]
#: Types of the functions that a denoiser has of its own, in the order of their addresses in ``functions``: `moments`, `noise`,
#: `increments`, `linear` and `breaks` of its generated module.
_CONDITION = (_m, _t, _m, _t, _t, _m, _v, _v, _v, _v, _v, _v, _m, _v, _m)
MOMENTS = types.void(_m, _v, *_CONDITION)
NOISE = types.void(_m, _v, _m, _t, _t, _m, _t, _t, _t, _t, _m, _v, _v, _v, _v, _v, _v, _v, _m, _v, _m)
INCREMENTS = types.void(_m, _v, _m, _m, _t, _t)
LINEAR = types.void(_m, float64, _v, _v, _v, _v, _v)
BREAKS = types.void(_v, _v, _v, _v)
FUNCTIONS = (
    ("moments", MOMENTS), ("noise", NOISE), ("increments", INCREMENTS), ("linear", LINEAR), ("breaks", BREAKS),
)  # fmt: skip
#: Of the functions that take a stage, a state and an array to fill, or not.
RATES = types.void(_i, int64, _v, _v, GIVEN, NODES, ROOM)
AVERAGED = types.void(_i, int64, _v, GIVEN, NODES, ROOM)
