"""NumPy files: .npy, also where it is cut off, and the arrays of .npz, frame by frame; never a pickle."""

from __future__ import annotations

import math
import shutil
import struct
import tempfile
import weakref
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from napari_atomcount.io.readers_common import Axis, Dataset, raw_array, truncation_warning
from napari_atomcount.records.errors import InputError

Header = tuple[tuple[int, ...], bool, np.dtype[Any]]  # shape, whether in Fortran order, number type

# Scalars of an .npz that carry a calibration, under our own names.
_SCALARS = ("pixel_size_nm", "frame_time_s", "dose_e_per_A2", "gain", "kv")
_SMALLEST_IMAGE = 8  # px; narrower arrays are lists of positions
_IN_MEMORY = 256 * 2**20  # bytes; larger compressed arrays go through a temporary file


def read_npy(path: Path) -> list[Dataset]:
    """Map the array of an .npy file; of one that is cut off the complete frames.

    Raises
    ------
    InputError
        If it is no .npy file, holds Python objects, or not one frame is complete.
    """
    with path.open("rb") as file:
        shape, fortran, dtype = _header(file, path.name)
        offset = file.tell()
    size = path.stat().st_size - offset
    notes: tuple[str, ...] = ()
    if math.prod(shape) * dtype.itemsize > size:
        complete = size // (math.prod(shape[1:]) * dtype.itemsize) if len(shape) == 3 and not fortran else 0
        if complete == 0:
            raise InputError(f"{path.name} is cut off: not one frame is complete; copy the file again.")
        notes = (truncation_warning(complete, shape[0]),)
        shape = (complete, *shape[1:])
    data = _mapped(path, offset, shape, fortran, dtype)
    return [Dataset(path.stem, data, (Axis(),) * len(shape), warnings=notes)]


def read_npz(path: Path) -> list[Dataset]:
    """Find the images among the arrays of an .npz file.

    An uncompressed array is mapped where it lies, a large compressed one in a temporary file. Scalars named
    pixel_size_nm (also a pair y, x), frame_time_s, dose_e_per_A2, gain and kv calibrate all of them.

    Raises
    ------
    InputError
        If it is no .npz file, or an array of it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename.endswith(".npy")]
            headers = {}
            for member in members:
                with archive.open(member) as file:
                    headers[member.filename] = _header(file, f"{path.name}/{member.filename}")
            known = {}
            for member in members:
                name, (shape, _, _) = member.filename.removesuffix(".npy"), headers[member.filename]
                if name in _SCALARS and math.prod(shape) <= 2:
                    with archive.open(member) as file:
                        known[name] = np.lib.format.read_array(file, allow_pickle=False).ravel().astype(float)
            found = [
                _member(path, archive, m, headers[m.filename], known)
                for m in members
                if _is_image(headers[m.filename][0], len(members))
            ]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, struct.error, ValueError) as err:
        raise InputError(
            f"{path.name} cannot be read as .npz: it is damaged or cut off; copy it again."
        ) from err
    if not found:
        raise InputError(
            f"{path.name} holds no image among its arrays: {', '.join(headers) or 'it is empty'}."
        )
    return found


def _mapped(path: Path, offset: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any]) -> Any:
    """Lazy array of the numbers after a .npy header."""
    if not math.prod(shape):
        return np.empty(shape, dtype)
    return (
        np.memmap(path, dtype, "r", offset, shape, "F") if fortran else raw_array(path, dtype, offset, shape)
    )


def _header(file: Any, name: str) -> Header:
    try:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(file)
    except (ValueError, EOFError) as err:
        raise InputError(f"{name} is no .npy array, or it is damaged or cut off in its header.") from err
    if dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never loaded: save numbers only.")
    return shape, fortran, dtype


def _is_image(shape: tuple[int, ...], members: int) -> bool:
    """Whether an array of an archive is an image: the last two dimensions are not short; alone, any is."""
    return members == 1 or (len(shape) >= 2 and min(shape[-2:]) >= _SMALLEST_IMAGE)


def _member(
    path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, header: Header, known: dict[str, Any]
) -> Dataset:
    shape, fortran, _ = header
    if member.compress_type == zipfile.ZIP_STORED:
        data = _stored(path, member)
    elif member.file_size <= _IN_MEMORY or fortran or len(shape) < 3:
        with archive.open(member) as file:
            data = np.lib.format.read_array(file, allow_pickle=False)
    else:
        data = _unpacked(archive, member)
    pixel = known.get("pixel_size_nm", np.array([]))
    size_y, size_x = (float(pixel[0]), float(pixel[-1])) if len(pixel) else (None, None)
    time = float(known["frame_time_s"][0]) if "frame_time_s" in known else None
    axes = [Axis("", time, "s"), Axis("", size_y, "nm"), Axis("", size_x, "nm")]
    axes = ([Axis()] * data.ndim + axes)[-data.ndim :] if data.ndim else []
    dose, gain, kv = (float(known[n][0]) if n in known else None for n in ("dose_e_per_A2", "gain", "kv"))
    return Dataset(member.filename.removesuffix(".npy"), data, tuple(axes), kv, dose, gain)


def _stored(path: Path, member: zipfile.ZipInfo) -> Any:
    """Map an uncompressed member in place: the zip's local header, then the .npy header, then the numbers."""
    with path.open("rb") as file:
        file.seek(member.header_offset + 26)
        name_length, extra_length = struct.unpack("<2H", file.read(4))
        file.seek(member.header_offset + 30 + name_length + extra_length)
        shape, fortran, dtype = _header(file, member.filename)
        return _mapped(path, file.tell(), shape, fortran, dtype)


class _TemporaryFolder:
    """A folder that is removed when nothing refers to this object any more, or when Python ends."""

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="napari-atomcount-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Any:
    """Unpack a large member into a temporary file that lives as long as the array that reads it."""
    folder = _TemporaryFolder()
    target = folder.path / "array.npy"
    with archive.open(member) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 2**22)
    with target.open("rb") as file:
        shape, _, dtype = _header(file, member.filename)
        return raw_array(target, dtype, file.tell(), shape, keep=folder)
