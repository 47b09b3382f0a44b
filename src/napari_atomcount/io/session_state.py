"""What holds in a session: history, the shown run with its edits, calibration, settings, preparation."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TypeVar

import pandas as pd

from napari_atomcount.io import tables as table_files
from napari_atomcount.io.session_files import ANALYSIS, STATE
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.corrections import History
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.session import SessionRecord, Step, StepKind
from napari_atomcount.records.settings import AnalysisSettings

Value = TypeVar("Value", Calibration, AnalysisSettings, Preparation)


class SessionState:
    """What a session says, for whoever reads it; `io.session.Session` changes it.

    Attributes
    ----------
    folder : Path
        The folder.
    record : SessionRecord
        The content of ``session.json``.
    read_only : str
        Why nothing can be changed; empty: it can.
    history : History
        What is done, undone and to be redone.
    columns : CorrectedColumns
        The shown run's columns with the edits that hold.
    """

    folder: Path
    record: SessionRecord
    read_only: str
    history: History
    columns: CorrectedColumns
    _steps: dict[int, Step]

    def belongs_to(self, movie: Movie) -> bool:
        """Whether the pixels are those of the session's movie, wherever it lies; reads up to 32 frames."""
        return movie.content_hash() == self.record.source.sha256

    def movie_path(self) -> Path | None:
        """Where the movie may lie: its old place, or the same place relative to the session; None: ask."""
        return place_of(self.record, self.folder)

    @property
    def can_undo(self) -> bool:
        """Whether `undo` would do something."""
        return self.history.undoes is not None and not self.read_only

    @property
    def can_redo(self) -> bool:
        """Whether `redo` would do something."""
        return self.history.redoes is not None and not self.read_only

    @property
    def token(self) -> str:
        """A short text that differs whenever what holds differs; for caches."""
        return hashlib.sha256(repr(self.history.done).encode()).hexdigest()[:16]

    @property
    def calibration(self) -> Calibration:
        """What holds now."""
        return self._value("calibration", Calibration, self.record.base.calibration)

    def calibrated(self, movie: Movie) -> Movie:
        """The movie with the session's calibration."""
        return movie.with_calibration(self.calibration)

    @property
    def settings(self) -> AnalysisSettings:
        """What holds now."""
        return self._value("settings", AnalysisSettings, self.record.base.settings)

    @property
    def preparation(self) -> Preparation:
        """What holds now."""
        return self._value("preparation", Preparation, self.record.base.preparation)

    @property
    def run(self) -> int:
        """Gesture number of the shown run; 0: none. A run that is shown again keeps its first number."""
        step = self._last_step("run")
        return 0 if step is None else int(step.value.get("shows", step.gesture))

    @property
    def run_step(self) -> Step | None:
        """The shown run: its model, settings and frames."""
        return self._last_step("run")

    @property
    def runs(self) -> tuple[Step, ...]:
        """All runs that were ever kept, undone ones included, each once, oldest first."""
        return tuple(s for s in self.record.steps if s.kind == "run" and "shows" not in s.value)

    def run_columns(self, number: int) -> pd.DataFrame:
        """COLUMNS as the network said in one run, to compare two of them; 0: none, an empty table."""
        if number == 0:
            return tables.empty(tables.COLUMNS)
        return table_files.read_parquet(self.folder / self._steps[number].value["columns"], tables.COLUMNS)

    def load_analysis(self) -> Analysis | None:
        """The analysis that was saved for exactly what holds now; None: make it again."""
        folder = self.folder / ANALYSIS
        try:
            if table_files.read_json(folder / STATE).get("token") != self.token:
                return None
            return table_files.read_analysis(folder)
        except InputError:  # a cache that is not there, or not whole
            return None

    def _load_columns(self) -> None:
        """The shown run's columns with all edits that hold."""
        run = self.run
        same = getattr(self, "columns", None)
        network = same.network if same is not None and same.run == run else self.run_columns(run)
        self.columns = CorrectedColumns(network, run, self.calibration, self.history.active())

    def _last_step(self, kind: StepKind) -> Step | None:
        for number in reversed(self.history.done):
            step = self._steps.get(number)
            if step is not None and step.kind == kind:
                return step
        return None

    def _value(self, kind: StepKind, model: type[Value], base: Value) -> Value:
        step = self._last_step(kind)
        return base if step is None else model.model_validate(step.value)


def place_of(record: SessionRecord, folder: Path) -> Path | None:
    """Where a session's movie may lie: its old place, or the same one relative to the session; None: ask."""
    source = record.source
    places = [Path(source.path)] if source.path else []
    if source.relative_path:
        places.append((folder / source.relative_path).resolve())
    if source.path:
        places.append(folder.resolve().parent / Path(source.path).name)
    return next((place for place in places if place.exists()), None)
