"""A folder of movies analysed in one go with the chosen network: a session for each, one table of totals."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QCheckBox, QLabel, QPushButton, QVBoxLayout, QWidget

from napari_atomcount.gui import dialogs, session_places
from napari_atomcount.gui.forms import hint
from napari_atomcount.gui.jobs import JobRunner, Progress, Result
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.session_opening import settings_of
from napari_atomcount.io.session import Session
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import QUANTITIES, Calibration
from napari_atomcount.records.errors import AtomcountError, InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings


@dataclass(frozen=True)
class Stated:
    """What a person stated of the shown movie: it may hold for others of the same camera and magnification.

    Parameters
    ----------
    scales : dict
        Values of the `Calibration`, by name.
    dark_level : float
        Counts where no electron arrives; 0: none was stated.
    """

    scales: dict[str, Any] = field(default_factory=dict)
    dark_level: float = 0.0

    @classmethod
    def of(cls, model: SessionModel) -> Stated:
        """Of the movie that is shown."""
        if model.movie is None:
            return cls()
        own = model.movie.calibration
        given = {name: getattr(own, name) for name in QUANTITIES if own.sources.get(name) == "user"}
        return cls(given, model.preparation.dark_level)

    @property
    def words(self) -> str:
        """The values with their units; empty where nothing was stated."""
        said = []
        for name, value in self.scales.items():
            numbers = dict.fromkeys(value if isinstance(value, tuple) else (value,))
            extra = Calibration.model_fields[name].json_schema_extra
            unit = extra["unit"] if isinstance(extra, dict) else ""
            said.append(" × ".join(f"{number:.4g}" for number in numbers) + f" {unit}")
        return ", ".join(said + ([f"dark level {self.dark_level:.4g} counts"] if self.dark_level else []))

    def prepare(self, own: Preparation) -> Preparation:
        """A movie's preparation with the dark level, where it has none of its own."""
        return own if own.dark_level else own.model_copy(update={"dark_level": self.dark_level})

    def calibrate(self, own: Calibration, lifted: bool) -> Calibration:
        """A movie's scales, these where no person stated them; ``lifted``: it has another dark level."""
        own = own.without_estimates() if lifted else own
        given = {name: value for name, value in self.scales.items() if own.sources.get(name) != "user"}
        return own.updated("user", **given)


class Batch(QObject):
    """The button, and the job behind it; it runs in the desk's own runner, one job at a time.

    Signals
    -------
    failed(str), noted(str)
        Sentences for the user.
    """

    failed = Signal(str)
    noted = Signal(str)

    def __init__(self, model: SessionModel, runner: JobRunner, parent: QWidget) -> None:
        super().__init__(parent)
        self.model, self.runner, self.window = model, runner, parent
        self.panel = QWidget()
        self.panel.setObjectName("atomcount_batch")
        column = QVBoxLayout(self.panel)
        column.setContentsMargins(0, 0, 0, 0)
        self.button = QPushButton("Run a folder of movies…")
        self.button.setObjectName("atomcount_run_folder")
        self.button.setToolTip(
            "Every movie of a folder with this network; each gets its folder of results and its session, "
            "which opens with the movie, and all of them one table of totals."
        )
        self.button.clicked.connect(self._ask)
        self.words = QLabel()
        self.words.setObjectName("atomcount_batch_words")
        self.words.setWordWrap(True)
        self.words.setVisible(False)
        self.with_stated = QCheckBox("with what you stated for this movie:")
        self.with_stated.setObjectName("atomcount_batch_with_stated")
        self.with_stated.setToolTip(
            "These values hold for the movies of the folder, too, and are kept in their sessions; "
            "what was stated in a movie's own session stays."
        )
        self.stated_words = hint("", "batch_stated")
        for widget in (self.button, self.with_stated, self.stated_words, self.words):
            column.addWidget(widget)
        model.calibration_changed.connect(self.update_state)
        self.update_state()

    def update_state(self) -> None:
        """Enable what can be done now."""
        self.button.setEnabled(self.model.card is not None and not self.runner.busy)
        words = Stated.of(self.model).words
        self.stated_words.setText(words)
        for widget in (self.with_stated, self.stated_words):
            widget.setVisible(bool(words))

    def _ask(self) -> None:
        folder = dialogs.ask_movie_folder(self.window)
        if folder is None or self.runner.busy:
            return
        out = dialogs.ask_save_folder(self.window, folder.with_name(f"{folder.name}_atomcount"))
        if out is not None:
            self.run(folder, out)

    def run(self, folder: Path, out: Path) -> None:
        """Analyse the movies of a folder into another."""
        card, settings, load = self.model.card, self.model.settings, self.model.load_detector
        if card is None:
            return
        detect = settings.detect.model_copy(update={"beam_level": None})
        own = settings.model_copy(update={"roi": None, "mask": None, "detect": detect})  # not this movie's
        stated = Stated.of(self.model) if self.with_stated.isChecked() else Stated()

        def on_step(step: Result) -> None:
            rows = step.value
            wrong = [row for row in rows if row["error"]]
            text = f"{len(rows) - len(wrong)} of {len(rows)} movies analysed: {out / 'totals.csv'}"
            lines = [f"▲ {Path(r['movie']).name}: {r['error']}" for r in wrong]
            lines += [f"▲ {Path(r['movie']).name}: {r['not_kept']}" for r in rows if r.get("not_kept")]
            self.words.setText("\n".join([text, *lines]))
            self.words.setVisible(True)
            self.noted.emit(text)

        self.runner.start(lambda stop: batch(folder, out, card, own, stated, load, stop), on_step)


