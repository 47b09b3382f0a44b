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
        (("--strain-reference", "mean"), "need a --template"),
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


def test_time_a_line_and_the_refinement(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path, "--frames", "0:3"),
        *("--template", "square:0.26", "--strain-refine", "gaussian", "--strain-filter", "wiener"),
        *("--strain-neighbours", "4", "--strain-line", "40,28:40,75"),
    )
    assert done.exit_code == 0, done.stderr
    settings = json.loads((tmp_path / "summary.json").read_text())["settings"]["strain"]
    assert (settings["refine"], settings["prefilter"], settings["neighbours"]) == ("gaussian", "wiener", 4)
    # the corners of so small a square have too few neighbours to match, and two columns are no facet
    assert not (tmp_path / "strain_facets.csv").exists()
    time = pd.read_csv(tmp_path / "strain_time.csv")
    assert set(time.frame) == {0, 1, 2}
    assert set(time.part) == {"all"}
    line = pd.read_csv(tmp_path / "strain_line.csv")
    assert line.normal.to_numpy() == pytest.approx(line.eyy.to_numpy())  # the line is drawn along x
    assert line.parallel.to_numpy() == pytest.approx(line.exx.to_numpy())
    for name in ("strain_time", "strain_line", "strain_interface"):
        assert (tmp_path / f"{name}.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--strain-line", "1,2,3"), "two places"),
        (("--strain-line", "1,2:1,2"), "no length"),
        (("--strain-artefact", "focus=3"), "the names are defocus"),
        (("--strain-artefact", "tilt=much"), "NAME=NUMBER"),
    ],
)
def test_mistakes_in_lines_and_conditions_are_said_first(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path, options: tuple[str, ...], word: str
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "out"),
        *("--template", "square:0.26", *options),
    )
    assert done.exit_code == 1
    assert word in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_unknown_refinement_is_wrong_usage(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "out"),
        *("--template", "square:0.26", "--strain-refine", "parabola"),
    )
    assert done.exit_code == 2
    assert "quadratic" in done.stderr


def test_pixels_that_are_not_square_are_used_and_said(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path, "--frames", "0:2"),
        *("--template", "square:0.26", "--pixel-size-nm", "0.02,0.0204"),
    )
    assert done.exit_code == 0, done.stderr
    assert "pixels are not square" in done.stderr
    found = pd.read_csv(tmp_path / "strain.csv")
    inner = found[(found.frame == -1) & (found.n_matched == 8)]
    assert (inner.exx - inner.eyy).mean() == pytest.approx(0.02, abs=0.003)


def test_fewer_columns_than_a_template_needs_are_said(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path
) -> None:
    done = command(
        *("analyze", dots_file, "--model", dots_model, "--out", tmp_path, "--frames", "0:2"),
        *("--template", "square:0.26", "--roi", "24:50,24:37"),  # two of the dots
    )
    assert done.exit_code == 0, done.stderr
    assert "no strain: Strain needs at least" in done.stderr
    assert not (tmp_path / "strain.png").exists()
