"""The printable derivation of interacting theories."""

from __future__ import annotations

from ..steps import Derivation
from .equations import banana, degree, gradients, pull_back, unimodal
from .learning import averages, banana_average, divergence, equivalent, negentropy, rates, traces, whitened
from .slips import slips


def derivation() -> Derivation:
    """The chain from a flow to its action, and from data to divergences by order."""
    steps = (
        banana(), unimodal(), degree(), pull_back(), gradients(), divergence(), negentropy(), averages(), traces(), whitened(),
        equivalent(), banana_average(), rates(),
    )  # fmt: skip
    return Derivation("interactions", steps, slips())
