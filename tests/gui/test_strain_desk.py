"""Strain in the real window, driven by the mouse: measure, draw, compare, simulate, save."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPoint, Qt
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

from napari_atomcount.records.movie import Movie

SQUARE = "square:0.26"  # 13 px of 0.02 nm
PIXEL_NM, SIDE = 0.02, 96  # of the movie of dots
ALL_BUTTON = "strain_all"


@pytest.fixture
def measured(desk, movie):
    """The dots, run, followed, and section 5 unfolded with a square template."""
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    open_strain(desk)
    choose(desk, SQUARE)
    return desk


def open_strain(desk) -> None:
    for section in (desk.dock.movie, desk.dock.network, desk.dock.time):
        section.set_open(False)
    header = desk.widget("section_strain_header")
    desk.widget("scroll").ensureWidgetVisible(header)
    QTest.mouseClick(header, Qt.MouseButton.LeftButton)
    assert desk.dock.strain.section.is_open


def choose(desk, name: str) -> None:
    """Type a crystal and add it."""
    line = desk.widget("strain_template_line")
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, name)
    desk.click("strain_add")
    assert name in desk.dock.strain.section.names


def pick(desk, name: str, data: str) -> None:
    """Choose an entry of a list by its data, with the keyboard."""
    box = desk.widget(name)
    box.setFocus()
    target = box.findData(data)
    while box.currentIndex() != target:
        before = box.currentIndex()
        QTest.keyClick(box, Qt.Key.Key_Down if before < target else Qt.Key.Key_Up)
        assert box.currentIndex() != before


def tick(desk, name: str) -> None:
    """Press a check box on its mark."""
    box = desk.widget(name)
    desk.widget("scroll").ensureWidgetVisible(box)
    QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))


def place(desk, y: float, x: float) -> QPoint:
    """Where a pixel of the movie is on the canvas."""
    canvas = desk.viewer.window._qt_viewer.canvas.native
    camera = desk.viewer.scene.camera
    scale = np.array(desk.dock.layers.scale[1:])
    offset = (np.array([y, x]) * scale - np.array(camera.center[-2:])) * camera.zoom
    return QPoint(round(canvas.width() / 2 + offset[1]), round(canvas.height() / 2 + offset[0]))


def drag(desk, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press, move in steps, release over the movie."""
    canvas = desk.viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, place(desk, *start))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=place(desk, *start))
    for part in np.linspace(0, 1, 6)[1:]:
        at = np.array(start) + part * (np.array(end) - np.array(start))
        QTest.mouseMove(canvas, place(desk, *at))
        desk.qtbot.wait(20)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=place(desk, *end))
    desk.qtbot.wait(20)


def run_all(desk) -> None:
    desk.click(ALL_BUTTON)
    desk.wait_idle()


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


def test_a_drawn_line_makes_a_profile_and_directions(measured):
    desk = measured
    run_all(desk)
    item = desk.widget("strain_component").model().item(5)
    assert not item.isEnabled()
    desk.click("strain_draw_line")
    drag(desk, (50.0, 25.0), (50.0, 77.0))
    line = desk.dock.strain.view.line
    assert line.start == pytest.approx((50.0, 25.0), abs=1.0)
    assert line.end == pytest.approx((50.0, 77.0), abs=1.0)
    assert desk.viewer.scene.camera.mouse_pan  # given back
    assert not desk.widget("strain_draw_line").isChecked()
    assert item.isEnabled()
    assert len(desk.layer("strain drawing").data) == 1
    panel = desk.dock.strain.panel
    assert panel.tabs.currentIndex() == 1
    assert "95 % errors" in panel.words["profile"].text()
    pick(desk, "strain_component", "normal")
    shown = desk.layer("strain").features
    assert shown["shown"].to_numpy() == pytest.approx(100 * shown["eyy"].to_numpy(), abs=0.02)


