"""Figures of the papers, regenerated: a folder a room (floor 4)."""

from __future__ import annotations

import sys

from derivations.moved import Moved

sys.meta_path.append(
    Moved(
        __name__,
        {
            "autoencoder_learning": "autoencoder.training.learning",
            "collapse": "autoencoder.collapse.collapse_map",
            "fluctuations": "autoencoder.finite_size.fluctuations",
            "linear_digits": "linear_diffusion.digits",
            "linear_network": "autoencoder.training.linear_network",
            "mnist_images": "autoencoder.training.mnist_images",
            "relu_four_units": "autoencoder.training.relu_four_units",
            "score_smoothing_networks": "score_smoothing.networks",
            "score_smoothing_plane": "score_smoothing.plane",
        },
        "0.2.0",
    )
)
