"""A person's edits: single edits, gestures that are done and undone as one, and the append-only log of both.

A log is a file of lines, one edit a line. It only ever grows: undoing a gesture appends a ``revoke`` that
names it, redoing appends a ``revoke`` of that one. So the whole history, with what can be undone and redone,
is read back from the lines alone. An edit names its column by frame and position, never by a number that a
new run of the network would give to another column; `records.replay` finds the column again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_atomcount.records.errors import InputError

if TYPE_CHECKING:
    from napari_atomcount.records.motion import Motion

Kind = Literal["add", "remove", "move", "set_count", "set_label", "review", "revoke"]

_NEEDED: dict[str, tuple[str, ...]] = {
    "add": ("frame", "y", "x"),
    "remove": ("frame", "y", "x"),
    "move": ("frame", "y", "x", "to_y", "to_x"),
    "set_count": ("frame", "y", "x", "count"),
    "set_label": ("frame", "y", "x", "label"),
    "review": ("frame",),
    "revoke": ("revokes",),
}
_ALLOWED = {
    **{kind: set(needed) for kind, needed in _NEEDED.items()},
    "add": {"frame", "y", "x", "count", "label"},
    "review": {"frame", "y", "x"},
}
_VALUES = ("frame", "y", "x", "to_y", "to_x", "count", "label", "revokes")


class CorrectionError(InputError):
    """An edit or a log of edits that cannot be used."""


class Edit(BaseModel):
    """One edit of one column, or the review of a frame.

    Parameters
    ----------
    edit : str
        ``add``, ``remove``, ``move``, ``set_count``, ``set_label``, ``review`` or ``revoke``.
    frame : int
        Index in the source; of all but ``revoke``.
    y, x : float
        Where the column is before this edit, px of the file. A ``review`` without them accepts the whole
        frame: what is not there is then known to be absent.
    to_y, to_x : float
        Where a ``move`` takes it, px of the file.
    count : int
        Atoms; of ``set_count``, and of ``add`` where it is known.
    label : str
        Kind of column; of ``set_label``, and of ``add`` where the model has several.
    revokes : int
        Number of the gesture that a ``revoke`` undoes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    edit: Kind
    frame: int | None = Field(default=None, ge=0)
    y: float | None = Field(default=None, allow_inf_nan=False)
    x: float | None = Field(default=None, allow_inf_nan=False)
    to_y: float | None = Field(default=None, allow_inf_nan=False)
    to_x: float | None = Field(default=None, allow_inf_nan=False)
    count: int | None = Field(default=None, ge=0, le=120)
    label: str | None = Field(default=None, min_length=1, max_length=40)
    revokes: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        given = {name for name in _VALUES if getattr(self, name) is not None}
        lacking = [name for name in _NEEDED[self.edit] if name not in given]
        if lacking:
            raise ValueError(f"the edit '{self.edit}' needs {', '.join(lacking)}")
        if given - _ALLOWED[self.edit]:
            raise ValueError(
                f"the edit '{self.edit}' knows no {', '.join(sorted(given - _ALLOWED[self.edit]))}"
            )
        if self.edit == "review" and (self.y is None) != (self.x is None):
            raise ValueError("a review names a column by both y and x, or a frame by neither")
        return self

    def values(self) -> dict[str, Any]:
        """What is given, without what is not."""
        return {name: value for name in ("edit", *_VALUES) if (value := getattr(self, name)) is not None}


def add(frame: int, y: float, x: float, *, count: int | None = None, label: str | None = None) -> Edit:
    """Edit that puts a column at (y, x) px of the file."""
    return Edit(edit="add", frame=frame, y=y, x=x, count=count, label=label)


def remove(frame: int, y: float, x: float) -> Edit:
    """Edit that takes the column at (y, x) px away."""
    return Edit(edit="remove", frame=frame, y=y, x=x)


def move(frame: int, y: float, x: float, to_y: float, to_x: float) -> Edit:
    """Edit that takes the column at (y, x) px to (to_y, to_x) px."""
    return Edit(edit="move", frame=frame, y=y, x=x, to_y=to_y, to_x=to_x)


def set_count(frame: int, y: float, x: float, count: int) -> Edit:
    """Edit that gives the column at (y, x) px this number of atoms."""
    return Edit(edit="set_count", frame=frame, y=y, x=x, count=count)


def set_label(frame: int, y: float, x: float, label: str) -> Edit:
    """Edit that gives the column at (y, x) px this label."""
    return Edit(edit="set_label", frame=frame, y=y, x=x, label=label)


