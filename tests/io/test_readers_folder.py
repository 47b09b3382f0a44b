"""Unit tests of folders as movies, of unknown and damaged files, and of the memory that reading takes."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile
from stacks import STACK, assert_holds, cut

from napari_atomcount.io.readers import list_datasets, open_movie
from napari_atomcount.records.errors import InputError


def test_a_folder_is_one_movie_in_natural_order(tmp_path):
    for t, frame in enumerate(STACK):
        tifffile.imwrite(
            tmp_path / f"frame{t + 7}.tif", frame, imagej=True, resolution=(50, 50), metadata={"unit": "nm"}
        )
    (tmp_path / "notes.txt").write_text("taken on a Monday")
    (tmp_path / ".hidden.tif").write_text("")
    movie = open_movie(tmp_path)
    assert_holds(movie)
    assert movie.name == tmp_path.name
    assert movie.calibration.pixel_size_nm == pytest.approx((0.02, 0.02), rel=1e-5)
    assert movie.calibration.frame_time_s is None
    assert list_datasets(tmp_path) == [tmp_path.name]


def test_a_folder_of_pictures(tmp_path):
    for t, frame in enumerate(STACK):
        iio.imwrite(tmp_path / f"{t}.png", (frame % 256).astype(np.uint8))
    assert_holds(open_movie(tmp_path), (STACK % 256).astype(np.uint8))


def test_an_unreadable_image_of_a_folder_is_a_blank_frame(tmp_path):
    for t, frame in enumerate(STACK):
        tifffile.imwrite(tmp_path / f"{t}.tif", frame)
    cut(tmp_path / "3.tif", 100)
    movie = open_movie(tmp_path)
    assert any("Frame 3, 3.tif" in w for w in movie.warnings)
    assert not movie.frame(3).any()
    np.testing.assert_array_equal(movie.frame(4), STACK[4])


def test_a_folder_of_unequal_images_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "0.tif", STACK[0])
    tifffile.imwrite(tmp_path / "1.tif", STACK[0, :10])
    with pytest.raises(InputError, match=r"1\.tif"):
        open_movie(tmp_path)


def test_a_folder_with_a_stack_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "0.tif", STACK)
    with pytest.raises(InputError, match="itself a stack"):
        open_movie(tmp_path)


def test_a_folder_of_several_kinds_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "0.tif", STACK[0])
    np.save(tmp_path / "1.npy", STACK[0])
    with pytest.raises(InputError, match=r"several kinds.*\.npy"):
        open_movie(tmp_path)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no images"):
        open_movie(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.tif"):
        open_movie(tmp_path / "nowhere.tif")


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.csv", "a.py"])
def test_an_unknown_kind_lists_the_known_ones(tmp_path, name):
    (tmp_path / name).write_text("1,2,3")
    with pytest.raises(InputError, match=r"\.dm4"):
        open_movie(tmp_path / name)


@pytest.mark.parametrize(
    "suffix", ["dm3", "dm4", "mrc", "ser", "emi", "emd", "hspy", "npy", "npz", "tif", "png", "blo"]
)
@pytest.mark.parametrize("content", [b"", b"nonsense " * 400])
def test_nonsense_is_refused_by_one_sentence(tmp_path, suffix, content):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.{suffix}") as caught:
        open_movie(tmp_path / f"a.{suffix}")
    assert "\n" not in str(caught.value)


def test_a_frame_of_a_file_that_vanished_is_an_input_error(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    movie = open_movie(tmp_path / "a.npy")
    (tmp_path / "a.npy").unlink()
    with pytest.raises(InputError, match=r"Frame 2 of a\.npy"):
        movie.frame(2)


def test_memory_does_not_grow_with_the_frames_read(tmp_path):
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("needs /proc to measure memory")
    array = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.uint16, (200, 512, 512))
    array[:] = 7
    del array
    movie = open_movie(tmp_path / "a.npy")
    movie.frame(0)
    before = int(statm.read_text().split()[1])
    for _, frame in movie.frames():
        assert frame[0, 0] == 7
    grown = (int(statm.read_text().split()[1]) - before) * 4096
    assert grown < 20 * 2**20  # the movie has 100 MiB
