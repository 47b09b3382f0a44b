"""TIFF: plain, ImageJ and OME stacks through tifffile, page by page; makers' tags through RosettaSciIO."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import dask.array as da
import numpy as np
import tifffile

from napari_atomcount.io.readers_common import Axis, Dataset, FrameStack, quiet, raw_array, truncation_warning
from napari_atomcount.io.readers_rsciio import first_axes_and_kv
from napari_atomcount.io.units import length_in_nm
from napari_atomcount.records.errors import InputError

_SERIES_NAMES = {
    "T": "time",
    "Z": "depth",
    "C": "channel",
    "Y": "y",
    "X": "x",
    "S": "rgb",
    "I": "image",
    "Q": "",
}
_INCH, _CENTIMETRE = 2, 3
_DM_SCALE_TAG = 65009
_PLANES = "its {} planes are marked as colours, as tifffile marks 3 or 4 frames: they are taken as frames"


def read_tiff(path: Path) -> list[Dataset]:
    """Find the image series of a TIFF file.

    A file that was cut off yields its complete frames with a warning.

    Raises
    ------
    InputError
        If it is no TIFF or holds not one complete frame.
    """
    with quiet("tifffile"):
        try:
            tif = tifffile.TiffFile(path)
        except (tifffile.TiffFileError, ValueError, struct.error) as err:
            raise InputError(f"{path.name} cannot be read: it is damaged or no TIFF file ({err}).") from err
        try:
            tif.filehandle.set_lock(True)
            if not len(tif.pages):
                raise InputError(f"{path.name} holds no image: the file is empty or cut off; copy it again.")
            cut = _cut_stack(tif, path)
            found = [cut] if cut else [_series(tif, s, i, path) for i, s in enumerate(tif.series)]
            if not cut and all(_in_one_piece(s) for s in tif.series):
                tif.close()  # its frames are read from the file itself
        except (tifffile.TiffFileError, ValueError, struct.error, IndexError) as err:
            tif.close()
            raise InputError(f"{path.name} cannot be read as TIFF: it is damaged ({err}).") from err
        except InputError:
            tif.close()
            raise
    return found


def _in_one_piece(series: Any) -> bool:
    """Whether the pixels of a series lie uncompressed in one piece."""
    return series.dataoffset is not None and bool(series.keyframe.is_memmappable)


def _series(tif: tifffile.TiffFile, series: Any, index: int, path: Path) -> Dataset:
    """Wrap one series of an intact file, lazily."""
    data: Any
    pages, shape = list(series.pages), tuple(series.shape)
    plane = shape[-len(series.keyframe.shape) :]
    if _in_one_piece(series):
        dtype = np.dtype(tif.byteorder + series.dtype.char)
        data = raw_array(path, dtype, series.dataoffset, shape)
    elif len(plane) == 2 and math.prod(shape) == len(pages) * math.prod(plane):
        data = _page_stack(pages, plane, series.dtype, path).reshape(shape)
    else:  # colour planes or volumes inside a page
        data = da.from_zarr(series.aszarr(chunkmode="page"))
    letters: str = series.axes
    warnings: tuple[str, ...] = ()
    if letters == "SYX":  # real colours lie pixel by pixel in a file
        letters, warnings = "TYX", (_PLANES.format(shape[0]),)
    name = series.name or f"series {index}"
    axes = _axes(tif, letters, path)
    return Dataset(name=name, data=data, axes=axes, kv=_kv(tif, path), warnings=warnings)


def _page_stack(pages: Sequence[Any], plane: tuple[int, ...], dtype: Any, path: Path) -> da.Array:
    """One lazy frame per page; a page that an OME file says it lacks is blank."""

    def read(t: int) -> np.ndarray[Any, Any]:
        page = pages[t]
        return np.zeros(plane, dtype) if page is None else np.asarray(page.asarray())

    return FrameStack(read, path.name, (len(pages), plane[0], plane[1]), dtype).to_dask()


def _cut_stack(tif: tifffile.TiffFile, path: Path) -> Dataset | None:
    """Return the complete frames of a file that ends too early; None for an intact one.

    ImageJ and tifffile write the first header, then the pixels of all frames in one piece, then the other
    headers: a cut takes those first, and the frames are found by the first header and the size of the file.
    Other programs write header and pixels frame by frame.
    """
    size = path.stat().st_size
    pages = list(tif.pages)
    first = pages[0]
    n_bytes = int(first.nbytes)
    following = _next_header(tif, pages[-1].offset)
    chain_cut = following != 0 and following + 2 > size
    expected = _announced(tif)
    whole = first.is_contiguous and first.is_memmappable
    if whole and len(pages) == 1 and n_bytes:
        start = int(first.dataoffsets[0])
        if chain_cut:
            expected = max(expected, (following - start) // n_bytes, 1)
        complete = min(expected, (size - start) // n_bytes) if expected > 1 else int(start + n_bytes <= size)
        if not chain_cut and complete >= expected:
            return None
        if complete > 0:
            dtype = np.dtype(tif.byteorder + first.dtype.char)
            shape = (complete, *first.shape)
            data: Any = raw_array(path, dtype, start, shape)
    else:
        ends = [
            max((o + c for o, c in zip(p.dataoffsets, p.databytecounts, strict=False)), default=0)
            for p in pages
        ]
        complete = next((i for i, end in enumerate(ends) if end > size), len(pages))
        if complete == len(pages) and not chain_cut:
            return None
        expected = max(expected, len(pages) + chain_cut)
        data = _page_stack(pages[:complete], first.shape, first.dtype, path) if complete else None
    if complete <= 0:
        raise InputError(
            f"{path.name} is cut off within its first frame: nothing can be read; copy the file again."
        )
    names = "TYX" if len(first.shape) == 2 else "TYXS"
    return Dataset(
        name="series 0",
        data=data,
        axes=_axes(tif, names, path),
        kv=_kv(tif, path),
        warnings=(truncation_warning(complete, expected if expected > complete else None),),
    )


def _next_header(tif: tifffile.TiffFile, offset: int) -> int:
    """Where the header after the one at `offset` lies; 0 after the last."""
    file, layout = tif.filehandle, tif.tiff
    file.seek(offset)
    (tags,) = struct.unpack(layout.tagnoformat, file.read(layout.tagnosize))
    file.seek(offset + layout.tagnosize + tags * layout.tagsize)
    (following,) = struct.unpack(layout.offsetformat, file.read(layout.offsetsize))
    return int(following)


def _announced(tif: tifffile.TiffFile) -> int:
    """How many frames the first header announces; 1 where it does not say."""
    if tif.is_imagej and "images" in (tif.imagej_metadata or {}):
        return int(tif.imagej_metadata["images"])
    if tif.is_shaped:
        described: tuple[dict[str, Any], ...] = tif.shaped_metadata or ({},)
        pixels = int(math.prod(described[0].get("shape", ())))
        per_frame = int(math.prod(tif.pages[0].shape))
        return max(1, pixels // max(1, per_frame))
    return 1


def _axes(tif: tifffile.TiffFile, letters: str, path: Path) -> tuple[Axis, ...]:
    """Axes of a series with the steps of ImageJ, else OME, else another maker, else the resolution tags."""
    if tif.is_imagej:
        # HyperSpy writes DigitalMicrograph's tags beside ImageJ's; ImageJ's are binding where they speak.
        beside = _maker_steps(path) if _DM_SCALE_TAG in tif.pages[0].tags else {}
        steps = beside | _imagej_steps(tif)
    elif tif.is_ome:
        steps = _ome_steps(tif)
    else:
        steps = _maker_steps(path) or _resolution_steps(tif)
    # A stack along z or no named axis is a time series too: ImageJ calls the frames of many movies slices.
    stacked = [c for c in letters if c not in "YXS"]
    if len(stacked) == 1 and "T" in steps:
        steps = {**steps, stacked[0]: steps["T"]}
    return tuple(Axis(_SERIES_NAMES.get(c, c), *steps.get(c, (None, ""))) for c in letters)


def _imagej_steps(tif: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    """Pixel size and frame interval as ImageJ keeps them: pixels per unit in the tags, finterval in s."""
    meta = tif.imagej_metadata or {}
    steps: dict[str, tuple[float, str]] = {}
    unit = str(meta.get("unit", ""))
    for letter, tag, own in (("Y", "YResolution", "yunit"), ("X", "XResolution", "xunit")):
        density = _density(tif, tag)
        if density:
            steps[letter] = (1.0 / density, str(meta.get(own, unit)))
    interval = float(meta.get("finterval") or 0)
    if interval > 0:
        steps["T"] = (interval, str(meta.get("tunit") or "s"))
    return steps


def _ome_steps(tif: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    """Pixel sizes and time increment of the first image of an OME file; µm and s unless it says otherwise."""
    try:
        root = ElementTree.fromstring(tif.ome_metadata or "")
    except ElementTree.ParseError:
        return {}
    steps: dict[str, tuple[float, str]] = {}
    pixels = next((e for e in root.iter() if e.tag.rpartition("}")[2] == "Pixels"), None)
    if pixels is None:
        return steps
    for letter, key, unit in (
        ("Y", "PhysicalSizeY", "µm"),
        ("X", "PhysicalSizeX", "µm"),
        ("T", "TimeIncrement", "s"),
    ):
        if pixels.get(key):
            steps[letter] = (float(pixels.get(key, "nan")), pixels.get(f"{key}Unit", unit))
    if "T" not in steps:
        planes = [e for e in pixels if e.tag.rpartition("}")[2] == "Plane" and e.get("DeltaT")]
        times = {int(p.get("TheT", 0)): float(p.get("DeltaT", "nan")) for p in planes}
        if len(times) > 1 and (span := max(times) - min(times)):
            unit = planes[0].get("DeltaTUnit", "s")
            steps["T"] = ((times[max(times)] - times[min(times)]) / span, unit)
    return steps


def _maker_steps(path: Path) -> dict[str, tuple[float, str]]:
    """Steps from tags of DigitalMicrograph, FEI, TVIPS, Olympus, Zeiss … that RosettaSciIO knows."""
    axes, _ = first_axes_and_kv(path)
    steps: dict[str, tuple[float, str]] = {}
    for axis in axes:
        letter = {"height": "Y", "width": "X", "y": "Y", "x": "X"}.get(axis.name.lower(), "T")
        if axis.scale is not None and axis.unit and axis.unit not in ("inch", "cm", "px"):
            steps[letter] = (axis.scale, axis.unit)
    return steps if "X" in steps else {}


def _resolution_steps(tif: tifffile.TiffFile) -> dict[str, tuple[float, str]]:
    """Steps from the plain resolution tags, unless a pixel is over 1 µm: then they are a printer's."""
    tag = tif.pages[0].tags.get("ResolutionUnit")
    unit = {_INCH: "inch", _CENTIMETRE: "cm"}.get(int(tag.value) if tag else 0)
    densities = {"Y": _density(tif, "YResolution"), "X": _density(tif, "XResolution")}
    if unit is None or not all(densities.values()):
        return {}
    steps = {letter: (1.0 / d, unit) for letter, d in densities.items() if d}
    return steps if all(s * (length_in_nm(unit) or 0) < 1000 for s, _ in steps.values()) else {}


def _density(tif: tifffile.TiffFile, tag: str) -> float | None:
    """Pixels per unit from a resolution tag; None where it is missing or zero."""
    value = tif.pages[0].tags.valueof(tag)
    if not value or not value[0] or not value[1]:
        return None
    return float(value[0] / value[1])


def _kv(tif: tifffile.TiffFile, path: Path) -> float | None:
    return None if tif.is_imagej or tif.is_ome else first_axes_and_kv(path)[1]
