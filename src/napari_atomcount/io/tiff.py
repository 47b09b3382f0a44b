"""Writes a stack of images as a calibrated ImageJ TIFF, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_atomcount.records.calibration import Calibration


def write_tiff(path: Path, images: NDArray[Any], calibration: Calibration) -> None:
    """Write images that ImageJ, napari and our own reader open with their scales.

    Parameters
    ----------
    path
        The file; its folder must exist.
    images
        (T, Y, X). ImageJ knows uint8, uint16 and float32; other types become float32.
    calibration
        Pixel size (nm) and frame time (s) go into the tags, as far as they are known.
    """
    if images.dtype not in (np.uint8, np.uint16, np.float32):
        images = images.astype(np.float32)
    metadata: dict[str, Any] = {"axes": "TYX"}
    options: dict[str, Any] = {}
    if calibration.pixel_size_nm is not None:
        per_y, per_x = calibration.pixel_size_nm
        metadata["unit"] = "nm"
        options["resolution"] = (1.0 / per_x, 1.0 / per_y)  # px per nm
        options["resolutionunit"] = "NONE"
    if calibration.frame_time_s is not None:
        metadata |= {"finterval": calibration.frame_time_s, "fps": 1.0 / calibration.frame_time_s}
        metadata["tunit"] = "s"
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        tifffile.imwrite(file, images, imagej=True, metadata=metadata, **options)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
