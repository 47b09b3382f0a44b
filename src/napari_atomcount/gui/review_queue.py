"""The queue of what is uncertain, kept up with edits and results; where in it the person is."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.measure.review import Review, review_queue

DELAY_MS = 120


class ReviewQueue(QObject):
    """What is left to review in the shown run, what matters most first.

    Signals
    -------
    changed()
        ``review`` is new.
    """

    changed = Signal()

    def __init__(self, model: SessionModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.review: Review | None = None
        self._at: tuple[int, float, float] | None = None
        self._index = -1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.refresh)
        for signal in (model.run_changed, model.analysis_changed):
            signal.connect(self.refresh_later)
        model.edited.connect(lambda _frames: self.refresh_later())
        model.frame_finished.connect(lambda _frame: self.refresh_later())

    def refresh_later(self) -> None:
        """Make the queue anew once nothing else has happened for a moment."""
        self._timer.start()

    def refresh(self) -> None:
        """Make the queue anew."""
        self._timer.stop()
        run = self.model.run
        if run is None or not run.frames:
            self.review = None
        else:
            edits = run.corrected
            ids = np.zeros(0, np.int64) if edits is None else edits.accepted_ids()
            frames = () if edits is None else edits.reviewed_frames
            self.review = review_queue(run.columns, ids, frames, run.analysis)
        self.changed.emit()

    def turn(self, step: int) -> Any:
        """The next row of the queue (step 1), or the one before (-1); None: it is empty.

        Where the row one was at has been dealt with, the next one is that in its place.
        """
        if self._timer.isActive() or self.review is None:
            self.refresh()
        if self.review is None or not len(self.review.queue):
            self._at, self._index = None, -1
            return None
        queue = self.review.queue
        here = self._find()
        if here is None:
            index = self._index if step > 0 else self._index - 1
        else:
            index = here + step
        self._index = int(max(index, 0) % len(queue)) if index >= 0 else len(queue) - 1
        if self._at is None and step > 0:
            self._index = 0
        row = queue.iloc[self._index]
        self._at = int(row["frame"]), float(row["y"]), float(row["x"])
        return row

    def _find(self) -> int | None:
        """Where the row one was at stands now."""
        if self._at is None or self.review is None:
            return None
        frame, y, x = self._at
        queue = self.review.queue
        same = (queue["frame"] == frame) & (np.hypot(queue["y"] - y, queue["x"] - x) < 1.0)
        return int(np.flatnonzero(same)[0]) if same.any() else None
