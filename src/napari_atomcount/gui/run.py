"""What one model has said about one movie: frames as they finish, then the analysis. Plain data, no Qt."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.replay import CorrectedColumns
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

if TYPE_CHECKING:
    from napari_atomcount.pipeline import Followed, LogitStore


@dataclass(frozen=True)
class Basis:
    """What the columns of a frame depend on beside the movie and the model."""

    detect: dict[str, Any]
    roi: tuple[int, int, int, int] | None
    mask: str | None
    hot_sigma: float | None
    bad_frames: tuple[int, ...]
    dark_level: float

    def as_json(self) -> dict[str, Any]:
        """Plain values: the settings of the detection, and the rest beside them."""
        return {
            **self.detect,
            "roi": None if self.roi is None else list(self.roi),
            "mask": self.mask,
            "hot_sigma": self.hot_sigma,
            "bad_frames": list(self.bad_frames),
            "dark_level": self.dark_level,
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Basis:
        """What `as_json` made; what a run of another door does not say is its default."""
        known = DetectSettings.model_fields
        detect = DetectSettings(**{name: value for name, value in values.items() if name in known})
        roi = values.get("roi")
        return cls(
            detect.model_dump(mode="json"),
            None if roi is None else (roi[0], roi[1], roi[2], roi[3]),
            values.get("mask"),
            values.get("hot_sigma"),
            tuple(values.get("bad_frames", ())),
            values.get("dark_level", 0.0),
        )


def basis_of(settings: AnalysisSettings, preparation: Preparation) -> Basis:
    """The basis of columns that are found now."""
    return Basis(
        settings.detect.model_dump(mode="json"),
        settings.roi,
        None if settings.mask is None else str(settings.mask),
        preparation.hot_sigma if preparation.hot_pixels else None,
        preparation.bad_frames,
        preparation.dark_level,
    )


@dataclass
class Run:
    """The results of one model on one movie; the truth that the layers show.

    Parameters
    ----------
    movie_key
        Which movie, as the session model numbers them.
    card
        The model's card.
    basis
        What its frames were made with (`basis_of`); another one begins a new run.
    pixel_size_nm
        (y, x) at which the network looked at the movie; another one begins a new run.
    n_frames
        Frames of the movie, T.
    store
        The network's maps, on disk.
    """

    movie_key: int
    card: ModelCard
    basis: Basis
    pixel_size_nm: tuple[float, float]
    n_frames: int
    store: LogitStore
    frames: dict[int, pd.DataFrame] = field(default_factory=dict)
    observed: dict[int, bool] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    analysis: Analysis | None = None
    analysis_is_stale: bool = False
    followed: Followed | None = None  # of the analysis, where it was made in this window
    number: int = 0  # of the session's run; 0: not kept yet
    corrected: CorrectedColumns | None = None
    _kept: frozenset[int] = frozenset()
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
        self.analysis_is_stale, self.followed = self.analysis is not None, None

    def add_kept_frame(self, frame: int, columns: pd.DataFrame | None, observed: bool) -> None:
        """Take a frame of a run that was kept, with the numbers that its columns have; None: it has none."""
        self.frames[frame] = (
            tables.empty(tables.COLUMNS) if columns is None else columns.reset_index(drop=True)
        )
        self.observed[frame] = observed
        if columns is not None and len(columns):
            self._next_id = max(self._next_id, int(columns["column_id"].max()) + 1)
        self._table = None

    def take_corrected(self, corrected: CorrectedColumns | None) -> None:
        """Take up the columns with a person's edits, as the session has them; None: it has none."""
        self.corrected = corrected
        self._kept = frozenset(self.frames) if corrected is not None else frozenset()

    def snapshot(self) -> Run:
        """The run as it is now: frames that are added later do not join it."""
        return replace(
            self,
            frames=dict(self.frames),
            observed=dict(self.observed),
            warnings=list(self.warnings),
            store=self.store.restricted(self.frames),
        )

    @property
    def can_follow(self) -> bool:
        """Whether the network's maps of all frames are there, by which columns are followed."""
        return set(self.store.frames.tolist()) >= set(self.frames)

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
        return [frame for frame in self.wanted if frame not in self.frames]

    @property
    def wanted(self) -> list[int]:
        """Frames of a whole run: all of the movie, or the first images of all its focal series."""
        return list(range(0, self.n_frames - self.card.images + 1, self.card.images))

    @property
    def columns(self) -> pd.DataFrame:
        """All columns so far with the edits, by frame; with their sites once the analysis knows them."""
        if self.analysis is not None and not self.analysis_is_stale:
            return self.analysis.columns
        table = self.table
        if self.analysis is None or not len(table):
            return table
        known = self.analysis.columns
        site = pd.Series(known["site_id"].to_numpy(), index=known["column_id"].to_numpy())
        return table.assign(site_id=site.reindex(table["column_id"]).fillna(-1).to_numpy(np.int64))

    @property
    def table(self) -> pd.DataFrame:
        """All columns so far with the edits, by frame, without sites."""
        if self.corrected is None:
            return self.detected
        new = [self.frames[t] for t in sorted(self.frames) if t not in self._kept and len(self.frames[t])]
        if not new:
            return self.corrected.table
        whole = pd.concat([self.corrected.table, *new], ignore_index=True)
        return whole.sort_values("frame", kind="stable", ignore_index=True)

    @property
    def detected(self) -> pd.DataFrame:
        """All columns as the network said, by frame, without sites."""
        if self._table is None:
            parts = [self.frames[frame] for frame in sorted(self.frames) if len(self.frames[frame])]
            self._table = pd.concat(parts, ignore_index=True) if parts else tables.empty(tables.COLUMNS)
        return self._table

    def frame_columns(self, frame: int) -> pd.DataFrame:
        """Columns of one frame with the edits, COLUMNS; empty where the frame was not run."""
        if self.corrected is not None and frame in self._kept:
            return self.corrected.frame_columns(frame)
        return self.frames.get(frame, tables.empty(tables.COLUMNS))

    def max_count(self) -> int | None:
        """The largest count found (at least 2): colours use their whole range; None: not counted."""
        if not self.card.counts:
            return None
        table = self.table
        return max(2, int(table["count"].max())) if len(table) else 2
