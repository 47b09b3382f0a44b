"""Figures of strain: what is written, what is drawn as unsure, and what lies outside the particle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.io.strain_figures import (
    artefact_figure,
    even_limit,
    interpolated,
    strain_colours,
    strain_figure,
    write_strain_figures,
)
from napari_atomcount.io.strain_plots import profile_figure
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration

NM = Calibration(pixel_size_nm=0.02)


@pytest.fixture
def table() -> pd.DataFrame:
    y, x = (n.ravel() for n in np.meshgrid(np.arange(20.0, 90, 12), np.arange(20.0, 90, 12)))
    n = len(y)
    values = {
        "exx": 0.001 * (x - 50) / 10,
        "eyy": 0.002,
        "exy": 0.0,
        "rotation": 3.0 + 0.1 * y,
        "planar": 0.02,
    }
    sigmas = {f"sigma_{name}": 0.001 for name in values}
    rows = pd.DataFrame(
        {
            "frame": -1,
            "site_id": np.arange(n),
            "y": y,
            "x": x,
            **values,
            **sigmas,
            "rmsd": 0.01,
            "n_matched": 6,
        }
    )
    rows.loc[0, [*values, *sigmas]] = np.nan
    return tables.conform(rows.assign(template="fcc110:Au", reference="absolute"), tables.STRAIN)


def collections(figure) -> list[int]:
    """Number of discs in each collection on the map."""
    return [len(c.get_offsets()) for c in figure.axes[0].collections]


def test_discs_below_their_error_are_small_and_unknown_ones_hollow(table):
    sure = strain_figure(np.zeros((100, 100)), table, NM)
    assert collections(sure) == [len(table) - 1, 1]
    unsure = table.assign(sigma_planar=np.where(table.x > 50, 0.1, 0.001))
    parts = collections(strain_figure(np.zeros((100, 100)), unsure, NM))
    assert len(parts) == 3
    assert sum(parts) == len(table)
    assert "relative to: absolute" in sure.axes[0].get_title()
    assert (
        len(strain_figure(np.zeros((100, 100)), table, NM, "rotation", axes_of_strain=True).axes[0].lines)
        > 10
    )


def test_the_scale_is_symmetric_and_its_middle_is_light():
    ends = strain_colours(np.array([-2.0, 0.0, 2.0, np.nan]), 2.0)
    assert ends[0, 2] > ends[0, 0]  # compressed is blue
    assert ends[2, 0] > ends[2, 2]  # stretched is red
    assert ends[1, :3].min() > 0.8
    assert even_limit(np.array([np.nan])) == 1.0


def test_the_map_between_columns_is_clipped_to_the_particle(table):
    exx = interpolated(table, "exx", (100, 100))
    assert np.isnan(exx[:15]).all()
    assert np.isnan(exx[:, 85:]).all()
    assert exx[50, 50] == pytest.approx(0.0, abs=1e-4)
    assert exx[50, 70] == pytest.approx(0.002, abs=1e-4)
    assert np.isnan(interpolated(table.iloc[:2], "exx", (100, 100))).all()


def test_files_are_written_and_nothing_without_a_time_average(table, tmp_path):
    written = write_strain_figures(table, np.zeros((100, 100)), NM, tmp_path)
    assert {p.name for p in written} == {
        f"strain{k}.{e}" for k in ("", "_components") for e in ("png", "svg")
    }
    assert all(p.stat().st_size > 5000 for p in written)
    assert write_strain_figures(table.assign(frame=0), np.zeros((100, 100)), NM, tmp_path) == []


def test_profile_and_artefact(table):
    profile = pd.DataFrame(
        {"distance_px": [1.0, 5.0], "exx": [0.0, 0.01], "eyy": 0.0, "sigma_exx": 0.001, "sigma_eyy": 0.001}
    )
    assert profile_figure(profile, NM).axes[0].get_xlabel() == "distance (nm)"
    artefact = table[["y", "x", "planar", "exx", "eyy", "exy", "rotation"]]
    title = artefact_figure(np.zeros((100, 100)), artefact, NM, limit=2.0).axes[0].get_title()
    assert "without strain" in title
