"""Unit tests of the readers of .npy and .npz, and of what is no movie at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stacks import STACK, assert_holds, cut

from napari_atomcount.io.readers import list_datasets, open_movie
from napari_atomcount.records.errors import InputError


@pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", "f2", ">f8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npy(tmp_path, dtype, order):
    data = np.asarray((STACK % 2).astype(dtype), order=order)
    np.save(tmp_path / "a.npy", data)
    movie = open_movie(tmp_path / "a.npy")
    assert_holds(movie, data)
    assert "--pixel-size-nm" in movie.warnings[0]


def test_of_a_cut_npy_the_complete_frames_are_kept(tmp_path):
    np.save(tmp_path / "a.npy", STACK)
    cut(tmp_path / "a.npy", 128 + STACK[:2].nbytes + 3)
    movie = open_movie(tmp_path / "a.npy")
    assert_holds(movie, STACK[:2])
    assert "frame 2 of 6 " in movie.warnings[0]


@pytest.mark.parametrize("n_bytes", [0, 5, 50, 200])
def test_an_npy_without_a_complete_frame_is_refused(tmp_path, n_bytes):
    np.save(tmp_path / "a.npy", STACK)
    cut(tmp_path / "a.npy", n_bytes)
    with pytest.raises(InputError, match=r"a\.npy"):
        open_movie(tmp_path / "a.npy")


class Bomb:
    """An object whose unpickling would be noticed."""

    def __reduce__(self):
        return (Path("exploded").write_text, ("!",))


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_pickles_are_never_loaded(tmp_path, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    array = np.array([[Bomb()] * 20] * 20, dtype=object)
    if suffix == "npy":
        np.save("a.npy", array, allow_pickle=True)
    else:
        np.savez("a.npz", array)
    with pytest.raises(InputError, match="Python objects"):
        open_movie(f"a.{suffix}")
    assert not Path("exploded").exists()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("in_memory", [0, 2**28])
def test_npz_with_its_calibration(tmp_path, monkeypatch, save, in_memory):
    monkeypatch.setattr("napari_atomcount.io.readers_numpy._IN_MEMORY", in_memory)
    save(
        tmp_path / "a.npz",
        movie=STACK,
        pixel_size_nm=(0.03, 0.02),
        frame_time_s=0.2,
        kv=300,
        positions=np.ones((9, 2)),
    )
    movie = open_movie(tmp_path / "a.npz")
    assert_holds(movie)
    c = movie.calibration
    assert (c.pixel_size_nm, c.frame_time_s, c.kv) == ((0.03, 0.02), 0.2, 300)


def test_npz_of_several_images_lists_them(tmp_path):
    np.savez(tmp_path / "a.npz", noisy=STACK, clean=STACK, positions=np.ones((9, 2)))
    with pytest.raises(InputError, match=r"--dataset.*0: noisy.*1: clean"):
        open_movie(tmp_path / "a.npz")
    assert list_datasets(tmp_path / "a.npz") == ["noisy", "clean"]
    assert open_movie(tmp_path / "a.npz", dataset="clean").dataset == "clean"


@pytest.mark.parametrize(
    ("shape", "dtype", "text"),
    [
        ((50,), "f4", "one-dimensional"),
        ((1, 50), "f4", "one-dimensional"),
        ((2, 3, 10, 12), "f4", "4 dimensions"),
        ((20, 20, 3), "u1", "RGB.*--channel"),
        ((5, 20, 20, 4), "u1", "RGB.*--channel"),
        ((20, 20), "c8", "complex.*--channel"),
        ((20, 20), "U5", "not the numbers"),
        ((0, 20, 20), "f4", "empty|one-dimensional"),
    ],
)
def test_what_is_no_movie_is_refused(tmp_path, shape, dtype, text):
    np.save(tmp_path / "a.npy", np.zeros(shape, dtype))
    with pytest.raises(InputError, match=text):
        open_movie(tmp_path / "a.npy")


@pytest.mark.parametrize(("channel", "part"), [("amplitude", np.abs), ("phase", np.angle), ("real", np.real)])
def test_complex_data_open_by_their_part(tmp_path, channel, part):
    data = np.exp(1j * STACK[:2] / 4000).astype(np.complex64)
    np.save(tmp_path / "a.npy", data)
    movie = open_movie(tmp_path / "a.npy", channel=channel)
    np.testing.assert_allclose(movie.frame(1), part(data[1]), rtol=1e-5)


def test_colour_movies_open_by_their_channel(tmp_path):
    data = np.random.default_rng(0).integers(0, 255, (5, 20, 24, 3)).astype(np.uint8)
    np.save(tmp_path / "a.npy", data)
    assert_holds(open_movie(tmp_path / "a.npy", channel="blue"), data[..., 2])
