"""The benchmark of CeO2: images and their truth, figures of each class, files, floors."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from napari_atomcount import benchmark
from napari_atomcount.benchmark import ceria, ceria_scenes
from napari_atomcount.benchmark.ceria_scenes import CeriaCondition, CeriaScene, CeriaSet, picture, scene
from napari_atomcount.benchmark.scenes import fixed
from napari_atomcount.benchmark.scoring import Scored
from napari_atomcount.networks.card import Calibration, Domain, ModelCard, load_card, write_card
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.records.errors import InputError


@pytest.fixture(scope="module")
def two_class_model(tmp_path_factory):
    """An untrained network with the classes Ce and O."""
    folder = tmp_path_factory.mktemp("tiny-ceria")
    torch.manual_seed(0)
    config = UNetConfig(widths=(4, 8), blocks=1, counts=14, labels=2)
    weights = {k: v.contiguous() for k, v in UNet(config).state_dict().items()}
    save_file(weights, folder / "weights.safetensors")
    trust = {"evidence": [-13.0, 13.0], "score": [2e-6, 1 - 2e-6]}
    card = ModelCard(
        name="tiny-ceria", materials=["CeO2"], zone_axis="110", classes=["Ce", "O"], counts=True,
        max_count=14,
        network=config.model_dump(mode="json"), pixel_size_nm=0.02, normalisation="local beam level",
        default_threshold=0.3, peak_nm=0.045,
        calibration=Calibration(**trust, by_label={"Ce": Calibration(**trust), "O": Calibration(**trust)}),
        domain=Domain(
            materials=["CeO2"], zone_axis="110", kv=(290, 310), pixel_size_nm=(0.006, 0.025),
            dose_e_per_A2=(80, 2e4), defocus_nm=(1, 9), cs_um=(-13, -5), tilt_deg=(0, 3), words="untrained",
        ),
        recipe={}, package_version="0",
        sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
    )  # fmt: skip
    write_card(card, folder)
    return load_card(folder)


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMCOUNT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "benchmark"


def few_columns(family, seed, index, cache):
    """Waves of vacuum with a few columns in the truth: quick, and wrong in a known way."""
    rng = np.random.default_rng(index)
    columns = pd.DataFrame(rng.uniform(8, 48, (12, 2)), columns=["y_A", "x_A"])
    columns = columns.assign(count=rng.integers(1, 9, 12), label=np.arange(12) % 2)
    return CeriaScene(np.ones((1, 288, 288), np.complex64), columns, columns[["y_A", "x_A"]].iloc[:1])


def test_the_truth_lies_on_bright_columns(own_cache):
    family = CeriaSet(tilt_deg=(0.0, 0.0), pairs=1, thermal_A=(0.05, 0.05))
    first = scene(family, 0, 0, own_cache)
    assert set(first.columns.label) == {0, 1}
    again = scene(family, 0, 0, own_cache)
    np.testing.assert_array_equal(first.waves, again.waves)
    pd.testing.assert_frame_equal(first.columns, again.columns)
    condition = CeriaCondition(
        name="x", title="x", specimens=family, optics=ceria_scenes.OPTICS | {"defocus_nm": fixed(4.0)},
        dose_e_per_A2=fixed(1e5),
    )  # fmt: skip
    image = picture(condition, 0, 0, own_cache)
    assert image.pixel_nm == pytest.approx(0.01)
    assert set(image.truth.label) == {"Ce", "O"}
    assert len(image.missing) <= 1
    inside = image.truth[image.truth[["y", "x"]].min(axis=1) > 3]
    at = image.frame[inside.y.round().astype(int), inside.x.round().astype(int)]
    cerium = (inside.label == "Ce").to_numpy()
    assert at[cerium].mean() > 1.15 * np.median(image.frame)
    # half-way between neighbouring cerium columns along [1-10] nothing stands
    pairs = inside[cerium][["y", "x"]].to_numpy()
    distance = np.hypot(*(pairs[:, None] - pairs[None]).transpose(2, 0, 1)) * 0.1
    i, j = np.nonzero(np.abs(distance - 3.83) < 0.08)
    middle = ((pairs[i] + pairs[j]) / 2).round().astype(int)
    assert image.frame[middle[:, 0], middle[:, 1]].mean() < at[cerium].mean()


def test_every_kind_of_specimen_takes_its_turn():
    kinds = {ceria_scenes.KINDS[i % 6] for i in range(6)}
    assert kinds == {(f, s) for f in ("particle", "slab") for s in ("flat", "stepped", "saw-tooth")}
    _, warm = CeriaSet().specimen(0, 0)
    assert 0.05 <= warm <= 0.08


def test_the_recall_at_a_precision():
    found = pd.DataFrame({"score": [0.9, 0.8, 0.7, 0.6, 0.6], "true": [True, True, False, True, True]})
    truth = pd.DataFrame({"score": [0.9, 0.8, 0.6, 0.6, np.nan]})
    s = Scored(found.assign(image=0), truth, pd.DataFrame(), 1)
    assert ceria.recall_at(s, 1.0) == (0.4, 0.8)
    assert ceria.recall_at(s, 0.8) == (0.8, 0.6)
    assert ceria.recall_at(s, 0.79) == (0.8, 0.6)
    wrong = Scored(found.assign(true=False, image=0), truth, pd.DataFrame(), 1)
    assert ceria.recall_at(wrong, 0.5) == (0.0, 1.0)


def test_a_column_of_the_wrong_class_is_missed_and_false(two_class_model, monkeypatch):
    truth = pd.DataFrame({"y": [40.0, 60.0], "x": [40.0, 60.0], "count": [4, 3], "label": ["Ce", "O"]})
    found = pd.DataFrame(
        {"y": [40.0, 60.0], "x": [40.0, 60.0], "score": 0.9, "count": 4, "count_prob": 0.5, "label": "O"}
    )
    monkeypatch.setattr(ceria, "find_columns", lambda *_: found)

    class Detector:
        card = two_class_model

        def detect(self, *_, **__):
            return None

    image = ceria.Picture(np.zeros((100, 100), np.float32), 0.01, truth, truth.iloc[:0])
    both = ceria.examine(Detector(), image, 0)
    cerium, oxygen = (ceria.figures(both[name], 0.5) for name in ("Ce", "O"))
    assert (cerium["found"], cerium["recall"]) == (0, 0)
    assert (oxygen["precision"], oxygen["recall"]) == (0.5, 1)


def test_a_card_of_a_model_that_knows_means_is_measured_on_them():
    axes = {"envelopes": ceria.conditions(), "means": ceria.conditions(meant=True)}
    own = {kind: [row for row in rows if "pixel size" in row.axis] for kind, rows in axes.items()}
    assert not any("focal_mean" in row.optics for row in own["envelopes"])
    assert all(row.optics["focal_mean"] == fixed(1.0) for row in own["means"])
    assert {row.pixel_A.low for row in own["means"]} == {0.06, 0.1, 0.15, 0.2}


@pytest.fixture
def few(monkeypatch):
    """Some of the conditions, of a few columns in vacuum."""
    kept = ("ceo2-100", "ceo2-900", "ceo2-1000", "ceo2-wide", "ceo2-900-pixel-0.2", "ceo2-tilt-0")
    chosen = [c for c in ceria.conditions() if c.name in kept]
    monkeypatch.setattr(ceria, "conditions", lambda *_: chosen)
    monkeypatch.setattr(ceria_scenes, "scene", few_columns)
    return chosen


def test_the_benchmark_from_end_to_end(two_class_model, own_cache, few, monkeypatch, tmp_path):
    done = benchmark.run([str(two_class_model.folder)], tmp_path / "out", images=2)
    names = {path.name for path in done.files}
    assert {"tiny-ceria.csv", "tiny-ceria.json", "tiny-ceria.md", "tiny-ceria-kinds.csv"} <= names
    assert all(path.is_file() for path in done.files)
    rows = pd.read_csv(tmp_path / "out" / "tiny-ceria.csv")
    assert len(rows) == 2 * len(few)
    assert (rows.groupby("condition").label.nunique() == 2).all()
    at_snr_3 = rows[(rows.condition == "ceo2-900")].set_index("label")
    assert at_snr_3.axis.to_dict() == {"Ce": "dose", "O": "dose, O"}
    asked = {(f["condition"].split(", ")[-1], f["figure"]) for f in done.floors}
    assert {("Ce", "count_exact"), ("O", "recall_at_precision"), ("O", "ece_score")} <= asked
    content = json.loads((tmp_path / "out" / "tiny-ceria.json").read_text())
    assert {row["surface"] for row in content["kinds"]} == {"flat"}
    assert content["peers"]
    # what was measured is kept: a second run detects nothing
    monkeypatch.setattr(ceria, "examine", None)
    again = benchmark.run([str(two_class_model.folder)], tmp_path / "again", images=2)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again" / "tiny-ceria.csv"), rows)
    assert len(again.floors) == len(done.floors)


def test_the_benchmark_of_a_model_that_finds_nothing(two_class_model, blinded, own_cache, few, tmp_path):
    done = benchmark.run([str(blinded(two_class_model))], tmp_path / "out", images=1)
    rows = pd.read_csv(tmp_path / "out" / "tiny-ceria.csv")
    assert (rows.recall == 0).all()
    assert rows.count_exact.isna().all()
    met = [f["met"] for f in done.floors if f["figure"] in {"recall", "count_exact"}]
    assert met
    assert not any(met)


def test_other_models_are_refused(tiny_model):
    assert not ceria.fits(tiny_model)
    with pytest.raises(InputError, match="Ce and O"):
        ceria.run_ceria(tiny_model, 1, 0, lambda *_: None)
