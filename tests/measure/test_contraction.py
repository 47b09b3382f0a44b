"""Tests of the contraction of small crystals, against numbers of the literature."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from napari_atomcount.measure.contraction import BULK_MODULUS, SURFACE_STRESS, contraction


def test_gold_of_3_nm_is_between_what_the_two_measurements_say():
    """4 f / (3 K d) by hand: 0.30 % with 1.18 N/m, 0.81 % with 3.15 N/m, K = 173.2 GPa."""
    found = contraction("Au", 3.0)
    assert found.fraction == pytest.approx((0.00303 + 0.00808) / 2, rel=0.01)
    assert found.fraction - found.error == pytest.approx(0.0030, rel=0.02)
    assert found.source


def test_it_falls_with_the_diameter():
    assert contraction("Pt", 8.0).fraction == pytest.approx(contraction("Pt", 4.0).fraction / 2)


def test_what_is_not_known_is_an_error_and_no_number():
    found = contraction("CeO2", 4.0)
    assert (found.fraction, found.source) == (0.0, "")
    assert found.error == pytest.approx(0.005)


def test_every_metal_with_a_stress_has_a_stiffness():
    assert set(SURFACE_STRESS) == set(BULK_MODULUS)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = Path(__file__).parents[2] / "scripts" / "pixel_size_accuracy.py"
    spec = importlib.util.spec_from_file_location("pixel_size_accuracy", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_simulated_gold_has_another_bulk_lattice_than_real_gold(script):
    """Why particles are scaled before a pixel size is compared: gold of the EMT potential is too small."""
    assert script.tabulated("Au") == pytest.approx(4.0782)
    assert script.of_potential("Au") / script.tabulated("Au") - 1 == pytest.approx(-0.0054, abs=2e-4)
    assert script.of_potential("Pt") / script.tabulated("Pt") - 1 == pytest.approx(0.0, abs=1e-3)


@pytest.mark.slow
def test_the_pixel_size_of_simulated_gold_is_right_within_half_a_percent(script):
    """The pixel is known; the particle's inside is smaller than its bulk by what its surface does."""
    row = script.measured("Au", 0, 1, True)
    assert row["off as bulk"] > 0.4  # without the contraction the pixel comes out too large
    assert abs(row["off"]) < 0.5
    assert abs(row["off"]) < 3 * row["stated"]
    assert row["own contraction"] == pytest.approx(row["assumed contraction"], abs=0.2)
