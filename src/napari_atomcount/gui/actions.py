"""What the desk's buttons do: open, run, follow, save. Starts jobs and hands their steps to the session."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui import jobs
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.records.errors import AtomcountError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.replay import CorrectedColumns


class Actions(QObject):
    """The user's intentions as jobs on the session.

    Signals
    -------
    opened(object)
        A Movie was read.
    to_be_chosen(object)
        The datasets or channels of a file (`jobs.Choice`): one must be chosen.
    detected(object)
        A job has ended that found columns; its Run.
    failed(str), noted(str)
        Sentences for the user.
    """

    opened = Signal(object)
    to_be_chosen = Signal(object)
    detected = Signal(object)
    failed = Signal(str)
    noted = Signal(str)

    def __init__(self, model: SessionModel, runner: jobs.JobRunner, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model, self.runner = model, runner
        self.looker = jobs.JobRunner(self)  # looks at a few frames, whatever else runs
        self.looker.failed.connect(lambda text: model.set_domain([for_the_desk(text)]))
        self._follow_again = self._look_again = False
        # Gives what a detection does first, in its thread.
        self.at_start: Callable[[], Callable[[], None]] = lambda: lambda: None
        self.replay: Callable[[Run], Callable[[], CorrectedColumns | None]] = lambda _run: lambda: None

    # -- movies ------------------------------------------------------------
    def open_movie(self, path: Path, dataset: str | None = None, channel: str | None = None) -> None:
        """Read a movie; then ``opened`` or ``to_be_chosen`` is emitted."""

        def on_step(step: jobs.Result) -> None:
            if isinstance(step.value, Movie):
                self.opened.emit(step.value)
            else:
                self.to_be_chosen.emit(step.value)

        self.runner.start(lambda _stop: jobs.opening(path, dataset, channel), on_step)

    def calibrate(self, name: str, value: tuple[float, ...] | None) -> None:
        """Take what the user typed for a quantity of the calibration."""
        given: Any = value
        if value is not None:
            given = (value[0], value[-1]) if name == "pixel_size_nm" else value[0]
        try:
            self.model.calibrate(**{name: given})
        except AtomcountError as error:
            self.failed.emit(for_the_desk(str(error)))

    def look(self) -> None:
        """Estimate what the file does not know, and compare the movie with the model's domain."""
        movie, card, model = self.model.movie, self.model.card, self.model
        model.set_domain(None)  # what was said of another movie or model must not stand meanwhile
        if movie is None or card is None or movie.calibration.pixel_size_nm is None:
            return
        if self.looker.busy:
            self._look_again = True
            return

        ready, preparation = model.ready_movie, model.preparation

        def on_step(step: jobs.Result) -> None:
            calibration, warnings = step.value
            if model.movie is not movie or model.card is not card or model.preparation != preparation:
                return
            if calibration != movie.calibration:
                model.set_calibration(calibration)
            model.set_domain(warnings)

        def on_end(_complete: bool) -> None:
            if self._look_again:
                self._look_again = False
                self.look()

        self.looker.start(lambda _stop: jobs.looking(ready, card, model.settings), on_step, on_end)

    # -- running -----------------------------------------------------------
    def run_all(self) -> None:
        """Run the frames that are missing, or all of them anew where none is; then follow."""
        run = self._begin(fresh=self.model.run is not None and not self.model.run.missing)
        if run is not None:
            self._detect(run, run.missing, then_follow=len(run.wanted) > 1)

    def run_frame(self, frame: int) -> None:
        """Run one frame, or the focal series that it belongs to."""
        run = self._begin(fresh=False)
        if run is not None and run.wanted:
            first = min(frame // run.card.images * run.card.images, run.wanted[-1])
            self._detect(run, [first], then_follow=False)

    def _begin(self, fresh: bool) -> Run | None:
        try:
            return self.model.begin_run(fresh)
        except AtomcountError as error:
            self.failed.emit(for_the_desk(str(error)))
            return None

    def _detect(self, run: Run, frames: list[int], then_follow: bool) -> None:
        model, movie = self.model, self.model.ready_movie
        settings, load, first = model.settings, model.load_detector, self.at_start()

        def steps(stop: Event):
            first()
            yield from jobs.detection(movie, run.card, run.store, frames, settings, load, stop)

        def on_step(step: jobs.FrameDone) -> None:
            model.add_frame(run, step.frame, step.columns, step.observed, step.warnings)

        def on_end(complete: bool) -> None:
            if model.is_current(run) and run.frames:
                self.detected.emit(run)
            if complete and then_follow and run is model.run:
                self.follow()

        self.runner.start(steps, on_step, on_end)

    # -- following ---------------------------------------------------------
    def set_false_events(self, per_1000: float) -> None:
        """Accept another number of false events; what has been followed is followed again."""
        occupancy = self.model.settings.occupancy.model_copy(update={"false_events_per_1000": per_1000})
        self.model.settings = self.model.settings.model_copy(update={"occupancy": occupancy})
        self._settings_changed()

    def set_turning(self, rotation: bool, scale: bool) -> None:
        """Follow rotation and scale of the specimen, or do not; what has been followed is followed again."""
        drift = self.model.settings.drift.model_copy(update={"rotation": rotation, "scale": scale})
        self.model.settings = self.model.settings.model_copy(update={"drift": drift})
        self._settings_changed()

    def _settings_changed(self) -> None:
        if self.model.analysis is not None:
            if self.runner.busy:
                self._follow_again = True
            else:
                self.follow()

    def follow(self) -> None:
        """Follow the columns of the shown run through time."""
        run, movie, model = self.model.run, self.model.movie, self.model
        if run is None or movie is None or self.runner.busy:
            return
        columns, settings, replay = run.detected, model.settings, self.replay(run)

        def on_end(_complete: bool) -> None:
            if self._follow_again:
                self._follow_again = False
                self.follow()

        self.runner.start(
            lambda _stop: jobs.following(movie, run.card, columns, run.store, settings, replay),
            lambda step: model.set_followed(run, step.value),
            on_end,
        )

    def save(self, folder: Path) -> None:
        """Write the shown analysis into a folder."""
        analysis, movie = self.model.analysis, self.model.movie
        if analysis is None or movie is None:
            return
        self.runner.start(
            lambda _stop: jobs.saving(analysis, movie, folder),
            lambda step: self.noted.emit(f"Saved in {step.value}."),
        )

    def stop(self) -> None:
        """Stop the job that runs."""
        self._follow_again = False
        self.runner.stop()


def for_the_desk(sentence: str) -> str:
    """An error's advice in the desk's words: options of the command line become places in the dock."""
    return re.sub(r" with --pixel-size-nm[^.;]*", " in section 1, Movie", sentence)
