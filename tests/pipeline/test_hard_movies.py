"""Movies of one or two frames, all blank, and of a particle that leaves the view: said, never made up."""

from __future__ import annotations

import numpy as np
import pytest
from dot_scene import Laplacian, Scene, render

from napari_atomcount import pipeline
from napari_atomcount.pipeline.time_output import write_in_time


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.mark.parametrize("frames", [1, 2])
def test_one_or_two_frames_have_columns_and_no_events(scene, tmp_path, frames):
    movie = scene.movie(scene.frames[:frames])
    found = pipeline.analyze(movie, Laplacian())
    assert len(found.sites) > 30
    assert len(found.events) == 0
    assert any("not a rate" in text for text in found.summary["warnings"])
    assert write_in_time(found, movie, tmp_path) == []
    assert found.state[found.state > 0].min() == 3


def test_all_blank_says_so(scene, tmp_path):
    movie = scene.movie(np.full_like(scene.frames[:6], 4))
    found = pipeline.analyze(movie, Laplacian())
    assert len(found.sites) == len(found.events) == 0
    assert any("no frame shows anything" in text for text in found.summary["warnings"])
    control = found.summary["static_control"]
    assert control["site_frames"] == 0
    assert control["false_per_1000"] is None
    assert write_in_time(found, movie, tmp_path) == []


def test_a_particle_that_leaves_the_view(scene):
    shift = np.column_stack([np.zeros(24), np.linspace(0, 92, 24)])
    present = np.ones((24, len(scene.points)), bool)
    frames = np.stack(list(render(scene.points, present, shift, np.random.default_rng(3))))
    found = pipeline.analyze(scene.movie(frames), Laplacian())
    gone = found.state == -1
    assert gone[-1].any()
    assert not gone[0].any()
    assert any("outside the view" in text for text in found.summary["warnings"])
    far = found.sites["x"].to_numpy() > 100
    assert set(found.events["site_id"][found.events["kind"] == "vanish"]) & set(np.flatnonzero(far)) == set()
