"""The strain benchmark: its truths against themselves, and a run in miniature from end to end."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from napari_atomcount.benchmark import (
    speed_strain,
    strain,
    strain_gaussians,
    strain_gold,
    strain_noise,
    strain_report,
    strain_whole,
)
from napari_atomcount.benchmark.strain_cases import BOND, SPACING, grains_case, smooth_case, steps_case


def test_the_smooth_truth_is_the_derivative_of_its_displacement():
    case = smooth_case(np.random.default_rng(0))
    truth = case.truth[case.truth.kind == "bulk"].reset_index(drop=True)
    places = truth[["y", "x"]].to_numpy()
    tree = cKDTree(places)
    checked = 0
    for i, place in enumerate(places):
        pairs = [tree.query(place + np.array([0, side * SPACING]))[1] for side in (-1, 1)]
        left, right = places[pairs[0]], places[pairs[1]]
        if abs(right[1] - left[1] - 2 * SPACING) < 2:  # both neighbours are there
            measured = np.hypot(*(right - left)) / (2 * SPACING) - 1
            assert measured == pytest.approx(truth.exx[i], abs=3e-3)
            checked += 1
    assert checked > 500
    assert truth.exx.abs().max() > 0.02


def test_the_steps_have_a_surface_a_vacancy_and_two_kinds_of_columns():
    truth = steps_case(np.random.default_rng(0)).truth
    assert set(truth.kind) == {"bulk", "edge", "border"}
    assert sorted(truth.eyy[truth.kind == "bulk"].round(4).unique()) == [-0.05, 0.0]


def test_the_grains_do_not_overlap():
    truth = grains_case(np.random.default_rng(0)).truth
    distance = cKDTree(truth[["y", "x"]]).query(truth[["y", "x"]], k=2)[0][:, 1]
    assert distance.min() > 0.65 * BOND
    assert truth.groupby("grain").size().min() > 150


def test_gaussians_meet_their_floors_with_one_image(monkeypatch):
    monkeypatch.setattr(strain_gaussians, "IMAGES", 2)
    table = pd.DataFrame(strain_gaussians.gaussian_rows(0) + strain_gaussians.grain_rows(0))
    floors = strain.strain_floors(table)
    assert len(floors) == 10
    for line in floors:
        if "noise variance 0.05" not in line["condition"] or "bulk" in line["figure"]:
            assert line["met"], line


def test_a_row_that_was_not_measured_makes_no_floor():
    empty = pd.DataFrame({"case": ["x"], "figure": ["y"], "value": [1.0]})
    empty = empty.reindex(
        columns=["case", "figure", "value", "method", "variance", "axis", "defocus_nm", "dose_e_per_A2"]
    )
    assert strain.strain_floors(empty) == []


@pytest.mark.slow
def test_a_run_in_miniature(monkeypatch, tmp_path):
    monkeypatch.setattr(strain, "gaussian_rows", lambda _seed: [])
    monkeypatch.setattr(strain, "grain_rows", lambda _seed: [])
    monkeypatch.setattr(strain_noise, "EXPOSURES", 2)
    monkeypatch.setattr(strain_noise, "DOSES", (1000.0, 1e4))
    monkeypatch.setattr(strain_noise, "WIENER_DOSES", (1e4,))
    monkeypatch.setattr(strain_noise, "WIENER_EXPOSURES", 1)
    monkeypatch.setattr(strain_noise, "SUM_FRAMES", (1, 8))
    monkeypatch.setattr(strain_gold, "TILTS_DEG", (0.0,))
    monkeypatch.setattr(strain_whole, "TILTS_DEG", (0.0, 3.0))
    for module in (strain_gold, strain_whole):
        monkeypatch.setattr(module, "DEFOCI_NM", (8.5,))
    for module in (strain, strain_gold, strain_whole):
        monkeypatch.setattr(module, "CELLS", {2.0: 40.0})
        monkeypatch.setattr(module, "MIDDLE_NM", 2.0)
    monkeypatch.setattr(speed_strain, "COLUMNS_TIMED", 4000)
    one, whole = strain.strain_scene, strain_whole.whole_rows
    for module in (strain, strain_gold):
        monkeypatch.setattr(
            module, "strain_scene", lambda *a: one(a[0], a[1], a[2], a[3], tmp_path / "cache", 4)
        )
    monkeypatch.setattr(strain, "whole_rows", lambda *a: whole(*a, relax_steps=2))
    result = strain.run_strain(1, 3, lambda *_: None, tmp_path / "cache")
    files = strain_report.write_strain(result, tmp_path, {"seed": 3})
    assert {p.name for p in files} == {
        "strain.csv",
        "strain.json",
        "strain.md",
        "strain-curves.png",
        "strain-maps.png",
    }
    rows = pd.read_csv(tmp_path / "strain.csv")
    assert (rows.seed == 3).all()
    assert {"particle, A, noise-free", "particle, A, with noise", "time average of frames"} <= set(rows.case)
    tilted = rows[(rows.case == strain_whole.CASE) & (rows.figure == "planar error, centre")]
    assert set(tilted.axis) == {"defocus", *strain_whole.AXES}
    assert tilted.value.max() < 0.5  # columns of seven atoms are not disturbed
    assert rows[rows.figure == "columns not measured"].value.max() == 0
    meant = rows[(rows.axis == "partial coherence") & (rows.figure == "planar error, bulk")]
    same = (rows.axis == "defocus") & (rows.defocus_nm == 8.5) & (rows.figure == "planar error, bulk")
    assert (meant.focal_mean == 1).all()
    assert len(meant) == 1
    assert 0 < meant.value.iloc[0] != rows[same & (rows.case == "particle, A, noise-free")].value.iloc[0]
    assert "a mean over focus" in (tmp_path / "strain.md").read_text(encoding="utf-8")
    assert rows.finder.str.startswith(strain_gold.FINDER).all()
    content = json.loads((tmp_path / "strain.json").read_text())
    assert {f["figure"] for f in content["floors"]} >= {"planar error, bulk, %", "95 % errors cover, %"}
    average = rows[(rows.case == "time average of frames") & (rows.figure == "noise part, bulk")].sort_values(
        "frames"
    )
    assert average.value.iloc[-1] < 0.7 * average.value.iloc[0]
