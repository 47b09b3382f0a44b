"""Unit tests of the optics: against abTEM's own images, and the signs that people get wrong."""

import numpy as np
import pytest
import torch
from ase import Atoms

from napari_atomcount.physics import optics
from napari_atomcount.physics.multislice import MultisliceSettings, exit_wave, resample_wave

abtem = pytest.importorskip("abtem")

CELL = 20.0


@pytest.fixture(scope="module")
def wave():
    """Exit wave of two gold columns of four and eight atoms, y ≠ x on purpose, 0.1 Å/px."""
    positions = [[6.0, 9.0, 2.9 * k + 2] for k in range(4)] + [[13.0, 7.0, 2.9 * k + 2] for k in range(8)]
    atoms = Atoms("Au12", positions=positions, cell=[CELL, CELL, 28], pbc=True)
    settings = MultisliceSettings(stored_sampling_A=0.2, sampling_A=0.1)
    return resample_wave(exit_wave(atoms, settings), (200, 200)).astype(np.complex64)


PARAMETERS = [
    ({"defocus_nm": 8.0, "cs_um": -10.0}, {"C10": 80.0, "C30": -1e5}),
    ({"defocus_nm": -6.0, "cs_um": 15.0, "c5_mm": 4.0}, {"C10": -60.0, "C30": 1.5e5, "C50": 4e7}),
    ({"astigmatism_nm": 4.0, "astigmatism_deg": 30.0}, {"C12": 40.0, "phi12": np.deg2rad(30)}),
    ({"coma_nm": 60.0, "coma_deg": 70.0}, {"C21": 600.0, "phi21": np.deg2rad(70)}),
    ({"threefold_nm": 50.0, "threefold_deg": 20.0}, {"C23": 500.0, "phi23": np.deg2rad(20)}),
    ({"defocus_nm": 8.0, "convergence_mrad": 0.5}, {"C10": 80.0, "angular_spread": 0.5}),
]


@pytest.mark.parametrize(("ours", "theirs"), PARAMETERS)
def test_images_agree_with_abtem(wave, ours, theirs):
    extent = (CELL, CELL)
    ours = {"focal_spread_nm": 2.9} | ours
    image = optics.ideal_image(torch.from_numpy(wave)[None, None], extent, 300.0, ours, wave.shape)[0].numpy()
    waves = abtem.Waves(wave.T.copy(), energy=300e3, extent=extent)
    reference = waves.apply_ctf(abtem.CTF(energy=300e3, focal_spread=29.0, **theirs)).intensity().array.T
    assert np.abs(image - reference).max() < 1e-3 * reference.std()


def test_a_mean_over_focus_agrees_with_abtem(wave):
    """A focal spread Δ is a standard deviation of Δ / √2; abTEM averages images over such a distribution."""
    ours = {"defocus_nm": 8.0, "cs_um": -10.0, "focal_spread_nm": 2.9, "focal_mean": 1.0}
    extent = (CELL, CELL)
    image = optics.ideal_image(torch.from_numpy(wave)[None, None], extent, 300.0, ours, wave.shape, foci=400)
    focus = abtem.distributions.gaussian(29 / 2**0.5, num_samples=81, sampling_limit=4, center=80.0)
    waves = abtem.Waves(wave.T.copy(), energy=300e3, extent=extent)
    images = waves.apply_ctf(abtem.CTF(energy=300e3, C10=focus, C30=-1e5)).intensity()
    weights = focus.weights / focus.weights.sum()
    reference = np.tensordot(weights, images.array, 1).T
    assert np.abs(image[0].numpy() - reference).max() < 0.02 * reference.std()


def test_a_mean_over_focus_keeps_the_electrons_that_an_envelope_loses(wave):
    batch = torch.from_numpy(wave).expand(2, 1, 200, 200)
    spread = {"defocus_nm": 8.0, "focal_spread_nm": 3.0, "vibration_nm": 0.05, "focal_mean": [0.0, 1.0]}
    envelope, mean = optics.ideal_image(batch, (CELL, CELL), 300.0, spread, (200, 200))
    there = float(np.mean(np.abs(wave) ** 2))
    assert float(mean.mean()) == pytest.approx(there, abs=1e-4)
    assert float(envelope.mean()) < there - 0.001
    # what single reflections bring is damped alike
    weak = torch.from_numpy(1 + 1e-3 * (wave - 1)).expand(2, 1, 200, 200)
    envelope, mean = optics.ideal_image(weak, (CELL, CELL), 300.0, spread, (200, 200), foci=400)
    assert torch.allclose(envelope, mean, atol=2e-2 * float(mean.std()))


