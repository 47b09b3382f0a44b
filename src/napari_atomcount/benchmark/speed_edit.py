"""What one edit costs with 100,000 columns loaded: seconds until table and layer show it, bytes on disk."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

COLUMNS, FRAMES, EDITS = 100_000, 200, 30
#: Floors of the benchmark: at most so many matrix products until the layer shows an edit, and bytes on disk.
LIMITS = {"edit to layer": 3.0, "edit bytes": 1000.0}
Row = tuple[str, str, float, str]

#: Fills napari's layer with the columns as the desk does; in a process of its own, because this part of the
#: package knows no screen.
_LAYER = """
import json, sys, time
import pandas as pd
from napari.layers import Points
from napari_atomcount.gui.points import fill_columns
table = pd.read_parquet(sys.argv[1])
layer = Points(ndim=3, size=7, border_width=0.06)
seconds = []
for _ in range(5):
    begun = time.perf_counter()
    fill_columns(layer, table, 6)
    seconds.append(time.perf_counter() - begun)
print(json.dumps(sorted(seconds)[2]))
"""


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
    movie = Movie(np.zeros((FRAMES, 8, 8), np.uint8), Calibration(pixel_size_nm=(0.02, 0.02)), "movie")
    seconds: list[float] = []
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "movie.atomcount"
        with Session.create(movie, folder) as session:
            session.add_run(many_columns(COLUMNS, FRAMES), {"name": "none", "sha256": "0"})
            log = folder / "corrections.jsonl"
            for n in range(EDITS):
                before = log.stat().st_size
                begun = time.perf_counter()
                session.do([corrections.set_count(n % FRAMES, 10.0, 10.0 * (1 + n % 5), 3)])
                table = session.columns.table
                seconds.append(time.perf_counter() - begun)
                sizes.append(log.stat().st_size - before)
        layer = _layer_seconds(table, Path(place) / "columns.parquet")
    unit = _unit_seconds()
    table_s, bytes_ = float(np.median(seconds)), float(max(sizes))
    what = f"{COLUMNS:,} columns"
    rows: list[Row] = [
        ("edit unit", "2048³ f32 matrix product", unit, "s"),
        ("edit to disk and table", what, table_s / unit, "units"),
        ("edit bytes", what, bytes_, "bytes"),
    ]
    if layer is not None:
        rows.append(("edit to layer", what, (table_s + layer) / unit, "units"))
        rows.append(("edit seconds", what, table_s + layer, "s"))
    return rows


def _unit_seconds() -> float:
    """Shortest of some matrix products, s: other programs only make them longer."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    times = []
    for _ in range(6):
        begun = time.perf_counter()
        a @ a
        times.append(time.perf_counter() - begun)
    return min(times[1:])


def _layer_seconds(table: pd.DataFrame, path: Path) -> float | None:
    """Seconds of filling the layer with a table; None where napari cannot be used on this machine."""
    table.drop(columns="count_p").to_parquet(path)
    done = subprocess.run(
        [sys.executable, "-c", _LAYER, str(path)], capture_output=True, text=True, timeout=600, check=False
    )
    if done.returncode != 0:
        return None
    return float(json.loads(done.stdout.splitlines()[-1]))