def test_a_drawn_reference_has_no_strain(measured):
    desk = measured
    pick(desk, "strain_reference", "region")
    desk.click("strain_draw_reference")
    drag(desk, (38.0, 38.0), (64.0, 64.0))
    run_all(desk)
    average = desk.dock.strain.found.of(-1)
    inside = desk.dock.strain.view.reference.holds(average)
    assert inside.sum() == 4
    assert abs(average.planar[inside].mean()) < 3e-4
    assert average.reference.iloc[0].startswith("region 38:")
    assert "region 38:" in desk.dock.strain.panel.legend.reference


def test_a_template_is_learned_from_a_drawn_region(measured):
    desk = measured
    desk.click("strain_draw_selection")
    drag(desk, (25.0, 25.0), (77.0, 77.0))
    desk.click("strain_learn")
    section = desk.dock.strain.section
    assert "learned" in section.names
    section._remove(SQUARE)
    run_all(desk)
    average = desk.dock.strain.found.of(-1)
    assert set(average.template) <= {"learned", "none"}
    assert average.planar.notna().sum() >= 4
    pick(desk, "strain_reference", "phase:learned")


def test_strain_against_time_of_a_site_a_facet_and_a_region(measured):
    desk = measured
    run_all(desk)
    panel = desk.dock.strain.panel
    panel.tabs.setCurrentIndex(2)
    assert "Click a column" in panel.words["time"].text()
    desk.click_image(44.0, 44.0)
    assert "16 frames" in panel.words["time"].text()
    desk.click("strain_draw_selection")
    drag(desk, (38.0, 38.0), (64.0, 64.0))
    assert "region, 4 sites: 16 frames" in panel.words["time"].text()
    panel.part.setCurrentIndex(panel.part.findData(0))
    panel.part.activated.emit(panel.part.currentIndex())
    assert "facet 0" in panel.words["time"].text()
    assert "±" in panel.words["facets"].text()


def test_phase_analysis_and_peak_pairs_with_their_warnings(measured):
    desk = measured
    run_all(desk)
    desk.click("strain_compare")
    desk.wait_idle()
    said = desk.widget("strain_compare_said").text()
    assert "GPA: valid on" in said
    assert "not valid there" in said  # the dots fill a part of the frame
    assert "peak pairs" in said
    assert desk.layer("GPA strain").visible
    assert len(desk.layer("peak pairs").data) == 16
    spectrum = desk.dock.strain.panel.spectrum
    first = spectrum.spots.copy()
    assert np.hypot(*first.T) == pytest.approx(1 / 13, rel=0.05)
    mask = desk.widget("strain_mask")
    mask.setValue(0.4)
    desk.click("strain_compare")
    desk.wait_idle()
    target = spectrum.targets[0]
    target.setPos(1.02 * target.pos().x(), 1.02 * target.pos().y())
    target.sigPositionChangeFinished.emit(target)
    desk.wait_idle()
    assert spectrum.spots[0] == pytest.approx(1.02 * first[0])
    desk.click("strain_spots_automatic")
    desk.wait_idle()
    assert spectrum.spots == pytest.approx(first)


def test_stop_keeps_what_is_done(measured, monkeypatch):
    desk = measured
    strain = desk.dock.strain
    from napari_atomcount.pipeline import straining

    whole = straining.refined_columns

    def slow(*args):
        desk_thread_may_go_on()
        return whole(*args)

    def desk_thread_may_go_on() -> None:
        import time

        time.sleep(0.15)

    monkeypatch.setattr(straining, "refined_columns", slow)
    desk.click(ALL_BUTTON)
    desk.wait(lambda: len(strain._parts) >= 2)
    assert desk.widget("strain_progress").isVisible()
    assert not desk.widget("strain_frame").isEnabled()
    desk.click("strain_stop")
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


def test_a_wrong_crystal_is_said_in_words(measured):
    desk = measured
    desk.dock.strain.section._remove(SQUARE)
    choose(desk, "graphene")
    run_all(desk)
    assert "wrong zone axis" in desk.widget("strain_said").text()


