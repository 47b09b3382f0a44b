"""A session: the folder ``<movie>.atomcount/`` that keeps runs, edits and settings, and loses none of them.

``session.json`` and the runs are written whole or not at all; ``corrections.jsonl`` only grows, and an edit
is on disk before `Session.do` returns. Edits, runs and changed settings count up together as gestures, and
all are undone and redone in one order, by a ``revoke`` in the log.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pandas as pd
from pydantic import BaseModel

from napari_atomcount import __version__
from napari_atomcount.io import tables as table_files
from napari_atomcount.io.edit_log import EditLog, sync_folder, why
from napari_atomcount.io.folder_lock import FolderLock
from napari_atomcount.io.session_files import (
    ANALYSIS,
    COLUMNS,
    LOG,
    RECORD,
    RUNS,
    STATE,
    SessionError,
    default_folder,
    find_folder,
    now,
    read_record,
    show_run,
    source_of,
    write_record,
)
from napari_atomcount.io.session_state import SessionState
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import Edit, Gesture, History
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.replay import Placement
from napari_atomcount.records.session import Base, SessionRecord, Step, StepKind
from napari_atomcount.records.settings import AnalysisSettings

__all__ = ["Change", "Session", "SessionError", "default_folder", "find_folder"]

MAPS = "maps"


@dataclass(frozen=True)
class Change:
    """What a gesture, an undo or a redo changed.

    Parameters
    ----------
    number : int
        The gesture that was done, undone or redone.
    kind : str
        ``edits``, ``run``, ``calibration``, ``settings`` or ``preparation``.
    frames : tuple of int, or None
        Frames whose columns differ now; None: any may.
    unplaced : tuple of Placement
        Of a run: the edits whose column it does not have.
    warning : str
        What went wrong without harm, empty as a rule.
    """

    number: int
    kind: str
    frames: tuple[int, ...] | None
    unplaced: tuple[Placement, ...] = ()
    warning: str = ""


class Session(SessionState):
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
        record = SessionRecord(source=source_of(movie, folder), base=base, created=now(), package=__version__)
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
    def movie_moved(self, movie: Movie) -> None:
        """Remember where the movie lies now.

        Raises
        ------
        SessionError
            If it is another movie, or the session cannot be written.
        """
        if not self.belongs_to(movie):
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

    # -- runs and settings -------------------------------------------------------
    def add_run(
        self,
        columns: pd.DataFrame,
        model: Mapping[str, Any],
        detect: Mapping[str, Any] | None = None,
        frames: Iterable[int] = (),
        warnings: Iterable[str] = (),
    ) -> Change:
        """Keep what a network said, as one undoable step; the edits are replayed over it.

        Parameters
        ----------
        columns : DataFrame
            COLUMNS as the network said, without sites.
        model : mapping
            At least ``name`` and ``sha256``.
        detect : mapping, optional
            Settings of the detection.
        frames : iterable of int
            Frames that were run, also those without columns.
        warnings : iterable of str
            What was said about the frames.

        Returns
        -------
        Change
            ``unplaced`` names the edits that this run has no column for.
        """
        number = self.history.last + 1
        name = f"{RUNS}/{number:06d}.parquet"
        table = tables.conform(columns.assign(site_id=-1), tables.COLUMNS)
        tables.validate(table, tables.COLUMNS)
        value = {
            "columns": name,
            "model": dict(model),
            "detect": dict(detect or {}),
            "frames": sorted(int(t) for t in frames),
            "warnings": list(warnings),
        }
        self._check_writable()
        try:
            (self.folder / RUNS).mkdir(exist_ok=True)
            table_files.write_parquet(table, tables.COLUMNS, self.folder / name)
            sync_folder(self.folder / RUNS)
        except OSError as err:
            raise SessionError(f"The run could not be saved: {why(err)} ({self.folder}).") from err
        return self._add_step("run", value)

    def set_calibration(self, calibration: Calibration) -> Change:
        """Change the calibration, as one undoable step."""
        return self._add_step("calibration", calibration.model_dump(mode="json"))

    def set_settings(self, settings: AnalysisSettings) -> Change:
        """Change the settings of the analysis, as one undoable step."""
        return self._add_step("settings", settings.model_dump(mode="json"))

    def set_preparation(self, preparation: Preparation) -> Change:
        """Change the movie's preparation, as one undoable step."""
        return self._add_step("preparation", preparation.model_dump(mode="json"))

    def save_view(self, **view: Any) -> None:
        """Remember where one was (frame, model, …); no step, nothing to undo; plain JSON values."""
        self._save(view={**self.record.view, **view})

    # -- the analysis, a cache -----------------------------------------------------
    def save_analysis(self, analysis: Analysis) -> None:
        """Keep sites, occupancy and events of what holds now: a cache, which may be deleted at any time."""
        self._check_writable()
        folder = self.folder / ANALYSIS
        (folder / STATE).unlink(missing_ok=True)
        table_files.write_analysis(analysis, folder)
        table_files.write_json({"token": self.token}, folder / STATE)

    def maps_folder(self) -> Path:
        """Where the shown run's maps are kept (`LogitStore.save`) to follow edits after reopening: a cache.

        Those of other runs are removed first, because they are large.
        """
        folder = self.folder / MAPS / f"{self.run:06d}"
        if not self.read_only and (self.folder / MAPS).exists():
            for other in (self.folder / MAPS).iterdir():
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        return folder

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

    def _add_step(self, kind: StepKind, value: dict[str, Any]) -> Change:
        self._check_writable()
        number = self.history.last + 1
        step = Step(gesture=number, kind=kind, time=now(), value=value)
        self._save(steps=(*self.record.steps, step), **self._stated(step))  # from here on it holds
        self._steps[number] = step
        self.history.take(number)
        if kind in ("run", "calibration"):
            self._load_columns()
        warning = self._settle() if kind == "run" else ""
        unplaced = tuple(self.columns.unplaced()) if kind == "run" else ()
        return Change(number, kind, None if kind == "run" else (), unplaced, warning)

    def _stated(self, step: Step) -> dict[str, Any]:
        """What session.json says on top when a step is taken."""
        if step.kind == "run":
            return {"model": step.value["model"]}
        kinds: dict[str, type[BaseModel]] = {
            "calibration": Calibration,
            "settings": AnalysisSettings,
            "preparation": Preparation,
        }
        return {step.kind: kinds[step.kind].model_validate(step.value)}

    def _settle(self, tidy: bool = False) -> str:
        """Let what follows from the log say what holds now; return what failed, which opening again mends."""
        run = self.run_step
        stated = {
            "calibration": self.calibration,
            "settings": self.settings,
            "preparation": self.preparation,
            "model": None if run is None else run.value["model"],
        }
        try:
            if tidy:
                self._tidy()
            show_run(self.folder, None if run is None else self.folder / run.value["columns"])
            if any(getattr(self.record, name) != value for name, value in stated.items()):
                self._save(**stated)
        except (OSError, SessionError) as err:
            words = why(err) if isinstance(err, OSError) else str(err)
            return f"{COLUMNS} and {RECORD} are behind what was done ({words}); opening again mends that"
        return ""

    def _tidy(self) -> None:
        """Remove what a crash left of files that were never finished."""
        known = {self.folder / step.value["columns"] for step in self.runs}
        for path in [
            *self.folder.glob(".*.part"),
            *(self.folder / RUNS).glob("*"),
            *(self.folder / RUNS).glob(".*"),
        ]:
            if path not in known and path.is_file():
                path.unlink()

    def _save(self, **values: Any) -> None:
        """Write session.json anew with these values; on failure everything is as it was."""
        self._check_writable()
        record = self.record.model_copy(update={**values, "saved": now(), "package": __version__})
        try:
            write_record(record, self.folder)
        except OSError as err:
            raise SessionError(
                f"The session could not be saved: {why(err)} ({self.folder}). Nothing was changed."
            ) from err
        self.record = record

    def _check_writable(self) -> None:
        if self.read_only:
            raise SessionError(f"This session is for reading only: {self.read_only}.")
