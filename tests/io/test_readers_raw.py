"""Unit tests of the readers of MRC, SER and EMI on files made here."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from stacks import STACK, assert_holds, cut

from napari_atomcount.io.readers import open_movie
from napari_atomcount.records.errors import InputError


def write_mrc(path, data, mode, angstrom=0.2, order="<", extended=b"", version=0):
    header = bytearray(1024)
    t, y, x = data.shape
    header[:16] = struct.pack(f"{order}4i", x, y, t, mode)
    header[28:40] = struct.pack(f"{order}3i", x, y, t)
    header[40:52] = struct.pack(f"{order}3f", x * angstrom, 2 * y * angstrom, t)
    header[92:96] = struct.pack(f"{order}i", len(extended))
    header[104:108] = b"FEI1" if extended else bytes(4)
    header[108:112] = struct.pack(f"{order}i", version)
    header[208:216] = b"MAP " + (b"\x11\x11\0\0" if order == ">" else b"DD\0\0")
    path.write_bytes(bytes(header) + extended + data.astype(data.dtype.newbyteorder(order)).tobytes())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("mode", "dtype"), [(1, "i2"), (2, "f4"), (6, "u2"), (12, "f2")])
def test_mrc(tmp_path, mode, dtype, order):
    write_mrc(tmp_path / "a.mrc", STACK.astype(dtype), mode, order=order)
    movie = open_movie(tmp_path / "a.mrc")
    assert_holds(movie, STACK.astype(dtype))
    assert movie.calibration.pixel_size_nm == pytest.approx((0.04, 0.02))
    assert movie.calibration.frame_time_s is None


@pytest.mark.parametrize(("version", "dtype"), [(0, "u1"), (20140, "i1")])
def test_mrc_bytes_are_signed_since_2014(tmp_path, version, dtype):
    data = (STACK % 100).astype(dtype)
    write_mrc(tmp_path / "a.mrc", data, 0, version=version)
    assert_holds(open_movie(tmp_path / "a.mrc"), data)


def test_mrc_of_fei_knows_kv_dose_and_pixel_size(tmp_path):
    extended = bytearray(1024 * len(STACK))
    extended[84:100] = struct.pack("<2d", 300e3, 310e20)
    extended[156:172] = struct.pack("<2d", 2e-11, 2e-11)
    write_mrc(tmp_path / "a.mrc", STACK, 6, extended=bytes(extended))
    c = open_movie(tmp_path / "a.mrc").calibration
    assert c.pixel_size_nm == pytest.approx((0.02, 0.02))
    assert (c.kv, c.dose_e_per_A2) == (pytest.approx(300), pytest.approx(310))
    assert set(c.sources.values()) == {"file"}


def test_mrc_without_a_cell_has_no_pixel_size(tmp_path):
    write_mrc(tmp_path / "a.mrc", STACK, 6, angstrom=0.0)
    assert open_movie(tmp_path / "a.mrc").calibration.pixel_size_nm is None


def test_of_a_cut_mrc_the_complete_frames_are_kept(tmp_path):
    write_mrc(tmp_path / "a.mrc", STACK, 6)
    cut(tmp_path / "a.mrc", 1024 + STACK[:4].nbytes + 10)
    movie = open_movie(tmp_path / "a.mrc")
    assert_holds(movie, STACK[:4])
    assert any("frame 4 of 6 " in w for w in movie.warnings)


@pytest.mark.parametrize("n_bytes", [10, 1024, 1500])
def test_an_mrc_without_a_complete_frame_is_refused(tmp_path, n_bytes):
    write_mrc(tmp_path / "a.mrc", STACK, 6)
    cut(tmp_path / "a.mrc", n_bytes)
    with pytest.raises(InputError, match="cut off"):
        open_movie(tmp_path / "a.mrc")


def test_an_mrc_header_of_nonsense_is_refused(tmp_path):
    (tmp_path / "a.mrc").write_bytes(b"\xff" * 5000)
    with pytest.raises(InputError, match="no MRC"):
        open_movie(tmp_path / "a.mrc")


def write_ser(path, data, pixel_m=2e-11, wide=True, kind=0x4122, unit=b"s", step=0.2):
    t, y, x = data.shape
    offset_type = "<Q" if wide else "<I"
    dimension = struct.pack("<I2d2I", t, 0, step, 0, 0) + struct.pack("<I", len(unit)) + unit
    head = struct.pack("<3H4I", 0x4949, 0x0197, 0x0220 if wide else 0x0210, kind, 0x4152, t, t)
    table = len(head) + struct.calcsize(offset_type) + 4 + len(dimension)
    elements = [
        struct.pack("<2dI2dIH2I", 0, pixel_m, 0, 0, pixel_m * 1.25, 0, 2, x, y)
        + np.ascontiguousarray(frame[::-1]).tobytes()
        for frame in data
    ]
    start = table + 2 * t * struct.calcsize(offset_type)
    offsets = [start + sum(map(len, elements[:i])) for i in range(t)]
    body = b"".join(struct.pack(offset_type, o) for o in offsets * 2) + b"".join(elements)
    path.write_bytes(head + struct.pack(offset_type, table) + struct.pack("<I", 1) + dimension + body)


@pytest.mark.parametrize("wide", [False, True])
def test_ser_is_stored_from_the_bottom_up(tmp_path, wide):
    write_ser(tmp_path / "a_1.ser", STACK, wide=wide)
    movie = open_movie(tmp_path / "a_1.ser")
    assert_holds(movie)
    assert movie.calibration.pixel_size_nm == pytest.approx((0.025, 0.02))
    assert movie.calibration.frame_time_s == pytest.approx(0.2)


def test_of_a_cut_ser_the_complete_frames_are_kept(tmp_path):
    write_ser(tmp_path / "a_1.ser", STACK)
    cut(tmp_path / "a_1.ser", (tmp_path / "a_1.ser").stat().st_size - 2 * STACK[0].nbytes)
    movie = open_movie(tmp_path / "a_1.ser")
    assert_holds(movie, STACK[: movie.n_frames])
    assert movie.n_frames in (3, 4)
    assert f"frame {movie.n_frames} of 6 " in movie.warnings[0]


EMI = """<ObjectInfo><ExperimentalDescription><Root>
<Data><Label>High tension</Label><Value>300</Value><Unit>kV</Unit></Data>
<Data><Label>Mode</Label><Value>{mode}</Value><Unit></Unit></Data>
</Root></ExperimentalDescription></ObjectInfo>"""


def test_emi_brings_its_series_and_the_voltage(tmp_path):
    write_ser(tmp_path / "a_1.ser", STACK)
    (tmp_path / "a.emi").write_bytes(b"\x01\x02" + EMI.format(mode="TEM uP SA Zoom Image").encode() + b"\xff")
    movie = open_movie(tmp_path / "a.emi")
    assert_holds(movie)
    assert movie.calibration.kv == 300


def test_emi_tells_diffraction(tmp_path):
    write_ser(tmp_path / "a_1.ser", STACK)
    (tmp_path / "a.emi").write_text(EMI.format(mode="TEM Diffraction"))
    movie = open_movie(tmp_path / "a_1.ser")
    assert movie.calibration.pixel_size_nm is None
    assert "diffraction" in movie.warnings[0]


def test_emi_alone_says_what_is_missing(tmp_path):
    (tmp_path / "a.emi").write_text(EMI)
    with pytest.raises(InputError, match=r"a_1\.ser"):
        open_movie(tmp_path / "a.emi")


def test_a_ser_of_spectra_is_refused(tmp_path):
    write_ser(tmp_path / "a_1.ser", STACK, kind=0x4120)
    with pytest.raises(InputError, match="spectra"):
        open_movie(tmp_path / "a_1.ser")
