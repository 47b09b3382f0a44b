"""The benchmark of focal series runs from end to end on a tiny model; its images are what they say."""

import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from napari_atomcount import benchmark
from napari_atomcount.benchmark import focal
from napari_atomcount.benchmark.card_scores import for_card
from napari_atomcount.networks.card import load_card, write_card
from napari_atomcount.networks.unet import UNet, UNetConfig

SMALL = {"diameter_A": (18.0, 20.0), "relax_steps": 0, "pairs": 1}


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "benchmark-cache"
    monkeypatch.setenv("ATOMCOUNT_CACHE", str(folder))
    return folder / "benchmark"


def small_ones(names, meant=False):
    """Conditions of small particles."""
    made = [c for c in focal.conditions(meant) if c.name in names]
    return [c.model_copy(update={"particles": c.particles.model_copy(update=SMALL)}) for c in made]


@pytest.fixture
def few(monkeypatch):
    """Three conditions of small particles."""
    small = small_ones({"focal-1e4", "focal-1e6", "focal-1e4-tilt3"})
    monkeypatch.setattr(focal, "conditions", lambda *_: small)
    return small


def test_the_card_of_a_model_that_knows_means_is_measured_on_them():
    rows = {meant: focal.conditions(meant) for meant in (False, True)}
    own = {meant: [c for c in made if "pixel size" in c.axis] for meant, made in rows.items()}
    assert not any("focal_mean" in c.optics for c in own[False])
    assert all(c.optics["focal_mean"].low == 1 for c in own[True])
    sizes = [{c.pixel_A.low for c in own[meant]} for meant in (False, True)]
    assert sizes == [{0.1, 0.15, 0.25}, {0.1, 0.15, 0.2, 0.25}]
    assert all(len({c.name for c in made}) == len(made) for made in rows.values())


def test_a_series_is_what_its_condition_says(own_cache, few):
    one = focal.series(few[0], 0, 0, 1, own_cache)
    images = np.asarray(one.movie.data)
    assert images.shape == (3, 320, 320)
    np.testing.assert_allclose(
        images.mean((1, 2)) / 0.04, 1e4 / 3, rtol=0.02
    )  # the total dose in three images
    assert np.all(one.shift_px[0] == 0)
    assert 0 < np.abs(one.shift_px[1:]).max() <= 5
    y, x = (np.rint(one.truth[k]).astype(int) for k in "yx")
    level = np.median(images[0])
    dy, dx = np.rint(one.shift_px).astype(int).T
    at = [np.median(images[k][y + dy[k], x + dx[k]]) / level for k in range(3)]
    assert at[1] < 0.9  # dark columns at -4 nm
    assert at[2] > 1.1  # bright ones at +9 nm


@pytest.fixture(scope="module")
def tiny_focal_model(tiny_model, tmp_path_factory):
    """An untrained network of three images."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("focal") / "model"
    folder.mkdir()
    config = UNetConfig(frames=3, widths=(4, 8), blocks=1, counts=20)
    save_file(UNet(config).state_dict(), folder / "weights.safetensors")
    changes = {
        "name": "tiny3",
        "focal_series": True,
        "network": config.model_dump(mode="json"),
        "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
    }
    write_card(tiny_model.model_copy(update=changes), folder)
    return load_card(folder)


def test_the_benchmark_of_a_focal_model(tiny_focal_model, own_cache, few, tmp_path):
    result = benchmark.run([str(tiny_focal_model.folder)], tmp_path / "out", images=2)
    rows = pd.read_csv(tmp_path / "out" / "tiny3.csv").set_index("condition")
    assert set(rows.index) == {c.name for c in few}
    assert rows.images.to_dict() == {"focal-1e4": 2, "focal-1e6": 2, "focal-1e4-tilt3": 1}
    assert (rows.alignment_pm < 6).all()  # 0.3 px of 20 pm
    assert (rows["columns"] > 10).all()
    assert [(f["figure"], f["floor"]) for f in result.floors] == [
        ("count_exact", "≥ 0.88"),
        ("count_exact", "≥ 0.95"),
        *[("ece_score", "≤ 0.05"), ("ece_count", "≤ 0.05")] * 2,
    ]
    content = json.loads((tmp_path / "out" / "tiny3.json").read_text(encoding="utf-8"))
    assert {"versions", "seed", "rows", "reliability", "floors"} <= set(content)
    for figure in ("dose", "reliability"):
        assert (tmp_path / "out" / f"tiny3-{figure}.png").stat().st_size > 5000
    assert "|---|" in (tmp_path / "out" / "tiny3.md").read_text(encoding="utf-8")
    kept = for_card(rows.reset_index())
    assert [r["dose_low_e_per_A2"] for r in kept] == pytest.approx([1e4 / 3, 1e6 / 3])
    assert tiny_focal_model.images == 3


def test_the_card_and_the_curve_of_a_model_that_knows_means(
    tiny_focal_model, own_cache, monkeypatch, tmp_path
):
    names = {"focal-1e4", "focal-1e6", "focal-1e4-pixel-0.2-mean", "focal-1e4-pixel-0.1-mean"}
    small = small_ones(names, meant=True)
    asked = []
    monkeypatch.setattr(focal, "conditions", lambda meant: asked.append(meant) or small)
    folder = tmp_path / "model"
    shutil.copytree(tiny_focal_model.folder, folder)
    write_card(tiny_focal_model.model_copy(update={"recipe": {"focal_mean": 0.5}, "images_seen": 8}), folder)
    result = benchmark.run([str(folder)], tmp_path / "out", images=2)
    rows = pd.read_csv(tmp_path / "out" / "tiny3.csv")
    kept = for_card(rows)
    assert asked == [True]
    assert sorted(r["pixel_low_A"] for r in kept) == [0.1, 0.2]
    assert all("mean" in r["condition"] for r in kept)
    table = (tmp_path / "out" / "tiny3.md").read_text(encoding="utf-8")
    assert "0.1 Å/px" not in table  # a row for the card alone
    assert "0.2 Å/px" in table
    assert len(result.floors) == 6


def test_the_benchmark_of_a_model_that_finds_nothing(tiny_focal_model, blinded, own_cache, few, tmp_path):
    benchmark.run([str(blinded(tiny_focal_model))], tmp_path / "out", images=1)
    rows = pd.read_csv(tmp_path / "out" / "tiny3.csv")
    assert (rows.recall == 0).all()
    assert rows.count_exact.isna().all()
    for figure in ("dose", "reliability"):
        assert (tmp_path / "out" / f"tiny3-{figure}.png").stat().st_size > 5000
