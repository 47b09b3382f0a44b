"""The camera's MTF from its noise: what is known comes out, what is not known stays an ordinary camera."""

import numpy as np
import pytest
import torch

from napari_atomcount.measure.mtf import measure_mtf
from napari_atomcount.physics.optics import detected_image
from napari_atomcount.records.mtf import Mtf

PIXEL_A = 0.2
Q = np.array([0.42, 0.7]) * PIXEL_A  # where lattices are


def exposed(mtf: Mtf, dose: float, frames: int = 1, structure: float = 0.0, n: int = 256) -> list[np.ndarray]:
    y, x = np.mgrid[:n, :n] * PIXEL_A
    inside = np.hypot(y - n * PIXEL_A / 2, x - n * PIXEL_A / 2) < 12
    lattice = 1 + structure * inside * np.cos(2 * np.pi * x / 2.3) * np.cos(2 * np.pi * y / 2.0)
    camera = {"dose_e_per_A2": dose, "mtf_c1": mtf.c1, "mtf_c2": mtf.c2, "mtf_c3": mtf.c3}
    ideal = torch.from_numpy(lattice.astype(np.float32)).expand(frames, n, n)
    noise = torch.Generator().manual_seed(3)
    images = detected_image(ideal, (n * PIXEL_A, n * PIXEL_A), camera, noise)
    return list(images.numpy())


@pytest.mark.parametrize("true", [Mtf(0.0, 0.4, 2.0), Mtf(0.1, 0.6, 3.0), Mtf(1.0)])
@pytest.mark.parametrize("dose", [300.0, 1e4])
def test_the_transfer_at_lattice_frequencies_is_found_within_two_percent(true: Mtf, dose: float):
    found = measure_mtf(exposed(true, dose, structure=0.3), PIXEL_A, 1.0)
    assert found.source == "estimated"
    assert found.at(Q) == pytest.approx(true.at(Q), rel=0.02)
    assert np.abs(Mtf().at(Q) / true.at(Q) - 1).max() > 0.02  # an ordinary camera would be worse


def test_a_gain_other_than_one_is_taken_out():
    true = Mtf(0.0, 0.4, 2.0)
    images = [7.5 * image for image in exposed(true, 1000.0, frames=4)]
    assert measure_mtf(images, PIXEL_A, 7.5, 0.01).at(Q) == pytest.approx(true.at(Q), rel=0.015)


def test_without_gain_the_camera_is_an_ordinary_one():
    images = exposed(Mtf(0.0, 0.4, 2.0), 1000.0)
    assert measure_mtf(images, PIXEL_A, None) == Mtf()
    assert measure_mtf(images, PIXEL_A, float("nan")) == Mtf()


@pytest.mark.parametrize(
    "images", [[], [np.zeros((256, 256))], [np.ones((20, 20))], [np.full((99, 99), np.nan)]]
)
def test_images_that_cannot_say_give_an_ordinary_camera(images: list[np.ndarray]):
    assert measure_mtf(images, PIXEL_A, 1.0) == Mtf()


def test_pixels_too_coarse_to_show_noise_alone_give_an_ordinary_camera():
    assert measure_mtf(exposed(Mtf(1.0), 1000.0), 0.4, 1.0) == Mtf()
