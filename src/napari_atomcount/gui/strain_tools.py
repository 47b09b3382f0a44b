"""What the strain section does beside measuring: learn, simulate the artefact, compare, write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import QObject

from napari_atomcount.gui import dialogs, strain_jobs
from napari_atomcount.gui.jobs import Result
from napari_atomcount.gui.strain_state import AVERAGE, drift_of
from napari_atomcount.records.errors import AtomcountError

if TYPE_CHECKING:
    from napari_atomcount.gui.strain_desk import StrainDesk


class StrainTools(QObject):
    """The tools of one strain section.

    Parameters
    ----------
    desk : StrainDesk
        Whose tools they are.
    """

    def __init__(self, desk: StrainDesk) -> None:
        super().__init__(desk)
        self.desk = desk
        self.spots: np.ndarray | None = None

    # -- templates ---------------------------------------------------------
    def learn(self) -> None:
        """Learn a template from the columns in the selected region of the shown frame."""
        run, movie, selection = self.desk.model.run, self.desk.model.movie, self.desk.view.selection
        if run is None or movie is None or selection is None:
            show_error("Draw the region to learn from first: press “region” and drag over the movie.")
            return
        from napari_atomcount.measure.learned import learn_structure

        columns = run.frame_columns(self.desk.results.frame)
        home = self.desk.home(columns[["y", "x"]].to_numpy(float))
        inside = selection.holds(columns.assign(y=home[:, 0], x=home[:, 1]))
        try:
            structure = learn_structure(columns, inside, movie.calibration)
        except AtomcountError as error:
            show_error(str(error))
            return
        self.desk.section.add_learned(structure)
        number = ", ".join(str(len(t.points)) for t in structure.templates)
        show_info(f"Learned from {int(inside.sum())} columns: {number} neighbours.")

    def ask_file(self) -> None:
        """Ask for a structure file and its zone axis."""
        spec = dialogs.ask_structure(self.desk.section)
        if spec:
            self.desk.section.suggest(spec)

    # -- artefact, comparison, saving --------------------------------------
    def simulate(self, conditions: dict[str, float]) -> None:
        """Simulate what could be an artefact of the shown table."""
        found, movie = self.desk.found, self.desk.model.movie
        if found is None or movie is None:
            return
        import platformdirs

        table = found.of(AVERAGE) if found.averaged else found.of(self.desk.display.frame())
        settings, element = self.desk.section.settings("absolute"), self.desk.model.settings.material or "Au"
        given = dict(conditions)
        if movie.calibration.kv is not None:
            given["kv"] = movie.calibration.kv
        if movie.calibration.dose_e_per_A2 is not None:
            given["dose_e_per_A2"] = movie.calibration.dose_e_per_A2
        cache = platformdirs.user_cache_path("napari-atomcount", appauthor=False) / "exit_waves"

        def on_step(step: Result) -> None:
            if self.desk.found is found:
                self.desk.display.take_up_artefact(*step.value)

        self.desk.start(
            lambda _stop: strain_jobs.simulating(
                movie, table, found.counts, found.structures, settings, element, given, Path(cache)
            ),
            on_step,
        )

    def take_spots(self, spots: np.ndarray | None) -> None:
        """Other Bragg spots were chosen by hand; None: automatic."""
        self.spots = spots
        self.compare()

    def compare(self) -> None:
        """Phase analysis and peak pairs of what is shown."""
        run, movie = self.desk.model.run, self.desk.model.movie
        if run is None or movie is None or self.desk.runner.busy:
            return
        drift = drift_of(self.desk.model.analysis)
        average = (
            self.desk.found is not None
            and self.desk.found.averaged
            and self.desk.view.average
            and len(drift) > 0
        )
        frame = AVERAGE if average else self.desk.results.frame
        columns = self.desk.display.table() if self.desk.found is not None else run.frame_columns(frame)
        mask = self.desk.section.more.mask.value()
        size = movie.calibration.pixel_size_nm
        averaging = None if mask <= 0 or size is None else mask / float(np.mean(size))
        spots, reference, ready = self.spots, self.desk.view.reference, self.desk.model.ready_movie
        if reference is not None and frame >= 0:
            reference = self.desk.there(reference)

        def on_step(step: Result) -> None:
            if self.desk.model.run is run:
                self.desk.attach_panel()
                self.desk.display.take_up_compared(step.value)

        self.desk.start(
            lambda _stop: strain_jobs.comparing(ready, columns, drift, frame, spots, averaging, reference),
            on_step,
        )

    def ask_folder(self) -> None:
        """Ask where to, and write tables and figures."""
        movie, found = self.desk.model.movie, self.desk.found
        if movie is None or found is None:
            return
        home = movie.path.parent if movie.path is not None else Path.home()
        folder = dialogs.ask_save_folder(self.desk.section, home / f"{movie.name}_strain")
        if folder is not None:
            ready, line = self.desk.model.ready_movie, self.desk.view.line
            self.desk.start(
                lambda _stop: strain_jobs.writing(found, ready, folder, line),
                lambda step: show_info(f"Saved in {step.value}."),
            )
