"""The result of an analysis: its tables, the state of every site in every frame, and the summary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records import tables
from napari_atomcount.records.errors import TableError


@dataclass(frozen=True, eq=False)
class Analysis:
    """What an analysis found.

    Parameters
    ----------
    columns, sites, events, drift : DataFrame
        Tables that hold to the schemas of `records.tables`.
    state : ndarray of int8, shape (T, S)
        -1 not observed, 0 empty, n >= 1 occupied (the count, or 1 where the model does not count).
    probability : ndarray of float32, shape (T, S)
        Probability of being occupied; NaN where it is not known.
    site_id : ndarray of int64, shape (S,)
        Site of each column of `state`.
    frame : ndarray of int64, shape (T,)
        Frame (index in the source) of each row of `state`.
    intensity : ndarray of float32, shape (T, S), optional
        Of the image at each site, relative to the local beam level (I / level - 1); NaN where not observed.
        Only for models of several classes of columns.
    summary : dict
        versions, command, settings, calibration, model, domain check, warnings, totals, seconds per stage.
    """

    columns: pd.DataFrame
    sites: pd.DataFrame
    events: pd.DataFrame
    drift: pd.DataFrame
    state: npt.NDArray[np.int8]
    probability: npt.NDArray[np.float32]
    site_id: npt.NDArray[np.int64]
    frame: npt.NDArray[np.int64]
    summary: dict[str, Any]
    intensity: npt.NDArray[np.float32] | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Classes of columns in the model's order; by name where the summary does not say it."""
        said = self.summary.get("model", {}).get("classes")
        if said is None:
            said = sorted({*self.columns["label"].unique(), *self.sites["label"].unique()})
        return tuple(map(str, said))

    def site_name(self, site_id: int) -> str:
        """What a site is called in words: with its class where the model knows several."""
        if len(self.classes) < 2:
            return f"site {site_id}"
        label = self.sites.loc[self.sites["site_id"] == site_id, "label"].iloc[0]
        return f"{label} site {site_id}"

    def validate(self) -> Analysis:
        """Check every table, the shapes, and that the tables name the same sites; return the analysis itself.

        Raises
        ------
        TableError
            At the first thing that is wrong.
        """
        for schema in (tables.COLUMNS, tables.SITES, tables.EVENTS, tables.DRIFT):
            tables.validate(getattr(self, schema.name), schema)
        shape = (len(self.frame), len(self.site_id))
        for name in ("state", "probability", *(() if self.intensity is None else ("intensity",))):
            if getattr(self, name).shape != shape:
                raise TableError(
                    f"'{name}' has the shape {getattr(self, name).shape}, "
                    f"but there are {shape[0]} frames and {shape[1]} sites."
                )
        if self.state.dtype != np.int8:
            raise TableError(f"'state' must be int8, but it is {self.state.dtype}.")
        known = set(self.sites["site_id"])
        named = {
            "columns": set(self.columns.loc[self.columns["site_id"] >= 0, "site_id"]),
            "events": set(self.events["site_id"]),
            "the occupancy": {int(s) for s in self.site_id},
        }
        for where, sites in named.items():
            if sites - known:
                raise TableError(
                    f"{where} names site_id {min(sites - known)}, which the table 'sites' lacks."
                )
        return self
