"""Two runs on the frame that is shown: what only one of them found, and where their counts differ."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui import points
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.measure.review import compare_columns

LAYER = "comparison"
SAME_NM = 0.06
ONE, TWO, OTHER_COUNT = "#ff9f1c", "#2ec4e6", "#ffffff"


class Comparison(QObject):
    """Marks the differences of two kept runs, frame by frame.

    Signals
    -------
    worded(str)
        What is different in the frame.
    """

    worded = Signal(str)

    def __init__(self, keeper: SessionKeeper, layers: ResultLayers, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.keeper, self.layers = keeper, layers
        self._tables: tuple[pd.DataFrame, pd.DataFrame] | None = None
        keeper.model.movie_changed.connect(lambda: self.compare(0, 0))

    def compare(self, one: int, two: int) -> None:
        """Compare two runs by their numbers; 0: show no comparison."""
        session = self.keeper.session
        if not one or not two or session is None:
            self._tables = None
            self.layers.drop((LAYER,))
            self.worded.emit("")
            return
        tables = self.keeper.attempt(lambda: (session.run_columns(one), session.run_columns(two)))
        self._tables = tables
        self.refresh()

    def refresh(self) -> None:
        """Mark the differences of the frame that is shown."""
        movie = self.keeper.model.movie
        if self._tables is None or movie is None:
            return
        self.layers.read_slider()
        frame = self.layers.frame
        one, two = (table[table["frame"] == frame] for table in self._tables)
        size = movie.calibration.pixel_size_nm or (0.02, 0.02)
        found = compare_columns(one, two, (SAME_NM / size[0], SAME_NM / size[1]))
        recounted = (found["found"] == "both") & (found["count_one"] != found["count_two"])
        shown = found[(found["found"] != "both") | recounted]
        layer: Any = self.layers.get(LAYER)
        if layer is None:
            width = 1.5 * points.DISC_NM / self.layers.scale[-1]
            self.layers.make(LAYER, "points", np.zeros((0, 2)), size=width, border_width=0.16)
            layer = self.layers.get(LAYER)
        colours = {"one": ONE, "two": TWO, "both": OTHER_COUNT}
        symbols = {"one": "triangle_up", "two": "triangle_down", "both": "square"}
        with layer.events.data.blocker():
            layer.data = shown[["y", "x"]].to_numpy(float)
        if len(shown):
            layer.face_color = "transparent"
            layer.border_color = [colours[kind] for kind in shown["found"]]
            layer.symbol = [symbols[kind] for kind in shown["found"]]
        layer.editable = False
        number = found["found"].value_counts()
        self.worded.emit(
            f"frame {frame}: {number.get('both', 0)} in both, {int(recounted.sum())} of them counted "
            f"differently (□) · only the first: {number.get('one', 0)} (△) · only the second: "
            f"{number.get('two', 0)} (▽)"
        )
