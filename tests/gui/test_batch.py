"""A folder of movies run from the dock: sessions, one table, what was stated for the shown movie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from qtpy.QtWidgets import QCheckBox, QLabel

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.session import Session
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.records import corrections

BETWEEN = (50.5, 50.5)  # px, where no column is


def test_a_folder_of_movies_from_the_dock(desk, movie, tmp_path, monkeypatch):
    many, out = tmp_path / "many", tmp_path / "out"
    many.mkdir()
    for name, by in (("a", 0), ("b", 3)):
        write_tiff(many / f"{name}.tif", np.roll(movie.data, by, axis=2), movie.calibration)
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_movie_folder", lambda _: many)
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_save_folder", lambda *_: out)
    desk.click("run_folder")
    desk.wait_idle()
    assert "2 of 2 movies analysed" in desk.widget("batch_words", QLabel).text()
    totals = pd.read_csv(out / "totals.csv", keep_default_na=False)
    assert totals["columns"].tolist() == [250, 250]
    assert totals["session"].tolist() == [str(many / f"{name}.atomcount") for name in "ab"]

    # each movie opens where the folder's run left it, can be corrected, and the next run keeps the correction
    desk.dock.commands.open_movie(many / "b.tif")
    desk.wait(lambda: desk.run is not None and desk.run.analysis is not None and not desk.dock.runner.busy)
    assert len(desk.run.table) == 250
    assert len(desk.dock.model.analysis.sites) == 16
    assert desk.dock.keeper.do([corrections.add(0, *BETWEEN)]) is not None
    desk.click("run_folder")
    desk.wait_idle()
    words = desk.widget("batch_words", QLabel).text()
    assert "b.tif: analysed, but not kept" in words  # it is open in this window
    assert "a.tif" not in words
    with Session.open(many / "a.atomcount") as session:
        assert len(session.runs) == 2
    (gesture,) = desk.dock.keeper.session.history.active()
    assert [edit.edit for edit in gesture.edits] == ["add"]


def test_a_folder_of_movies_with_what_was_stated_for_the_shown_one(desk, movie, tmp_path, monkeypatch):
    many, out = tmp_path / "many", tmp_path / "out"
    many.mkdir()
    bare = movie.calibration.updated("user", pixel_size_nm=None, dose_e_per_A2=None)
    for name, by in (("a", 0), ("b", 3), ("own", 5)):
        write_tiff(many / f"{name}.tif", np.roll(movie.data, by, axis=2), bare)
    other = open_movie(many / "own.tif")
    with Session.open_or_create(other, many / "own.atomcount") as session:
        session.set_calibration(session.calibration.updated("user", pixel_size_nm=0.021))
        session.set_preparation(session.preparation.model_copy(update={"dark_level": 0.25}))
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_movie_folder", lambda _: many)
    monkeypatch.setattr("napari_atomcount.gui.dialogs.ask_save_folder", lambda *_: out)
    shown = tmp_path / "dots.tif"
    shown.write_bytes(b"stands for the movie")
    desk.dock.model.set_movie(replace(movie, path=shown))
    desk.wait(lambda: desk.dock.keeper.settled)
    model, box = desk.dock.model, desk.widget("batch_with_stated", QCheckBox)
    assert not box.isVisibleTo(desk.dock)  # nothing was stated
    desk.click("run_folder")
    desk.wait_idle()
    assert "1 of 3 movies analysed" in desk.widget("batch_words", QLabel).text()

    model.calibrate(pixel_size_nm=0.02, dose_e_per_A2=300.0)
    model.prepare(model.preparation.model_copy(update={"dark_level": 0.5}), model.settings)
    desk.dock.network.level.edited.emit(40.0)
    desk.wait_idle()
    assert model.settings.detect.beam_level == 40.0
    said = desk.widget("batch_stated", QLabel).text()
    for one in ("0.02 nm", "300 e/Å²", "dark level 0.5 counts"):
        assert one in said
    box.click()
    desk.click("run_folder")
    desk.wait_idle()
    assert "3 of 3 movies analysed" in desk.widget("batch_words", QLabel).text()
    for name, pixel, dark in (("a", 0.02, 0.5), ("b", 0.02, 0.5), ("own", 0.021, 0.25)):
        with Session.open(many / f"{name}.atomcount") as session:
            assert session.calibration.pixel_size_nm == (pixel, pixel)
            assert session.calibration.dose_e_per_A2 == 300.0
            assert session.preparation.dark_level == dark
            assert session.load_analysis().summary["preparation"]["dark_level"] == dark
            assert session.load_analysis().summary["settings"]["detect"]["beam_level"] is None, "of one movie"
