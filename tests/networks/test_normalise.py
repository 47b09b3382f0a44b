"""The beam level comes from the vacuum in view, whatever the specimen and the illumination do."""

import pytest
import torch

from napari_atomcount.networks.normalise import LARGEST_LOSS, beam_level, normalise

PIXEL_A = 0.2


def frame(depth, size=400, dose=400.0):
    """Vacuum of ``dose`` electrons a pixel with a disc in the middle that lacks a share ``depth`` of them."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    disc = (y - size / 2) ** 2 + (x - size / 2) ** 2 < (0.3 * size) ** 2
    return dose * (1 - depth * disc.float())[None], disc


@pytest.mark.parametrize("depth", [0.02, 0.08, 0.15])
def test_a_particle_does_not_lower_the_level(depth):
    image, _ = frame(depth)
    assert (beam_level(image, None, PIXEL_A) / 400 - 1).abs().max() < 0.003


def test_the_level_is_the_vacuum_s_at_a_low_dose():
    image, disc = frame(0.1, dose=4.0)  # 100 e/Å²
    noisy = torch.poisson(image, generator=torch.Generator().manual_seed(0))
    level = beam_level(noisy, None, PIXEL_A)[0]
    assert level[disc].mean() / 4 == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("depth", [0.05, 0.1])
@pytest.mark.parametrize("share", [0.3, 0.45])
def test_a_slab_on_one_side_does_not_tilt_the_level(depth, share, turn):
    image = torch.full((1, 300, 300), 36.0)
    image[..., : round(300 * share)] *= 1 - depth
    image = torch.rot90(image, turn, dims=(1, 2))
    noisy = torch.poisson(image, generator=torch.Generator().manual_seed(0))
    assert (beam_level(noisy, None, PIXEL_A) / 36 - 1).abs().max() < 0.012


def test_an_uneven_beam_is_no_specimen():
    y = torch.linspace(0.7, 1.3, 1000)[:, None].expand(1000, 64)
    assert normalise((100 * y)[None], PIXEL_A).abs().max() < 0.01
    r2 = (torch.arange(800.0)[:, None] - 300) ** 2 + (torch.arange(800.0) - 450) ** 2
    assert normalise(100 * torch.exp(-r2 / 2 / 1500**2)[None], PIXEL_A).abs().max() < 0.01


def test_the_particle_in_a_slanted_beam():
    image, disc = frame(0.1)
    slant = torch.linspace(0.95, 1.05, 400)
    contrast = normalise(image * slant, PIXEL_A)[0]
    assert contrast[disc].mean() == pytest.approx(-0.1, abs=0.005)
    assert contrast[~disc].mean() == pytest.approx(0, abs=0.003)


def test_a_thick_support_has_a_level_of_its_own():
    image = torch.full((1, 800, 800), 100.0)
    image[:, :, :400] = 40.0  # no crystal takes this much
    contrast = normalise(image, PIXEL_A)[0]
    assert contrast[400, 700] == pytest.approx(0, abs=0.02)
    assert contrast[400, 100] == pytest.approx(-LARGEST_LOSS, abs=0.02)


def test_what_was_not_observed_has_no_say():
    image, _ = frame(0.1)
    valid = torch.ones_like(image)
    valid[:, :120] = 0
    broken = torch.where(valid > 0, image, torch.tensor(1e4))
    level = beam_level(broken, valid, PIXEL_A)[0]
    assert (level[130:] / 400 - 1).abs().max() < 0.005
    assert normalise(broken, PIXEL_A, valid)[0, :120].abs().max() == 0


def test_without_vacuum_it_is_the_mean():
    flat = torch.poisson(torch.full((1, 256, 256), 30.0), generator=torch.Generator().manual_seed(1))
    assert beam_level(flat, None, PIXEL_A).mean() == pytest.approx(30, rel=0.005)
