"""The queue of what is uncertain, kept up with edits and results; where in it the person is."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.measure.review import Review, answers, review_queue

DELAY_MS = 120


class ReviewQueue(QObject):
    """What is left to review in the shown run, what matters most first.

    Signals
    -------
    changed()
        ``review`` is new, or what may be asked.
    """

    changed = Signal()

    def __init__(self, model: SessionModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.review: Review | None = None
        self.answers: tuple[str, ...] = ()
        self.answer: str | None = None  # what the person asked for; None: the usual question
        self.at_first: float | None = None  # expected wrong before any edit, where it was seen
        self.firsts: dict[str, float] = {}  # the same of each run and answer, kept with the session
        self._at: tuple[int, float, float] | None = None
        self._index = -1
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DELAY_MS)
        self._timer.timeout.connect(self.refresh)
        for signal in (model.run_changed, model.analysis_changed):
            signal.connect(self.refresh_later)
        model.movie_changed.connect(self.forget)
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
            self.review, self.answers = None, ()
        else:
            edits, analysis = run.corrected, run.analysis
            ids = np.zeros(0, np.int64) if edits is None else edits.accepted_ids()
            frames = () if edits is None else edits.reviewed_frames
            said = None if edits is None else edits.said()
            self.answers = answers(analysis, run.card.counts)
            answer = self.answer if self.answer in self.answers else self.answers[0]
            self.review = review_queue(run.columns, ids, frames, analysis, answer=answer, said=said)
            # without an analysis columns are counted, not sites: not to be compared
            name = f"{run.number}/{answer}/{'sites' if self.review.of_sites else 'columns'}"
            if run.number and (edits is None or not edits.edited_frames) and not run.analysis_is_stale:
                self.firsts[name] = round(self.review.wrong_left, 4)
            self.at_first = self.firsts.get(name)
        self.changed.emit()

    def ask(self, answer: str) -> None:
        """Order by another answer: events, occupancy, columns or counts."""
        if answer != self.answer:
            self.answer, self._at, self._index = answer, None, -1
            self.refresh()

    def forget(self) -> None:
        """Another movie is shown: nothing is known of what its runs left at first."""
        self.firsts, self.at_first, self._at, self._index = {}, None, None, -1

    @property
    def kept(self) -> dict[str, Any]:
        """What a session keeps of the queue, in plain values."""
        return {"answer": self.answer, "at_first": dict(self.firsts)}

    def find_again(self, kept: Any) -> None:
        """Take what a session kept; of another version of the package, what can be understood."""
        self.forget()
        if isinstance(kept, dict):
            answer, firsts = kept.get("answer"), kept.get("at_first")
            self.answer = answer if isinstance(answer, str) else self.answer
            if isinstance(firsts, dict):
                known = {str(k): v for k, v in firsts.items() if isinstance(v, int | float)}
                self.firsts = {name: float(value) for name, value in known.items()}
        self.refresh_later()

    @property
    def length(self) -> int:
        """Places in the queue."""
        return 0 if self.review is None else len(self.review.queue)

    @property
    def rank(self) -> int | None:
        """Which place of the queue one is at, the first is 1."""
        here = self._find()
        return None if here is None else here + 1

    def words(self, row: Any) -> str:
        """What is uncertain about a place of the queue, and how much hangs on it."""
        rank = "" if self.rank is None else f"place {self.rank} of {self.length:,}: "
        span = f" (frames {row['first']}–{row['last']})" if row["last"] > row["first"] else ""
        share = 100 * row["share"]
        weight = f"{share:.0f} %" if share >= 1 else "less than 1 %"
        risk = f"wrong with a probability of {min(row['risk'], 0.99):.2g}"
        return f"{rank}{row['why']}{span} · {risk} · {weight} of all that is uncertain"

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
