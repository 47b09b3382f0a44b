"""Tables into Points layers: columns coloured by count, sites by occupancy, events by kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_atomcount.io import palette
from napari_atomcount.records.analysis import Analysis

DISC_NM = 0.15  # diameter of a column's disc
SELECTED_COLOUR = "#ff5470"
SHAPED = "atomcount_shaped"  # in a layer's metadata: its points have the shapes of classes
_RIM, _HOLLOW = 0.06, 0.22  # border widths, in units of the size


def set_points(layer, position: NDArray, features: pd.DataFrame, face: NDArray, **look) -> None:
    """Replace a layer's points; what the user set on the layer itself (size, opacity, name) stays.

    Parameters
    ----------
    layer
        A Points layer.
    position
        (N, D) in data coordinates.
    features
        N rows; whole numbers as floats, because napari makes a categorical cycle of few integers.
    face
        (N, 4) colours.
    **look
        Per-point properties: ``border_color`` (N, 4), ``border_width`` (N,), ``size`` (N,), ``symbol`` (N,).
    """
    layer.selected_data = set()
    with layer.events.data.blocker():
        layer.data = position
    layer.features = features
    if not layer.visible:
        layer.set_view_slice()  # napari leaves it out; what draws the colours would look for the old points
    if len(position):
        layer.face_color = face
        for name, value in look.items():
            setattr(layer, name, value)
    layer.editable = False  # setting data made it editable again
    layer.refresh()


def fill_columns(
    layer, columns: pd.DataFrame | None, max_count: int | None, classes: Sequence[str] = ()
) -> None:
    """Columns (frame, y, x), coloured by count, in the shape of their class; a person's own ones are hollow.

    Parameters
    ----------
    layer
        The Points layer.
    columns
        COLUMNS; None empties the layer.
    max_count
        The upper end of the colours; None: the model does not count.
    classes
        Of the model, in its order.
    """
    if columns is None or len(columns) == 0:
        set_points(layer, np.zeros((0, 3)), pd.DataFrame(), np.zeros((0, 4)))
        return
    count = columns["count"].to_numpy(float)
    face = count_faces(count, max_count)
    border = np.zeros((len(columns), 4))
    border[:, 3] = 1.0
    width = np.full(len(columns), _RIM)
    edited = (columns["origin"] != "network").to_numpy()
    border[edited], face[edited, 3] = face[edited], 0.0
    width[edited] = _HOLLOW
    features = (
        columns[["column_id", "site_id", "score", "count", "count_prob"]].astype(float).reset_index(drop=True)
    )
    set_points(
        layer,
        columns[["frame", "y", "x"]].to_numpy(float),
        features,
        face,
        border_color=border,
        border_width=width,
        **class_look(layer, columns["label"], classes),
    )


def class_look(layer, labels: pd.Series, classes: Sequence[str]) -> dict[str, Any]:
    """Symbols and sizes by class; where the model has one class, what the user set holds."""
    shaped, layer.metadata[SHAPED] = layer.metadata.get(SHAPED, False), len(classes) > 1
    if len(classes) < 2:  # the shapes of another model's classes go
        return {"symbol": "disc", "size": layer.current_size} if shaped else {}
    symbols = np.array(palette.CLASS_SYMBOLS)[palette.class_numbers(labels, classes)]
    return {"symbol": symbols, "size": layer.current_size * sizes_of(labels, classes)}


def sizes_of(labels: pd.Series, classes: Sequence[str]) -> NDArray[np.float64]:
    """(N,) sizes of columns' marks in diameters of a disc, by their class."""
    if len(classes) < 2:
        return np.ones(len(labels))
    return palette.class_sizes(palette.class_numbers(labels, classes))


