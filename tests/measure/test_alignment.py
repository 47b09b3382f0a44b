"""The alignment of focal series against known drift: a lattice whose contrast turns with the defocus."""

import numpy as np
import pytest

from napari_atomcount.measure.alignment import align_series, displaced

PIXEL_NM = 0.02
SIDE = 160
DEFOCI = (-17.0, -4.0, 9.0)
WAVELENGTH_NM = 0.00197


def weak_series(shift, dose, seed):
    """Images of a finite lattice of columns by the weak-phase transfer sin χ, cut from a larger field.

    Written in Fourier space, apart from the package's optics.
    """
    rng = np.random.default_rng(seed)
    big = SIDE + 64
    i, j = np.mgrid[-12:13, -12:13].reshape(2, -1, 1)
    angle = rng.uniform(0, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    place = (i * np.array([0, 0.2885]) + j * np.array([0.204, 0.1442])) @ turn.T
    place = place[np.hypot(*(place * [1, 1.2]).T) < 1.05]
    atoms = rng.integers(2, 9, len(place))
    qy, qx = np.meshgrid(np.fft.fftfreq(big, PIXEL_NM), np.fft.fftfreq(big, PIXEL_NM), indexing="ij")
    q = np.hypot(qy, qx)
    images = []
    for (dy, dx), defocus in zip(shift, DEFOCI, strict=True):
        y, x = (place + big / 2 * PIXEL_NM + np.array([dy, dx]) * PIXEL_NM).T
        phases = np.exp(-2j * np.pi * (qy[..., None] * y + qx[..., None] * x)) @ atoms
        chi = np.pi * WAVELENGTH_NM * defocus * q**2 - np.pi / 2 * 15e3 * WAVELENGTH_NM**3 * q**4
        envelope = np.exp(-((np.pi * WAVELENGTH_NM * 1.45 * q**2) ** 2) - 2 * (np.pi * q * 0.03) ** 2)
        contrast = np.fft.ifft2(phases * np.sin(chi) * envelope).real
        contrast *= 0.6 / np.abs(contrast).max()  # as thick gold has it
        images.append(rng.poisson(np.clip(1 + contrast, 0, None) * dose * (PIXEL_NM * 10) ** 2))
    return np.array(images, np.float32)[:, 32:-32, 32:-32]


@pytest.mark.parametrize("dose", [333.0, 3333.0])
def test_drift_is_found_whatever_the_contrast_does(dose):
    errors = []
    for seed in range(5):
        rng = np.random.default_rng(100 + seed)
        shift = rng.uniform(-10, 10, (3, 2))  # up to 0.2 nm each way, 0.28 nm in all: a period of the lattice
        shift[0] = 0
        found = align_series(weak_series(shift, dose, seed), (PIXEL_NM, PIXEL_NM))
        assert found.sure
        assert found.margin[0] == 1
        errors.append(found.shift - shift)
    assert np.abs(errors).max() < 0.3
    assert np.sqrt(np.mean(np.square(errors))) < 0.12


def test_noise_alone_is_not_sure():
    images = np.random.default_rng(0).poisson(12, (3, 128, 128)).astype(np.float32)
    found = align_series(images, (PIXEL_NM, PIXEL_NM))
    assert not found.sure
    blank = align_series(np.zeros((3, 64, 64), np.float32), (PIXEL_NM, PIXEL_NM))
    assert not blank.sure
    np.testing.assert_array_equal(blank.shift, 0)


def test_bad_pixels_do_not_pull():
    shift = np.array([[0, 0], [3.4, -2.2], [-1.3, 5.1]])
    images = weak_series(shift, 1000.0, 3)
    valid = np.ones(images.shape, bool)
    images[:, 20:30, 20:30] = 1e5
    valid[:, 20:30, 20:30] = False
    found = align_series(images, (PIXEL_NM, PIXEL_NM), valid)
    np.testing.assert_allclose(found.shift, shift, atol=0.3)


def test_displacing_keeps_a_smooth_image():
    y, x = np.indices((80, 90))

    def bump(cy, cx):
        return 5 + np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * 3.0**2))

    moved = displaced(bump(40, 44), np.array([1.3, -2.7]))
    np.testing.assert_allclose(moved, bump(41.3, 41.3), atol=2e-4)
    assert displaced(bump(40, 44), np.zeros(2)).dtype == np.float32
