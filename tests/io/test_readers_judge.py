"""Unit tests of units and of the rules that make a movie of a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_atomcount.io.readers_common import Axis, Dataset, FrameStack, unique_names
from napari_atomcount.io.readers_judge import to_movie
from napari_atomcount.io.units import is_energy, is_reciprocal, length_in_nm, time_in_s
from napari_atomcount.records.errors import InputError

NM = (Axis("y", 0.02, "nm"), Axis("x", 0.02, "nm"))
MOVIE = (Axis("time", 0.2, "s"), *NM)


def judged(shape=(4, 10, 12), axes=MOVIE, **more):
    data = np.arange(np.prod(shape)).reshape(shape)
    return to_movie(Dataset("d", data, axes, **more), Path("d.x"), "d", None, keep_name=False)


LENGTHS = {
    1.0: "nm [n_m] Nanometers nanometre",
    1e3: "µm μm um microns \\u00B5m",
    0.1: "Å Å A ang angstroms",
    1e-3: "pm picometer",
    1e9: "m meters",
    2.54e7: "inches",
    None: "px s 1/nm eV pixel",
}


@pytest.mark.parametrize(
    ("nm", "unit"), [(nm, unit) for nm, units in LENGTHS.items() for unit in units.split()]
)
def test_lengths(nm, unit):
    assert length_in_nm(unit) == (None if nm is None else pytest.approx(nm))


@pytest.mark.parametrize(
    ("unit", "seconds"),
    [
        ("s", 1),
        ("sec", 1),
        ("Seconds", 1),
        ("ms", 1e-3),
        ("µs", 1e-6),
        ("minutes", 60),
        ("h", 3600),
        ("nm", None),
    ],
)
def test_times(unit, seconds):
    assert time_in_s(unit) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("unit", ["1/nm", "1 / nm", "nm^-1", "nm⁻¹", "mrad", "rad", "deg", "1/Å"])
def test_reciprocal_units(unit):
    assert is_reciprocal(unit)
    assert not is_energy(unit)


@pytest.mark.parametrize("unit", ["eV", "keV", "meV"])
def test_energies_are_spectra(unit):
    with pytest.raises(InputError, match="spectra"):
        judged(axes=(Axis("x"), Axis("y"), Axis("Energy", 0.1, unit)))


def test_the_exposure_stands_in_for_a_missing_frame_time_as_an_estimate():
    movie = judged(axes=(Axis("stack", 1.0, ""), *NM), exposure_s=0.5)
    assert movie.calibration.frame_time_s == 0.5
    assert movie.calibration.sources["frame_time_s"] == "estimated"
    assert "exposure" in movie.warnings[0]
    assert judged((1, 10, 12), exposure_s=0.5, axes=(Axis(), *NM)).calibration.frame_time_s is None


@pytest.mark.parametrize("kv", [0.0, -5.0, 300000.0, None])
def test_an_impossible_voltage_is_no_voltage(kv):
    assert judged(kv=kv).calibration.kv is None


def test_axes_of_size_one_are_dropped_but_never_y_or_x():
    assert judged((1, 4, 1, 10, 12), (Axis("c"), Axis("t"), Axis("z"), *NM)).shape == (4, 10, 12)
    with pytest.raises(InputError, match="one-dimensional"):
        judged((4, 1, 12))


def test_time_is_brought_to_the_front():
    movie = judged((10, 12, 4), (*NM, Axis("time", 0.2, "s")))
    assert movie.shape == (4, 10, 12)
    np.testing.assert_array_equal(movie.frame(1), np.arange(480).reshape(10, 12, 4)[:, :, 1])
    assert movie.calibration.frame_time_s == pytest.approx(0.2)


def test_datasets_of_one_name_are_numbered():
    both = [Dataset("HAADF", np.zeros((3, 3)), NM)] * 2
    assert [d.name for d in unique_names(both)] == ["HAADF [0]", "HAADF [1]"]


def test_a_stack_of_frames_reads_only_what_is_asked_for():
    seen = []

    def read(t):
        seen.append(t)
        return np.full((4, 5), t)

    stack = FrameStack(read, "a", (7, 4, 5), np.int64)
    assert stack[2:4, 1:3, 0].tolist() == [[2, 2], [3, 3]]
    assert stack[6].shape == (4, 5)
    assert seen == [2, 3, 6]
    assert stack.to_dask()[5, 0, 0].compute() == 5
    assert seen == [2, 3, 6, 5]
