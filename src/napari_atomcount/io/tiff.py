"""Writes a stack of images as a calibrated ImageJ TIFF, whole or not at all, one image at a time."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import DTypeLike, NDArray

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.records.calibration import Calibration

LARGEST_IMAGEJ = 2**32 - 2**25  # bytes; ImageJ's own TIFF ends at 4 GB


def write_tiff(
    path: Path, images: NDArray[Any], calibration: Calibration, *, compressed: bool = False
) -> None:
    """Write images that ImageJ, napari and our own reader open with their scales.

    Parameters
    ----------
    path
        The file; its folder must exist.
    images
        (T, Y, X). ImageJ knows uint8, uint16 and float32; other types become float32.
    calibration
        Pixel size (nm) and frame time (s) go into the tags, as far as they are known.
    compressed
        Deflated, without loss: for small files that travel.
    """
    dtype = images.dtype if images.dtype in (np.uint8, np.uint16, np.float32) else np.float32
    stream_tiff(path, images, images.shape, dtype, calibration, compressed=compressed)


def stream_tiff(
    path: Path,
    images: Iterable[NDArray[Any]],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    calibration: Calibration,
    *,
    compressed: bool = False,
) -> None:
    """Write images as they are made, so that a long stack needs no more memory than one of them.

    Parameters
    ----------
    path, calibration, compressed
        As in :func:`write_tiff`.
    images
        T images (Y, X).
    shape
        (T, Y, X), known beforehand.
    dtype
        uint8, uint16 or float32. Stacks beyond 4 GB become BigTIFF, which ImageJ opens without its scales.
    """
    number = np.dtype(dtype)
    small = int(np.prod(shape, dtype=np.int64)) * number.itemsize < LARGEST_IMAGEJ
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {"imagej": True} if small else {"bigtiff": True}
    if compressed:
        options |= {"compression": "zlib", "predictor": True, "rowsperstrip": shape[1]}
    if calibration.pixel_size_nm is not None:
        per_y, per_x = calibration.pixel_size_nm
        metadata["unit"] = "nm"
        options["resolution"] = (1.0 / per_x, 1.0 / per_y)  # px per nm
        options["resolutionunit"] = "NONE"
    if calibration.frame_time_s is not None:
        metadata |= {"finterval": calibration.frame_time_s, "fps": 1.0 / calibration.frame_time_s}
        metadata["tunit"] = "s"
    with whole_file(path) as partial:
        tifffile.imwrite(
            partial,
            (np.ascontiguousarray(image, number) for image in images),
            shape=shape,
            dtype=number,
            metadata=metadata,
            **options,
        )
