"""Strain in the real window: measure all frames or this one, choose what is shown, stop, save."""

from __future__ import annotations

import threading

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QLabel,
    QLineEdit,
    QListWidget,
    QProgressBar,
    QPushButton,
    QTabWidget,
)
from strain_hands import ALL_BUTTON, drag, open_strain, pick, run_all, tick

from napari_atomcount.pipeline import straining
from napari_atomcount.records.movie import Movie

SIDE = 96  # px, of the movie of dots


def test_without_columns_the_section_says_what_it_will_show(desk):
    open_strain(desk)
    assert desk.widget("strain_empty").isVisible()
    for name in (ALL_BUTTON, "strain_frame", "strain_compare", "strain_save", "strain_simulate"):
        assert not desk.widget(name).isEnabled(), name
    assert not desk.widget("strain_show").isVisible()


def test_all_frames_their_average_and_what_is_drawn(measured):
    desk = measured
    run_all(desk)
    found = desk.dock.strain.found
    assert found.frames == list(range(16))
    assert found.averaged
    layer = desk.layer("strain")
    assert len(layer.data) == 16
    assert [str(unit) for unit in layer.units] == ["nanometer", "nanometer"]
    limit = layer.metadata["atomcount_strain"]["limit"]
    value = layer.features["shown"].to_numpy()
    high = np.argmax(value)
    assert layer.face_color[high, 0] > layer.face_color[high, 2]  # stretched is red
    assert limit >= abs(value).max() * 0.5
    said = desk.widget("strain_said").text()
    assert "average of 16 frames" in said
    assert "Relative to: mean of each phase" in said
    legend = desk.dock.strain.panel.legend
    assert legend.reference == "mean of each phase"
    assert legend.unit == "%"
    assert not desk.layer("columns").visible
    sizes = np.unique(np.round(layer.size, 3))
    assert len(sizes) == 2  # those below their own error are small
    tick(desk, "strain_map")
    tick(desk, "strain_axes")
    grid = desk.layer("strain map").data
    assert grid.shape == (SIDE, SIDE)
    assert np.isnan(grid[:20]).all()  # clipped to the dots
    assert np.isfinite(grid[45:60, 45:60]).all()
    assert len(desk.layer("strain axes").data) == 32
    tick(desk, "strain_points")
    assert not desk.layer("strain").visible


def test_this_frame_follows_the_slider(measured):
    desk = measured
    desk.dock.layers.show_frame(7)  # the hopper is away
    desk.click("strain_frame")
    desk.wait_idle()
    found = desk.dock.strain.found
    assert found.frames == [7]
    assert not found.averaged
    assert len(desk.layer("strain").data) == 15
    assert "frame 7" in desk.widget("strain_said").text()
    run_all(desk)
    pick(desk, "strain_when", "frame")
    assert len(desk.layer("strain").data) == 15
    desk.dock.layers.show_frame(2)
    assert len(desk.layer("strain").data) == 16
    assert "frame 2" in desk.widget("strain_said").text()


def test_components_and_their_scale(measured):
    desk = measured
    run_all(desk)
    legend = desk.dock.strain.panel.legend
    for name in ("exx", "eyy", "exy"):
        pick(desk, "strain_component", name)
        assert legend.words.startswith(("strain along", "shear"))
    pick(desk, "strain_component", "rotation")
    assert legend.unit.startswith("°")
    assert abs(np.nanmedian(desk.layer("strain").features["shown"])) < 1e-9
    box = desk.widget("strain_limit")
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "3")
    QTest.keyClick(box, Qt.Key.Key_Return)
    assert legend.limit == 3.0
    assert desk.layer("strain").metadata["atomcount_strain"]["limit"] == 3.0
    pick(desk, "strain_component", "relaxation")
    assert np.isfinite(desk.layer("strain").features["shown"]).sum() >= 8  # the dots' four sides


def test_stop_keeps_what_is_done(measured, monkeypatch):
    desk = measured
    strain = desk.dock.strain
    whole = straining.refined_columns

    permits = threading.Semaphore(2)

    def held(*args):
        assert permits.acquire(timeout=180), "the test never let the worker go on"
        return whole(*args)

    monkeypatch.setattr(straining, "refined_columns", held)
    desk.click(ALL_BUTTON)
    desk.wait(lambda: len(strain._parts) >= 2)
    assert desk.widget("strain_progress").isVisible()
    assert not desk.widget("strain_frame").isEnabled()
    desk.click("strain_stop")
    permits.release(16)
    desk.wait_idle()
    assert 2 <= len(strain.found.frames) < 16
    assert not strain.found.averaged
    assert "stopped" in desk.widget("strain_said").text()


def test_saved_files_are_those_of_the_command_line(measured, tmp_path, monkeypatch):
    desk = measured
    run_all(desk)
    desk.click("strain_draw_line")
    drag(desk, (50.0, 25.0), (50.0, 77.0))
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_save_folder", lambda *_: tmp_path / "out")
    desk.click("strain_save")
    desk.wait_idle()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"strain.csv", "strain.png", "strain_time.csv", "strain_line.csv", "strain_facets.svg"} <= names
    table = pd.read_csv(tmp_path / "out" / "strain.csv")
    assert set(table.frame) == {-1, *range(16)}


def test_another_movie_takes_the_strain_away(measured, movie):
    desk = measured
    run_all(desk)
    desk.show(Movie(movie.data.copy(), movie.calibration, "others"))
    desk.dock._choose_movie("others")
    desk.wait(lambda: desk.dock.strain.found is None)
    assert "strain" not in [layer.name for layer in desk.viewer.layers]
    assert not desk.widget("strain_show").isVisible()


def test_every_widget_of_strain_has_a_stable_name(measured):
    desk = measured
    run_all(desk)
    kinds = (QLabel, QPushButton, QComboBox, QCheckBox, QLineEdit, QListWidget, QProgressBar, QTabWidget)
    strain = desk.dock.strain
    for part in (strain.section, strain.panel):
        for widget in (w for kind in kinds for w in part.findChildren(kind)):
            parent = widget.parent()
            inside = isinstance(parent, QAbstractScrollArea | QComboBox | QAbstractSpinBox | QTabWidget)
            assert inside or widget.objectName().startswith("atomcount_"), (widget, parent)
