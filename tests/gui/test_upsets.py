"""What people do while a job runs: stop it, change the layers, close the dock, close the window."""

import numpy as np
import pytest

from napari_atomcount.records.errors import InputError


@pytest.fixture
def running(desk, movie):
    """The desk with a run that stands still in its third frame."""
    desk.show(movie)
    desk.hold_after(2)
    desk.click("run_all")
    desk.wait(lambda: len(desk.run.frames) == 2)
    return desk


def test_stop_keeps_what_is_done(running):
    running.click("stop")
    running.go_on()
    running.wait_idle()
    done = len(running.run.frames)
    assert 2 <= done <= 3
    assert len(running.layer("columns").data) == len(running.run.columns) > 0
    assert running.dock.model.analysis is None
    assert f"Run the other {16 - done}" in running.widget("run_all").text()
    running.click("follow")
    running.wait_idle()
    assert len(running.dock.model.analysis.frame) == done


def test_layers_come_and_go_during_a_run(running):
    viewer = running.viewer
    viewer.layers.remove("dots")
    viewer.layers.remove("column labels")
    running.layer("columns").name = "mine"
    geometry = {"scale": (0.5, 0.02, 0.02), "units": ("s", "nm", "nm")}
    own = viewer.add_points(np.zeros((2, 3)), name="columns", **geometry)
    running.go_on()
    running.wait_idle()
    assert len(own.data) == 2
    assert len(running.layer("mine").data) == 16 * 16 - 6
    assert running.dock.model.analysis is not None
    assert "column labels" in viewer.layers  # made again for the analysis


def test_closing_the_dock_during_a_run(running):
    window = running.viewer.window
    window.remove_dock_widget(running.dock.parent())
    assert "Atom Count: trace" not in window.dock_widgets
    running.go_on()
    running.qtbot.wait(300)
    running.viewer.dims.set_point(0, 1.0)
    assert not running.dock.runner.busy


def test_closing_the_window_during_a_run(running):
    stop = running.dock.runner.stop_event
    running.viewer.close()
    running.wait(stop.is_set)
    running.go_on()
    running.qtbot.wait(300)
    assert running.seen() <= 4


def test_another_movie_does_not_get_the_results(running, movie):
    other = movie.with_calibration(movie.calibration)
    object.__setattr__(other, "data", np.array(movie.data)[:4])
    running.dock.model.set_movie(other)
    running.go_on()
    running.wait_idle()
    assert running.run is None
    assert "columns" not in running.viewer.layers


def test_an_error_for_the_user_is_one_sentence(desk, movie, monkeypatch):
    said = []
    desk.dock.runner.failed.connect(said.append)
    monkeypatch.setattr(desk.dock.model, "load_detector", _cannot_load)
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    assert said == ["The weights are gone: install the model again."]
    assert desk.widget("run_all").isEnabled()


def _cannot_load(_card, _settings):
    raise InputError("The weights are gone: install the model again.")
