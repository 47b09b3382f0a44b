"""The state of the desk: the movie, the model, the runs, what is selected. Never a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pandas as pd
from qtpy.QtCore import QObject, Signal

from napari_atomcount.gui.run import Run, basis_of
from napari_atomcount.networks.card import ModelCard, list_models
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings

if TYPE_CHECKING:
    from napari_atomcount.pipeline import Followed


def load_detector(card: ModelCard, settings: AnalysisSettings) -> Any:
    """The network of a card, ready to run, its weights checked. Imports torch: call it in the job."""
    from napari_atomcount.networks.card import check_weights
    from napari_atomcount.networks.detector import Detector

    check_weights(card)
    return Detector(card, device=settings.detect.device)


class SessionModel(QObject):
    """One movie with its results.

    Each model has its own run on the movie: choosing another model shows that model's run, and nothing that a
    model found is lost or mixed with what another found.

    Signals
    -------
    movie_changed(), calibration_changed(), card_changed(), domain_changed()
        What they say.
    run_changed()
        Another run is shown, or the shown one began anew.
    frame_finished(int)
        The shown run has new columns for this frame.
    analysis_changed()
        The shown run's sites, occupancy and events are new, or gone.
    edited(object)
        A person's edits of the shown run are others now, in these frames (tuple of int; None: in any).
    site_selected()
        ``site`` changed.
    prepared()
        ``preparation`` changed, or the part of the image that counts.
    """

    movie_changed = Signal()
    calibration_changed = Signal()
    card_changed = Signal()
    domain_changed = Signal()
    run_changed = Signal()
    frame_finished = Signal(int)
    analysis_changed = Signal()
    edited = Signal(object)
    site_selected = Signal()
    prepared = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.load_detector: Callable[[ModelCard, AnalysisSettings], Any] = load_detector
        self.movie: Movie | None = None
        self.movie_key = 0
        self.domain: list[str] | None = None
        self.card: ModelCard | None = None
        self.settings = AnalysisSettings()
        self.preparation = Preparation()
        self.runs: dict[str, Run] = {}
        self.site: int = -1

    # -- movie -------------------------------------------------------------
    def set_movie(self, movie: Movie | None) -> None:
        """Take up a movie (None: none); the runs of the one before are let go."""
        self.movie = movie
        self.movie_key += 1
        for run in self.runs.values():
            run.store.close()
        self.runs = {}
        self.site = -1
        self.preparation = Preparation()
        self.settings = self.settings.model_copy(update={"roi": None, "mask": None})
        self._set_detect(beam_level=None)
        self.movie_changed.emit()
        self.run_changed.emit()
        self.analysis_changed.emit()
        self.site_selected.emit()

    def calibrate(self, **values: Any) -> None:
        """Set values of the calibration that the user gave; None forgets one.

        Raises
        ------
        InputError
            When a value is impossible.
        """
        if self.movie is not None:
            self.set_calibration(self.movie.calibration.updated("user", **values))

    def set_calibration(self, calibration: Calibration) -> None:
        """Replace the calibration; what was computed with the old one is kept, and marked as out of date."""
        assert self.movie is not None
        self.movie = self.movie.with_calibration(calibration)
        for run in self.runs.values():
            run.analysis_is_stale, run.followed = run.analysis is not None, None
        self.calibration_changed.emit()

    # -- model and runs ----------------------------------------------------
    def set_card(self, card: ModelCard | None) -> None:
        """Choose the network, and show its run if it has one."""
        self.card = card
        series = card is not None and card.images > 1
        if series != self.settings.detect.focal_series:
            self._set_detect(focal_series=series, defocus_nm=())
        self.card_changed.emit()
        self.run_changed.emit()
        self.analysis_changed.emit()
        self.select_site(-1)

    def set_defocus(self, defocus_nm: tuple[float, ...]) -> None:
        """The defoci of a focal series, in the order of its images; empty: they rise."""
        self._set_detect(defocus_nm=defocus_nm)
        self.run_changed.emit()

    def set_symmetries(self, number: int | None) -> None:
        """How many symmetries of an image are averaged over; None: as the model's card says."""
        self._set_detect(symmetries=number)
        self.run_changed.emit()

    def set_beam_level(self, counts: float | None) -> None:
        """What the beam brings to a pixel without a specimen; None: from the vacuum in view."""
        self._set_detect(beam_level=counts)
        self.run_changed.emit()

    def _set_detect(self, **values: Any) -> None:
        detect = self.settings.detect.model_copy(update=values)
        self.settings = self.settings.model_copy(update={"detect": detect})

    def list_cards(self) -> list[ModelCard]:
        """The models that can find columns: bundled ones first, then the user's."""
        return [card for card in list_models() if card.task == "columns"]

    def set_domain(self, warnings: list[str] | None) -> None:
        """How the movie differs from what the model was trained for: sentences; None: not known yet."""
        self.domain = warnings
        self.domain_changed.emit()

    @property
    def run(self) -> Run | None:
        """The run that is shown: the chosen model's, if there is one."""
        return None if self.card is None else self.runs.get(self.card.key)

    def begin_run(self, fresh: bool) -> Run:
        """The run that a job fills: the chosen model's, or a new one (``fresh``, or other settings)."""
        assert self.movie is not None
        assert self.card is not None
        run = self.run
        if run is None or fresh or not self.can_continue(run):
            pixel_size = self.movie.calibration.require_pixel_size()
            from napari_atomcount.pipeline import LogitStore

            if run is not None and not run.number:  # a run that the session keeps can be undone to
                run.store.close()
            store = LogitStore(self.movie, self.card)
            basis = basis_of(self.settings, self.preparation)
            run = Run(self.movie_key, self.card, basis, pixel_size, self.movie.n_frames, store)
            self.runs[self.card.key] = run
            self.run_changed.emit()
            self.analysis_changed.emit()
            self.select_site(-1)
        return run

    def can_continue(self, run: Run) -> bool:
        """Whether new frames may join a run: the same settings and pixel size."""
        pixel_size = None if self.movie is None else self.movie.calibration.pixel_size_nm
        basis = basis_of(self.settings, self.preparation)
        return run.basis == basis and run.pixel_size_nm == pixel_size and run.can_follow

    def is_current(self, run: Run) -> bool:
        """Whether a run still belongs to the desk; a job that fills another one has been overtaken."""
        return any(known is run for known in self.runs.values())

    def add_frame(
        self, run: Run, frame: int, columns: pd.DataFrame, observed: bool, warnings: tuple[str, ...]
    ) -> None:
        """A job's columns of one frame; dropped when the run has been replaced meanwhile."""
        if self.is_current(run):
            run.add_frame(frame, columns, observed, warnings)
            if run is self.run:
                self.frame_finished.emit(frame)

    def show_run(self, run: Run) -> None:
        """Show a run that the session keeps in place of its model's one, and choose its model."""
        self.runs[run.card.key] = run
        self.site = -1
        if self.card is not run.card:
            self.set_card(run.card)
        else:
            self.run_changed.emit()
            self.analysis_changed.emit()
            self.site_selected.emit()

    def note_edits(self, frames: tuple[int, ...] | None) -> None:
        """The edits of the shown run are others now; what was followed is out of date."""
        if self.run is not None:
            self.run.analysis_is_stale = self.run.analysis is not None
            self.edited.emit(frames)

    def prepare(self, preparation: Preparation, settings: AnalysisSettings) -> None:
        """Change how the movie is made ready, and the part of it that counts."""
        changed = (preparation, settings.roi, settings.mask) != (
            self.preparation,
            self.settings.roi,
            self.settings.mask,
        )
        lifted = preparation.dark_level != self.preparation.dark_level
        self.preparation, self.settings = preparation, settings
        if changed:
            for run in self.runs.values():
                run.followed = None
            self.prepared.emit()
        if lifted and self.movie is not None:
            anew = self.movie.calibration.without_estimates()
            if anew != self.movie.calibration:
                self.set_calibration(anew)

    @property
    def ready_movie(self) -> Movie:
        """The movie as the network sees it: prepared, a frame at a time."""
        from napari_atomcount.pipeline.preparing import prepared

        assert self.movie is not None
        return prepared(self.movie, self.preparation)

    def set_followed(self, run: Run, followed: Followed) -> None:
        """A job's analysis, with what is needed to follow single sites of it again."""
        run.followed = followed
        self.set_analysis(run, followed.analysis)

    def set_analysis(self, run: Run, analysis: Analysis) -> None:
        """A job's sites, occupancy and events; dropped when the run has been replaced meanwhile."""
        if self.is_current(run):
            run.analysis = analysis
            run.analysis_is_stale = False
            if run is self.run:
                self.analysis_changed.emit()
                self.select_site(self.site)

    @property
    def analysis(self) -> Analysis | None:
        """The shown run's analysis, if it has one."""
        return None if self.run is None else self.run.analysis

    def select_site(self, site: int) -> None:
        """Choose the site whose trace is shown; -1 chooses none."""
        known = self.analysis is not None and bool((self.analysis.site_id == site).any())
        self.site = site if known else -1
        self.site_selected.emit()
