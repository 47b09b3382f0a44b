"""Dashed rings around the uncertain columns of the frame that is shown.

napari's Points draw no dashes, so a ring is made of short lines in a Vectors layer, white with a dark shadow
to be seen over bright and dark alike. Only the rings of the shown frame are made, the weightiest first, and
no more than can be told apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject

from napari_atomcount.gui import points
from napari_atomcount.gui.layers import COLUMNS, UNCERTAIN, ResultLayers
from napari_atomcount.gui.review_queue import ReviewQueue
from napari_atomcount.records.motion import Motion

MOST_RINGS = 400
LEAST_RISK = 0.05  # a place less likely to be wrong wears no ring
# Of a ring: dashes, lines of each, share that is drawn.
DASHES, LINES, FILLED = 8, 2, 0.58
RADIUS = 0.68  # of the ring, in diameters of a disc: it stands clear of the disc
WIDTH = 0.085
LIGHT, SHADOW = (1.0, 1.0, 1.0, 1.0), (0.05, 0.05, 0.08, 0.85)


class UncertainRings(QObject):
    """Keeps the rings those of the shown frame and of the places that decide.

    Parameters
    ----------
    layers
        Makes the layer, and keeps its scale the movie's.
    queue
        Knows the places.
    """

    def __init__(self, layers: ResultLayers, queue: ReviewQueue, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.layers, self.queue = layers, queue
        self._made_for: Any = None
        queue.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Draw the rings of the frame that is shown."""
        review, run = self.queue.review, self.queue.model.run
        if review is None or run is None or self.queue.model.movie is None:
            self._fill(np.zeros((0, 2)), np.zeros(0))
            return
        if self._made_for is not run and self.layers.get(COLUMNS) is not None:
            self._make()
            self._made_for = run
        places = review.queue.iloc[: review.deciding]
        frame = self.layers.frame
        here = (places["first"] <= frame) & (places["last"] >= frame) & (places["risk"] >= LEAST_RISK)
        shown = places[here].iloc[:MOST_RINGS]
        self._fill(self._where(shown, frame), self._sizes(shown))

    def _sizes(self, places) -> NDArray[np.float64]:
        """Of the places' columns, (N,) in diameters of a disc: those of some classes are smaller."""
        model = self.queue.model
        if model.analysis is None or model.run is None or len(model.run.card.classes) < 2:
            return np.ones(len(places))
        label = model.analysis.sites.set_index("site_id")["label"].reindex(places["site_id"])
        return points.sizes_of(label, model.run.card.classes)

    def _where(self, places, frame: int) -> NDArray[np.float64]:
        """Where places are in a frame, (N, 2) px: their column's place where they have one."""
        at = places[["y", "x"]].to_numpy(float)
        analysis = self.queue.model.analysis
        other = (places["frame"] != frame).to_numpy()
        if not other.any():
            return at
        if analysis is not None:  # the place is that of another frame: follow the drift
            motion = Motion.of(analysis.drift)
            if frame in motion.frame:
                home = motion.back(at[other], motion.rows(places["frame"][other].to_numpy()))
                at[other] = motion.forward(home, motion.rows(np.full(len(home), frame)))
        columns = self.queue.model.run.frame_columns(frame) if self.queue.model.run is not None else None
        if columns is not None and len(columns):
            spots = columns[["y", "x"]].to_numpy(float)
            reach = points.DISC_NM / 2 * self._per_nm()
            for k in np.flatnonzero(other):
                far = np.hypot(*(spots - at[k]).T)
                if far.min() < reach:
                    at[k] = spots[far.argmin()]
        return at

    def _per_nm(self) -> float:
        return 1.0 / self.layers.scale[-1]

    def _make(self) -> None:
        if self.layers.get(UNCERTAIN) is None:
            size = points.DISC_NM * self._per_nm()
            self.layers.make(
                UNCERTAIN,
                "vectors",
                np.zeros((0, 2, 2)),
                edge_width=WIDTH * size,
                vector_style="line",
                visible=self.layers.overlay == COLUMNS,
            )

    def _fill(self, centres: NDArray[np.float64], sizes: NDArray[np.float64]) -> None:
        layer: Any = self.layers.get(UNCERTAIN)
        if layer is None or (len(layer.data) == 0 and len(centres) == 0):
            return
        size = points.DISC_NM * self._per_nm()
        lines, light = dashed_rings(centres, RADIUS * size * sizes, WIDTH * size)
        layer.data = lines
        if len(lines):
            layer.edge_color = np.where(light[:, None], LIGHT, SHADOW)
        if abs(layer.edge_width - WIDTH * size) > 1e-6:  # setting it draws the layer anew
            layer.edge_width = WIDTH * size


def dashed_rings(
    centres: NDArray[np.float64], radius: float | NDArray[np.float64], width: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Lines of dashed rings, each with a shadow just outside.

    Parameters
    ----------
    centres
        (N, 2) y, x px.
    radius
        Of the rings, one for all or (N,), px.
    width
        Of their line, px.

    Returns
    -------
    lines
        (M, 2, 2) start and way of each line, as napari's vectors; shadows first, so that they lie below.
    light
        (M,) whether it is the ring and not its shadow.
    """
    step = 2 * np.pi / DASHES
    starts = np.arange(DASHES)[:, None] * step + np.arange(LINES) * FILLED * step / LINES
    stops = starts + FILLED * step / LINES
    start = np.column_stack([np.sin(starts.ravel()), np.cos(starts.ravel())])
    way = np.column_stack([np.sin(stops.ravel()), np.cos(stops.ravel())]) - start
    rings = []
    for wider in (0.75 * width, 0.0):
        r = np.broadcast_to(radius + wider, len(centres))[:, None, None]
        begin = (centres[:, None] + r * start).reshape(-1, 2)
        rings.append(np.stack([begin, (r * way).reshape(-1, 2)], axis=1))
    number = len(rings[0])
    return np.concatenate(rings), np.arange(2 * number) >= number
