"""Integration tests of ``calibrate``, and of preparation from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.session import Session
from napari_atomcount.io.tables import read_analysis
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.records.calibration import Calibration

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def crystal_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Graphene's waves at 0.01 nm per pixel (the file says 0.0105), 10 electrons a pixel of 5 counts each."""
    yy, xx = np.mgrid[:256, :256].astype(float)
    a, p = 0.2461, 0.01
    waves = [(0.0, 2 / (np.sqrt(3) * a)), (1 / a, 1 / (np.sqrt(3) * a)), (1 / a, -1 / (np.sqrt(3) * a))]
    image = 10 + 0.7 * sum(np.cos(2 * np.pi * (gy * yy + gx * xx) * p) for gy, gx in waves)
    counts = 5 * np.random.default_rng(0).poisson(image, (16, 256, 256))
    path = tmp_path_factory.mktemp("crystal") / "graphene.tif"
    write_tiff(path, counts.astype(np.uint16), Calibration(pixel_size_nm=(0.0105, 0.0105)))
    return path


def test_scales_come_as_json_each_with_its_error(crystal_file: Path, command: Command):
    result = command("calibrate", crystal_file, "--lattice", "graphene")
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    size = found["pixel_size_nm"]
    assert size["value"] == pytest.approx([0.01, 0.01], rel=0.005)
    assert max(size["error"]) < 0.0001
    assert size["zone_axis"] == [0, 0, 1]
    assert found["gain"]["value"] == pytest.approx(5.0, rel=0.03)
    assert found["dose_e_per_A2"]["value"] == pytest.approx(10 / 0.01, rel=0.03)
    assert "-4.8 % from the one that was stated" in result.stderr


def test_without_a_lattice_spots_and_gain_are_there(crystal_file: Path, command: Command):
    result = command("calibrate", crystal_file)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["pixel_size_nm"] is None
    assert found["spots"][0]["spacing_px"] == pytest.approx(0.2461 * np.sqrt(0.75) / 0.01, rel=0.01)
    assert "--lattice" in result.stderr


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--lattice", "Unobtainium"), 1, "No lattice is called"),
        (("--lattice", "Au", "--zone-axis", "11"), 2, "zone axis"),
        (("--dark-level", "much"), 2, "--dark-level"),
        (("--lattice", "graphene", "--roi", "900:950,900:950"), 1, "lies outside"),
        (("--lattice", "CeO2", "--zone-axis", "110"), 1, "spots are not those of CeO2"),
    ],
)
def test_what_cannot_be_done_is_said(crystal_file: Path, command: Command, options, code, words):
    result = command("calibrate", crystal_file, *options)
    assert result.exit_code == code
    assert words in " ".join(result.stderr.split())


@pytest.mark.usefixtures("no_pictures")
def test_preparation_is_applied_and_kept(dots_file: Path, dots_model: Path, command: Command, tmp_path: Path):
    arguments = ("analyze", dots_file, "--model", dots_model, "--session", tmp_path / "s.atomcount")
    result = command(*arguments, "--out", tmp_path / "a", "--hot-pixels", "--bad-frames", "2")
    assert result.exit_code == 0, result.stderr
    assert (read_analysis(tmp_path / "a").state[2] == -1).all()
    with Session.open(tmp_path / "s.atomcount") as session:
        assert (session.preparation.hot_pixels, session.preparation.bad_frames) == (True, (2,))
    result = command(*arguments, "--out", tmp_path / "b")  # the session remembers
    assert (read_analysis(tmp_path / "b").state[2] == -1).all()
    assert command(*arguments, "--out", tmp_path / "c", "--bad-frames", "x").exit_code == 2
    more = ("--no-hot-pixels", "--hot-sigma", "6", "--bad-frames", "none", "--rolling-frames", "5")
    result = command(*arguments, "--out", tmp_path / "d", *more, "--roi", "0:60,0:60")
    assert result.exit_code == 0, result.stderr
    assert (read_analysis(tmp_path / "d").state[2] >= 0).any()
    with Session.open(tmp_path / "s.atomcount") as session:
        ready = session.preparation
        assert (ready.hot_pixels, ready.hot_sigma, ready.bad_frames, ready.rolling_frames) == (
            False,
            6.0,
            (),
            5,
        )
        session.undo()
        assert session.preparation.rolling_frames == 5 or session.preparation.hot_pixels


