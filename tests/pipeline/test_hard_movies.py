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


def test_a_particle_that_changes_its_size_is_said(scene):
    present = np.ones((24, len(scene.points)), bool)
    present[12:, scene.points[:, 1] > 80] = False  # a third of it is gone from one frame to the next
    frames = np.stack(list(render(scene.points, present, scene.shift, np.random.default_rng(5))))
    found = pipeline.analyze(scene.movie(frames), Laplacian())
    told = [text for text in found.summary["warnings"] if "changed its size," in text]
    assert len(told) == 1
    assert "in frame 12 (" in told[0]
    still = pipeline.analyze(scene.movie(), Laplacian())
    assert not any("changed its size" in text for text in still.summary["warnings"])


def test_gaps_and_repeated_frames_are_not_observed(scene):
    frames = scene.frames.copy()
    frames[4:6] = 0  # lost
    frames[9] = frames[8]  # repeated
    found = pipeline.analyze(scene.movie(frames), Laplacian())
    assert (found.state[[4, 5, 9]] == -1).all()
    assert not set(found.events["frame"]) & {4, 5, 9}
    words = " ".join(found.summary["warnings"])
    assert "frame 4 is blank" in words
    assert "frame 9 repeats" in words
