"""What one online training in R^d is told: network, target, schedule, rates, start."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ....common.input.checks import InputError, array, choice, fail, integer, number
from ...kernels.written.network import Forward
from ...model.start.weights import atom_counts, construct, drawn, on_references
from .optimiser import AlongTau, Optimiser
from .told import Steps


@dataclass(frozen=True, eq=False)
class SgdProblem(Steps):
    r"""One online training in R^d. All lengths are K (reference directions), p (stacked vectors), times, clusters, atoms.

    Parameters
    ----------
    denoiser : Forward
        The network.
    dimension : int
        d.
    centroids : (clusters, K)
        Coordinates c of the centroids, μ(c) = Σ_k c_k u_k.
    alpha, beta, y0, y1 : (times,)
        Schedule and predicted quantity y₀x₀ + y₁x₁ at the times of E_t.
    learning_rate, tau : float
        η > 0, and the training time reached.
    weights : (clusters,), optional
        π_c; default equal.
    eigenvalues : (1 or clusters, atoms), optional
        ς_s(c) of the diagonal covariances; default 1.
    masses : (atoms,), optional
        p_s; default one atom.
    reference_overlaps : (atoms, K, K), optional
        T(s); default masses[s] × identity.
    time_weights : (times,), optional
        Weights of E_t, or of the draw if ``average`` is "random"; default equal.
    gains : (times,), optional
        w(t) ≥ 0: factor on the loss at every time, whether it is averaged over or drawn; default 1.
    clock : (3, times), optional
        α̇, β̇ and t, for networks that know the time; default zero.
    skips : (1 + skips, times), optional
        s₀ and the ψ_k; default 0 and, of a network with a skip connection, 1.
    moving : callable, optional
        For times or weights that move along τ: a picklable function of arrays of τ that gives α, β, α̇, β̇, t, y₀, y₁, w, s₀,
        ψ_1, …, (9 + skips, len(τ), times), instead of ``alpha`` … ``skips``.
    probabilities : callable, optional
        For probabilities of the times that move along τ: a picklable function of arrays of τ, (len(τ), times), instead of
        ``time_weights``.
    labels : (clusters,), optional
        Label of every cluster, for labelled networks.
    label_dropout : float
        Probability that a sample's label is dropped.
    weight_decay : float or callable
        λ ≥ 0, or a picklable function of arrays of τ.
    optimiser : Optimiser
        Momentum, or a linear map, and averages; default plain SGD.
    rates : (p,), optional
        ρ_a ≥ 0; 0 freezes a vector (its weight decay too). Default 1.
    rate_b, rate_parameters : float
        ρ_b, ρ_κ ≥ 0.
    schedule : callable or (steps,), optional
        s(τ), a function of arrays of τ (to travel to other processes it must be picklable), or its value at every step.
    theta, q : (atoms, p, K), (atoms, p, p), optional
        Overlaps that the initial weights have exactly.
    start : ((p, K), float), optional
        Instead: draw w_a = √d Σ_k start_ak u_k + N(0, start²) entries in every run.
    frame : ((K, d), (atoms,)), optional
        Reference directions, and numbers of coordinates of the atoms, that the overlaps are with (and ``start`` is in);
        default random ones.
    initial : ((p, d), (K, d)) or ((p, d), (K, d), (atoms,)), optional
        Instead: these weights and reference directions (and numbers of coordinates of the atoms).
    b : float or (skips,)
        b_k at τ = 0.
    parameters : (parameters,), optional
        κ at τ = 0; default 0.
    batch : int
        Fresh samples a step, their gradients averaged.
    average : {"times", "random"}
        One sample at all times, or one random time for every sample.
    dtype : {"float32", "float64"}
        Of the weights. Inner products are accumulated in double either way, b and κ are always double; velocities and averages,
        whose steps are of order 1/d, are double with all that they follow.
    data : (samples, d), optional
        Draw x₁ from these rows instead of the mixture, in the coordinates of the weights.
    data_labels : (samples,), optional
        Labels of these rows.
    data_order : {"replacement", "permutation"}
        Rows drawn independently, or each once an epoch in random order.

    Raises
    ------
    InputError
        Naming the argument, its value and what is allowed.
    """

    denoiser: Forward
    dimension: int
    centroids: Any
    alpha: Any
    beta: Any
    y0: Any
    y1: Any
    learning_rate: float
    tau: float
    weights: Any = None
    eigenvalues: Any = None
    masses: Any = None
    reference_overlaps: Any = None
    time_weights: Any = None
    gains: Any = None
    clock: Any = None
    skips: Any = None
    moving: Any = None
    probabilities: Any = None
    labels: Any = None
    label_dropout: float = 0.0
    weight_decay: AlongTau = 0.0
    optimiser: Optimiser = field(default_factory=Optimiser)
    rates: Any = None
    rate_b: float = 1.0
    rate_parameters: float = 1.0
    schedule: Any = None
    theta: Any = None
    q: Any = None
    start: Any = None
    frame: Any = None
    initial: Any = None
    b: Any = 0.0
    parameters: Any = None
    batch: int = 1
    average: str = "times"
    dtype: str = "float32"
    data: Any = None
    data_labels: Any = None
    data_order: str = "replacement"

    def __post_init__(self) -> None:
        p, d = self.denoiser.vectors, integer("dimension", self.dimension, at_least=2)
        centroids = array("centroids", self.centroids, ndim=2)
        clusters, K = centroids.shape
        masses = array("masses", [1.0] if self.masses is None else self.masses, ndim=1)
        atoms = len(masses)
        given = self.reference_overlaps
        T = masses[:, None, None] * np.eye(K) if given is None else given
        times = len(array("alpha", self.alpha, ndim=1))
        self._store(
            dimension=d,
            centroids=np.ascontiguousarray(centroids),
            masses=masses,
            reference_overlaps=array("reference_overlaps", T, shape=(atoms, K, K)),
            weights=_distribution("weights", self.weights, clusters),
            time_weights=_distribution("time_weights", self.time_weights, times),
            rates=array("rates", np.ones(p) if self.rates is None else self.rates, shape=(p,)),
            parameters=array(
                "parameters", np.zeros(self.denoiser.parameters) if self.parameters is None else self.parameters,
                shape=(self.denoiser.parameters,),
            ),
            **{k: array(k, getattr(self, k), shape=(times,)) for k in ("alpha", "beta", "y0", "y1")},
        )  # fmt: skip
        eigenvalues = array("eigenvalues", [[1.0]] if self.eigenvalues is None else self.eigenvalues, ndim=2)
        if eigenvalues.shape not in ((1, atoms), (clusters, atoms), (1, 1)) or np.any(eigenvalues < 0):
            fail("eigenvalues", self.eigenvalues, f">= 0, one row or one a cluster ({clusters}), {atoms} columns")
        self._store(eigenvalues=np.array(np.broadcast_to(eigenvalues, (clusters, atoms))))
        if np.any(self.rates < 0):
            fail("rates", self.rates, ">= 0")
        number("learning_rate", self.learning_rate, above=0)
        number("tau", self.tau, above=0)
        for name in ("rate_b", "rate_parameters"):
            number(name, getattr(self, name), at_least=0)
        self._check_times(times)
        if not callable(self.weight_decay):
            number("weight_decay", self.weight_decay, at_least=0)
        if not self.optimiser.plain:
            self._store(dtype="float64")
        self._check_labels(clusters)
        b = np.atleast_1d(np.asarray(self.b, dtype=np.float64))
        self._store(b=array("b", b, shape=(self.clocks(0, 1).shape[1] - 9,)))
        integer("batch", self.batch, at_least=1)
        choice("average", self.average, ("times", "random"))
        choice("dtype", self.dtype, ("float32", "float64"))
        choice("data_order", self.data_order, ("replacement", "permutation"))
        if self.data is not None:
            self._store(data=array("data", self.data, shape=(None, d)).astype(self.dtype, order="C"))
            if len(self.data) == 0:
                fail("data", self.data, "at least one sample")
        self._check_start(p, K, d)

    def _check_times(self, times: int) -> None:
        gains = array("gains", np.ones(times) if self.gains is None else self.gains, shape=(times,))
        if np.any(gains < 0):
            fail("gains", self.gains, ">= 0")
        self._store(gains=gains)
        clock = np.zeros((3, times)) if self.clock is None else self.clock
        plain = np.outer([0.0, float(self.denoiser.skip)], np.ones(times))
        self._store(clock=array("clock", clock, shape=(3, times)))
        self._store(skips=array("skips", plain if self.skips is None else self.skips, shape=(None, times)))

    def _check_labels(self, clusters: int) -> None:
        count = self.denoiser.labels
        number("label_dropout", self.label_dropout, at_least=0, at_most=1)
        for name, length in (("labels", clusters), ("data_labels", None)):
            given = getattr(self, name)
            if given is None:
                continue
            values = np.asarray(array(name, given, shape=(length,)), dtype=np.int64)
            if count and (np.any(values < 0) or np.any(values >= count)):
                fail(name, given, f"integers from 0 to {count - 1}")
            self._store(**{name: values})
        if count and self.labels is None:
            fail("labels", None, f"one label a cluster, since the network has {count}")

    def _store(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _check_start(self, p: int, K: int, d: int) -> None:
        if (self.theta is None) != (self.q is None):
            raise InputError("theta and q: must be given together")
        if sum(x is not None for x in (self.theta, self.start, self.initial)) != 1:
            raise InputError("theta and q, start, initial: exactly one of the three must be given")
        atoms = len(self.masses)
        if self.frame is not None:
            counts = np.array(self.frame[1], dtype=np.int64)
            if counts.shape != (atoms,) or counts.sum() != d or np.any(counts < 0):
                fail("frame", counts, f"numbers of coordinates of {atoms} atoms with sum {d}")
            self._store(frame=(array("frame", self.frame[0], shape=(K, d)), counts))
        if self.theta is not None:
            theta, q = array("theta", self.theta, shape=(atoms, p, K)), array("q", self.q, shape=(atoms, p, p))
            self._store(theta=theta, q=q)
        elif self.start is not None:
            coordinates, random = self.start
            self._store(start=(array("start", coordinates, shape=(p, K)), number("start", random, at_least=0)))
        else:
            W, U, *counts = self.initial
            counts = np.array(counts[0] if counts else atom_counts(d, self.masses), dtype=np.int64)
            if counts.shape != (atoms,) or counts.sum() != d or np.any(counts < 0):
                fail("initial", counts, f"numbers of coordinates of {atoms} atoms with sum {d}")
            self._store(initial=(array("initial", W, shape=(p, d)), array("initial", U, shape=(K, d)), counts))

    def fingerprint(self) -> str:
        """Hash of all that a step depends on (not of how long the training is)."""
        h = hashlib.sha256(b"W = S V")  # what a state holds: those of other versions are not taken up
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "tau":
                continue
            for part in _parts(value):
                if callable(part):
                    with np.errstate(all="ignore"):
                        # A burst may lie between any points: what the function says of itself counts too.
                        h.update(repr(getattr(part, "text", "")).encode())
                        part = np.array(part(np.linspace(0.0, 64.0, 1025)), dtype=np.float64)
                h.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
        return h.hexdigest()[:24]

    def begin(self, seed: int | np.random.SeedSequence) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Initial weights (p, d), reference directions (K, d) and coordinates of each atom for a seed."""
        if self.initial is not None:
            return self.initial
        K = self.centroids.shape[1]
        if self.start is not None:
            none = np.zeros((len(self.masses), 0, 0))
            theta = np.zeros((len(self.masses), 0, K))
            U, counts = (
                self.frame or construct(self.dimension, self.masses, self.reference_overlaps, theta, none, seed)[1:]
            )
            coordinates, random = self.start
            return drawn(U, coordinates, random, seed), U, counts
        if self.frame is not None:
            references, counts = self.frame
            return on_references(references, counts, self.theta, self.q, seed), references, counts
        return construct(self.dimension, self.masses, self.reference_overlaps, self.theta, self.q, seed)


def _parts(value: object) -> Iterator[Any]:
    """A value, or what nested sequences and an optimiser hold."""
    if isinstance(value, Optimiser):
        value = [getattr(value, f.name) for f in fields(value)]
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from _parts(part)
    else:
        yield value


def _distribution(name: str, value: ArrayLike | None, count: int) -> np.ndarray:
    weights = array(name, np.full(count, 1.0 / count) if value is None else value, shape=(count,))
    if np.any(weights < 0) or abs(weights.sum() - 1) > 1e-8:
        fail(name, value, "non-negative and sum to 1")
    return weights / weights.sum()
