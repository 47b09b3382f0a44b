"""A monkey at the desk: anything in any order, and undoing everything gives the network's output back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_atomcount.records import tables

LEFT = Qt.MouseButton.LeftButton
PLACES = st.tuples(st.floats(5, 90), st.floats(5, 90))
KEYS = st.sampled_from(
    [
        *(
            getattr(Qt.Key, f"Key_{name}")
            for name in "1 2 4 6 A B C H N Q W Delete Plus Minus Return".split()
        ),
        Qt.Key.Key_Escape,
    ]
)


class Monkey(RuleBasedStateMachine):
    """Random hands on one desk; each example has a movie and a session of its own."""

    def __init__(self, desk, movie, folder: Path) -> None:
        super().__init__()
        self.desk, self.movie, self.folder = desk, movie, folder

    @property
    def dock(self):
        return self.desk.dock

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed: int) -> None:
        number = len(list(self.folder.glob("*.tif")))
        path = self.folder / f"m{number}.tif"
        path.write_bytes(b"stands for the movie")
        data = np.array(self.movie.data)[:5] + number  # of other pixels: a session of its own
        self.mine = replace(self.movie, data=data, path=path, name=f"m{number}")
        self.dock.model.set_movie(self.mine)
        self.settle()
        self.desk.click("run_all")
        self.settle()
        self.first = self.dock.keeper.session.run_columns(self.dock.keeper.session.run)
        QApplication.setActiveWindow(self.desk.viewer.window._qt_window)
        self.correct()

    def settle(self) -> None:
        """Until nothing is under way."""
        dock = self.dock
        self.desk.wait(lambda: dock.keeper.settled and not dock.runner.busy and not dock.refollower.busy)

    def correct(self) -> None:
        if not self.dock.reviewing.review.on and self.desk.widget("correct").isEnabled():
            self.desk.click("correct")

    def at(self, place) -> QPoint:
        camera, scale = self.desk.viewer.scene.camera, np.array(self.dock.layers.scale[1:])
        canvas = self.dock.reviewing.canvas
        offset = (np.array(place) * scale - np.array(camera.center[-2:])) * camera.zoom
        point = QPoint(round(canvas.width() / 2 + offset[1]), round(canvas.height() / 2 + offset[0]))
        return point if canvas.rect().contains(point) else QPoint(canvas.width() // 2, canvas.height() // 2)

    @rule(place=PLACES)
    def click(self, place) -> None:
        QTest.mouseClick(self.dock.reviewing.canvas, LEFT, pos=self.at(place))

    @rule(start=PLACES, end=PLACES, shift=st.booleans())
    def drag(self, start, end, shift: bool) -> None:
        canvas, p, q = self.dock.reviewing.canvas, self.at(start), self.at(end)
        modifier = Qt.KeyboardModifier.ShiftModifier if shift else Qt.KeyboardModifier.NoModifier
        QTest.mousePress(canvas, LEFT, modifier, p)
        for k in range(1, 4):
            QTest.mouseMove(canvas, p + (q - p) * k / 3)
        QTest.mouseRelease(canvas, LEFT, modifier, q)

    @rule(keys=st.lists(KEYS, min_size=1, max_size=4))
    def type_keys(self, keys) -> None:
        self.correct()
        for key in keys:
            QTest.keyClick(self.dock.reviewing.canvas, key)

    @rule(times=st.integers(1, 4), back=st.booleans())
    def undo(self, times: int, back: bool) -> None:
        for _ in range(times):
            if self.desk.widget("undo" if back else "redo").isEnabled():
                self.desk.click("undo" if back else "redo")

    @rule(frame=st.integers(0, 4))
    def slide(self, frame: int) -> None:
        self.dock.layers.show_frame(frame)

    @rule(whole=st.booleans(), stop=st.booleans())
    def run(self, whole: bool, stop: bool) -> None:
        button = self.desk.widget("run_all" if whole else "run_frame")
        if button.isEnabled():
            button.click()
            if stop and self.desk.widget("stop").isEnabled():
                self.desk.widget("stop").click()
            self.settle()

    @rule(index=st.integers(0, 1))
    def choose_model(self, index: int) -> None:
        self.dock.network.choice.activated.emit(index)

    @rule(data=st.data())
    def delete_a_layer(self, data: st.DataObject) -> None:
        layers = self.desk.viewer.layers
        names = [layer.name for layer in layers if layer.name != self.mine.name]
        if names:
            layers.remove(data.draw(st.sampled_from(names)))

    @rule(frames=st.sampled_from([(), (1,), (0, 3)]))
    def leave_frames_out(self, frames) -> None:
        if not self.dock.runner.busy:
            self.dock.preparing._prepare(bad_frames=frames)

    @rule()
    def reopen(self) -> None:
        before = None if self.desk.run is None else self.desk.run.table
        session = self.dock.keeper.session
        shown = session is not None and self.desk.run is not None and session.run == self.desk.run.number
        self.dock.reviewing.review.settle()
        before = None if self.desk.run is None else self.desk.run.table
        self.dock.model.set_movie(self.mine)
        self.settle()
        if shown and before is not None:
            pd.testing.assert_frame_equal(self.desk.run.table, before)

    @invariant()
    def sound(self) -> None:
        QApplication.processEvents()
        run = self.desk.run
        if run is not None:
            tables.validate(run.table, tables.COLUMNS)
            layer = self.dock.layers.get("columns")
            if layer is not None:
                assert len(layer.data) == len(run.columns)

    def teardown(self) -> None:
        if self.dock.keeper.session is None:
            return
        self.settle()
        self.dock.reviewing.review.settle()
        session = self.dock.keeper.session
        while len(session.history.done) > 1:
            assert self.dock.keeper.undo() is not None
        if session.history.done:
            pd.testing.assert_frame_equal(self.desk.run.table, self.first)
            self.dock.keeper.undo()
        assert session.run == 0
        assert len(session.columns.table) == 0
        self.settle()


def test_anything_in_any_order(desk, movie, tmp_path):
    limits = settings(
        max_examples=3,
        stateful_step_count=15,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # shortening a failure would take hours of a real window
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Monkey(desk, movie, tmp_path), settings=limits)
