"""A session: the folder ``<movie>.atomcount/`` that keeps runs, edits and settings, and loses none of them.

``session.json`` and the runs are written whole or not at all; ``corrections.jsonl`` only grows, and an edit
is on disk before `Session.do` returns. Edits, runs and changed settings count up together as gestures, and
all are undone and redone in one order, by a ``revoke`` in the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from napari_atomcount import __version__
from napari_atomcount.io.edit_log import EditLog, sync_folder, why
from napari_atomcount.io.folder_lock import FolderLock
from napari_atomcount.io.session_files import (
    LOG,
    RECORD,
    RUNS,
    SessionError,
    default_folder,
    find_folder,
    now,
    read_record,
    source_of,
    write_record,
)
from napari_atomcount.io.session_steps import Change, SessionSteps
from napari_atomcount.records.corrections import Edit, Gesture, History
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.session import Base, SessionRecord
from napari_atomcount.records.settings import AnalysisSettings

__all__ = ["Change", "Session", "SessionError", "default_folder", "find_folder"]


class Session(SessionSteps):
    """One movie's runs, edits and settings, on disk. Made by `create`, `open` or `open_or_create`.

    Attributes
    ----------
    folder : Path
        The folder.
    read_only : str
        Why nothing can be changed; empty: it can.
    recovered : str
        What a crash had left unfinished and was cut off; empty: nothing.
    columns : CorrectedColumns
        The shown run's columns with the edits that hold.
    """

    def __init__(self, folder: Path, record: SessionRecord, lock: FolderLock | None, read_only: str) -> None:
        self.folder = folder
        self.record = record
        self.read_only = read_only
        self.recovered = ""
        self._lock = lock
        self._log: EditLog | None = None
        self._read_log()
        if not read_only:
            warning = self._settle(tidy=True)
            self.recovered = self.recovered or warning

    # -- opening and closing -----------------------------------------------
    @classmethod
    def create(
        cls,
        movie: Movie,
        folder: Path | None = None,
        settings: AnalysisSettings | None = None,
        preparation: Preparation | None = None,
        digest: str | None = None,
    ) -> Session:
        """Make a session for a movie; edits that lie in the folder already are kept.

        Parameters
        ----------
        movie : Movie
            Its calibration is where the session begins.
        folder : Path, optional
            By default `default_folder`.
        settings, preparation : optional
            Where the session begins.
        digest : str, optional
            The movie's `content_hash`, where it is known already.

        Raises
        ------
        SessionError
            If the folder cannot be written, or another window has it open.
        """
        folder = default_folder(movie) if folder is None else Path(folder)
        base = Base(
            calibration=movie.calibration,
            settings=settings or AnalysisSettings(),
            preparation=preparation or Preparation(),
        )
        record = SessionRecord(
            source=source_of(movie, folder, digest), base=base, created=now(), package=__version__
        )
        lock = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FolderLock(folder)
            if not lock.held:
                raise SessionError(f"{folder} is open in another window ({lock.holder}): use that one.")
            (folder / RUNS).mkdir(exist_ok=True)
            write_record(record, folder)
            sync_folder(folder.parent)
            return cls(folder, record, lock, "")
        except (OSError, InputError) as err:
            if lock is not None:
                lock.release()
            if isinstance(err, InputError):
                raise
            raise SessionError(
                f"The session {folder} cannot be made: {why(err)}. Give it another place."
            ) from err

    @classmethod
    def open(cls, folder: Path, read_only: bool = False) -> Session:
        """Open a session; where it cannot be written, for reading only, and `read_only` says why.

        Raises
        ------
        SessionError
            If there is none, or it is damaged.
        """
        folder = Path(folder)
        record = read_record(folder)
        if read_only:
            return cls(folder, record, None, "opened for reading only")
        lock = None
        try:
            lock = FolderLock(folder)
        except OSError as err:
            return cls(folder, record, None, f"{why(err)}: {folder}")
        if not lock.held:
            return cls(folder, record, None, f"open in another window ({lock.holder})")
        try:
            return cls(folder, read_record(folder), lock, "")  # it may have changed before the lock was ours
        except InputError:
            lock.release()
            raise

    @classmethod
    def open_or_create(
        cls, movie: Movie, folder: Path | None = None, settings: AnalysisSettings | None = None
    ) -> Session:
        """Open a movie's session, or make it.

        Raises
        ------
        SessionError
            If the folder belongs to another movie, or cannot be used.
        """
        folder = find_folder(movie) if folder is None else Path(folder)
        if not (folder / RECORD).exists():
            return cls.create(movie, folder, settings)
        session = cls.open(folder)
        if not session.belongs_to(movie):
            name = session.record.source.name
            session.close()
            raise SessionError(
                f"The session {folder} belongs to another movie ({name}), or the movie was changed since: "
                "give another folder."
            )
        return session

    def close(self) -> None:
        """Let another window write; nothing is lost without it."""
        if self._log is not None:
            self._log.close()
            self._log = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        self.read_only = self.read_only or "it was closed"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def refresh(self) -> bool:
        """Read again what the writing window did meanwhile; return whether anything is new."""
        if self._lock is not None:
            return False
        before = self.token, self.record
        self.record = read_record(self.folder)
        self._read_log()
        return (self.token, self.record) != before

    # -- the movie -----------------------------------------------------------
    def movie_moved(self, movie: Movie, digest: str | None = None) -> None:
        """Remember where the movie lies now; `digest` is its `content_hash`, where it is known already.

        Raises
        ------
        SessionError
            If it is another movie, or the session cannot be written.
        """
        if (digest or movie.content_hash()) != self.record.source.sha256:
            raise SessionError(
                f"{movie.name} is not the movie of {self.folder}: its pixels are different. Choose the right "
                "file, or begin a new session."
            )
        self._save(source=source_of(movie, self.folder, self.record.source.sha256))

    # -- edits -----------------------------------------------------------------
    def do(self, edits: Iterable[Edit]) -> Change:
        """Make a gesture of edits; when this returns, it is on disk and in `columns`.

        Raises
        ------
        SessionError
            If the session is read-only.
        CorrectionError
            If it cannot be written; then nothing has changed.
        """
        gesture = Gesture(self.history.last + 1, tuple(edits), self.run, now())
        if not gesture.edits or gesture.revokes is not None:
            raise SessionError("A gesture needs at least one edit, and undo makes the revokes.")
        self._append(gesture)
        return Change(gesture.number, "edits", self.columns.do(gesture))

    def undo(self) -> Change | None:
        """Undo the last gesture, run or changed setting that holds; None: there is none."""
        target = self.history.undoes
        return None if target is None else self._revoke(target, target, done=False)

    def redo(self) -> Change | None:
        """Redo what was undone last; None: there is nothing."""
        target = self.history.redoes
        return None if target is None else self._revoke(target, self.history.undone[-1], done=True)

    def _revoke(self, revokes: int, number: int, done: bool) -> Change:
        edit = Edit(edit="revoke", revokes=revokes)
        self._append(Gesture(self.history.last + 1, (edit,), self.run, now()))
        step = self._steps.get(number)
        if step is None:
            gesture = self.history.gestures[number]
            frames = self.columns.do(gesture) if done else self.columns.undo(gesture)
            return Change(number, "edits", frames)
        if step.kind in ("run", "calibration"):
            self._load_columns()
        warning = self._settle()
        unplaced = tuple(self.columns.unplaced()) if step.kind == "run" else ()
        return Change(number, step.kind, None if step.kind == "run" else (), unplaced, warning)

    # -- inside ----------------------------------------------------------------
    def _read_log(self) -> None:
        if self._log is not None:
            self._log.close()
        self._log = EditLog(self.folder / LOG, writable=not self.read_only)
        if self._log.cut_bytes and not self.read_only:
            self.recovered = "the gesture that was in progress when the program ended was left out"
        self._steps = {step.gesture: step for step in self.record.steps}
        self.history = History(self._log.gestures, self._steps)
        self._load_columns()

    def _append(self, gesture: Gesture) -> None:
        self._check_writable()
        assert self._log is not None
        self._log.append(gesture)
        self.history.take(gesture)
