"""What the pipeline believes of a movie's camera, and from where."""

import numpy as np
import pytest
import torch

from napari_atomcount.physics.optics import detected_image
from napari_atomcount.pipeline.camera import camera_mtf
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.mtf import Mtf
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

STRONG = {"mtf_c1": 0.0, "mtf_c2": 0.4, "mtf_c3": 2.0}
TRUE = Mtf(0.0, 0.4, 2.0)
Q = np.array([0.42, 0.7]) * 0.2


def movie(frames: int, **scales: float) -> Movie:
    flat = torch.ones(frames, 256, 256)
    noise = torch.Generator().manual_seed(0)
    images = detected_image(flat, (51.2, 51.2), STRONG | {"dose_e_per_A2": 1000.0}, noise)
    return Movie(images.numpy(), Calibration(pixel_size_nm=(0.02, 0.02), **scales), "noise")


def test_what_the_user_states_holds():
    settings = AnalysisSettings(detect=DetectSettings(mtf=(0.1, 0.3, 2.0)))
    assert camera_mtf(movie(1), settings) == Mtf(0.1, 0.3, 2.0, "user")


@pytest.mark.parametrize("scales", [{"dose_e_per_A2": 1000.0}, {"gain": 1.0}])
def test_a_stated_dose_or_gain_makes_one_image_enough(scales: dict[str, float]):
    found = camera_mtf(movie(1, **scales), AnalysisSettings())
    assert found.source == "estimated"
    assert found.at(Q) == pytest.approx(TRUE.at(Q), rel=0.02)


def test_an_estimated_dose_is_no_statement_of_the_gain():
    guessed = movie(1)
    guessed = guessed.with_calibration(guessed.calibration.updated("estimated", dose_e_per_A2=1000.0))
    assert camera_mtf(guessed, AnalysisSettings()) == camera_mtf(movie(1), AnalysisSettings())


def test_frames_of_one_scene_bring_their_own_gain():
    found = camera_mtf(movie(8), AnalysisSettings())
    assert found.source == "estimated"
    assert found.at(Q) == pytest.approx(TRUE.at(Q), rel=0.03)


def test_blank_frames_say_nothing():
    blank = Movie(np.zeros((3, 128, 128)), Calibration(pixel_size_nm=(0.02, 0.02), gain=1.0), "blank")
    assert camera_mtf(blank, AnalysisSettings()) == Mtf()
