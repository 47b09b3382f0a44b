"""What one model has said about one movie: frames as they finish, then the analysis. Plain data, no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.settings import DetectSettings

if TYPE_CHECKING:
    from napari_atomcount.pipeline import LogitStore


@dataclass
class Run:
    """The results of one model on one movie; the truth that the layers show.

    Parameters
    ----------
    movie_key
        Which movie, as the session model numbers them.
    card
        The model's card.
    detect
        Settings of the detection; other settings begin a new run.
    pixel_size_nm
        (y, x) at which the network looked at the movie; another one begins a new run.
    n_frames
        Frames of the movie, T.
    store
        The network's maps, on disk.
    """

    movie_key: int
    card: ModelCard
    detect: DetectSettings
    pixel_size_nm: tuple[float, float]
    n_frames: int
    store: LogitStore
    frames: dict[int, pd.DataFrame] = field(default_factory=dict)
    observed: dict[int, bool] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    analysis: Analysis | None = None
    analysis_is_stale: bool = False
    _next_id: int = 0
    _table: pd.DataFrame | None = None

    def add_frame(self, frame: int, columns: pd.DataFrame, observed: bool, warnings: tuple[str, ...]) -> None:
        """Take the columns of one frame, in place of what was there.

        Parameters
        ----------
        frame
            Index in the movie, 0 first.
        columns
            A COLUMNS table of that frame; its ``column_id`` is given anew, unique in the run.
        observed
            False for a blank frame.
        warnings
            Sentences; repeated ones are kept once.
        """
        numbered = columns.copy()
        numbered["column_id"] = np.arange(self._next_id, self._next_id + len(columns), dtype=np.int64)
        self._next_id += len(columns)
        self.frames[frame] = numbered
        self.observed[frame] = observed
        self.warnings += [text for text in warnings if text not in self.warnings]
        self._table = None
        self.analysis_is_stale = self.analysis is not None

    @property
    def analysis_warnings(self) -> list[str]:
        """What following the columns has to say, beyond what is said of the model and of single frames."""
        if self.analysis is None:
            return []
        summary = self.analysis.summary
        elsewhere = {*self.warnings, *summary.get("domain", {}).get("warnings", [])}
        return [text for text in summary.get("warnings", []) if text not in elsewhere]

    @property
    def missing(self) -> list[int]:
        """Frames that were not run yet."""
        return [frame for frame in range(self.n_frames) if frame not in self.frames]

    @property
    def columns(self) -> pd.DataFrame:
        """All columns so far, by frame; with their sites once the analysis knows them."""
        if self.analysis is not None and not self.analysis_is_stale:
            return self.analysis.columns
        return self.detected

    @property
    def detected(self) -> pd.DataFrame:
        """All columns as the network said, by frame, without sites."""
        if self._table is None:
            parts = [self.frames[frame] for frame in sorted(self.frames) if len(self.frames[frame])]
            self._table = pd.concat(parts, ignore_index=True) if parts else tables.empty(tables.COLUMNS)
        return self._table

    def frame_columns(self, frame: int) -> pd.DataFrame:
        """Columns of one frame, COLUMNS; empty where the frame was not run."""
        return self.frames.get(frame, tables.empty(tables.COLUMNS))

    def max_count(self) -> int | None:
        """The largest count found (at least 2): colours use their whole range; None: not counted."""
        if not self.card.counts:
            return None
        highest = [int(table["count"].max()) for table in self.frames.values() if len(table)]
        return max([2, *highest])
