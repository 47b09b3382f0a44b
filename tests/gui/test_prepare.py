"""Prepare with the mouse and the keyboard: what is drawn or found becomes settings, and is undone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit

from napari_atomcount.gui.prepare_desk import parse_frames
from napari_atomcount.pipeline.area import read_mask
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.preparation import Preparation

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def ready(desk, movie, tmp_path):
    """A movie in a file, the panel unfolded."""
    path = tmp_path / "dots.tif"
    path.write_bytes(b"stands for the movie")
    desk.show(replace(movie, path=path))
    desk.click("prepare_fold")
    return desk


def at(desk, y: float, x: float) -> QPoint:
    canvas, camera = desk.dock.reviewing.canvas, desk.viewer.scene.camera
    scale = np.array(desk.dock.layers.scale[1:])
    offset = (np.array([y, x]) * scale - np.array(camera.center[-2:])) * camera.zoom
    return QPoint(round(canvas.width() / 2 + offset[1]), round(canvas.height() / 2 + offset[0]))


def test_a_region_is_drawn_used_and_undone(ready):
    desk, canvas = ready, ready.dock.reviewing.canvas
    desk.click("draw_region")
    camera = np.array(desk.viewer.scene.camera.center)
    start, end = at(desk, 20.0, 20.0), at(desk, 60.0, 80.0)
    QTest.mousePress(canvas, LEFT, pos=start)
    for k in range(1, 5):
        QTest.mouseMove(canvas, start + (end - start) * k / 4)
        QApplication.processEvents()
    QTest.mouseRelease(canvas, LEFT, pos=end)
    y0, y1, x0, x1 = desk.dock.model.settings.roi
    assert (y0, x0) == pytest.approx((20, 20), abs=1)
    assert (y1, x1) == pytest.approx((61, 81), abs=1)
    assert np.allclose(camera, desk.viewer.scene.camera.center)
    assert "region" in [layer.name for layer in desk.viewer.layers]
    desk.click("run_all")
    desk.wait_idle()
    columns = desk.run.columns
    assert columns["y"].max() < y1
    assert columns["y"].min() > y0
    desk.click("undo")  # the run
    desk.click("undo")  # the region
    assert desk.dock.model.settings.roi is None
    assert "region" not in [layer.name for layer in desk.viewer.layers]


def test_a_mask_is_drawn_kept_as_a_file_and_left_out(ready):
    desk = ready
    desk.click("draw_mask")
    layer = desk.layer("left out")
    assert desk.viewer.layers.selection.active == layer
    assert layer.mode == "polygon"
    drawn = np.zeros((96, 96), np.uint8)
    drawn[:, :50] = 1
    layer.data = drawn
    desk.click("use_mask")
    path = desk.dock.model.settings.mask
    assert path.parent.parent == desk.dock.keeper.session.folder
    assert np.array_equal(read_mask(path, (96, 96)), drawn > 0)
    desk.click("run_all")
    desk.wait_idle()
    assert desk.run.columns["x"].min() > 50
    desk.click("no_mask")
    assert desk.dock.model.settings.mask is None
    desk.click("undo")
    assert desk.dock.model.settings.mask == path


def test_hot_pixels_bad_frames_and_the_average_change_what_is_seen(ready, tmp_path):
    desk = ready
    movie = desk.dock.model.movie
    hot = np.array(movie.data)
    hot[2, 10, 10] = 60_000
    hot[4] = hot[3]
    object.__setattr__(movie, "data", hot)
    desk.dock.model.set_movie(replace(movie, data=hot))
    desk.click("hot_pixels")
    shown = desk.dock.layers.movie_layer().data
    assert shown[2][10, 10] < 1000
    assert np.array_equal(np.asarray(shown[1]), hot[1])
    desk.click("find_bad")
    desk.wait(lambda: desk.dock.model.preparation.bad_frames == (4,))
    desk.wait(lambda: not desk.dock.preparing.runner.busy)  # until then the form is off
    assert "repeats the frame before" in desk.widget("prepare_words", QLabel).text()
    line = desk.widget("bad_frames", QLineEdit)
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, "4, 7-8")
    QTest.keyClick(line, Qt.Key.Key_Return)
    assert desk.dock.model.preparation.bad_frames == (4, 7, 8)
    desk.widget("rolling").setValue(3)
    assert np.allclose(desk.dock.layers.movie_layer().data[11], hot[10:13].mean(axis=0), atol=0.5)
    for _ in range(4):
        desk.click("undo")
    assert desk.dock.model.preparation == type(desk.dock.model.preparation)()
    assert desk.dock.layers.movie_layer().data is hot


def test_a_dark_level_is_taken_off_the_picture_looks_the_same_and_it_is_undone(ready):
    desk = ready
    movie = desk.dock.model.movie
    layer = desk.dock.layers.movie_layer()
    limits = list(layer.contrast_limits)
    desk.widget("dark_level").setValue(-25.0)
    assert desk.dock.model.preparation.dark_level == -25
    assert np.array_equal(np.asarray(layer.data[2]), movie.frame(2) + np.float32(25))
    assert layer.contrast_limits == pytest.approx([limit + 25 for limit in limits])
    assert desk.dock.model.domain is None  # it is looked at anew
    desk.wait(lambda: desk.dock.model.domain is not None)
    desk.click("undo")
    assert desk.widget("dark_level").value() == 0
    assert layer.data is movie.data
    assert layer.contrast_limits == pytest.approx(limits)


def test_a_measured_dark_level_is_used_and_forgets_what_was_measured_without(ready):
    desk, dock = ready, ready.dock
    yy, xx = np.mgrid[:256, :256] * 0.02
    image = 40 * (1 - 0.6 * (np.cos(np.pi * yy / 0.2355) * np.cos(np.pi * xx / 0.2884)) ** 2)
    frames = (120 + 5 * np.random.default_rng(0).poisson(image, (6, 256, 256))).astype(np.uint16)
    calibration = Calibration(pixel_size_nm=0.02)
    dock.model.set_movie(replace(dock.model.movie, data=frames, calibration=calibration, path=None, name="m"))
    desk.wait(lambda: dock.model.movie.calibration.dose_e_per_A2 is not None)
    too_high = dock.model.movie.calibration.dose_e_per_A2
    dock.preparing._measure(None, None)
    desk.wait(lambda: not dock.preparing.runner.busy)
    assert "electrons begin at" in desk.widget("prepare_words", QLabel).text()
    assert "counts" in desk.widget("measured_dark_level", QLabel).text()
    desk.click("use_dark_level")
    assert dock.model.preparation.dark_level == pytest.approx(120, abs=10)
    assert dock.preparing.measured["gain"] is None
    desk.wait(lambda: dock.model.movie.calibration.dose_e_per_A2 is not None)
    assert dock.model.movie.calibration.dose_e_per_A2 < 0.8 * too_high
    dock.preparing._measure(None, None)
    desk.wait(lambda: not dock.preparing.runner.busy)
    assert dock.preparing.measured["gain"]["value"] == pytest.approx(5, rel=0.1)
    assert "electrons begin" not in desk.widget("prepare_words", QLabel).text()
    assert desk.widget("measured_dark_level", QLabel).text().endswith("fits")
    assert desk.widget("use_dark_level").isHidden()


def test_a_look_that_began_before_the_dark_level_was_stated_is_not_believed(ready):
    model = ready.dock.model
    frames = (400 + 5 * np.random.default_rng(0).poisson(40.0, (6, 256, 256))).astype(np.uint16)
    movie = replace(
        model.movie, data=frames, calibration=Calibration(pixel_size_nm=0.02), path=None, name="m"
    )
    model.set_movie(movie)
    ready.wait(lambda: model.domain is not None and not ready.dock.commands.looker.busy)
    model.calibrate(dose_e_per_A2=None)  # begins to look
    assert ready.dock.commands.looker.busy
    model.prepare(Preparation(dark_level=400.0), model.settings)
    ready.wait(lambda: model.domain is not None and not ready.dock.commands.looker.busy)
    assert model.movie.calibration.dose_e_per_A2 == pytest.approx(1000, rel=0.05)


def test_scales_are_measured_pointed_at_used_and_undone(ready):
    desk, dock = ready, ready.dock
    yy, xx = np.mgrid[:256, :256].astype(float)
    a, p = 0.2461, 0.01
    waves = [(0.0, 2 / (np.sqrt(3) * a)), (1 / a, 1 / (np.sqrt(3) * a)), (1 / a, -1 / (np.sqrt(3) * a))]
    image = 30 + 2 * sum(np.cos(2 * np.pi * (gy * yy + gx * xx) * p) for gy, gx in waves)
    frames = (5 * np.random.default_rng(0).poisson(image, (8, 256, 256))).astype(np.uint16)
    calibration = dock.model.movie.calibration.updated("file", pixel_size_nm=(0.0105, 0.0105))
    graphene = replace(dock.model.movie, data=frames, calibration=calibration, path=None, name="graphene")
    dock.model.set_movie(graphene)
    desk.widget("lattice").setCurrentText("graphene")
    desk.click("calibrate")
    desk.wait(lambda: not dock.preparing.runner.busy)
    assert dock.preparing.measured["pixel_size_nm"]["mean"] == pytest.approx(0.01, rel=0.005)
    desk.click("point_spots")
    desk.wait(lambda: not dock.preparing.runner.busy)
    window = dock.preparing._spectrum()
    first, second = window._found[:2]
    window.point(*(first + 0.001))
    window.point(*second)
    assert len(window.pointed) == 2
    window.use.click()
    desk.wait(lambda: not dock.preparing.runner.busy)
    assert dock.preparing.measured["pixel_size_nm"]["mean"] == pytest.approx(0.01, rel=0.005)
    desk.click("use_pixel_size_nm")
    assert dock.model.movie.calibration.pixel_size_nm[0] == pytest.approx(0.01, rel=0.005)
    assert desk.widget("pixel_size_nm_source", QLabel).text() == "≈ estimated"


def test_the_particle_is_found(ready):
    desk, dock = ready, ready.dock
    yy, xx = np.mgrid[:192, :192].astype(float)
    waves = np.cos(2 * np.pi * xx / 11.5) + np.cos(2 * np.pi * yy / 11.5)
    image = 40 + 12 * waves * ((yy - 96) ** 2 + (xx - 96) ** 2 < 45**2)
    frames = np.random.default_rng(0).poisson(np.tile(image, (3, 1, 1))).astype(np.uint16)
    dock.model.set_movie(replace(dock.model.movie, data=frames, path=None, name="disc"))
    desk.click("find_particle")
    desk.wait(lambda: dock.model.settings.mask is not None)
    mask = read_mask(dock.model.settings.mask, (192, 192))
    assert not mask[60:130, 60:130].any()
    assert mask[:15].all()


def test_frames_as_people_write_them():
    assert parse_frames("3, 17;20-22,", 40) == (3, 17, 20, 21, 22)
    assert parse_frames("", 40) == ()
    for wrong in ("x", "40", "1-x", "-1"):
        with pytest.raises(ValueError, match=r"invalid literal|40"):
            parse_frames(wrong, 40)