@pytest.mark.parametrize(("template", "words"), [("fcc120", "is no template"), ("square:9", "absurd")])
def test_a_template_that_does_not_exist_is_refused(measured, template, words, monkeypatch):
    desk = measured
    desk.dock.strain.section._remove(SQUARE)
    choose(desk, template)
    said = []
    desk.dock.runner.failed.connect(said.append)
    run_all(desk)
    assert words in said[0]
    assert desk.dock.strain.found is None


def test_a_reference_that_was_not_drawn_is_asked_for(measured, monkeypatch):
    desk = measured
    said = []
    monkeypatch.setattr("napari_atomcount.gui.strain_desk.show_error", said.append)
    pick(desk, "strain_reference", "region")
    desk.click(ALL_BUTTON)
    assert "Draw the reference" in said[0]
    assert not desk.dock.runner.busy


def test_absolute_without_pixel_size_says_that_it_is_relative(desk, movie):
    """Columns stay when the pixel size is taken away; strain then is relative, and says so."""
    desk.show(movie)
    desk.click("run_frame")
    desk.wait_idle()
    open_strain(desk)
    choose(desk, SQUARE)
    pick(desk, "strain_reference", "absolute")
    desk.dock.model.calibrate(pixel_size_nm=None)
    desk.click("strain_frame")
    desk.wait_idle()
    said = desk.widget("strain_said").text()
    assert "absolute reference needs the pixel size" in said
    assert "section 1" in said
    assert "--" not in said


def test_pixels_that_are_not_square_are_said(desk, movie):
    desk.show(movie)
    desk.click("run_frame")
    desk.wait_idle()
    desk.dock.model.calibrate(pixel_size_nm=(PIXEL_NM, 1.02 * PIXEL_NM))
    open_strain(desk)
    choose(desk, SQUARE)
    desk.click("strain_frame")
    desk.wait_idle()
    assert "not square" in desk.widget("strain_said").text()
    average = desk.dock.strain.found.table
    inner = average[average.n_matched == 8]
    assert (inner.exx - inner.eyy).mean() == pytest.approx(0.02, abs=0.004)


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


def test_the_artefact_of_what_is_no_metal_is_refused_in_words(measured):
    desk = measured
    run_all(desk)
    said = []
    desk.dock.runner.failed.connect(said.append)
    desk.click("strain_simulate")
    desk.wait_idle()
    assert "not those of an fcc metal" in said[0]
    assert not desk.widget("strain_artefact").isEnabled()


def test_the_artefact_is_shown_on_the_scale_of_the_real_map(measured, monkeypatch):
    """What the simulation gives lies over the columns, and legend and words say that it is no strain."""
    from napari_atomcount.pipeline import strain_artefact

    def simulated(places, _calibration, _structures, settings, conditions, *, cache):
        assert settings.reference == "absolute"
        assert conditions.tilt_deg == 2.0
        assert conditions.dose_e_per_A2 == 310.0
        values = np.linspace(-0.004, 0.004, len(places))
        parts = {name: values for name in ("exx", "eyy", "exy", "rotation", "planar")}
        return places[["y", "x"]].assign(row=np.arange(len(places)), **parts)

    monkeypatch.setattr(strain_artefact, "zero_strain_artefact", simulated)
    desk = measured
    run_all(desk)
    desk.widget("strain_tilt_deg").setValue(2.0)
    desk.click("strain_simulate")
    desk.wait_idle()
    layer = desk.layer("strain artefact")
    assert layer.visible
    assert not desk.layer("strain").visible
    assert layer.metadata["atomcount_strain"]["limit"] == desk.dock.strain.display.limit
    assert "0.40 % at most" in desk.widget("strain_artefact_said").text()
    assert "tilt 2°" in desk.widget("strain_artefact_said").text()
    assert desk.dock.strain.panel.legend.words.startswith("could be an artefact")
    tick(desk, "strain_artefact")
    assert desk.layer("strain").visible
    assert not layer.visible
