"""Kinetic movies: a particle that turns or grows is where its truth says."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_atomcount.benchmark.dynamics import recipe
from napari_atomcount.physics.hopping import simulate_movie


@pytest.mark.parametrize(("turn", "growth"), [(0.0, 0.0), (6.0, 0.0), (0.0, 0.08)])
def test_the_truth_turns_and_grows_with_the_image(turn, growth, tmp_path):
    made = recipe(0, 1e5, 2, static=True)
    particle = made.particle.model_copy(update={"diameter_A": (15.0, 16.0), "relax": 0.0, "tilt_deg": (0, 0)})
    motion = {"turn_deg": turn, "growth": growth, "drift": "none", "defocus_jitter_nm": 0.0}
    kinetics = made.kinetics.model_copy(update=motion)
    made = made.model_copy(update={"particle": particle, "snapshots": 1, "kinetics": kinetics})
    movie = simulate_movie(made, 3, tmp_path)
    assert movie.turn.tolist() == [0.0, turn]
    assert movie.scale.tolist() == [1.0, 1.0 + growth]
    first, last = (movie.truth[movie.truth["frame"] == t].set_index("site") for t in (0, 1))
    middle = movie.frames.shape[1] / 2
    ratio = (last["x"] - middle - 1j * (last["y"] - middle)) / (
        first["x"] - middle - 1j * (first["y"] - middle)
    )
    far = np.hypot(first["x"] - middle, first["y"] - middle) > 10
    np.testing.assert_allclose(np.rad2deg(np.angle(ratio))[far], turn, atol=1e-6)
    np.testing.assert_allclose(np.abs(ratio)[far], 1 + growth, atol=1e-9)
    # columns are bright where they are said to be, more than where they were
    smooth = gaussian_filter(movie.frames[1].astype(float), 1.5)

    def brightness(table):
        rows, cols = (np.rint(table[n].to_numpy()).astype(int) for n in ("y", "x"))
        return smooth[rows, cols].mean()

    if turn or growth:
        assert brightness(last) > brightness(first) + 0.05 * smooth.mean()
    else:
        assert brightness(last) == pytest.approx(brightness(first))