def review(frame: int, y: float | None = None, x: float | None = None) -> Edit:
    """Accept the column at (y, x) px as it is, or without a place all that a frame shows."""
    return Edit(edit="review", frame=frame, y=y, x=x)


def copied(
    edits: Iterable[Edit],
    frames: Iterable[int],
    drift: Mapping[int, tuple[float, float]],
    motion: Motion | None = None,
) -> list[Edit]:
    """The same edits in other frames, moved with the specimen; with the first ones they make one gesture.

    Parameters
    ----------
    edits : iterable of Edit
        Of one or several frames; a ``revoke`` cannot be copied.
    frames : iterable of int
        Where to.
    drift : mapping of int to (float, float)
        (dy, dx), px, of each frame, as in the table DRIFT; a frame that is missing has not moved.
    motion : Motion, optional
        Where rotation or scale was followed: it moves the places in the frames that it knows.
    """
    targets = list(frames)
    out = []
    for edit in edits:
        if edit.frame is None:
            raise CorrectionError("Undoing cannot be copied to other frames: copy the edits themselves.")
        from_y, from_x = drift.get(edit.frame, (0.0, 0.0))
        for frame in targets:
            dy, dx = (
                to - start for to, start in zip(drift.get(frame, (0.0, 0.0)), (from_y, from_x), strict=True)
            )
            moved: dict[str, Any] = {"frame": frame}
            for name, by in (("y", dy), ("x", dx), ("to_y", dy), ("to_x", dx)):
                value = getattr(edit, name)
                moved[name] = None if value is None else value + by
            if motion is not None and motion.linear is not None:
                moved |= _turned(edit, frame, motion)
            out.append(edit.model_copy(update=moved))
    return out


def _turned(edit: Edit, frame: int, motion: Motion) -> dict[str, float]:
    """The places of an edit in another frame of a specimen that turns; none where either is not known."""
    import numpy as np

    out: dict[str, float] = {}
    if edit.frame in motion.frame and frame in motion.frame:
        rows = motion.rows(np.array([edit.frame, frame]))
        for y, x in (("y", "x"), ("to_y", "to_x")):
            if getattr(edit, y) is not None:
                home = motion.back(np.array([[getattr(edit, y), getattr(edit, x)]]), rows[:1])
                out[y], out[x] = (float(v) for v in motion.forward(home, rows[1:])[0])
    return out


@dataclass(frozen=True)
class Gesture:
    """What a person did at once: edits that are done and undone together.

    Parameters
    ----------
    number : int
        Counts up in a session, from 1; shared with the session's steps (runs, changed settings).
    edits : tuple of Edit
        At least one.
    run : int
        Gesture number of the run whose columns were shown; 0: none.
    time : str
        When, ISO 8601 in UTC.
    """

    number: int
    edits: tuple[Edit, ...]
    run: int = 0
    time: str = ""

    @property
    def revokes(self) -> int | None:
        """The gesture that this one undoes, if it does."""
        return self.edits[0].revokes

    @property
    def frames(self) -> tuple[int, ...]:
        """Frames that its edits name, in order."""
        return tuple(sorted({edit.frame for edit in self.edits if edit.frame is not None}))

    def lines(self) -> bytes:
        """The lines of the log, one for each edit; ``part`` tells whether a gesture is complete."""
        total = len(self.edits)
        out = []
        for part, edit in enumerate(self.edits, start=1):
            record = {"gesture": self.number, "part": [part, total], "run": self.run, "time": self.time}
            out.append(json.dumps(record | edit.values(), separators=(",", ":"), ensure_ascii=False))
        return ("\n".join(out) + "\n").encode("utf-8")


