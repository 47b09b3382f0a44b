"""Unit tests of the command line's manners: help, exit status, one-line errors, no heavy imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import typer
from click.testing import Result

from napari_atomcount.cli import parsing

Command = Callable[..., Result]

OPTIONS = {
    "demo": ["--out"],
    "analyze": [
        "--model",
        "--out",
        "--dataset",
        "--channel",
        "--threshold",
        "--pixel-size-nm",
        "--frame-time-s",
        "--dose-e-per-A2",
        "--gain",
        "--material",
        "--kv",
        "--frames",
        "--roi",
        "--mask",
        "--no-drift",
        "--rotation",
        "--scale",
        "--false-events",
        "--device",
        "--maps",
    ],
    "simulate": ["--out", "-n", "--seed"],
    "train": ["--out", "--init", "--max-minutes", "--device"],
    "benchmark": ["--out"],
    "export": ["--what", "--out", "--movie", "--frame", "--site", "--line", "--log", "--log-start"],
    "models": ["--json", "--dose-e-per-A2", "--pixel-size-nm"],
    "gui": [],
}
HEAVY = ("torch", "abtem", "ase", "matplotlib", "napari", "qtpy", "PyQt6", "pandas", "scipy", "dask")


@pytest.mark.parametrize("verb", OPTIONS)
def test_help_documents_every_option(command: Command, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = command(verb, "--help")
    assert result.exit_code == 0
    for option in [*OPTIONS[verb], "--debug"]:
        assert option in result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom napari_atomcount.cli.app import app\n"
        f"for verb in {list(OPTIONS)!r}:\n"
        "    assert CliRunner().invoke(app, [verb, '--help']).exit_code == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_version(command: Command) -> None:
    result = command("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("napari-atomcount ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["analyze", "movie.tif"],
        ["analyze", "movie.tif", "--model", "m"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--nonsense"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--pixel-size-nm", "small"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--pixel-size-nm", "-1"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--frames", "5:2"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--roi", "0:5"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--symmetries", "3"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--beam-level", "0"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--threshold", "1.5"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--device", "toaster"],
        ["analyze", "movie.tif", "--model", "m", "--out", "o", "--false-events", "0"],
        ["simulate", "x.json", "--out", "o", "-n", "0"],
    ],
)
def test_wrong_usage_exits_with_2(command: Command, arguments: list[str]) -> None:
    assert command(*arguments).exit_code == 2


@pytest.fixture
def bad_input(tmp_path: Path) -> dict[str, Path]:
    """Files that the contract's table of bad input names."""
    files = {name: tmp_path / f"{name}.tif" for name in ("rgb", "uncalibrated", "nonsense", "missing")}
    tifffile.imwrite(files["rgb"], np.zeros((64, 64, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(files["uncalibrated"], np.ones((2, 64, 64), np.uint16))
    files["nonsense"].write_bytes(b"this is no image")
    files["two"] = tmp_path / "two.npz"
    np.savez(files["two"], a=np.zeros((2, 64, 64)), b=np.zeros((2, 64, 64)))
    return files


@pytest.mark.parametrize(
    ("kind", "options", "word"),
    [
        ("missing", [], "missing.tif"),
        ("nonsense", [], "nonsense.tif"),
        ("rgb", [], "--channel"),
        ("two", [], "--dataset"),
        ("uncalibrated", [], "--pixel-size-nm"),
        ("uncalibrated", ["--pixel-size-nm", "25"], "--pixel-size-nm"),
        ("uncalibrated", ["--pixel-size-nm", "0.02", "--frames", "7:9"], "--frames"),
        ("uncalibrated", ["--pixel-size-nm", "0.02", "--roi", "90:99,0:9"], "region"),
        ("uncalibrated", ["--pixel-size-nm", "0.02", "--mask", "no.tif"], "no.tif"),
    ],
)
def test_bad_input_is_one_clear_line(
    command: Command,
    bad_input: dict[str, Path],
    dots_model: Path,
    tmp_path: Path,
    kind: str,
    options: list[str],
    word: str,
) -> None:
    result = command("analyze", bad_input[kind], "--model", dots_model, "--out", tmp_path / "out", *options)
    assert result.exit_code == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("napari-atomcount: ")
    assert word in last
    assert "Traceback" not in result.stderr
    assert not list((tmp_path / "out").glob("*"))


def test_debug_shows_where(command: Command, dots_model: Path, tmp_path: Path) -> None:
    result = command("analyze", tmp_path / "no.tif", "--model", dots_model, "--out", tmp_path, "--debug")
    assert result.exit_code == 1
    assert "Traceback" in result.stderr


def test_an_unexpected_error_is_reported_and_not_hidden(
    command: Command, dots_file: Path, dots_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of all things")

    monkeypatch.setattr("napari_atomcount.pipeline.analyze", broken)
    result = command("analyze", dots_file, "--model", dots_model, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "unexpected ZeroDivisionError: of all things" in result.stderr
    assert "--debug" in result.stderr


@pytest.mark.parametrize(
    ("name", "content"),
    [("card.json", "{}"), ("card.json", "not json"), ("weights.pkl", "cos\nsystem\n(S'true'\ntR.")],
)
def test_a_hostile_model_is_refused(
    command: Command, dots_file: Path, tmp_path: Path, name: str, content: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / name).write_text(content)
    result = command("analyze", dots_file, "--model", folder, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_unknown_model_names_the_known_ones(command: Command, dots_file: Path, tmp_path: Path) -> None:
    result = command("analyze", dots_file, "--model", "nonsense", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "fcc-110-hrtem" in result.stderr


def test_models_as_json(command: Command) -> None:
    result = command("models", "--json")
    assert result.exit_code == 0
    cards = {card["name"]: card for card in json.loads(result.stdout)}
    bundled = cards["fcc-110-hrtem"]
    keys = {"task", "materials", "zone_axis", "classes", "domain", "scores", "sha256", "folder"}
    assert keys <= set(bundled)
    assert bundled["counts"] is True
    assert bundled["focal_series"] is False
    assert Path(bundled["folder"]).is_dir()
    assert "expected" not in bundled
    table = command("models").stdout
    assert "fcc-110-hrtem" in table
    assert "e/Å²" in table


def test_models_say_what_to_expect_at_the_users_dose(command: Command) -> None:
    at = ["--dose-e-per-A2", "500", "--pixel-size-nm", "0.02"]
    cards = {card["name"]: card for card in json.loads(command("models", "--json", *at).stdout)}
    expected = cards["fcc-110-hrtem"]["expected"]
    assert 0.9 < expected["recall"] <= 1
    assert expected["dose_e_per_A2"] == 500
    assert f"recall {100 * expected['recall']:.1f} %" in command("models", *at).stdout


def test_the_gui_needs_files_that_exist(command: Command, tmp_path: Path) -> None:
    result = command("gui", tmp_path / "no.tif")
    assert result.exit_code == 1
    assert "no.tif" in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"), [("0.02", (0.02, 0.02)), ("0.02,0.03", (0.02, 0.03)), (None, None)]
)
def test_pixel_size(text: str | None, expected: object) -> None:
    assert parsing.pixel_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("2:7", (2, 7)), (":7", (0, 7)), ("2:", (2, None)), (None, None)]
)
def test_frame_range(text: str | None, expected: object) -> None:
    assert parsing.frame_range(text) == expected


def test_region() -> None:
    assert parsing.region("1:20,3:40") == (1, 20, 3, 40)
    for wrong in ("1:20", "1:20,3:", "20:1,3:40", "a:b,c:d", "1:20,3:40,5:6"):
        with pytest.raises(typer.BadParameter):
            parsing.region(wrong)
