"""What a live page shows of an experiment: plain numbers with their labels, without a drawing library."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Curve:
    """A line, or points with error bars.

    Parameters
    ----------
    label : str
    x, y : ndarray
    error : ndarray, optional
        One standard error: the curve is then points.
    dashed : bool
    """

    label: str
    x: np.ndarray
    y: np.ndarray
    error: np.ndarray | None = None
    dashed: bool = False


@dataclass(frozen=True)
class Plane:
    """Values over a rectangle, and the contours of a second function there.

    Parameters
    ----------
    x, y : ndarray
        Grid of both axes.
    values, contours : ndarray, shape (x, y)
    """

    x: np.ndarray
    y: np.ndarray
    values: np.ndarray
    contours: np.ndarray


@dataclass(frozen=True)
class View:
    """One picture.

    Parameters
    ----------
    name : str
        Constant identifier.
    title, across, up : str
        Labels.
    curves : tuple of Curve
    plane : Plane, optional
    log : bool
        Both axes logarithmic.
    note : str
        Why there is nothing to see.
    """

    name: str
    title: str
    across: str
    up: str
    curves: tuple[Curve, ...] = ()
    plane: Plane | None = None
    log: bool = False
    note: str = field(default="")
