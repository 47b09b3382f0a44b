"""What changes a session beside edits: runs, settings, the view, caches; saved whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import BaseModel

from napari_atomcount import __version__
from napari_atomcount.io import tables as table_files
from napari_atomcount.io.edit_log import sync_folder, why
from napari_atomcount.io.session_files import (
    ANALYSIS,
    COLUMNS,
    RECORD,
    RUNS,
    STATE,
    SessionError,
    now,
    show_run,
    write_record,
)
from napari_atomcount.io.session_state import SessionState
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.replay import Placement
from napari_atomcount.records.session import Step, StepKind
from napari_atomcount.records.settings import AnalysisSettings

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


class SessionSteps(SessionState):
    """The steps of a session and its caches; `io.session.Session` adds opening, edits and undo."""

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

    def show_again(self, number: int) -> Change:
        """Show a run that was kept before, as one undoable step; `number` is that of its gesture.

        Raises
        ------
        SessionError
            If there is no such run, or the session cannot be written.
        """
        step = self._steps.get(number)
        if step is None or step.kind != "run":
            raise SessionError(f"The session {self.folder} has no run {number}.")
        return self._add_step("run", {**step.value, "shows": step.value.get("shows", number)})

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
    def save_analysis(self, analysis: Analysis, token: str | None = None) -> None:
        """Keep sites, occupancy and events: a cache, which may be deleted at any time.

        Parameters
        ----------
        analysis : Analysis
            Of what holds now, or of what held when `token` was taken.
        token : str, optional
            `token` of that moment.
        """
        self._check_writable()
        token = token or self.token
        folder = self.folder / ANALYSIS
        (folder / STATE).unlink(missing_ok=True)
        table_files.write_analysis(analysis, folder)
        table_files.write_json({"token": token}, folder / STATE)

    def maps_folder(self) -> Path:
        """Where the shown run's maps are kept (`LogitStore.save`) to follow edits after reopening: a cache.

        Those of other runs are removed first, because they are large.
        """
        folder = self.maps_of(self.run)
        if not self.read_only and (self.folder / MAPS).exists():
            for other in (self.folder / MAPS).iterdir():
                if other != folder:
                    shutil.rmtree(other, ignore_errors=True)
        return folder

    def maps_of(self, number: int) -> Path:
        """Where a run's maps would lie; those of one run are kept."""
        return self.folder / MAPS / f"{number:06d}"

    # -- inside ----------------------------------------------------------------
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
