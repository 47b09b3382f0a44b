"""What one edit costs with 100,000 columns loaded: seconds until the canvas has drawn it, bytes on disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.session import Session
from napari_atomcount.networks.card import DEFAULT_MODEL, load_card
from napari_atomcount.records import corrections, tables

COLUMNS, FRAMES, EDITS = 100_000, 200, 30
DRAWN_EDITS = 12
#: Floors of the benchmark: at most so many matrix products until the layer shows an edit, and bytes on disk.
LIMITS = {"edit to layer": 3.0, "edit bytes": 1000.0}
Row = tuple[str, str, float, str]
#: The desk knows the screen, this part of the package does not: it runs in a process of its own.
DESK = "napari_atomcount.gui.edit_timing"


def many_columns(number: int, frames: int) -> pd.DataFrame:
    """A table of columns on a square lattice in every frame."""
    side = int(np.ceil(np.sqrt(number / frames)))
    frame, i, j = np.mgrid[:frames, :side, :side].reshape(3, -1)[:, :number]
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(len(frame)), "site_id": -1, "y": 10.0 * i, "x": 10.0 * j,
            "y_nm": 0.2 * i, "x_nm": 0.2 * j, "y_sigma": 0.2, "x_sigma": 0.2, "score": 0.9, "label": "column",
            "count": 2, "count_prob": 0.7, "count_low": 1, "count_high": 3, "origin": "network",
            "count_p": list(np.tile(np.array([0.1, 0.7, 0.2], np.float32), (len(frame), 1))),
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


def edit_rows() -> list[Row]:
    """Rows of the speed table (figure, condition, value, unit); a unit is a 2048³ f32 matrix product."""
    seconds: list[float] = []
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "movie.tif"
        side = 10 * int(np.ceil(np.sqrt(COLUMNS / FRAMES))) + 10
        frames = np.random.default_rng(0).poisson(20, (FRAMES, side, side)).astype(np.uint8)
        tifffile.imwrite(
            path, frames, imagej=True, resolution=(50, 50), metadata={"unit": "nm", "axes": "TYX"}
        )
        folder = Path(place) / "movie.atomcount"
        with Session.create(open_movie(path), folder) as session:
            session.add_run(many_columns(COLUMNS, FRAMES), _model())
            log = folder / "corrections.jsonl"
            for n in range(EDITS):
                before = log.stat().st_size
                begun = time.perf_counter()
                session.do([corrections.set_count(n % FRAMES, 10.0, 10.0 * (1 + n % 5), 3)])
                assert len(session.columns.table)
                seconds.append(time.perf_counter() - begun)
                sizes.append(log.stat().st_size - before)
        drawn = _drawn_seconds(path)
    unit = _unit_seconds()
    table_s, bytes_ = float(np.median(seconds)), float(max(sizes))
    what = f"{COLUMNS:,} columns"
    rows: list[Row] = [
        ("edit unit", "2048³ f32 matrix product", unit, "s"),
        ("edit to disk and table", what, table_s / unit, "units"),
        ("edit bytes", what, bytes_, "bytes"),
    ]
    if drawn is not None:
        rows.append(("edit to layer", f"{what}, drawn", drawn / unit, "units"))
        rows.append(("edit seconds", f"{what}, drawn", drawn, "s"))
    return rows


def _model() -> dict[str, str]:
    """Name and hash of a model that the desk finds again."""
    card = load_card(DEFAULT_MODEL)
    return {"name": card.name, "sha256": card.sha256}


def _unit_seconds() -> float:
    """Shortest of some matrix products, s: other programs only make them longer."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def _drawn_seconds(path: Path) -> float | None:
    """Median seconds of an edit in the real window; None without a screen, a virtual one or napari."""
    command = [sys.executable, "-m", DESK, str(path), str(DRAWN_EDITS)]
    home = path.parent / "home"
    own = {
        "XDG_DATA_HOME": str(home),
        "XDG_CONFIG_HOME": str(home),
        "NAPARI_CONFIG": str(home / "napari.yaml"),
    }
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if shutil.which("xvfb-run") is None:
            return None
        command = ["xvfb-run", "-a", "-s", "-screen 0 1600x1000x24", *command]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, check=False, env=os.environ | own
    )
    if done.returncode != 0:
        return None
    return float(np.median(json.loads(done.stdout.splitlines()[-1])[1:]))  # the first one warms up
