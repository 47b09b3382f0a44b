"""A window in which strain can be measured."""

from __future__ import annotations

import pytest
from strain_hands import SQUARE, choose, open_strain


@pytest.fixture
def measured(desk, movie):
    """The dots, run, followed, and section 5 unfolded with a square template."""
    desk.show(movie)
    desk.click("run_all")
    desk.wait_idle()
    open_strain(desk)
    choose(desk, SQUARE)
    return desk
