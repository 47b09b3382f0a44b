"""Unit tests of whether frames show one scene, on Poisson images of turned crystals."""

from itertools import pairwise

import numpy as np
import pytest

from napari_atomcount.measure.likeness import likeness

PIXEL = (0.02, 0.02)


def crystal(turn_deg: float, centre: tuple[float, float] = (128, 128), lean: float = 0.6) -> np.ndarray:
    """A disc of gold's columns along [110], turned in the plane; brightness of the vacuum is 1."""
    y, x = (n - c for n, c in zip(np.indices((256, 256)), centre, strict=True))
    a = np.radians(turn_deg)
    u, v = 0.2 * (np.cos(a) * y + np.sin(a) * x), 0.2 * (np.cos(a) * x - np.sin(a) * y)
    columns = np.cos(np.pi * u / 2.884) ** 2 * np.cos(np.pi * v / 4.078) ** 2
    return 1 + lean * columns * (np.hypot(u, v) < 18)


def frame(image: np.ndarray, dose: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).poisson(image * dose * 0.04).astype(float)


@pytest.mark.parametrize("dose", [100.0, 1000.0])
def test_frames_of_one_scene_are_alike_wherever_it_has_drifted(dose):
    one = frame(crystal(20), dose, 0)
    for centre in ((128, 128), (140, 117)):
        assert likeness(one, frame(crystal(20, centre), dose, 1), PIXEL) > 0.9
    turned_over = crystal(20, lean=-0.6)  # contrast inverted by another focus
    assert likeness(one, frame(turned_over, dose, 2), PIXEL) > 0.9


@pytest.mark.parametrize("dose", [100.0, 1000.0])
def test_crystals_of_other_orientations_are_not(dose):
    frames = [frame(crystal(turn), dose, seed) for seed, turn in enumerate((0, 25, 60, 140))]
    each = [likeness(a, b, PIXEL) for a, b in pairwise(frames)]
    assert max(each) < 0.5


def test_pixels_need_not_be_square_and_gaps_do_no_harm():
    image = crystal(20)[:, ::2]
    one, two = (frame(image, 1000.0, seed) for seed in (0, 1))
    one[10:14, 20] = np.nan
    assert likeness(one, two, (0.02, 0.04)) > 0.9


def test_blank_frames_say_nothing():
    assert np.isnan(likeness(np.ones((64, 64)), frame(crystal(0)[:64, :64], 100.0, 0), PIXEL))
