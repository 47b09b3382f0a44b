"""What an edit costs in the real window: from the hand's gesture until the canvas has drawn it.

``python -m napari_atomcount.gui.edit_timing MOVIE EDITS`` opens the desk on a movie whose session lies beside
it, counts a column anew in frame after frame, and prints the seconds of each edit as JSON. The benchmark of
speed calls it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from qtpy.QtWidgets import QApplication

from napari_atomcount.gui.launch import open_desk

WINDOW = (1440, 900)  # px
LONGEST_S = 120.0


def edit_seconds(path: Path, edits: int) -> list[float]:
    """Seconds from a count typed in Correct mode until the canvas has drawn it, for so many edits.

    Each time is that of the edit on disk, the corrected table, napari's layer with all its columns, and one
    drawn image, the graphics card (or what stands for it) waited for. What follows later in a worker (sites
    and events) is not part of it.

    Parameters
    ----------
    path
        A movie with a session that holds a run.
    edits
        How many.
    """
    from vispy import gloo

    viewer = open_desk([])
    try:
        window = viewer.window._qt_window
        window.resize(*WINDOW)
        dock = window.findChild(object, "atomcount_dock")
        dock.commands.open_movie(path)
        _wait(lambda: dock.model.run is not None and len(dock.model.run.frames) > 0, "the session's run")
        _wait(lambda: dock.keeper.settled and not dock.runner.busy, "the desk")
        review, layers = dock.reviewing.review, dock.layers
        review.set_on(True)
        if not review.on:
            raise RuntimeError(review.obstacle)
        canvas = viewer.window._qt_viewer.canvas
        drawn: list[float] = []
        canvas._scene_canvas.events.draw.connect(
            lambda _event: drawn.append(time.perf_counter()), position="last"
        )
        seconds = []
        for n in range(edits):
            layers.show_frame(n % dock.model.movie.n_frames)
            _rest()
            columns = review.columns
            review.select([int(columns["column_id"].iloc[n % len(columns)])])
            count = 1 + int(columns["count"].iloc[n % len(columns)]) % 5
            _rest()
            before = len(drawn)
            begun = time.perf_counter()
            review.set_count(count)
            canvas.native.update()
            while len(drawn) == before:
                QApplication.processEvents()
            canvas._scene_canvas.set_current()
            gloo.gl.glFinish()
            seconds.append(time.perf_counter() - begun)
            _check_shown(layers, review.frame(), count, review.selected[0])
        return seconds
    finally:
        viewer.close()


def _check_shown(layers, frame: int, count: int, column: int) -> None:
    """What was timed must be what is shown."""
    layer = layers.get("columns")
    row = np.flatnonzero(layer.features["column_id"] == column)
    if len(row) != 1 or layer.features["count"].iloc[row[0]] != count or layer.data[row[0], 0] != frame:
        raise RuntimeError("the layer does not show the edit")


def _rest() -> None:
    """Let what waits a moment be done before the clock runs."""
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        QApplication.processEvents()


def _wait(condition: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LONGEST_S
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        QApplication.processEvents()
        time.sleep(0.01)


if __name__ == "__main__":
    print(json.dumps(edit_seconds(Path(sys.argv[1]), int(sys.argv[2]))))
