"""Unit tests of the drift: no jump of a lattice period, whatever the specimen does; gaps; refinement."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.column_drift import refine_drift
from napari_atomcount.measure.drift import drift_table, estimate_drift, track
from napari_atomcount.measure.spectra import SpectrumList, SpectrumMaker
from napari_atomcount.records import tables
from napari_atomcount.records.settings import DriftSettings

PIXEL_NM = 0.02
SIZE = 200
DOSE = 12.4  # electrons per pixel: 310 e/Å²


def path(kind, rng, frames=30):
    """Known shifts (T, 2) in px; a period of the lattice is 12 to 14 px."""
    t = np.arange(frames)
    if kind == "walk":
        shift = rng.normal(0, 0.6, (frames, 2)).cumsum(axis=0)
    elif kind == "oscillation":
        shift = np.column_stack([5 * np.sin(0.7 * t), 3 * np.cos(0.5 * t)])
    else:
        shift = np.where(t[:, None] >= 12, [9.0, -7.0], 0) + np.where(t[:, None] >= 20, [-11.0, 2.0], 0)
    return shift - shift[0]


def images(points_nm, shift, rng, contrast=0.4):
    """Noisy images of Gaussian columns that move together."""
    grid = (np.arange(SIZE) + 0.0) * PIXEL_NM
    for dy, dx in shift:
        y = points_nm[:, 0] + SIZE * PIXEL_NM / 2 + dy * PIXEL_NM
        x = points_nm[:, 1] + SIZE * PIXEL_NM / 2 + dx * PIXEL_NM
        wave_y = np.exp(-((grid[:, None] - y) ** 2) / (2 * 0.05**2))
        wave_x = np.exp(-((grid[:, None] - x) ** 2) / (2 * 0.05**2))
        yield rng.poisson(DOSE * (1 + contrast * wave_y @ wave_x.T)).astype(np.float32)


def error(drift, shift):
    rest = drift[["dy", "dx"]].to_numpy() - shift
    return rest - rest.mean(axis=0)


@pytest.mark.parametrize("kind", ["walk", "oscillation", "steps"])
@pytest.mark.parametrize("seed", [0, 1])
def test_drift_within_a_fifth_of_a_pixel_and_no_jump(particle, kind, seed):
    rng = np.random.default_rng(seed)
    shift = path(kind, rng)
    drift = estimate_drift(images(particle(1.3, 0.2 + seed), shift, rng), (PIXEL_NM, PIXEL_NM))
    rest = error(drift, shift)
    assert np.abs(rest).max() < 2
    assert np.sqrt((rest**2).mean()) < 0.2
    assert drift["confidence"].min() > 0.9
    tables.validate(drift, tables.DRIFT)


def test_pixels_need_not_be_square(particle):
    rng = np.random.default_rng(5)
    shift = path("walk", rng, 10)
    fine = images(particle(1.3), shift, rng)
    coarse = [f.reshape(SIZE, SIZE // 2, 2).sum(axis=2) for f in fine]
    drift = estimate_drift(coarse, (PIXEL_NM, 2 * PIXEL_NM))
    assert np.sqrt((error(drift, shift / [1, 2]) ** 2).mean()) < 0.2


def test_blank_frames_are_bridged(particle):
    rng = np.random.default_rng(1)
    shift = np.column_stack([np.linspace(0, 5, 11), np.zeros(11)])
    frames = list(images(particle(1.3), shift, rng))
    frames[4][:] = 7
    drift = estimate_drift(frames, (PIXEL_NM, PIXEL_NM))
    assert drift["confidence"][4] == 0
    assert drift["dy"][4] == pytest.approx(shift[4, 0], abs=0.5)


def test_broken_pixels_do_not_hold_the_drift_back(particle):
    rng = np.random.default_rng(2)
    shift = path("walk", rng, 12)
    frames = list(images(particle(1.3), shift, rng))
    for frame in frames:
        frame[20:30, 20:60] = np.nan
    drift = estimate_drift(frames, (PIXEL_NM, PIXEL_NM))
    assert np.sqrt((error(drift, shift) ** 2).mean()) < 0.25


def test_switched_off_or_a_single_frame(particle):
    rng = np.random.default_rng(3)
    frames = list(images(particle(1.0), np.array([[0, 0], [3.0, 3.0]]), rng))
    off = estimate_drift(frames, (PIXEL_NM, PIXEL_NM), DriftSettings(enabled=False))
    assert (off[["dy", "dx"]] == 0).all(axis=None)
    assert off["confidence"].isna().all()
    assert len(estimate_drift(frames[:1], (PIXEL_NM, PIXEL_NM))) == 1
    assert len(estimate_drift([], (PIXEL_NM, PIXEL_NM))) == 0


def test_nothing_but_blank_frames():
    drift = estimate_drift([np.zeros((64, 64), np.float32)] * 3, (PIXEL_NM, PIXEL_NM))
    assert (drift[["dy", "dx"]] == 0).all(axis=None)
    assert (drift["confidence"] == 0).all()


def test_frames_keep_their_numbers(particle):
    frames = images(particle(1.0), np.zeros((3, 2)), np.random.default_rng(0))
    drift = estimate_drift(frames, (PIXEL_NM, PIXEL_NM), frame_numbers=np.array([7, 8, 9]))
    assert drift["frame"].tolist() == [7, 8, 9]


def test_columns_sharpen_the_drift(particle):
    rng = np.random.default_rng(4)
    points = particle(1.4) / PIXEL_NM + 100
    shift = path("walk", rng, 25)
    rows = []
    for t, d in enumerate(shift):
        seen = points[rng.random(len(points)) < 0.9]
        found = np.vstack([seen + d + rng.normal(0, 0.4, seen.shape), rng.uniform(0, 200, (3, 2))])
        rows.append(pd.DataFrame({"frame": t, "y": found[:, 0], "x": found[:, 1], "score": 0.9}))
    rough = drift_table(np.arange(25), shift + rng.normal(0, 0.5, shift.shape), np.ones(25))
    sharp = refine_drift(rough, pd.concat(rows, ignore_index=True), (PIXEL_NM, PIXEL_NM))
    assert np.sqrt((error(sharp, shift) ** 2).mean()) < 0.1
    assert (sharp.loc[0, ["dy", "dx"]] == 0).all()


def test_too_few_columns_change_nothing():
    rough = drift_table(np.arange(3), np.array([[0, 0], [1, 1], [2, 2.0]]), np.ones(3))
    few = pd.DataFrame({"frame": [0, 1], "y": [5.0, 6.0], "x": [5.0, 6.0], "score": [0.9, 0.9]})
    pd.testing.assert_frame_equal(refine_drift(rough, few, (PIXEL_NM, PIXEL_NM)), rough)


def test_spectra_on_disk_are_those_in_memory(particle, monkeypatch):
    maker = SpectrumMaker((SIZE, SIZE), (PIXEL_NM, PIXEL_NM))
    made = [maker(f) for f in images(particle(1.0), np.zeros((5, 2)), np.random.default_rng(0))]
    monkeypatch.setattr("napari_atomcount.measure.spectra.IN_MEMORY_BYTES", 2 * made[0].nbytes)
    spectra = SpectrumList()
    for one in made:
        spectra.append(one)
    for i, one in enumerate(made):
        np.testing.assert_array_equal(spectra[i], one)
    shift, _ = track(maker, spectra, np.ones(5, bool))
    assert np.abs(shift).max() < 0.5


def test_spectra_must_be_of_one_shape():
    spectra = SpectrumList()
    spectra.append(np.zeros((3, 3), np.complex64))
    with pytest.raises(ValueError, match="shape"):
        spectra.append(np.zeros((4, 3), np.complex64))
