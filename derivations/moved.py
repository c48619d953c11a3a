"""Modules under their old names, for one release: importing one gives the module that it has become, and says so."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType


class Moved(MetaPathFinder, Loader):
    """Finds the modules of ``package`` whose old names are keys of ``table``; its values are the present ones.

    Parameters
    ----------
    package : str
    table : mapping
        Names below the package.
    since : str
        The version that moved them.
    """

    def __init__(self, package: str, table: Mapping[str, str], since: str) -> None:
        self.table = {f"{package}.{old}": f"{package}.{new}" for old, new in table.items()}
        self.since = since

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The old name's specification, if it is one."""
        return ModuleSpec(fullname, self) if fullname in self.table else None

    def exec_module(self, module: ModuleType) -> None:
        """Put the present module in the place of the old one."""
        old = module.__name__
        new = self.table[old]
        warnings.warn(f"{old} is {new} since {self.since}", DeprecationWarning, stacklevel=2)
        sys.modules[old] = importlib.import_module(new)


sys.meta_path.append(
    Moved(
        "derivations",
        {
            "denoiser": "autoencoder.network.denoiser",
            "engine": "autoencoder.engine",
            "errors": "identity",
            "report": "autoencoder.printed.report",
            "moments": "autoencoder.training.moments",
            "moment_terms": "autoencoder.training.moment_terms",
            "skip": "autoencoder.training.skip",
            "fluctuations": "autoencoder.dynamics.fluctuations",
            "collapse": "autoencoder.sampling.collapse",
            "linear_network": "autoencoder.dynamics.linear_network",
            "mixture_flow_results": "mixture_flow.results",
            "mixture_flow_slips": "mixture_flow.slips",
            "linear_averages": "linear_diffusion.averages",
            "linear_modes": "linear_diffusion.modes",
            "one_step_slips": "one_step.slips",
        },
        "0.2.0",
    )
)
