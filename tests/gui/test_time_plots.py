"""The plots of section 4 on a movie whose one column comes and goes, in a real window."""

from __future__ import annotations

import os

import numpy as np
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QSpinBox

from napari_atomcount.gui import time_control, time_plots


def shot(desk, name):
    """A picture of the dock and the window, where a person asked for one."""
    folder = os.environ.get("ATOMCOUNT_SHOTS")
    if folder:
        QApplication.processEvents()
        desk.dock.findChild(time_plots.TimePlots).parent().grab().save(f"{folder}/{name}.png")


def choose(desk, name):
    combo = desk.widget("time_plot_choice", QComboBox)
    combo.setCurrentText(name)
    combo.textActivated.emit(name)


def test_every_plot_is_drawn(desk, movie, tmp_path):
    desk.show(movie)
    desk.click("run_all")
    desk.wait(lambda: desk.run is not None and desk.run.analysis is not None)
    desk.wait_idle()
    plots = desk.dock.findChild(time_plots.TimePlots)
    assert plots.isVisibleTo(desk.dock)
    own = [time_plots.RATE, time_plots.GROUPS, time_plots.DWELL, time_plots.ATOMS, time_plots.DRIFT]
    for name in own:
        choose(desk, name)
        assert len(plots.plot.getPlotItem().items) > 0, name
        assert plots.plot.isVisibleTo(plots)
        assert plots.words.text() or name == time_plots.ATOMS
        shot(desk, name.replace(" ", "_"))
    assert "measured on shuffled frames" in desk.widget("time_totals", QLabel).text()

    choose(desk, time_plots.KYMOGRAPH)
    assert "Draw line" in desk.widget("time_plot_words", QLabel).text()
    desk.click("kymograph_line")
    assert desk.layer(time_control.LINE_LAYER).mode == "add_path"
    desk.dock.time_plots.set_line([(31.0, 25.0), (31.0, 75.0)])
    assert plots.plot.isVisibleTo(plots)
    found = desk.dock.time_plots._kymograph()
    assert len(found.site_id) == 4
    empty = (found.value == 0).any(axis=0)
    assert empty.tolist() == [True, False, False, False]  # the column that hops stands first
    shot(desk, "kymograph")

    log = tmp_path / "ramp.csv"
    log.write_text("time (s),T (°C)\n0,20\n8,300\n", encoding="utf-8")
    choose(desk, time_plots.RATE)
    desk.dock.time_plots.load_log(log)
    assert plots.plot.getPlotItem().getAxis("right").isVisible()
    shot(desk, "log")

    desk.widget("rolling_average", QSpinBox).setValue(5)
    average = desk.layer(time_control.AVERAGE_LAYER).data
    plain = np.asarray(movie.frame(3), float)
    assert np.asarray(average[3]).std() < plain.std()
    assert average.shape == movie.shape
    desk.widget("rolling_average", QSpinBox).setValue(1)
    assert time_control.AVERAGE_LAYER not in desk.viewer.layers


def followed(desk, movie):
    desk.show(movie)
    desk.click("run_all")
    desk.wait(lambda: desk.run is not None and desk.run.analysis is not None)
    desk.wait_idle()
    return desk.dock.findChild(time_plots.TimePlots)


def test_free_adatoms_are_followed_and_shown_as_tracks(desk, movie):
    plots = followed(desk, movie)
    choose(desk, time_plots.ADATOMS)
    desk.wait(lambda: not desk.dock.time_plots.working)
    tracks = desk.dock.time_plots.tracks
    assert tracks is not None
    if len(tracks):
        assert plots.plot.isVisibleTo(plots)
        long = tracks.groupby("track_id").size().max() > 1
        assert (time_control.ADATOM_LAYER in desk.viewer.layers) == long
    else:
        assert "No free adatom" in desk.widget("time_plot_words", QLabel).text()
        assert time_control.ADATOM_LAYER not in desk.viewer.layers
    shot(desk, "adatoms")


