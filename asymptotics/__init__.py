"""Exact asymptotic theory of how generative diffusion models learn, checked against full simulation."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"
