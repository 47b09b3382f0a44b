"""What follows from an edit: sites, occupancy, events anew, in a worker, once the hand rests; then kept."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_atomcount.gui import jobs
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.records.analysis import Analysis

FOLLOW_MS = 350  # the hand rests, where all sites must be followed anew
REDECODE_MS = 30  # where only those of the edit
KEEP_MS = 4000


class Refollower(QObject):
    """Follows the columns again after edits, and keeps analysis and maps in the session.

    Signals
    -------
    failed(str)
        A sentence for the user.
    """

    failed = Signal(str)

    def __init__(self, model: SessionModel, keeper: SessionKeeper, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model, self.keeper = model, keeper
        self.blocked = False  # while the desk's own job runs, it will follow itself
        self.runner, self.saver = jobs.JobRunner(self), jobs.JobRunner(self)
        self.runner.failed.connect(self.failed)
        self.saver.failed.connect(self.failed)
        self._maps_of: tuple[str, int] | None = None  # folder and run whose maps are kept
        self._follow, self._keep = QTimer(self), QTimer(self)
        for timer, interval, action in (
            (self._follow, FOLLOW_MS, self.follow),
            (self._keep, KEEP_MS, self.keep),
        ):
            timer.setSingleShot(True)
            timer.setInterval(interval)
            timer.timeout.connect(action)
        self._edited: set[int] | None = set()  # frames since the last analysis; None: any
        model.edited.connect(self._on_edited)
        model.run_changed.connect(self._follow.start)
        model.movie_changed.connect(self._let_go)
        model.analysis_changed.connect(self._keep.start)

    @property
    def busy(self) -> bool:
        """Whether something is being followed, or about to be."""
        return self.runner.busy or self._follow.isActive()

    def _let_go(self) -> None:
        """Another movie: what is still being done for the last one has no one to tell."""
        for timer in (self._follow, self._keep):
            timer.stop()
        self.runner.abandon()
        self.saver.abandon()
        self._edited, self._maps_of = set(), None

    def _on_edited(self, frames: tuple[int, ...] | None) -> None:
        self._edited = None if frames is None or self._edited is None else {*self._edited, *frames}
        run = self.model.run
        self._follow.start(FOLLOW_MS if run is None or run.followed is None else REDECODE_MS)

    def _wanted(self) -> Run | None:
        run, session = self.model.run, self.keeper.session
        if run is None or session is None or self.blocked or not run.can_follow or len(run.frames) < 2:
            return None
        kept = run.number == session.run and run.corrected is not None
        edited = session.history.n_edits > 0
        stale = run.analysis_is_stale or (run.analysis is None and edited and not run.missing)
        return run if kept and stale else None

    def follow(self) -> None:
        """Follow the edited columns, unless there is nothing to do."""
        run, movie, session = self._wanted(), self.model.movie, self.keeper.session
        if run is None or movie is None or session is None:
            return
        if self.runner.busy:
            self._follow.start()
            return
        token, settings, replay = session.token, self.model.settings, self.keeper.replay(run)
        detected, followed, frames = run.detected, run.followed, self._edited
        self._edited = set()

        def steps(_stop: Event) -> Iterator[Any]:
            if followed is not None:
                return jobs.redecoding(followed, replay, frames)
            return jobs.following(movie, run.card, detected, run.store, settings, replay)

        def on_step(step: jobs.Result) -> None:
            if self.keeper.session is session and self.model.is_current(run):
                run.followed = step.value
                if session.token == token:
                    self._show(run, step.value.analysis)

        def on_end(_complete: bool) -> None:
            if self._wanted() is not None and not self.blocked and self.keeper.session is not None:
                if self.keeper.session.token != token:
                    self._follow.start()

        self.runner.start(steps, on_step, on_end)

    def _show(self, run: Run, analysis: Analysis) -> None:
        """Show it; the site that was selected stays, whatever number it has now."""
        before, site = run.analysis, self.model.site
        place = None
        if before is not None and site >= 0:
            row = before.sites[before.sites["site_id"] == site]
            place = row[["y", "x"]].to_numpy(float)[0] if len(row) else None
        if place is not None and len(analysis.sites):
            far = np.hypot(*(analysis.sites[["y", "x"]].to_numpy(float) - place).T)
            near = int(far.argmin())
            self.model.site = int(analysis.sites["site_id"].iloc[near]) if far[near] < 3.0 else -1
        self.model.set_analysis(run, analysis)

    def keep(self) -> None:
        """Write analysis and maps into the session, in a worker: to be where one was after reopening."""
        run, session = self.model.run, self.keeper.session
        if run is None or session is None or session.read_only or run.number != session.run:
            return
        if self.saver.busy:
            self._keep.start()
            return
        analysis, token, store = run.analysis, session.token, run.store
        if analysis is None or run.analysis_is_stale:
            analysis = None
        here = str(session.folder), run.number
        folder = session.maps_folder() if self._maps_of != here and run.can_follow else None
        if analysis is None and folder is None:
            return

        def on_end(complete: bool) -> None:
            if complete and folder is not None:
                self._maps_of = here

        self.saver.start(
            lambda _stop: jobs.keeping(session, analysis, token, store, folder), lambda _step: None, on_end
        )

    def close(self) -> None:
        """Listen no more."""
        self._let_go()
