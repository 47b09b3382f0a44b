"""What a network says about one frame: probability maps on a grid of their own, with the way to the file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatMap = NDArray[np.float32]
FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class ProbabilityMaps:
    """Maps of one frame; map pixel i has its centre at file pixel ``(i + 0.5) * scale - 0.5``.

    Attributes
    ----------
    column : numpy.ndarray, shape (h, w), float32
        Log-odds that a column has its centre here; local maxima are columns.
    offset : numpy.ndarray, shape (2, h, w), float32
        Way (dy, dx) from a map pixel to the centre of the column it belongs to, map px.
    log_sigma : numpy.ndarray, shape (h, w), float32
        Natural logarithm of the standard error of that centre along each axis, map px.
    count_logits : numpy.ndarray, shape (K, h, w), float32, or None
        Log-probabilities, up to a constant, of 1…K atoms; None for a model that does not count.
    label_logits : numpy.ndarray, shape (C, h, w), float32, or None
        Log-probabilities, up to a constant, of the classes; None for a model of one class.
    classes : tuple of str
        Names of the classes of columns.
    scale : tuple of float
        File pixels per map pixel along y and x.
    pixel_size_nm : float
        Size of a map pixel, nm.
    observed : numpy.ndarray, shape (h, w), bool
        False where the frame holds nothing to judge by: masked, blank or broken pixels.
    peak_nm : float
        A column is the highest point of its surroundings up to this distance along each axis, nm.
    """

    column: FloatMap
    offset: FloatMap
    log_sigma: FloatMap
    count_logits: FloatMap | None
    label_logits: FloatMap | None
    classes: tuple[str, ...]
    scale: tuple[float, float]
    pixel_size_nm: float
    observed: NDArray[np.bool_]
    peak_nm: float = 0.085

    def to_file(self, y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Map pixels -> pixels of the file."""
        return (y + 0.5) * self.scale[0] - 0.5, (x + 0.5) * self.scale[1] - 0.5

    def to_map(self, y: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Pixels of the file -> map pixels."""
        return (y + 0.5) / self.scale[0] - 0.5, (x + 0.5) / self.scale[1] - 0.5
