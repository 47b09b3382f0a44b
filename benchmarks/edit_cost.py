"""What one edit costs with many columns loaded, against one 2048³ float32 matrix product on the same machine.

Run it as ``python benchmarks/edit_cost.py``; it prints JSON: seconds and bytes of an edit until its frame's
columns and the whole table are there again, and of undoing it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from napari_atomcount.io.session import Session
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie


def many_columns(number: int, frames: int) -> pd.DataFrame:
    """A table of columns on a square lattice in every frame."""
    side = int(np.ceil(np.sqrt(number / frames)))
    frame, i, j = np.mgrid[:frames, :side, :side].reshape(3, -1)[:, :number]
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(len(frame)), "site_id": -1, "y": 10.0 * i, "x": 10.0 * j,
            "y_nm": 0.2 * i, "x_nm": 0.2 * j, "y_sigma": 0.2, "x_sigma": 0.2, "score": 0.9, "label": "column",
            "count": 2, "count_prob": 0.7, "count_low": 1, "count_high": 3, "origin": "network",
            "count_p": list(np.tile(np.float32([0.1, 0.7, 0.2]), (len(frame), 1))),
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--columns", type=int, default=100_000)
    options.add_argument("--frames", type=int, default=200)
    options.add_argument("--edits", type=int, default=50)
    given = options.parse_args()
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    product = []
    for _ in range(3):
        begun = time.perf_counter()
        a @ a
        product.append(time.perf_counter() - begun)
    movie = Movie(np.zeros((given.frames, 8, 8), np.uint8), Calibration(pixel_size_nm=(0.02, 0.02)), "movie")
    with tempfile.TemporaryDirectory() as place:
        session = Session.create(movie, Path(place) / "movie.atomcount")
        session.add_run(many_columns(given.columns, given.frames), {"name": "none", "sha256": "0"})
        log = session.folder / "corrections.jsonl"
        seconds: dict[str, list[float]] = {"on_disk_and_frame": [], "whole_table": [], "undo_and_frame": []}
        sizes = []
        for n in range(given.edits):
            t, before = n % given.frames, log.stat().st_size
            begun = time.perf_counter()
            session.do([corrections.set_count(t, 10.0, 10.0 * (1 + n % 5), 3)])
            session.columns.frame_columns(t)
            seconds["on_disk_and_frame"].append(time.perf_counter() - begun)
            sizes.append(log.stat().st_size - before)
            begun = time.perf_counter()
            session.columns.table.shape  # noqa: B018
            seconds["whole_table"].append(time.perf_counter() - begun)
        for n in reversed(range(given.edits)):
            begun = time.perf_counter()
            session.undo()
            session.columns.frame_columns(n % given.frames)
            seconds["undo_and_frame"].append(time.perf_counter() - begun)
        session.close()
    found = {name: {"median_s": float(np.median(s)), "max_s": max(s)} for name, s in seconds.items()}
    print(json.dumps({"columns": given.columns, "matrix_product_s": min(product), **found,
                      "bytes_per_edit_max": max(sizes)}, indent=1))  # fmt: skip


if __name__ == "__main__":
    main()
