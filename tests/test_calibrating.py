"""What held-out simulations say of a network's counts."""

import numpy as np
import pytest
from safetensors.torch import save_file

from napari_atomcount import calibrating, model_building
from napari_atomcount.calibrating import (
    TEMPERATURES,
    TOGETHER,
    Peaks,
    fit_calibration,
    fit_temperature,
    surest,
    truest_temperature,
)
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.resources import PACKAGE
from napari_atomcount.training_recipe import TrainingRecipe, load_recipe


def counted(temperature, n=6000, counts=12):
    """Columns whose stated p is off by a known temperature."""
    rng = np.random.default_rng(0)
    k = np.arange(1, counts + 1)
    logits = -0.5 * ((k - rng.uniform(3, 9, (n, 1))) / 0.8) ** 2
    p = np.exp(logits)
    true = (rng.random((n, 1)) > (p / p.sum(1, keepdims=True)).cumsum(1)).sum(1) + 1
    stated = logits * temperature
    log_p = stated - np.logaddexp.reduce(stated, axis=1, keepdims=True)
    dose = rng.uniform(100, 1e4, n)
    return Peaks(np.zeros(n), np.ones(n, bool), np.zeros(n), log_p, true, 0, np.full(n, "column"), dose)


@pytest.mark.parametrize("temperature", [1.0, 1.4, 0.7])
def test_a_known_temperature_is_found(temperature):
    assert fit_temperature(counted(temperature)) == pytest.approx(temperature, rel=0.1)


def test_few_images_make_probabilities_rather_too_modest():
    """With the columns of an image sharing an error, their number says little: the images' does."""
    peaks = counted(1.0, n=1200)
    peaks.dose[:] = np.repeat(np.geomspace(100, 1e4, 30), 40)
    peaks.log_p[:400] *= 1.6  # a third of the images too sure of themselves
    right = peaks.log_p.argmax(1) == peaks.count - 1
    best = truest_temperature(np.stack([surest(peaks.log_p, t) for t in TEMPERATURES]), right, peaks.dose)
    assert best < fit_temperature(peaks) < 1.5 * best


def test_a_few_wild_columns_do_not_take_the_others_confidence():
    peaks = counted(1.0)
    peaks.count[:120] = 12  # 2 %, far from what the network says
    assert fit_temperature(peaks) == pytest.approx(1.0, abs=0.12)


def test_a_dose_of_many_columns_is_not_served_at_the_expense_of_the_others():
    """Too sure at the lowest doses and sure enough elsewhere: the temperature lies in between."""
    peaks = counted(1.0)
    low = peaks.dose < np.quantile(peaks.dose, 0.25)
    p = 2.0 * peaks.log_p[low]
    peaks.log_p[low] = p - np.logaddexp.reduce(p, axis=1, keepdims=True)
    assert 1.1 < fit_temperature(peaks) < 1.9


def test_columns_are_counted_together_where_that_helps_all_held_out_images():
    def held_out(more):
        """Columns, counted together with so much more of the true count's logit."""
        peaks = counted(1.0, n=800)
        together = peaks.log_p.copy()
        together[np.arange(800), peaks.count - 1] += more
        peaks.together = together - np.logaddexp.reduce(together, axis=1, keepdims=True)
        peaks.evidence[:], peaks.z[:] = np.linspace(-3, 3, 800), 1.0
        return peaks

    assert fit_calibration(held_out(1.0), held_out(-0.1))[0].scale_spread == 0
    assert fit_calibration(held_out(-0.1), held_out(1.0))[0].scale_spread == 0
    assert fit_calibration(held_out(1.0), held_out(0.1))[0].scale_spread == TOGETHER.scale_spread


def test_usual_images_differ_where_the_recipe_says_so(tmp_path):
    recipe = TrainingRecipe.model_validate(
        {
            "name": "x",
            "regimes": [{"share": 1.0, "optics": {}}],
            "detector": {
                name: {"low": 1.0, "high": 2.0}
                for name in ("dose_e_per_A2", "mtf_c1", "mtf_c2", "mtf_c3", "camera_pixel_A")
            },
            "usual": {"pixel_jitter": 0.01},
        }
    )
    assert (recipe.pixel_jitter, recipe.as_usual().pixel_jitter) == (0.05, 0.01)
    assert recipe.as_usual().usual == {}
    path = tmp_path / "recipe.json"
    path.write_text(recipe.model_dump_json().replace('"pixel_jitter":0.01', '"pixel_jitter":"much"'))
    with pytest.raises(Exception, match="pixel_jitter"):
        load_recipe(path)


@pytest.mark.parametrize(("images", "particles"), [(3, 4), (240, 48), (720, 144), (9000, 162)])
def test_more_held_out_images_are_of_more_particles(images, particles, monkeypatch):
    """Counts of one particle err together: many images of few particles would tell little."""
    recipe = load_recipe(PACKAGE / "recipes" / "ceo2-110-hrtem.json")

    class Drawn(Exception):
        """What was asked for."""

    def bank(_recipe, indices, _cache):
        raise Drawn(indices)

    monkeypatch.setattr(calibrating, "WaveBank", bank)
    with pytest.raises(Drawn) as drawn:
        calibrating.held_out_peaks(recipe, None, images, None)
    indices = drawn.value.args[0]
    assert len(set(indices)) == particles
    assert min(indices) >= recipe.specimens  # none of the training's


def test_counts_are_calibrated_on_usual_images(monkeypatch, tmp_path):
    recipe = load_recipe(PACKAGE / "recipes" / "fcc-110-hrtem.json")
    network = UNetConfig(widths=(4, 8), blocks=1, counts=12)
    recipe = recipe.model_copy(update={"network": network})
    (tmp_path / "training").mkdir()
    save_file(UNet(network).state_dict(), tmp_path / "training" / "best.safetensors", {"images": "1"})
    asked = []

    def held_out(of, _detector, images, _cache, tell):
        for _ in range(images):
            tell()
        asked.append((bool(of.usual), images))
        peaks = counted(1.0)
        peaks.evidence[:], peaks.z[:] = np.linspace(-3, 3, len(peaks.count)), 1.0
        return peaks

    monkeypatch.setattr(model_building, "held_out_peaks", held_out)
    told = []
    model_building.build_model(
        recipe, tmp_path / "training", tmp_path / "model", images=20, progress=told.append
    )
    assert asked == [(False, 20), (True, 20), (False, 20)]
    assert [news["done"] for news in told] == list(range(61))
    assert {(news["stage"], news["total"]) for news in told} == {("calibrate", 60)}
