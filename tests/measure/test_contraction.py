"""Tests of the contraction of small crystals, against numbers of the literature."""

from __future__ import annotations

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
