"""Two classes of columns in training: targets, losses, calibration, and the whole path in miniature."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from napari_atomcount.calibrating import Peaks, compare, fit_calibration
from napari_atomcount.cli.simulating import write_simulation
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tables import read_analysis, write_analysis
from napari_atomcount.model_building import build_model
from napari_atomcount.networks.card import Domain, load_card
from napari_atomcount.networks.unet import UNetConfig
from napari_atomcount.physics.exposing import Scene
from napari_atomcount.physics.recipe import Detector, Regime, Surroundings, Uniform
from napari_atomcount.physics.specimens.ceria import CeriaSettings
from napari_atomcount.pipeline import analyze
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings
from napari_atomcount.targets import Batch, losses, make_batch, target_maps
from napari_atomcount.training import train
from napari_atomcount.training_recipe import TrainingRecipe, TrainingSettings


def fixed(value):
    return Uniform(low=value, high=value)


def miniature(**training):
    """A recipe of small CeO2 particles and a small network."""
    settings = {"images": 100, "batch": 10, "crop": 64, "snapshots": 1, "validation_images": 4,
                "validate_every": 100, "target_A": 0.2, "target_edge_A": 0.25} | training  # fmt: skip
    return TrainingRecipe(
        name="miniature-ceria", kind="ceria", specimens=2, snapshots=1, classes=("Ce", "O"),
        particle=CeriaSettings(
            diameter_A=(14, 16), thickness=(3, 4), cell_A=25.6, slab=0, tilt_deg=(0, 1), relax=0, defects=0
        ),
        surroundings=Surroundings(film=0, edge=0),
        regimes=[Regime(optics={"defocus_nm": fixed(5.0), "cs_um": fixed(-9.0), "c5_mm": fixed(5.0),
                                "focal_spread_nm": fixed(2.9)})],
        detector=Detector(dose_e_per_A2=fixed(1e4), mtf_c1=fixed(0.05), mtf_c2=fixed(0.5),
                          mtf_c3=fixed(2.5), camera_pixel_A=fixed(0.2)),
        network=UNetConfig(widths=(8, 16), blocks=1, counts=6, labels=2),
        training=TrainingSettings(**settings),
        peak_nm=0.045,
        domain=Domain(
            materials=["CeO2"], zone_axis="110", kv=(295, 305), pixel_size_nm=(0.006, 0.02),
            dose_e_per_A2=(80, 2e4), defocus_nm=(1, 9), cs_um=(-13, -5), tilt_deg=(0, 3), words="test",
        ),
    )  # fmt: skip


def scene_of(y, x, count, label):
    wave = np.ones((1, 128, 128), np.complex64)
    return Scene(wave, np.array(y), np.array(x), np.array(count), np.array(label))


def test_targets_keep_the_class_of_the_nearest_column():
    recipe = miniature()
    scene = scene_of([6.0, 6.0], [6.0, 7.35], [4, 2], [0, 1])  # O 1.35 Å beside Ce, map pixels are 0.4 Å
    heat, core, count, offset, label, asked = target_maps(recipe, scene, 0.2, np.zeros(2, int), 64)
    peaks = [tuple(round((v / 0.2 + 0.5) / 2 - 0.5) for v in (6.0, x)) for x in (6.0, 7.35)]
    assert [label[p] for p in peaks] == [0, 1]
    assert [count[p] for p in peaks] == [4, 2]
    assert min(heat[p] for p in peaks) > 0.9
    between = tuple(np.mean(peaks, axis=0).astype(int))
    assert heat[between] < 0.8  # two peaks, not one
    assert (label[core == 0] == 0).all()
    assert np.isfinite(offset).all()
    assert (asked == 1).all()


def test_columns_that_overlap_at_the_seam_are_not_asked_for():
    """Slabs go over the periodic border of their cell: oxygen of both sides can stand in one place there."""
    recipe = miniature()
    scene = scene_of([6.0, 6.0, 6.0], [4.0, 4.4, 9.0], [4, 2, 3], [1, 1, 0])
    batch = batch_of(recipe, scene)
    asked = batch.asked[0].numpy() > 0
    assert not asked[14:16, 9:12].any()
    assert asked[15, 22]
    assert (batch.core[0].numpy()[~asked] == 0).all()
    right = torch.zeros(1, 12, 32, 32)
    right[:, 0] = 12 * torch.where(batch.heat > 0.5, 1.0, -1.0)
    wrong = right.clone()
    wrong[:, 0, 14:16, 9:12] *= -1
    assert losses(recipe, wrong, batch)["heat"] == losses(recipe, right, batch)["heat"]


def batch_of(recipe, scene):
    maps = [
        torch.from_numpy(np.stack([part])) for part in target_maps(recipe, scene, 0.2, np.zeros(2, int), 64)
    ]
    return Batch(torch.zeros(1, 1, 64, 64), *maps, torch.zeros(1, 0))


def test_losses_ask_for_the_class_and_weigh_its_count():
    plain = miniature()
    weighted = miniature(class_weights=(1.0, 0.25))
    scene = scene_of([6.0, 6.0], [4.0, 8.0], [4, 2], [0, 1])
    batch = batch_of(plain, scene)
    right = torch.zeros(1, 4 + 2 + 6, 32, 32)
    right[:, 4] = torch.where(batch.label == 0, 5.0, -5.0)
    right[:, 5] = -right[:, 4]
    wrong = right.clone()
    wrong[:, 4:6] *= -1
    assert losses(plain, right, batch)["label"] < 0.01 < 1 < losses(plain, wrong, batch)["label"]
    # a count that is wrong for oxygen only costs less where cerium's counts matter more
    counted = right.clone()
    counted[:, 6 + 3] = 8.0  # four atoms everywhere: right for the cerium
    assert losses(weighted, counted, batch)["count"] < 0.5 * losses(plain, counted, batch)["count"]


def test_a_column_of_the_other_class_is_no_match():
    truth = pd.DataFrame({"y": [20.0, 20.0], "x": [20.0, 40.0], "count": [4, 3], "label": ["Ce", "O"]})
    found = pd.DataFrame(
        {"y": [20.1, 20.1], "x": [20.0, 40.0], "score": 0.9, "y_sigma": 0.2, "label": ["O", "O"]}
    )
    table, missed = compare(found, truth, 4.0, 2.0, (64, 64))
    assert table.sort_values("x")["true"].tolist() == [False, True]
    assert missed == 1


def peaks_of(label, slope, number=6000, seed=0):
    rng = np.random.default_rng(seed)
    evidence = rng.normal(0, 3, number)
    true = rng.random(number) < 1 / (1 + np.exp(-slope * evidence))
    hits = int(true.sum())
    log_p = np.log(np.full((hits, 4), 0.25))
    z, count, dose = rng.normal(0, 1, hits), np.ones(hits, int), rng.uniform(100, 1e4, hits)
    return Peaks(evidence, true, z, log_p, count, 10, np.full(number, label), dose)


def test_calibration_is_fitted_for_each_class():
    both = [peaks_of("Ce", 2.0), peaks_of("O", 0.5, seed=1)]
    names = ("evidence", "true", "z", "log_p", "count")
    parts = [np.concatenate([getattr(p, n) for p in both]) for n in names]
    label, dose = (np.concatenate([getattr(p, n) for p in both]) for n in ("label", "dose"))
    joined = Peaks(*parts, 20, label, dose)
    calibration, threshold = fit_calibration(joined, joined)
    assert set(calibration.by_label) == {"Ce", "O"}
    at = {name: np.interp(2.0, own.evidence, own.score) for name, own in calibration.by_label.items()}
    assert at["Ce"] == pytest.approx(1 / (1 + np.exp(-4)), abs=0.03)
    assert at["O"] == pytest.approx(1 / (1 + np.exp(-1)), abs=0.05)
    assert 0.2 <= threshold <= 0.9
    alone, _ = fit_calibration(both[0], both[0])
    assert not alone.by_label


def test_the_whole_path_in_miniature(tmp_path):
    """Recipe, training, calibrated model, a movie with its truth, analysis, tables."""
    recipe, cache = miniature(), tmp_path / "waves"
    assert train(recipe, tmp_path / "training", cache=cache, device="cpu")
    card = build_model(recipe, tmp_path / "training", tmp_path / "model", images=4, cache=cache, version="0")
    assert card.classes == ["Ce", "O"]
    assert card.peak_nm == recipe.peak_nm
    card = load_card(tmp_path / "model")
    written = json.loads((tmp_path / "model" / "card.json").read_text())
    assert set(written["calibration"]["by_label"]) <= {"Ce", "O"}

    movie = recipe.model_dump(mode="json") | {
        "kind": "hopping",
        "kinetics": {
            "frames": 3,
            "mobile": 4,
            "classes": ["O"],
            "neighbour_A": 3.0,
            "rate": 0.9,
            "smallest": 1,
        },
    }
    (tmp_path / "movie.json").write_text(json.dumps(movie))
    write_simulation(tmp_path / "movie.json", tmp_path / "made", None, 1, lambda *_: None)
    truth = pd.read_csv(tmp_path / "made" / "truth.csv")
    assert set(truth["label"]) == {"Ce", "O"}
    number = truth.groupby(["label", "frame"]).size().unstack()
    assert number.loc["Ce"].nunique() == 1  # only oxygen comes and goes
    events = pd.read_csv(tmp_path / "made" / "truth_events.csv")
    assert len(events)

    settings = AnalysisSettings(detect=DetectSettings(threshold=0.05))
    analysis = analyze(open_movie(tmp_path / "made" / "images.tif"), card, settings)
    write_analysis(analysis, tmp_path / "out")
    again = read_analysis(tmp_path / "out")
    assert set(again.columns["label"]) <= {"Ce", "O"}
    assert again.intensity.shape == again.state.shape


def test_batches_carry_both_classes(tmp_path):
    class Bank:
        def scene(self, rng, snapshots):
            return scene_of([10.0, 10.0], [10.0, 14.0], [3, 2], [0, 1])

    batch = make_batch(miniature(), Bank(), np.random.default_rng(0), 3)
    assert batch.label.shape == batch.heat.shape
    assert set(np.unique(batch.label)) <= {0, 1}
