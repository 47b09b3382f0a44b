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
    for name in time_plots.PLOTS[:-1]:
        choose(desk, name)
        assert len(plots.plot.getPlotItem().items) > 0, name
        assert plots.plot.isVisibleTo(plots)
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
