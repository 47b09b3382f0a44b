"""The result layers in the viewer: views, rebuilt from the tables, found by object and not by name."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.layers import Layer, Points
from napari.utils.colormaps import Colormap

from napari_atomcount.gui import points
from napari_atomcount.gui.geometry import DARK_KEY, MOVIE_KEY, Geometry, movie_layer
from napari_atomcount.gui.lazy import LazyFrames, draw_labels
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.io import palette
from napari_atomcount.records.motion import Motion

COLUMNS, LABELS, CONFIDENCE, OCCUPANCY, EVENTS = (
    "columns",
    "column labels",
    "confidence",
    "occupancy",
    "events",
)
SELECTED, UNCERTAIN = "selected site", "uncertain columns"
LABEL_RADIUS_NM = 0.07


class ResultLayers:
    """Makes the layers of a session and keeps their contents the tables'.

    A layer that the user deleted stays away until the next run or until its overlay is chosen again; one that
    was renamed is still ours; one of the user's own that has our name is never touched.

    Parameters
    ----------
    viewer
        Where they live.
    model
        What they show.
    """

    def __init__(self, viewer: ViewerModel, model: SessionModel) -> None:
        self.viewer, self.model = viewer, model
        self.overlay = COLUMNS
        self.frame = 0
        self._layers: dict[str, Layer] = {}

    # -- finding -----------------------------------------------------------
    def get(self, role: str) -> Layer | None:
        """Our layer of this role, unless the user deleted it."""
        layer = self._layers.get(role)
        return layer if layer is not None and layer in self.viewer.layers else None

    def movie_layer(self) -> Layer | None:
        """The layer that shows the session's movie."""
        movie = self.model.movie
        for layer in self.viewer.layers:
            shown = layer.metadata.get(MOVIE_KEY)
            if movie is not None and shown is not None and shown.data is movie.data:
                return layer
        return None

    def read_slider(self) -> bool:
        """Take up the frame that the slider shows; whether it is another one."""
        movie, before = self.model.movie, self.frame
        if movie is None or self.viewer.dims.ndim < 3:
            self.frame = 0
        else:
            point = self.viewer.dims.point[-3] / self._geometry().scale[0]
            self.frame = int(np.clip(round(point), 0, movie.n_frames - 1))
        return self.frame != before

    def show_frame(self, frame: int) -> None:
        """Move the slider."""
        if self.model.movie is not None and self.viewer.dims.ndim >= 3:
            self.viewer.dims.set_point(self.viewer.dims.ndim - 3, frame * self._geometry().scale[0])

    @property
    def scale(self) -> tuple[float, float, float]:
        """World units per frame, px, px."""
        return self._geometry().scale

    # -- making ------------------------------------------------------------
    def show_movie(self) -> None:
        """Bring the movie's layer back if it is gone."""
        if self.model.movie is not None and self.movie_layer() is None:
            data, keywords, _ = movie_layer(self.model.movie)
            self.viewer.add_image(data, **keywords)

    def show_prepared(self) -> None:
        """Show the movie as it is prepared, and averaged for the view; each frame when it is looked at."""
        from napari_atomcount.pipeline.preparing import viewed

        movie, layer = self.model.movie, self.movie_layer()
        if movie is None or layer is None:
            return
        seen = viewed(movie, self.model.preparation)
        same = seen.data is movie.data
        layer.data = movie.data if same else LazyFrames(seen.shape, seen.dtype, seen.frame)
        dark = seen.preparation.dark_level
        lower = dark - layer.metadata.get(DARK_KEY, 0.0)
        if lower:  # the picture looks as before
            layer.contrast_limits = [limit - lower for limit in layer.contrast_limits]
            layer.metadata[DARK_KEY] = dark

    def look_at_movie(self) -> None:
        """Turn to the session's movie: its first frame is shown, the other movies are hidden."""
        ours = self.movie_layer()
        if ours is None:
            return
        for layer in self.viewer.layers:
            if layer.metadata.get(MOVIE_KEY) is not None:
                layer.visible = layer == ours
        self.viewer.layers.selection.active = ours
        self.show_frame(0)

    def make(self, role: str, kind: str, data, **look) -> None:
        """Make a layer of (y, x) that lies over every frame; it keeps the movie's scale, and goes with it."""
        self._add(role, kind, data=data, **look, **self._geometry().keywords(2))

    def drop(self, roles: tuple[str, ...]) -> None:
        """Take some of our layers out of the viewer."""
        for role in roles:
            layer = self.get(role)
            if layer is not None:
                self.viewer.layers.remove(layer)
            self._layers.pop(role, None)

    def drop_results(self) -> None:
        """Take our result layers out of the viewer."""
        self.drop(tuple(self._layers))

    def make_results(self) -> None:
        """Make the layers that are missing; those that are there keep what the user set."""
        run, movie = self.model.run, self.model.movie
        if run is None or movie is None:
            return
        keywords = self._geometry().keywords()
        if self.get(CONFIDENCE) is None:
            self._make_confidence(run)
        self._place_confidence(run)
        if self.get(LABELS) is None:
            lazy = LazyFrames(movie.shape, np.int32, self._draw_labels)
            self._add(LABELS, "labels", data=lazy, visible=False, opacity=0.6, **keywords)
        if self.get(COLUMNS) is None:
            size = points.DISC_NM / keywords["scale"][-1]
            self._add(
                COLUMNS, "points", data=np.zeros((0, 3)), ndim=3, size=size, border_width=0.06, **keywords
            )
        if run.analysis is not None:
            self._make_site_layers()
        self.refresh_columns()
        self.refresh_sites()
        self.set_overlay(self.overlay)

    def _make_site_layers(self) -> None:
        flat = self._geometry().keywords(2)
        size = points.DISC_NM / flat["scale"][-1]
        if self.get(OCCUPANCY) is None:
            self._add(
                OCCUPANCY,
                "points",
                data=np.zeros((0, 2)),
                size=size,
                visible=False,
                border_width=0.06,
                **flat,
            )
        if self.get(EVENTS) is None:
            self._add(EVENTS, "points", data=np.zeros((0, 2)), size=size, visible=False, **flat)
        if self.get(SELECTED) is None:
            ring = {"size": 1.7 * size, "face_color": "transparent", "border_color": points.SELECTED_COLOUR}
            self._add(SELECTED, "points", data=np.zeros((0, 2)), border_width=0.12, **ring, **flat)

    def _make_confidence(self, run: Run) -> None:
        colours = Colormap(palette.colour_table(palette.CONFIDENCE_MAP), name="atomcount confidence")
        look = {"contrast_limits": (0.0, 1.0), "colormap": colours, "opacity": 0.7, "visible": False}
        data = LazyFrames(run.store.shape, np.float32, self._confidence_frame)
        self._add(CONFIDENCE, "image", data=data, **look, **self._geometry().keywords())
        self._place_confidence(run)

    def _place_confidence(self, run: Run) -> None:
        """Fit the confidence layer to the grid of a run's maps, which may differ from the last one's."""
        layer = self.get(CONFIDENCE)
        if layer is None:
            return
        if tuple(layer.data.shape) != run.store.shape:
            layer.data = LazyFrames(run.store.shape, np.float32, self._confidence_frame)
        geometry, factor = self._geometry(), np.asarray(run.store.scale, float)
        geometry.apply(layer, run.store.scale)
        layer.translate = (0.0, *((0.5 * factor - 0.5) * geometry.scale[1:]))

    def _add(self, role: str, kind: str, *, data, **keywords) -> Layer:
        active = self.viewer.layers.selection.active
        layer = getattr(self.viewer, f"add_{kind}")(data, name=role, **keywords)
        if active is not None:  # adding selects the new layer: give the user's choice back
            self.viewer.layers.selection.active = active
        layer.editable = False  # the tables are the truth; nothing here writes back yet
        self._layers[role] = layer
        return layer

    # -- filling -----------------------------------------------------------
    def refresh_columns(self) -> None:
        """All columns of the shown run into their layer, and what the current frame shows."""
        run = self.model.run
        layer = self.get(COLUMNS)
        if layer is not None:
            if run is None:
                points.fill_columns(layer, None, None)
            else:
                points.fill_columns(layer, run.columns, run.max_count(), run.card.classes)
        self.refresh_frame()

    def refresh_frame(self) -> None:
        """Draw the lazy layers anew: their contents in the current frame may have changed."""
        if self.model.run is not None:
            self._place_confidence(self.model.run)
        for role in (LABELS, CONFIDENCE):
            layer = self.get(role)
            if layer is not None:
                layer.data.forget()
                if layer.visible:
                    layer.refresh()

    def refresh_sites(self) -> None:
        """Occupancy, events and the selected site from the shown analysis."""
        analysis = self.model.analysis
        occupancy, events = self.get(OCCUPANCY), self.get(EVENTS)
        if occupancy is not None:
            points.fill_occupancy(occupancy, analysis)
        if events is not None:
            points.fill_events(events, analysis, points.DISC_NM / events.scale[-1])
        self.refresh_selection()
        self.follow_slider()

    def refresh_selection(self) -> None:
        """Ring around the selected site."""
        layer = self.get(SELECTED)
        if layer is not None:
            points.fill_selected(layer, self.model.analysis, self.model.site)

    def follow_slider(self) -> None:
        """Move the layers of the mean lattice to where it is in the frame that is shown; mark its events."""
        if self.model.movie is None:
            return
        world = np.eye(3)
        if self.model.analysis is not None:
            motion = Motion.of(self.model.analysis.drift).at(self.frame)
            world = world_affine(motion, np.array(self._geometry().scale[1:]))
        for role in (OCCUPANCY, EVENTS, SELECTED):
            layer = self.get(role)
            if layer is not None:
                layer.affine = world
        events = self.get(EVENTS)
        if events is not None and self.model.analysis is not None:
            points.mark_events_of_frame(events, self.model.analysis, self.frame)

    def set_overlay(self, overlay: str) -> None:
        """Show one of columns (with the rings of uncertain ones), occupancy, events; hide the others."""
        self.overlay = overlay
        for role in (COLUMNS, UNCERTAIN, OCCUPANCY, EVENTS):
            layer = self.get(role)
            if layer is not None:
                layer.visible = overlay == (COLUMNS if role == UNCERTAIN else role)

    def apply_geometry(self) -> None:
        """After a change of the calibration: scale and units of the movie's and our layers; the view stays.

        In one go, without events in between: napari warns of layers with different units when it draws.
        """
        geometry, frame, run = self._geometry(), self.frame, self.model.run
        movie_layer_ = self.movie_layer()
        if movie_layer_ is not None:
            ratio = np.array(geometry.scale[1:]) / movie_layer_.scale[-2:]
            geometry.apply(movie_layer_)
            camera = self.viewer.scene.camera
            camera.center = (camera.center[0], *(np.array(camera.center[-2:]) * ratio))
            camera.zoom /= float(np.sqrt(ratio.prod()))
            movie_layer_.metadata[MOVIE_KEY] = self.model.movie
        for role in list(self._layers):  # `get` forgets layers that the user deleted
            layer = self.get(role)
            if layer is None:
                continue
            if isinstance(layer, Points):  # discs keep their size in nm
                layer.size = layer.size * layer.scale[-1] / geometry.scale[-1]
                layer.current_size = layer.current_size * layer.scale[-1] / geometry.scale[-1]
            geometry.apply(layer)
        if run is not None:
            self._place_confidence(run)
        self.follow_slider()
        self.show_frame(frame)

    # -- helpers -----------------------------------------------------------
    def _geometry(self) -> Geometry:
        assert self.model.movie is not None
        return Geometry.of_movie(self.model.movie)

    def _draw_labels(self, frame: int):
        movie, run = self.model.movie, self.model.run
        if movie is None or run is None:
            return np.zeros((1, 1) if movie is None else movie.shape[1:], np.int32)
        size = movie.calibration.pixel_size_nm or run.pixel_size_nm
        radius = (LABEL_RADIUS_NM / size[0], LABEL_RADIUS_NM / size[1])
        return draw_labels(run.frame_columns(frame), movie.shape[1:], radius)

    def _confidence_frame(self, frame: int):
        run, layer = self.model.run, self._layers.get(CONFIDENCE)
        shape = (1, 1) if layer is None else layer.data.shape[1:]
        confidence = None if run is None else run.store.confidence(frame)
        if confidence is None or (layer is not None and confidence.shape != shape):
            return np.zeros(shape, np.float32)  # of another model's grid: it is put right in a moment
        return confidence


def world_affine(motion: Motion, scale: np.ndarray) -> np.ndarray:
    """Affine of a flat layer in frame 0's coordinates that lays it on a frame, the only one of the motion.

    Parameters
    ----------
    motion
        Of `Motion.at`.
    scale
        World units per px, (y, x): the layer's own scale, which comes first.
    """
    matrix, offset = motion.mapping(0)
    world = np.eye(3)
    world[:2, :2] = matrix * scale[:, None] / scale[None, :]
    world[:2, 2] = offset * scale
    return world
