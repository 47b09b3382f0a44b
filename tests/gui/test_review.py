"""Correct mode with the mouse and the keyboard: every gesture, its way back, and what it leaves on disk."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QKeySequenceEdit

CTRL, SHIFT, ALT = (
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
    Qt.KeyboardModifier.AltModifier,
)
BETWEEN = (50.5, 50.5)  # y, x px where no column is
COLUMN = (44.0, 57.0)
LEFT = Qt.MouseButton.LeftButton


class Hands:
    """A person in front of the desk in Correct mode."""

    def __init__(self, desk) -> None:
        self.desk = desk
        self.review = desk.dock.reviewing.review
        self.canvas = desk.dock.reviewing.canvas

    @property
    def session(self):
        return self.desk.dock.keeper.session

    def lines(self) -> list[dict]:
        text = (self.session.folder / "corrections.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    def at(self, y: float, x: float) -> QPoint:
        camera, scale = self.desk.viewer.scene.camera, np.array(self.desk.dock.layers.scale[1:])
        offset = (np.array([y, x]) * scale - np.array(camera.center[-2:])) * camera.zoom
        return QPoint(round(self.canvas.width() / 2 + offset[1]), round(self.canvas.height() / 2 + offset[0]))

    def click(self, y: float, x: float, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        QTest.mouseMove(self.canvas, self.at(y, x))
        QTest.mouseClick(self.canvas, LEFT, modifier, self.at(y, x))

    def drag(self, start, end, modifier=Qt.KeyboardModifier.NoModifier, steps: int = 5) -> None:
        p, q = self.at(*start), self.at(*end)
        QTest.mousePress(self.canvas, LEFT, modifier, p)
        for k in range(1, steps + 1):
            QTest.mouseMove(self.canvas, p + (q - p) * k / steps)
            QApplication.processEvents()
        QTest.mouseRelease(self.canvas, LEFT, modifier, q)

    def key(self, key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        QTest.keyClick(self.canvas, key, modifier)

    def at_place(self, y: float, x: float, frame: int = 0) -> pd.DataFrame:
        table = self.desk.run.frame_columns(frame)
        return table[np.hypot(table["y"] - y, table["x"] - x) < 2.0]

    def shown(self, frame: int = 0) -> np.ndarray:
        data = self.desk.layer("columns").data
        return data[data[:, 0] == frame]


@pytest.fixture
def hands(desk, movie, tmp_path) -> Hands:
    """The movie analysed, Correct mode on."""
    path = tmp_path / "dots.tif"
    path.write_bytes(b"stands for the movie")
    desk.show(replace(movie, path=path))
    desk.click("run_all")
    desk.wait_idle()
    # There is no window manager on a test's screen that would make the window the active one.
    QApplication.setActiveWindow(desk.viewer.window._qt_window)
    desk.click("correct")
    found = Hands(desk)
    assert found.review.on
    return found


def test_the_mode_shows_itself(hands):
    desk = hands.desk
    assert desk.widget("banner").isVisible()
    assert "Correct mode" in desk.widget("banner").text()
    assert desk.widget("correct_frame").isVisible()
    assert desk.layer("columns").cursor == "crosshair"
    hands.key(Qt.Key.Key_Escape)
    assert not hands.review.on
    assert not desk.widget("banner").isVisible()
    assert not desk.widget("correct").isChecked()
    hands.click(*BETWEEN)
    hands.key(Qt.Key.Key_Delete)
    hands.key(Qt.Key.Key_5)
    assert hands.lines() == []  # outside the mode nothing of it works
    assert not {"selected columns", "selection box"} & {layer.name for layer in desk.viewer.layers}


def test_click_adds_digits_count_and_the_disc_is_a_hollow_ring(hands):
    before = hands.shown()
    hands.click(*BETWEEN)
    assert [line["edit"] for line in hands.lines()] == ["add"]
    assert len(hands.shown()) == len(before) + 1
    hands.key(Qt.Key.Key_3)
    hands.key(Qt.Key.Key_Plus)
    hands.key(Qt.Key.Key_Minus)
    assert [line.get("count") for line in hands.lines()] == [None, 3, 4, 3]
    row = hands.at_place(*BETWEEN).iloc[0]
    assert (row["count"], row["origin"]) == (3, "added")
    layer = hands.desk.layer("columns")
    place = int(np.flatnonzero(layer.features["column_id"] == row["column_id"])[0])
    assert layer.face_color[place, 3] == 0
    assert layer.border_color[place, 3] == 1
    assert layer.face_color[:, 3].sum() == len(layer.data) - 1


def test_a_drag_is_one_move_committed_on_release(hands):
    hands.drag(COLUMN, (47.0, 60.0), steps=12)
    (line,) = hands.lines()
    assert line["edit"] == "move"
    assert (line["to_y"] - line["y"], line["to_x"] - line["x"]) == pytest.approx((3, 3), abs=0.3)
    assert len(hands.at_place(*COLUMN)) == 0
    assert len(hands.at_place(47, 60)) == 1
    camera = np.array(hands.desk.viewer.scene.camera.center)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert len(hands.at_place(*COLUMN)) == 1
    assert np.allclose(camera, hands.desk.viewer.scene.camera.center)


def test_a_drag_beside_columns_moves_the_view(hands):
    camera = np.array(hands.desk.viewer.scene.camera.center)
    hands.drag(BETWEEN, (60.0, 60.0))
    assert hands.lines() == []
    assert not np.allclose(camera, hands.desk.viewer.scene.camera.center)


def test_box_select_delete_undo_redo_across_frames(hands):
    first = hands.desk.run.table
    hands.drag((25.0, 25.0), (50.0, 75.0), SHIFT)
    assert len(hands.review.selected) == 8
    hands.key(Qt.Key.Key_Delete)
    assert len(hands.shown()) == 8
    assert {line["gesture"] for line in hands.lines()} == {2}
    hands.desk.dock.layers.show_frame(3)
    hands.click(*BETWEEN)
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.key(Qt.Key.Key_Z, CTRL)
    assert hands.desk.dock.layers.frame == 0  # where the gesture was made
    pd.testing.assert_frame_equal(hands.desk.run.table, first)
    hands.key(Qt.Key.Key_Z, CTRL | SHIFT)
    hands.key(Qt.Key.Key_Z, CTRL | SHIFT)
    assert len(hands.at_place(*BETWEEN, frame=3)) == 1
    assert len(hands.shown(0)) == 8
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.key(Qt.Key.Key_Z, CTRL)
    hands.key(Qt.Key.Key_Z, CTRL)  # the run itself
    assert hands.desk.run is None or not hands.desk.run.frames
    hands.desk.click("redo")
    pd.testing.assert_frame_equal(hands.desk.run.table, first)


def test_an_edit_is_copied_to_the_following_frames(hands):
    desk = hands.desk
    hands.click(*COLUMN)
    hands.key(Qt.Key.Key_2)
    desk.widget("copy_frames").setValue(3)
    hands.key(Qt.Key.Key_C)
    assert [int(hands.at_place(*COLUMN, frame=t)["count"].iloc[0]) == 2 for t in range(5)] == [True] * 4 + [
        False
    ]
    hands.key(Qt.Key.Key_Z, CTRL)  # the copies are one gesture
    assert int(hands.at_place(*COLUMN, frame=2)["count"].iloc[0]) != 2
    assert int(hands.at_place(*COLUMN, frame=0)["count"].iloc[0]) == 2
    hands.key(Qt.Key.Key_C, SHIFT)
    last = max(desk.run.frames)
    assert all(int(hands.at_place(*COLUMN, frame=t)["count"].iloc[0]) == 2 for t in range(last + 1))
    before = len(hands.lines())
    hands.key(Qt.Key.Key_Z, CTRL)  # these are one gesture, too, and one line of the log takes it back
    assert len(hands.lines()) == before + 1
    assert int(hands.at_place(*COLUMN, frame=last)["count"].iloc[0]) != 2


def test_all_by_keyboard(hands):
    hands.key(Qt.Key.Key_W)
    assert len(hands.review.selected) == 1
    y, x = hands.review.chosen[["y", "x"]].iloc[0]
    for _ in range(3):
        hands.key(Qt.Key.Key_Down, ALT)
    assert hands.lines() == []  # it waits for more
    hands.desk.wait(lambda: len(hands.lines()) == 1)
    assert hands.lines()[0]["to_y"] - y == pytest.approx(3, abs=0.01)
    assert len(hands.at_place(y + 3, x)) == 1
    hands.key(Qt.Key.Key_A, CTRL)
    assert len(hands.review.selected) == 16
    hands.key(Qt.Key.Key_Escape)
    assert (hands.review.selected, hands.review.on) == ([], True)
    hands.key(Qt.Key.Key_A)
    assert hands.lines()[-1]["edit"] == "add"


def test_the_queue_leads_to_what_the_answer_depends_on_and_shrinks(hands):
    """Of this movie's events nothing is uncertain, of its counts everything: one place for each site."""
    desk, model = hands.desk, hands.review.queue
    desk.wait(lambda: model.review is not None and model.review.of_sites)
    assert "about the events is left" in desk.widget("review_words").text()
    assert desk.widget("section_review_header").text().endswith("settled")
    combo = desk.widget("review_answer", QComboBox)
    combo.setCurrentIndex(combo.findData("counts"))
    combo.activated.emit(combo.currentIndex())
    before = model.review
    assert len(before.queue) >= 15  # one for each site, not one for each column
    assert "places decide 90 % of what is uncertain about the counts" in desk.widget("review_words").text()
    hands.key(Qt.Key.Key_N)
    first = before.queue.iloc[0]
    assert desk.dock.layers.frame == first["frame"]
    assert hands.review.selected == [first["column_id"]]
    assert "place 1 of" in desk.widget("review_said").text()
    hands.key(Qt.Key.Key_Return)
    desk.wait(lambda: model.review.places_reviewed == 1)
    assert model.review.wrong_left < before.wrong_left
    assert first["site_id"] not in set(model.review.queue["site_id"])
    assert hands.review.selected != [first["column_id"]]
    assert "1 reviewed" in desk.widget("review_words").text()
    assert "at first" in desk.widget("review_words").text()
    frame = desk.dock.layers.frame
    hands.key(Qt.Key.Key_Return, SHIFT)
    desk.wait(lambda: frame not in set(model.review.queue["frame"]))
    assert hands.lines()[-1] == {**hands.lines()[-1], "edit": "review", "frame": frame}


