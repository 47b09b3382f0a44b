"""Work in napari's threads: generators over the pipeline; they hold arrays and ids, never layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, Signal

from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.errors import AtomcountError, ChannelError, InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings

if TYPE_CHECKING:
    from napari_atomcount.io.session import Session
    from napari_atomcount.networks.card import ModelCard
    from napari_atomcount.pipeline import Followed, LogitStore


@dataclass(frozen=True)
class Progress:
    """How far a job is: its stage in words, and done of total (total 0: not known)."""

    stage: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class FrameDone:
    """The columns of one frame."""

    frame: int
    columns: pd.DataFrame
    observed: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Result:
    """What a job made at its end."""

    value: Any


@dataclass(frozen=True)
class Choice:
    """What a file holds more than one of: a movie needs one of ``names``, datasets or channels."""

    path: Path
    names: list[str]
    dataset: str | None = None
    of: Literal["datasets", "channels"] = "datasets"


@dataclass(frozen=True)
class Failed:
    """Why a job could not be done, in one sentence for the user."""

    message: str


def detection(
    movie: Movie,
    card: ModelCard,
    store: LogitStore,
    frames: list[int],
    settings: AnalysisSettings,
    load: Callable,
    stop: Event,
) -> Iterator[Progress | FrameDone]:
    """Run the network over ``frames``; yields each frame's columns as it finishes."""
    from napari_atomcount import pipeline

    yield Progress("loading the network", 0, len(frames))
    detector = load(card, settings)
    yield Progress("finding columns", 0, len(frames))
    results = pipeline.detect_frames(movie, detector, settings, frames=frames, cancelled=stop.is_set)
    for done, result in enumerate(results, start=1):
        store.add(result)
        yield FrameDone(result.frame, result.columns, result.observed, tuple(result.warnings))
        yield Progress("finding columns", done, len(frames))


def looking(movie: Movie, card: ModelCard, settings: AnalysisSettings) -> Iterator[Result]:
    """A first look at a few frames: the movie with its dose estimated, and how it differs from the domain."""
    from napari_atomcount.pipeline.analysing import domain_words, with_estimates

    estimated = with_estimates(movie, settings, card.images)
    yield Result((estimated.calibration, domain_words(estimated, card, settings)))


def following(
    movie: Movie,
    card: ModelCard,
    columns: pd.DataFrame,
    store: LogitStore,
    settings: AnalysisSettings,
    replay: Callable[[], CorrectedColumns | None] = lambda: None,
) -> Iterator[Progress | Result]:
    """From the columns of all frames to sites, occupancy and events; ``replay`` gives a person's edits."""
    from napari_atomcount import pipeline

    yield Progress("following the columns through time")
    try:
        followed = pipeline.follow_sites(movie, columns, store, settings, corrected=replay())
    except Exception:
        if store.closed:  # the run was thrown away meanwhile: nobody waits for its sites
            return
        raise
    complete = len(store.frames) == movie.n_frames // card.images
    pipeline.describe(followed.analysis, movie, card, settings, command="napari", complete=complete)
    yield Result(followed)


def redecoding(
    followed: Followed, replay: Callable[[], CorrectedColumns | None], frames: set[int] | None
) -> Iterator[Progress | Result]:
    """Follow only the sites that edits in these frames touch; None: in any."""
    from napari_atomcount import pipeline

    yield Progress("following the corrected columns")
    corrected = replay()
    if corrected is not None:
        yield Result(pipeline.redecode(followed, corrected, frames))


def keeping(
    session: Session, analysis: Analysis | None, token: str, store: LogitStore, maps: Path | None
) -> Iterator[Progress | Result]:
    """Write the analysis of what held at ``token``, and the maps into the folder ``maps``: caches."""
    yield Progress("keeping the results")
    try:
        if maps is not None:
            store.save(maps)
        if analysis is not None:
            session.save_analysis(analysis, token)
    except OSError as error:
        raise InputError(
            f"The results could not be kept in {session.folder} ({error.strerror or error}): the corrections "
            "are safe, and the rest is computed again when the session is opened."
        ) from error
    yield Result(session.folder)


def saving(analysis: Analysis, movie: Movie, folder: Path) -> Iterator[Progress | Result]:
    """Write the tables, then the figures."""
    from napari_atomcount.io.figures import write_figures
    from napari_atomcount.io.tables import write_analysis
    from napari_atomcount.pipeline.time_output import write_in_time

    yield Progress("writing the tables")
    write_analysis(analysis, folder)
    yield Progress("drawing the figures")
    write_figures(analysis, movie, folder)
    write_in_time(analysis, movie, folder)
    yield Result(folder)


