"""What frames leave behind in memory, with a detector whose answers are made beforehand."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from dot_scene import PIXEL_NM, card

from napari_atomcount import pipeline
from napari_atomcount.pipeline import spool
from napari_atomcount.pipeline.spool import Rows, TableSpool
from napari_atomcount.pipeline.store import LogitStore
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.packed import pack

SIDE, STEP, K = 192, 6, 20
COLUMNS = (SIDE // STEP) ** 2


class Stack:
    """Frames of noise, made when they are asked for."""

    def __init__(self, frames):
        self.shape = (frames, SIDE, SIDE)
        self.dtype = np.dtype(np.uint16)

    def __getitem__(self, t):
        return np.random.default_rng(int(t)).integers(90, 110, (SIDE, SIDE)).astype(np.uint16)


class Prepared:
    """Always the same columns, on a square lattice."""

    def __init__(self):
        self.card = card()
        at = np.full((SIDE, SIDE), -9, np.float32)
        at[STEP // 2 :: STEP, STEP // 2 :: STEP] = 6
        count = np.random.default_rng(0).normal(size=(K, SIDE, SIDE)).astype(np.float32)
        flat = np.zeros((3, SIDE, SIDE), np.float32)
        self.maps = ProbabilityMaps(
            at, flat[:2], flat[2] - 1, count, None, ("column",), (1.0, 1.0), PIXEL_NM,
            np.ones((SIDE, SIDE), bool),
        )  # fmt: skip

    def detect(self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
        return self.maps


def movie(frames):
    calibration = Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM), frame_time_s=0.1, kv=300, dose_e_per_A2=310)
    return Movie(Stack(frames), calibration, "noise")


@pytest.fixture
def traced():
    tracemalloc.start()
    yield
    tracemalloc.stop()


def test_detection_leaves_nothing_in_memory(traced, monkeypatch):
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", 1)
    monkeypatch.setattr("napari_atomcount.measure.spectra.IN_MEMORY_BYTES", 0)
    long = movie(16)
    store, columns = LogitStore(long, card()), TableSpool(tables.COLUMNS)
    used = []
    for result in pipeline.detect_frames(long, Prepared()):
        store.add(result)
        columns.add(result.columns)
        assert len(result.columns) == COLUMNS
        used.append(tracemalloc.get_traced_memory()[0])
    store.close()
    assert len(columns.table()) == 16 * COLUMNS
    assert (used[-1] - used[3]) / 12 < 3 * COLUMNS  # not even three bytes for each column


def test_a_whole_analysis_takes_little_for_each_column(traced):
    peak = []
    for frames in (6, 24):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        analysis = pipeline.analyze(movie(frames), Prepared())
        assert len(analysis.columns) == frames * COLUMNS
        peak.append(tracemalloc.get_traced_memory()[1] - before)
        del analysis
    # a row of the table has 14 numbers of 8 bytes beside its words and its list, which Arrow keeps
    assert (peak[1] - peak[0]) / (18 * COLUMNS) < BYTES_OF_A_COLUMN


BYTES_OF_A_COLUMN = 700


def part(first, number, label="column"):
    table = pd.DataFrame(
        {
            "frame": first, "column_id": np.arange(first * 100, first * 100 + number), "site_id": -1,
            "y": np.arange(number) + 0.25, "x": 2.0, "y_nm": 1.0, "x_nm": np.nan, "y_sigma": 0.1,
            "x_sigma": 0.1, "score": 0.9, "label": label, "count": 2, "count_prob": 0.5, "count_low": 1,
            "count_high": 3, "origin": "network", "count_p": pack(np.full((number, 3), first / 8)),
        }
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


@pytest.mark.parametrize("at_once", [1, 25, 10_000])
def test_a_spooled_table_is_the_parts_joined(at_once, monkeypatch):
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", at_once)
    parts = [
        part(t, number, label) for t, number, label in ((0, 7, "Ce"), (1, 0, "O"), (2, 30, "O"), (4, 1, "Ce"))
    ]
    spooled = TableSpool(tables.COLUMNS)
    for one in parts:
        spooled.add(one)
    table = spooled.table()
    pd.testing.assert_frame_equal(table, pd.concat([p for p in parts if len(p)], ignore_index=True))
    tables.validate(table, tables.COLUMNS)
    spooled.close()


def test_nothing_spooled_is_an_empty_table(monkeypatch):
    monkeypatch.setattr(spool, "ROWS_AT_ONCE", 1)
    pd.testing.assert_frame_equal(TableSpool(tables.COLUMNS).table(), tables.empty(tables.COLUMNS))
    given_up = TableSpool(tables.COLUMNS)
    given_up.add(part(0, 3))
    given_up.close()


def test_rows_keep_their_place_while_their_array_grows():
    rows = Rows(3)
    rng = np.random.default_rng(0)
    parts = [rng.random((n, 3)) for n in (5, 0, 900, 4000, 3)]
    places = [rows.add(one) for one in parts]
    for one, place in zip(parts, places, strict=True):
        np.testing.assert_array_equal(rows[place], one)
