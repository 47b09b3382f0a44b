"""Unit tests of the calibration: sources, impossible values, px to nm."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError


def test_every_value_has_a_source():
    c = Calibration(pixel_size_nm=0.02, frame_time_s=0.2, sources={"frame_time_s": "file"})
    assert c.pixel_size_nm == (0.02, 0.02)
    assert c.sources == {"pixel_size_nm": "user", "frame_time_s": "file"}


def test_updated_replaces_value_and_source_and_forgets_with_none():
    c = Calibration(pixel_size_nm=(0.02, 0.03)).updated("file", kv=300.0)
    assert c.kv == 300.0
    assert c.sources == {"pixel_size_nm": "user", "kv": "file"}
    assert c.updated("user", pixel_size_nm=None).sources == {"kv": "file"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"pixel_size_nm": (0.0, 0.02)},
        {"pixel_size_nm": (math.nan, 0.02)},
        {"pixel_size_nm": (0.02, math.inf)},
        {"frame_time_s": -1.0},
        {"kv": 0.0},
        {"dose_e_per_A2": math.inf},
        {"pixels": 3},
    ],
)
def test_an_impossible_value_is_named(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Calibration().updated("user", **wrong)


@pytest.mark.parametrize("size", [None, (1e-4, 1e-4), (0.02, 5.0)])
def test_a_job_without_a_useful_pixel_size_is_told_the_option(size):
    with pytest.raises(InputError, match="--pixel-size-nm"):
        Calibration(pixel_size_nm=size).require_pixel_size()


def test_unknown_scales_give_nan_not_zero():
    c = Calibration()
    assert math.isnan(c.time_s(3))
    assert all(np.isnan(c.to_nm(np.ones(2), np.ones(2))[1]))
    assert math.isnan(c.electrons_per_pixel())


def test_dose_per_pixel():
    # CONTRACT: the per-pixel signal to noise is 1 at 0.1 Å/px and 100 e/Å²
    c = Calibration(pixel_size_nm=(0.01, 0.01), dose_e_per_A2=100.0)
    assert c.electrons_per_pixel() == pytest.approx(1.0)


@given(
    st.tuples(st.floats(1e-3, 1.0), st.floats(1e-3, 1.0)),
    st.floats(-1e5, 1e5),
    st.floats(-1e5, 1e5),
)
def test_px_to_nm_and_back(size, y, x):
    c = Calibration(pixel_size_nm=size)
    back = c.to_px(*c.to_nm(y, x))
    assert back == pytest.approx((y, x), rel=1e-12, abs=1e-12)


def test_json_round_trip():
    c = Calibration(pixel_size_nm=(0.02, 0.03), kv=300.0, sources={"kv": "file"})
    assert Calibration.model_validate_json(c.model_dump_json()) == c
