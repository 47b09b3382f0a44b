"""How much of a view is free of columns."""

import numpy as np
import pytest

from napari_atomcount.measure.vacuum import free_share, little_vacuum

PIXEL = (0.02, 0.02)


def lattice(start, stop, step=15):
    return (part.ravel() for part in np.mgrid[start:stop:step, start:stop:step].astype(float))


def test_a_view_without_columns_is_free():
    assert free_share([], [], (100, 100), PIXEL) == 1
    assert not little_vacuum([], [], (100, 100), PIXEL)


def test_one_column_takes_its_circle():
    share = free_share([200.0], [200.0], (400, 400), PIXEL)
    assert share == pytest.approx(1 - np.pi * 0.7**2 / 8.0**2, abs=0.003)


def test_pixels_need_not_be_square():
    share = free_share([100.0], [200.0], (200, 400), (0.04, 0.02))
    assert share == pytest.approx(1 - np.pi * 0.7**2 / 8.0**2, abs=0.003)


def test_a_view_inside_a_crystal_shows_too_little():
    y, x = lattice(0, 300)
    assert free_share(y, x, (300, 300), PIXEL) == 0
    assert little_vacuum(y, x, (300, 300), PIXEL)
    assert not little_vacuum(y, x, (600, 300), PIXEL)  # half of it beside the crystal
    assert not little_vacuum(y[:7], x[:7], (60, 60), PIXEL)  # too few columns to say


def test_what_was_not_seen_is_no_vacuum():
    y, x = lattice(0, 300)
    valid = np.zeros((600, 300), bool)
    valid[:300] = True
    assert little_vacuum(y, x, (600, 300), PIXEL, valid)
    assert np.isnan(free_share(y, x, (600, 300), PIXEL, np.zeros((600, 300), bool)))
