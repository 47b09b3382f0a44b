"""Smoke test of a training in miniature: it learns, stops, goes on, and makes a model that can be loaded."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_atomcount import training
from napari_atomcount.checkpoints import mean_of_falls
from napari_atomcount.model_building import build_model
from napari_atomcount.networks.card import Domain, load_card
from napari_atomcount.networks.unet import UNetConfig
from napari_atomcount.physics.recipe import Detector, Regime, Surroundings, Uniform
from napari_atomcount.physics.specimens.nanoparticle import NanoparticleSettings
from napari_atomcount.records.errors import InputError
from napari_atomcount.targets import optics_targets
from napari_atomcount.training import holds_against, learning_rate, train
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings


def fixed(value):
    return Uniform(low=value, high=value)


@pytest.fixture(scope="module")
def recipe():
    return TrainingRecipe(
        name="miniature",
        specimens=3,
        snapshots=1,
        particle=NanoparticleSettings(
            elements={"Au": 1.0}, diameter_A=(10, 12), cell_A=25.6, tilt_deg=(0, 1), relax=0, twin=0, rough=0
        ),
        surroundings=Surroundings(film=0, edge=0),
        regimes=[
            Regime(optics={"defocus_nm": fixed(8.0), "cs_um": fixed(-10.0), "focal_spread_nm": fixed(2.9)})
        ],
        detector=Detector(
            dose_e_per_A2=fixed(1e4),
            mtf_c1=fixed(0.05),
            mtf_c2=fixed(0.5),
            mtf_c3=fixed(2.5),
            camera_pixel_A=fixed(0.2),
        ),
        network=UNetConfig(widths=(8, 16), blocks=1, counts=8),
        training=TrainingSettings(
            images=200,
            batch=4,
            crop=96,
            snapshots=1,
            validation_images=4,
            validate_every=100,
            learning_rate=5e-3,
        ),
        domain=Domain(
            materials=["Au"],
            zone_axis="110",
            kv=(295, 305),
            pixel_size_nm=(0.01, 0.025),
            dose_e_per_A2=(1e3, 1e5),
            defocus_nm=(8, 8),
            cs_um=(-10, -10),
            tilt_deg=(0, 1),
            words="test",
        ),
    )


def log_of(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_the_learning_rate_falls_to_zero_at_pauses_and_at_the_end():
    plain = TrainingSettings(images=2000, learning_rate=1e-2, warmup=0.0)
    paused = plain.model_copy(update={"pauses": (800,)})
    short = plain.model_copy(update={"images": 800})
    for seen in (0, 400, 799):
        assert learning_rate(paused, seen) == learning_rate(short, seen)
    for seen in (800, 1000, 1999, 2000):
        assert learning_rate(paused, seen) == pytest.approx(learning_rate(plain, seen))
    assert learning_rate(paused, 799) < 1e-2 * 1e-3
    assert learning_rate(paused, 2000) < 1e-2 * 1e-3
    higher = paused.model_copy(update={"pauses": (800, 1500), "restarts": (0.5, 0.3)})
    assert learning_rate(higher, 800) == pytest.approx(0.5e-2, rel=1e-2)
    assert learning_rate(higher, 1500) == pytest.approx(0.3e-2, rel=1e-2)
    assert learning_rate(higher, 1499) < 1e-2 * 1e-3


def test_a_training_may_begin_with_envelopes_alone(recipe):
    settings = recipe.training.model_copy(update={"envelopes_until": 100})
    mixed = recipe.model_copy(update={"focal_mean": 0.5, "training": settings})
    rng = np.random.default_rng(0)
    assert "focal_mean" not in mixed.at(92).draw_optics(rng, 8)
    drawn = mixed.at(100).draw_optics(rng, 400)["focal_mean"]
    assert set(drawn) == {0.0, 1.0}
    assert 0.4 < drawn.mean() < 0.6


def test_the_context_learns_to_state_partial_coherence(recipe):
    network = recipe.network.model_copy(update={"optics": ("focal_mean", "tilt_deg")})
    scenes = [SimpleNamespace(tilt_deg=(0.0, 0.0), thermal_A=0.05)] * 2
    asked = recipe.model_copy(update={"network": network})
    for optics, expected in (({}, [-1, -1]), ({"focal_mean": np.array([1.0, 0.0])}, [1, -1])):
        images = SimpleNamespace(detected=np.zeros((2, 4, 4)), optics=optics, detector={})
        assert optics_targets(asked, images, scenes)[:, 0].tolist() == expected


def test_training_stops_resumes_and_makes_a_model(recipe, tmp_path):
    cache, folder = tmp_path / "waves", tmp_path / "training"
    assert not train(recipe, folder, cache=cache, device="cpu", max_minutes=1e-6)
    stopped = log_of(folder)[-1]["images"]
    assert 0 < stopped < recipe.training.images

    seen = []
    assert train(recipe, folder, cache=cache, device="cpu", progress=seen.append)
    lines = log_of(folder)
    assert [line["images"] for line in lines] == sorted({line["images"] for line in lines})
    assert lines[-1]["images"] >= recipe.training.images
    assert lines[-1]["validation"]["heat"] < 0.8 * lines[0]["validation"]["heat"]
    assert {"exit waves", "validate"} <= {message["stage"] for message in seen}

    card = build_model(recipe, folder, tmp_path / "model", images=3, cache=cache, version="0")
    again = load_card(tmp_path / "model")
    assert again.sha256 == card.sha256
    assert sorted(again.calibration.score) == again.calibration.score
    assert 0 < again.default_threshold < 1


def test_weights_of_the_last_falls_of_the_learning_rate_are_averaged(recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "holds_against", lambda *_: False)  # the recipe asks for them all the same
    cache, folder = tmp_path / "waves", tmp_path / "training"
    falling = recipe.training.model_copy(update={"images": 48, "pauses": (16, 32), "falls": 2})
    falls = recipe.model_copy(update={"training": falling})
    assert not train(falls, folder, cache=cache, device="cpu", max_minutes=1e-6)
    assert train(falls, folder, cache=cache, device="cpu")
    at = {end: load_file(folder / f"fall-{end}.safetensors")["stem.weight"] for end in (16, 32, 48)}
    assert not torch.equal(at[32], at[48])
    mean = mean_of_falls(folder, falling)["stem.weight"]
    assert torch.allclose(mean, (at[32] + at[48]) / 2)
    assert torch.equal(load_file(folder / "best.safetensors")["stem.weight"], mean)
    alone = mean_of_falls(folder, falling.model_copy(update={"falls": 1}))["stem.weight"]
    assert torch.equal(alone, at[48])


def test_the_last_weights_stand_unless_earlier_ones_are_surely_better():
    lowest = [1.0, 1.1, 0.9, 1.2]
    assert holds_against([2.0, 2.0, 2.0, 2.0], [])
    assert holds_against([0.9, 1.0, 0.8, 1.1], lowest)
    assert holds_against([0.9, 1.0, 0.8, 2.2], lowest)  # worse in the mean by one hard batch
    assert not holds_against([1.1, 1.2, 1.0, 1.3], lowest)  # worse everywhere
    assert not holds_against([1.1], [1.0])


def test_a_training_that_goes_astray_says_so_and_keeps_what_it_had(recipe, tmp_path):
    cache, folder = tmp_path / "waves", tmp_path / "training"
    train(recipe, folder, cache=cache, device="cpu", max_minutes=1e-6)
    kept = (folder / "best.safetensors").read_bytes()
    wild = recipe.training.model_copy(update={"learning_rate": 1e30})
    with pytest.raises(InputError, match=r"not a number.*'learning_rate' than 1e"):
        train(recipe.model_copy(update={"training": wild}), folder, cache=cache, device="cpu")
    assert (folder / "best.safetensors").read_bytes() == kept
