"""The files of a session beside the log of edits: its place, ``session.json``, the shown run's columns."""

from __future__ import annotations

import filecmp
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.io.edit_log import sync_folder
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.session import FORMAT, SessionRecord, Source

SUFFIX = ".atomcount"
RECORD, LOG, COLUMNS, RUNS, ANALYSIS = (
    "session.json",
    "corrections.jsonl",
    "columns.parquet",
    "runs",
    "analysis",
)

STATE = "state.json"


class SessionError(InputError):
    """A session that cannot be opened, or not be written."""


def default_folder(movie: Movie) -> Path:
    """``<movie>.atomcount`` beside the movie's file; a movie without a file has it in the working folder."""
    parent = Path.cwd() if movie.path is None else Path(movie.path).absolute().parent
    return parent / f"{plain_name(movie.name)}{SUFFIX}"


def find_folder(movie: Movie, parent: Path | None = None, digest: str | None = None) -> Path:
    """The movie's session beside its file, known by its hash; the place for a new one where there is none.

    A session of another movie of the same name is left alone: the new one then gets a number.

    Parameters
    ----------
    movie : Movie
        The movie as it was read.
    parent : Path, optional
        Another folder to look in.
    digest : str, optional
        The movie's `content_hash`, where it is known already.
    """
    default = default_folder(movie) if parent is None else parent / default_folder(movie).name
    digest = digest or movie.content_hash()
    found = sorted(default.parent.glob(f"*{SUFFIX}/{RECORD}"), key=lambda path: path.parent != default)
    taken = set()
    for path in found:
        try:
            if read_record(path.parent).source.sha256 == digest:
                return path.parent
        except SessionError:  # a damaged one is not ours to replace
            pass
        taken.add(path.parent)
    number, folder = 2, default
    while folder in taken:
        folder = default.with_name(f"{plain_name(movie.name)}-{number}{SUFFIX}")
        number += 1
    return folder


def source_of(movie: Movie, folder: Path, sha256: str | None = None) -> Source:
    """What a session remembers of its movie; reads up to 32 frames unless the hash is given."""
    path = None if movie.path is None else Path(movie.path).absolute()
    relative = None
    if path is not None:
        try:
            relative = os.path.relpath(path, Path(folder).absolute())
        except ValueError:  # another drive
            relative = None
    return Source(
        path=None if path is None else str(path),
        relative_path=relative,
        dataset=movie.dataset,
        channel=movie.channel,
        name=movie.name,
        shape=movie.shape,
        dtype=str(movie.dtype),
        sha256=sha256 or movie.content_hash(),
    )


def plain_name(name: str) -> str:
    """A name that every file system takes."""
    return "".join(c if c.isalnum() or c in "-_. +()" else "_" for c in name).strip(" .") or "movie"


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def write_record(record: SessionRecord, folder: Path) -> None:
    """Write session.json whole or not at all; it is on disk when this returns."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False, allow_nan=False)
    with whole_file(folder / RECORD) as partial:
        partial.write_text(text + "\n", encoding="utf-8")
    sync_folder(folder)


def read_record(folder: Path) -> SessionRecord:
    """Read session.json.

    Raises
    ------
    SessionError
        If it is missing, damaged or of a newer version.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and int(content.get("format", FORMAT)) > FORMAT:
            raise SessionError(f"{folder} was written by a newer version: open it with that one.")
        return SessionRecord.model_validate(content)
    except FileNotFoundError as err:
        raise SessionError(f"{folder} is not a session: it holds no {RECORD}.") from err
    except (OSError, ValueError, TypeError, ValidationError) as err:
        if isinstance(err, SessionError):
            raise
        raise SessionError(f"{path} cannot be read: it is damaged. Restore it from a copy.") from err


def show_run(folder: Path, source: Path | None) -> None:
    """Make ``columns.parquet`` the file of the shown run: the same file under two names where that works."""
    target = folder / COLUMNS
    if source is None:
        target.unlink(missing_ok=True)
        return
    if target.exists() and (os.path.samefile(target, source) or filecmp.cmp(target, source, shallow=False)):
        return
    partial = folder / f".{COLUMNS}.{os.getpid()}.part"
    partial.unlink(missing_ok=True)
    try:
        try:
            os.link(source, partial)
        except OSError:  # a file system without hard links
            partial.write_bytes(source.read_bytes())
        os.replace(partial, target)
        sync_folder(folder)
    finally:
        partial.unlink(missing_ok=True)
