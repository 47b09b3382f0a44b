"""The area of a movie that is looked at: region, mask, and broken pixels."""

from __future__ import annotations

import imageio.v3 as imageio
import numpy as np
import pandas as pd
import pytest
from dot_scene import SIZE, Laplacian, Scene

from napari_atomcount import pipeline
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.settings import AnalysisSettings


@pytest.fixture(scope="module")
def scene():
    return Scene()


def test_region_and_mask(scene, tmp_path):
    half = SIZE // 2
    found = pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(roi=(0, half, 0, SIZE)))
    assert found.columns["y"].max() < half
    assert 0.2 * len(scene.points) < len(found.sites) < 0.8 * len(scene.points)
    assert len(found.events) <= 4
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[half:] = 1
    np.save(tmp_path / "mask.npy", mask)
    masked = pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(mask=tmp_path / "mask.npy"))
    pd.testing.assert_frame_equal(masked.columns, found.columns)


def test_region_and_mask_must_fit(scene, tmp_path):
    with pytest.raises(InputError, match="outside"):
        pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(roi=(500, 600, 0, 10)))
    np.save(tmp_path / "small.npy", np.zeros((8, 8), np.uint8))
    with pytest.raises(InputError, match="same size"):
        pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(mask=tmp_path / "small.npy"))


@pytest.mark.parametrize("drawn_in", [(255, 255, 255), (255, 0, 0)])
def test_a_mask_may_be_stored_in_colours(drawn_in, tmp_path):
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[2:, 3:] = drawn_in
    imageio.imwrite(tmp_path / "mask.png", colours)
    mask = pipeline.area.read_mask(tmp_path / "mask.png", (6, 8))
    np.testing.assert_array_equal(mask, colours.any(axis=-1))


def test_columns_in_broken_areas_are_not_observed(scene):
    frames = scene.frames.astype(np.float32)
    y, x = np.rint(scene.points[scene.mobile[1]]).astype(int)
    for t in range(3):
        frames[t, y - 9 : y + 10, x - 9 : x + 10] = np.nan
    detector = Laplacian()
    found = pipeline.analyze(scene.movie(frames), detector)
    assert all(np.isfinite(seen).all() for seen in detector.looked_at)
    site = scene.site_of(found, scene.mobile[1])
    assert (found.state[:3, site] == -1).all()
    assert (found.state[3:, site] >= 0).all()
    assert sum("not finite" in text for text in found.summary["warnings"]) == 3
    assert len(found.events) == 4


def test_hot_and_saturated_pixels_are_filled_and_reported(scene):
    frames = scene.frames[:3].copy()
    frames[0, 20, 30] = 900
    frames[1, 5:10, 5:10] = 65535
    detector = Laplacian()
    results = list(pipeline.detect_frames(scene.movie(frames), detector))
    assert "1 hot" in results[0].warnings[0]
    assert "25 saturated" in results[1].warnings[0]
    assert results[2].warnings == ()
    assert detector.looked_at[0].max() < 200
    assert not results[0].maps.observed[10, 15]
    assert not results[1].maps.observed[3, 3]
    assert results[2].maps.observed.all()


def test_dots_of_columns_are_not_hot(scene):
    sharp = np.ones((64, 64), np.float32) * 10
    sharp[20:23, 20:23] = 60
    assert pipeline.area.repair(sharp).words == ""
    rare = np.random.default_rng(0).poisson(0.3, (256, 256)).astype(np.uint8)
    assert pipeline.area.repair(rare).words == ""
