"""Unit tests of focal series: thesis eq. 6.19, the optics of each image, drift, and what recipes share."""

from pathlib import Path

import numpy as np
import pytest
import torch

import napari_atomcount
from napari_atomcount.physics import optics
from napari_atomcount.physics.focal import FocalSeries, exposed
from napari_atomcount.training_recipe import load_recipe

RECIPES = Path(napari_atomcount.__file__).parent / "recipes"
SIZE = (12.8, 12.8)
COMMON = {"cs_um": np.array([-15.0, -12.0]), "focal_spread_nm": np.array([2.9, 2.9])}


@pytest.fixture
def waves():
    """Two exit waves with two snapshots each: phase bumps at one place."""
    y, x = np.indices((64, 64)) * 0.2
    bump = np.exp(-((y - 5.0) ** 2 + (x - 7.0) ** 2) / (2 * 0.3**2))
    strength = np.array([0.5, 0.6, 0.9, 1.0]).reshape(2, 2, 1, 1)
    return torch.from_numpy(np.exp(1j * strength * bump).astype(np.complex64))


def test_the_defoci_are_those_of_the_thesis():
    """Eq. 6.19: -170 + 130 k + U(-20, 20) Å."""
    rng = np.random.default_rng(0)
    defocus = FocalSeries().defocus_nm(np.full(4000, -17.0), rng)
    away = defocus - np.array([-17.0, -4.0, 9.0])
    assert np.abs(away).max() <= 2
    np.testing.assert_allclose(away.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(away.std(0), 4 / np.sqrt(12), rtol=0.05)
    assert np.abs(np.corrcoef(away.T) - np.eye(3)).max() < 0.1


def test_each_image_is_that_of_its_own_defocus(waves):
    defocus = np.array([[-17.0, -4.0, 9.0], [-15.0, -3.0, 8.0]])
    made = exposed(waves, SIZE, 300, COMMON, {}, (64, 64), defocus, np.zeros((2, 3, 2)))
    for k in range(3):
        alone = optics.ideal_image(waves, SIZE, 300, COMMON | {"defocus_nm": defocus[:, k]}, (64, 64))
        torch.testing.assert_close(made.ideal[:, k], alone)
    bump = made.ideal[0, :, 25, 35]
    assert bump[1] < 1 < bump[2]  # the contrast turns between -4 and +9 nm


def test_what_drifts_is_the_specimen(waves):
    shift = np.zeros((2, 2, 2))
    shift[:, 1] = [0.6, -0.4]  # Å: 3 and -2 px
    made = exposed(waves, SIZE, 300, COMMON, {}, (64, 64), np.full((2, 2), 8.0), shift)
    moved = torch.roll(made.ideal[:, 0], (3, -2), (-2, -1))
    torch.testing.assert_close(made.ideal[:, 1], moved, atol=2e-5, rtol=1e-4)


def test_dose_is_that_of_each_image(waves):
    camera = {"dose_e_per_A2": np.array([500.0, 2000.0]), "mtf_c1": np.ones(2)}
    noise = torch.Generator().manual_seed(1)
    made = exposed(
        waves, SIZE, 300, COMMON, camera, (64, 64), np.full((2, 3), 8.0), np.zeros((2, 3, 2)), noise
    )
    level = made.detected.mean((-1, -2)).numpy() / 0.04
    np.testing.assert_allclose(level, [[500] * 3, [2000] * 3], rtol=0.03)
    assert not torch.equal(made.detected[:, 0], made.detected[:, 1])


def test_the_bundled_models_share_their_exit_waves():
    one, three = (load_recipe(RECIPES / f"fcc-110-{name}.json") for name in ("hrtem", "focal3"))
    assert one.focal is None
    assert three.focal is not None
    for index in (0, 17, 1_000_003):
        assert one.particle_key(index) == three.particle_key(index)


def test_network_and_series_must_fit():
    recipe = load_recipe(RECIPES / "fcc-110-focal3.json")
    wrong = recipe.model_dump() | {"focal": {"images": 4}}
    with pytest.raises(ValueError, match="takes 3 images, but the recipe makes 4"):
        type(recipe).model_validate(wrong)
