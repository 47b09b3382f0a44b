"""Speed of what comes after the columns (sites, chains, events) and of one corrected column."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch

from napari_atomcount.benchmark.columns import floor
from napari_atomcount.benchmark.speed import SpeedResult
from napari_atomcount.pipeline.assembling import Followed
from napari_atomcount.pipeline.detecting import FrameResult
from napari_atomcount.pipeline.following import follow_sites
from napari_atomcount.pipeline.redecoding import redecode
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import corrections, tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings, DriftSettings

FRAMES, SITES, COUNTS = 1000, 500, 12
SPACING_PX, PIXEL_NM, SCALE = 14, 0.02, 2.0
MOST_UNITS, MOST_UNITS_OF_A_CORRECTION = 80.0, 1.0


def made_movie(frames: int, sites: int) -> tuple[Movie, LogitStore, pd.DataFrame]:
    """A movie's columns and maps without its images: a square lattice, every tenth site hops, noise.

    Returns
    -------
    Movie, LogitStore, DataFrame
        The store is to be closed by the caller; COLUMNS.
    """
    rng = np.random.default_rng(0)
    side = int(np.ceil(np.sqrt(sites)))
    size = (side + 1) * SPACING_PX
    y, x = (np.array(divmod(np.arange(sites), side)) + 1.0) * SPACING_PX
    change = rng.random((frames, sites)) < 0.02 * (np.arange(sites) % 10 == 0)
    occupied = np.cumsum(change, axis=0) % 2 == 0
    count = rng.integers(2, COUNTS - 1, sites)
    calibration = Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM), frame_time_s=0.1, dose_e_per_A2=310, kv=300)
    movie = Movie(np.zeros((frames, size, size), np.uint8), calibration, "made")
    store = LogitStore(movie)
    height = round(size / SCALE)
    iy, ix = np.rint((y + 0.5) / SCALE - 0.5).astype(int), np.rint((x + 0.5) / SCALE - 0.5).astype(int)
    shape = (height, height)
    nothing = np.zeros((2, *shape), np.float32)
    numbers = np.arange(1, COUNTS + 1)
    parts: list[pd.DataFrame] = []
    for t in range(frames):
        column = np.full(shape, -5, np.float32)
        logit = np.where(occupied[t], 4.0, -3.5) + 1.3 * rng.normal(size=sites)
        column[iy, ix] = logit
        seen = np.flatnonzero(logit > 0.5)
        expected = count[seen] + 0.35 * rng.normal(size=len(seen))
        p = np.exp(-0.5 * ((numbers - expected[:, None]) / 0.8) ** 2)
        p /= p.sum(axis=1, keepdims=True)
        best = p.argmax(axis=1)
        file_y, file_x = (
            y[seen] + 0.3 * rng.normal(size=len(seen)),
            x[seen] + 0.3 * rng.normal(size=len(seen)),
        )
        parts.append(
            pd.DataFrame(
                {
                    "frame": t,
                    "column_id": np.arange(len(seen)) + t * sites,
                    "site_id": -1,
                    "y": file_y,
                    "x": file_x,
                    "y_nm": file_y * PIXEL_NM,
                    "x_nm": file_x * PIXEL_NM,
                    "y_sigma": 0.3,
                    "x_sigma": 0.3,
                    "score": 1 / (1 + np.exp(-logit[seen])),
                    "label": "column",
                    "count": best + 1,
                    "count_prob": p[np.arange(len(seen)), best],
                    "count_low": best + 1,
                    "count_high": best + 1,
                    "origin": "network",
                    "count_p": list(p),
                }
            )
        )
        maps = ProbabilityMaps(
            column, nothing, nothing[0], None, None, ("column",), (SCALE, SCALE), SCALE * PIXEL_NM,
            np.ones(shape, bool),
        )  # fmt: skip
        weak = pd.DataFrame({"frame": np.zeros(0, np.int64), "y": [], "x": [], "score": []}, dtype=float)
        store.add(FrameResult(t, parts[-1], weak, maps, True, (), np.zeros((2, 2), np.complex64), 0.0))
    return movie, store, tables.conform(pd.concat(parts, ignore_index=True), tables.COLUMNS)


def following_rows(frames: int = FRAMES, sites: int = SITES) -> list[tuple[str, str, float, str]]:
    """Figures as (name, conditions, value, unit): following, its growth with the length, one correction."""
    matrices = torch.randn(2, 2048, 2048)
    unit = min(_seconds(lambda: matrices[0] @ matrices[1]) for _ in range(6))
    settings = AnalysisSettings(drift=DriftSettings(enabled=False))
    times: dict[int, float] = {}
    correction = np.nan
    for length in (20, frames // 2, frames):  # the first compiles the chains, and is not looked at
        movie, store, columns = made_movie(length, sites)
        try:
            begun = time.perf_counter()
            followed = follow_sites(movie, columns, store, settings)
            times[length] = time.perf_counter() - begun
            if length == frames:
                correction = min(_correction_seconds(followed, columns, movie) for _ in range(3))
        finally:
            store.close()
    unit = min(unit, *(_seconds(lambda: matrices[0] @ matrices[1]) for _ in range(6)))
    where = f"{frames} frames × {sites} sites"
    return [
        ("columns to events", where, times[frames] / unit, "units"),
        ("columns to events seconds", where, times[frames], "s"),
        ("columns to events, growth", "twice the frames", times[frames] / times[frames // 2], "times"),
        ("one corrected column", f"to all tables, {where}", correction / unit, "units"),
        ("one corrected column seconds", f"to all tables, {where}", correction, "s"),
    ]


def _seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def _correction_seconds(followed: Followed, columns: pd.DataFrame, movie: Movie) -> float:
    """Remove one column of a frame and bring all tables in line, s."""
    corrected = CorrectedColumns(columns, 0, movie.calibration)
    row = columns.iloc[len(columns) // 2]
    edit = corrections.remove(int(row["frame"]), float(row["y"]), float(row["x"]))
    frames = corrected.do(corrections.Gesture(1, (edit,)))
    return _seconds(lambda: redecode(followed, corrected, frames))


def with_following_speed(result: SpeedResult, frames: int = FRAMES) -> SpeedResult:
    """Add the figures of following and of a correction to those of the networks."""
    values = following_rows(frames)
    rows = pd.DataFrame(values, columns=["figure", "condition", "value", "unit"]).assign(benchmark="speed")
    first = result.rows.iloc[0]
    about: dict[str, Any] = {name: first[name] for name in ("model", "sha256", "device", "threads")}
    limits = {"columns to events": MOST_UNITS, "one corrected column": MOST_UNITS_OF_A_CORRECTION}
    found = {name: (condition, value) for name, condition, value, _ in values}
    floors = [
        floor(found[name][0], f"{name} (units)", found[name][1], limit, at_least=False)
        for name, limit in limits.items()
    ]
    both = pd.concat([result.rows, rows.assign(**about)], ignore_index=True)
    return SpeedResult(result.card, both, result.floors + floors)
