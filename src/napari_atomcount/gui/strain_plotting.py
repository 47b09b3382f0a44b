"""The plots of strain under the canvas: a line's profile, facets, time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_atomcount.gui.strain_state import AVERAGE, SHOWN, unit_of, values_of
from napari_atomcount.measure.facets import surface_relaxation
from napari_atomcount.measure.refine import typical_spacing
from napari_atomcount.measure.strain_time import against_time
from napari_atomcount.measure.strain_views import COMPONENTS, line_profile

if TYPE_CHECKING:
    from napari_atomcount.gui.strain_desk import StrainDesk
    from napari_atomcount.gui.strain_view import StrainDisplay


class StrainPlots:
    """Draws what was found into the panel.

    Parameters
    ----------
    desk, display
        What was found, and what of it is shown.
    """

    def __init__(self, desk: StrainDesk, display: StrainDisplay) -> None:
        self.desk, self.display = desk, display

    def show_profile(self) -> None:
        """Strain along the drawn line, and along and across its direction."""
        line, desk = self.display.line(), self.desk
        if line is None or desk.found is None or desk.model.movie is None:
            return
        table = self.display.table()
        parts: dict[str, np.ndarray] = {}
        for name in ("parallel", "normal"):
            value, sigma = values_of(desk.found, table, name, line)
            parts |= {name: value / 100, f"sigma_{name}": sigma / 100}
        table = table.assign(**parts)
        spacing = typical_spacing(table["y"].to_numpy(float), table["x"].to_numpy(float))
        length = float(np.hypot(line.end[0] - line.start[0], line.end[1] - line.start[1]))
        bins = int(np.clip(round(length / spacing), 3, 60))
        profile = line_profile(
            table, line.start, line.end, 3 * spacing, bins, (*COMPONENTS, "parallel", "normal")
        )
        size = desk.model.movie.calibration.pixel_size_nm
        per, unit = (1.0, "px") if size is None else (float(np.mean(size)), "nm")
        if not len(profile):
            desk.panel.say("profile", "No column with a template lies along the line.")
            return
        chosen = [desk.view.component] if desk.view.component in COMPONENTS else []
        names = [*chosen, *(n for n in ("parallel", "normal") if n not in chosen)]
        names = [n for n in names if n != "rotation"]
        x = profile["distance_px"].to_numpy(float) * per
        curves = [
            (SHOWN[n], x, 100 * profile[n].to_numpy(), 100 * profile[f"sigma_{n}"].to_numpy()) for n in names
        ]
        desk.panel.show_curves("profile", curves, (f"distance along the line ({unit})", "strain (%)"))
        desk.panel.say(
            "profile", f"{int(profile['columns'].sum())} columns within 1.5 spacings; bars: 95 % errors"
        )

    def show_facets(self) -> None:
        """Relaxation of the outermost columns of each facet."""
        found = self.desk.found
        if found is None:
            return
        if not found.facets:
            self.desk.panel.say("facets", "No facets: the outline has no straight pieces of three columns.")
            return
        table = found.of(AVERAGE) if found.averaged else found.of(found.frames[0])
        self.desk.panel.show_facets(surface_relaxation(table, found.facets))

    def show_time(self) -> None:
        """Strain against time of the clicked site, a facet or the drawn region."""
        desk, found = self.desk, self.desk.found
        if found is None or desk.model.movie is None:
            return
        if len(found.frames) < 2:
            desk.panel.say("time", "Strain against time needs all frames: press “All frames and average”.")
            return
        part = desk.panel.part.currentData()
        sites: list[int] = []
        if part == "site":
            sites, words = [desk.model.site], f"site {desk.model.site}"
            if desk.model.site < 0:
                desk.panel.say("time", "Click a column: its strain against time appears here.")
                return
        elif part == "selection" and desk.view.selection is not None:
            own = found.of(AVERAGE) if found.averaged else found.of(found.frames[0])
            inside = desk.view.selection.holds(own)
            sites, words = own["site_id"][inside].astype(int).tolist(), f"region, {int(inside.sum())} sites"
        elif isinstance(part, int) and part < len(found.facets):
            sites, words = found.facet_sites(part), f"facet {part}"
        else:
            return
        component = desk.view.component if desk.view.component in COMPONENTS else "planar"
        series = against_time(found.table, sites, component)
        step = desk.model.movie.calibration.frame_time_s
        scale = 1.0 if component == "rotation" else 100.0
        x = series["frame"].to_numpy(float) * (step or 1.0)
        curve = (words, x, scale * series[component].to_numpy(), scale * series["sigma"].to_numpy())
        unit = unit_of(component)
        labels = ("time (s)" if step else "frame", f"{component} ({unit})")
        desk.panel.show_curves("time", [curve], labels)
        desk.panel.say("time", f"{words}: {len(series)} frames; bars: 95 % errors of the mean")
