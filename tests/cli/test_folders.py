"""Integration tests of ``analyze`` on a folder of movies, and of a mask that is found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.readers_many import movies_in
from napari_atomcount.io.session import Session
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.records.calibration import Calibration

Command = Callable[..., Result]

pytestmark = pytest.mark.usefixtures("no_pictures")


def test_what_a_folder_holds(tmp_path: Path, dots_file: Path):
    one = tmp_path / "one"
    one.mkdir()
    for t in range(3):
        write_tiff(one / f"frame{t}.tif", np.full((1, 16, 16), t, np.uint16), Calibration())
    assert movies_in(one) is None  # images: one movie
    assert movies_in(dots_file) is None
    many = tmp_path / "many"
    many.mkdir()
    for name in ("run10.tif", "run2.tif"):
        shutil.copy(dots_file, many / name)
    write_tiff(many / "single.tif", np.ones((1, 16, 16), np.uint16), Calibration())
    (many / "notes.txt").write_text("no movie")
    (many / "run2.atomcount").mkdir()
    assert [p.name for p in movies_in(many) or []] == ["run2.tif", "run10.tif", "single.tif"]
    assert [p.name for p in movies_in(tmp_path) or []] == ["many", "one"]


def test_a_folder_of_movies_is_analysed_in_one_go(
    tmp_path: Path, dots_file: Path, dots_model: Path, command: Command
):
    many, out = tmp_path / "many", tmp_path / "out"
    many.mkdir()
    for name in ("a", "b"):
        shutil.copy(dots_file, many / f"{name}.tif")
    (many / "broken.tif").write_bytes(b"no TIFF")
    result = command("analyze", many, "--model", dots_model, "--out", out, "--session", tmp_path / "kept")
    assert result.exit_code == 1
    assert "1 of 3 movies could not be analysed" in result.stderr
    totals = pd.read_csv(out / "totals.csv")
    assert [Path(m).name for m in totals["movie"]] == ["a.tif", "b.tif", "broken.tif"]
    assert totals["columns"].iloc[0] == totals["columns"].iloc[1] > 100
    assert isinstance(totals["error"].iloc[2], str)
    assert (out / "a" / "columns.csv").exists()
    with Session.open(tmp_path / "kept" / "a.atomcount") as session:
        assert session.run > 0


def test_the_particle_is_found_and_all_else_left_out(tmp_path: Path, dots_model: Path, command: Command):
    yy, xx = np.mgrid[:192, :192].astype(float)
    waves = np.cos(2 * np.pi * xx / 11.5) + np.cos(2 * np.pi * yy / 11.5)
    image = 400 + 120 * waves * ((yy - 96) ** 2 + (xx - 96) ** 2 < 45**2)
    frames = np.random.default_rng(0).poisson(np.tile(image, (3, 1, 1))).astype(np.uint16)
    write_tiff(tmp_path / "disc.tif", frames, Calibration(pixel_size_nm=(0.02, 0.02), frame_time_s=0.5))
    out = tmp_path / "out"
    result = command(
        "analyze", tmp_path / "disc.tif", "--model", dots_model, "--out", out, "--mask", "particle"
    )
    assert result.exit_code == 0, result.stderr
    left_out = open_movie(out / "mask.tif").frame(0) > 0
    assert not left_out[60:130, 60:130].any()
    assert left_out[:15].all()
    assert 0.2 < left_out.mean() < 0.8


def test_region_and_mask_of_the_session_hold(
    tmp_path: Path, dots_file: Path, dots_model: Path, command: Command
):
    place = tmp_path / "dots.atomcount"
    command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "a", "--session", place)
    with Session.open(place) as session:
        session.set_settings(session.settings.model_copy(update={"roi": (0, 50, 0, 96)}))
    result = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "b", "--session", place)
    assert result.exit_code == 0, result.stderr
    assert pd.read_csv(tmp_path / "b" / "columns.csv")["y"].max() < 50
    assert pd.read_csv(tmp_path / "a" / "columns.csv")["y"].max() > 60
