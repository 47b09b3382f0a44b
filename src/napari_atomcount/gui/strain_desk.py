"""Strain at the desk: wires its section, its panel, its layers and its mouse to the session and the jobs."""

from __future__ import annotations

from typing import Any

import numpy as np
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject

from napari_atomcount.gui import strain_jobs
from napari_atomcount.gui.actions import for_the_desk
from napari_atomcount.gui.jobs import JobRunner
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.strain_drawing import StrainMouse
from napari_atomcount.gui.strain_layers import StrainLayers
from napari_atomcount.gui.strain_panel import StrainPanel
from napari_atomcount.gui.strain_section import StrainSection
from napari_atomcount.gui.strain_state import Drawn, StrainFound, StrainView, drift_of
from napari_atomcount.gui.strain_tools import StrainTools
from napari_atomcount.gui.strain_view import StrainDisplay
from napari_atomcount.records.errors import AtomcountError, InputError
from napari_atomcount.records.motion import Motion

DOCK = "Atom Count: strain"


class StrainDesk(QObject):
    """Section 5 with its panel.

    Parameters
    ----------
    viewer
        napari's viewer.
    model, runner, results
        The session, the desk's jobs, its layers.
    """

    def __init__(
        self, viewer, model: SessionModel, runner: JobRunner, results: ResultLayers, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.runner, self.results = viewer, model, runner, results
        self.section, self.panel = StrainSection(), StrainPanel()
        self.view = StrainView()
        self.found: StrainFound | None = None
        self.layers = StrainLayers(viewer, results)
        self.mouse = StrainMouse(viewer, lambda: results.scale, self)
        self.display = StrainDisplay(self)
        self.tools = StrainTools(self)
        self._own = self._docked = False
        self._parts: list[Any] = []
        self._structures: list[Any] = []
        self._wire()
        self._suggest()

    def _wire(self) -> None:
        section, more, model, tools = self.section, self.section.more, self.model, self.tools
        section.measure_requested.connect(self.measure)
        section.stop_requested.connect(self.runner.stop)
        section.file_requested.connect(tools.ask_file)
        section.learn_requested.connect(tools.learn)
        section.show_.changed.connect(self.display.refresh)
        more.draw_requested.connect(self._begin_drawing)
        more.simulate_requested.connect(tools.simulate)
        more.compare_requested.connect(tools.compare)
        more.save_requested.connect(tools.ask_folder)
        self.mouse.moved.connect(lambda kind, ends: self.take_drawing(kind, ends, False))
        self.mouse.drawn.connect(lambda kind, ends: self.take_drawing(kind, ends, True))
        self.panel.part_chosen.connect(lambda _part: self.display.plots.show_time())
        self.panel.spectrum.spots_moved.connect(tools.take_spots)
        self.runner.busy_changed.connect(self._on_busy)
        self.runner.progressed.connect(self._on_progress)
        model.movie_changed.connect(self._forget)
        model.run_changed.connect(self._forget)
        model.card_changed.connect(self._suggest)
        model.calibration_changed.connect(self._on_calibration)
        model.analysis_changed.connect(self.update)
        model.frame_finished.connect(lambda _frame: self.update())
        model.site_selected.connect(self.display.plots.show_time)

    # -- state -------------------------------------------------------------
    def update(self) -> None:
        """What can be done now."""
        run, busy = self.model.run, self.runner.busy
        several = run is not None and run.n_frames > 1
        followed = run is not None and run.analysis is not None and not run.analysis_is_stale
        columns = run is not None and bool(run.frames)
        self.section.set_state(
            columns=columns, followed=followed if several else columns, busy=busy, own=self._own and busy
        )
        self.section.more.set_found(self.found is not None, busy)

    def _forget(self) -> None:
        self.found = self.tools.spots = None
        self.view.line = self.view.selection = self.view.reference = None
        self.layers.drop()
        self.panel.clear()
        self.section.show_said("", [])
        self.section.show_.offer(average=False, frames=False, line=False, facets=False, artefact=False)
        for label in (self.section.more.artefact_said, self.section.more.compare_said):
            label.setVisible(False)
        self.update()

    def _suggest(self) -> None:
        card = self.model.card
        if card is None:
            return
        axis = "".join(c for c in card.zone_axis if c.isdigit())
        element = self.model.settings.material or (card.materials[0] if len(card.materials) == 1 else "")
        name = {"CeO2": "ceo2-110", "graphene": "graphene", "C": "graphene", "MoS2": "mos2"}.get(element)
        if name is None and axis in ("100", "110", "111"):
            name = f"fcc{axis}" + (f":{element}" if element else "")
        if name is not None:
            self.section.suggest(name)

    def _on_busy(self, busy: bool) -> None:
        self._own = self._own and busy
        self.update()

    def _on_progress(self, stage: str, done: int, total: int, _left: float) -> None:
        if self._own:
            self.section.show_progress(stage, done, total)

    def _on_calibration(self) -> None:
        if self.model.movie is not None:
            self.layers.apply_geometry()
            if self.found is not None:
                said = ["out of date: the calibration has changed; measure again"]
                self.section.show_said("Strain was measured with another calibration.", said)

    def on_slider(self) -> None:
        """Another frame is shown."""
        if self.found is not None:
            self.display.on_slider()

    def start(self, steps, on_step, on_end=lambda _complete: None) -> None:
        """Begin a job of ours, as the runner does."""
        if self.runner.busy:
            show_error("Another job is running: wait for it, or stop it.")
            return
        self._own = True
        self.runner.start(steps, on_step, on_end)

    # -- measuring ---------------------------------------------------------
    def measure(self, everything: bool) -> None:
        """Measure all frames and their average, or the shown frame."""
        run, movie = self.model.run, self.model.movie
        if run is None or movie is None:
            return
        frame = self.results.frame
        columns = run.columns if everything else run.columns[run.columns["frame"] == frame]
        try:
            reference = self._reference()
            settings = self.section.settings(reference)
            if not len(columns):
                raise InputError("The shown frame has no columns: run it first.")
        except (AtomcountError, ValueError) as error:
            show_error(for_the_desk(str(error)))
            return
        analysis = self.model.analysis if not run.analysis_is_stale else None
        drift, templates, ready = drift_of(analysis), self.section.chosen, self.model.ready_movie
        material = self.model.settings.material
        frames = None if everything else [frame]
        self._parts, self._structures = [], []

        def on_step(step: Any) -> None:
            if isinstance(step, strain_jobs.Part):
                self._parts.append(step.strain)
            else:
                self._structures = step.structures

        def on_end(complete: bool) -> None:
            if self.model.run is run and self._parts:
                self._take_up(columns, drift, reference, complete, single=not everything)

        self.start(
            lambda stop: strain_jobs.measuring(
                ready, columns, drift, templates, material, settings, frames, stop
            ),
            on_step,
            on_end,
        )

    def _take_up(self, columns, drift, reference: str, complete: bool, single: bool) -> None:
        from napari_atomcount.pipeline.straining import together

        parts = [p for p in self._parts if p.frame >= 0] if single else self._parts
        measured = together(parts)
        warnings = [w.removeprefix("strain: ") for w in measured.warnings]
        warnings = [w.replace("give --pixel-size-nm", "type it in section 1") for w in warnings]
        if not complete:
            warnings.insert(0, "stopped: only the finished frames were measured, there is no time average")
        if not len(measured.table):
            self.section.show_said("No strain.", warnings)
            return
        self.found = StrainFound(measured.table, warnings, drift, columns, self._structures, reference)
        show = self.section.show_
        show.when.setCurrentIndex(show.when.findData("average" if self.found.averaged else "frame"))
        self.attach_panel()
        self.display.offer()
        self.display.refresh()
        self.update()

    def _reference(self) -> str:
        kind = self.section.reference.currentData()
        if kind == "region":
            if self.view.reference is None:
                raise InputError("Draw the reference first: press “reference” and drag over the movie.")
            return self.view.reference.words
        return str(kind)

    # -- drawing -----------------------------------------------------------
    def motion(self) -> Motion:
        """How the specimen lies in the shown frame."""
        return Motion.of(drift_of(self.model.analysis)).at(self.results.frame)

    def home(self, place: np.ndarray) -> np.ndarray:
        """Where places (N, 2) px of the shown frame are in frame 0."""
        return self.motion().back(np.asarray(place, float), np.zeros(len(place), int))

    def there(self, drawn: Drawn) -> Drawn:
        """What was drawn in frame 0's coordinates, in those of the shown frame."""
        ends = self.motion().forward(np.array([drawn.start, drawn.end], float), np.zeros(2, int))
        return Drawn(*((float(y), float(x)) for y, x in ends))

    def _begin_drawing(self, kind: str) -> None:
        self.mouse.begin(kind)

    def take_drawing(self, kind: str, ends, done: bool) -> None:
        """What the mouse draws: its kind, two places (y, x) px of the shown frame, whether it is done."""
        if done:
            self.section.more.end_drawing()
        if ends is not None:
            drawn = Drawn(*((float(y), float(x)) for y, x in self.home(np.array(ends))))
            setattr(self.view, kind, drawn)
        self.layers.show_drawn({k: getattr(self.view, k) for k in ("reference", "selection", "line")})
        self.display.on_slider()
        if done and ends is not None:
            self.display.after_drawing(kind)

    # -- the window --------------------------------------------------------
    def attach_panel(self) -> None:
        """Put the panel under the canvas, beside the trace, the first time it has something to show."""
        if not self._docked:
            self._docked = True
            self.viewer.window.add_dock_widget(self.panel, name=DOCK, area="bottom", tabify=True)

    def close(self) -> None:
        """Let the viewer go."""
        self.mouse.close()
        if self._docked:
            try:
                self.viewer.window.remove_dock_widget(self.panel)
            except (LookupError, RuntimeError):
                pass  # the window, or the user, has already removed it
