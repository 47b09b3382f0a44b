"""What an analysis says of time, written and drawn; a comparison; a line along a facet."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from click.testing import Result
from typer.testing import CliRunner

from napari_atomcount.cli.app import app
from napari_atomcount.io.logs import Log
from napari_atomcount.io.tables import write_analysis
from napari_atomcount.pipeline import time_output
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

CALIBRATION = Calibration(pixel_size_nm=(0.02, 0.02), frame_time_s=0.5, dose_e_per_A2=310.0)
FRAMES, SIDE = 30, 6


def made(seed: int = 0, rate: float = 0.1, frames: int = FRAMES) -> Analysis:
    """A square of 36 sites whose first row hops."""
    rng = np.random.default_rng(seed)
    n = SIDE * SIDE
    y, x = np.divmod(np.arange(n), SIDE) * np.array([[12.0], [12.0]]) + 10
    moves = (rng.random((frames, n)) < rate) & (np.arange(n) < SIDE)
    state = np.where(np.cumsum(moves, axis=0) % 2, 0, 3).astype(np.int8)
    t, s = np.nonzero(state[1:] != state[:-1])
    events = pd.DataFrame(
        {"frame": t + 1, "time_s": (t + 1) * 0.5, "site_id": s,
         "kind": np.where(state[1:][t, s] > 0, "appear", "vanish"), "before": state[:-1][t, s].astype(int),
         "after": state[1:][t, s].astype(int), "probability": 0.95}
    )  # fmt: skip
    share = (state > 0).mean(0)
    sites = pd.DataFrame(
        {"site_id": np.arange(n), "y": y, "x": x, "y_nm": y * 0.02, "x_nm": x * 0.02, "lattice_id": 0, "h": 0,
         "k": 0, "coordination": np.where(np.arange(n) < SIDE, 3, 4), "label": "column", "occupancy": share,
         "occupancy_low": np.clip(share - 0.1, 0, 1), "occupancy_high": share,
         "n_events": np.bincount(s, minlength=n),
         "event_rate_per_s": 0.1, "mean_count": 3.0}
    )  # fmt: skip
    return Analysis(
        columns=tables.empty(tables.COLUMNS),
        sites=tables.conform(sites, tables.SITES),
        events=tables.conform(events, tables.EVENTS),
        drift=tables.conform(
            pd.DataFrame({"frame": np.arange(frames), "dy": 0.0, "dx": 0.0, "confidence": 1.0}), tables.DRIFT
        ),
        state=state,
        probability=(state > 0).astype(np.float32),
        site_id=np.arange(n),
        frame=np.arange(frames),
        summary={
            "calibration": CALIBRATION.model_dump(mode="json"),
            "warnings": [],
            "totals": {},
            "versions": {},
            "command": "",
            "settings": {},
            "model": {},
        },
    ).validate()


def movie(frames: int = FRAMES) -> Movie:
    return Movie(
        np.random.default_rng(0).poisson(9, (frames, 90, 90)).astype(np.uint8), CALIBRATION, "square"
    )


@pytest.fixture
def log():
    return Log(
        "ramp.csv", np.array([0.0, 5.0, 20.0]), {"T": np.array([20.0, 120.0, 120.0])}, {"T": "°C"},
        datetime(2026, 3, 1),
    )  # fmt: skip


def test_tables_and_figures_are_written(tmp_path, log):
    analysis = made()
    written = time_output.write_in_time(analysis, movie(), tmp_path, log)
    names = {path.name for path in written}
    assert {"event_rate.csv", "hops.csv", "dwell.csv", "survival.csv", "atoms.csv", "occurrence.png",
            "event_rate.png", "dwell.svg", "atoms.png", "events_by_coordination.png"} <= names  # fmt: skip
    assert {"drift.png", "adatoms.csv", "adatom_tracks.csv"} <= names
    assert all(path.stat().st_size > 40 for path in written)
    rates = pd.read_csv(tmp_path / "event_rate.csv")
    assert rates["n_events"].sum() == len(analysis.events)
    assert (rates["low"] <= rates["rate"]).all()
    atoms = pd.read_csv(tmp_path / "atoms.csv")
    assert atoms["T (°C)"].iloc[5] == pytest.approx(70)
    assert atoms["atoms"].tolist() == analysis.state.sum(axis=1).tolist()


def test_too_short_a_movie_has_no_rates(tmp_path):
    assert time_output.write_in_time(made(frames=2), movie(2), tmp_path) == []


def test_a_kymograph_along_the_hopping_row(tmp_path):
    analysis = made()
    time_output.write_kymograph(analysis, CALIBRATION, [(10.0, 5.0), (10.0, 75.0)], tmp_path)
    table = pd.read_csv(tmp_path / "kymograph.csv")
    assert table["site_id"].tolist() == list(range(SIDE))
    np.testing.assert_array_equal(
        table[[str(t) for t in range(FRAMES)]].to_numpy(), analysis.state[:, :SIDE].T
    )
    assert (tmp_path / "kymograph.png").stat().st_size > 1000


def run(*arguments) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_two_analysed_movies_are_compared(tmp_path):
    for name, rate, seed in (("vacuum", 0.05, 1), ("oxygen", 0.3, 2)):
        write_analysis(made(seed, rate), tmp_path / name)
    result = run("compare", tmp_path / "vacuum", tmp_path / "oxygen", "--out", tmp_path / "both")
    assert result.exit_code == 0, result.output
    assert "event rate" in result.output
    table = pd.read_csv(tmp_path / "both" / "comparison.csv").set_index(["what", "group"])
    row = table.loc[("event rate", "all")]
    assert row["low"] > 1
    assert row["p"] < 0.01
    assert (tmp_path / "both" / "comparison.png").stat().st_size > 1000
    doses = pd.read_csv(tmp_path / "both" / "kinetics.csv")
    assert doses["movie"].tolist() == ["vacuum", "oxygen"]
    assert doses["dose_rate_e_per_A2_s"].tolist() == [620, 620]


def test_what_is_no_analysis_is_said(tmp_path):
    result = run("compare", tmp_path, tmp_path, "--out", tmp_path / "both")
    assert result.exit_code == 1
    assert "holds no analysis" in result.stderr


def test_classes_have_their_brightness_written_and_drawn(tmp_path):
    from dataclasses import replace

    from napari_atomcount.pipeline.pictures import Asked, write_picture

    analysis = made()
    label = np.where(np.arange(SIDE * SIDE) % 2, "O", "Ce")
    rng = np.random.default_rng(0)
    two = replace(
        analysis,
        sites=analysis.sites.assign(label=label),
        intensity=rng.normal(0.3, 0.05, analysis.state.shape).astype(np.float32),
    )
    names = {path.name for path in time_output.write_in_time(two, movie(), tmp_path)}
    assert {"intensity_by_label.csv", "intensity_by_label.png", "events_by_label.png"} <= names
    table = pd.read_csv(tmp_path / "intensity_by_label.csv")
    assert set(table["label"]) == {"Ce", "O"}
    assert (table["n_sites"] == 18).all()
    written = write_picture("intensity", Asked(two, CALIBRATION), tmp_path / "brightness.svg")
    assert "O (18 sites)" in written.read_text()
    assert write_picture("classes", Asked(two, CALIBRATION), tmp_path / "classes.png").exists()
