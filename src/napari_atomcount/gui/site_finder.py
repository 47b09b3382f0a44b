"""Which column or site was clicked: the nearest within reach, in px of the movie."""

from __future__ import annotations

import numpy as np
import pandas as pd

REACH_NM = 0.15


def nearest(table: pd.DataFrame, y: float, x: float, pixel_size_nm: tuple[float, float]) -> int | None:
    """Row number of the position nearest to (y, x) px, or None when none lies within REACH_NM."""
    if len(table) == 0:
        return None
    dy = (table["y"].to_numpy(float) - y) * pixel_size_nm[0]
    dx = (table["x"].to_numpy(float) - x) * pixel_size_nm[1]
    distance = np.hypot(dy, dx)
    row = int(distance.argmin())
    return row if distance[row] <= REACH_NM else None


def column_words(column: pd.Series) -> str:
    """A column of one frame in words."""
    words = [f"column {int(column['column_id'])}", f"score {column['score']:.3f}"]
    if column["count"] >= 1:
        low, high = int(column["count_low"]), int(column["count_high"])
        number = int(column["count"])
        words.append(f"{number} atom{'' if number == 1 else 's'} (95 %: {low}–{high})")
    words.append(f"y {column['y']:.1f}, x {column['x']:.1f} px")
    return " · ".join(words)
