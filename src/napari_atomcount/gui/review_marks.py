"""What Correct mode draws over the movie: rings around what is selected, a column on the move, a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_atomcount.gui import points
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.review_model import ReviewModel
from napari_atomcount.gui.review_mouse import CorrectMouse

MARKS, BOX = "selected columns", "selection box"
SELECTED, GHOST, GAP = "#ff9f1c", "#ffffff", "#ff5470"


class ReviewMarks:
    """Draws the selection; its two layers are there while Correct mode is on.

    Parameters
    ----------
    layers
        Makes the layers, and keeps their scale the movie's.
    review
        What is selected.
    mouse
        What is being dragged.
    """

    def __init__(self, layers: ResultLayers, review: ReviewModel, mouse: CorrectMouse) -> None:
        self.layers, self.review = layers, review
        self._drag: tuple[int, float, float] | None = None
        review.mode_changed.connect(self._on_mode)
        review.selection_changed.connect(self.refresh)
        mouse.dragged.connect(self._on_drag)
        mouse.boxed.connect(self._on_box)

    def _on_mode(self, on: bool) -> None:
        if on:
            self._make()
            self.refresh()
        else:
            self.layers.drop((MARKS, BOX))

    def _make(self) -> None:
        size = 1.7 * points.DISC_NM / self.layers.scale[-1]
        if self.layers.get(MARKS) is None:
            self.layers.make(
                MARKS, "points", np.zeros((0, 2)), size=size, border_width=0.14, face_color="transparent"
            )
        if self.layers.get(BOX) is None:
            width = 0.02 * size
            look = {"edge_color": SELECTED, "edge_width": 3 * width, "vector_style": "line"}
            self.layers.make(BOX, "vectors", np.zeros((0, 2, 2)), **look)

    def refresh(self) -> None:
        """Rings around what is selected, where it is, or would be after the arrow keys."""
        if not self.review.on:
            return
        self._make()  # where the user has deleted them
        layer: Any = self.layers.get(MARKS)
        chosen = self.review.chosen
        place = chosen[["y", "x"]].to_numpy(float) + self.review.nudge
        colours, symbols = [SELECTED] * len(place), ["disc"] * len(place)
        sizes = points.sizes_of(chosen["label"], self.review.classes.names).tolist()
        if self.review.place is not None:
            place = np.vstack([place, self.review.place])
            colours, symbols, sizes = [*colours, GAP], [*symbols, "square"], [*sizes, 1.0]
        if self._drag is not None:
            place = np.vstack([place, self._drag[1:]])
            colours, symbols, sizes = [*colours, GHOST], [*symbols, "disc"], [*sizes, 1.0]
        with layer.events.data.blocker():
            layer.data = place
        if len(place):
            layer.face_color = "transparent"
            layer.border_color = colours
            layer.symbol = symbols
            layer.size = layer.current_size * np.array(sizes)
        layer.editable = False

    def _on_drag(self, column: int, y: float, x: float) -> None:
        self._drag = column, y, x
        self.refresh()

    def _on_box(self, corners) -> None:
        self._drag = None
        layer = self.layers.get(BOX)
        if layer is not None:
            layer.data = np.zeros((0, 2, 2)) if corners is None else box_sides(*corners)
        self.refresh()


def box_sides(corner: tuple[float, float], other: tuple[float, float]) -> np.ndarray:
    """The four sides of a box as napari's vectors: start and way, (4, 2, 2)."""
    (y0, x0), (y1, x1) = corner, other
    start = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)], float)
    return np.stack([start, np.roll(start, -1, axis=0) - start], axis=1)