def test_negative_cs_imaging_gives_bright_columns(wave):
    """Cs -10 µm with overfocus 8 nm: atoms are white; the opposite of both makes them black."""
    extent = (CELL, CELL)
    batch = torch.from_numpy(wave)[None, None]
    common = {"focal_spread_nm": 2.9}
    bright = optics.ideal_image(
        batch, extent, 300.0, common | {"defocus_nm": 8.0, "cs_um": -10.0}, (200, 200)
    )[0]
    dark = optics.ideal_image(batch, extent, 300.0, common | {"defocus_nm": -8.0, "cs_um": 10.0}, (200, 200))[
        0
    ]
    at = (90, 60)  # y = 9 Å, x = 6 Å: rows are y
    assert bright[at] > bright.median() + 0.1
    assert dark[at] < dark.median() - 0.1


def test_vibration_is_the_envelope_of_the_thesis():
    """Eq. 2.19: exp(-σ² q² / 2)."""
    q = torch.tensor([[0.0, 0.5, 1.0]])
    damped = optics.transfer(torch.zeros(1, 1), q, 300.0, {"vibration_nm": 0.1}).abs()[0, 0]
    assert torch.allclose(damped, torch.exp(-(q[0] ** 2) / 2), atol=1e-6)


def test_parameters_are_per_image(wave):
    batch = torch.from_numpy(wave).expand(2, 1, 200, 200)
    both = optics.ideal_image(batch, (CELL, CELL), 300.0, {"defocus_nm": [8.0, -3.0]}, (100, 100))
    one = optics.ideal_image(batch[:1], (CELL, CELL), 300.0, {"defocus_nm": -3.0}, (100, 100))
    assert torch.allclose(both[1], one[0], atol=1e-5)
    assert not torch.allclose(both[0], one[0], atol=1e-2)


def test_modulation_transfer_is_equation_2_21():
    q = torch.tensor([[0.0, 1.25, 2.5]])
    c1, c2, c3, pixel = 0.05, 0.5, 2.5, 0.2
    nyquist = 1 / (2 * pixel)
    expected = (1 - c1) / (1 + (q / (2 * c2 * nyquist)) ** c3) + c1
    detector = {"mtf_c1": c1, "mtf_c2": c2, "mtf_c3": c3}
    found = optics.modulation_transfer(torch.zeros(1, 1), q, torch.tensor(pixel).reshape(1, 1, 1), detector)
    assert torch.allclose(found[0], expected)


def test_shot_noise_has_the_dose_stated():
    flat = torch.ones(1, 256, 256)
    extent = (51.2, 51.2)
    counts = optics.detected_image(flat, extent, {"dose_e_per_A2": 100.0}, torch.Generator().manual_seed(0))
    assert counts.mean().item() == pytest.approx(100 * 0.04, rel=0.01)
    assert counts.var().item() == pytest.approx(100 * 0.04, rel=0.03)


def test_wavelength_at_300_kv():
    assert optics.wavelength_A(300) == pytest.approx(0.019687, abs=1e-6)


def test_an_image_without_the_blur_of_its_camera_is_the_image_before():
    rng = np.random.default_rng(0)
    spectrum = np.fft.rfft2(rng.normal(size=(2, 64, 64)))
    q = np.hypot(np.fft.fftfreq(64, 0.2)[:, None], np.fft.rfftfreq(64, 0.2))
    before = torch.from_numpy(1 + np.fft.irfft2(spectrum * (q < 1.2))).float()
    camera = {
        "mtf_c1": [0.0, 0.1],
        "mtf_c2": [0.4, 0.6],
        "mtf_c3": [2.0, 3.0],
        "camera_pixel_A": [0.25, 0.15],
    }
    blurred = optics.detected_image(before, (12.8, 12.8), camera)
    assert (blurred - before).abs().max() > 0.05
    after = optics.without_blur(blurred, (0.2, 0.2), camera)
    assert torch.allclose(after, before, atol=1e-4)
