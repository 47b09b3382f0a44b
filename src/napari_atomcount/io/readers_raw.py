"""MRC and TIA's SER by their byte layout: read frame by frame, also where the file is cut off."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from napari_atomcount.io.readers_common import Axis, Dataset, FrameStack, raw_array, truncation_warning
from napari_atomcount.io.readers_rsciio import read_rsciio
from napari_atomcount.records.errors import InputError

_MRC_HEADER = 1024
# Mode of the MRC2014 standard and of IMOD -> number type; 0 is signed or not, see `_mrc_dtype`.
_MRC_MODES = {1: "i2", 2: "f4", 4: "c8", 6: "u2", 12: "f2"}
_SER_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8", 9: "c8", 10: "c16"}
_SER_IMAGES = 0x4122
_SER_64_BIT = 0x0220


def read_mrc(path: Path) -> list[Dataset]:
    """Find the stack of an MRC file: pixel size from the cell or from FEI's extended header.

    Header: https://www.ccpem.ac.uk/mrc_format/mrc2014.php; FEI's extended one also holds kV and dose (e/m²).

    Raises
    ------
    InputError
        If it is no MRC file or holds not one complete frame.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(_MRC_HEADER)
        if len(header) < _MRC_HEADER:
            raise InputError(
                f"{path.name} is cut off within its header: nothing can be read; copy the file again."
            )
        order = ">" if header[212:214] == b"\x11\x11" else "<"
        nx, ny, nz, mode = struct.unpack(f"{order}4i", header[:16])
        extended = struct.unpack(f"{order}i", header[92:96])[0]
        if min(nx, ny, nz) < 1 or not 0 <= extended <= size or max(nx, ny) > 1_000_000:
            raise InputError(f"{path.name} is no MRC file: its header makes no sense.")
        extra = file.read(min(extended, 1024))
    dtype = _mrc_dtype(mode, header, order, path)
    offset = _MRC_HEADER + extended
    complete = min(nz, max(0, size - offset) // (nx * ny * dtype.itemsize))
    if complete == 0:
        raise InputError(
            f"{path.name} is cut off within its first frame: nothing can be read; copy the file again."
        )
    data = raw_array(path, dtype, offset, (complete, ny, nx))
    if complete == nz and "movie" in path.name:
        found = _with_camera_log(path, data)
        if found:
            return [found]
    mx, my = struct.unpack(f"{order}2i", header[28:36])
    xlen, ylen = struct.unpack(f"{order}2f", header[40:48])
    scale_y = ylen / my / 10 if my and ylen else None  # Å of the cell -> nm of a pixel
    scale_x = xlen / mx / 10 if mx and xlen else None
    kv = dose = None
    if header[104:107] == b"FEI" and len(extra) >= 172:
        volts, per_m2 = struct.unpack(f"{order}2d", extra[84:100])
        kv, dose = volts / 1000, per_m2 * 1e-20
        size_x, size_y = struct.unpack(f"{order}2d", extra[156:172])
        scale_x, scale_y = (size_x * 1e9 or scale_x), (size_y * 1e9 or scale_y)
    return [
        Dataset(
            name=path.stem,
            data=data,
            axes=(Axis("z"), Axis("y", scale_y, "nm"), Axis("x", scale_x, "nm")),
            kv=kv,
            dose_e_per_A2=dose,
            warnings=(truncation_warning(complete, nz),) if complete < nz else (),
        )
    ]


def _mrc_dtype(mode: int, header: bytes, order: str, path: Path) -> np.dtype[Any]:
    if mode == 0:
        # MRC2014 says signed; IMOD says so in its own flags; older files, and cameras, mean unsigned.
        imod = struct.unpack(f"{order}2i", header[152:160])
        version = struct.unpack(f"{order}i", header[108:112])[0]
        signed = bool(imod[1] & 1) if imod[0] == 1146047817 else version in (20140, 20141)
        return np.dtype("i1" if signed else "u1")
    if mode not in _MRC_MODES:
        raise InputError(
            f"{path.name} is an MRC file of mode {mode}, which is not known: save it as mode 0, 1, 2 or 6."
        )
    return np.dtype(order + _MRC_MODES[mode])


def _with_camera_log(path: Path, data: Any) -> Dataset | None:
    """Calibrate a Direct Electron movie by the log beside it, which RosettaSciIO knows; None without one."""
    stem = path.name.split("movie")[0]
    if not list(path.parent.glob(f"{_escaped(stem)}*info.txt")):
        return None
    (found,) = read_rsciio(path)
    if found.data.ndim != 3 or found.data.shape != data.shape:
        return found
    return Dataset(found.name, data, found.axes, found.kv, gain=found.gain, exposure_s=found.exposure_s)


def _escaped(text: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", text)


def read_ser(path: Path) -> list[Dataset]:
    """Find the image series of a TIA file; kV and the kind of image come from the .emi beside it.

    RosettaSciIO reads all frames of it at once, so they are read one by one here. Layout after C. Boothroyd,
    https://www.er-c.org/cbb/info/TIAformat/; images are stored from the bottom up.

    Raises
    ------
    InputError
        If it holds spectra, is no SER file, or not one frame is complete.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            byte_order, _, version, kind, _, _, valid = struct.unpack("<3H4I", file.read(22))
            wide = version >= _SER_64_BIT
            (table,) = struct.unpack("<Q" if wide else "<I", file.read(8 if wide else 4))
            if byte_order != 0x4949:
                raise InputError(f"{path.name} is no SER file of TIA: it does not begin like one.")
            steps = _ser_dimensions(file)
            if kind != _SER_IMAGES:
                raise InputError(f"{path.name} holds spectra or lines, not images: give a file of images.")
            file.seek(table)
            offsets = np.frombuffer(file.read(valid * (8 if wide else 4)), "<u8" if wide else "<u4").astype(
                int
            )
            if not len(offsets):
                raise InputError(
                    f"{path.name} holds no image: the acquisition was stopped or the file is cut off."
                )
            file.seek(int(offsets[0]))
            _, dx, _, _, dy, _, number, nx, ny = struct.unpack("<2dI2dIH2I", file.read(50))
            dtype = np.dtype("<" + _SER_TYPES[number])
        except (struct.error, KeyError, ValueError) as err:
            raise InputError(
                f"{path.name} cannot be read as SER: it is damaged or cut off in its header."
            ) from err
    ends = offsets + 50 + nx * ny * dtype.itemsize
    complete = int(np.argmax(ends > size)) if (ends > size).any() else len(offsets)
    if complete == 0:
        raise InputError(
            f"{path.name} is cut off within its first frame: nothing can be read; copy the file again."
        )

    def read(t: int) -> np.ndarray[Any, Any]:
        frame = np.fromfile(path, dtype, count=ny * nx, offset=int(offsets[t]) + 50)
        return frame.reshape(ny, nx)[::-1]

    if len([n for n, _ in steps if n > 1]) > 1:
        positions = " × ".join(str(n) for n, _ in steps)
        raise InputError(
            f"{path.name} holds an image for each of {positions} positions: give a series in time."
        )
    step = steps[0][1] if len(steps) == 1 else Axis("image")
    kv, diffraction = _emi(path)
    unit = "1/m" if diffraction else "m"
    return [
        Dataset(
            name=path.stem,
            data=FrameStack(read, path.name, (complete, ny, nx), dtype).to_dask(),
            axes=(step, Axis("y", dy, unit), Axis("x", dx, unit)),
            kv=kv,
            warnings=(truncation_warning(complete, valid),) if complete < valid else (),
        )
    ]


def _ser_dimensions(file: BinaryIO) -> list[tuple[int, Axis]]:
    """Size and step of each dimension along which the elements of a SER file are arranged."""
    (n_dimensions,) = struct.unpack("<I", file.read(4))
    found = []
    for _ in range(min(n_dimensions, 8)):
        size, _, delta, _, length = struct.unpack("<I2d2I", file.read(28))
        file.seek(length, 1)
        (length,) = struct.unpack("<I", file.read(4))
        unit = file.read(length).decode("latin-1")
        found.append((size, Axis("image", delta, unit)))
    return found


def read_emi(path: Path) -> list[Dataset]:
    """Find the image series that belong to an .emi file, which itself holds only their description.

    Raises
    ------
    InputError
        If there is none beside it.
    """
    parts = sorted(path.parent.glob(f"{_escaped(path.stem)}_[0-9]*.ser"))
    if not parts:
        raise InputError(f"{path.name} holds no pixels: put its {path.stem}_1.ser beside it.")
    found, reasons = [], []
    for part in parts:
        try:
            found += read_ser(part)
        except InputError as err:  # a spectrum beside the images
            reasons.append(err)
    if not found:
        raise reasons[0]
    return found


def _emi(path: Path) -> tuple[float | None, bool]:
    """KV, and whether this is diffraction, from the XML inside the .emi file of a series."""
    emi = path.with_name(re.sub(r"_\d+$", "", path.stem) + ".emi")
    if not emi.exists():
        return None, False
    text = emi.read_bytes().decode("utf-8", errors="ignore")
    objects = re.findall(r"<ObjectInfo>.*?</ObjectInfo>", text, re.DOTALL) or [text]
    number = int(m.group(1)) - 1 if (m := re.search(r"_(\d+)$", path.stem)) else 0
    info = objects[min(number, len(objects) - 1)]
    tension = re.search(r"<Label>High tension</Label>\s*<Value>([\d.eE+-]+)</Value>", info)
    mode = re.search(r"<Label>Mode</Label>\s*<Value>([^<]*)</Value>", info)
    words = mode.group(1) if mode else ""
    camera = "CameraNamePath" in info
    return (float(tension.group(1)) if tension else None), (
        "Diffraction" in words or ("STEM" in words and camera)
    )
