"""All derivations by name: the auto-encoder's architectures, and the topics of the packages."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .autoencoder.network.catalogue import ARCHITECTURES
from .steps import Derivation

if TYPE_CHECKING:
    from .autoencoder.engine import System


@dataclass(frozen=True)
class Topic:
    """A derivation that belongs to no architecture.

    Attributes
    ----------
    module : str
        Module of this package with a function ``derivation()``.
    about : str
    """

    module: str
    about: str

    def derivation(self) -> Derivation:
        """Derive it."""
        found: Derivation = importlib.import_module(f"{__package__}.{self.module}").derivation()
        return found


TOPICS = {
    "mixture_flow": Topic("mixture_flow.report", "the binary mixture learned from a handful of samples"),
    "linear_diffusion": Topic("linear_diffusion.report", "linear denoisers at finite N"),
    "one_step": Topic("one_step.report", "the linear one-step denoiser"),
    "score_smoothing": Topic("score_smoothing.report", "from the empirical score to what the smoothed one generates"),
    "random_features": Topic("random_features.report", "random-feature score models: memorisation in training time"),
    "interactions": Topic("interactions.report", "polynomial actions learned by invertible networks"),
    "collapse": Topic(
        "autoencoder.sampling.collapse", "the auto-encoder trained on what it generated: the map of the bulk"
    ),
    "fluctuations": Topic(
        "autoencoder.dynamics.fluctuations", "the auto-encoder at finite d: noise and bias of order parameters"
    ),
    "saddles": Topic(
        "autoencoder.dynamics.saddles", "the auto-encoder at vanishing overlap: the power that leads out of a saddle"
    ),
    "sampling": Topic("autoencoder.sampling.sampler", "what a trained network does to a sample"),
    "regimes": Topic("autoencoder.sampling.regimes", "when the sampling flow of a trained network bifurcates"),
}


def names() -> dict[str, str]:
    """Every derivation with what it is about."""
    return {name: x.about for name, x in ARCHITECTURES.items()} | {name: x.about for name, x in TOPICS.items()}


def build(
    name: str, hidden: int = 1, activation: str | None = None, predicts: str = "data", labels: int = 2
) -> Derivation:
    """A derivation by name: an architecture of the auto-encoder, or a topic.

    Raises
    ------
    ValueError
        If the name is not one of `names`, or another argument is not allowed.
    """
    if name in TOPICS:
        return TOPICS[name].derivation()
    return system(name, hidden, activation, predicts, labels).derivation


def system(
    name: str, hidden: int = 1, activation: str | None = None, predicts: str = "data", labels: int = 2
) -> System:
    """The derived equations of a built-in architecture.

    Raises
    ------
    ValueError
        If the name is not that of an architecture, or another argument is not allowed.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"derivation = {name!r}: must be one of {', '.join(names())}")
    if not 1 <= hidden <= 8:
        raise ValueError(f"--hidden {hidden}: must be from 1 to 8 (the equations are written out unit by unit)")
    if not 1 <= labels <= 8:
        raise ValueError(f"--labels {labels}: must be from 1 to 8")
    from .autoencoder.engine import derive
    from .autoencoder.network.denoiser import architecture

    told = labels if ARCHITECTURES[name].labelled else 0
    return derive(architecture(name, hidden, activation=activation, predicts=predicts, labels=told))
