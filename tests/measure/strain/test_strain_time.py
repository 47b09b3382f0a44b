"""Time averages: errors that fall with the root of the frames, drift that makes no strain, series."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.strain_time import against_time, average_positions, spread_over_frames
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records.calibration import Calibration

GOLD = [load_structure("fcc110:0.4078")]
NM = Calibration(pixel_size_nm=0.02)


def movie(scenes, frames, stated=0.2, sigma=0.2, seed=0):
    """Positions (frame, site_id, y, x, sigmas) of a drifting particle, the drift known but for a rest."""
    rng = np.random.default_rng(seed)
    still = scenes.table_of(scenes.fcc110(radius=1.2))
    parts, drift = [], []
    for t in range(frames):
        dy, dx = 0.7 * t, -0.3 * t
        rest = rng.normal(scale=0.5, size=2)  # an error of the drift moves all columns alike
        noise = sigma * rng.normal(size=(len(still), 2))
        parts.append(
            pd.DataFrame(
                {
                    "frame": t,
                    "site_id": np.arange(len(still)),
                    "y": still.y + dy + rest[0] + noise[:, 0],
                    "x": still.x + dx + rest[1] + noise[:, 1],
                    "y_sigma": stated,
                    "x_sigma": stated,
                }
            )
        )
        drift.append({"frame": t, "dy": dy, "dx": dx, "confidence": 1.0})
    return pd.concat(parts, ignore_index=True), pd.DataFrame(drift), still


@pytest.mark.parametrize("frames", [1, 4, 36])
def test_errors_of_the_average_fall_with_the_root_of_the_frames(scenes, frames):
    positions, drift, _ = movie(scenes, frames)
    mean = average_positions(positions, drift)
    assert mean.y_sigma.median() == pytest.approx(0.2 / np.sqrt(frames), rel=0.15)
    table = strain_table(mean, GOLD, NM, reference="absolute", frame=-1).table
    pull = (table.planar / table.sigma_planar).dropna()
    assert np.sqrt(np.mean(pull**2)) == pytest.approx(1.0, abs=0.25)
    assert (table.frame == -1).all()


def test_the_spread_over_frames_corrects_errors_that_were_stated_wrong(scenes):
    positions, drift, _ = movie(scenes, 25, stated=0.05, sigma=0.2)
    mean = average_positions(positions, drift)
    assert mean.x_sigma.median() == pytest.approx(0.2 / 5, rel=0.2)
    unknown = positions.assign(y_sigma=np.nan, x_sigma=np.nan)
    assert average_positions(unknown, drift).x_sigma.median() == pytest.approx(0.2 / 5, rel=0.2)


def test_rare_sites_and_columns_without_a_site_are_left_out(scenes):
    positions, drift, _ = movie(scenes, 10)
    rare = positions[(positions.site_id != 0) | (positions.frame == 3)]
    rare = rare.assign(site_id=rare.site_id.where(rare.site_id != 1, -1))
    mean = average_positions(rare, drift, min_occurrence=0.2)
    assert {0, 1, -1}.isdisjoint(mean.site_id)
    assert len(average_positions(positions.assign(site_id=-1), drift)) == 0


def test_series_of_a_region_and_the_spread_of_each_site(scenes):
    positions, _, still = movie(scenes, 12)
    parts = []
    for frame, own in positions.groupby("frame"):
        stretched = own.assign(x=own.x * (1 + 0.001 * frame))
        parts.append(
            strain_table(stretched.reset_index(drop=True), GOLD, NM, reference="absolute", frame=frame).table
        )
    table = pd.concat(parts, ignore_index=True)
    inner = np.flatnonzero(np.hypot(still.y - 200, still.x - 200) < 40)
    series = against_time(table, inner, "exx")
    slope, _ = np.polyfit(series.frame, series.exx, 1)
    assert slope == pytest.approx(0.001, abs=2e-4)
    assert (series["columns"] == len(inner)).all()
    spread = spread_over_frames(table, "eyy")
    assert (spread.spread / spread.stated).median() == pytest.approx(1.0, abs=0.15)
    with pytest.raises(ValueError, match="no component"):
        against_time(table, inner, "ezz")
