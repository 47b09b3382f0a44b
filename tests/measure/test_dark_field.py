"""Dark-field images are recognised with any offset of their intensities, bright-field ones are not."""

import os
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import gaussian_filter

from napari_atomcount.io.readers import open_movie
from napari_atomcount.measure.imaging import dark_field
from napari_atomcount.measure.lattice_spots import first_spacings, look_for_lattice
from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import exit_wave
from napari_atomcount.physics.specimens.wulff import WulffSettings, wulff_particle

PIXEL = (0.02, 0.02)
DATA = os.environ.get("ATOMCOUNT_TEST_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="ATOMCOUNT_TEST_DATA does not name the folder of test data")
ROOT = Path(DATA or ".")


def thickness(size=320):
    """A particle's projected thickness, and its columns on a lattice of gold."""
    y, x = (np.mgrid[:size, :size] - size / 2) * PIXEL[0]
    body = np.sqrt(np.clip(1 - (x**2 + y**2) / 1.8**2, 0, None))
    fringes = np.cos(2 * np.pi * x / 0.2355) + np.cos(2 * np.pi * (0.33 * x + 0.94 * y) / 0.2355)
    return body, body * (fringes + 1).clip(0)


@pytest.mark.parametrize("offset", [0.0, 0.3, 5.0])
@pytest.mark.parametrize("dose", [3e3, 1e6])
def test_dark_field_whatever_its_offset(offset, dose):
    body, columns = thickness()
    scattered = gaussian_filter(0.02 + 0.5 * body + 0.25 * columns, 2)
    counts = np.random.default_rng(0).poisson(scattered * dose * 0.04).astype(float)
    assert dark_field(counts + offset * counts.mean(), PIXEL)
    assert dark_field(3 * counts + offset * counts.mean(), PIXEL)


@pytest.fixture(scope="module")
def wave():
    settings = WulffSettings(diameter_A=(24.0, 25.0), relax_steps=0, cell_A=48.0)
    particle = wulff_particle(np.random.default_rng(1), settings)
    return torch.from_numpy(exit_wave(particle.specimen.atoms))[None, None]


@pytest.mark.parametrize("defocus", [8.0, -8.0, 0.0, 16.0])
@pytest.mark.parametrize("dose", [100.0, 1e4])
@pytest.mark.parametrize("absorbed", [0.0, 0.5])
def test_hrtem_of_both_contrasts_gives_no_false_alarm(wave, defocus, dose, absorbed):
    microscope = {"defocus_nm": defocus, "cs_um": -10.0, "focal_spread_nm": 2.9}
    n = wave.shape[-1]
    image = optics.ideal_image(wave, (48.0, 48.0), 300.0, microscope, (n, n))
    dark = gaussian_filter((image[0] - image.median()).abs().numpy(), 12)
    image = image * torch.from_numpy(1 - absorbed * dark / dark.max())[None]  # mass-thickness contrast
    camera = {"dose_e_per_A2": dose, "mtf_c1": 0.05, "mtf_c2": 0.5, "mtf_c3": 2.5}
    frame = optics.detected_image(image, (48.0, 48.0), camera, torch.Generator().manual_seed(0))[0].numpy()
    for offset in (0.0, 1.0):
        assert not dark_field(frame + offset * frame.mean(), PIXEL)
    gold = first_spacings(["Au", "Pt"], "110")
    assert look_for_lattice([frame], PIXEL, gold).seen


@pytest.mark.parametrize("dose", [100, 1000, 1e4])
@pytest.mark.parametrize("offset", [0.0, 0.5, 2.0])
def test_a_bright_edge_with_more_noise_is_no_structure(dose, offset):
    wedge = np.exp(-2 * np.clip(np.linspace(-1, 1, 400), 0, 1))[None, :] * np.ones((400, 1))
    counts = np.random.default_rng(0).poisson(wedge * dose * 0.04).astype(float)
    assert not dark_field(gaussian_filter(counts, 0.5) + offset * dose * 0.04, PIXEL)


def test_flat_and_empty_images_give_no_sign():
    assert not dark_field(np.zeros((64, 64)), PIXEL)
    assert not dark_field(np.full((64, 64), np.nan), PIXEL)
    assert not dark_field(np.ones((4, 4)), PIXEL)


@needs_data
def test_real_dark_field_images():
    gold = open_movie(ROOT / "haadf_au_nanoparticle" / "example_Au_nanoparticle.emd")
    assert dark_field(gold.frame(0).astype(float), gold.calibration.pixel_size_nm)
    files = sorted((ROOT / "haadf_pt_single_atoms").glob("*.tif"))
    pt = [tifffile.imread(f).astype(float).reshape(512, 512, -1).mean(-1) for f in files]
    # atoms on a film: most of them; the rest are outside by their pixel size anyway
    assert sum(dark_field(image, (0.0293, 0.0293)) for image in pt) >= 6


@needs_data
def test_real_bright_field_images_give_no_false_alarm():
    soot = tifffile.imread(ROOT / "hrtem_soot_negative" / "ExampleImage.tif").astype(float).mean(-1)
    assert not dark_field(soot, (0.0555, 0.0555))
    for file in sorted((ROOT / "bf_tem_nanoparticle_masks" / "images").glob("*.png")):
        image = iio.imread(file).astype(float)
        image = image.reshape(*image.shape[:2], -1).mean(-1)
        for pixel in (0.05, 0.1, 0.3):
            assert not dark_field(image, (pixel, pixel))
