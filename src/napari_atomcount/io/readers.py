"""Open any movie: find the reader for a file or folder, choose the dataset, judge it, calibrate it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from napari_atomcount.io.readers_common import Dataset, unique_names
from napari_atomcount.io.readers_folder import PICTURES, open_folder, read_picture
from napari_atomcount.io.readers_judge import refusal, to_movie
from napari_atomcount.io.readers_numpy import read_npy, read_npz
from napari_atomcount.io.readers_raw import read_emi, read_mrc, read_ser
from napari_atomcount.io.readers_rsciio import plugins_for, read_rsciio
from napari_atomcount.io.readers_tiff import read_tiff
from napari_atomcount.io.readers_zarr import is_zarr, read_zarr
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie

_READERS: dict[str, Callable[[Path], list[Dataset]]] = {
    ".tif": read_tiff,
    ".tiff": read_tiff,
    ".npy": read_npy,
    ".npz": read_npz,
    ".mrc": read_mrc,
    ".mrcs": read_mrc,
    ".ser": read_ser,
    ".emi": read_emi,
    **dict.fromkeys(PICTURES, read_picture),
}
# The endings that people are told of; RosettaSciIO's other formats are tried as well.
SUFFIXES = (
    ".tif",
    ".tiff",
    ".dm3",
    ".dm4",
    ".mrc",
    ".mrcs",
    ".ser",
    ".emi",
    ".emd",
    ".hspy",
    ".zspy",
    ".zarr",
    ".npy",
    ".npz",
    ".png",
)


def open_movie(
    path: str | Path, *, dataset: str | int | None = None, channel: str | None = None, grey: bool = False
) -> Movie:
    """Open a file, or a folder of images, as a lazy movie with its calibration.

    Parameters
    ----------
    path : str or Path
        A file of any known format, a folder of images, or a zarr folder. One image is a movie of one frame.
    dataset : str or int, optional
        Name or index of the dataset, where the file holds several (`list_datasets`).
    channel : str, optional
        Which channel of colour (red, green, blue), complex (real, imaginary, amplitude, phase) or
        multi-channel (0, 1, …) data.
    grey : bool
        Whether colours that are all the same are taken as one grey image, where no channel is given.

    Returns
    -------
    Movie
        Shape (T, Y, X) in the number type of the file; nothing is read but headers. Its warnings say what
        was missing: a pixel size, frames after a cut.

    Raises
    ------
    InputError
        One sentence that says what was found and what to do.
    """
    path = _existing(path)
    if path.is_dir() and not is_zarr(path):
        return open_folder(path, partial(open_movie, dataset=dataset, channel=channel, grey=grey))
    found = _datasets(path)
    chosen = found[0] if len(found) == 1 and dataset is None else _choose(found, dataset, path)
    return to_movie(chosen, path, _stem(path), channel, keep_name=len(found) > 1, grey=grey)


def list_datasets(path: str | Path) -> list[str]:
    """Names of the datasets of a file that can be opened as a movie; one for a folder of images.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = _existing(path)
    if path.is_dir() and not is_zarr(path):
        return [path.name]
    return [d.name for d in _datasets(path) if refusal(d) is None]


def _existing(path: str | Path) -> Path:
    path = Path(path).expanduser()
    if not path.exists():
        raise InputError(f"There is no file or folder {path}: check the name.")
    return path


def _stem(path: Path) -> str:
    return path.stem.removesuffix(".ome") or path.name


def _datasets(path: Path) -> list[Dataset]:
    """Datasets of a file or zarr folder, under unique names; an error if not one of them is an image."""
    suffix = path.suffix.lower()
    if path.is_dir():
        reader: Callable[[Path], list[Dataset]] = read_zarr
    elif suffix in _READERS:
        reader = _READERS[suffix]
    elif plugins_for(suffix.lstrip(".")):
        reader = read_rsciio
    else:
        endings = ", ".join(SUFFIXES)
        raise InputError(
            f"{path.name} is of a kind that cannot be opened: give a folder of images or {endings}."
        )
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path.name} is empty: copy the file again.")
    try:
        found = unique_names(reader(path))
    except PermissionError as err:
        raise InputError(f"{path.name} may not be read: ask for the right to read it.") from err
    reasons = [refusal(d) for d in found]
    if all(reasons):
        raise InputError(next(r for r in reasons if r))
    return found


def _choose(found: list[Dataset], wanted: str | int | None, path: Path) -> Dataset:
    """Return the dataset of that name or index; without one, an error that lists them."""
    listed = "; ".join(f"{i}: {d.describe()}" for i, d in enumerate(found))
    if wanted is None:
        raise InputError(
            f"{path.name} holds several datasets: choose one with --dataset (name or index): {listed}."
        )
    text = str(wanted)
    exact = [d for d in found if d.name == text]
    alike = [d for d in found if d.name.casefold() == text.casefold()]
    if exact or alike:
        return (exact or alike)[0]
    if text.isdigit() and int(text) < len(found):
        return found[int(text)]
    raise InputError(f"{path.name} holds no dataset '{text}': it has {listed}.")