def test_another_movie_beside_this_one(desk, movie, tmp_path):
    from napari_atomcount.io.tables import write_analysis

    plots = followed(desk, movie)
    write_analysis(desk.run.analysis, tmp_path / "oxygen") if desk.run.analysis.summary.get(
        "versions"
    ) else None
    choose(desk, time_plots.COMPARE)
    assert not plots.plot.isVisibleTo(plots)
    assert "Other movie" in desk.widget("time_plot_words", QLabel).text()
    desk.dock.time_plots.add_movie(tmp_path / "nothing")
    desk.wait(lambda: not desk.dock.time_plots.working)
    assert not desk.dock.time_plots.others.movies
    desk.dock.time_plots.add_movie(tmp_path / "oxygen")
    desk.wait(lambda: not desk.dock.time_plots.working)
    words = desk.widget("time_plot_words", QLabel).text()
    assert "p = " in words
    assert "oxygen" in words
    assert plots.plot.isVisibleTo(plots)
    shot(desk, "compare")
    for name in (time_plots.DOSE_RATE, time_plots.DOSE):
        choose(desk, name)
        assert plots.plot.isVisibleTo(plots)
        shot(desk, name.replace(" ", "_"))
    for name, file in ((time_plots.DOSE, "doses.png"), (time_plots.COMPARE, "both.csv")):
        choose(desk, name)
        desk.dock.time_plots.save(tmp_path / file)
        desk.wait(lambda: not desk.dock.time_plots.working)
        assert (tmp_path / file).stat().st_size > 100


def test_pictures_and_tables_are_saved(desk, movie, tmp_path):
    plots = followed(desk, movie)
    for name in (time_plots.MAP, time_plots.EVENT_MAP, time_plots.DWELL, time_plots.DRIFT):
        choose(desk, name)
        for ending in ("png", "csv"):
            desk.dock.time_plots.save(tmp_path / f"{name}.{ending}")
            desk.wait(lambda: not desk.dock.time_plots.working)
            assert (tmp_path / f"{name}.{ending}").exists(), name
    assert not plots.plot.isVisibleTo(plots) or plots.chosen not in time_plots.OVERLAY_OF
    choose(desk, time_plots.MAP)
    assert desk.dock.layers.overlay == "occupancy"
    choose(desk, time_plots.EVENT_MAP)
    assert desk.dock.layers.overlay == "events"
    assert desk.widget("overlay", QComboBox).currentText() == "events"
    shot(desk, "event_map")


def test_turn_and_scale_are_followed_on_request(desk, movie):
    from qtpy.QtWidgets import QCheckBox

    plots = followed(desk, movie)
    model = plots.choice.model()
    turn = model.item(time_plots.PLOTS.index(time_plots.TURN))
    assert not turn.isEnabled()
    before = desk.run.analysis
    desk.widget("rotation", QCheckBox).click()
    desk.wait(lambda: desk.run.analysis is not before)
    desk.wait_idle()
    assert desk.dock.model.settings.drift.rotation
    assert "rotation" in desk.run.analysis.drift
    assert turn.isEnabled()
    choose(desk, time_plots.TURN)
    assert plots.plot.isVisibleTo(plots)
    shot(desk, "turn")
    before = desk.run.analysis
    desk.widget("rotation", QCheckBox).click()
    desk.wait(lambda: desk.run.analysis is not before)
    desk.wait_idle()
    assert "rotation" not in desk.run.analysis.drift
    assert plots.chosen == time_plots.RATE


def test_brightness_of_classes_and_a_turn_are_drawn(qtbot):
    import pandas as pd

    from napari_atomcount.measure.brightness import class_brightness
    from napari_atomcount.pipeline.time_tables import InTime

    rng = np.random.default_rng(0)
    frame = np.arange(20)
    intensity = rng.normal(0.3, 0.05, (20, 12)).astype(np.float32)
    label = pd.Series(["Ce", "O"] * 6)
    motion = pd.DataFrame({"frame": frame, "dy_nm": 0.0, "dx_nm": 0.1, "confidence": 1.0})
    motion = motion.assign(
        rotation=0.2 * frame, rotation_sigma=0.05, scale=1 + 0.001 * frame, scale_sigma=1e-4
    )
    nothing = pd.DataFrame()
    found = InTime(
        nothing, {}, nothing, 0.0, nothing, {}, pd.DataFrame({"frame": frame}), motion,
        class_brightness(intensity, label, frame, 0.5), 0.5, "s",
    )  # fmt: skip
    plots = time_plots.TimePlots()
    qtbot.addWidget(plots)
    words = plots.drawing.intensity(found)
    assert "Ce +0.29" in words
    assert "O +0.3" in words
    assert len(plots.plot.getPlotItem().items) == 6  # a line and two ends of the interval for each class
    plots.begin()
    plots.drawing.turn(found)
    axis = plots.plot.getPlotItem().getAxis("right")
    assert axis.isVisible()
    assert "scale" in axis.labelText
    low, high = plots.plot.getPlotItem().vb.viewRange()[1]
    assert low == -0.5
    assert high > 3.8
    plots.begin()
    assert not axis.isVisible()
