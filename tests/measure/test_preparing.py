"""Tests of hot pixels, bad frames, running means and the gain, on made frames."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from napari_atomcount.measure.gain import measure_gain
from napari_atomcount.measure.preparing import (
    Cleaned,
    RollingMean,
    find_bad_frames,
    hot_pixels,
    without_hot_pixels,
)
from napari_atomcount.pipeline.preparing import bad_frames, prepared, viewed
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation


def scene(size: int = 128) -> np.ndarray:
    """Electrons expected per pixel: columns of 2 px standard deviation on an even beam."""
    yy, xx = np.mgrid[:size, :size]
    spots = np.exp(-(((yy + 6) % 12 - 6) ** 2 + ((xx + 6) % 12 - 6) ** 2) / (2 * 2.0**2))
    return 20.0 + 40.0 * spots * (np.hypot(yy - size / 2, xx - size / 2) < size / 3)


def frames(n: int, gain: float = 1.0, blur: float = 0.0, size: int = 128, dark: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(3)
    counts = rng.poisson(scene(size), (n, size, size)).astype(float)
    if blur:
        counts = np.array([ndimage.gaussian_filter(c, blur, mode="wrap") for c in counts])
    return gain * counts + dark


# -- hot pixels ---------------------------------------------------------------------
def test_hot_pixels_are_found_and_columns_are_not():
    frame = frames(1)[0]
    where = [(3, 4), (60, 61), (64, 70), (127, 0)]
    for y, x in where:
        frame[y, x] += 400
    hot = hot_pixels(frame)
    assert {tuple(p) for p in np.argwhere(hot)} == set(where)
    cleaned = without_hot_pixels(frame)
    assert (cleaned != frame).sum() == len(where)
    assert cleaned[60, 61] < 100


def test_a_clean_frame_is_left_alone():
    frame = frames(1)[0]
    assert without_hot_pixels(frame) is frame


def test_the_type_stays():
    frame = frames(1)[0].astype(np.uint16)
    frame[5, 5] = 5000
    assert without_hot_pixels(frame).dtype == np.uint16


def test_rare_electrons_are_no_hot_pixels():
    frame = np.random.default_rng(0).poisson(0.05, (128, 128)).astype(float)
    assert hot_pixels(frame).mean() < 1e-3


def test_nothing_to_see_is_nothing_hot():
    assert not hot_pixels(np.zeros((16, 16))).any()
    assert not hot_pixels(np.full((16, 16), np.nan)).any()


# -- lazy ---------------------------------------------------------------------------
class Counting:
    """A stack that counts the frames that are read."""

    def __init__(self, data: np.ndarray) -> None:
        self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, []

    def __getitem__(self, key: int) -> np.ndarray:
        self.read.append(key)
        return self.data[key]


def test_only_the_frame_that_is_looked_at_is_read():
    stack = Counting(frames(5).astype(np.uint16))
    stack.data[2, 8, 8] = 9000
    cleaned = Cleaned(stack, 8.0, bad=(3,))
    assert stack.read == []
    assert cleaned[2][8, 8] < 200
    assert stack.read == [2]
    assert not cleaned[3].any()
    assert stack.read == [2]
    np.testing.assert_array_equal(cleaned[0:2, :4], [stack.data[0, :4], stack.data[1, :4]])


def test_a_running_mean_leaves_bad_frames_out():
    data = np.arange(5.0)[:, None, None] * np.ones((1, 4, 4))
    mean = RollingMean(data, 3, bad=(3,))
    assert [float(mean[t].mean()) for t in range(5)] == [0.5, 1.0, 1.5, 3.0, 4.0]
    assert mean[2].dtype == np.float32


def test_a_movie_is_prepared_as_its_settings_say():
    data = frames(6).astype(np.uint16)
    data[1, 9, 9] = 9000
    movie = Movie(data, Calibration(), "m")
    assert prepared(movie, Preparation()) is movie
    ready = prepared(movie, Preparation(hot_pixels=True, bad_frames=(4,)))
    assert ready.frame(1)[9, 9] < 200
    assert not ready.frame(4).any()
    assert viewed(movie, Preparation(hot_pixels=True, rolling_frames=5)).frame(3).std() < movie.frame(3).std()
    assert movie.frame(1)[9, 9] == 9000  # the file is as it was
    less = prepared(movie, Preparation(dark_level=30.5, bad_frames=(4,)))
    assert less.dtype == less.frame(0).dtype == np.float32
    assert np.array_equal(less.frame(0), data[0] - np.float32(30.5))
    assert not less.frame(4).any()  # blank stays blank
    assert less.preparation.dark_level == 30.5


# -- bad frames ------------------------------------------------------------------------
def test_bad_frames_are_found_with_their_reason():
    data = frames(30).astype(np.uint16)
    data[7] = 0
    data[12] = data[11]
    data[18] = (data[18] * 0.4).astype(np.uint16)
    data[23] = ndimage.gaussian_filter(data[23].astype(float), 3)
    found = bad_frames(Movie(data, Calibration(), "m"))
    assert [one.frame for one in found] == [7, 12, 18, 23]
    words = " / ".join(one.words for one in found)
    for part in ("blank", "repeats", "brightness is far below", "sharpness is far below"):
        assert part in words


def test_a_slow_change_is_not_bad():
    data = frames(30) * np.linspace(1, 2, 30)[:, None, None]
    assert find_bad_frames(enumerate(data)) == []


# -- gain -----------------------------------------------------------------------------
@pytest.mark.parametrize("gain", [1.0, 3.7, 100.0])
@pytest.mark.parametrize("blur", [0.0, 0.6])
def test_the_gain_comes_back_within_3_percent(gain, blur):
    """Also behind a camera that spreads its electrons, where a pixel has less than half the variance."""
    found = measure_gain(frames(20, gain, blur, 256))
    assert found is not None
    assert found.counts_per_electron == pytest.approx(gain, rel=0.03)
    assert abs(found.counts_per_electron / gain - 1) < 4 * found.error / gain + 0.01
    if blur:
        assert found.single_pixels < 0.5


def test_the_dark_level_is_found_where_it_is_asked_for():
    found = measure_gain(frames(12, 5.0, 0.0, 256, dark=300.0), dark_level=None)
    assert found is not None
    assert found.dark_level == pytest.approx(300, abs=15)
    assert found.counts_per_electron == pytest.approx(5.0, rel=0.05)


def test_what_cannot_say_says_nothing():
    assert measure_gain(np.zeros((4, 128, 128))) is None
    assert measure_gain([scene(256)], single=True) is None  # no noise
    assert measure_gain(frames(3)[:, :20, :20]) is None
    assert measure_gain([]) is None
    assert measure_gain(frames(1), dark_level=None, single=True) is None
    assert measure_gain(behind_a_camera(1, 7.0, 3)) is None  # not asked for


def behind_a_camera(number: int, gain: float, seed: int, size: int = 256) -> list[np.ndarray]:
    """Frames of a camera of eq. 2.21 with c1 0.05, c2 0.5 and c3 2.5; electrons are drawn before it."""
    rng = np.random.default_rng(seed)
    k = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    function = 0.95 / (1 + (k / (2 * 0.5 * 0.5)) ** 2.5) + 0.05
    drawn = [rng.poisson(scene(size)).astype(float) for _ in range(number)]
    return [gain * np.fft.ifft2(np.fft.fft2(one) * function).real for one in drawn]


@pytest.mark.parametrize(("number", "most"), [(1, 4.0), (2, 2.4), (4, 1.7)])
def test_a_few_frames_of_a_blurring_camera_are_as_good_as_the_statistics_allow(number, most):
    """The Cramér–Rao bound of two frames of pure vacuum is 1.6 %; the stated error has to be true."""
    found = [measure_gain(behind_a_camera(number, 7.0, seed), single=True) for seed in range(8)]
    off = np.array([one.counts_per_electron / 7.0 - 1 for one in found])
    z = np.array([7.0 * o / one.error for o, one in zip(off, found, strict=True)])
    assert 100 * np.sqrt((off**2).mean()) < most
    assert 0.3 < np.sqrt((z**2).mean()) < 1.5
    assert all(one.frames == number for one in found)


def test_a_repeated_frame_counts_once():
    frame = behind_a_camera(1, 7.0, 3)[0]
    once, thrice = measure_gain([frame], single=True), measure_gain([frame] * 3, single=True)
    assert once is not None
    assert once == thrice


@pytest.mark.parametrize("brightness", [1.0, 10.0])
def test_frames_of_several_scenes_are_taken_one_by_one(brightness):
    """A folder of images of different particles: their differences are no noise."""
    rng = np.random.default_rng(5)
    turned = [np.rot90(np.roll(brightness * scene(256), 20 * k, 0), k) for k in range(4)]
    electrons = [rng.poisson(one).astype(float) for one in turned]
    naive = measure_gain([7.0 * e for e in electrons])
    assert naive is not None
    assert naive.counts_per_electron > 1.3 * 7.0
    found = measure_gain([7.0 * e for e in electrons], single=True)
    assert found is not None
    assert found.frames == 1
    assert found.counts_per_electron == pytest.approx(7.0, rel=0.06)


def test_scenes_without_vacuum_that_share_nothing_say_nothing():
    rng = np.random.default_rng(6)
    films = [ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2.0) for _ in range(4)]
    electrons = [rng.poisson(200.0 * np.exp(0.3 * film / film.std())).astype(float) for film in films]
    assert measure_gain(electrons, single=True) is None
    same = [rng.poisson(200.0 * np.exp(0.3 * films[0] / films[0].std())).astype(float) for _ in range(4)]
    found = measure_gain(same, single=True)
    assert found is not None
    assert found.counts_per_electron == pytest.approx(1.0, rel=0.03)


def test_a_single_frame_without_vacuum_says_nothing_of_the_gain():
    """Film everywhere: what looks like noise is not a camera's."""
    rng = np.random.default_rng(2)
    film = ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2.0)
    film = 200.0 * np.exp(0.3 * film / film.std())
    assert measure_gain([np.asarray(rng.poisson(film), float)], single=True) is None


