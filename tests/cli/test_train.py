"""Integration test of ``train``: Ctrl-C keeps the checkpoint, the same command goes on and writes a model."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from napari_atomcount import model_building
from napari_atomcount.networks.card import load_card
from napari_atomcount.resources import PACKAGE

Command = Callable[..., Result]


@pytest.fixture
def miniature(tmp_path: Path) -> Path:
    """The bundled recipe, shrunk to what trains in seconds."""
    recipe = json.loads((PACKAGE / "recipes" / "fcc-110-hrtem.json").read_text())
    recipe |= {"name": "miniature", "specimens": 2, "snapshots": 1}
    recipe["particle"] = {"diameter_A": [10, 12], "cell_A": 25.6, "relax": 0.0}
    recipe["surroundings"] = {"film": 0.0, "edge": 0.0}
    recipe["network"] = {"widths": [8, 8], "blocks": 1, "counts": 8}
    recipe["training"] = {
        "images": 100,
        "batch": 4,
        "crop": 64,
        "snapshots": 1,
        "validation_images": 4,
        "validate_every": 1000,
    }
    path = tmp_path / "miniature.json"
    path.write_text(json.dumps(recipe))
    return path


def test_stopped_training_goes_on(
    command: Command, miniature: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    real, build = model_building.train, model_building.build_model

    def with_ctrl_c(function: Callable[..., Any], stage: str, at: int) -> Callable[..., Any]:
        def interrupted(*arguments: Any, progress: Callable[[dict[str, Any]], None], **options: Any) -> Any:
            def tell(news: dict[str, Any]) -> None:
                if news["stage"] == stage and news["done"] >= at:
                    os.kill(os.getpid(), signal.SIGINT)
                progress(news)

            return function(*arguments, progress=tell, **options)

        return interrupted

    def small(*arguments: Any, **options: Any) -> Any:
        return build(*arguments, **(options | {"images": 4}))

    monkeypatch.setattr(model_building, "train", with_ctrl_c(real, "train", 40))
    out = tmp_path / "model"
    result = command("train", miniature, "--out", out, "--device", "cpu")
    assert result.exit_code == 1, result.stderr
    assert "the same command goes on" in result.stderr
    assert (out / "training" / "checkpoint.safetensors").is_file()
    assert not (out / "card.json").exists()

    monkeypatch.setattr(model_building, "train", real)
    monkeypatch.setattr(model_building, "build_model", with_ctrl_c(small, "calibrate", 2))
    result = command("train", miniature, "--out", out, "--device", "cpu")
    assert result.exit_code == 1, result.stderr
    assert "the same command goes on" in result.stderr
    assert not (out / "card.json").exists()
    assert not (out / "weights.safetensors").exists()  # one that lay there would no longer fit its card

    monkeypatch.setattr(model_building, "build_model", small)
    result = command("train", miniature, "--out", out, "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    log = (out / "training" / "log.jsonl").read_text().splitlines()
    images = [json.loads(line)["images"] for line in log]
    assert images[0] < 100 <= images[-1]
    card = load_card(out)
    assert card.name == "miniature"
    assert card.recipe["specimens"] == 2


def test_a_wrong_recipe_or_start_is_one_line(command: Command, miniature: Path, tmp_path: Path) -> None:
    for arguments in (["nonsense"], [miniature, "--init", "nonsense"]):
        result = command("train", *arguments, "--out", tmp_path / "model")
        assert result.exit_code == 1
        assert len(result.stderr.strip().splitlines()) == 1
        assert not (tmp_path / "model").exists()
