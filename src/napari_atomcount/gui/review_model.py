"""The Correct mode without its widgets: what is selected, what is uncertain, and the edits a person makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from qtpy.QtCore import QObject, QTimer, Signal

from napari_atomcount.gui.review_classes import ColumnClasses
from napari_atomcount.gui.review_queue import ReviewQueue
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.io.session import Change
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.corrections import Edit
from napari_atomcount.records.motion import Motion

GRIP_NM = 0.09  # a column is grasped within this distance of its centre
GRIP_PX = 4.5  # the same where the pixel size is not known
DIGITS_MS = 700  # a second digit within this time joins the first
NUDGES_MS = 500  # steps of the arrow keys within this time are one move
MOST_COUNT = 120


class ReviewModel(QObject):
    """Selection, queue and edits of the frame that is shown.

    Parameters
    ----------
    model
        The desk's model.
    keeper
        Makes the edits, undoes and redoes them.
    frame
        Tells which frame is shown.

    Signals
    -------
    mode_changed(bool)
        Correct mode is on, or off.
    selection_changed()
        Other columns are selected, or something is waiting to be made of them.
    go_to(int, float, float)
        Frame, y, x px to look at; y is NaN where only the frame matters.
    said(str)
        What was done, in a few words.
    """

    mode_changed = Signal(bool)
    selection_changed = Signal()
    go_to = Signal(int, float, float)
    said = Signal(str)

    def __init__(
        self,
        model: SessionModel,
        keeper: SessionKeeper,
        frame: Callable[[], int],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.model, self.keeper, self.frame = model, keeper, frame
        self.on = False
        self.blocked = False  # while a network runs, the columns are not the session's yet
        self.selected: list[int] = []  # column_id, in the frame that is shown
        self.place: tuple[float, float] | None = None  # y, x px of a place without a column
        self.digits = ""
        self.nudge = np.zeros(2)
        self.queue = ReviewQueue(model, self)
        self.classes = ColumnClasses(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.settle)
        model.run_changed.connect(self._on_run)

    # -- the mode ----------------------------------------------------------
    @property
    def obstacle(self) -> str:
        """Why nothing can be corrected now; empty: it can."""
        run = self.model.run
        if run is None or not run.frames:
            return "There are no columns yet: run a network first."
        if self.blocked:
            return "Wait until the network is done, or stop it."
        if self.keeper.read_only:
            return f"This session is for reading only: {self.keeper.read_only}."
        if run.corrected is None:
            return "This run could not be kept, so its corrections could not be either."
        return ""

    def set_on(self, on: bool) -> None:
        """Turn Correct mode on, where it can be, or off."""
        self.settle()
        if on and self.obstacle:
            self.said.emit(self.obstacle)
            on = False
        if on != self.on:
            self.on = on
            self.select(())
        self.mode_changed.emit(self.on)

    def set_blocked(self, blocked: bool) -> None:
        """A network has begun to run, or has ended."""
        self.blocked = blocked
        if blocked and self.on:
            self.set_on(False)

    def _on_run(self) -> None:
        self.digits, self.nudge = "", np.zeros(2)
        self.select(())
        if self.on and self.obstacle:
            self.set_on(False)

    # -- selecting ---------------------------------------------------------
    @property
    def columns(self) -> pd.DataFrame:
        """COLUMNS of the frame that is shown, corrected."""
        run = self.model.run
        return tables.empty(tables.COLUMNS) if run is None else run.frame_columns(self.frame())

    @property
    def chosen(self) -> pd.DataFrame:
        """Those of them that are selected."""
        columns = self.columns
        return columns[columns["column_id"].isin(self.selected)]

    def column_at(self, y: float, x: float) -> int | None:
        """``column_id`` of the column that a hand at (y, x) px grasps."""
        columns, movie = self.columns, self.model.movie
        if movie is None or not len(columns):
            return None
        size = movie.calibration.pixel_size_nm
        reach = (GRIP_PX, GRIP_PX) if size is None else (GRIP_NM / size[0], GRIP_NM / size[1])
        dy, dx = columns["y"].to_numpy() - y, columns["x"].to_numpy() - x
        far = np.hypot(dy / reach[0], dx / reach[1])
        best = int(far.argmin())
        return int(columns["column_id"].iloc[best]) if far[best] <= 1 else None

    def select(
        self, ids: Iterable[int], extend: bool = False, place: tuple[float, float] | None = None
    ) -> None:
        """Select columns of the frame (``extend``: beside the selected ones), or a place without one."""
        self.settle()
        new = [int(i) for i in ids]
        if extend:
            kept = [i for i in self.selected if i not in new]
            new = kept if len(new) == 1 and new[0] in self.selected else kept + new
        self.selected, self.place = new, place
        self.selection_changed.emit()

    def select_box(self, corner: tuple[float, float], other: tuple[float, float], extend: bool) -> None:
        """Select the columns between two corners (y, x) px."""
        (y0, y1), (x0, x1) = sorted((corner[0], other[0])), sorted((corner[1], other[1]))
        columns = self.columns
        inside = columns["y"].between(y0, y1) & columns["x"].between(x0, x1)
        self.select(columns.loc[inside, "column_id"], extend)
        self.said.emit(f"{len(self.selected)} columns selected")

    def select_all(self) -> None:
        """Select all columns of the frame."""
        self.select(self.columns["column_id"])
        self.said.emit(f"{len(self.selected)} columns selected")

    def select_neighbour(self, step: int) -> None:
        """Select the next column of the frame in reading order (step 1), or the one before (-1)."""
        columns = self.columns
        if not len(columns):
            return
        size = self.model.movie.calibration.pixel_size_nm if self.model.movie is not None else None
        line = 2 * (GRIP_PX if size is None else GRIP_NM / size[0])  # columns this near in y are one line
        order = columns.assign(line=(columns["y"] / line).round()).sort_values(["line", "x"])
        ids = order["column_id"].tolist()
        at = ids.index(self.selected[-1]) if self.selected and self.selected[-1] in ids else -1
        at = (at + step) % len(ids) if at >= 0 or step > 0 else len(ids) - 1
        self.select([ids[at]])
        row = columns[columns["column_id"] == ids[at]].iloc[0]
        self.go_to.emit(self.frame(), float(row["y"]), float(row["x"]))

    def on_frame(self) -> None:
        """Another frame is shown: what was selected in the last one is let go."""
        self.settle()
        if self.selected or self.place is not None:
            self.select(())

    # -- editing -----------------------------------------------------------
    def do(self, edits: list[Edit], words: str) -> Change | None:
        """Make a gesture and say so; what is said when it fails comes from the keeper."""
        if self.obstacle:
            self.said.emit(self.obstacle)
            return None
        if not edits:
            self.said.emit("Select a column first: click it, or press the key for the next one.")
            return None
        change = self.keeper.do(edits)
        if change is not None:
            self.said.emit(words)
            self.selection_changed.emit()
        return change

    def add(self, y: float, x: float) -> None:
        """Add a column at (y, x) px of the frame, and select it."""
        self.settle()
        movie = self.model.movie
        if movie is None or not (0 <= y <= movie.shape[1] - 1 and 0 <= x <= movie.shape[2] - 1):
            return
        before = set(self.columns["column_id"])
        y, x = round(y, 3), round(x, 3)  # no hand is better, and a line of the log stays short
        label = self.classes.adding
        edit = corrections.add(self.frame(), y, x, label=label)
        if self.do([edit], f"{'' if label is None else label + ' '}column added at y {y:.1f}, x {x:.1f} px"):
            self.select(set(self.columns["column_id"]) - before)

    def remove(self) -> None:
        """Remove the selected columns."""
        self.settle()
        rows = self._rows()
        edits = [corrections.remove(self.frame(), y, x) for y, x in rows]
        if self.do(edits, f"{_columns(len(rows))} removed"):
            self.select(())

    def move_column(self, column: int, dy: float, dx: float) -> None:
        """Move a column by px."""
        row = self.columns[self.columns["column_id"] == column]
        if len(row):
            y, x = float(row["y"].iloc[0]), float(row["x"].iloc[0])
            edit = corrections.move(self.frame(), y, x, round(y + dy, 3), round(x + dx, 3))
            self.do([edit], f"column moved by {np.hypot(dy, dx):.1f} px")

    def move_by(self, dy: float, dx: float) -> None:
        """Move the selected columns by px; steps that follow at once are one gesture."""
        if self.selected and not self.obstacle:
            self.nudge = self.nudge + np.array([dy, dx])
            self._timer.start(NUDGES_MS)
            self.selection_changed.emit()

    def set_count(self, count: int) -> None:
        """Give the selected columns this number of atoms."""
        self.digits = ""
        edits = [corrections.set_count(self.frame(), y, x, count) for y, x in self._rows()]
        self.do(edits, f"count {count} for {_columns(len(edits))}")

    def change_count(self, by: int) -> None:
        """One atom more (1) or less (-1) in each selected column; one that was not counted begins at 1."""
        self.settle()
        chosen = self.chosen
        counts = (chosen["count"].clip(lower=0) + by).clip(1, MOST_COUNT)
        edits = [
            corrections.set_count(self.frame(), float(y), float(x), int(n))
            for y, x, n in zip(chosen["y"], chosen["x"], counts, strict=True)
        ]
        words = (
            f"count {int(counts.iloc[0])}" if len(counts) == 1 else f"{_columns(len(counts))}: {by:+d} atom"
        )
        self.do(edits, words)

    def type_digit(self, digit: int) -> None:
        """Type a digit of the count; it waits a moment for another one where that could follow."""
        if not self.selected:
            self.do([], "")
            return
        self.digits += str(digit)
        card = self.model.card
        most = max(9, card.max_count if card is not None else 9)
        self.selection_changed.emit()
        if int(self.digits) * 10 > most or len(self.digits) > 2:
            self.settle()
        else:
            self._timer.start(DIGITS_MS)

    def settle(self) -> None:
        """Make what was typed or nudged; nothing may wait when something else begins."""
        self._timer.stop()
        digits, self.digits = self.digits, ""
        nudge, self.nudge = self.nudge, np.zeros(2)
        if digits:
            self.set_count(min(int(digits), MOST_COUNT))
        if nudge.any():
            edits = [
                corrections.move(self.frame(), y, x, round(y + nudge[0], 3), round(x + nudge[1], 3))
                for y, x in self._rows()
            ]
            self.do(edits, f"{_columns(len(edits))} moved by {np.hypot(*nudge):.1f} px")

    def copy_forward(self, number: int) -> None:
        """Copy the last edit to so many following frames, along with the drift, where it finds its column."""
        self.settle()
        run, session = self.model.run, self.keeper.session
        if run is None or session is None or run.corrected is None:
            self.do([], "")
            return
        last = session.history.gestures.get(session.history.undoes or 0)
        if last is None or any(edit.frame is None for edit in last.edits):
            self.said.emit("The last step was no edit of a column: there is nothing to copy.")
            return
        start = max(last.frames)
        edits = [edit for edit in last.edits if edit.frame == start]
        targets = [t for t in sorted(run.frames) if start < t <= start + number]
        drift, motion = {}, None
        if run.analysis is not None:
            table = run.analysis.drift
            drift = {
                int(t): (float(y), float(x))
                for t, y, x in zip(table["frame"], table["dy"], table["dx"], strict=True)
            }
            motion = Motion.of(table)
        copies = [e for e in corrections.copied(edits, targets, drift, motion) if self._finds_its_place(e)]
        frames = len({edit.frame for edit in copies})
        if not copies:
            self.said.emit("None of the following frames has a column there: nothing was copied.")
        elif self.do(copies, f"copied to {frames} of {len(targets)} frames"):
            self.queue.refresh_later()

    def _finds_its_place(self, edit: Edit) -> bool:
        """Whether a copy has a meaning in its frame: a column where it needs one, none where it adds one."""
        run = self.model.run
        assert run is not None
        assert edit.frame is not None
        if edit.y is None or edit.x is None:
            return True
        columns, corrected = run.frame_columns(edit.frame), run.corrected
        assert corrected is not None
        far = np.hypot(
            (columns["y"] - edit.y) / corrected.reach[0], (columns["x"] - edit.x) / corrected.reach[1]
        )
        return bool((far <= 1).any()) != (edit.edit == "add")

    # -- reviewing ---------------------------------------------------------
    def accept(self) -> None:
        """Accept the selected columns as they are, or a place as empty; then go to the next uncertain one."""
        self.settle()
        if self.place is not None and not self.selected:
            edits, words = [corrections.remove(self.frame(), *self.place)], "nothing there: noted"
        else:
            edits = [corrections.review(self.frame(), y, x) for y, x in self._rows()]
            words = f"{_columns(len(edits))} accepted"
        if self.do(edits, words):
            self.next()

    def accept_frame(self) -> None:
        """Accept all that the frame shows, and that nothing else is there."""
        self.settle()
        frame = self.frame()
        run = self.model.run
        if run is not None and frame not in run.frames:
            self.said.emit(f"Frame {frame} was not run yet.")
        else:
            self.do([corrections.review(frame)], f"frame {frame} accepted")

    def next(self, step: int = 1) -> None:
        """Go to the next uncertain column (step 1), or to the one before (-1)."""
        self.settle()
        row = self.queue.turn(step)
        if row is None:
            self.said.emit("Nothing uncertain is left." if self.model.run is not None else self.obstacle)
            return
        self.go_to.emit(int(row.frame), float(row.y), float(row.x))
        column = int(row.column_id)
        if column >= 0:
            self.select([column])
        else:
            self.select((), place=(float(row.y), float(row.x)))
        self.said.emit(self.queue.words(row))

    # -- undoing -----------------------------------------------------------
    def undo(self) -> None:
        """Undo the last gesture, run or setting, wherever it was made."""
        self.settle()
        self._went(self.keeper.undo(), "undone")

    def redo(self) -> None:
        """Redo what was undone last."""
        self.settle()
        self._went(self.keeper.redo(), "redone")

    def _went(self, change: Change | None, what: str) -> None:
        if change is None:
            return
        if change.kind == "edits" and change.frames and self.frame() not in change.frames:
            self.go_to.emit(change.frames[0], float("nan"), float("nan"))
        self.select(i for i in self.selected if i in set(self.columns["column_id"]))
        session = self.keeper.session
        gesture = None if session is None else session.history.gestures.get(change.number)
        name = change.kind if gesture is None else gesture.edits[0].edit.replace("_", " ")
        self.said.emit(f"{what}: {name}")

    def _rows(self) -> list[tuple[float, float]]:
        chosen = self.chosen
        return [(float(y), float(x)) for y, x in zip(chosen["y"], chosen["x"], strict=True)]


def _columns(number: int) -> str:
    return "1 column" if number == 1 else f"{number} columns"
