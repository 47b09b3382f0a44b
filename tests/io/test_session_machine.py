"""Test of a session under anything in any order: undoing everything gives the network's output back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from small_sessions import MODEL, make_movie, run_of

from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.corrections import Edit
from napari_atomcount.records.preparation import Preparation


def one_edit(kind: str, frame: int, y: float, x: float) -> Edit:
    match kind:
        case "add":
            return corrections.add(frame, y + 2.5, x, count=3)
        case "remove":
            return corrections.remove(frame, y, x)
        case "move":
            return corrections.move(frame, y, x, y + 1.25, x - 0.5)
        case "count":
            return corrections.set_count(frame, y, x, 1)
        case "label":
            return corrections.set_label(frame, y, x, "Ce")
        case "review":
            return corrections.review(frame, y, x)
        case _:
            return corrections.review(frame)


class Anything(RuleBasedStateMachine):
    """Random edits, runs, settings, undo, redo, reopening, against a model that keeps whole tables."""

    @initialize()
    def begin(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="atomcount-test-"))
        self.session = Session.create(make_movie(), self.place / "m.atomcount")
        self.first = run_of()
        self.session.add_run(self.first, MODEL)
        self.past: list[pd.DataFrame] = []  # tables before each thing that holds
        self.future: list[pd.DataFrame] = []

    def now(self) -> pd.DataFrame:
        return self.session.columns.table

    def took(self, before: pd.DataFrame) -> None:
        self.past.append(before)
        self.future.clear()

    @rule(data=st.data(), size=st.integers(1, 3))
    def edit(self, data: st.DataObject, size: int) -> None:
        before = self.now()
        edits = []
        for _ in range(size):
            if len(before) and data.draw(st.booleans()):
                row = before.iloc[data.draw(st.integers(0, len(before) - 1))]
                frame, y, x = int(row["frame"]), float(row["y"]), float(row["x"])
            else:
                frame = data.draw(st.integers(0, 4))
                y, x = data.draw(st.floats(0, 31)), data.draw(st.floats(0, 31))
            kind = data.draw(st.sampled_from(["add", "remove", "move", "count", "label", "review", "frame"]))
            edits.append(one_edit(kind, frame, y, x))
        self.session.do(edits)
        self.took(before)

    @rule(shift=st.floats(-2, 2), n_frames=st.integers(0, 5))
    def rerun(self, shift: float, n_frames: int) -> None:
        before = self.now()
        self.session.add_run(run_of(shift, n_frames), MODEL)
        self.took(before)

    @rule(hot=st.booleans())
    def prepare(self, hot: bool) -> None:
        before = self.now()
        self.session.set_preparation(Preparation(hot_pixels=hot))
        self.took(before)

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        self.future.append(self.now())
        assert self.session.undo() is not None
        pd.testing.assert_frame_equal(self.now(), self.past.pop())

    @precondition(lambda self: self.future)
    @rule()
    def redo(self) -> None:
        self.past.append(self.now())
        assert self.session.redo() is not None
        pd.testing.assert_frame_equal(self.now(), self.future.pop())

    @precondition(lambda self: not self.future)
    @rule()
    def nothing_to_redo(self) -> None:
        assert self.session.redo() is None

    @rule(cut=st.integers(0, 60))
    def reopen(self, cut: int) -> None:
        before = self.now()
        self.session.close()
        torn = b'{"gesture":99999,"part":[1,1],"run":1,"time":"","edit":"review","frame":1}\n'[:cut]
        with (self.session.folder / "corrections.jsonl").open("ab") as log:
            log.write(torn)
        self.session = Session.open(self.session.folder)
        pd.testing.assert_frame_equal(self.now(), before)

    @invariant()
    def sound(self) -> None:
        if hasattr(self, "session"):
            tables.validate(self.now(), tables.COLUMNS)

    def teardown(self) -> None:
        if hasattr(self, "session"):
            while self.past:
                self.undo()
            pd.testing.assert_frame_equal(self.now(), self.first)
            assert self.now() is self.session.columns.network
            self.session.close()
            shutil.rmtree(self.place)


TestAnything = Anything.TestCase
TestAnything.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
