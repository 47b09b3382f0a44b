"""The verb export on a small analysis: each picture, its table, and what it says of what is not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from dot_scene import Laplacian, Scene
from typer.testing import CliRunner

from napari_atomcount import pipeline
from napari_atomcount.cli.app import app
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tables import read_analysis, write_analysis
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.pipeline.pictures import PICTURES
from napari_atomcount.records.settings import AnalysisSettings


@pytest.fixture(scope="module")
def analysed(tmp_path_factory) -> Path:
    """A folder of results beside its movie."""
    folder = tmp_path_factory.mktemp("export")
    scene = Scene()
    movie = scene.movie()
    write_tiff(folder / "movie.tif", scene.frames, movie.calibration)
    found = pipeline.analyze(movie, Laplacian(), AnalysisSettings(material="Au"))
    found.summary["movie"] |= {"path": str(folder / "movie.tif"), "dataset": None}
    write_analysis(found, folder / "out")
    return folder


def run(*words):
    return CliRunner().invoke(app, ["export", *(str(w) for w in words)])


ONE_CLASS = sorted(set(PICTURES) - {"classes", "intensity", "kymograph"})


@pytest.mark.parametrize("what", ONE_CLASS)
def test_each_picture_and_its_table(analysed, tmp_path, what):
    result = run(analysed / "out", "--what", what, "--out", tmp_path / "a.png")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert run(analysed / "out", "--what", what, "--out", tmp_path / "a.csv").exit_code == 0
    assert len((tmp_path / "a.csv").read_text().splitlines()[0].split(",")) > 2


def test_the_map_holds_the_ends_of_the_intervals(analysed, tmp_path):
    assert run(analysed / "out", "--what", "map", "--out", tmp_path / "map.csv").exit_code == 0
    table = pd.read_csv(tmp_path / "map.csv")
    assert (table["occupancy_low"] <= table["occupancy"]).all()
    assert (table["occupancy"] <= table["occupancy_high"]).all()
    assert run(analysed / "out", "--what", "map", "--out", tmp_path / "deep" / "map.svg").exit_code == 0
    assert "occurrence in 24 frames" in (tmp_path / "deep" / "map.svg").read_text()


def test_kymograph_needs_its_line(analysed, tmp_path):
    out = tmp_path / "k.png"
    missing = run(analysed / "out", "--what", "kymograph", "--out", out)
    assert missing.exit_code == 1
    assert "--line" in missing.output
    assert run(analysed / "out", "--what", "kymograph", "--line", "80,40:80,120", "--out", out).exit_code == 0
    beside = run(analysed / "out", "--what", "kymograph", "--line", "2,2:4,4", "--out", out)
    assert beside.exit_code == 1
    assert "No site lies beside the line" in beside.output


def test_the_channel_that_was_analysed_lies_behind_the_map(analysed, tmp_path):
    found = read_analysis(analysed / "out")
    image = open_movie(analysed / "movie.tif").data
    tall = np.clip(np.asarray(image), 0, 255).astype(np.uint8)
    np.save(tmp_path / "colour.npy", np.stack([np.zeros_like(tall), tall, np.zeros_like(tall)], axis=-1))
    found.summary["movie"] |= {"path": str(tmp_path / "colour.npy"), "channel": "green"}
    write_analysis(found, tmp_path / "out")
    result = run(tmp_path / "out", "--what", "map", "--out", tmp_path / "map.png")
    assert result.exit_code == 0
    assert "no image behind" not in result.output
    del found.summary["movie"]["channel"]
    write_analysis(found, tmp_path / "out")
    assert "no image behind" in run(tmp_path / "out", "--what", "map", "--out", tmp_path / "map.png").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--what", "nonsense", "--out", "a.png"), "choose one of"),
        (("--what", "map", "--out", "a.gif"), ".png, .svg or .pdf"),
        (("--what", "classes", "--out", "a.png"), "one class"),
        (("--what", "intensity", "--out", "a.png"), "several classes"),
        (("--what", "trace", "--site", "4711", "--out", "a.png"), "no site 4711"),
        (("--what", "frame", "--frame", "4711", "--out", "a.png"), "not analysed"),
    ],
)
def test_what_is_not_there_is_said(analysed, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    result = run(analysed / "out", *words)
    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_no_analysis_and_no_movie(analysed, tmp_path):
    assert run(tmp_path, "--what", "map", "--out", tmp_path / "a.png").exit_code == 1
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in (analysed / "out").iterdir():
        text = path.read_bytes().replace(b"movie.tif", b"gonee.tif")
        (moved / path.name).write_bytes(text)
    without = run(moved, "--what", "map", "--out", tmp_path / "white.png")
    assert without.exit_code == 0
    assert "--movie" in without.output
    given = run(moved, "--what", "map", "--movie", analysed / "movie.tif", "--out", tmp_path / "given.png")
    assert given.exit_code == 0
    from PIL import Image

    white, image = (np.asarray(Image.open(tmp_path / f"{n}.png").convert("L")) for n in ("white", "given"))
    assert white.mean() > image.mean()
    assert run(moved, "--what", "frame", "--out", tmp_path / "f.png").exit_code == 1
