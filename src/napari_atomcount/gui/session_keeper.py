"""Keeps runs, edits and settings of the desk in the session on disk; undoes and redoes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui.run import Run
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.session_opener import SessionOpener
from napari_atomcount.gui.session_opening import basis_here, run_of_session, settings_of
from napari_atomcount.io.session import Change, Session
from napari_atomcount.records.corrections import Edit
from napari_atomcount.records.errors import AtomcountError
from napari_atomcount.records.replay import CorrectedColumns

MOST_FAMILIES = 3  # networks' maps of so many whole runs stay on disk to be undone to


class SessionKeeper(SessionOpener):
    """Keeps what the desk makes.

    Signals
    -------
    moved(object)
        A gesture was done, undone or redone: its Change.
    """

    moved = Signal(object)

    def __init__(self, model: SessionModel, parent: QObject | None = None) -> None:
        super().__init__(model, parent)
        self._views: dict[int, Run] = {}
        self._families: list[list[Run]] = []
        self._applying = False
        self._reader.timeout.connect(self._refresh)
        model.run_changed.connect(self._on_run_chosen)

    def restore(self, run: Run | None) -> None:
        """Be where one was: preparation, settings, calibration, run."""
        session, model = self.session, self.model
        assert session is not None
        typed = self.typed()
        self._applying = True
        try:
            model.prepare(session.preparation, settings_of(session, model.settings))
            if model.movie is not None and session.calibration != model.movie.calibration:
                model.set_calibration(session.calibration)
            if run is not None:
                basis_here(run, model.settings)
                self._views[run.number] = run
                self._families.append([run])
                card = next((card for card in model.list_cards() if card.sha256 == run.card.sha256), run.card)
                run.card = card
                model.show_run(run.snapshot())
            elif session.run:
                name = "?" if session.run_step is None else session.run_step.value["model"].get("name")
                self.failed.emit(
                    f"The session's run was made by the model {name} with weights that are not here: its "
                    "columns cannot be shown. Run again; the corrections are kept."
                )
        finally:
            self._applying = False
        self.opened.emit()
        self.changed.emit()
        if typed:
            model.calibrate(**typed)
            self.note_calibration()

    # -- what is kept ------------------------------------------------------
    def keep_run(self, run: Run) -> None:
        """Keep a run, as one undoable step; the edits are replayed over it."""
        session = self.ensure()
        if session is None or session.read_only:
            if session is not None:
                self.noted.emit(
                    f"This run is not kept: the session is for reading only, {session.read_only}."
                )
            return
        model = {"name": run.card.name, "sha256": run.card.sha256}
        again = run.number > 0
        try:
            change = session.add_run(run.detected, model, run.basis.as_json(), run.frames, run.warnings)
        except AtomcountError as error:
            self.failed.emit(str(error))
            return
        run.number = session.run
        run.take_corrected(session.columns)
        view = run.snapshot()
        self._views[run.number] = view
        if again and self._families:
            self._families[-1].append(view)
        else:
            self._families.append([view])
            for old in self._families[:-MOST_FAMILIES]:
                old[0].store.close()
            del self._families[:-MOST_FAMILIES]
        if change.unplaced:
            few = "; ".join(f"{p.edit.edit} in frame {p.edit.frame}: {p.words}" for p in change.unplaced[:3])
            more = " …" if len(change.unplaced) > 3 else ""
            self.noted.emit(
                f"{len(change.unplaced)} corrections find no place in this run and wait for another: "
                f"{few}{more}"
            )
        if session.history.n_edits:
            self.model.note_edits(None)
        if change.warning:
            self.noted.emit(change.warning)
        self.moved.emit(change)
        self.changed.emit()

    def note_calibration(self) -> None:
        """Keep the calibration that the user has changed, as a step."""
        movie, session = self.model.movie, self.session
        if movie is not None and session is not None and movie.calibration != session.calibration:
            if self.attempt(lambda: session.set_calibration(movie.calibration)) is not None:
                self._take_columns()

    def note_settings(self) -> None:
        """Keep changed settings, as a step."""
        settings, session = self.model.settings, self.session
        if session is not None and settings != settings_of(session, settings):
            self.attempt(lambda: session.set_settings(settings))

    def note_preparation(self) -> None:
        """Keep a changed preparation, as a step; the session is made for it."""
        session, preparation = self.ensure(), self.model.preparation
        if session is not None and preparation != session.preparation:
            self.attempt(lambda: session.set_preparation(preparation))

    def do(self, edits: Iterable[Edit]) -> Change | None:
        """Make a gesture of edits; it is on disk when this returns. None: it was not made, as was said."""
        session, edits = self.session, list(edits)
        if session is None or not edits:
            return None
        change = self.attempt(lambda: session.do(edits))
        if change is not None:
            self._apply(change)
        return change

    def undo(self) -> Change | None:
        """Undo the last thing that holds."""
        return self._step_back(lambda session: session.undo())

    def redo(self) -> Change | None:
        """Redo what was undone last."""
        return self._step_back(lambda session: session.redo())

    def _step_back(self, move: Callable[[Session], Change | None]) -> Change | None:
        session = self.session
        if session is None:
            return None
        change = self.attempt(lambda: move(session))
        if change is not None:
            self._apply(change)
        return change

    def replay(self, run: Run) -> Callable[[], CorrectedColumns | None]:
        """Makes a run's columns with the edits that hold now, whatever is edited meanwhile."""
        session = self.session
        if session is None or run.number != session.run or run.corrected is None:
            return lambda: None
        network, number, calibration = run.corrected.network, run.number, session.calibration
        gestures = session.history.active()
        return lambda: CorrectedColumns(network, number, calibration, gestures)

    # -- what follows from a change ----------------------------------------
    def _apply(self, change: Change) -> None:
        session, model = self.session, self.model
        assert session is not None
        self._applying = True
        try:
            if change.kind == "run" or model.run is None or model.run.number != session.run:
                self._show(session.run)
            self._take_columns()
            if change.kind in ("edits", "run"):
                model.note_edits(change.frames)
            elif change.kind == "calibration":
                model.set_calibration(session.calibration)
            else:
                model.prepare(session.preparation, settings_of(session, model.settings))
        finally:
            self._applying = False
        if change.warning:
            self.noted.emit(change.warning)
        self.moved.emit(change)
        self.changed.emit()

    def _take_columns(self) -> None:
        session, run = self.session, self.model.run
        if session is not None and run is not None and run.number == session.run:
            run.take_corrected(session.columns)

    def _show(self, number: int) -> None:
        """Show a run that is kept; 0: the one before the first, none."""
        session, model = self.session, self.model
        assert session is not None
        assert model.movie is not None
        if number == 0:
            model.runs.clear()
            model.run_changed.emit()
            model.analysis_changed.emit()
            return
        if number not in self._views:
            run = run_of_session(session, model.movie, model.movie_key, model.list_cards(), number)
            if run is None:
                self.failed.emit("The model of that run is not here: its columns cannot be shown.")
                return
            self._views[number] = basis_here(run, model.settings)
        view = self._views[number].snapshot()
        view.take_corrected(session.columns)
        view.analysis_is_stale = view.analysis is not None
        model.show_run(view)

    def _on_run_chosen(self) -> None:
        """The user chose a model that has a run: the session shows it too, from now on."""
        session, run = self.session, self.model.run
        if self._applying or session is None or session.read_only or run is None:
            return
        if run.number and run.number != session.run:
            if self.attempt(lambda: session.show_again(run.number)) is not None:
                self._take_columns()
                self.model.note_edits(None)

    def _refresh(self) -> None:
        """See what the window that writes did meanwhile."""
        session, model = self.session, self.model
        if session is None or not session.read_only or model.movie is None:
            self._reader.stop()
            return
        try:
            news = session.refresh()
        except AtomcountError:
            return  # it is being written: the next time
        if news:
            self._apply(Change(session.history.last, "run", None))

    def close(self) -> None:
        """Let another window write; the maps of runs that could be undone to are given back."""
        super().close()
        for view in self._views.values():
            view.store.close()
        self._views, self._families = {}, []
