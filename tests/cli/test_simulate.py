"""Integration tests of ``simulate``: seeded images with their truth, from a small recipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from click.testing import Result

from napari_atomcount.io.readers import open_movie

Command = Callable[..., Result]
SAMPLE = Path(__file__).parents[2] / "sample_data" / "hopping_au_310.json"


@pytest.fixture(scope="module")
def small_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe of a tiny particle that moves a lot."""
    recipe = json.loads(SAMPLE.read_text())
    recipe["particle"] |= {"diameter_A": [12, 13], "cell_A": 25.6, "relax": 0.0}
    recipe["snapshots"] = 1
    recipe["kinetics"] |= {"frames": 4, "rate": 0.9, "smallest": 1, "drift_nm": 0.02}
    path = tmp_path_factory.mktemp("recipes") / "small.json"
    path.write_text(json.dumps(recipe))
    return path


def test_a_movie_with_its_truth(command: Command, small_movie: Path, tmp_path: Path) -> None:
    result = command("simulate", small_movie, "--out", tmp_path / "a", "--seed", 3)
    assert result.exit_code == 0, result.stderr
    names = {path.name for path in (tmp_path / "a").iterdir()}
    assert names == {"images.tif", "truth.csv", "truth_events.csv", "recipe.json"}
    movie = open_movie(tmp_path / "a" / "images.tif")
    assert movie.shape == (4, 128, 128)
    assert movie.calibration.pixel_size_nm == pytest.approx((0.02, 0.02))
    assert movie.calibration.frame_time_s == pytest.approx(0.2)
    truth = pd.read_csv(tmp_path / "a" / "truth.csv")
    assert list(truth.columns) == ["frame", "y", "x", "count", "label"]
    assert set(truth["frame"]) == {0, 1, 2, 3}
    assert (truth["count"] >= 1).all()
    # bright columns (Cs < 0, overfocus): the truth lies on them
    frame = np.mean([movie.frame(t) for t in range(4)], axis=0)
    first = truth[truth["frame"] == 0]
    at = frame[first["y"].round().astype(int), first["x"].round().astype(int)]
    assert at.mean() > frame.mean()


def test_events_lie_where_columns_come_and_go(command: Command, small_movie: Path, tmp_path: Path) -> None:
    command("simulate", small_movie, "--out", tmp_path / "a", "--seed", 3)
    truth = pd.read_csv(tmp_path / "a" / "truth.csv")
    events = pd.read_csv(tmp_path / "a" / "truth_events.csv")
    assert list(events.columns) == ["frame", "y", "x", "kind"]
    assert len(events)
    for event in events.itertuples():
        here = truth[truth["frame"] == event.frame]
        distance = np.hypot(here["y"] - event.y, here["x"] - event.x).min() * 0.02
        assert (distance < 0.03) == (event.kind == "appear")


def test_the_seed_decides(command: Command, small_movie: Path, tmp_path: Path) -> None:
    images = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        command("simulate", small_movie, "--out", tmp_path / name, "--seed", seed, "-n", 2)
        images.append(tifffile.imread(tmp_path / name / "images.tif"))
    assert images[0].shape[0] == 2
    np.testing.assert_array_equal(images[0], images[1])
    assert not np.array_equal(images[0], images[2])


def test_the_written_recipe_makes_the_same_again(command: Command, small_movie: Path, tmp_path: Path) -> None:
    command("simulate", small_movie, "--out", tmp_path / "a", "--seed", 5, "-n", 2)
    result = command("simulate", tmp_path / "a" / "recipe.json", "--out", tmp_path / "b", "--seed", 5)
    assert result.exit_code == 0, result.stderr
    for name in ("images.tif", "truth.csv"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("content", "word"), [("{}", "recipe"), ("[1]", "recipe"), ("no json", "recipe"), (None, "fcc-110-hrtem")]
)
def test_a_wrong_recipe_is_one_line(command: Command, tmp_path: Path, content: str | None, word: str) -> None:
    path = tmp_path / "wrong.json"
    if content is not None:
        path.write_text(content)
    result = command("simulate", path, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1
    assert word in result.stderr
    assert not (tmp_path / "out").exists()
