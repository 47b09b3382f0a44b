"""A person's edits replayed over what the network said: corrected columns, and which edits found no place.

The network's table is never changed. Each frame with edits is rebuilt from the network's rows of that frame
and the edits that hold, in their order; so undoing an edit is rebuilding without it, and without any edit the
network's own table comes back, the same object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import Edit, Gesture
from napari_atomcount.records.packed import lengths

#: An edit belongs to the nearest column within this distance; projected columns are 0.12 nm apart or more.
PLACING_NM = 0.06
#: The same where the pixel size is not known.
PLACING_PX = 3.0

ADDED, CORRECTED = "added", "corrected"


@dataclass(frozen=True)
class Placement:
    """Where one edit found its column in the shown run.

    Parameters
    ----------
    gesture : int
        Gesture that the edit belongs to.
    edit : Edit
        The edit.
    placed : bool
        False: its column is not there; the edit waits for a run that has it.
    words : str
        Why not; or, where it is placed, what was found instead. Empty for the plain case.
    """

    gesture: int
    edit: Edit
    placed: bool
    words: str = ""


class _Frame:
    """The columns of one frame while edits are replayed over them."""

    def __init__(self, y: npt.NDArray[np.float64], x: npt.NDArray[np.float64], rows: npt.NDArray[np.int64]):
        self.y, self.x = y.tolist(), x.tolist()
        self.row: list[int] = rows.tolist()  # of the network's table; -1: added
        self.origin: list[str] = [""] * len(rows)  # empty: as the network said
        self.alive = [True] * len(rows)
        self.moved = [False] * len(rows)
        self.count: dict[int, int] = {}
        self.label: dict[int, str] = {}
        self.serial: dict[int, int] = {}
        self.accepted: set[int] = set()
        self.removed: list[tuple[float, float]] = []
        self.reviewed = False

    def append(self, y: float, x: float) -> None:
        """Add a column that the network does not have."""
        self.serial[len(self.y)] = len(self.serial)
        self.y.append(y)
        self.x.append(x)
        self.row.append(-1)
        self.origin.append(ADDED)
        self.alive.append(True)
        self.moved.append(True)

    def nearest(self, y: float, x: float, reach: tuple[float, float]) -> int | None:
        """Index of the nearest living column within an ellipse of half axes `reach` (px)."""
        if not self.y:
            return None
        far = ((np.asarray(self.y) - y) / reach[0]) ** 2 + ((np.asarray(self.x) - x) / reach[1]) ** 2
        far[~np.asarray(self.alive)] = np.inf
        best = int(far.argmin())
        return best if far[best] <= 1.0 else None


class CorrectedColumns:
    """The network's columns of one run with the edits that hold.

    Parameters
    ----------
    network : DataFrame
        COLUMNS; never changed.
    run : int
        Gesture number of the run, which edits name.
    calibration : Calibration
        For positions in nm, and for how far an edit looks for its column.
    gestures : iterable of Gesture
        Those that hold, oldest first.
    """

    def __init__(
        self,
        network: pd.DataFrame,
        run: int = 0,
        calibration: Calibration | None = None,
        gestures: list[Gesture] | None = None,
    ) -> None:
        self.network = network
        self.run = run
        self.calibration = calibration or Calibration()
        size = self.calibration.pixel_size_nm
        self.reach = (
            (PLACING_PX, PLACING_PX) if size is None else (PLACING_NM / size[0], PLACING_NM / size[1])
        )
        frame = network["frame"].to_numpy(np.int64)
        self._order: npt.NDArray[np.int64] = np.argsort(frame, kind="stable").astype(np.int64)
        self._sorted = frame[self._order]
        self._y = network["y"].to_numpy(np.float64)
        self._x = network["x"].to_numpy(np.float64)
        self._first_id = int(network["column_id"].max()) + 1 if len(network) else 0
        self._label = str(network["label"].mode().iloc[0]) if len(network) else "column"
        self._counts = _longest(network)
        self._edits: dict[int, list[tuple[int, int, Edit]]] = {}  # frame -> (gesture, run, edit)
        self._frames: dict[int, _Frame] = {}
        self._built: dict[int, pd.DataFrame] = {}
        self._placements: dict[int, list[Placement]] = {}
        self._table: pd.DataFrame | None = None
        for gesture in gestures or []:
            self.do(gesture)

    # -- edits -------------------------------------------------------------
    def do(self, gesture: Gesture) -> tuple[int, ...]:
        """Add a gesture's edits after those that hold; return the frames that change."""
        for edit in gesture.edits:
            if edit.frame is not None:
                self._edits.setdefault(edit.frame, []).append((gesture.number, gesture.run, edit))
        return self._forget(gesture.frames)

    def undo(self, gesture: Gesture) -> tuple[int, ...]:
        """Take a gesture's edits away; return the frames that change."""
        for frame in gesture.frames:
            kept = [entry for entry in self._edits.get(frame, []) if entry[0] != gesture.number]
            if kept:
                self._edits[frame] = kept
            else:
                self._edits.pop(frame, None)
        return self._forget(gesture.frames)

    def _forget(self, frames: tuple[int, ...]) -> tuple[int, ...]:
        for frame in frames:
            self._frames.pop(frame, None)
            self._built.pop(frame, None)
            self._placements.pop(frame, None)
        self._table = None
        return frames

    # -- what results ------------------------------------------------------
    @property
    def table(self) -> pd.DataFrame:
        """COLUMNS of all frames, by frame; without edits the network's table itself."""
        if not self._edits:
            return self.network
        if self._table is None:
            touched = np.isin(self.network["frame"].to_numpy(), list(self._edits))
            parts = [self.network[~touched], *(self.frame_columns(t) for t in sorted(self._edits))]
            whole = pd.concat([part for part in parts if len(part)] or [self.network.iloc[:0]])
            self._table = whole.sort_values("frame", kind="stable", ignore_index=True)
        return self._table

    def frame_columns(self, frame: int) -> pd.DataFrame:
        """COLUMNS of one frame; only this frame is rebuilt after an edit."""
        if frame not in self._edits:
            return self.network.iloc[self._rows(frame)].reset_index(drop=True)
        if frame not in self._built:
            self._built[frame] = self._build(frame, self._replayed(frame))
        return self._built[frame]

    @property
    def edited_frames(self) -> tuple[int, ...]:
        """Frames that edits name, in order."""
        return tuple(sorted(self._edits))

    @property
    def reviewed_frames(self) -> tuple[int, ...]:
        """Frames that a person accepted as a whole, on this run."""
        return tuple(t for t in sorted(self._edits) if self._replayed(t).reviewed)

    def accepted(self, frame: int) -> npt.NDArray[np.int64]:
        """``column_id`` of the columns of a frame that a person looked at: edited or accepted, shape (n,)."""
        if frame not in self._edits:
            return np.zeros(0, np.int64)
        ids = np.asarray(self.frame_columns(frame)["column_id"], dtype=np.int64)
        state = self._replayed(frame)
        living = [i for i, alive in enumerate(state.alive) if alive]
        seen = [state.reviewed or i in state.accepted or bool(state.origin[i]) for i in living]
        return np.compress(seen, ids)

    def accepted_ids(self) -> npt.NDArray[np.int64]:
        """``column_id`` of all columns that a person looked at, shape (n,)."""
        return np.concatenate([np.zeros(0, np.int64), *(self.accepted(t) for t in self._edits)])

    def placements(self) -> list[Placement]:
        """Where each edit that holds found its column, by frame and in the order of the edits."""
        return [p for t in sorted(self._edits) for p in (self._replayed(t), self._placements[t])[1]]

    def unplaced(self) -> list[Placement]:
        """The edits whose column this run does not have; they are kept and wait for a run that has it."""
        return [placement for placement in self.placements() if not placement.placed]

    def said(self) -> pd.DataFrame:
        """What a person said about places: frame, y, x (px), present (bool).

        Edited and accepted columns are present; removed ones, and nothing else, are absent here: the absence
        of everything else in `reviewed_frames` is for the caller, who knows the sites.
        """
        rows: list[tuple[int, float, float, bool]] = []
        for t in sorted(self._edits):
            state = self._replayed(t)
            for i, alive in enumerate(state.alive):
                if alive and (state.reviewed or state.origin[i] or i in state.accepted):
                    rows.append((t, state.y[i], state.x[i], True))
            for y, x in state.removed:
                at = state.nearest(y, x, self.reach)
                if at is None or not state.origin[at]:  # not put there again
                    rows.append((t, y, x, False))
        table = pd.DataFrame(rows, columns=["frame", "y", "x", "present"])
        return table.astype({"frame": "int64", "y": "float64", "x": "float64", "present": "bool"})

    # -- replay ------------------------------------------------------------
    def _rows(self, frame: int) -> npt.NDArray[np.int64]:
        """Rows of the network's table that belong to a frame."""
        start, stop = np.searchsorted(self._sorted, [frame, frame + 1])
        return np.asarray(self._order[int(start) : int(stop)], dtype=np.int64)

    def _replayed(self, frame: int) -> _Frame:
        if frame not in self._frames:
            rows = self._rows(frame)
            state = _Frame(self._y[rows], self._x[rows], rows)
            self._placements[frame] = [
                Placement(number, edit, *self._apply(state, number, run, edit))
                for number, run, edit in self._edits[frame]
            ]
            self._frames[frame] = state
        return self._frames[frame]

    def _apply(self, state: _Frame, number: int, run: int, edit: Edit) -> tuple[bool, str]:
        """Apply one edit; return whether it found its place, and what there is to say."""
        if edit.edit == "review" and edit.y is None:
            if run == self.run:
                state.reviewed = True
                return True, ""
            return False, "the frame was accepted as another run showed it: look at it again"
        assert edit.y is not None
        assert edit.x is not None
        if edit.edit == "add":
            return self._apply_add(state, run, edit, edit.y, edit.x)
        found = state.nearest(edit.y, edit.x, self.reach)
        if edit.edit == "remove":
            state.removed.append((edit.y, edit.x))
            if found is None:
                return True, "the run has no column there anyway"
            state.alive[found] = False
            return True, ""
        words = ""
        if edit.edit == "move":
            assert edit.to_y is not None
            assert edit.to_x is not None
            if found is None:
                found = state.nearest(edit.to_y, edit.to_x, self.reach)
                words = "the run has the column where it was moved to"
            if found is not None:
                state.y[found], state.x[found], state.moved[found] = edit.to_y, edit.to_x, True
        if found is None:
            return False, "this run has no column there"
        if edit.edit == "set_count":
            assert edit.count is not None
            state.count[found] = edit.count
        elif edit.edit == "set_label":
            assert edit.label is not None
            state.label[found] = edit.label
        elif edit.edit == "review":
            state.accepted.add(found)
            return True, ""
        state.origin[found] = state.origin[found] or CORRECTED
        return True, words

    def _apply_add(self, state: _Frame, run: int, edit: Edit, y: float, x: float) -> tuple[bool, str]:
        # On the run that the person saw, a second column beside one is meant; on another one the network may
        # have found it by now.
        found = None if run == self.run else state.nearest(y, x, self.reach)
        words = "" if found is None else "the run has a column there by now; the person's values hold"
        if found is None:
            found = len(state.y)
            state.append(y, x)
        else:
            state.y[found], state.x[found], state.moved[found] = y, x, True
            state.origin[found] = CORRECTED
        if edit.count is not None:
            state.count[found] = edit.count
        if edit.label is not None:
            state.label[found] = edit.label
        return True, words

    def _build(self, frame: int, state: _Frame) -> pd.DataFrame:
        """COLUMNS of a frame from its replayed state."""
        living = np.flatnonzero(state.alive)
        if not len(living):
            return self.network.iloc[:0].reset_index(drop=True)
        row = np.array(state.row, dtype=np.int64)[living]
        touched = np.array([bool(state.origin[i]) for i in living])
        moved = np.array(state.moved)[living]
        known = row >= 0
        y, x = np.array(state.y)[living], np.array(state.x)[living]
        y_nm, x_nm = self.calibration.to_nm(y, x)
        parts: dict[str, Any] = {}
        first = int(row[known].min()) if known.any() else 0
        near = self.network.iloc[first : int(row.max()) + 1]  # a slice copies nothing, a choice of rows much
        for name in self.network.columns:
            values = near[name].iloc[row[known] - first].to_numpy()
            kind = values.dtype if values.dtype.kind in "fi" else np.dtype(object)
            out = np.empty(len(living), kind)
            out[known] = values
            out[~known] = _NEW.get(name, np.nan if kind.kind == "f" else -1 if kind.kind == "i" else None)
            parts[str(name)] = out
        parts["frame"][:] = frame
        parts["y"], parts["x"] = y, x
        parts["y_nm"] = np.where(moved, y_nm, parts["y_nm"])
        parts["x_nm"] = np.where(moved, x_nm, parts["x_nm"])
        for name in ("y_sigma", "x_sigma"):
            parts[name] = np.where(moved, np.nan, parts[name])  # how well a person points is not known
        parts["score"] = np.where(touched, 1.0, parts["score"])
        for place, i in enumerate(living.tolist()):
            if not state.origin[i]:
                continue
            parts["origin"][place] = state.origin[i]
            if state.row[i] < 0:
                parts["column_id"][place] = self._added_id(frame, state.serial[i])
                parts["label"][place] = self._label
            if i in state.label:
                parts["label"][place] = state.label[i]
            if i in state.count:
                self._put_count(parts, place, state.count[i])
        return tables.conform(pd.DataFrame(parts), tables.COLUMNS)

    def _added_id(self, frame: int, serial: int) -> int:
        """Unique and the same however often the frame is rebuilt: above the network's, in steps by frame."""
        return self._first_id + (frame << 20) + serial

    def _put_count(self, parts: dict[str, Any], place: int, count: int) -> None:
        """A person's count is certain."""
        for name in ("count", "count_low", "count_high"):
            parts[name][place] = count
        parts["count_prob"][place] = 1.0
        if "count_p" in parts:
            p = np.zeros(self._counts, np.float32)
            if 1 <= count <= self._counts:  # none where the model knows no such count
                p[count - 1] = 1.0
            parts["count_p"][place] = p if p.any() else None


_NEW: dict[Any, Any] = {"score": 1.0, "label": "column", "origin": ADDED}


def _longest(network: pd.DataFrame) -> int:
    """Largest number of atoms that the model tells apart; 0: it does not count."""
    if "count_p" not in network or not len(network):
        return 0
    return int(lengths(network["count_p"].iloc[:1000]).max(initial=0))
