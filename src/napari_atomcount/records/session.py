"""What a session remembers beside the edits: its movie, and its steps (runs, changed settings)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings

FORMAT = 1
StepKind = Literal["run", "calibration", "settings", "preparation"]


class Source(BaseModel):
    """The movie that a session belongs to.

    Parameters
    ----------
    path, relative_path : str, optional
        Where it lay when the session was saved; relative to the session's folder.
    dataset : str, optional
        Which dataset of the file.
    channel : str, optional
        Which channel of it, where it holds several.
    name : str
        The movie's name.
    shape : tuple of int
        (T, Y, X).
    dtype : str
        Number type of its pixels.
    sha256 : str
        `Movie.content_hash`: by it the movie is known again wherever it lies.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    path: str | None = None
    relative_path: str | None = None
    dataset: str | None = None
    channel: str | None = None
    name: str
    shape: tuple[int, int, int]
    dtype: str
    sha256: str


class Base(BaseModel):
    """What held before the first step; undoing everything leads back to it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    calibration: Calibration = Calibration()
    settings: AnalysisSettings = AnalysisSettings()
    preparation: Preparation = Preparation()


class Step(BaseModel):
    """One undoable change that is no edit of a column.

    Parameters
    ----------
    gesture : int
        Its number among the session's gestures.
    kind : str
        ``run``, ``calibration``, ``settings`` or ``preparation``.
    time : str
        When, ISO 8601 in UTC.
    value : dict
        The whole new value; of a run: ``columns`` (file within the session), ``model`` (name, sha256),
        ``detect`` (settings), ``frames`` (those that were run), ``warnings``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    gesture: int = Field(ge=1)
    kind: StepKind
    time: str = ""
    value: dict[str, Any]


class SessionRecord(BaseModel):
    """The content of ``session.json``.

    ``calibration``, ``settings``, ``preparation`` and ``model`` state what holds now; they follow from
    ``base``, ``steps`` and the revokes in ``corrections.jsonl``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int = FORMAT
    package: str = ""
    created: str = ""
    saved: str = ""
    source: Source
    calibration: Calibration = Calibration()
    settings: AnalysisSettings = AnalysisSettings()
    preparation: Preparation = Preparation()
    model: dict[str, Any] | None = None
    base: Base = Base()
    steps: tuple[Step, ...] = ()
    view: dict[str, Any] = Field(
        default={}, description="where one was: whatever the desk wants to find again"
    )
