"""What is built in, by name: activations and architectures, as data. Reading it needs no SymPy."""

from __future__ import annotations

from dataclasses import dataclass

#: Activations σ(x).
FORMULAE = {
    "tanh": "tanh(x)",
    "erf": "erf(x/sqrt(2))",
    "relu": "Max(0, x)",
    "softplus": "softplus(x)",
    "sigmoid": "sigmoid(x)",
    "linear": "x",
}

#: What may be predicted: (y₀, y₁) of y = y₀ x₀ + y₁ x₁.
TARGETS = {"data": ("0", "1"), "noise": ("1", "0"), "velocity": ("alpha_dot", "beta_dot")}


@dataclass(frozen=True)
class Architecture:
    """f(x) = [b x] + [a] Σ_γ (decoder_γ/√d) σ(encoder_γ·x/√d [+ κ_γ]).

    Attributes
    ----------
    name : str
        Of the denoisers that it declares.
    about : str
    decoder, encoder : str
        Stems of the vectors' names: one stem ties the weights.
    skip : bool
        Whether there is a skip connection b.
    biases, scale : bool
        Whether there are trainable biases κ, a trainable scale a.
    activation : str, optional
        A name of `FORMULAE` that belongs to it; else it is chosen.
    labelled : bool
        Whether it is told the label: the biases κ are then those of each label (none where it is dropped).
    decoders : bool
        Whether every label has decoders of its own, and the dropped one too.
    """

    name: str
    about: str
    decoder: str = "w"
    encoder: str = "w"
    skip: bool = True
    biases: bool = False
    scale: bool = False
    activation: str | None = None
    labelled: bool = False
    decoders: bool = False

    def vectors(self, hidden: int, labels: int = 0) -> tuple[str, ...]:
        """Names of the weight vectors, decoders first: those of each label, those of the dropped one."""
        stems = list(dict.fromkeys((self.decoder, self.encoder)))
        if self.decoders:
            stems[:1] = [f"{self.decoder}_{name}" for name in (*range(labels), "none")]
        return tuple(f"{stem}_{k}" for stem in stems for k in range(1, hidden + 1))

    def scalars(self, hidden: int, labels: int = 0) -> dict[str, float]:
        """Trainable scalars besides b: by name, where they start unless something else is said."""
        if self.labelled and self.biases:
            return {f"kappa_{label}_{k}": 0.0 for label in range(labels) for k in range(1, hidden + 1)}
        return {f"kappa_{k}": 0.0 for k in range(1, hidden + 1) if self.biases} | ({"a": 1.0} if self.scale else {})


ARCHITECTURES = {
    "tied": Architecture("tied", "decoder = encoder: f(x) = b x + Σ (w/√d) σ(w·x/√d)"),
    "untied": Architecture("untied", "f(x) = b x + Σ (u/√d) σ(v·x/√d + shift)", "u", "v"),
    "untied_bias": Architecture("untied_bias", "untied with trainable biases", "u", "v", biases=True),
    "no_skip": Architecture("no_skip", "tied without the skip connection", skip=False),
    "scaled": Architecture("scaled", "tied with a trainable output scale", scale=True),
    "linear": Architecture("tied", "tied with σ(x) = x", activation="linear"),
    "labelled_bias": Architecture(
        "labelled_bias", "tied with trainable biases for each label", biases=True, labelled=True
    ),
    "labelled_decoder": Architecture(
        "labelled_decoder", "untied with decoders for each label", "u", "v", labelled=True, decoders=True
    ),
}

#: What derived equations are written in as source code.
LANGUAGES = ("numpy", "jax", "julia", "mathematica", "c")
