"""Strain of a small movie made of Gaussians: frames, time average, dark columns, frames without columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

from napari_atomcount.measure.strain import strain_table
from napari_atomcount.measure.templates import load_structure
from napari_atomcount.pipeline.perfect_fcc import VIEWS, build_atoms, lattice_constant_nm, perfect_places
from napari_atomcount.pipeline.strain_artefact import Conditions, zero_strain_artefact
from napari_atomcount.pipeline.straining import load_structures, measure_strain, strain_frames
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, StrainSettings

A, PIXEL_NM, SIDE, FRAMES = 0.4078, 0.02, 128, 6
EXX = 0.012
SETTINGS = AnalysisSettings(strain=StrainSettings(templates=("fcc110:0.4078",), reference="absolute"))
NM = Calibration(pixel_size_nm=PIXEL_NM, dose_e_per_A2=2000.0)


def columns_px() -> np.ndarray:
    """(y, x) of a stretched gold particle in [110], px."""
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)))
    points = np.column_stack([(h + k / 2) * A / np.sqrt(2), k * A / 2])
    points = points[np.hypot(*points.T) < 0.9] * [1 + EXX, 1.0]
    return points[:, ::-1] / PIXEL_NM + SIDE / 2


def made(sign: float = 1.0, blank: int | None = None) -> tuple[Movie, Analysis]:
    """A drifting movie, and an analysis whose columns lie beside their places."""
    rng = np.random.default_rng(3)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    frames, rows, drift = [], [], []
    for t in range(FRAMES):
        dy, dx = 0.8 * t, -0.5 * t
        places = columns_px() + np.array([dy, dx])
        spots = sum(np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * 2.2**2)) for y, x in places)
        frames.append(rng.poisson(80 * (1 + 0.7 * sign * spots).clip(0.02)))
        rough = places + rng.normal(scale=0.4, size=places.shape)
        if t != blank:
            rows += [(t, i, y, x) for i, (y, x) in enumerate(rough)]
        drift.append((t, dy, dx, 1.0))
    table = pd.DataFrame(rows, columns=["frame", "site_id", "y", "x"])
    table = table.assign(
        column_id=np.arange(len(table)), y_nm=np.nan, x_nm=np.nan, y_sigma=0.4, x_sigma=0.4, score=0.99,
        label="column", count=-1, count_prob=np.nan, count_low=-1, count_high=-1, origin="network",
    )  # fmt: skip
    n = len(columns_px())
    analysis = Analysis(
        tables.conform(table, tables.COLUMNS), tables.empty(tables.SITES), tables.empty(tables.EVENTS),
        pd.DataFrame(drift, columns=["frame", "dy", "dx", "confidence"]),
        np.ones((FRAMES, n), np.int8), np.ones((FRAMES, n), np.float32), np.arange(n), np.arange(FRAMES), {},
    )  # fmt: skip
    return Movie(np.array(frames, np.float32), NM, "made"), analysis


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["bright", "dark"])
def test_every_frame_and_the_time_average(sign):
    movie, analysis = made(sign)
    said = []
    found = measure_strain(analysis, movie, SETTINGS, progress=lambda *words: said.append(words))
    table = tables.validate(found.table, tables.STRAIN)
    assert not found.warnings
    assert set(table.frame) == {-1, *range(FRAMES)}
    assert said[-1] == ("strain", FRAMES + 1, FRAMES + 1)
    single, average = table[(table.frame >= 0) & (table.n_matched == 6)], table[table.frame == -1]
    inner = average[average.n_matched == 6]
    assert inner.exx.mean() == pytest.approx(EXX, abs=1.5e-3)
    assert inner.eyy.mean() == pytest.approx(0.0, abs=1.5e-3)
    assert inner.rotation.abs().max() < 1.0
    assert inner.sigma_exx.median() < 0.6 * single.sigma_exx.median()
    assert np.std(inner.exx) < 0.7 * np.std(single.exx)
    pull = (single.exx - EXX) / single.sigma_exx
    assert np.sqrt(np.mean(pull**2)) == pytest.approx(1.0, abs=0.25)


def test_the_network_keeps_its_positions_where_nothing_is_refined():
    movie, analysis = made()
    settings = SETTINGS.strain.model_copy(update={"refine": "none"})
    first = next(strain_frames(movie, analysis.columns, load_structures(settings), settings))
    assert first.frame == 0
    own = analysis.columns[analysis.columns.frame == 0]
    assert first.table.y.to_numpy() == pytest.approx(own.y.to_numpy())
    refined = next(strain_frames(movie, analysis.columns, load_structures(settings), SETTINGS.strain))
    assert refined.table.exx.std() < 0.5 * first.table.exx.std()


def test_a_frame_without_columns_and_a_stop_leave_the_rest():
    movie, analysis = made(blank=2)
    assert set(measure_strain(analysis, movie, SETTINGS).table.frame) == {-1, 0, 1, 3, 4, 5}
    few = analysis.columns[(analysis.columns.frame != 1) | (analysis.columns.site_id < 3)]
    short = Analysis(
        few,
        *(
            getattr(analysis, n)
            for n in ("sites", "events", "drift", "state", "probability", "site_id", "frame", "summary")
        ),
    )
    found = measure_strain(short, movie, SETTINGS)
    assert any(
        "no strain: Strain needs at least" in text and "1 of 6 frames" in text.replace("of 5", "of 6")
        for text in found.warnings
    )
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    assert set(measure_strain(analysis, movie, SETTINGS, cancelled=stop).table.frame) == {-1, 0, 1}


def test_a_single_image_has_a_time_average_too():
    movie, analysis = made()
    own = analysis.columns[analysis.columns.frame == 0]
    one = Analysis(
        own,
        *(
            getattr(analysis, n)
            for n in ("sites", "events", "drift", "state", "probability", "site_id", "frame", "summary")
        ),
    )
    table = measure_strain(one, movie, SETTINGS).table
    first, average = table[table.frame == 0], table[table.frame == -1]
    assert first.exx.to_numpy() == pytest.approx(average.exx.to_numpy(), nan_ok=True)


def test_no_template_is_said_in_words():
    movie, analysis = made()
    with pytest.raises(InputError, match="needs a template"):
        measure_strain(analysis, movie, AnalysisSettings())


@pytest.mark.slow
def test_the_artefact_of_a_particle_without_strain():
    places = columns_px()
    columns = pd.DataFrame({"y": places[:, 0], "x": places[:, 1], "count": 4})
    structures = load_structures(SETTINGS.strain)
    quiet = zero_strain_artefact(columns, NM, structures, SETTINGS.strain, Conditions(thermal_A=0.0))
    assert len(quiet) == len(columns)
    inner = np.hypot(quiet.y - SIDE / 2, quiet.x - SIDE / 2) < 20
    assert quiet.planar[inner].abs().max() < 4e-3  # equal columns without tilt look alike
    noisy = Conditions(thermal_A=0.0, dose_e_per_A2=1000.0, exposures=3)
    table = zero_strain_artefact(columns, NM, structures, SETTINGS.strain, noisy)
    assert 5e-4 < table.noise_planar[inner].median() < 1e-2
    assert strain_table(columns, structures, NM, reference="absolute").table.exx.median() == pytest.approx(
        EXX, abs=1e-6
    )


@pytest.mark.parametrize(("axis", "neighbours"), [("110", 6), ("100", 8), ("111", 6)])
def test_the_perfect_crystal_under_columns_of_any_view(axis, neighbours):
    """Places and heights make an fcc crystal: every inner atom has twelve neighbours at a/sqrt(2)."""
    a, rng = 4.08, np.random.default_rng(1)
    view = next(v for v in VIEWS if v.name == f"fcc{axis}")
    h, k = (n.ravel() for n in np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)))
    flat = a * np.column_stack([(h * view.p + k * view.q).imag, (h * view.p + k * view.q).real])
    turn = np.radians(33.0)
    flat = 1.02 * flat @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    flat = flat + rng.normal(scale=0.05, size=flat.shape)
    found, places, height, member = perfect_places(flat, a)
    assert found.name == f"fcc{axis}"
    assert len(member) > 0.95 * len(flat)
    count = np.full(len(places), 12)
    atoms = build_atoms(places, height * a, count, found.repeat * a, 60.0, Conditions())
    positions = atoms.positions
    middle = np.abs(positions - positions.mean(0)).max(1) < 5
    near = cKDTree(positions).query_ball_point(positions[middle], a / np.sqrt(2) * 1.05)
    assert middle.sum() > 5
    assert {len(n) - 1 for n in near} == {12}
    assert lattice_constant_nm([load_structure(f"fcc{axis}:0.392")], 9.9) == pytest.approx(0.392)


def test_a_reference_region_follows_the_drift():
    movie, analysis = made()
    words = "region:40:88,40:88"
    settings = SETTINGS.model_copy(update={"strain": SETTINGS.strain.model_copy(update={"reference": words})})
    table = measure_strain(analysis, movie, settings).table
    assert set(table.reference) == {"region 40:88,40:88"}
    means = table[table.n_matched == 6].groupby("frame").exx.mean()
    assert means.abs().max() < 2e-3


def test_the_artefact_needs_fcc_columns():
    h, k = (n.ravel() for n in np.meshgrid(np.arange(8), np.arange(8)))
    square = pd.DataFrame({"y": 14.0 * h, "x": 14.0 * k})
    structures = load_structures(SETTINGS.strain)
    with pytest.raises(InputError, match="not those of an fcc metal"):
        zero_strain_artefact(square, NM, structures, SETTINGS.strain, Conditions())
    with pytest.raises(InputError, match="not 'Fe'"):
        zero_strain_artefact(square, NM, structures, SETTINGS.strain, Conditions(element="Fe"))
    with pytest.raises(InputError, match="--pixel-size-nm"):
        zero_strain_artefact(square, Calibration(), structures, SETTINGS.strain, Conditions())
