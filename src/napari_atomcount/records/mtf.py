"""The modulation transfer of a camera: how much it blurs its images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

#: Frequencies that a camera damps to less than this share are not raised further where its blur is undone.
LEAST_TRANSFER = 0.15


@dataclass(frozen=True)
class Mtf:
    """MTF of the thesis' eq. 2.21, (1 - c1) / (1 + (k / c2)^c3) + c1, with k in cycles per pixel.

    Parameters
    ----------
    c1, c2, c3 : float
        Its parameters; by default those of an ordinary camera.
    source : str
        ``user``, ``estimated`` from the noise of the movie, or ``assumed``.
    """

    c1: float = 0.05
    c2: float = 0.5
    c3: float = 2.5
    source: Literal["user", "estimated", "assumed"] = "assumed"

    def at(self, k: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
        """Transfer at frequencies k, cycles per pixel."""
        return np.asarray((1 - self.c1) / (1 + (k / self.c2) ** self.c3) + self.c1)
