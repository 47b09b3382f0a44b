"""Where a point of frame 0 is in another frame, and back: shift, and rotation and scale where followed.

A point p of frame 0 lies at c + A (p - c) + d in a frame: d is the shift (dy, dx) in px, c the pivot in px,
and A turns by ``rotation`` degrees, counter-clockwise on the screen, and enlarges by ``scale``. Only a table
that was made with rotation or scale has them; without, A is the identity and any pivot will do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.integer]

TURNING = ("rotation", "scale", "pivot_y", "pivot_x", "aspect")


@dataclass(frozen=True, eq=False)
class Motion:
    """The motion of a specimen through some frames.

    Parameters
    ----------
    frame : ndarray of int, shape (T,)
        Rising.
    shift : ndarray, shape (T, 2)
        (dy, dx), px.
    linear : ndarray, shape (T, 2, 2), or None
        A in (y, x), px; None: neither rotation nor scale was followed.
    pivot : ndarray, shape (2,)
        (y, x), px.
    """

    frame: Ints
    shift: Doubles
    linear: Doubles | None
    pivot: Doubles

    @classmethod
    def of(cls, drift: pd.DataFrame) -> Motion:
        """The motion that a DRIFT table states."""
        frame = drift["frame"].to_numpy(np.int64)
        shift = drift[["dy", "dx"]].to_numpy(np.float64)
        if not len(drift) or any(name not in drift for name in TURNING):
            return cls(frame, shift, None, np.zeros(2))
        angle, scale, pivot_y, pivot_x, aspect = (drift[name].to_numpy(np.float64) for name in TURNING)
        return cls(frame, shift, turning(angle, scale, float(aspect[0])), np.array([pivot_y[0], pivot_x[0]]))

    def rows(self, frame: Ints) -> npt.NDArray[np.intp]:
        """Row of each of some frames (N,), all of which must be in the table."""
        return np.searchsorted(self.frame, np.asarray(frame))

    def forward(self, place: Doubles, row: npt.NDArray[np.integer]) -> Doubles:
        """Where points (N, 2) of frame 0, px, are in the frames of rows (N,); shape (N, 2)."""
        if self.linear is None:
            return np.asarray(place + self.shift[row])
        turned = np.einsum("nij,nj->ni", self.linear[row], place - self.pivot)
        return np.asarray(turned + self.pivot + self.shift[row])

    def back(self, place: Doubles, row: npt.NDArray[np.integer]) -> Doubles:
        """Where points (N, 2) of the frames of rows (N,), px, would be in frame 0; shape (N, 2)."""
        if self.linear is None:
            return np.asarray(place - self.shift[row])
        inverse = np.linalg.inv(self.linear)
        rest = place - self.shift[row] - self.pivot
        return np.asarray(np.einsum("nij,nj->ni", inverse[row], rest) + self.pivot)

    def everywhere(self, place: Doubles) -> Doubles:
        """Where points (S, 2) of frame 0, px, are in every frame; shape (T, S, 2)."""
        if self.linear is None:
            return np.asarray(place[None] + self.shift[:, None])
        turned = np.einsum("tij,sj->tsi", self.linear, place - self.pivot)
        return np.asarray(turned + self.pivot + self.shift[:, None])

    def mapping(self, row: int) -> tuple[Doubles, Doubles]:
        """Matrix and offset, px, that take a place of frame 0 to the frame of a row: matrix p + offset."""
        if self.linear is None:
            return np.eye(2), np.asarray(self.shift[row])
        matrix = self.linear[row]
        return np.asarray(matrix), np.asarray(self.pivot - matrix @ self.pivot + self.shift[row])

    def at(self, frame: int) -> Motion:
        """The motion of one frame alone, of the nearest one where it is not in the table."""
        if not len(self.frame):
            return Motion(np.array([frame]), np.zeros((1, 2)), None, self.pivot)
        i = int(np.abs(self.frame - frame).argmin())
        linear = None if self.linear is None else self.linear[i : i + 1]
        return Motion(self.frame[i : i + 1], self.shift[i : i + 1], linear, self.pivot)


def turning(angle_deg: npt.ArrayLike, scale: npt.ArrayLike, aspect: float = 1.0) -> Doubles:
    """Matrices (…, 2, 2) in (y, x), px, that turn counter-clockwise on the screen and enlarge.

    Parameters
    ----------
    angle_deg, scale : array_like
        Of one shape.
    aspect : float
        Height of a pixel over its width: a turn is one in nm.
    """
    angle = np.deg2rad(np.asarray(angle_deg, dtype=np.float64))
    size = np.asarray(scale, dtype=np.float64)
    c, s = size * np.cos(angle), size * np.sin(angle)
    return np.stack([np.stack([c, -s / aspect], axis=-1), np.stack([s * aspect, c], axis=-1)], axis=-2)
