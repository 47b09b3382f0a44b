"""The demo as README promises it: the bundled model on the bundled movie, held against the truth."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import Result

from napari_atomcount.io.tables import read_analysis

Command = Callable[..., Result]
TOP = Path(__file__).parents[2]


def test_the_demo(command: Command, tmp_path: Path) -> None:
    result = command("demo", "--out", tmp_path)
    assert result.exit_code == 0, result.stderr
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert scores["columns"]["precision"] >= 0.99
    assert scores["columns"]["recall"] >= 0.97
    assert scores["columns"]["count_within_one"] >= 0.6  # at 310 e/Å²
    assert scores["events"]["f1"] >= 0.75
    assert scores["occupancy"]["mean_absolute_error"] < 0.05
    analysis = read_analysis(tmp_path)
    assert analysis.summary["domain"]["inside"]
    assert not analysis.summary["warnings"]
    for name in ("counts", "occupancy", "events", "trace"):
        for kind in ("png", "svg"):
            assert (tmp_path / f"{name}.{kind}").stat().st_size > 5000


def test_the_sample_and_its_truth_fit() -> None:
    sample = TOP / "sample_data" / "hopping_au_310"
    truth = pd.read_csv(f"{sample}_truth.csv")
    events = pd.read_csv(f"{sample}_truth_events.csv")
    assert sorted(truth["frame"].unique()) == list(range(40))
    balance = (events["kind"] == "appear").sum() - (events["kind"] == "vanish").sum()
    size = truth.groupby("frame").size()
    assert size[39] - size[0] == balance
    here = truth[truth["frame"] == 7]
    distance = np.hypot(*(here[a].to_numpy()[:, None] - here[a].to_numpy()[None] for a in ("y", "x")))
    assert distance[distance > 0].min() * 0.02 > 0.15  # nm


@pytest.mark.skipif(not (TOP / "README.md").is_file(), reason="the tests do not lie in a checkout")
def test_readme_begins_with_its_two_commands() -> None:
    script = TOP / "scripts" / "readme_commands.py"
    first, second = (
        subprocess.run(
            [sys.executable, script, number], capture_output=True, text=True, check=True
        ).stdout.strip()
        for number in ("1", "2")
    )
    assert len(first.splitlines()) == len(second.splitlines()) == 1
    assert first.endswith("napari-atomcount demo --out demo")
    assert second.endswith("pytest -n 2")
    readme = (TOP / "README.md").read_text("utf-8")
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", readme):
        assert (TOP / link).exists(), link


def test_readme_python_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", (TOP / "README.md").read_text("utf-8"), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(TOP / "sample_data", tmp_path / "sample_data")
    exec(compile(example, "README.md", "exec"), {})
    assert len(read_analysis(tmp_path / "result").events)
    assert (tmp_path / "result" / "events.svg").is_file()
