"""A view without vacuum: the dock says it and asks for the beam level."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QLineEdit


@pytest.fixture
def wide(movie):
    """The movie in the middle of three times as much vacuum."""
    side = movie.shape[1]
    data = np.random.default_rng(0).poisson(20, (len(movie.data), 3 * side, 3 * side)).astype(np.uint16)
    data[:, side : 2 * side, side : 2 * side] = movie.data
    return replace(movie, data=data, name="wide")


@pytest.fixture
def filled(movie):
    """What the dots take of the movie: hardly anything lies beside them."""
    return replace(movie, data=movie.data[:, 28:74, 28:74], name="filled")


def look(desk, movie):
    desk.dock.model.set_movie(movie)
    desk.wait(lambda: desk.dock.keeper.settled)
    desk.click("run_frame")
    desk.wait_idle()
    return desk.widget("run_result").text()


def state(desk, text):
    line = desk.widget("beam_level", QLineEdit)
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, text)
    QTest.keyClick(line, Qt.Key.Key_Return)


def test_with_vacuum_nothing_is_asked(desk, wide):
    assert "vacuum" not in look(desk, wide)
    assert not desk.widget("beam_level").isVisible()


def test_without_vacuum_the_level_is_asked_for(desk, filled, wide):
    assert "hardly any vacuum is in view" in look(desk, filled)
    line, settings = desk.widget("beam_level", QLineEdit), lambda: desk.dock.model.settings.detect
    assert line.isVisible()
    state(desk, "-3")
    assert "above 0" in desk.widget("beam_level_problem").text()
    assert settings().beam_level is None
    state(desk, "30")
    assert not desk.widget("beam_level_problem").isVisible()
    assert settings().beam_level == 30
    assert "run again" in desk.widget("run_result").text()
    desk.click("run_frame")
    desk.wait_idle()
    assert "hardly any vacuum" not in desk.widget("run_result").text()
    assert line.isVisible()  # so that it can be changed
    look(desk, wide)  # another exposure
    assert (line.text(), settings().beam_level) == ("", None)
    assert not line.isVisible()


def test_it_is_kept_with_the_session_and_undone(desk, filled, wide, tmp_path):
    path = tmp_path / "m.tif"
    path.write_bytes(b"stands for the movie")
    mine = replace(filled, path=path)
    look(desk, mine)
    state(desk, "30")
    desk.click("run_frame")
    desk.wait_idle()
    desk.dock.model.set_movie(wide)
    desk.wait(lambda: desk.dock.keeper.settled)
    line = desk.widget("beam_level", QLineEdit)
    assert line.text() == ""
    desk.dock.model.set_movie(mine)
    desk.wait(lambda: desk.dock.keeper.settled and line.text() == "30")
    assert desk.dock.model.settings.detect.beam_level == 30
    assert desk.run.basis.detect["beam_level"] == 30
    desk.click("undo")  # the run
    desk.click("undo")
    assert (line.text(), desk.dock.model.settings.detect.beam_level) == ("", None)
