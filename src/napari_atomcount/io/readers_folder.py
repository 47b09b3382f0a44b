"""A folder of images as one movie, in the natural order of their names; and single pictures (PNG, JPEG …)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from napari_atomcount.io.readers_common import Axis, Dataset, FrameStack
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import ChannelError, InputError
from napari_atomcount.records.movie import Movie

PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".gif"}
IMAGES = {".tif", ".tiff", ".dm3", ".dm4", ".mrc", ".ser", ".emd", ".npy", ".hspy", *PICTURES}
_UNCOMPRESSED = {".tif", ".tiff", ".mrc", ".npy", ".bmp"}

Opener = Callable[[Path], Movie]


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key by which ``frame2`` comes before ``frame10``."""
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts if p]


def read_picture(path: Path) -> list[Dataset]:
    """Read a picture: grey values as they are, colours for the user to choose from.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        data = np.asarray(iio.imread(path))
    except (OSError, ValueError, SyntaxError) as err:
        raise InputError(f"{path.name} cannot be read as a picture: it is damaged or cut off.") from err
    colour = data.ndim >= 3 and data.shape[-1] in (3, 4)
    axes = [Axis("y"), Axis("x"), Axis("rgb")] if colour else [Axis("y"), Axis("x")]
    return [Dataset(path.stem, data, tuple([Axis()] * (data.ndim - len(axes)) + axes))]


def open_folder(path: Path, open_one: Opener) -> Movie:
    """Make one movie of the images in a folder, ordered by name, calibrated as the first one is.

    An image that cannot be read becomes a warning and a blank frame, which later steps count as not observed:
    the frames after it keep their place in time.

    Parameters
    ----------
    path : Path
        The folder.
    open_one : callable
        Opens one of its files.

    Raises
    ------
    InputError
        If there is no readable image, or they differ in size, or one is itself a stack.
    """
    files = sorted((f for f in path.iterdir() if f.is_file() and not f.name.startswith(".")), key=natural_key)
    kinds = Counter(f.suffix.lower() for f in files if f.suffix.lower() in IMAGES)
    if not kinds:
        raise InputError(
            f"The folder {path.name} holds no images: give a folder of images of one kind, or a file."
        )
    if len(kinds) > 1:
        found = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common())
        raise InputError(
            f"The folder {path.name} holds images of several kinds ({found}): keep those of one movie."
        )
    (kind,) = kinds
    files = [f for f in files if f.suffix.lower() == kind]
    first, lost, first_error = _survey(files, kind, open_one)
    if first is None:
        raise first_error or InputError(f"No image in the folder {path.name} can be read.")
    notes = [
        w.replace("The file", f"{files[min(set(range(len(files))) - lost)].name}") for w in first.warnings
    ]
    notes += [f"Frame {t}, {files[t].name}, cannot be read and is left blank." for t in sorted(lost)]
    _, height, width = first.shape
    dtype = first.dtype

    def read(t: int) -> np.ndarray[Any, Any]:
        if t in lost:
            return np.zeros((height, width), dtype)
        return open_one(files[t]).frame(0)

    calibration = _of_a_series(first.calibration)
    stack = FrameStack(read, path.name, (len(files), height, width), dtype).to_dask()
    return Movie(stack, calibration, path.name, path, channel=first.channel, warnings=tuple(notes))


def _of_a_series(calibration: Calibration) -> Calibration:
    """Drop what one image of a folder cannot know: the time from one frame to the next."""
    return calibration.updated("file", frame_time_s=None)


def _survey(
    files: list[Path], kind: str, open_one: Opener
) -> tuple[Movie | None, set[int], InputError | None]:
    """Compare the images; return the first, the indices of those that cannot be read, and the first error."""
    first: Movie | None = None
    first_error: InputError | None = None
    lost: set[int] = set()
    sizes_seen: set[int] = set()
    for t, file in enumerate(files):
        size = file.stat().st_size
        if kind in _UNCOMPRESSED and size in sizes_seen:
            continue  # the same length in a format without compression: the same shape
        try:
            image = open_one(file)
        except InputError as err:
            lost.add(t)
            first_error = first_error or err
            continue
        sizes_seen.add(size)
        if image.n_frames > 1:
            raise InputError(
                f"{file.name} is itself a stack of {image.n_frames} images: give that file, not its folder."
            )
        if first is None:
            first = image
        elif image.shape != first.shape or image.dtype != first.dtype:
            raise InputError(
                f"{file.name} is {_kind(image)}, the one before {_kind(first)}: a movie needs equal ones."
            )
    if first is None and first_error is not None and not isinstance(first_error, ChannelError):
        first_error = InputError(f"No image of the folder can be read: {first_error}")
    return first, lost, first_error


def _kind(movie: Movie) -> str:
    return f"{movie.shape[1]} × {movie.shape[2]} px, {movie.dtype}"
