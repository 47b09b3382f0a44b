"""Test of a session under anything in any order: undoing everything gives the network's output back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import Edit
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation

MODEL = {"name": "dots", "sha256": "ab" * 32}


def make_movie(path: Path | None = None, seed: int = 0) -> Movie:
    data = np.random.default_rng(seed).poisson(9, (4, 32, 32)).astype(np.uint16)
    return Movie(data, Calibration(pixel_size_nm=(0.02, 0.02)), "Au in O2", path=path)


def run_of(shift: float = 0.0, n_frames: int = 4, side: int = 3) -> pd.DataFrame:
    frame, i, j = np.mgrid[:n_frames, :side, :side].reshape(3, -1)
    n = len(frame)
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(n), "site_id": -1, "y": 10.0 * i + 5 + shift,
            "x": 10.0 * j + 5 + shift / 3, "y_nm": 0.0, "x_nm": 0.0, "y_sigma": 0.2, "x_sigma": 0.2,
            "score": 0.9, "label": "column", "count": 2, "count_prob": 0.7, "count_low": 1, "count_high": 3,
            "origin": "network", "count_p": [np.array([0.1, 0.7, 0.2], np.float32)] * n,
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


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
