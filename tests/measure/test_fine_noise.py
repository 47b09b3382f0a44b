"""Unit tests of the noise's fall towards fine detail, on Poisson noise behind cameras and filters."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, median_filter, zoom

from napari_atomcount.measure.fine_noise import noise_blur_px, repeated_share

PIXEL = (0.02, 0.02)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).poisson(40.0, (256, 256)).astype(float)


def behind(image: np.ndarray, c1: float, c2: float, c3: float) -> np.ndarray:
    """Blurred by a camera's MTF, eq. 2.21."""
    k = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.rfftfreq(image.shape[1])[None])
    return np.fft.irfft2(np.fft.rfft2(image) * ((1 - c1) / (1 + (k / c2) ** c3) + c1), image.shape)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5])
def test_the_width_of_a_gaussian_is_found(sigma):
    assert noise_blur_px(gaussian_filter(noise(), sigma, mode="wrap"), PIXEL) == pytest.approx(
        sigma, rel=0.25
    )


@pytest.mark.parametrize("mtf", [(0.0, 0.4, 3.0), (0.1, 0.6, 2.0), (1.0, 1.0, 1.0)])
def test_cameras_let_the_finest_noise_through(mtf):
    assert noise_blur_px(behind(noise(), *mtf), PIXEL) < 0.55


def test_a_lattice_changes_nothing():
    y, x = np.indices((256, 256)) * 0.2
    lattice = sum(
        np.cos(2 * np.pi * n * y / 2.35) * np.cos(2 * np.pi * n * x / 2.88) / n for n in range(1, 6)
    )
    image = np.random.default_rng(1).poisson(400 * (1 + 0.2 * lattice))
    assert noise_blur_px(behind(image, 0.05, 0.5, 2.5), PIXEL) < 0.55


def test_an_enlarged_image_lacks_the_finest_noise():
    assert noise_blur_px(zoom(noise(), 2, order=3), (0.01, 0.01)) > 1.0


def test_what_cannot_say_says_nothing():
    assert np.isnan(noise_blur_px(noise(), (0.03, 0.03)))
    assert np.isnan(noise_blur_px(np.ones((256, 256)), PIXEL))
    assert np.isnan(noise_blur_px(noise()[:20, :20], PIXEL))


@pytest.mark.parametrize("electrons", [4.0, 40.0, 4000.0])
@pytest.mark.parametrize("mtf", [(0.0, 0.4, 3.0), (1.0, 1.0, 1.0)])
def test_neighbours_are_hardly_alike_until_a_median_was_run(electrons, mtf):
    counted = np.random.default_rng(2).poisson(electrons, (256, 256)).astype(float)
    image = behind(counted, *mtf).round()
    assert abs(repeated_share(image)) < 0.03
    assert repeated_share(median_filter(image, 3)) > 0.06
    assert repeated_share(image.astype(np.uint16)) == repeated_share(image)
    assert repeated_share(np.kron(image, np.ones((2, 2)))) > 0.2


def test_contrast_that_is_cut_off_and_gaps_are_no_filter():
    image = noise()
    image[:, :60] = 0.0
    image[100:140] = image.max()
    image[:20, 100:] = np.nan
    assert abs(repeated_share(image)) < 0.02
    sparse = np.zeros((64, 64))
    sparse[5, 5:15] = np.arange(1, 11)
    for blank in (np.ones((64, 64)), np.full((64, 64), np.nan), noise()[:6, :6], sparse):
        assert np.isnan(repeated_share(blank))
