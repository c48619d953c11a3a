"""Closed forms prove themselves: once, when they are written, their values are compared with a sum over nodes.

The nodes use the regression form, which differentiates no kink and knows nothing of the closed forms. Their scatter is
estimated from independent scramblings. This finds a wrong formula, not a lost digit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ....common.numerics.code import codegen
from ....common.numerics.quadrature.expectations import Rule
from ..shared.fields import channels, fields_at, of_pairs
from ..shared.regression import fill_hessians
from .nodes import NodesWriter
from .writer import TOLD

if TYPE_CHECKING:
    from derivations.autoencoder.training.update import Equations

#: Scramblings of that many points; they must agree with the closed form within so many standard errors.
_SCRAMBLINGS, _POINTS, _STANDARD_ERRORS = 8, 4096, 8.0
_HEAD = "import math\n\nimport numpy\nimport scipy.special\n\n"


def disagreement(system: Equations, names: Sequence[str], imports: str, closed: dict[str, str], centred: bool) -> str:
    """What a sum over nodes contradicts in the closed forms of a system; an empty string if nothing.

    Parameters
    ----------
    names : sequence of str
        The columns of ``moments``.
    imports : str
        What the closed forms import.
    closed : {"moments" or "noise": source}
        For the NumPy back end (not decorated).
    centred : bool
        Whether they hold for fields of zero mean only.
    """
    writer = NodesWriter(system, "numpy")
    writer.kink = True
    exact = codegen.load_module(_HEAD + imports + "\n\n\n" + "\n\n\n".join(closed.values()), "numpy")
    nodes = codegen.load_module(_HEAD + "\n\n\n".join([writer.moments(), writer.noise()]), "numpy")
    law = _Law(system, writer, centred)
    columns = [name for name, _ in writer._node_outputs()]
    rules = [Rule("sobol", _POINTS, seed) for seed in range(_SCRAMBLINGS)]
    with np.errstate(all="ignore"):
        if "moments" in closed:
            wanted = np.empty((law.count, len(names)))
            law.call(exact.moments, Rule("hermite", 1), wanted)
            sampled = []
            for rule in rules:
                out = np.empty((law.count, len(columns)))
                law.call(nodes.moments, rule, out)
                sampled.append(law.regressed(out, columns, names))
            wrong = _compare(wanted, np.array(sampled), names)
            if wrong:
                return wrong
        if "noise" in closed:
            pairs = [f"N{ch}_{a + 1}_{c + 1}" for ch in (0, 1) for a, c in writer.pairs]
            wanted = np.empty((law.count, len(pairs)))
            law.call_noise(exact.noise, Rule("hermite", 1), wanted)
            sampled = [np.empty_like(wanted) for _ in rules]
            for rule, out in zip(rules, sampled, strict=True):
                law.call_noise(nodes.noise, rule, out)
            return _compare(wanted, np.array(sampled), pairs)
    return ""


def _compare(exact: np.ndarray, sampled: np.ndarray, names: Sequence[str]) -> str:
    sem = sampled.std(axis=0, ddof=1) / np.sqrt(len(sampled))
    mean = sampled.mean(axis=0)
    # All scramblings have the same bias of the order of 1/points (their second moments are made exact).
    gap = (
        np.abs(exact - mean) - _STANDARD_ERRORS * sem - 4 / _POINTS * (1 + np.max(np.abs(mean), axis=1, keepdims=True))
    )
    bad = ~(gap <= 0)
    if not np.any(bad):
        return ""
    i, k = np.argwhere(bad)[0]
    return f"{names[k]} = {exact[i, k]:.9g} for {mean[i, k]:.9g} +- {sem[i, k]:.2g} by nodes"


class _Law:
    """A few laws of the fields, as the theory meets them."""

    count = 3

    def __init__(self, system: Equations, writer: NodesWriter, centred: bool) -> None:
        rng, p, n = np.random.default_rng(14), system.p, self.count
        self.enc, self.dec = np.array(writer.encoders, dtype=int), np.array(writer.decoders, dtype=int)

        def covariances(count: int) -> np.ndarray:
            x = rng.standard_normal((count, p, 2 * p + 1))
            return np.asarray(x @ np.swapaxes(x, 1, 2) / (2 * p + 1))

        self.Q, self.Qc = covariances(1)[0], covariances(n)
        self.M = np.zeros((n, p)) if centred else rng.standard_normal((n, p))
        self.schedule = [np.array([value]) for value in (0.4, 0.7, -0.8, 1.1, 0.6)]
        self.told = rng.uniform(0.2, 0.8, (n, system.denoiser.labels))
        self.b, self.kappa = 0.3, rng.uniform(0.3, 1.7, len(system.denoiser.parameters))
        at = {name: x[0] for name, x in zip(TOLD, self.schedule, strict=True)} | {"b": self.b}
        c = [w.xreplace({s: _number(at[s.name]) for s in w.free_symbols}) for w in writer.channel_weights()]
        self.mixing = np.array([*self.schedule[:2], *([float(x)] for x in c)])
        self.fields = fields_at(self.Q, self.M, self.Qc, self.mixing, self.enc, self.dec)

    def call(self, moments: Callable[..., None], rule: Rule, out: np.ndarray) -> None:
        """Moments at one time."""
        law, schedule = self.fields, [np.repeat(x, self.count) for x in self.schedule]
        moments(
            *rule.points(len(self.enc)), law.mean, law.root, law.emean, law.eroot, law.residual, self.Q,
            *schedule, np.full(self.count, self.b), self.told, self.kappa, out,
        )  # fmt: skip

    def call_noise(self, noise: Callable[..., None], rule: Rule, out: np.ndarray) -> None:
        """Second moments of g averaged over two times."""
        pairs = of_pairs(*channels(self.Q, self.M, self.Qc, self.enc, self.dec))
        schedule = [np.array([x[0], x[0] / 2 + 0.1]) for x in self.schedule]
        noise(
            *rule.points(2 * len(self.enc)), *pairs, self.Q, *schedule, np.array([0.4, 0.6]), np.full(2, self.b), self.told,
            self.kappa, out,
        )  # fmt: skip

    def regressed(self, out: np.ndarray, columns: Sequence[str], names: Sequence[str]) -> np.ndarray:
        """Columns ``names`` of moments in the regression form."""
        mixing = np.tile(self.mixing, self.count)
        fill_hessians(out, columns.index, len(self.Q), self.fields, mixing, self.enc, self.dec)
        return out[:, [columns.index(name) for name in names]]


def _number(value: float) -> Any:
    import sympy

    return sympy.Float(float(value))
