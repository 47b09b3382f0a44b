"""Strain from the command line: options, files, summary, and templates that do not exist."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import Result

from napari_atomcount.records import tables

Command = Callable[..., Result]


def test_a_template_writes_strain(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path, "--frames", "0:4"),
        *("--template", "square:0.26", "--strain-reference", "absolute", "--kv", "300"),
    )
    assert done.exit_code == 0, done.stderr
    found = pd.read_csv(tmp_path / "strain.csv")
    assert list(found) == tables.STRAIN.names
    assert set(found.frame) == {-1, 0, 1, 2, 3}
    average = found[found.frame == -1]
    assert len(average) == 16
    middle = average[average.n_matched == 8]
    assert middle.planar.abs().max() < 0.01  # 13 px of 0.02 nm are 0.26 nm
    names = {path.name for path in tmp_path.iterdir()}
    assert {"strain.parquet", "strain.png", "strain.svg", "strain_components.png"} <= names
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["strain"]["reference"] == "absolute"
    assert summary["settings"]["strain"]["templates"] == ["square:0.26"]


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--template", "fcc120"), "is no template"),
        (("--template", "square:0.26", "--strain-reference", "somewhere"), "no strain reference"),
        (("--strain-reference", "mean"), "needs a --template"),
    ],
)
def test_mistakes_are_said_before_the_long_job(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    done = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "out", *options)
    assert done.exit_code == 1
    assert word in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_wrong_zone_axis_is_a_warning(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        "analyze",
        dots_file,
        "--model",
        dots_model,
        "--out",
        tmp_path,
        "--template",
        "graphene",
        "--frames",
        "0:2",
    )
    assert done.exit_code == 0
    assert "wrong zone axis" in done.stderr
