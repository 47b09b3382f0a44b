"""What held-out simulations say of a network's counts."""

import numpy as np
import pytest
import torch

from napari_atomcount.calibrating import Peaks, fit_temperature, fit_tilt
from napari_atomcount.model_building import tilt_counts
from napari_atomcount.training_recipe import TrainingRecipe, load_recipe


def counted(tilt, temperature, n=6000, counts=12):
    """Columns whose stated p is off by a known tilt and temperature."""
    rng = np.random.default_rng(0)
    k = np.arange(1, counts + 1)
    logits = -0.5 * ((k - rng.uniform(3, 9, (n, 1))) / 0.8) ** 2
    p = np.exp(logits)
    true = (rng.random((n, 1)) > (p / p.sum(1, keepdims=True)).cumsum(1)).sum(1) + 1
    stated = logits * temperature - tilt * k
    log_p = stated - np.logaddexp.reduce(stated, axis=1, keepdims=True)
    dose = rng.uniform(100, 1e4, n)
    return Peaks(np.zeros(n), np.ones(n, bool), np.zeros(n), log_p, true, 0, np.full(n, "column"), dose)


@pytest.mark.parametrize(("tilt", "temperature"), [(0.0, 1.0), (0.5, 1.4), (-0.3, 0.7)])
def test_a_known_tilt_and_temperature_are_found(tilt, temperature):
    assert fit_tilt(counted(tilt, temperature)) == pytest.approx(tilt, abs=0.06)
    assert fit_temperature(counted(0.0, temperature)) == pytest.approx(temperature, rel=0.1)


def test_a_few_wild_columns_do_not_take_the_others_confidence():
    peaks = counted(0.0, 1.0)
    peaks.count[:120] = 12  # 2 %, far from what the network says
    assert fit_temperature(peaks) == pytest.approx(1.0, abs=0.12)


def test_a_dose_of_many_columns_is_not_served_at_the_expense_of_the_others():
    """Too sure at the lowest doses and sure enough elsewhere: the temperature lies in between."""
    peaks = counted(0.0, 1.0)
    low = peaks.dose < np.quantile(peaks.dose, 0.25)
    p = 2.0 * peaks.log_p[low]
    peaks.log_p[low] = p - np.logaddexp.reduce(p, axis=1, keepdims=True)
    assert 1.1 < fit_temperature(peaks) < 1.9


def test_the_tilt_goes_into_the_last_layer():
    state = {"count.2.bias": torch.zeros(5)}
    tilt_counts(state, 0.2)
    assert torch.allclose(state["count.2.bias"], torch.tensor([0.2, 0.4, 0.6, 0.8, 1.0]))


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