def read_lines(data: bytes, name: str = "corrections.jsonl") -> tuple[list[Gesture], int]:
    """Read a log; what a crash left half-written at its end is recognised and left out.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        For errors.

    Returns
    -------
    list of Gesture
        The complete ones, in order.
    int
        How many bytes of `data` they fill; the rest is the gesture that was in progress.

    Raises
    ------
    CorrectionError
        If a line before the last gesture is damaged, or an edit is none that this version knows.
    """
    gestures: list[Gesture] = []
    open_edits: list[Edit] = []
    good = place = 0
    number = 0
    broken: int | None = None  # the first line that is no JSON: torn if nothing sound follows it
    for count, line in enumerate(data.split(b"\n")[:-1], start=1):
        place += len(line) + 1
        record = _record(line)
        if record is None:
            broken = count if broken is None else broken
            continue
        if broken is not None:
            raise CorrectionError(
                f"Line {broken} of {name} is damaged, but later ones are not: restore the file from a copy."
            )
        here, part, total, edit = _parsed(record, count, name)
        if part != len(open_edits) + 1 or (part > 1 and here != number):
            raise CorrectionError(
                f"Line {count} of {name} does not follow on the one before it: restore the file from a copy."
            )
        if part == 1 and here <= (gestures[-1].number if gestures else 0):
            raise CorrectionError(
                f"Line {count} of {name} repeats gesture {here}: restore the file from a copy."
            )
        number = here
        open_edits.append(edit)
        if part == total:
            gestures.append(
                Gesture(here, tuple(open_edits), int(record.get("run", 0)), str(record.get("time", "")))
            )
            open_edits = []
            good = place
    return gestures, good


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:  # broken JSON or broken UTF-8
        return None
    return record if isinstance(record, dict) else None


def _parsed(record: dict[str, Any], line: int, name: str) -> tuple[int, int, int, Edit]:
    """Gesture number, part, number of parts, and the edit of one line."""
    try:
        number = int(record["gesture"])
        part, total = (int(n) for n in record["part"])
        edit = Edit(**{key: record[key] for key in ("edit", *_VALUES) if key in record})
    except (KeyError, TypeError, ValueError) as err:
        words = err.errors()[0]["msg"] if isinstance(err, ValidationError) else str(err)
        raise CorrectionError(
            f"Line {line} of {name} is not an edit that this version knows ({words}): "
            "open the session with the version that wrote it."
        ) from err
    return number, part, total, edit


class History:
    """All gestures of a session and what of them holds: done, undone, to be redone.

    Parameters
    ----------
    gestures : iterable of Gesture
        As they stand in the log.
    steps : iterable of int
        Gesture numbers of the session's steps (runs, changed settings), which are undone like gestures but
        keep their content elsewhere.
    """

    def __init__(self, gestures: Iterable[Gesture] = (), steps: Iterable[int] = ()) -> None:
        self.gestures: dict[int, Gesture] = {}
        self._done: list[int] = []
        self._undone: list[int] = []
        self._revoked_by: dict[int, int] = {}
        self.last = 0
        logged = {gesture.number: gesture for gesture in gestures}
        for number in sorted({*logged, *steps}):
            self.take(logged.get(number, number))

    def take(self, what: Gesture | int) -> None:
        """Take up the next gesture, or the number of a step.

        Raises
        ------
        CorrectionError
            If a revoke names what cannot be undone or redone next.
        """
        number = what.number if isinstance(what, Gesture) else what
        revokes = what.revokes if isinstance(what, Gesture) else None
        if number <= self.last:
            raise CorrectionError(f"Gesture {number} comes after gesture {self.last}: the log is damaged.")
        if revokes is None:
            self._done.append(number)
            self._undone.clear()
        elif self._done and revokes == self._done[-1]:
            self._undone.append(self._done.pop())
            self._revoked_by[revokes] = number
        elif self._undone and revokes == self._revoked_by.get(self._undone[-1]):
            self._done.append(self._undone.pop())
        else:
            raise CorrectionError(
                f"Gesture {number} revokes gesture {revokes}, which is not the last one: the log is damaged."
            )
        if isinstance(what, Gesture):
            self.gestures[number] = what
        self.last = number

    @property
    def done(self) -> tuple[int, ...]:
        """Numbers of what holds, oldest first; the last is undone next."""
        return tuple(self._done)

    @property
    def undone(self) -> tuple[int, ...]:
        """Numbers of what can be redone, the next one last."""
        return tuple(self._undone)

    @property
    def undoes(self) -> int | None:
        """What a ``revoke`` must name to undo; None: nothing is left to undo."""
        return self._done[-1] if self._done else None

    @property
    def redoes(self) -> int | None:
        """What a ``revoke`` must name to redo; None: nothing can be redone."""
        return self._revoked_by[self._undone[-1]] if self._undone else None

    def holds(self, number: int) -> bool:
        """Whether a gesture or step is done and not undone."""
        return number in set(self._done)

    def active(self) -> list[Gesture]:
        """The gestures that hold, oldest first; revokes and steps are not among them."""
        return [self.gestures[number] for number in self._done if number in self.gestures]

    @property
    def n_edits(self) -> int:
        """Number of edits that hold."""
        return sum(len(gesture.edits) for gesture in self.active())
