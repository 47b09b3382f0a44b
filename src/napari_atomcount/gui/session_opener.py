"""Finds, opens and makes the session of the desk's movie; says where it lies and what is in the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from qtpy.QtCore import QObject, QTimer, Signal

from napari_atomcount.gui import session_places
from napari_atomcount.gui.jobs import JobRunner
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.session_opening import Opened, opening
from napari_atomcount.gui.session_places import Place
from napari_atomcount.io.session import Session
from napari_atomcount.records.calibration import QUANTITIES, Calibration
from napari_atomcount.records.errors import AtomcountError

REFRESH_MS = 1500  # how often a window that only reads looks what the other one did
T = TypeVar("T")


class SessionOpener(QObject):
    """The session of the desk's movie: made when there is something to keep, opened when the movie has one.

    Signals
    -------
    changed()
        What is kept, can be undone, or where it lies is different.
    opened()
        A session was opened: where one was can be found again in its ``record.view``.
    failed(str), noted(str)
        Sentences for the user.
    """

    changed = Signal()
    opened = Signal()
    failed = Signal(str)
    noted = Signal(str)

    def __init__(self, model: SessionModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self.session: Session | None = None
        self.place: Place | None = None
        self.finder = JobRunner(self)
        self.finder.failed.connect(self._on_find_failed)
        self._digest: tuple[int, str] | None = None
        self._wanted: Path | None = None  # the session to open with the next movie
        self._holder: list[Session] = []
        self._look_again = False
        self._looked_with = Calibration()
        self._reader = QTimer(self)
        self._reader.setInterval(REFRESH_MS)
        model.movie_changed.connect(self._on_movie)

    @property
    def settled(self) -> bool:
        """Whether it is known if the movie has a session."""
        return not self.finder.busy and not self._look_again

    @property
    def read_only(self) -> str:
        """Why nothing is kept; empty: it is, or there is no session yet."""
        return "" if self.session is None else self.session.read_only

    def open_next(self, folder: Path | None) -> None:
        """Open this session with the next movie, whatever lies beside the movie."""
        self._wanted = folder

    def go_to(self, folder: Path) -> None:
        """Open this session for the movie that is shown, in place of the one that is open."""
        self.close()
        self._note_scales()
        self._find(folder)

    def _on_movie(self) -> None:
        self.close()
        movie, wanted, self._wanted = self.model.movie, self._wanted, None
        self.place = None
        self._note_scales()
        if movie is not None:
            self.place = session_places.new_place(movie)
            if wanted is not None or not session_places.nothing_to_find(movie):
                self._find(wanted)
        self.changed.emit()

    def _find(self, folder: Path | None) -> None:
        movie, key, cards = self.model.movie, self.model.movie_key, self.model.list_cards()
        assert movie is not None
        if self.finder.busy:  # of the movie before: its answer is not wanted any more
            self._wanted, self._look_again = folder, True
            self.finder.stop()
            return

        def on_end(_complete: bool) -> None:
            if self._look_again:
                self._look_again = False
                folder, self._wanted = self._wanted, None
                if self.model.movie is not None:
                    self._find(folder)
            self.changed.emit()

        self.finder.start(
            lambda _stop: opening(movie, key, cards, folder, self._holder),
            lambda step: self._on_opened(step.value, key),
            on_end,
        )

    def _on_find_failed(self, sentence: str) -> None:
        movie = self.model.movie
        if movie is not None:
            self.place = session_places.new_place(movie)
            if self.place.exists or (self.place.folder / "session.json").exists():
                self.place = Place(session_places.user_folder() / self.place.folder.name, False, sentence)
        self.failed.emit(f"{sentence} What is done now is kept apart from it.")

    def _on_opened(self, found: Opened, key: int) -> None:
        model = self.model
        if key != model.movie_key or model.movie is None:
            if found.session is not None:
                found.session.close()
            return
        self._digest = key, found.digest
        self.place = found.place
        if found.place.words:
            self.noted.emit(found.place.words)
        session = found.session
        if session is None:
            return
        if session.record.source.sha256 != found.digest:
            name = session.record.source.name
            session.close()
            self.place = session_places.new_place(model.movie)
            self.failed.emit(
                f"{found.place.folder} is the session of another movie ({name}), or the movie was changed "
                "since: open the movie that belongs to it."
            )
            return
        self.session = session
        session_places.remember(found.digest, session.folder)
        if session.recovered:
            self.noted.emit(f"{session.folder.name}: {session.recovered}.")
        if session.read_only:
            self._reader.start()
        elif model.movie.path is not None and str(Path(model.movie.path).absolute()) != (
            session.record.source.path
        ):
            movie = model.movie
            self.attempt(lambda: session.movie_moved(movie, found.digest))
        self.restore(found.run)

    def restore(self, run: Run | None) -> None:
        """Be where one was; `SessionKeeper` knows how."""
        raise TypeError(f"{type(self).__name__} cannot restore {run}")

    def _note_scales(self) -> None:
        """From now on what a person states is `typed`."""
        self._looked_with = Calibration() if self.model.movie is None else self.model.movie.calibration

    def typed(self) -> dict[str, Any]:
        """Scales that a person has stated since the session is looked for, by name."""
        assert self.model.movie is not None
        now, before = self.model.movie.calibration, self._looked_with
        stated = [name for name in QUANTITIES if now.sources.get(name) == "user"]
        return {name: getattr(now, name) for name in stated if getattr(now, name) != getattr(before, name)}

    def ensure(self) -> Session | None:
        """The movie's session, made where there is none; None, and a word, where that cannot be."""
        model = self.model
        if self.session is not None or model.movie is None or self.place is None:
            return self.session
        places = [self.place.folder]
        if places[0].parent != session_places.user_folder():
            places.append(session_places.user_folder() / places[0].name)
        errors = []
        for folder in places:
            try:
                self.session = Session.create(
                    model.movie, folder, model.settings, model.preparation, self._known_digest()
                )
            except AtomcountError as error:
                errors.append(str(error))
                continue
            self._holder.append(self.session)
            words = f"{errors[0]} It is kept in {folder}." if errors else self.place.words
            self.place = Place(folder, True, words)
            if words:
                self.noted.emit(words)
            session_places.remember(self.session.record.source.sha256, folder)
            self.changed.emit()
            return self.session
        self.failed.emit(" ".join(errors))
        return None

    def hash_in_job(self) -> Callable[[], None]:
        """What a job does first, in its thread, so that making the session need not read the movie."""
        movie, key = self.model.movie, self.model.movie_key

        def read() -> None:
            if movie is not None and self._digest is None:
                self._digest = key, movie.content_hash()

        return read

    def _known_digest(self) -> str | None:
        known = self._digest
        return known[1] if known is not None and known[0] == self.model.movie_key else None

    def attempt(self, action: Callable[[], T]) -> T | None:
        """What an action on the session gives; None, and a word for the user, where it fails."""
        try:
            result = action()
        except AtomcountError as error:
            self.failed.emit(str(error))
            return None
        self.changed.emit()
        return result

    def close(self) -> None:
        """Let another window write."""
        self._reader.stop()
        self.finder.stop()
        for session in self._holder:
            session.close()
        self._holder.clear()
        self.session = None
        self._digest = None
