"""Other analysed movies beside the one that is open: doses, and two movies compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_atomcount.gui import time_plots
from napari_atomcount.gui.time_drawing import Drawing
from napari_atomcount.records.errors import InputError

if TYPE_CHECKING:
    from napari_atomcount.gui.session_model import SessionModel
    from napari_atomcount.pipeline.results import Results

ASK = (
    "press “{button}” and choose the folder that was saved of an analysed movie, or its session: it is drawn "
    "beside this one"
)
AGAINST = {
    time_plots.DOSE_RATE: ("dose_rate_e_per_A2_s", "dose rate (e/Å²s)"),
    time_plots.DOSE: ("accumulated_e_per_A2", "accumulated dose (e/Å²)"),
}


class OtherMovies:
    """Keeps them, draws them, and makes the figures that are saved."""

    def __init__(self, model: SessionModel) -> None:
        self.model = model
        self.movies: list[Results] = []

    def own(self) -> Results:
        """The analysed movie that is open."""
        from napari_atomcount.pipeline.results import Results

        movie, analysis = self.model.movie, self.model.analysis
        if movie is None or analysis is None:
            raise InputError("No movie has been followed through time yet.")
        name = movie.path.stem if movie.path else movie.name
        return Results(name, analysis, movie.calibration)

    def add(self, found: Results, folder: Path) -> None:
        """Add one, under a name that no other has."""
        taken = {self.own().name, *(one.name for one in self.movies)}
        self.movies.append(found if found.name not in taken else replace(found, name=str(folder)))

    def draw(self, drawing: Drawing, chosen: str) -> str:
        """Draw one of `time_plots.SEVERAL`; returns what is said beside it."""
        from napari_atomcount.pipeline import results

        if chosen in AGAINST:
            words = drawing.doses(results.doses([self.own(), *self.movies]), *AGAINST[chosen])
            return words if self.movies else f"{words} · {ASK.format(button='Add movie…')}"
        other = self._other()
        table, _, _ = results.compared(self.own(), other)
        return drawing.comparison(table, self.own().name, other.name, results.brief(table))

    def picture(self, chosen: str) -> tuple[Any, Any]:
        """Figure for the page, and table, of one of `time_plots.SEVERAL`."""
        from napari_atomcount.io import several_figures
        from napari_atomcount.pipeline import results

        if chosen in AGAINST:
            table = results.doses([self.own(), *self.movies])
            return several_figures.doses_figure(table), table
        other = self._other()
        table, _, _ = results.compared(self.own(), other)
        return several_figures.comparison_figure(table, self.own().name, other.name), table

    def _other(self) -> Results:
        if not self.movies:
            raise InputError(f"To compare, {ASK.format(button='Other movie…')}.")
        return self.movies[-1]
