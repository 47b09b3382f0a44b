"""How much of a view is free of columns."""

import numpy as np
import pytest

from napari_atomcount.measure.vacuum import FREE_NM, free_area, little_vacuum

PIXEL = (0.02, 0.02)


def lattice(start, stop, step=15):
    return (part.ravel() for part in np.mgrid[start:stop:step, start:stop:step].astype(float))


def test_a_view_without_columns_is_free():
    assert free_area([], [], (100, 100), PIXEL) == pytest.approx(4.0)
    assert not little_vacuum([], [], (100, 100), PIXEL)


def test_one_column_takes_its_circle():
    area = free_area([200.0], [200.0], (400, 400), PIXEL)
    assert area == pytest.approx(64 - np.pi * FREE_NM**2, abs=0.05)


def test_pixels_need_not_be_square():
    area = free_area([100.0], [200.0], (200, 400), (0.04, 0.02))
    assert area == pytest.approx(64 - np.pi * FREE_NM**2, abs=0.05)


def test_a_view_inside_a_crystal_shows_too_little():
    y, x = lattice(0, 300)
    assert free_area(y, x, (300, 300), PIXEL) < 0.1
    assert little_vacuum(y, x, (300, 300), PIXEL)
    assert not little_vacuum(y, x, (330, 300), PIXEL)  # a strip of 0.6 nm beside the crystal
    assert not little_vacuum(y[:7], x[:7], (40, 40), PIXEL)  # too few columns to say


def test_what_was_not_seen_is_no_vacuum():
    y, x = lattice(0, 300)
    valid = np.zeros((600, 300), bool)
    valid[:300] = True
    assert little_vacuum(y, x, (600, 300), PIXEL, valid)
    assert free_area(y, x, (600, 300), PIXEL, np.zeros((600, 300), bool)) == 0