def count_faces(count: NDArray[np.float64], max_count: int | None) -> NDArray[np.float64]:
    """(N, 4) colours of counts; one colour where there is no count (-1, or a model that does not count)."""
    faces = np.ones((len(count), 4))
    faces[:, :3] = palette.hex_to_rgb(palette.UNCOUNTED_COLOUR)
    if max_count is not None:
        counted = count >= 1
        index = np.clip(count[counted].astype(int), 1, max_count) - 1
        faces[counted] = palette.count_colours(max_count)[index]
    return faces


def fill_occupancy(layer, analysis: Analysis | None) -> None:
    """Sites on the mean lattice (y, x in frame 0), coloured by occupancy, in the shape of their class."""
    if analysis is None or len(analysis.sites) == 0:
        set_points(layer, np.zeros((0, 2)), pd.DataFrame(), np.zeros((0, 4)))
        return
    sites = analysis.sites
    names = ["site_id", "occupancy", "occupancy_low", "occupancy_high", "n_events", "coordination"]
    set_points(
        layer,
        sites[["y", "x"]].to_numpy(float),
        sites[names].astype(float).reset_index(drop=True),
        palette.map_colours(sites["occupancy"].to_numpy(float), palette.OCCUPANCY_MAP),
        border_color=np.tile([0.0, 0.0, 0.0, 1.0], (len(sites), 1)),
        **class_look(layer, sites["label"], analysis.classes),
    )


def fill_events(layer, analysis: Analysis | None, size: float) -> None:
    """Sites (y, x in frame 0) with events: one mark for each kind, larger where there are more.

    Parameters
    ----------
    layer
        The Points layer.
    analysis
        Its sites and events; None empties the layer.
    size
        Size of the mark of a single event, px.
    """
    if analysis is None or len(analysis.events) == 0:
        set_points(layer, np.zeros((0, 2)), pd.DataFrame(), np.zeros((0, 4)))
        return
    number = analysis.events.groupby(["site_id", "kind"], as_index=False).size()
    marks = number.merge(analysis.sites[["site_id", "y", "x"]], on="site_id", how="left")
    colours = {kind: (*palette.hex_to_rgb(colour), 1.0) for kind, colour in palette.EVENT_COLOURS.items()}
    sizes = size * np.minimum(1.0 + 0.35 * np.log2(marks["size"].to_numpy(float)), 2.2)
    # up and down, so that both kinds of one site can be seen
    shift = np.where(marks["kind"].isin(("appear", "gain")), -0.4, 0.4) * sizes
    set_points(
        layer,
        np.column_stack([marks["y"] + shift, marks["x"]]),
        marks[["site_id", "kind"]].astype({"site_id": float}).assign(number=marks["size"].astype(float)),
        np.array([colours[kind] for kind in marks["kind"]]),
        size=sizes,
        symbol=np.array([palette.EVENT_SYMBOLS[kind] for kind in marks["kind"]]),
    )


def mark_events_of_frame(layer, analysis: Analysis, frame: int) -> None:
    """Give the events of one frame a thick white rim, all others a thin black one."""
    if len(layer.data) == 0:
        return
    now = analysis.events[analysis.events["frame"] == frame]
    keys = set(zip(now["site_id"].astype(int), now["kind"], strict=True))
    shown = zip(layer.features["site_id"].astype(int), layer.features["kind"], strict=True)
    here = np.array([key in keys for key in shown])
    border = np.tile([0.0, 0.0, 0.0, 1.0], (len(here), 1))
    border[here] = 1.0
    layer.border_color = border
    layer.border_width = np.where(here, 0.2, 0.08)


def fill_selected(layer, analysis: Analysis | None, site: int) -> None:
    """A ring around one site (y, x in frame 0)."""
    position = np.zeros((0, 2))
    if analysis is not None and site >= 0:
        rows = analysis.sites[analysis.sites["site_id"] == site]
        position = rows[["y", "x"]].to_numpy(float)
    layer.data = position
    if len(position) and analysis is not None:
        layer.size = layer.current_size * sizes_of(rows["label"], analysis.classes)
    layer.editable = False
