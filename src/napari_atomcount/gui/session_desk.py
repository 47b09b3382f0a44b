"""What the session panel's buttons do: open, move, compare, export, import."""

from __future__ import annotations

import shutil

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_atomcount.gui import dialogs
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.session_compare import Comparison
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_panel import SessionPanel
from napari_atomcount.io import exchange
from napari_atomcount.io.edit_log import why
from napari_atomcount.io.session_files import read_record
from napari_atomcount.io.session_state import place_of
from napari_atomcount.records.errors import AtomcountError


class SessionDesk(QObject):
    """The session panel with what it does.

    Signals
    -------
    movie_wanted(object, object, object)
        Path of a movie, its dataset and its channel: open it, its session is chosen already.
    failed(str), noted(str)
        Sentences for the user.
    """

    movie_wanted = Signal(object, object, object)
    failed = Signal(str)
    noted = Signal(str)

    def __init__(self, keeper: SessionKeeper, layers: ResultLayers, parent: QWidget) -> None:
        super().__init__(parent)
        self.keeper, self.window = keeper, parent
        self.panel = SessionPanel()
        self.comparison = Comparison(keeper, layers, self)
        panel = self.panel
        panel.open_requested.connect(self._open)
        panel.move_requested.connect(self._move)
        panel.compare_requested.connect(self.comparison.compare)
        panel.export_requested.connect(self._export)
        panel.import_requested.connect(self._import)
        self.comparison.worded.connect(panel.show_difference)

    def _open(self) -> None:
        """Open a session's folder: its movie where it lies, or where the user says that it lies now."""
        folder = dialogs.ask_session_folder(self.window)
        if folder is None:
            return
        try:
            record = read_record(folder)
        except AtomcountError as error:
            self.failed.emit(str(error))
            return
        movie = place_of(record, folder)
        if movie is None:
            movie = dialogs.ask_lost_movie(self.window, record.source.name)
        if movie is not None:
            self.keeper.open_next(folder)
            self.movie_wanted.emit(movie, record.source.dataset, record.source.channel)

    def _move(self) -> None:
        """Copy the session into another folder, and go on there."""
        keeper, session = self.keeper, self.keeper.session
        parent = dialogs.ask_session_parent(self.window)
        if parent is None or session is None or keeper.model.movie is None:
            return
        target = parent / session.folder.name
        if target.exists():
            self.failed.emit(f"{target} is there already: choose another folder.")
            return
        try:
            shutil.copytree(session.folder, target, ignore=shutil.ignore_patterns("lock", ".*"))
        except (OSError, shutil.Error) as error:
            shutil.rmtree(target, ignore_errors=True)
            words = why(error) if isinstance(error, OSError) and error.errno else str(error)
            self.failed.emit(f"The session could not be copied to {target}: {words}.")
            return
        keeper.go_to(target)
        self.noted.emit(f"The session is kept in {target} from now on; {session.folder} is as it was.")

    def _export(self, what: str) -> None:
        session = self.keeper.session
        path = dialogs.ask_save_table(self.window, f"{what}.csv")
        if path is None or session is None:
            return
        try:
            if what == "columns":
                exchange.write_columns(session.columns.table, path)
            else:
                exchange.write_corrections(session.history.active(), path)
        except AtomcountError as error:
            self.failed.emit(str(error))
            return
        self.noted.emit(f"Saved in {path}.")

    def _import(self, what: str) -> None:
        """A table becomes one gesture, which is undone like any other."""
        keeper, session = self.keeper, self.keeper.session
        path = dialogs.ask_open_table(self.window)
        if path is None or session is None:
            return
        try:
            if what == "columns":
                positions, reach = exchange.read_positions(path), session.columns.reach
                edits = exchange.edits_between(session.columns.table, positions, reach)
            else:
                edits = exchange.read_corrections(path)
        except AtomcountError as error:
            self.failed.emit(str(error))
            return
        if not edits:
            self.noted.emit(f"{path.name} says what the columns are already: nothing has changed.")
            return
        change = keeper.do(edits)
        if change is not None:
            lost = [p for p in session.columns.unplaced() if p.gesture == change.number]
            words = f"; {len(lost)} find no column in this run and wait for another" if lost else ""
            self.noted.emit(f"{len(edits)} edits from {path.name}, to be undone as one{words}.")
