"""Invertible networks of affine layers and quadratic couplings, whose log-density is a polynomial."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...common.input.checks import InputError, array, fail

#: Relative size of G[G[u, v], w] below which a coupling counts as volume preserving.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Affine:
    """y = W x + b, W of shape (d, d) with an inverse, b of shape (d,)."""

    W: np.ndarray
    b: np.ndarray

    def __post_init__(self) -> None:
        W = array("W", self.W, ndim=2)
        d = len(W)
        if W.shape != (d, d) or d < 1:
            fail("W", W.shape, "a square matrix")
        b = array("b", self.b, shape=(d,))
        if np.linalg.matrix_rank(W) < d:
            fail("W", W, "a matrix with an inverse")
        object.__setattr__(self, "W", W)
        object.__setattr__(self, "b", b)

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.b)

    @property
    def log_det(self) -> float:
        """ln|det W|."""
        return float(np.linalg.slogdet(self.W)[1])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x @ self.W.T + self.b)

    def inverse(self, y: np.ndarray) -> np.ndarray:
        """x of y."""
        return np.asarray(np.linalg.solve(self.W, (y - self.b).T).T)

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """∂y/∂x at a point."""
        return self.W

    @property
    def quadratic(self) -> np.ndarray | None:
        """The second-order part: none."""
        return None


@dataclass(frozen=True)
class Coupling:
    """y = x + G[x, x], G of shape (d, d, d), symmetric in its last two, G_{a,ij}.

    Its determinant is 1 where what G writes is not what it reads: G[G[u, v], w] = 0 (a split of the coordinates, or any
    y = x + V q(Uᵀx) with UᵀV = 0). Any other G has a determinant that depends on x, and no polynomial action.
    """

    G: np.ndarray

    def __post_init__(self) -> None:
        G = array("G", self.G, ndim=3)
        d = len(G)
        if G.shape != (d, d, d) or d < 1:
            fail("G", G.shape, "of shape (d, d, d)")
        G = (G + G.transpose(0, 2, 1)) / 2
        again = np.abs(np.einsum("bia,ajk->bijk", G, G)).max()
        if again > ROUNDING * max(float(np.abs(G).max()) ** 2, np.finfo(float).tiny):
            raise InputError(
                "G: must not read what it writes (G[G[u, v], w] = 0); the determinant of this coupling depends on x, "
                "and its action is no polynomial"
            )
        object.__setattr__(self, "G", G)

    @property
    def dimension(self) -> int:
        """d."""
        return len(self.G)

    @property
    def log_det(self) -> float:
        """0."""
        return 0.0

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x + np.einsum("aij,...i,...j->...a", self.G, x, x, optimize=True))

    def inverse(self, y: np.ndarray) -> np.ndarray:
        """x of y: G does not see what it added."""
        return np.asarray(y - np.einsum("aij,...i,...j->...a", self.G, y, y, optimize=True))

    def jacobian(self, x: np.ndarray) -> np.ndarray:
        """∂y/∂x at a point."""
        return np.asarray(np.eye(self.dimension) + 2 * self.G @ x)

    @property
    def quadratic(self) -> np.ndarray | None:
        """The second-order part."""
        return self.G


Layer = Affine | Coupling


def layer(given: object, name: str = "layer") -> Layer:
    """A layer from what a person writes: a layer, ``(W, b)``, a mapping with W and b or with G, or an array G (d, d, d).

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(given, (Affine, Coupling)):
        return given
    allowed = "a pair (W, b), a table with W and b or with G, or an array G of shape (d, d, d)"
    if isinstance(given, Mapping):
        if set(given) == {"G"}:
            return Coupling(given["G"])
        if set(given) in ({"W", "b"}, {"W"}):
            W = array("W", given["W"], ndim=2)
            return Affine(W, array("b", given.get("b", np.zeros(len(W))), ndim=1))
        fail(name, sorted(map(str, given)), allowed)
    if isinstance(given, (tuple, list)) and len(given) == 2 and np.ndim(given[1]) == 1:
        return Affine(array("W", given[0], ndim=2), array("b", given[1], ndim=1))
    values = array(name, given)
    if values.ndim != 3:
        fail(name, f"array of shape {values.shape}", allowed)
    return Coupling(values)


