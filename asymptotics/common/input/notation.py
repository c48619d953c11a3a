"""How the field writes the keys: symbols, and the names that somebody who has read a paper would write from memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Notation:
    """One key in the notation of the papers.

    Parameters
    ----------
    symbol : str
        The papers' symbol.
    names : tuple of str
        Further spellings that a file may use.
    unit : str
        What the number counts, or its scale.
    """

    symbol: str = ""
    names: tuple[str, ...] = ()
    unit: str = ""


#: What a key is called in every room, unless the settings' own ``NOTATION`` says otherwise.
COMMON: Mapping[str, Notation] = {
    "dimension": Notation("d", ("d", "dim"), "coordinates"),
    "seed": Notation("", ("random_seed",), ""),
    "runs": Notation("R", ("n_runs", "trials", "repeats", "repetitions"), "independent runs"),
    "steps": Notation("", ("n_steps",), "steps"),
    "scheme": Notation("", ("integrator",), ""),
    "eigenvalues": Notation("ς", (), "variance"),
    "masses": Notation("p", (), "share of the directions"),
}

#: Other words for tables, and the tables that they may mean.
TABLES: Mapping[str, tuple[str, ...]] = {
    "data": ("target",),
    "mixture": ("target", "mixture_flow"),
    "distribution": ("target",),
    "gaussian_mixture": ("target",),
    "model": ("denoiser",),
    "network": ("denoiser",),
    "autoencoder": ("denoiser",),
    "architecture": ("denoiser",),
    "sgd": ("training",),
    "optimizer": ("training",),
    "optimiser": ("training",),
    "learning": ("training",),
    "train": ("training",),
    "schedule": ("interpolant",),
    "diffusion": ("interpolant", "linear_diffusion"),
    "noise_schedule": ("interpolant",),
    "sampler": ("sampling",),
    "generation": ("sampling", "generations"),
    "experiment": ("simulation",),
    "collapse": ("generations",),
}
