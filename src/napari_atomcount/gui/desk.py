"""The dock: puts the sections under each other and wires them to the session, the jobs and the viewer."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import napari
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtWidgets import QMainWindow, QScrollArea, QVBoxLayout, QWidget

from napari_atomcount.gui import dialogs
from napari_atomcount.gui.actions import Actions
from napari_atomcount.gui.batch_desk import Batch
from napari_atomcount.gui.card_words import expectation
from napari_atomcount.gui.export_section import ExportSection
from napari_atomcount.gui.fitted_view import FittedView
from napari_atomcount.gui.jobs import Choice, JobRunner, stop_all
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.movie_section import MovieSection
from napari_atomcount.gui.network_section import NetworkSection
from napari_atomcount.gui.prepare_desk import Preparing
from napari_atomcount.gui.review_desk import Reviewing
from napari_atomcount.gui.session_desk import SessionDesk
from napari_atomcount.gui.session_follow import Refollower
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.session_view import SessionView
from napari_atomcount.gui.strain_desk import StrainDesk
from napari_atomcount.gui.time_control import TimeControl
from napari_atomcount.gui.time_section import TimeSection
from napari_atomcount.gui.trace_plot import TracePanel
from napari_atomcount.gui.view_control import ViewControl
from napari_atomcount.gui.viewer_link import ViewerLink, claim_layer, disconnect_all, movie_of
from napari_atomcount.networks.card import DEFAULT_MODEL
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.resources import NETWORKS, sample_network

TRACE_DOCK = "Atom Count: trace"


class AtomCountDock(QWidget):
    """The desk of one viewer.

    Parameters
    ----------
    napari_viewer
        napari hands it in by this name.
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        super().__init__()
        self.setObjectName("atomcount_dock")
        self.viewer = napari_viewer
        # Children of the dock: when Qt deletes it with the window, no step of a job can reach them any more.
        self.model = SessionModel(parent=self)
        self.runner = JobRunner(self)
        self.commands = Actions(self.model, self.runner, self)
        self.keeper = SessionKeeper(self.model, self)
        self.refollower = Refollower(self.model, self.keeper, self)
        self.layers = ResultLayers(napari_viewer, self.model)
        self.trace = TracePanel()
        self.view = ViewControl(napari_viewer, self.model, self.layers, self.trace, self)
        self.batch = Batch(self.model, self.runner, self)
        self.preparing = Preparing(napari_viewer, self.model, self.layers, self.keeper, self)
        self.session_desk = SessionDesk(self.keeper, self.layers, self)
        self.fitted = FittedView(napari_viewer, self)
        self.session_view = SessionView(self.fitted, self.keeper, self.layers, self.view, self)
        self.reviewing = Reviewing(napari_viewer, self.model, self.layers, self.keeper, self)
        self.strain = StrainDesk(napari_viewer, self.model, self.runner, self.layers, self)
        self.link = ViewerLink(napari_viewer, self)
        self.destroyed.connect(partial(disconnect_all, self.link.connections))
        self.destroyed.connect(partial(stop_all, self.runner.stop_events))
        self.movie, self.network = MovieSection(), NetworkSection()
        self.time, self.export = TimeSection(), ExportSection()
        self.time_plots = TimeControl(napari_viewer, self.model, self.time.plots, self)
        self.time_plots.failed.connect(show_error)
        self.time_plots.noted.connect(show_info)
        self._closed = self._was_docked = False
        self._lay_out()
        self._wire_sections()
        self._wire_session()
        self._wire_state()
        self.take_up_cards()
        self._take_up_movie()

    def _lay_out(self) -> None:
        inner = QWidget()
        inner.setObjectName("atomcount_sections")
        column = QVBoxLayout(inner)
        column.setContentsMargins(6, 4, 6, 4)
        for section in (
            self.movie,
            self.network,
            self.reviewing.section,
            self.time,
            self.strain.section,
            self.export,
        ):
            column.addWidget(section)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setObjectName("atomcount_scroll")
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)
        self.setMinimumWidth(390)
        self.viewer.window.add_dock_widget(self.trace, name=TRACE_DOCK, area="bottom")

    # -- wiring ------------------------------------------------------------
    def _wire_sections(self) -> None:
        commands = self.commands
        self.movie.open_file_requested.connect(lambda: self._open(dialogs.ask_movie_file(self)))
        self.movie.open_folder_requested.connect(lambda: self._open(dialogs.ask_movie_folder(self)))
        self.movie.sample_requested.connect(self._open_sample)
        self.movie.movie_chosen.connect(self._choose_movie)
        # The session is made with what held before, so that what is typed can be undone.
        self.movie.calibration_edited.connect(lambda *_: self.keeper.ensure())
        self.movie.calibration_edited.connect(commands.calibrate)
        self.movie.refused.connect(show_error)
        self.network.card_chosen.connect(self.model.set_card)
        self.network.series.defocus_edited.connect(self.model.set_defocus)
        self.network.symmetries_chosen.connect(self.model.set_symmetries)
        self.network.level.edited.connect(self.model.set_beam_level)
        self.network.run_all_requested.connect(commands.run_all)
        self.network.run_frame_requested.connect(lambda: commands.run_frame(self.layers.frame))
        self.network.stop_requested.connect(self._stop)
        self.time.overlay_chosen.connect(self.view.set_overlay)
        self.time_plots.overlay_wanted.connect(self.view.set_overlay)
        self.time_plots.overlay_wanted.connect(self.time.set_overlay)
        self.time.false_events_changed.connect(commands.set_false_events)
        self.time.turning_changed.connect(commands.set_turning)
        self.time.follow_requested.connect(commands.follow)
        self.time.event_chosen.connect(self.view.show_event)
        self.export.save_requested.connect(self._save)

    def _wire_state(self) -> None:
        model, runner = self.model, self.runner
        model.movie_changed.connect(self._on_movie)
        model.calibration_changed.connect(self._on_calibration)
        model.card_changed.connect(self._on_card)
        model.domain_changed.connect(self._show_domain)
        for signal in (model.run_changed, model.analysis_changed):
            signal.connect(self._update)
        model.frame_finished.connect(lambda _frame: self._update())
        runner.busy_changed.connect(lambda _busy: self._update())
        runner.busy_changed.connect(lambda _busy: self.view.flush())
        runner.progressed.connect(self.network.show_progress)
        runner.failed.connect(show_error)
        self.commands.failed.connect(show_error)
        self.commands.noted.connect(show_info)
        self.commands.opened.connect(model.set_movie)
        self.commands.to_be_chosen.connect(self._ask_which)
        self.link.movies_changed.connect(self._list_movies)
        self.link.movie_added.connect(self._on_movie_added)
        self.link.slider_moved.connect(self.view.on_slider)
        self.link.slider_moved.connect(self.strain.on_slider)
        self.link.clicked.connect(self.view.on_click)

    def _wire_session(self) -> None:
        session = self.session_desk
        for panel in (self.preparing.panel, session.panel):
            self.movie.body.addWidget(panel)
        self.network.body.addWidget(self.batch.panel)
        for part in (self.preparing, self.batch):
            part.failed.connect(show_error)
        self.batch.noted.connect(show_info)
        self.model.prepared.connect(self.view.show_corner)
        self.model.prepared.connect(self._update)
        self.model.prepared.connect(self.commands.look)
        session.movie_wanted.connect(self._open)
        session.failed.connect(show_error)
        session.noted.connect(show_info)
        keeper, commands, model = self.keeper, self.commands, self.model
        commands.detected.connect(keeper.keep_run)
        commands.at_start = keeper.hash_in_job
        commands.replay = keeper.replay
        self.movie.calibration_edited.connect(lambda *_: keeper.note_calibration())
        self.time.false_events_changed.connect(lambda _: keeper.note_settings())
        self.time.turning_changed.connect(lambda *_: keeper.note_settings())
        network = self.network
        for signal in (network.symmetries_chosen, network.series.defocus_edited, network.level.edited):
            signal.connect(lambda _: keeper.note_settings())
        keeper.changed.connect(self._show_settings)
        keeper.failed.connect(show_error)
        keeper.noted.connect(show_info)
        keeper.changed.connect(self._update)
        self.refollower.failed.connect(show_error)
        model.edited.connect(lambda _frames: self.view.refresh_columns())
        model.edited.connect(lambda _frames: self._update())
        self.link.slider_moved.connect(self.reviewing.on_slider)
        self.link.slider_moved.connect(self.session_view.on_slider)
        self.link.slider_moved.connect(session.comparison.refresh)

    def take_up_cards(self) -> None:
        """List the models that are there and choose the usual one, or else the first."""
        cards = self.model.list_cards()
        self.network.show_cards(cards)
        usual = (card for card in cards if card.name == DEFAULT_MODEL)
        self.model.set_card(next(usual, cards[0] if cards else None))

    def _take_up_movie(self) -> None:
        layers = self.link.movie_layers()
        self.model.set_movie(claim_layer(layers[-1]) if layers else None)

    # -- movies ------------------------------------------------------------
    def _open(self, path: Path | None, dataset: str | None = None, channel: str | None = None) -> None:
        if path is not None and not self.runner.busy:
            self.commands.open_movie(path, dataset, channel)

    def _open_sample(self) -> None:
        from napari_atomcount.resources import sample_movie

        self._open(sample_movie())

    def _ask_which(self, choice: Choice) -> None:
        def ask() -> None:
            name = dialogs.ask_which(self, choice.path.name, choice.of, choice.names)
            if name is not None and choice.of == "channels":
                self._open(choice.path, choice.dataset, name)
            elif name is not None:
                self._open(choice.path, name)

        QTimer.singleShot(0, ask)  # the job whose step this is has to end first

    def _on_movie_added(self, layer) -> None:
        if self.model.movie is None:
            self.model.set_movie(movie_of(layer))

    def _choose_movie(self, name: str) -> None:
        layer = next((layer for layer in self.link.movie_layers() if layer.name == name), None)
        if layer is not None and layer != self.layers.movie_layer():  # napari hands out proxies
            self.model.set_movie(claim_layer(layer))

    def _list_movies(self) -> None:
        shown = self.layers.movie_layer()
        self.movie.show_choices(
            [layer.name for layer in self.link.movie_layers()], shown.name if shown else None
        )

    # -- what has changed --------------------------------------------------
    def _on_movie(self) -> None:
        self.runner.stop()
        self._choose_network_of_sample()
        self.layers.drop_results()
        self.layers.show_movie()
        self.layers.look_at_movie()
        if self.model.movie is not None:
            self.fitted.fit()
        self.view.on_slider()
        self._show_settings()
        self._list_movies()
        self._show_calibration()

    def _choose_network_of_sample(self) -> None:
        """A bundled movie comes with its network; a network of the user's own stays chosen."""
        chosen, movie = self.model.card, self.model.movie
        name = sample_network(None if movie is None else movie.path)
        if name is None or (chosen is not None and chosen.name not in NETWORKS.values()):
            return
        fitting = next((card for card in self.model.list_cards() if card.name == name), None)
        if fitting is not None and (chosen is None or chosen.key != fitting.key):
            self.model.set_card(fitting)

    def _on_calibration(self) -> None:
        self.layers.apply_geometry()
        self.view.show_corner()
        self._show_calibration()

    def _on_card(self) -> None:
        self.network.show_card(self.model.card)
        self._show_settings()
        self._show_calibration()

    def _show_settings(self) -> None:
        self.network.show_settings(self.model.settings.detect)

    def _show_calibration(self) -> None:
        self.movie.show_movie(self.model.movie)
        self.commands.look()
        self._update()

    def _show_domain(self) -> None:
        model = self.model
        calibration = Calibration() if model.movie is None else model.movie.calibration
        expected = ""
        if model.card is not None:
            expected = expectation(model.card, calibration.dose_e_per_A2, calibration.pixel_size_nm)
        self.network.show_domain(model.domain, expected, checking=calibration.pixel_size_nm is not None)

    def _update(self) -> None:
        """Bring the sections in line with the session: what can be done, what there is."""
        model, busy = self.model, self.runner.busy
        run, movie = model.run, model.movie
        ready = movie is not None and model.card is not None and movie.calibration.pixel_size_nm is not None
        ready = ready and self.keeper.settled
        self.refollower.blocked = busy
        self.reviewing.set_busy(busy)
        self.preparing.set_busy(busy or not self.keeper.settled)
        self.batch.update_state()
        self.session_desk.panel.show_state(self.keeper, movie is not None, busy)
        self.movie.set_busy(busy)
        self.network.set_state(
            has_movie=movie is not None,
            can_run=ready,
            busy=busy,
            n_frames=0 if movie is None else movie.n_frames,
        )
        self.network.show_run(run, run is None or model.can_continue(run), busy)
        self.time.show_run(run, busy)
        self.time.show_settings(model.settings)
        self.time.set_overlay(self.layers.overlay)
        self.export.set_ready(
            run is not None and run.analysis is not None and not run.analysis_is_stale and not busy
        )

    def _stop(self) -> None:
        self.network.show_stopping()
        self.commands.stop()

    def _save(self) -> None:
        movie = self.model.movie
        if movie is not None:
            home = movie.path.parent if movie.path is not None else Path.home()
            folder = dialogs.ask_save_folder(self, home / f"{movie.name}_atomcount")
            if folder is not None:
                self.commands.save(folder)

    # -- in the window -----------------------------------------------------
    def showEvent(self, event) -> None:
        """The trace belongs under the canvas: the docks beside it keep the window's whole height."""
        super().showEvent(event)
        window = self.window()
        if isinstance(window, QMainWindow):
            self.reviewing.attach(window)
            if self.reviewing.canvas is not None:
                self.fitted.attach(self.reviewing.canvas)
            window.setCorner(Qt.Corner.BottomRightCorner, Qt.DockWidgetArea.RightDockWidgetArea)
            window.setCorner(Qt.Corner.BottomLeftCorner, Qt.DockWidgetArea.LeftDockWidgetArea)

    # -- the end -----------------------------------------------------------
    def event(self, event: QEvent) -> bool:
        """Notice that napari took the dock away: it hands the widget no close event."""
        if event.type() == QEvent.Type.ParentChange:
            if self.parent() is not None:
                self._was_docked = True
            elif self._was_docked:
                self.shut_down()
        return super().event(event)

    def shut_down(self) -> None:
        """Let go of the viewer and stop the job; what it would still deliver is dropped."""
        if self._closed:
            return
        self._closed = True
        self.reviewing.close()
        self.strain.close()
        self.session_view.close()
        self.fitted.close()
        self.preparing.close()
        self.link.close()
        self.runner.abandon()
        self.refollower.close()
        self.keeper.close()
        self.commands.looker.abandon()
        try:
            self.viewer.window.remove_dock_widget(self.trace)
        except (LookupError, RuntimeError):
            pass  # the window, or the user, has already removed it
