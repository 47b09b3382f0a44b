"""What a folder holds: one movie, image by image, or several movies, each in a file or folder of its own."""

from __future__ import annotations

from pathlib import Path

from napari_atomcount.io.readers import SUFFIXES, open_movie
from napari_atomcount.io.readers_folder import IMAGES, natural_key
from napari_atomcount.io.readers_zarr import is_zarr
from napari_atomcount.io.session_files import SUFFIX
from napari_atomcount.records.errors import InputError


def movies_in(path: Path) -> list[Path] | None:
    """The movies of a folder of movies, in the natural order of their names; None: it is one movie itself.

    A folder in which a file is a stack of images holds movies, one a file, single images included. One
    without image files, but with folders of images, holds a movie in each of those.

    Parameters
    ----------
    path : Path
        A file or folder.
    """
    if not path.is_dir() or is_zarr(path):
        return None
    entries = sorted((e for e in path.iterdir() if not e.name.startswith(".")), key=natural_key)
    files = [e for e in entries if e.is_file() and e.suffix.lower() in SUFFIXES]
    zarrs = [e for e in entries if e.is_dir() and is_zarr(e)]
    if zarrs or any(_is_stack(file) for file in files):
        emi = {e.stem for e in files if e.suffix.lower() == ".emi"}  # which names the .ser of its movie
        kept = [e for e in files if e.suffix.lower() != ".ser" or e.stem.rpartition("_")[0] not in emi]
        return sorted([*kept, *zarrs], key=natural_key)
    if files:
        return None
    folders = [e for e in entries if e.is_dir() and e.suffix != SUFFIX and _has_images(e)]
    return folders or None


def _is_stack(path: Path) -> bool:
    """Whether a file holds more than one image, or several datasets; one that cannot be read is no reason."""
    try:
        return open_movie(path).n_frames > 1
    except InputError:
        return False


def _has_images(folder: Path) -> bool:
    return any(f.is_file() and f.suffix.lower() in IMAGES for f in folder.iterdir())
