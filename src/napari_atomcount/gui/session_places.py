"""Where sessions lie: beside the movie, or in the user's own folder where that cannot be written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.session_files import (
    RECORD,
    SUFFIX,
    SessionError,
    default_folder,
    find_folder,
    read_record,
)
from napari_atomcount.records.movie import Movie
from napari_atomcount.resources import samples


@dataclass(frozen=True)
class Place:
    """Where a movie's session is, or would be made.

    Parameters
    ----------
    folder
        The session's folder.
    exists
        Whether it is there.
    words
        What the user should know about it; empty for the plain case.
    """

    folder: Path
    exists: bool
    words: str = ""


def user_folder() -> Path:
    """Sessions of movies that have no folder of their own, or none that can be written."""
    return Path(platformdirs.user_data_dir("napari-atomcount", appauthor=False)) / "sessions"


def new_place(movie: Movie) -> Place:
    """Where a session is made that is not there yet: a look at folders, not at the movie's pixels."""
    parent, words = _parent(movie)
    return Place(parent / default_folder(movie).name, False, words)


def nothing_to_find(movie: Movie) -> bool:
    """Whether no session can be this movie's: then its pixels need not be read to know it by their hash."""
    parents = {_parent(movie)[0], default_folder(movie).parent, user_folder()}
    return not _remembered() and not any(_has_sessions(parent) for parent in parents)


def find(movie: Movie, digest: str) -> Place:
    """The movie's session, wherever it was kept the last time; else the place for a new one.

    Parameters
    ----------
    movie
        As it was read.
    digest
        Its `content_hash`.
    """
    known = _remembered().get(digest)
    if known is not None and _digest_of(Path(known)) == digest:
        beside = default_folder(movie).parent == Path(known).parent
        return Place(Path(known), True, "" if beside else f"The session lies apart from the movie: {known}.")
    parent, words = _parent(movie)
    for place in dict.fromkeys((default_folder(movie).parent, parent, user_folder())):
        folder = find_folder(movie, place, digest)
        if (folder / RECORD).exists():
            return Place(folder, True)
    folder = find_folder(movie, parent, digest)
    first = default_folder(movie)
    if folder.name != first.name:
        words = (
            f"{first.name} belongs to a movie with other pixels: the file was changed since, or another one "
            f"took its name. Nothing there is touched; this movie gets {folder.name}. {words}"
        ).strip()
    return Place(folder, False, words)


def remember(digest: str, folder: Path) -> None:
    """Note where a movie's session lies, so that the movie is known again wherever it is opened from."""
    places = _remembered()
    if places.get(digest) == str(folder):
        return
    path = _index()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as partial:
            partial.write_text(json.dumps({**places, digest: str(folder)}, indent=1), encoding="utf-8")
    except OSError:
        return  # a convenience: the session beside the movie is found without it


def _index() -> Path:
    return user_folder() / "places.json"


def _remembered() -> dict[str, str]:
    try:
        places = json.loads(_index().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return places if isinstance(places, dict) else {}


def _digest_of(folder: Path) -> str | None:
    try:
        return read_record(folder).source.sha256
    except SessionError:
        return None


def _has_sessions(parent: Path) -> bool:
    try:
        return any(parent.glob(f"*{SUFFIX}/{RECORD}"))
    except OSError:
        return False


def _parent(movie: Movie) -> tuple[Path, str]:
    """The folder in which a movie's session belongs, and why it is not the movie's own."""
    if movie.path is None:
        return user_folder(), ""
    beside = default_folder(movie).parent
    if Path(movie.path).resolve() in {sample.resolve() for sample in samples()}:
        return user_folder(), ""
    if not os.access(beside, os.W_OK):
        return user_folder(), f"{beside} cannot be written: the session is kept in {user_folder()}."
    return beside, ""
