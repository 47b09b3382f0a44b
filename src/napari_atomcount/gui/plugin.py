"""What napari.yaml names: the reader, the sample and the dock. Imports little, because napari asks early."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_atomcount.gui.geometry import movie_layer
from napari_atomcount.records.errors import ChannelError

ENDINGS = (
    ".dm3 .dm4 .mrc .mrcs .ser .emi .emd .tif .tiff .hspy .h5 .hdf5 .zarr .npy .npz .tvips .blo .png .jpg"
).split()
NOTHING: list[tuple] = [(None,)]  # npe2's way of saying: nothing to show, and no error


def get_reader(path: str | list[str]) -> Callable[[str | list[str]], list[tuple]] | None:
    """Give napari a reader for ``path``, or None when it is not ours.

    Parameters
    ----------
    path
        A file or a folder; of several files (a stack) the folder they lie in is taken, one image a frame.
    """
    first = Path(path[0] if isinstance(path, list) else path)
    if first.is_dir() or first.suffix.lower() in ENDINGS:
        return read
    return None


def read(path: str | list[str]) -> list[tuple]:
    """Read a movie as a calibrated image layer.

    Raises
    ------
    InputError
        In one sentence, when the file can't be read as a movie; napari shows it.
    """
    from napari_atomcount.io import readers

    place = Path(path[0]).parent if isinstance(path, list) else Path(path)
    names = readers.list_datasets(place)
    if len(names) > 1:
        dataset = _which(place, "datasets", names)
        if dataset is None:
            return NOTHING
    else:
        dataset = names[0] if place.is_file() else None
    try:
        return [movie_layer(readers.open_movie(place, dataset=dataset, grey=True))]
    except ChannelError as error:
        channel = _which(place, "channels", error.choices)
        if channel is None:
            return NOTHING
        return [movie_layer(readers.open_movie(place, dataset=dataset, channel=channel))]


def _which(place: Path, of: str, names: list[str]) -> str | None:
    from napari_atomcount.gui.dialogs import ask_which

    return ask_which(None, place.name, of, names)


def open_sample() -> list[tuple]:
    """The bundled hopping movie as a calibrated image layer."""
    from napari_atomcount.io import readers
    from napari_atomcount.resources import sample_movie

    return [movie_layer(readers.open_movie(sample_movie()))]


def open_ceria_sample() -> list[tuple]:
    """The bundled CeO2 movie as a calibrated image layer."""
    from napari_atomcount.io import readers
    from napari_atomcount.resources import sample_vacancies

    return [movie_layer(readers.open_movie(sample_vacancies()))]


def open_focal_sample() -> list[tuple]:
    """The bundled focal series as a calibrated image layer."""
    from napari_atomcount.io import readers
    from napari_atomcount.resources import sample_series

    return [movie_layer(readers.open_movie(sample_series()))]
