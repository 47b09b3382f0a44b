"""A network of focal series in miniature: it begins as its parent of single images, learns, is a model."""

import json

import numpy as np
import pytest
import torch

from napari_atomcount.model_building import build_model
from napari_atomcount.networks.card import Domain, load_card
from napari_atomcount.networks.detector import Detector as Runner
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.physics.exposing import WaveBank
from napari_atomcount.physics.focal import FocalSeries
from napari_atomcount.physics.recipe import Detector, Regime, Surroundings, Uniform
from napari_atomcount.physics.specimens.nanoparticle import NanoparticleSettings
from napari_atomcount.records.errors import InputError
from napari_atomcount.targets import make_batch
from napari_atomcount.training import begin_from, train
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings

ONE = UNetConfig(widths=(8, 16), blocks=1, counts=8)
THREE = ONE.model_copy(update={"frames": 3})


def fixed(value):
    return Uniform(low=value, high=value)


@pytest.fixture(scope="module")
def recipe():
    return TrainingRecipe(
        name="miniature",
        specimens=2,
        snapshots=1,
        particle=NanoparticleSettings(
            elements={"Au": 1.0}, diameter_A=(10, 12), cell_A=25.6, tilt_deg=(0, 1), relax=0, twin=0, rough=0
        ),
        surroundings=Surroundings(film=0, edge=0),
        regimes=[
            Regime(optics={"defocus_nm": fixed(-17.0), "cs_um": fixed(-15.0), "focal_spread_nm": fixed(2.9)})
        ],
        focal=FocalSeries(),
        detector=Detector(
            dose_e_per_A2=fixed(3e3),
            mtf_c1=fixed(0.05),
            mtf_c2=fixed(0.5),
            mtf_c3=fixed(2.5),
            camera_pixel_A=fixed(0.2),
        ),
        network=THREE,
        training=TrainingSettings(
            images=120,
            batch=4,
            crop=96,
            snapshots=1,
            validation_images=4,
            validate_every=20,
            learning_rate=5e-3,
        ),
        domain=Domain(
            materials=["Au"],
            zone_axis="110",
            kv=(295, 305),
            pixel_size_nm=(0.01, 0.025),
            dose_e_per_A2=(1e3, 1e5),
            defocus_nm=(-19, 11),
            cs_um=(-15, -15),
            tilt_deg=(0, 1),
            words="test",
        ),
    )


def test_the_parent_lives_on_in_the_last_image():
    torch.manual_seed(0)
    parent, child = UNet(ONE).eval(), UNet(THREE).eval()
    begin_from(child, parent)
    series = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(child(series), parent(series[:, 2:]), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="another network"):
        begin_from(UNet(ONE.model_copy(update={"frames": 1, "unshuffle": 1})), child)


def test_a_batch_holds_series_with_turned_contrast(recipe, tmp_path):
    bank = WaveBank(recipe, [0, 1], tmp_path)
    batch = make_batch(recipe, bank, np.random.default_rng(0), 4)
    assert batch.image.shape[:2] == (4, 3)
    where = batch.heat.repeat_interleave(2, -1).repeat_interleave(2, -2) > 0.9
    middle = [float(batch.image[:, k][where].mean()) for k in range(3)]
    assert middle[1] < -0.05 < 0.05 < middle[2]  # dark columns at -4 nm, bright ones at +9 nm


def test_a_series_is_learned_from_a_parent_and_becomes_a_model(recipe, tmp_path):
    torch.manual_seed(0)
    cache, folder = tmp_path / "waves", tmp_path / "training"
    assert train(recipe, folder, init=UNet(ONE), cache=cache, device="cpu")
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["validation"]["heat"] < 0.8 * lines[0]["validation"]["heat"]
    build_model(recipe, folder, tmp_path / "model", images=2, cache=cache, version="0")
    card = load_card(tmp_path / "model")
    assert card.focal_series
    assert card.images == 3
    maps = Runner(card, "cpu").detect(np.random.default_rng(0).poisson(100, (3, 96, 96)), (0.02, 0.02))
    assert maps.observed.all()
