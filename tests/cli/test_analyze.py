"""Integration tests of the main job from the command line: a real, hand-written network on a small movie."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import Result

from napari_atomcount import pipeline
from napari_atomcount.cli.job import to_file_pixels
from napari_atomcount.io.tables import read_analysis

Command = Callable[..., Result]

# of the movie that conftest.py makes
PIXEL_NM = 0.02
FRAMES, SIDE = 10, 96
HOPPER = (31.0, 31.0)
GONE = range(4, 7)


@pytest.fixture(scope="module")
def analysed(
    dots_file: Path, dots_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """One analysis with all defaults and maps; its folder and summary."""
    from typer.testing import CliRunner

    from napari_atomcount.cli.app import app

    out = tmp_path_factory.mktemp("analysed")
    arguments = ["analyze", dots_file, "--model", dots_model, "--out", out, "--maps", "--kv", "300"]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.stderr
    return out, json.loads((out / "summary.json").read_text())


def test_everything_is_written(analysed: tuple[Path, dict[str, Any]]) -> None:
    out, summary = analysed
    names = {path.name for path in out.iterdir()}
    tables = {f"{n}.{kind}" for n in ("columns", "sites", "events", "drift") for kind in ("csv", "parquet")}
    pictures = {f"{n}.{kind}" for n in ("counts", "occupancy", "events", "trace") for kind in ("png", "svg")}
    plots = ("atoms", "dwell", "event_rate", "events_by_coordination", "occurrence")
    in_time = {f"{n}.csv" for n in (*plots[:4], "hops", "survival")}
    in_time |= {f"{n}.{kind}" for n in (*plots, "drift") for kind in ("png", "svg")}
    in_time |= {"adatoms.csv", "adatom_tracks.csv"}
    names -= {"adatoms.png", "adatoms.svg"}  # where there are free adatoms
    assert names == tables | pictures | in_time | {"occupancy.npz", "summary.json", "confidence.tif"}
    keys = {"versions", "command", "settings", "calibration", "model", "domain", "warnings", "seconds"}
    assert keys <= set(summary)
    assert summary["complete"] is True
    assert summary["calibration"]["sources"]["pixel_size_nm"] == "file"
    assert summary["calibration"]["sources"]["kv"] == "user"


def test_the_event_is_found_and_nothing_else(analysed: tuple[Path, dict[str, Any]]) -> None:
    analysis = read_analysis(analysed[0])
    assert list(zip(analysis.events["frame"], analysis.events["kind"], strict=True)) == [
        (GONE.start, "vanish"),
        (GONE.stop, "appear"),
    ]
    site = analysis.sites.set_index("site_id").loc[analysis.events["site_id"][0]]
    assert (site["y"], site["x"]) == pytest.approx(HOPPER, abs=1.5)
    assert site["occupancy"] == pytest.approx((FRAMES - len(GONE)) / FRAMES)
    assert len(analysis.sites) == 16


def test_maps_lie_on_the_movie(analysed: tuple[Path, dict[str, Any]]) -> None:
    confidence = tifffile.imread(analysed[0] / "confidence.tif")
    assert confidence.shape == (FRAMES, SIDE, SIDE)
    assert confidence.dtype == np.float32
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    columns = pd.read_csv(analysed[0] / "columns.csv").query("frame == 0")
    at_columns = confidence[0][columns["y"].round().astype(int), columns["x"].round().astype(int)]
    assert at_columns.min() > 0.4
    assert np.median(confidence[0]) < 0.1


def test_map_pixels_go_where_their_centres_are() -> None:
    values = np.arange(8, dtype=np.float32)[None, :].repeat(4, 0)
    moved = to_file_pixels(values, (2.0, 2.0), (8, 16))
    # map pixel 3 has its centre at (3 + 0.5) * 2 - 0.5 = 6.5
    assert moved[4, 6:8].mean() == pytest.approx(3.0)
    assert np.diff(moved[4, 2:14]) == pytest.approx(0.5)


@pytest.mark.usefixtures("no_pictures")
def test_options_arrive(command: Command, dots_file: Path, dots_model: Path, tmp_path: Path) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 64:] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    result = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "out"),
        *("--pixel-size-nm", "0.021,0.020", "--frame-time-s", "2", "--dose-e-per-A2", "9000", "--gain", "3"),
        *("--material", "Au", "--kv", "300", "--frames", "2:8", "--roi", "24:96,0:96"),
        *("--mask", tmp_path / "mask.tif", "--no-drift", "--false-events", "0.5", "--threshold", "0.6"),
        *("--device", "cpu"),
    )
    assert result.exit_code == 0, result.stderr
    analysis = read_analysis(tmp_path / "out")
    summary = analysis.summary
    assert summary["calibration"]["pixel_size_nm"] == [0.021, 0.020]
    assert summary["calibration"]["frame_time_s"] == 2
    assert summary["calibration"]["dose_e_per_A2"] == 9000
    assert summary["calibration"]["gain"] == 3
    assert set(summary["calibration"]["sources"].values()) == {"user"}
    assert summary["settings"]["drift"]["enabled"] is False
    assert summary["settings"]["occupancy"]["false_events_per_1000"] == 0.5
    assert summary["model"]["threshold"] == 0.6
    assert analysis.columns["score"].min() >= 0.6
    assert analysis.frame.tolist() == list(range(2, 8))  # numbered as in the source
    assert analysis.columns["x"].max() < 64
    assert (analysis.drift[["dy", "dx"]] == 0).all(axis=None)
    assert (analysis.events["time_s"] == 2.0 * analysis.events["frame"]).all()
    assert summary["command"].startswith("napari-atomcount")


@pytest.mark.usefixtures("no_pictures")
def test_several_movies_go_to_their_own_folders(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    second = tmp_path / "other.tif"
    shutil.copyfile(dots_file, second)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(b"no")
    out = tmp_path / "out"
    options = ("--model", dots_model, "--out", out, "--frames", ":3")
    result = command("analyze", dots_file, broken, second, *options)
    assert result.exit_code == 1  # one failed, but the others are there
    assert "1 of 3" in result.stderr
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == ["dots", "other"]
    assert (out / "other" / "summary.json").is_file()
    twice = command("analyze", dots_file, dots_file, *options)
    assert twice.exit_code == 1
    assert "dots.tif" in twice.stderr


@pytest.mark.usefixtures("no_pictures")
def test_ctrl_c_keeps_what_is_finished(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.LogitStore.add

    def add(self: pipeline.LogitStore, result: pipeline.FrameResult) -> None:
        real(self, result)
        if result.frame == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(pipeline.LogitStore, "add", add)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out"
    result = command("analyze", dots_file, "--model", dots_model, "--out", out)
    assert result.exit_code == 1
    assert "stopped by Ctrl-C after 4 frames" in result.stderr
    analysis = read_analysis(out)
    assert analysis.frame.tolist() == [0, 1, 2, 3]
    assert analysis.summary["complete"] is False
    assert not [path for path in out.iterdir() if path.name.endswith(".part")]
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.usefixtures("no_pictures")
def test_outside_the_domain_it_runs_and_says_so(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    options = ("--frames", ":3", "--material", "Cu", "--kv", "80")
    result = command("analyze", dots_file, "--model", dots_model, "--out", out, *options)
    assert result.exit_code == 0
    warnings = json.loads((out / "summary.json").read_text())["warnings"]
    assert warnings
    for text in warnings:
        assert f"warning: {text}" in result.stderr


@pytest.mark.usefixtures("no_pictures")
def test_a_pixel_size_of_two_axes_reaches_the_tables(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    size = f"{PIXEL_NM},{1.1 * PIXEL_NM}"
    options = ("--pixel-size-nm", size, "--frames", ":2")
    result = command("analyze", dots_file, "--model", dots_model, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    columns = pd.read_csv(out / "columns.csv")
    np.testing.assert_allclose(columns["x_nm"], columns["x"] * 1.1 * PIXEL_NM)
    np.testing.assert_allclose(columns["y_nm"], columns["y"] * PIXEL_NM)