def batch(
    folder: Path,
    out: Path,
    card: ModelCard,
    settings: AnalysisSettings,
    stated: Stated,
    load: Callable[[ModelCard, AnalysisSettings], Any],
    stop: Event,
) -> Iterator[Progress | Result]:
    """Analyse every movie of a folder; what fails gets its row of the table too, and the others go on."""
    from napari_atomcount.io.figures import write_figures
    from napari_atomcount.io.readers import open_movie
    from napari_atomcount.io.readers_many import movies_in
    from napari_atomcount.io.tables import write_analysis
    from napari_atomcount.io.totals import folder_names, totals_row, write_totals

    yield Progress("looking for movies")
    movies = movies_in(folder)
    if movies is None:
        raise InputError(f"The folder {folder.name} holds one movie, not several: open it instead.")
    rows: list[dict[str, Any]] = []
    detector = load(card, settings)
    for number, (path, name) in enumerate(zip(movies, folder_names(movies), strict=True)):
        yield Progress(f"movie {number + 1} of {len(movies)}: {path.name}", number, len(movies))
        if stop.is_set():
            break
        try:
            movie = open_movie(path, grey=True)
            found, where, why_not = analysed_in_session(movie, detector, settings, stated, stop)
            write_analysis(found, out / name)
            write_figures(found, movie, out / name)
            rows.append({**totals_row(path, found), "session": where, "not_kept": why_not})
        except AtomcountError as error:
            rows.append({"movie": str(path), "error": str(error)})
        write_totals(rows, out / "totals.csv")  # after each: what is done is there, whatever comes
    yield Result(rows)


def analysed_in_session(
    movie: Movie, detector: Any, settings: AnalysisSettings, stated: Stated, stop: Event
) -> tuple[Analysis, str, str]:
    """Analyse a movie in its session, made where there is none: scales, preparation and edits in it hold.

    What is ``stated`` for many movies holds where its session says nothing, and is kept there.

    Returns
    -------
    Analysis
        What was found.
    str, str
        The session's folder, and why the run is not kept; one of them is empty.
    """
    from napari_atomcount import pipeline
    from napari_atomcount.pipeline.preparing import prepared

    session, why_not = session_for(movie, settings)
    store = None
    try:
        before = Preparation() if session is None else session.preparation
        own = movie.calibration if session is None else session.calibration
        how = stated.prepare(before)
        scales = stated.calibrate(own, how != before)
        ready = prepared(movie.with_calibration(scales), how)
        if session is None:
            found = pipeline.analyze(ready, detector, settings, cancelled=stop.is_set, command="napari")
            return found, "", why_not
        if how != before:
            session.set_preparation(how)
        if scales != own:
            session.set_calibration(scales)
        kept = settings_of(session, settings)
        detect = settings.detect.model_copy(update={"beam_level": kept.detect.beam_level})
        settings = settings.model_copy(update={"roi": kept.roi, "mask": kept.mask, "detect": detect})
        store = pipeline.LogitStore(ready, detector.card)
        found = pipeline.analyze(
            ready, detector, settings, None, stop.is_set, store, command="napari", session=session
        )
        session.save_analysis(found)
        with contextlib.suppress(OSError):  # a cache: without it a new run is needed to follow new edits
            store.save(session.maps_folder())
        return found, str(session.folder), ""
    finally:
        if store is not None:
            store.close()
        if session is not None:
            session.close()


def session_for(movie: Movie, settings: AnalysisSettings) -> tuple[Session | None, str]:
    """A movie's session, made where there is none; None, and why, where nothing can be kept in it."""
    digest = movie.content_hash()
    place = session_places.find(movie, digest)
    try:
        if place.exists:
            session = Session.open(place.folder)
        else:
            session = Session.create(movie, place.folder, settings, Preparation(), digest)
    except AtomcountError as error:
        return None, f"analysed, but not kept: {error}"
    if session.read_only:
        session.close()
        return None, f"analysed, but not kept: {place.folder.name} is for reading only, {session.read_only}"
    session_places.remember(digest, session.folder)
    return session, ""
