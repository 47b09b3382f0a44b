"""A monkey at the desk: anything in any order, and undoing everything gives the network's output back.

``ATOMCOUNT_MONKEY=30x60 pytest tests/gui/test_monkey.py`` lets it play for 30 sessions of 60 gestures each;
without it, it plays for as long as a test may take.
"""

from __future__ import annotations

import os
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
            for name in "1 2 4 6 A B C H N P Q W Delete Plus Minus Return Left Right Up Down".split()
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
        self.desk.viewer.layers.clear()  # napari's own work grows with the square of their number
        self.dock.model.set_movie(self.mine)
        self.settle()
        self.desk.click("run_all")
        self.settle()
        QApplication.setActiveWindow(self.desk.viewer.window._qt_window)
        self.correct()

    def settle(self) -> None:
        """Until nothing is under way."""
        dock = self.dock
        self.desk.go_on()
        jobs = (dock.runner, dock.refollower, dock.preparing.runner, dock.commands.looker)
        self.desk.wait(lambda: dock.keeper.settled and not any(job.busy for job in jobs))

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

    @rule(mods=st.sampled_from(["shift", "ctrl"]), what=st.sampled_from(["accept", "all", "undo", "redo"]))
    def chord(self, mods: str, what: str) -> None:
        """Shift+Return, Ctrl+A, Ctrl+Z, Ctrl+Shift+Z over the image."""
        ctrl, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
        key, modifier = {
            "accept": (Qt.Key.Key_Return, shift),
            "all": (Qt.Key.Key_A, ctrl),
            "undo": (Qt.Key.Key_Z, ctrl),
            "redo": (Qt.Key.Key_Z, ctrl | shift),
        }[what]
        QTest.keyClick(self.dock.reviewing.canvas, key, modifier)

    @rule(whole=st.booleans(), stop=st.sampled_from(["no", "at once", "halfway"]))
    def run(self, whole: bool, stop: str) -> None:
        button = self.desk.widget("run_all" if whole else "run_frame")
        if not button.isEnabled():
            return
        if stop == "halfway" and whole:
            self.desk.hold_after(2)
        button.click()
        if stop == "halfway" and whole and self.dock.runner.busy:
            before = self.desk.seen()
            self.desk.wait(lambda: self.desk.seen() > before or not self.dock.runner.busy)
        if stop != "no" and self.desk.widget("stop").isEnabled():
            self.desk.widget("stop").click()
        self.settle()

    @rule(frames=st.integers(0, 3))
    def run_and_turn_away(self, frames: int) -> None:
        """A run that is still under way when the next gestures come."""
        button = self.desk.widget("run_all")
        if button.isEnabled():
            self.desk.hold_after(frames)
            button.click()

    @rule()
    def wait(self) -> None:
        self.settle()

    @rule(index=st.integers(0, 1))
    def choose_model(self, index: int) -> None:
        self.dock.network.choice.activated.emit(index)

    # Which layers there are hangs on what runs just now; hypothesis wants draws that do not: so, numbers.
    @rule(which=st.integers(0, 99))
    def delete_a_layer(self, which: int) -> None:
        layers = self.desk.viewer.layers
        names = [layer.name for layer in layers if layer != self.dock.layers.movie_layer()]
        if names:
            layers.remove(names[which % len(names)])

    @rule(which=st.integers(0, 99), name=st.sampled_from(["columns", "mine", "events", "m0"]))
    def rename_a_layer(self, which: int, name: str) -> None:
        layers = self.desk.viewer.layers
        layers[which % len(layers)].name = name

    @rule(name=st.sampled_from(["columns", "uncertain columns", "left out", "notes"]))
    def add_an_own_layer(self, name: str) -> None:
        if len(self.desk.viewer.layers) < 16:
            self.desk.viewer.add_points(
                np.array([[10.0, 10.0]]), name=name, scale=(0.02, 0.02), units=("nm", "nm")
            )

    @rule(which=st.integers(0, 99))
    def hide_or_choose_a_layer(self, which: int) -> None:
        layers = self.desk.viewer.layers
        layer = layers[which % len(layers)]
        layer.visible = not layer.visible
        layers.selection.active = layer

    @rule(overlay=st.sampled_from(["columns", "occupancy", "events"]))
    def show(self, overlay: str) -> None:
        self.dock.time.overlay_chosen.emit(overlay)

    @rule(answer=st.sampled_from(["events", "occupancy", "counts", "columns"]))
    def review_for(self, answer: str) -> None:
        box = self.dock.reviewing.section.answer
        if box.findData(answer) >= 0:
            box.setCurrentIndex(box.findData(answer))
            box.activated.emit(box.currentIndex())

    @rule(number=st.integers(1, 6))
    def copy_the_last_edit(self, number: int) -> None:
        section = self.dock.reviewing.section
        section.copies.setValue(number)
        section.copy.click()

    @rule(frames=st.sampled_from(["", "1", "0, 3", "2-4", "17"]))
    def leave_frames_out(self, frames: str) -> None:
        panel = self.dock.preparing.panel
        if panel.details.isEnabled():
            panel.bad.setText(frames)
            panel.bad.editingFinished.emit()

    @rule(hot=st.booleans(), rolling=st.integers(1, 4))
    def prepare(self, hot: bool, rolling: int) -> None:
        panel = self.dock.preparing.panel
        if panel.details.isEnabled():
            if panel.hot.isChecked() != hot:
                panel.hot.click()
            panel.rolling.setValue(rolling)

    @rule(corners=st.tuples(PLACES, PLACES), whole=st.booleans())
    def choose_a_region(self, corners, whole: bool) -> None:
        if not self.dock.preparing.panel.details.isEnabled():
            return
        if whole:
            self.dock.preparing.panel.region_cleared.emit()
        else:
            self.dock.preparing._take_region(*corners)

    @rule(place=PLACES, none=st.booleans())
    def leave_a_part_out(self, place, none: bool) -> None:
        panel = self.dock.preparing.panel
        if not panel.details.isEnabled():
            return
        if none:
            panel.no_mask.click()
            return
        panel.draw_mask.click()
        layer = self.dock.layers.get("left out")
        y, x = (int(c) for c in place)
        data = np.array(layer.data)
        data[y : y + 20, x : x + 20] = 1
        layer.data = data
        panel.use_mask.click()

    @rule(factor=st.sampled_from([1.0, 0.95, 1.05]))
    def type_a_pixel_size(self, factor: float) -> None:
        if not self.dock.runner.busy:
            size = 0.02 * factor
            self.dock.movie.calibration_edited.emit("pixel_size_nm", (size, size))

    @rule(number=st.sampled_from([0.1, 0.2, 5.0]))
    def accept_more_false_events(self, number: float) -> None:
        if not self.dock.runner.busy:
            self.dock.time.false_events_changed.emit(number)

    @rule()
    def reopen(self) -> None:
        self.settle()
        session = self.dock.keeper.session
        shown = session is not None and self.desk.run is not None and session.run == self.desk.run.number
        self.dock.reviewing.review.settle()
        before = None if self.desk.run is None else self.desk.run.table
        self.dock.model.set_movie(self.mine)
        self.settle()
        if shown and before is not None:
            pd.testing.assert_frame_equal(self.desk.run.table, before)

    @rule()
    def turn_to_another_movie_and_back(self) -> None:
        """Whatever is under way for the one must not reach the other."""
        other = replace(self.mine, data=np.array(self.mine.data)[:3] + 100, path=None, name="other")
        self.dock.model.set_movie(other)
        QApplication.processEvents()
        assert self.desk.run is None
        self.dock.model.set_movie(self.mine)

    @invariant()
    def sound(self) -> None:
        QApplication.processEvents()
        run = self.desk.run
        if run is not None:
            tables.validate(run.table, tables.COLUMNS)
            layer = self.dock.layers.get("columns")
            if layer is not None and not self.dock.runner.busy:
                assert len(layer.data) == len(run.columns)

    def teardown(self) -> None:
        self.settle()
        self.dock.reviewing.review.settle()
        session = self.dock.keeper.session
        if session is None:
            return
        last, run = self.desk.run, session.run
        shown = last.table if last is not None and last.number == run else None
        undone = 0
        while session.history.done:
            assert self.dock.keeper.undo() is not None
            undone += 1
            now = self.desk.run
            if session.history.n_edits == 0 and now is not None and now.number == session.run:
                pd.testing.assert_frame_equal(now.table, session.run_columns(session.run))
        assert session.run == 0
        assert len(session.columns.table) == 0
        for _ in range(undone):
            assert self.dock.keeper.redo() is not None
        assert session.run == run
        if shown is not None:
            pd.testing.assert_frame_equal(self.desk.run.table, shown)
        self.settle()


def test_anything_in_any_order(desk, movie, tmp_path):
    sessions, gestures = (int(n) for n in os.environ.get("ATOMCOUNT_MONKEY", "3x18").split("x"))
    limits = settings(
        max_examples=sessions,
        stateful_step_count=gestures,
        deadline=None,
        database=None,
        print_blob=True,
        phases=[Phase.generate],  # shortening a failure would take hours of a real window
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(lambda: Monkey(desk, movie, tmp_path), settings=limits)
