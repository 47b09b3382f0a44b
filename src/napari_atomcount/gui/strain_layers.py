"""The layers of strain: discs, interpolated map, principal axes, artefact, phase analysis, peak pairs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from napari.layers import Layer
from napari.utils.colormaps import Colormap

from napari_atomcount.gui import points
from napari_atomcount.gui.geometry import Geometry
from napari_atomcount.gui.layers import ResultLayers, world_affine
from napari_atomcount.gui.strain_state import Drawn
from napari_atomcount.io import palette
from napari_atomcount.io.strain_figures import STRAIN_MAP, interpolated, strain_colours
from napari_atomcount.records.motion import Motion

STRAIN, MAP, AXES, ARTEFACT = "strain", "strain map", "strain axes", "strain artefact"
PHASE, PAIRS, DRAWN = "GPA strain", "peak pairs", "strain drawing"
#: Discs of columns that are below their own 95 % error, in units of a sure one's diameter.
UNSURE = 0.5
DISC_NM = 0.21
#: Colours of what is drawn.
COLOURS = {"reference": "#e0a030", "selection": "#56B4E9", "line": "#ff5470"}
STRETCHED, COMPRESSED = "#b2182b", "#2166ac"


class StrainLayers:
    """Makes the layers when they are first needed and fills them; the user's changes of their looks stay.

    Parameters
    ----------
    viewer
        Where they live.
    results : ResultLayers
        Knows the movie's geometry and where the specimen is in the shown frame.
    """

    def __init__(self, viewer, results: ResultLayers) -> None:
        self.viewer, self.results = viewer, results
        self._layers: dict[str, Layer] = {}

    def get(self, role: str) -> Layer | None:
        """Our layer of this role, unless it was deleted."""
        layer = self._layers.get(role)
        return layer if layer is not None and layer in self.viewer.layers else None

    def drop(self) -> None:
        """Take all of them out of the viewer."""
        for role in list(self._layers):
            layer = self.get(role)
            if layer is not None:
                self.viewer.layers.remove(layer)
        self._layers.clear()

    # -- filling -----------------------------------------------------------
    def show_points(
        self,
        table: pd.DataFrame,
        value: np.ndarray,
        sure: np.ndarray,
        limit: float,
        name: str,
        role: str = STRAIN,
    ) -> None:
        """Discs coloured by a value in the display's unit; small where below its error, grey unknown."""
        layer = self._points(role)
        known = np.isfinite(value)
        size = DISC_NM / self._size() * np.where(known & sure, 1.0, UNSURE)
        features = table.select_dtypes("number").astype(float).reset_index(drop=True)
        features = features.assign(shown=value)
        border = np.zeros((len(table), 4))
        border[:, 3] = 1.0
        border[~known] = (1.0, 1.0, 1.0, 0.6)
        faces = strain_colours(value, limit) if len(value) else np.zeros((0, 4))
        faces[~known, 3] = 0.25
        points.set_points(
            layer, table[["y", "x"]].to_numpy(float), features, faces, border_color=border, size=size
        )
        layer.metadata["atomcount_strain"] = {"component": name, "limit": limit}

    def show_map(self, table: pd.DataFrame, value: np.ndarray, limit: float, shape: tuple[int, int]) -> None:
        """The value between the columns, clipped to the particle."""
        step = max(1.0, max(shape) / 1024)
        grid = interpolated(table.assign(shown=value), "shown", shape, step).astype(np.float32)
        self._image(MAP, grid, limit, step)

    def show_axes(self, table: pd.DataFrame, limit: float) -> None:
        """Principal axes: arms as long as the strain along them, red where stretched, blue compressed."""
        from napari_atomcount.measure.strain_views import principal

        known = table[table["exx"].notna()]
        found = principal(known)
        arm = 0.45 * DISC_NM / self._size()
        vectors, colours = [], []
        turn = -np.radians(found["axis_deg"].to_numpy(float))  # y points downwards
        places = known[["y", "x"]].to_numpy(float)
        for name, more in (("first", 0.0), ("second", np.pi / 2)):
            value = 100 * found[name].to_numpy(float)
            length = arm * np.clip(np.abs(value) / max(limit, 1e-9), 0.05, 1.6)
            step = np.column_stack([np.sin(turn + more), np.cos(turn + more)]) * length[:, None]
            vectors.append(np.stack([places - step, 2 * step], 1))
            colours += [STRETCHED if v > 0 else COMPRESSED for v in value]
        layer = self.get(AXES)
        data = np.concatenate(vectors) if len(known) else np.zeros((0, 2, 2))
        if layer is None:
            width = 0.02 / self._size()
            layer = self._add(
                AXES, "vectors", data, ndim=2, edge_width=width, vector_style="line", **self._flat()
            )
        layer.data = data
        if len(data):
            layer.edge_color = colours

    def show_phase(self, value: np.ndarray, valid: np.ndarray, limit: float) -> None:
        """Strain of phase analysis where it is valid."""
        self._image(PHASE, np.where(valid, value, np.nan).astype(np.float32), limit, 1.0)

    def show_drawn(self, drawn: dict[str, Drawn | None]) -> None:
        """Outlines of what was drawn, by kind."""
        vectors, colours = [], []
        for kind, one in drawn.items():
            if one is None:
                continue
            corners = [one.start, one.end]
            if kind != "line":
                y0, y1, x0, x1 = one.region
                corners = [(y0, x0), (y0, x1), (y1, x1), (y1, x0), (y0, x0)]
            for a, b in pairwise(corners):
                vectors.append([a, (b[0] - a[0], b[1] - a[1])])
                colours.append(COLOURS[kind])
        layer = self.get(DRAWN)
        data = np.array(vectors, float) if vectors else np.zeros((0, 2, 2))
        if layer is None:
            if not vectors:
                return
            width = 2.5 / self.viewer.scene.camera.zoom / self._flat()["scale"][-1]
            layer = self._add(
                DRAWN, "vectors", data, ndim=2, edge_width=width, vector_style="line", **self._flat()
            )
        layer.data = data
        if len(data):
            layer.edge_color = colours

    def show_only(self, shown: dict[str, bool]) -> None:
        """Which of the layers that exist are visible."""
        for role, visible in shown.items():
            layer = self.get(role)
            if layer is not None:
                layer.visible = visible

    def place(self, motion: Motion, roles: tuple[str, ...]) -> None:
        """Move layers to where the specimen is in the shown frame, the only one of the motion."""
        world = world_affine(motion, np.array(self._flat()["scale"]))
        for role in (STRAIN, MAP, AXES, ARTEFACT, PHASE, PAIRS, DRAWN):
            layer = self.get(role)
            if layer is not None:
                layer.affine = world if role in roles else np.eye(3)

    def apply_geometry(self) -> None:
        """After a change of the calibration."""
        geometry = self._geometry()
        for role in list(self._layers):
            layer = self.get(role)
            if layer is not None:
                geometry.apply(layer)

    # -- helpers -----------------------------------------------------------
    def _geometry(self) -> Geometry:
        assert self.results.model.movie is not None
        return Geometry.of_movie(self.results.model.movie)

    def _flat(self) -> dict:
        return self._geometry().keywords(2)

    def _size(self) -> float:
        """The nm of a pixel; without a pixel size a twentieth of nm, so that discs have some size."""
        movie = self.results.model.movie
        size = None if movie is None else movie.calibration.pixel_size_nm
        return 0.02 if size is None else float(np.mean(size))

    def _points(self, role: str) -> Layer:
        layer = self.get(role)
        if layer is None:
            layer = self._add(
                role, "points", np.zeros((0, 2)), ndim=2, size=5.0, border_width=0.08, **self._flat()
            )
        return layer

    def _image(self, role: str, grid: np.ndarray, limit: float, step: float) -> None:
        layer = self.get(role)
        if layer is None:
            colours = Colormap(
                palette.colour_table(STRAIN_MAP), name="atomcount strain", nan_color=(0, 0, 0, 0)
            )
            layer = self._add(role, "image", grid, colormap=colours, opacity=0.8, **self._flat())
        layer.data = grid
        layer.contrast_limits = (-limit, limit)
        self._geometry().apply(layer, (step, step))
        discs = self.get(STRAIN)  # the discs stay above a map
        if discs is not None:
            self.viewer.layers.move(self.viewer.layers.index(layer), self.viewer.layers.index(discs))

    def _add(self, role: str, kind: str, data: np.ndarray, **keywords) -> Layer:
        active = self.viewer.layers.selection.active
        layer = getattr(self.viewer, f"add_{kind}")(data, name=role, **keywords)
        if active is not None:
            self.viewer.layers.selection.active = active
        layer.editable = False
        self._layers[role] = layer
        return layer
