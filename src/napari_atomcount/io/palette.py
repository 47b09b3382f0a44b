"""The colours of counts, occupancies and events: the same on screen, in figures and in movies.

The even maps are Crameri's (doi 10.1038/s41467-020-19160-7), read from cmcrameri's own tables: importing the
package would import matplotlib, which opening a dock must not. The event colours are Okabe and Ito's, which
colour-blind people tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

COUNT_MAP = "batlow"
OCCUPANCY_MAP = "lipari"
CONFIDENCE_MAP = "lajolla"

EVENT_COLOURS: dict[str, str] = {
    "appear": "#56B4E9",
    "vanish": "#E69F00",
    "gain": "#009E73",
    "lose": "#CC79A7",
}
# Shapes back the colours up: up where something arrives, down where it leaves (matplotlib's names).
EVENT_MARKERS: dict[str, str] = {"appear": "^", "vanish": "v", "gain": "P", "lose": "X"}
# napari's names of the same shapes
EVENT_SYMBOLS: dict[str, str] = {
    "appear": "triangle_up",
    "vanish": "triangle_down",
    "gain": "cross",
    "lose": "x",
}

# Classes of columns in the model's order (matplotlib's names, then napari's). The first is a disc; the others
# are smaller, because an oxygen column stands closer to its cerium column than a disc is wide.
CLASS_MARKERS = ("o", "D", "s", "^", "v")
CLASS_SYMBOLS = ("disc", "diamond", "square", "triangle_up", "triangle_down")
OTHER_CLASS_SIZE = 0.68  # of the first one's

UNCOUNTED_COLOUR = "#4FC3F7"  # columns of a model that does not count
UNOBSERVED_COLOUR = "#9E9E9E"

# batlow's darkest tenth can't be told from the dark of an image
_COUNT_START = 0.12


@cache
def colour_table(name: str) -> NDArray[np.float64]:
    """An even colour map of Crameri's.

    Parameters
    ----------
    name
        For instance ``"batlow"``.

    Returns
    -------
    ndarray
        (256, 3) red, green, blue in 0..1, low values first. Read-only.

    Raises
    ------
    FileNotFoundError
        When cmcrameri has no such map.
    """
    spec = find_spec("cmcrameri")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("cmcrameri is not installed: install napari-atomcount again")
    table: NDArray[np.float64] = np.loadtxt(Path(spec.origin).parent / "cmaps" / f"{name}.txt")
    table.flags.writeable = False
    return table


def map_colours(values: NDArray[np.floating] | NDArray[np.integer], name: str) -> NDArray[np.float64]:
    """Colours of values in 0..1 (clipped; NaN is UNOBSERVED_COLOUR).

    Parameters
    ----------
    values
        (N,) numbers in 0..1.
    name
        A map of :func:`colour_table`.

    Returns
    -------
    ndarray
        (N, 4) red, green, blue, alpha in 0..1.
    """
    numbers = np.asarray(values, float)
    table = colour_table(name)
    missing = np.isnan(numbers)
    index = np.clip(np.round(np.where(missing, 0.0, numbers) * (len(table) - 1)), 0, len(table) - 1)
    colours = np.ones((*numbers.shape, 4))
    colours[..., :3] = table[index.astype(int)]
    colours[missing, :3] = hex_to_rgb(UNOBSERVED_COLOUR)
    return colours


def count_colours(max_count: int) -> NDArray[np.float64]:
    """The discrete colours of the counts 1..max_count.

    Parameters
    ----------
    max_count
        The largest count that gets its own colour.

    Returns
    -------
    ndarray
        (max_count, 4) red, green, blue, alpha in 0..1; row ``n - 1`` is the colour of ``n`` atoms.
    """
    if max_count < 1:
        raise ValueError("max_count must be at least 1")
    return map_colours(np.linspace(_COUNT_START, 1.0, max_count), COUNT_MAP)


def class_numbers(labels: Sequence[str] | pd.Series[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Place of each column's class in the order of shapes.

    Parameters
    ----------
    labels
        N names of classes.
    classes
        Those of the model, in its order; names that are not among them look like the last shape.

    Returns
    -------
    ndarray
        (N,) indices into CLASS_MARKERS and CLASS_SYMBOLS.
    """
    last = len(CLASS_MARKERS) - 1
    number = {name: min(index, last) for index, name in enumerate(classes)}
    codes, names = pd.factorize(np.asarray(labels, dtype=object), use_na_sentinel=False)
    return np.array([number.get(name, last) for name in names], dtype=np.int64)[codes]


def class_sizes(numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """(N,) sizes of the marks of :func:`class_numbers`, in diameters of the first class' disc."""
    return np.where(numbers == 0, 1.0, OTHER_CLASS_SIZE)


def hex_to_rgb(colour: str) -> tuple[float, float, float]:
    """Red, green, blue in 0..1 of ``"#RRGGBB"``."""
    digits = colour.lstrip("#")
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue
