"""A point of frame 0 in another frame, and back."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.records.motion import Motion, turning


def drift(**more):
    table = pd.DataFrame({"frame": [0, 4, 5], "dy": [0.0, 1.0, -2.0], "dx": [0.0, 0.5, 3.0]})
    return table.assign(confidence=1.0, **more)


TURNED = {"rotation": [0.0, 10.0, -4.0], "scale": [1.0, 1.02, 0.98], "pivot_y": 30.0, "pivot_x": 40.0}


@pytest.mark.parametrize("more", [{}, TURNED | {"aspect": 1.0}, TURNED | {"aspect": 0.5}])
def test_there_and_back(more):
    motion = Motion.of(drift(**more))
    place = np.random.default_rng(0).uniform(0, 80, (50, 2))
    row = motion.rows(np.random.default_rng(1).choice([0, 4, 5], 50))
    np.testing.assert_allclose(motion.back(motion.forward(place, row), row), place, atol=1e-9)
    everywhere = motion.everywhere(place)
    assert everywhere.shape == (3, 50, 2)
    np.testing.assert_allclose(everywhere[row, np.arange(50)], motion.forward(place, row))
    for k in range(3):
        matrix, offset = motion.mapping(k)
        np.testing.assert_allclose(place @ matrix.T + offset, everywhere[k])
    np.testing.assert_allclose(everywhere[0], place)


def test_a_turn_is_counter_clockwise_on_the_screen_and_one_in_nm():
    up = turning(90.0, 1.0) @ np.array([0.0, 1.0])  # to the right
    np.testing.assert_allclose(up, [-1.0, 0.0], atol=1e-12)
    # pixels twice as high as wide: 2 px to the right are as long as 1 px up
    np.testing.assert_allclose(turning(90.0, 1.0, 2.0) @ np.array([0.0, 2.0]), [-1.0, 0.0], atol=1e-12)


def test_the_nearest_frame_stands_in_for_one_that_is_not_there():
    motion = Motion.of(drift(**TURNED, aspect=1.0))
    assert motion.at(3).frame.tolist() == [4]
    assert motion.at(99).frame.tolist() == [5]
    none = Motion.of(drift().iloc[:0]).at(7)
    assert none.shift.tolist() == [[0.0, 0.0]]
    assert none.linear is None
