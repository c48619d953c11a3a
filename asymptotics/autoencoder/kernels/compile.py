"""From a derived `System` to compiled functions: expectations over nodes, assembly of the drift, bulk loss.

One generated module a system; parameters are run-time arguments, so changing η, λ, centroids, spectra or times never
recompiles. The argument order is documented in the generated source and in `Kernels`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from ...common.numerics.code import codegen
from ...common.numerics.code.cache import cache_directory
from ...common.numerics.code.pointers import address_of
from .shared.compiled_types import AVERAGED, FUNCTIONS, RATES
from .shared.rates import averaged, rates
from .written.asked import Asked, inner_nodes, parity
from .written.system import write_source

if TYPE_CHECKING:
    from derivations.autoencoder.engine import System


@dataclass(frozen=True)
class Kernels:
    """Compiled functions of one system, and what they need to know of it.

    ``encoders`` and ``decoders`` are the stacked vectors whose fields enter nonlinearly and whose residual fields enter
    linearly. ``names`` lists the columns of ``out``; ``kink`` says that Hessians come in the regression form; ``exact`` says
    which of "moments" and "noise" are closed forms that need no nodes, ``smooth`` that φ has no kink.
    """

    module: ModuleType
    p: int
    encoders: tuple[int, ...]
    decoders: tuple[int, ...]
    names: tuple[str, ...]
    kink: bool
    parameters: int
    skip: bool
    exact: tuple[str, ...] = ()
    smooth: bool = True
    singularity: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 0.0)
    compiled: bool = True
    split: bool = False
    places: int = 1

    @cached_property
    def _known(self) -> dict[bool, np.ndarray]:
        return {}

    def addresses(self, pairs: bool) -> np.ndarray:
        """Of the denoiser's own functions, and of `rates` and `averaged`, which call them (see `calls`).

        Without ``pairs`` of times nobody calls `noise`, and it is not compiled.
        """
        if pairs not in self._known:
            own = [
                address_of(getattr(self.module, name), kind) if pairs or name != "noise" else 0
                for name, kind in FUNCTIONS
            ]
            every = [*own, address_of(rates, RATES), address_of(averaged, AVERAGED)]
            self._known[pairs] = np.array(every, dtype=np.int64)
        return self._known[pairs]

    @cached_property
    def parity(self) -> np.ndarray:
        """(names,): whether every moment keeps (1) or changes (−1) its sign where the means of all fields do; () if one does neither."""
        return np.zeros(0) if self.exact else parity(self._asked)

    @cached_property
    def inner(self) -> int:
        """Gauss nodes a side of its break that make the last of several split fields exact."""
        return inner_nodes(self._asked, self.places)

    @property
    def _asked(self) -> Asked:
        shape = len(self.encoders), len(self.decoders), self.p, self.parameters, len(self.names)
        return Asked(self.module, *shape)

    def column(self, name: str) -> int:
        """Column of a named moment in ``out``."""
        return self.names.index(name)


#: What this process has loaded.
_loaded: dict[tuple[str, str], Kernels] = {}


def compile_kernels(
    specification: object, build: Callable[[], System], *, backend: str = "numba", form: str = "auto", latent: int = 0
) -> Kernels:
    """Kernels of a system, from the cache where possible.

    Parameters
    ----------
    specification : object
        Says by its ``repr`` which denoiser this is (see `asymptotics.autoencoder.model.problem.Denoiser.specification`).
    build : callable
        Returns the derived `derivations.autoencoder.engine.System`; called only if no source is cached.
    backend : {"numba", "numpy"}
    form : {"auto", "closed", "nodes", "hessian", "regression"}
        How the moments are evaluated: with nodes, Stein's lemma by second derivatives of φ ("hessian") or by regression of g
        on the local fields ("regression", needed where φ has a kink); or without nodes, in closed form, which "auto" takes
        where there is one (see `kernels_exact`). "closed" promises fields of zero mean, where more is closed; "nodes" leaves
        the choice between the forms with nodes.
    latent : int
        Number of latent coordinates at every node (a continuous latent measure); 0: one c a cluster.
    """
    key = (specification, backend, form, *([latent] if latent else []))
    known = (repr(key), str(cache_directory()))
    if known in _loaded:
        return _loaded[known]
    source = codegen.cached_source(key, [__name__, "derivations"], lambda: write_source(build(), backend, form, latent))
    module = codegen.load_module(source, backend)
    _loaded[known] = Kernels(
        module=module,
        p=module.VECTORS,
        encoders=module.ENCODERS,
        decoders=module.DECODERS,
        names=module.NAMES,
        kink=module.KINK,
        parameters=module.PARAMETERS,
        skip=module.SKIP,
        exact=module.EXACT,
        smooth=module.SMOOTH,
        singularity=module.SINGULARITY,
        compiled=backend == "numba",
        split=module.SPLIT,
        places=module.PLACES,
    )
    return _loaded[known]
