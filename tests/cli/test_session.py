"""Integration tests of ``analyze --session``: corrections hold, and several movies share a table."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.session import Session
from napari_atomcount.io.tables import read_analysis
from napari_atomcount.networks.card import load_card
from napari_atomcount.pipeline import LogitStore, follow
from napari_atomcount.records import corrections

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("no_pictures")

HOPPER = (31.0, 31.0)  # of the movie that conftest.py makes; it is gone in frames 4 to 6
OTHER = (44.0, 31.0)


@pytest.fixture
def folder(dots_file: Path, dots_model: Path, command: Command, tmp_path: Path) -> Path:
    """A session with one run, made by the command line."""
    place = tmp_path / "dots.atomcount"
    result = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "a", "--session", place)
    assert result.exit_code == 0, result.stderr
    return place


def near(table: pd.DataFrame, place: tuple[float, float]) -> pd.DataFrame:
    return table[np.hypot(table["y"] - place[0], table["x"] - place[1]) < 3]


def test_a_session_is_made_with_what_the_network_said(folder: Path, tmp_path: Path):
    found = read_analysis(tmp_path / "a")
    with Session.open(folder) as session:
        assert session.run_step.value["model"]["name"] == "dots"
        assert session.run_step.value["frames"] == list(range(10))
        assert len(session.columns.table) == len(found.columns)
        assert session.load_analysis().summary["totals"] == found.summary["totals"]


def test_corrections_are_used_and_kept(
    folder: Path, dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    with Session.open(folder) as session:
        table = session.columns.table
        hopper = near(table[table["frame"] == 3], HOPPER).iloc[0]
        other = near(table[table["frame"] == 7], OTHER).iloc[0]
        place = float(hopper["y"]), float(hopper["x"])
        session.do([corrections.add(t, *place, count=2) for t in range(4, 7)])  # it was there all the time
        session.do([corrections.set_count(7, float(other["y"]), float(other["x"]), 5)])
        session.do([corrections.remove(9, *place), corrections.set_count(0, 80.0, 80.0, 1)])
    out = tmp_path / "b"
    result = command("analyze", dots_file, "--model", dots_model, "--out", out, "--session", folder)
    assert result.exit_code == 0, result.stderr
    assert "1 corrections find no place" in result.stderr
    found = read_analysis(out)
    site = near(found.sites, HOPPER)["site_id"].iloc[0]
    state = found.state[:, found.site_id == site].ravel()
    assert (state[:9] > 0).all()
    assert (state[4:7] == 2).all()
    assert state[9] == 0
    assert set(near(found.columns, HOPPER)["origin"]) == {"network", "added"}
    fixed = near(found.columns[found.columns["frame"] == 7], OTHER).iloc[0]
    assert (fixed["count"], fixed["origin"]) == (5, "corrected")
    other_site = found.site_id == near(found.sites, OTHER)["site_id"].iloc[0]
    assert found.state[7, other_site] == 5
    with Session.open(folder) as session:
        assert len(session.runs) == 2
        assert session.history.n_edits == 6
        assert session.undo().kind == "run"
        for _ in range(3):
            assert session.undo().kind == "edits"
        assert len(near(session.columns.table, HOPPER)) == 7  # as the network said


def test_after_reopening_an_edit_is_followed_without_the_network(
    folder: Path, dots_file: Path, dots_model: Path, tmp_path: Path
):
    movie, card = open_movie(dots_file), load_card(str(dots_model))
    first = read_analysis(tmp_path / "a")
    with Session.open(folder) as session:
        store = LogitStore.load(session.maps_folder(), movie, card)
        assert store is not None
        same = follow(movie, session.columns.network, store)
        np.testing.assert_array_equal(same.state, first.state)
        np.testing.assert_allclose(same.drift["dy"], first.drift["dy"])
        place = near(session.columns.frame_columns(8), HOPPER).iloc[0]
        session.do([corrections.remove(8, float(place["y"]), float(place["x"]))])
        changed = follow(movie, session.columns.network, store, corrected=session.columns)
        site = near(changed.sites, HOPPER)["site_id"].iloc[0]
        assert changed.state[8, changed.site_id == site] == 0
        store.close()
        (session.maps_folder() / "maps.u8").write_bytes(b"cut")
        assert LogitStore.load(session.maps_folder(), movie, card) is None


def test_a_session_of_another_movie_is_refused(
    folder: Path, dots_model: Path, command: Command, tmp_path: Path
):
    from napari_atomcount.io.tiff import write_tiff

    movie = open_movie(Path(json.loads((folder / "session.json").read_text())["source"]["path"]))
    other = tmp_path / "other.tif"
    write_tiff(other, np.array([movie.frame(0)[::-1]]), movie.calibration)
    result = command("analyze", other, "--model", dots_model, "--out", tmp_path / "c", "--session", folder)
    assert result.exit_code == 1
    assert "belongs to another movie" in result.stderr


def test_a_session_that_is_open_elsewhere_is_refused(
    folder: Path, dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    with Session.open(folder):
        result = command(
            "analyze", dots_file, "--model", dots_model, "--out", tmp_path / "c", "--session", folder
        )
    assert result.exit_code == 1
    assert "open in another window" in result.stderr


def test_several_movies_have_their_sessions_and_one_table_of_totals(
    dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    again = tmp_path / "again.tif"
    shutil.copy(dots_file, again)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no movie")
    result = command(
        "analyze", dots_file, again, broken, "--model", dots_model, "--out", tmp_path / "out",
        "--session", tmp_path / "sessions", "--frames", "0:3",
    )  # fmt: skip
    assert result.exit_code == 1
    assert "1 of 3 movies" in result.stderr
    assert {p.name for p in (tmp_path / "sessions").iterdir()} == {"dots.atomcount", "again.atomcount"}
    totals = pd.read_csv(tmp_path / "out" / "totals.csv")
    assert totals["frames"].iloc[:2].tolist() == [3, 3]
    assert (totals["columns"].iloc[:2] > 40).all()
    assert "broken.tif" in totals["movie"].iloc[2]
    assert isinstance(totals["error"].iloc[2], str)


def test_another_dark_level_forgets_an_estimated_dose(
    folder: Path, dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    with Session.open(folder) as session:  # as a look at the movie leaves it
        session.set_calibration(session.calibration.updated("estimated", dose_e_per_A2=123.0, gain=4.0))
    options = ["--model", dots_model, "--out", tmp_path / "b", "--session", folder]
    result = command("analyze", dots_file, *options, "--dark-level", "0.5")
    assert result.exit_code == 0, result.stderr
    with Session.open(folder) as session:
        assert session.preparation.dark_level == 0.5
        assert session.calibration.dose_e_per_A2 is None
        assert session.calibration.gain is None
        session.set_calibration(session.calibration.updated("estimated", dose_e_per_A2=123.0))
        session.set_calibration(session.calibration.updated("user", gain=4.0))
    assert command("analyze", dots_file, *options, "--dark-level", "0.5").exit_code == 0
    with Session.open(folder) as session:  # the same dark level as before
        assert session.calibration.dose_e_per_A2 == 123.0
    assert command("analyze", dots_file, *options, "--dark-level", "0.4").exit_code == 0
    with Session.open(folder) as session:
        assert session.calibration.dose_e_per_A2 is None
        assert session.calibration.gain == 4.0, "stated by a person"
    assert read_analysis(tmp_path / "b").summary["preparation"]["dark_level"] == 0.4