def test_what_follows_follows(hands):
    """The hopping column removed where it is, put where it is not: the events follow."""
    desk = hands.desk
    assert len(desk.dock.model.analysis.events) == 2
    desk.dock.layers.show_frame(5)
    for frame in range(5, 11):
        desk.dock.layers.show_frame(frame)
        hands.click(31.0, 31.0)
    assert desk.run.analysis_is_stale
    desk.wait(lambda: not desk.run.analysis_is_stale)
    assert len(desk.dock.model.analysis.events) == 0
    for _ in range(6):
        hands.key(Qt.Key.Key_Z, CTRL)
    desk.wait(lambda: not desk.run.analysis_is_stale)
    assert len(desk.dock.model.analysis.events) == 2


def test_keys_are_listed_and_can_be_changed(hands):
    desk = hands.desk
    desk.click("show_keys")
    field = desk.widget("key_remove", QKeySequenceEdit)
    assert field.keySequence().toString() == "Del"
    keys = desk.dock.reviewing.keys
    assert "taken" in keys.choose("remove", ("N",))
    assert keys.choose("remove", ("X",)) == ""
    hands.click(*COLUMN)
    hands.key(Qt.Key.Key_Delete)
    assert hands.lines() == []
    hands.key(Qt.Key.Key_X)
    assert hands.lines()[-1]["edit"] == "remove"
    again = type(keys)(
        hands.review, {name: (lambda: None) for name in ("add", "copy", "copy_all", "overlay")}
    )
    assert again.chosen["remove"] == ("X",)
    desk.click("keys_reset")
    assert keys.chosen["remove"] == ("Del", "Backspace")


def test_a_deleted_layer_comes_back_and_nothing_breaks(hands):
    desk = hands.desk
    for name in ("columns", "selected columns", "selection box"):
        desk.viewer.layers.remove(name)
    hands.click(*BETWEEN)
    hands.drag((25.0, 25.0), (50.0, 75.0), SHIFT)
    assert len(hands.review.selected) == 9
    hands.key(Qt.Key.Key_Delete)
    assert len(desk.run.frame_columns(0)) == 8
