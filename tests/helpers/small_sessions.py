"""A small movie, and what a network might say about it, for the tests of sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

MODEL = {"name": "dots", "sha256": "ab" * 32}


def make_movie(path: Path | None = None, seed: int = 0) -> Movie:
    """Four frames of noise."""
    data = np.random.default_rng(seed).poisson(9, (4, 32, 32)).astype(np.uint16)
    return Movie(data, Calibration(pixel_size_nm=(0.02, 0.02)), "Au in O2", path=path)


def run_of(shift: float = 0.0, n_frames: int = 4, side: int = 3) -> pd.DataFrame:
    """COLUMNS: `side` times `side` columns in each frame, 10 px apart, moved by `shift`."""
    frame, i, j = np.mgrid[:n_frames, :side, :side].reshape(3, -1)
    n = len(frame)
    table = pd.DataFrame(
        {
            "frame": frame, "column_id": np.arange(n), "site_id": -1, "y": 10.0 * i + 5 + shift,
            "x": 10.0 * j + 5 + shift / 3, "y_nm": 0.0, "x_nm": 0.0, "y_sigma": 0.2, "x_sigma": 0.2,
            "score": 0.9, "label": "column", "count": 2, "count_prob": 0.7, "count_low": 1, "count_high": 3,
            "origin": "network", "count_p": [np.array([0.1, 0.7, 0.2], np.float32)] * n,
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)
