"""The real window under a screen, driven by the mouse: from a movie to a trace."""

import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QFrame,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QTableView,
)

from napari_atomcount.gui import points

HOPPER = (31.0, 31.0)  # y, x px of the column that is away in frames 5 to 10
ALL = 16 * 16 - 6  # columns of the movie


def test_opening_the_dock_imports_nothing_heavy():
    code = (
        "import sys; from napari_atomcount.gui import desk, plugin;"
        "print([m for m in ('torch', 'abtem', 'ase', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_empty_desk_says_what_to_do(desk):
    assert desk.widget("movie_empty").isVisible()
    assert desk.widget("open_sample").isEnabled()
    assert desk.widget("open_file").isEnabled()
    assert not desk.widget("run_all").isEnabled()
    assert desk.widget("time_empty").isVisible()
    assert not desk.widget("save_results").isEnabled()
    assert not desk.widget("stop").isVisible()


def test_from_movie_to_trace(desk, movie, tmp_path, monkeypatch):
    """The main job with the mouse: run, follow, click the hopping column, click into its trace, save."""
    desk.show(movie)
    assert "16 frames · 96 × 96 px" in desk.widget("movie_facts").text()
    assert desk.widget("pixel_size_nm_source").text() == "✓ from file"
    assert desk.widget("dose_e_per_A2_source").text() == "≈ assumed"

    desk.click("run_all")
    desk.wait_idle()
    columns = desk.layer("columns")
    assert len(columns.data) == ALL
    assert columns.features["count"].dtype == float  # whole numbers would become a cycle of categories
    assert [str(unit) for unit in columns.units] == ["second", "nanometer", "nanometer"]
    assert np.allclose(columns.scale, desk.layer("dots").scale)
    for name in ("column labels", "confidence", "occupancy", "events"):
        assert not desk.layer(name).visible
    assert desk.layer("column labels").data[0].max() > 0
    assert desk.layer("confidence").data[0].max() > 0.9

    analysis = desk.dock.model.analysis
    assert [(e.frame, e.kind) for e in analysis.events.itertuples()] == [(5, "vanish"), (11, "appear")]
    desk.click_image(*HOPPER)
    trace = desk.dock.trace.trace
    assert trace is not None
    assert trace.events == ((5, "vanish"), (11, "appear"))
    assert np.nanargmax(trace.probability[7]) == 0
    assert np.nanargmax(trace.probability[13]) >= 1
    assert desk.dock.trace.plot.isVisible()

    plot = desk.dock.trace.plot
    desk.qtbot.wait(50)
    place = plot.mapFromScene(plot.getViewBox().mapViewToScene(plot.plotItem.vb.viewRect().center()))
    QTest.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(place.x(), place.y()))
    desk.wait(lambda: desk.dock.layers.frame in (7, 8))
    assert f"frame {desk.dock.layers.frame} / 15" in desk.viewer.canvas.overlays.text.text

    overlay = desk.widget("overlay")
    overlay.setFocus()
    for _ in range(2):
        QTest.keyClick(overlay, Qt.Key.Key_Down)
    assert overlay.currentText() == "events"
    assert desk.layer("events").visible
    assert not desk.layer("columns").visible

    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_save_folder", lambda *_: tmp_path / "out")
    desk.click("save_results")
    desk.wait_idle()
    assert (tmp_path / "out" / "events.csv").is_file()


def test_accepting_more_false_events_follows_again(desk, movie):
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    before = desk.dock.model.analysis
    desk.widget("false_events_per_1000").setValue(5.0)
    desk.wait(lambda: desk.dock.model.analysis is not before)
    assert desk.dock.model.settings.occupancy.false_events_per_1000 == 5.0


def test_one_frame_then_the_others(desk, movie):
    desk.show(movie)
    desk.dock.layers.show_frame(2)
    desk.click("run_frame")
    desk.wait_idle()
    assert set(desk.run.frames) == {2}
    assert desk.dock.model.analysis is None
    desk.click("run_all")
    desk.wait_idle()
    assert len(desk.run.frames) == 16
    assert desk.run.columns["column_id"].is_unique


def test_each_model_has_its_own_results(desk, movie):
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    desk.dock.network.choice.setCurrentIndex(1)
    desk.dock.network.choice.activated.emit(1)
    assert desk.run is None
    assert len(desk.layer("columns").data) == 0
    desk.click("run_frame")
    desk.wait_idle()
    assert len(desk.layer("columns").data) == 16
    assert (desk.layer("columns").features["count"] == -1).all()
    desk.dock.network.choice.activated.emit(0)
    assert len(desk.layer("columns").data) == ALL


def test_typed_pixel_size_rescales_the_view(desk, movie):
    desk.show(movie)
    line = desk.widget("pixel_size_nm_value")
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "0.01")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert desk.dock.model.movie.calibration.pixel_size_nm == (0.01, 0.01)
    assert desk.widget("pixel_size_nm_source").text() == "✓ from you"
    assert desk.layer("dots").scale[-1] == pytest.approx(0.01)


def test_hidden_columns_can_become_fewer(desk, movie):
    """A hidden layer keeps the slice of before: its colours must not be looked up in it."""
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    layer = desk.layer("columns")
    layer.visible = False
    points.fill_columns(layer, desk.run.columns.iloc[:2], 6)
    layer.visible = True
    assert len(layer.data) == 2
    assert len(layer._view_indices) == 2


def test_a_pixel_size_that_is_typed_leaves_the_view_where_it_is(desk, movie):
    desk.show(movie.with_calibration(movie.calibration.updated("user", pixel_size_nm=None)))
    camera, layer = desk.viewer.scene.camera, desk.dock.layers.movie_layer()
    camera.center, camera.zoom = (0, 40, 25), 6.0  # px
    desk.dock.commands.calibrate("pixel_size_nm", (0.02, 0.04))
    assert tuple(layer.scale[-2:]) == (0.02, 0.04)
    assert camera.center[-2:] == pytest.approx((40 * 0.02, 25 * 0.04))
    assert camera.zoom == pytest.approx(6 / np.sqrt(0.02 * 0.04))


def test_without_pixel_size_the_network_waits(desk, movie):
    desk.show(movie.with_calibration(movie.calibration.updated("user", pixel_size_nm=None)))
    assert not desk.widget("run_all").isEnabled()
    assert "pixel size is not known" in desk.widget("movie_warning").text()
    assert [str(unit) for unit in desk.layer("dots").units] == ["second", "pixel", "pixel"]


def test_every_widget_has_a_stable_name(desk):
    kinds = (QLabel, QPushButton, QComboBox, QLineEdit, QAbstractSpinBox, QProgressBar, QTableView, QFrame)
    for part in (desk.dock, desk.dock.trace):
        widgets = [widget for kind in kinds for widget in part.findChildren(kind)]
        names = {widget.objectName() for widget in widgets if not _is_qts_own(widget)}
        assert all(name.startswith("atomcount_") for name in names), names


def _is_qts_own(widget) -> bool:
    """Parts that Qt and pyqtgraph make inside our widgets."""
    while widget is not None:
        if isinstance(widget.parent(), QAbstractScrollArea | QComboBox | QAbstractSpinBox):
            return True
        if widget.objectName() in ("atomcount_sections", "atomcount_trace_panel"):
            return False
        widget = widget.parent()
    return True