def test_film_in_what_looks_like_vacuum_adds_nothing_where_frames_can_be_compared():
    rng = np.random.default_rng(2)
    film = ndimage.gaussian_filter(rng.normal(size=(256, 256)), 2.0)
    film = 50.0 * (1 + 0.05 * film / film.std())
    found = measure_gain([4.0 * rng.poisson(film) for _ in range(3)])
    assert found is not None
    assert found.counts_per_electron == pytest.approx(4.0, rel=0.03)


def test_a_drifting_particle_adds_nothing_to_the_gain():
    """Frames are laid on each other first: one pixel a frame would add a fifth."""
    expected = [np.roll(scene(256), (t, -t), axis=(0, 1)) for t in range(9)]
    rng = np.random.default_rng(4)
    found = measure_gain([8.0 * rng.poisson(e).astype(float) for e in expected])
    assert found is not None
    assert found.counts_per_electron == pytest.approx(8.0, rel=0.03)


def test_the_accuracy_script_measures_its_own_cameras(capsys):
    import importlib.util
    from pathlib import Path

    path = Path(__file__).parents[2] / "scripts" / "gain_accuracy.py"
    spec = importlib.util.spec_from_file_location("gain_accuracy", path)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.main(["--cases", "2", "--seed", "5"]) == 0
    printed = capsys.readouterr().out
    assert "2 cases, seed 5" in printed
    assert script.measured(5, 0)["off"] == pytest.approx(script.measured(5, 0)["off"])
