"""Hessians from the regression form of Stein's lemma, which differentiates no kink."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .fields import FieldLaw


def fill_hessians(
    out: np.ndarray,
    column: Callable[[str], int],
    p: int,
    law: FieldLaw,
    mixing: np.ndarray,
    encoders: np.ndarray,
    decoders: np.ndarray,
) -> None:
    """E[∂_ω g] = (E[(ω − Eω) g] − E[∂_e g] Cov(e, ω)) Ω⁺, then the chain rule, in the columns H of ``out``.

    Parameters
    ----------
    out : (conditions, names)
        With the columns W (E[(ω − Eω) g]) and G (E[∂_e g]).
    column : callable
        Column of a name.
    p : int
        Number of vectors.
    law : FieldLaw
        Of every condition.
    mixing : (4, conditions)
        Coefficients of λ₀ and λ₁ in ω, and in e.
    encoders, decoders : (n,), (J,)
    """
    n, J = len(encoders), len(decoders)
    precision = law.inverse @ law.inverse
    i, j = np.triu_indices(p)
    for channel in (0, 1):
        slope, weight = mixing[channel], mixing[2 + channel]
        start = column(f"W{channel}_1_{encoders[0] + 1}")
        W = out[:, start : start + p * n].reshape(-1, p, n)
        start = column(f"G{channel}_1_{decoders[0] + 1}")
        G = out[:, start : start + p * J].reshape(-1, p, J)
        H = np.zeros((len(out), p, p))
        H[:, :, encoders] += slope[:, None, None] * ((W - G @ law.cross) @ precision)
        H[:, :, decoders] += weight[:, None, None] * G
        # Where fields are in proportion the regression gives H on what they span: the rest follows by symmetry.
        span = np.zeros((len(out), p, p))
        span[:, range(p), range(p)] = 1.0
        span[:, encoders[:, None], encoders] = law.inverse @ law.root[..., :n]
        H = H @ span
        H = H + np.swapaxes(H, 1, 2)
        H -= span @ H @ span / 2
        start = column(f"H{channel}_1_1")
        out[:, start : start + len(i)] = H[:, i, j]
