"""Focal series from the command line: simulated with their truth, analysed series by series, misuse."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import torch
from click.testing import Result
from safetensors.torch import load_file, save_file

from napari_atomcount.measure.alignment import align_series
from napari_atomcount.networks.card import read_card, write_card
from napari_atomcount.resources import sample_series

Command = Callable[..., Result]


@pytest.fixture(scope="module")
def series_model(dots_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network that sees bright dots, in the last of three images."""
    folder = tmp_path_factory.mktemp("models") / "series"
    folder.mkdir()
    card, state = read_card(dots_model), load_file(dots_model / "weights.safetensors")
    stem = state["stem.weight"]
    state["stem.weight"] = torch.cat([torch.zeros_like(stem), torch.zeros_like(stem), stem], 1)
    save_file(state, folder / "weights.safetensors")
    sha = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    changes = {"name": "series", "focal_series": True, "sha256": sha, "network": card.network | {"frames": 3}}
    write_card(card.model_copy(update=changes), folder)
    return folder


def test_a_movie_is_analysed_series_by_series(
    command: Command, series_model: Path, dots_file: Path, tmp_path: Path
) -> None:
    asked = ["analyze", dots_file, "--model", series_model, "--out", tmp_path, "--focal-series"]
    result = command(*asked, "--defocus-nm", "-17,-4,9")
    assert result.exit_code == 0, result.stderr
    assert "the last image makes no whole series of 3" in result.stderr
    columns = pd.read_csv(tmp_path / "columns.csv")
    assert sorted(columns["frame"].unique()) == [0, 3, 6]
    # the hopper is gone in frames 4 to 6: the last image of the series from 3 shows it no more
    assert (columns.groupby("frame").size() == [16, 15, 16]).all()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["settings"]["detect"]["defocus_nm"] == [-17, -4, 9]
    shifts = np.array([one["shift_px"] for one in summary["focal_series"]["series"]])
    assert np.abs(shifts).max() < 0.5


def test_misuse_is_one_clear_sentence(
    command: Command, series_model: Path, dots_model: Path, dots_file: Path, tmp_path: Path
) -> None:
    result = command("analyze", dots_file, "--model", series_model, "--out", tmp_path / "a")
    assert result.exit_code == 1
    assert "add --focal-series" in result.stderr
    result = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "a", "--focal-series")
    assert result.exit_code == 1
    assert "looks at single images" in result.stderr
    both = ["analyze", dots_file, "--model", series_model, "--out", tmp_path / "a", "--focal-series"]
    result = command(*both, "--defocus-nm", "1,2")
    assert result.exit_code == 1
    assert "needs 3 different defoci" in result.stderr
    assert command(*both, "--defocus-nm", "near,far").exit_code == 2
    assert not (tmp_path / "a").exists()


def test_simulated_series_have_their_truth(command: Command, tmp_path: Path) -> None:
    recipe = json.loads(sample_series().with_suffix(".json").read_text())
    recipe["particle"] |= {"diameter_A": [12, 13], "cell_A": 25.6, "relax": 0.0}
    recipe |= {"snapshots": 1}
    path = tmp_path / "small.json"
    path.write_text(json.dumps(recipe))
    result = command("simulate", path, "--out", tmp_path / "made", "-n", 2)
    assert result.exit_code == 0, result.stderr
    images = tifffile.imread(tmp_path / "made" / "images.tif")
    assert images.shape == (6, 128, 128)
    truth = pd.read_csv(tmp_path / "made" / "truth.csv")
    assert sorted(truth["frame"].unique()) == [0, 3]
    series = pd.read_csv(tmp_path / "made" / "truth_series.csv")
    assert series["series"].tolist() == [0, 0, 0, 3, 3, 3]
    assert series["defocus_nm"].tolist() == [-17, -4, 9] * 2
    assert (series.loc[series["frame"].isin([0, 3]), ["dy", "dx"]] == 0).all(None)
    assert (series.loc[~series["frame"].isin([0, 3]), ["dy", "dx"]].abs() > 0).all(None)


def test_the_sample_is_aligned_as_its_truth_says() -> None:
    images = tifffile.imread(sample_series()).astype(np.float32)
    truth = pd.read_csv(sample_series().with_name(f"{sample_series().stem}_truth_series.csv"))
    found = align_series(images, (0.02, 0.02))
    assert found.sure
    np.testing.assert_allclose(found.shift, truth[["dy", "dx"]], atol=0.3)
