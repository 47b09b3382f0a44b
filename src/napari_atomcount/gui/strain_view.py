"""Brings layers, legend and plots in line with what was measured, drawn and chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from qtpy.QtCore import QObject

from napari_atomcount.gui import style
from napari_atomcount.gui.strain_jobs import Compared
from napari_atomcount.gui.strain_layers import ARTEFACT, AXES, DRAWN, MAP, PAIRS, PHASE, STRAIN
from napari_atomcount.gui.strain_plotting import StrainPlots
from napari_atomcount.gui.strain_state import AVERAGE, SHOWN, Drawn, unit_of, values_of
from napari_atomcount.io.strain_figures import even_limit
from napari_atomcount.measure.strain_views import COMPONENTS, Z95

if TYPE_CHECKING:
    from napari_atomcount.gui.strain_desk import StrainDesk


class StrainDisplay(QObject):
    """What of the strain is on the screen.

    Parameters
    ----------
    desk : StrainDesk
        Holds what was found, the choices, the layers and the panel.
    """

    def __init__(self, desk: StrainDesk) -> None:
        super().__init__(desk)
        self.desk = desk
        self.plots = StrainPlots(desk, self)
        self.limit = 1.0
        self._shown_frame: int | None = None

    # -- what is shown -----------------------------------------------------
    def frame(self) -> int:
        """The frame whose table is shown, or -1 for the average."""
        desk = self.desk
        if desk.found is None or (desk.view.average and desk.found.averaged):
            return AVERAGE
        frame = desk.results.frame
        return frame if frame in desk.found.frames or not desk.found.frames else desk.found.frames[0]

    def table(self) -> pd.DataFrame:
        """Its rows."""
        assert self.desk.found is not None
        return self.desk.found.of(self.frame())

    def line(self) -> Drawn | None:
        """The drawn line in the coordinates of the shown table."""
        return self._there(self.desk.view.line)

    def _there(self, drawn: Drawn | None) -> Drawn | None:
        if drawn is None or self.frame() == AVERAGE:
            return drawn
        return self.desk.there(drawn)

    def offer(self) -> None:
        """What can be chosen now."""
        found = self.desk.found
        self.desk.section.show_.offer(
            average=found is not None and found.averaged,
            frames=found is not None and bool(found.frames),
            line=self.desk.view.line is not None,
            facets=found is not None and bool(found.facets),
            artefact=found is not None and found.artefact is not None,
        )
        if found is not None:
            self.desk.panel.offer_parts(len(found.facets), self.desk.view.selection is not None)

    def refresh(self) -> None:
        """Draw everything anew."""
        desk = self.desk
        desk.section.show_.into(desk.view)
        movie = desk.model.movie
        if desk.found is None or movie is None:
            return
        view, table = desk.view, self.table()
        value, sigma = values_of(desk.found, table, view.component, self.line())
        if view.component == "rotation" and np.isfinite(value).any():
            value = value - float(np.nanmedian(value))
        with np.errstate(invalid="ignore"):
            sure = np.abs(value) > Z95 * sigma
        self.limit = view.limit or even_limit(value)
        words = SHOWN[view.component]
        desk.layers.show_points(table, value, sure, self.limit, view.component)
        if view.map:
            shape = (movie.shape[1], movie.shape[2])
            desk.layers.show_map(table, value, self.limit, shape)
        if view.axes:
            desk.layers.show_axes(table, self.limit)
        self._show_artefact()
        desk.layers.show_only(
            {
                STRAIN: view.points and not view.artefact,
                MAP: view.map and not view.artefact,
                AXES: view.axes and not view.artefact,
                ARTEFACT: view.artefact,
            }
        )
        if view.points or view.map:
            for role in ("columns", "occupancy", "events"):
                layer = desk.results.get(role)
                if layer is not None:
                    layer.visible = False
        self._place()
        self._shown_frame = self.frame()
        unit = unit_of(view.component)
        reference = str(table["reference"].iloc[0]) if len(table) else desk.found.reference
        more = ", from its median" if view.component == "rotation" else ""
        if view.artefact:
            words, reference = f"could be an artefact: {words}", "a simulated particle without strain"
        desk.panel.legend.show_key(words, unit + more, self.limit, reference)
        desk.panel.show_histogram(value, sigma, SHOWN[view.component], unit)
        self._say(table)
        self.plots.show_profile()
        self.plots.show_facets()
        self.plots.show_time()

    def on_slider(self) -> None:
        """Another frame: the layers follow the specimen; a frame's own table takes the place of the last."""
        if self.desk.found is not None and self.frame() != self._shown_frame:
            self.refresh()
        else:
            self._place()

    def _place(self) -> None:
        if self.desk.model.movie is None:
            return
        roles: tuple[str, ...] = (DRAWN,)
        if self.frame() == AVERAGE:
            roles = (DRAWN, STRAIN, MAP, AXES, ARTEFACT, PHASE, PAIRS)
        self.desk.layers.place(self.desk.motion(), roles)

    def _say(self, table: pd.DataFrame) -> None:
        found = self.desk.found
        assert found is not None
        matched = int(table["planar"].notna().sum())
        used = [str(name) for name in table["template"].unique() if name != "none"]
        frame = self.frame()
        when = f"average of {len(found.frames)} frames" if frame == AVERAGE else f"frame {frame}"
        usual = 100 * float(table["sigma_planar"].median()) if matched else float("nan")
        reference = str(table["reference"].iloc[0]) if len(table) else found.reference
        text = (
            f"{when}: {matched} of {len(table)} columns match {', '.join(used) or 'no template'}; "
            f"usual error of the planar strain {usual:.2f} %.\nRelative to: {reference}."
        )
        self.desk.section.show_said(text, found.warnings)

    # -- plots -------------------------------------------------------------
    def after_drawing(self, kind: str) -> None:
        """A region or a line is new."""
        panel = self.desk.panel
        if kind == "reference":
            box = self.desk.section.reference
            box.setCurrentIndex(box.findData("region"))
        if self.desk.found is None:
            return
        self.offer()
        if kind == "line":
            panel.tabs.setCurrentIndex(1)
            self.refresh()
        elif kind == "selection":
            panel.part.setCurrentIndex(panel.part.findData("selection"))
            panel.tabs.setCurrentIndex(2)
            self.plots.show_time()

    # -- artefact, comparison ----------------------------------------------
    def take_up_artefact(self, artefact: pd.DataFrame, words: str) -> None:
        """Show the zero-strain simulation on the real map's scale."""
        found = self.desk.found
        assert found is not None
        found.artefact, found.artefact_words = artefact, words
        self.offer()
        self.desk.section.show_.artefact.setChecked(True)
        value = 100 * artefact["planar"].to_numpy(float)
        said = self.desk.section.more.artefact_said
        said.setText(
            f"Without strain, the planar strain would seem to be {np.nanmean(np.abs(value)):.2f} % on "
            f"average, "
            f"{np.nanmax(np.abs(value)):.2f} % at most ({words})."
        )
        said.setVisible(True)
        self.refresh()

    def _show_artefact(self) -> None:
        found, view = self.desk.found, self.desk.view
        if found is None or found.artefact is None:
            return
        component = view.component if view.component in COMPONENTS else "planar"
        value = found.artefact[component].to_numpy(float) * (1.0 if component == "rotation" else 100.0)
        self.desk.layers.show_points(
            found.artefact, value, np.ones(len(value), bool), self.limit, component, ARTEFACT
        )

    def take_up_compared(self, compared: Compared) -> None:
        """Phase analysis and peak pairs, as layers that can be switched, with their warnings."""
        desk, phase = self.desk, compared.phase
        component = desk.view.component if desk.view.component in COMPONENTS else "planar"
        scale = 1.0 if component == "rotation" else 100.0
        lines = []
        limit = self.limit if desk.found is not None else 0.0
        if phase is not None:
            value = scale * np.asarray(getattr(phase, component))
            limit = limit or even_limit(value[phase.valid])
            desk.layers.show_phase(value, phase.valid, limit)
            lines.append(f"GPA: valid on {100 * phase.valid.mean():.0f} % of the image")
            if desk.found is not None:
                table = self.table()
                at = tuple(
                    np.clip(table[axis].round().astype(int), 0, n - 1)
                    for axis, n in zip("yx", value.shape, strict=True)
                )
                ours = scale * table[component].to_numpy(float)
                both = np.where(phase.valid[at], value[at], np.nan) - ours
                both = both - np.nanmedian(both) if np.isfinite(both).any() else both
                if np.isfinite(both).any():
                    lines.append(
                        f"it differs from the templates by {np.nanmean(np.abs(both)):.2f} "
                        f"{unit_of(component)} "
                        f"in {int(np.isfinite(both).sum())} columns"
                    )
        if compared.pairs is not None:
            value = scale * compared.pairs[component].to_numpy(float)
            limit = limit or even_limit(value)
            sure = np.ones(len(value), bool)
            desk.layers.show_points(compared.pairs, value, sure, limit, component, PAIRS)
            desk.layers.show_only({PAIRS: False})
            lines.append(f"peak pairs: {int(np.isfinite(value).sum())} of {len(value)} columns")
        said = desk.section.more.compare_said
        said.setText("\n".join([" · ".join(lines), *(f"▲ {text}" for text in compared.warnings)]))
        said.setStyleSheet(style.WARN if compared.warnings else style.MUTED)
        said.setVisible(True)
        words = "Drag the two rings to other Bragg spots; layers: GPA strain, peak pairs."
        desk.panel.spectrum.show_spectrum(compared.spectrum, None if phase is None else phase.spots, words)
        desk.panel.tabs.setCurrentIndex(4)
        self._place()
