"""Strain tables against deformations that were put in: signs, references, errors, grains, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.facets import facets_of_matched, find_facets, surface_relaxation
from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.strain_reference import parse_reference
from napari_atomcount.measure.strain_views import line_profile, principal, resolved, significant
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError

NM = Calibration(pixel_size_nm=0.02)
GOLD = [load_structure("fcc110:0.4078")]
STRETCH = np.array([[1.02, 0.005], [0.005, 0.99]])  # exx, eyy, exy in the image's axes


@pytest.mark.parametrize("degrees", [0.0, 10.0, -25.0, 80.0])
def test_strain_and_rotation_have_the_contracts_axes_and_signs(scenes, degrees):
    columns = scenes.table_of(scenes.fcc110(), STRETCH @ scenes.turn(degrees))
    result = strain_table(columns, GOLD, NM, reference="absolute")
    tables.validate(result.table, tables.STRAIN)
    found = result.table.dropna(subset="exx")
    assert len(found) > 0.95 * len(columns)
    for name, value in {
        "exx": 0.02,
        "eyy": -0.01,
        "exy": 0.005,
        "planar": 0.005,
        "rotation": degrees,
    }.items():
        assert found[name].to_numpy() == pytest.approx(value, abs=1e-6 if name != "rotation" else 1e-4)
    assert not result.warnings
    assert set(found.reference) == {"absolute"}


def test_a_point_to_the_right_that_turns_up_turns_counter_clockwise(scenes):
    right = np.array([1.0, 0.0]) @ scenes.turn(10.0).T
    assert right[1] < 0  # up on the screen, where y points downwards


def test_references(scenes):
    columns = scenes.table_of(scenes.fcc110(), 1.03 * np.eye(2))
    absolute = strain_table(columns, GOLD, NM, reference="absolute").table
    assert absolute.planar.median() == pytest.approx(0.03)
    mean = strain_table(columns, GOLD, NM).table
    assert mean.planar.median() == pytest.approx(0.0, abs=1e-9)
    assert mean.reference.iloc[0] == "mean of each phase"
    sheared = scenes.table_of(scenes.fcc110(), STRETCH @ scenes.turn(30))
    region = strain_table(sheared, GOLD, NM, reference="region:150:250,150:250").table
    for name in ("exx", "eyy", "exy", "rotation"):
        assert region[name].dropna().to_numpy() == pytest.approx(0.0, abs=1e-4)
    assert region.reference.iloc[0] == "region 150:250,150:250"
    phase = strain_table(columns, GOLD, NM, reference="phase:fcc110:0.4078").table
    assert phase.planar.median() == pytest.approx(0.0, abs=1e-9)


def test_a_region_on_one_half_shows_the_other_half(scenes):
    points = scenes.fcc110(radius=2.4, shape="box")
    left, right = points[points[:, 0] < 0], points[points[:, 0] >= 0] @ np.diag([1.02, 1.02])
    columns = scenes.table_of(np.vstack([left, right]))
    found = strain_table(columns, GOLD, NM, reference="region:100:300,80:190").table
    assert found.planar[found.x > 240].median() == pytest.approx(0.02, abs=1e-4)


@pytest.mark.parametrize(
    "words", ["nothing", "absolute:1", "region:1:2", "region:5:1,0:9", "region:a:b,c:d", "phase"]
)
def test_a_reference_that_is_none_is_said_in_words(words):
    with pytest.raises(InputError, match="no strain reference"):
        parse_reference(words)


def test_a_reference_without_columns_is_said_in_words(scenes):
    columns = scenes.table_of(scenes.fcc110())
    with pytest.raises(InputError, match="holds no column"):
        strain_table(columns, GOLD, NM, reference="region:0:5,0:5")
    with pytest.raises(InputError, match="is no reference"):
        strain_table(columns, GOLD, NM, reference="phase:fcc110:Pt")


def test_an_absolute_reference_without_sizes_says_so_and_is_relative(scenes):
    columns = scenes.table_of(scenes.fcc110(), 1.03 * np.eye(2))
    unknown = strain_table(columns, GOLD, Calibration(), reference="absolute")
    assert any("pixel size is not known" in text for text in unknown.warnings)
    assert any("absolute reference needs" in text for text in unknown.warnings)
    assert unknown.table.planar.median() == pytest.approx(0, abs=1e-9)
    shapeless = strain_table(columns, [load_structure("fcc110")], NM, reference="absolute")
    assert any("template's size" in text for text in shapeless.warnings)


def test_pixels_that_are_not_square_are_used_and_said(scenes):
    columns = scenes.table_of(scenes.fcc110())
    columns = columns.assign(y=columns.y / 2)
    result = strain_table(columns, GOLD, Calibration(pixel_size_nm=(0.04, 0.02)), reference="absolute")
    assert result.table.dropna().exx.to_numpy() == pytest.approx(0, abs=1e-6)
    assert any("not square" in text for text in result.warnings)


@pytest.mark.parametrize("wrong", ["square:0.25", "hexagonal", "graphene", "fcc100:Au"])
def test_a_template_of_the_wrong_zone_axis_is_doubted(scenes, wrong):
    columns = scenes.table_of(scenes.fcc110(), noise_px=0.1)
    said = strain_table(columns, [load_structure(wrong)], NM).warnings
    assert any("wrong zone axis" in text for text in said)
    assert not strain_table(columns, GOLD, NM).warnings


def test_standard_errors_are_those_of_many_noisy_copies(scenes):
    points, sigma = scenes.fcc110(radius=0.9), 0.15
    clean = scenes.table_of(points, STRETCH @ scenes.turn(20))
    clean = clean.assign(y_sigma=sigma, x_sigma=sigma)
    rng = np.random.default_rng(0)
    names = ["exx", "eyy", "exy", "rotation", "planar"]
    runs = []
    for _ in range(300):
        moved = clean.assign(
            y=clean.y + sigma * rng.normal(size=len(clean)), x=clean.x + sigma * rng.normal(size=len(clean))
        )
        runs.append(strain_table(moved, GOLD, NM, reference="absolute").table)
    spread = np.std([r[names].to_numpy() for r in runs], axis=0)
    stated = runs[0][[f"sigma_{n}" for n in names]].to_numpy()
    same = runs[0].n_matched >= 3
    assert spread[same] == pytest.approx(stated[same], rel=0.25)
    assert np.median(spread[same] / stated[same]) == pytest.approx(1.0, abs=0.05)


def test_errors_that_are_missing_come_from_the_residuals(scenes):
    columns = scenes.table_of(scenes.fcc110(), noise_px=0.2)
    found = strain_table(columns, GOLD, NM).table
    stated = strain_table(columns.assign(y_sigma=0.2, x_sigma=0.2), GOLD, NM).table
    ratio = (found.sigma_planar / stated.sigma_planar).dropna()
    assert ratio.median() == pytest.approx(1.0, abs=0.12)


def test_grains_and_a_twin_need_no_input(scenes):
    parts, true = [], []
    for centre, degrees in ((-2.2, 7.0), (2.2, 77.5)):  # a twin is turned by 70.5°
        parts.append(scenes.fcc110(radius=1.8) @ scenes.turn(degrees).T + [centre, 0])
        true.append(np.full(len(parts[-1]), degrees))
    columns = scenes.table_of(np.vstack(parts))
    found = strain_table(columns, GOLD, NM, reference="absolute").table
    error = np.mod(found.rotation - np.concatenate(true) + 90, 180) - 90
    assert np.nanmax(np.abs(error)) < 0.01
    assert found.planar.abs().max() < 1e-6


def test_a_line_along_the_strain_and_principal_axes(scenes):
    found = strain_table(
        scenes.table_of(scenes.fcc110(), np.diag([1.03, 0.98])), GOLD, NM, reference="absolute"
    )
    table = found.table.dropna()
    along = resolved(table, 0.0)
    assert along.parallel.to_numpy() == pytest.approx(0.03, abs=1e-6)
    assert along.normal.to_numpy() == pytest.approx(-0.02, abs=1e-6)
    tilted = resolved(table, 45.0)
    assert tilted.parallel.to_numpy() == pytest.approx(0.005, abs=1e-6)
    axes = principal(table)
    assert axes["first"].to_numpy() == pytest.approx(0.03, abs=1e-6)
    assert np.cos(np.radians(axes.axis_deg.to_numpy())) ** 2 == pytest.approx(1, abs=1e-6)


def test_a_sheared_diagonal_keeps_its_sign(scenes):
    shear = np.array(
        [[1.0, 0.01], [0.01, 1.0]]
    )  # stretches along +x +y: downwards to the right on the screen
    table = strain_table(
        scenes.table_of(scenes.fcc110(), shear), GOLD, NM, reference="absolute"
    ).table.dropna()
    assert resolved(table, -45.0).parallel.to_numpy() == pytest.approx(0.01, abs=1e-4)
    assert principal(table).axis_deg.to_numpy() == pytest.approx(-45.0, abs=0.1)


def test_significance_is_against_the_columns_own_error(scenes):
    columns = scenes.table_of(scenes.fcc110(), 1.004 * np.eye(2))
    table = strain_table(columns.assign(y_sigma=0.05, x_sigma=0.05), GOLD, NM, reference="absolute").table
    assert significant(table)[table.n_matched == 6].all()
    table = strain_table(columns.assign(y_sigma=1.0, x_sigma=1.0), GOLD, NM, reference="absolute").table
    assert not significant(table).any()


def test_a_profile_across_a_step(scenes):
    points = scenes.fcc110(radius=2.4, shape="box")
    right = points[:, 0] >= 0
    points = np.where(right[:, None], points * [1.04, 1.0], points)
    table = strain_table(scenes.table_of(points), GOLD, NM, reference="absolute").table
    profile = line_profile(table, (200, 100), (200, 300), 40, bins=10)
    assert profile.exx.iloc[1] == pytest.approx(0.0, abs=2e-3)
    assert profile.exx.iloc[-2] == pytest.approx(0.04, abs=2e-3)
    with pytest.raises(InputError, match="no length"):
        line_profile(table, (1, 1), (1, 1), 5)


def test_facets_and_the_relaxation_along_their_normals(scenes):
    points = scenes.fcc110(radius=1.5, shape="box")
    top = points[:, 1] < points[:, 1].min() + 0.05  # the uppermost row on the screen
    points[top, 1] += 0.05 * 0.2039  # 5 % of the distance of rows
    table = strain_table(scenes.table_of(points), GOLD, NM, reference="absolute").table
    facets = find_facets(table)
    up = [f for f in facets if abs(f.normal_deg - 90) < 5]
    assert len(up) == 1
    assert len(up[0].columns) == top.sum()
    inner = surface_relaxation(table, up).relaxation.to_numpy()
    assert np.nanmedian(inner) < -0.02  # compressed along the normal, shared with the neighbours below


def test_a_speck_beside_the_particle_is_no_corner_of_it(scenes):
    """Its facets are those of the columns that match; rows are those of the whole table."""
    points = scenes.fcc110(radius=1.5, shape="box")
    alone = strain_table(scenes.table_of(points), GOLD, NM, reference="absolute").table
    places = scenes.table_of(np.vstack([points.max(0) + 0.6, points]))
    beside = strain_table(places, GOLD, NM, reference="absolute").table
    assert np.isnan(beside.planar[0])
    wanted, found = facets_of_matched(alone), facets_of_matched(beside)
    assert [len(f.columns) for f in found] == [len(f.columns) for f in wanted]
    assert all((f.columns >= 1).all() for f in found)
    assert facets_of_matched(beside.iloc[:3]) == []


def test_a_table_of_too_few_columns_is_said_in_words():
    few = pd.DataFrame({"y": [0.0, 1.0], "x": [0.0, 3.0]})
    with pytest.raises(InputError, match="at least 4 columns"):
        strain_table(few, GOLD, NM)
    with pytest.raises(InputError, match="needs a template"):
        strain_table(few, [], NM)