def opening(path: Path, dataset: str | None, channel: str | None = None) -> Iterator[Progress | Result]:
    """Open a movie, or say between what one has to choose first."""
    from napari_atomcount.io import readers

    yield Progress(f"opening {path.name}")
    if dataset is None:
        names = readers.list_datasets(path)
        if len(names) > 1:
            yield Result(Choice(path, names))
            return
        dataset = names[0] if path.is_file() else None
    try:
        yield Result(readers.open_movie(path, dataset=dataset, channel=channel, grey=True))
    except ChannelError as error:
        yield Result(Choice(path, error.choices, dataset, "channels"))


def with_sentences(steps: Iterator[Any]) -> Iterator[Any]:
    """The steps of a job; an error meant for the user becomes its last step instead of a traceback."""
    try:
        yield from steps
    except AtomcountError as error:
        yield Failed(str(error))


class JobRunner(QObject):
    """Runs one job at a time.

    Signals
    -------
    busy_changed(bool)
        A job began or ended.
    progressed(str, int, int, float)
        Stage, done, total, seconds left (NaN: not known yet).
    failed(str)
        A sentence for the user.
    """

    busy_changed = Signal(bool)
    progressed = Signal(str, int, int, float)
    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stop_event = Event()
        self.stop_events = [self.stop_event]  # outlives this object, see stop_all
        self._worker: Any = None
        self._on_step: Callable[[Any], None] = lambda _step: None
        self._on_end: Callable[[bool], None] = lambda _complete: None
        self._began: tuple[str, int, float] = ("", 0, 0.0)
        self._failed = False

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._worker is not None

    def start(
        self,
        steps: Callable[[Event], Iterator[Any]],
        on_step: Callable[[Any], None],
        on_end: Callable[[bool], None] = lambda _complete: None,
    ) -> None:
        """Begin a job.

        Parameters
        ----------
        steps
            Given the event that asks it to stop, makes the job's generator.
        on_step
            Called in the GUI's thread with each step but Progress and Failed.
        on_end
            Called in the GUI's thread at the end; True when the job was neither stopped nor failed.

        Raises
        ------
        RuntimeError
            When another job is running.
        """
        if self.busy:
            raise RuntimeError("another job is running")
        self.stop_event = Event()
        self.stop_events[:] = [self.stop_event]
        self._on_step, self._on_end, self._failed = on_step, on_end, False
        self._began = ("", 0, time.monotonic())
        worker = create_worker(with_sentences, steps(self.stop_event), _start_thread=False)
        self._worker = worker
        worker.yielded.connect(self._receive)
        worker.errored.connect(self._receive_error)
        worker.finished.connect(self._receive_end)
        self.busy_changed.emit(True)
        worker.start()

    def stop(self) -> None:
        """Ask the job to stop; what it has yielded is kept."""
        if self._worker is not None:
            self.stop_event.set()
            self._worker.quit()

    def abandon(self) -> None:
        """Stop listening to the job for good, and ask it to stop: the desk is closing."""
        worker = self._worker
        self.stop()
        self._worker = None
        if worker is not None:
            worker.yielded.disconnect(self._receive)
            worker.errored.disconnect(self._receive_error)
            worker.finished.disconnect(self._receive_end)

    def _receive(self, step: Any) -> None:
        if isinstance(step, Failed):
            self._failed = True
            self.failed.emit(step.message)
        elif isinstance(step, Progress):
            stage, first, began = self._began
            if step.stage != stage:
                self._began = (step.stage, step.done, time.monotonic())
            done = step.done - first
            left = (time.monotonic() - began) / done * (step.total - step.done) if done > 0 else float("nan")
            self.progressed.emit(step.stage, step.done, step.total, left)
        else:
            self._on_step(step)

    def _receive_error(self, _error: Exception) -> None:
        self._failed = True  # napari's worker has already shown it, with its traceback

    def _receive_end(self) -> None:
        complete = not self._failed and not self.stop_event.is_set()
        self._worker = None
        self.busy_changed.emit(False)
        self._on_end(complete)


def stop_all(events: list[Event]) -> None:
    """Ask jobs to stop when the runner itself is gone with its window."""
    for event in events:
        event.set()