@pytest.mark.usefixtures("no_pictures")
def test_a_stated_dark_level_is_taken_off_and_kept(
    dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    movie = open_movie(dots_file)
    lifted = tmp_path / "lifted.tif"
    write_tiff(lifted, np.stack([frame for _, frame in movie.frames()]) + np.uint16(40), movie.calibration)
    stated = ("--dark-level", "40", "--beam-level", "140", "--session", tmp_path / "s.atomcount")
    for path, name, options in (
        (dots_file, "plain", ("--beam-level", "100")),
        (lifted, "lifted", ("--beam-level", "100")),
        (lifted, "stated", stated),
        (lifted, "kept", stated[2:]),  # the session remembers
    ):
        result = command("analyze", path, "--model", dots_model, "--out", tmp_path / name, *options)
        assert result.exit_code == 0, result.stderr
    plain, other, *same = (read_analysis(tmp_path / n).columns for n in ("plain", "lifted", "stated", "kept"))
    for one in same:
        pd.testing.assert_frame_equal(one, plain)
    assert not other.equals(plain)
    assert json.loads((tmp_path / "kept" / "summary.json").read_text())["preparation"]["dark_level"] == 40
    wrong = ("--out", tmp_path / "no", "--dark-level")
    assert command("analyze", lifted, "--model", dots_model, *wrong, "nan").exit_code == 2
    refused = command("analyze", lifted, "--model", dots_model, *wrong, "200", "--beam-level", "140")
    assert refused.exit_code == 1
    assert "not above the dark level of 200" in refused.stderr


def test_the_dark_level_is_measured_and_named(command: Command, tmp_path: Path):
    """Columns of gold's spacing, 40 electrons a pixel of 5 counts each, 120 counts without any."""
    yy, xx = np.mgrid[:256, :256] * 0.02
    image = 40 * (1 - 0.6 * (np.cos(np.pi * yy / 0.2355) * np.cos(np.pi * xx / 0.2884)) ** 2)
    counts = 120 + 5 * np.random.default_rng(0).poisson(image, (6, 256, 256))
    path = tmp_path / "lifted.tif"
    write_tiff(path, counts.astype(np.uint16), Calibration(pixel_size_nm=(0.02, 0.02)))
    found = {level: command("calibrate", path, "--dark-level", level) for level in ("0", "120", "auto")}
    assert all(result.exit_code == 0 for result in found.values()), found["0"].stderr
    said = {level: json.loads(result.stdout) for level, result in found.items()}
    dark = said["0"]["dark_level"]
    assert dark["value"] == pytest.approx(120, abs=3 * dark["error"])
    assert dark["error"] < 10
    assert [said[level]["dark_level"]["fits"] for level in found] == [False, True, True]
    assert "not at 0: gain" in " ".join(found["0"].stderr.split())
    assert "electrons begin" not in found["120"].stderr + found["auto"].stderr
    assert said["120"]["gain"]["value"] == pytest.approx(5, rel=0.05)
    assert said["auto"]["gain"]["value"] == pytest.approx(5, rel=0.1)
    assert said["0"]["gain"]["value"] < 4
    write_tiff(path, (counts - 120).astype(np.uint16), Calibration(pixel_size_nm=(0.02, 0.02)))
    sound = json.loads(command("calibrate", path, "--dark-level", "auto").stdout)
    assert sound["dark_level"]["taken_off"] == sound["gain"]["dark_level"] == 0


def test_a_stated_dark_level_counts_with_a_stated_gain(command: Command, tmp_path: Path):
    """A single frame without vacuum: it says nothing of the gain, so that it has to be stated."""
    yy, xx = np.mgrid[:128, :128] * 0.02
    image = 120 + 5 * 40 * (1 - 0.6 * (np.cos(np.pi * yy / 0.2355) * np.cos(np.pi * xx / 0.2884)) ** 2)
    path = tmp_path / "one.tif"
    write_tiff(path, image.astype(np.uint16)[None], Calibration(pixel_size_nm=(0.02, 0.02)))
    dose = {}
    for level in ("0", "120"):
        result = command("calibrate", path, "--gain", "5", "--dark-level", level)
        assert result.exit_code == 0, result.stderr
        found = json.loads(result.stdout)
        assert found["gain"] is None
        dose[level] = found["dose_e_per_A2"]["value"]
    assert dose["0"] - dose["120"] == pytest.approx(120 / 5 / 0.04, rel=0.01)


def test_the_average_lies_under_the_figures_and_the_network_sees_single_frames(
    dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    for name, options in (("single", ()), ("mean", ("--rolling-frames", "5"))):
        result = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / name, *options)
        assert result.exit_code == 0, result.stderr
    single, mean = (read_analysis(tmp_path / name) for name in ("single", "mean"))
    pd.testing.assert_frame_equal(single.columns, mean.columns)
    pictures = [(tmp_path / name / "counts.png").read_bytes() for name in ("single", "mean")]
    assert pictures[0] != pictures[1]


@pytest.mark.usefixtures("no_pictures")
def test_a_region_and_a_mask_of_the_session_can_be_left(
    dots_file: Path, dots_model: Path, command: Command, tmp_path: Path
):
    arguments = ("analyze", dots_file, "--model", dots_model, "--session", tmp_path / "s.atomcount")
    assert command(*arguments, "--out", tmp_path / "a", "--roi", "0:50,0:50").exit_code == 0
    assert command(*arguments, "--out", tmp_path / "b").exit_code == 0
    result = command(*arguments, "--out", tmp_path / "c", "--roi", "whole", "--mask", "none")
    assert result.exit_code == 0, result.stderr
    number = [len(read_analysis(tmp_path / name).columns) for name in "abc"]
    assert number[0] == number[1] < number[2]


def test_a_small_particle_is_measured_by_a_smaller_lattice(command: Command):
    """The bundled gold particle, relaxed in the simulation; the pixel is 0.02 nm."""
    from napari_atomcount.resources import sample_movie

    found = {}
    for name, options in (("small", ()), ("bulk", ("--as-bulk",))):
        result = command("calibrate", sample_movie(), "--lattice", "Au", "--frames", "0:12", *options)
        assert result.exit_code == 0, result.stderr
        found[name] = json.loads(result.stdout)["pixel_size_nm"]
        words = " ".join(result.stderr.split())
        assert ("smaller than the bulk's (surface stress" in words) == (name == "small")
    small, bulk = found["small"], found["bulk"]
    assert small["mean"] == pytest.approx(0.02, rel=0.005)
    assert small["small_crystal"]["mean_as_bulk"] == pytest.approx(bulk["mean"])
    assert small["small_crystal"]["diameter_nm"] == pytest.approx(3.2, abs=0.5)
    assert abs(small["mean"] - 0.02) < 2 * small["mean_error"]
    assert small["mean_error"] > 2 * bulk["mean_error"]  # what the lattice is, is what is uncertain
    assert bulk["small_crystal"] is None
