"""Symbolic objects are formulae."""

from __future__ import annotations

import inspect

import derivations


def symbolic():
    """Everything that the symbolic layer gives back."""
    from derivations.autoencoder.dynamics.fluctuations import fluctuations

    system = derivations.derive(derivations.architecture("tied", 1))
    assert repr(system).startswith("System 'tied': f(x) = b*x + (w_1/√d)*sigma(omega_w_1), omega_w_1 = w_1·x/√d")
    return {
        "Fluctuations": fluctuations(system),
        "Sampler": derivations.Sampler(),
        "Denoiser": system.denoiser,
        "System": system,
        "Derivation": system.derivation,
        "Step": system.derivation.steps[0],
        "Slip": system.derivation.slips[0],
        "Optimiser": derivations.Optimiser(gradient={"w": 1}, linear={("m", "w"): 1, ("m", "m"): -1}),
    }


def test_symbolic_objects_are_formulae():
    kinds = {n: getattr(derivations, n) for n in derivations.__all__ if n[0].isupper()}
    public = {n for n, kind in kinds.items() if inspect.isclass(kind) and not issubclass(kind, Exception)}
    objects = symbolic()
    assert set(objects) == public
    for name, value in objects.items():
        latex = value._repr_latex_()
        assert latex.startswith("$") and latex.rstrip().endswith("$") and latex.count("{") == latex.count("}"), name
    for name in ("System", "Derivation", "Step", "Fluctuations", "Sampler"):
        assert "### " in objects[name]._repr_markdown_() and "$$" in objects[name]._repr_markdown_()