@dataclass(frozen=True)
class Flow:
    r"""z = f(x), f = f_L ∘ … ∘ f_1, with z ~ N(0, 1): p(x) = N(f(x)) |det ∂f|.

    Parameters
    ----------
    layers : sequence
        In the order in which x meets them, each as `layer` takes it.

    Raises
    ------
    InputError
        If the layers are of different dimensions, or a coupling reads what it writes.

    Notes
    -----
    ∇S = −Jᵀz with J invertible: the only critical point of S is f^{-1}(0). A flow of this kind has no double wells, however
    deep. Its entropy is (d/2) ln 2πe − Σ ln|det W|.
    """

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        given = self.layers
        if isinstance(given, (Affine, Coupling)) or not isinstance(given, Iterable):
            fail("flow", type(given).__name__, "a sequence of layers")
        layers = tuple(layer(entry, f"flow[{k}]") for k, entry in enumerate(given))
        if not layers:
            fail("flow", [], "at least one layer")
        if len({entry.dimension for entry in layers}) > 1:
            fail("flow", [entry.dimension for entry in layers], "layers of one dimension")
        object.__setattr__(self, "layers", layers)

    @property
    def dimension(self) -> int:
        """d."""
        return self.layers[0].dimension

    @property
    def log_det(self) -> float:
        """ln|det ∂f|, the same everywhere."""
        return float(sum(entry.log_det for entry in self.layers))

    @property
    def degree(self) -> int:
        """A bound on the degree of S: 2^{L+1} for L couplings, 2 without."""
        return int(2 ** (1 + sum(isinstance(entry, Coupling) for entry in self.layers)))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        for entry in self.layers:
            x = entry(x)
        return x

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """x of z."""
        for entry in reversed(self.layers):
            z = entry.inverse(z)
        return z

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Exact samples, shape (count, d)."""
        return self.inverse(rng.standard_normal((count, self.dimension)))

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """S(x) = ln p(x) of points, shape (…, d)."""
        z = self(np.asarray(x, dtype=float))
        return np.asarray(-0.5 * np.sum(z * z, axis=-1) - 0.5 * self.dimension * np.log(2 * np.pi) + self.log_det)

    def gradients(self, x: np.ndarray) -> tuple[dict[str, np.ndarray], ...]:
        r"""∂S/∂(W, b or G) of every layer, averaged over points x, shape (n, d).

        With g_L = −z and g_{l−1} = J_lᵀ g_l: ∂_W S = g_l x_{l−1}ᵀ + W^{−ᵀ}, ∂_b S = g_l, ∂_{G_{a,ij}} S = g_{l,a} x_i x_j.
        """
        states = [np.atleast_2d(np.asarray(x, dtype=float))]
        for entry in self.layers:
            states.append(entry(states[-1]))
        n = len(states[0])
        g = -states[-1]
        found: list[dict[str, np.ndarray]] = []
        for entry, state in zip(reversed(self.layers), reversed(states[:-1]), strict=True):
            if isinstance(entry, Affine):
                found.append({"W": g.T @ state / n + np.linalg.inv(entry.W).T, "b": g.mean(axis=0)})
                g = g @ entry.W
            else:
                found.append({"G": np.einsum("na,ni,nj->aij", g, state, state, optimize=True) / n})
                g = g + 2 * np.einsum("na,aij,nj->ni", g, entry.G, state, optimize=True)
        return tuple(reversed(found))


def flow_of(flow: Flow | Sequence[Any]) -> Flow:
    """A flow, or the sequence of layers of one."""
    return flow if isinstance(flow, Flow) else Flow(tuple(flow) if isinstance(flow, Iterable) else flow)
