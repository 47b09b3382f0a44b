"""The schema of every table: names, types, units, ranges; `validate`, `empty` and `conform`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from napari_atomcount.records.errors import TableError
from napari_atomcount.records.packed import LISTS, packed

Kind = Literal["int64", "float64", "str", "list"]


@dataclass(frozen=True)
class Field:
    """One column of a table.

    Parameters
    ----------
    name : str
        As it stands in the header row.
    dtype : {"int64", "float64", "str", "list"}
        ``list`` holds a list of numbers in each row (`records.packed`); it goes into Parquet, not into CSV.
    unit : str
        Unit, empty for names and pure numbers.
    description : str
        What it says, and what stands for a missing value (NaN, -1).
    low, high : float, optional
        Smallest and largest allowed value; NaN passes.
    choices : tuple of str
        The allowed words; empty allows any.
    optional : bool
        A table may lack the column.
    complete : bool
        NaN is not allowed.
    """

    name: str
    dtype: Kind
    unit: str
    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False
    complete: bool = False


@dataclass(frozen=True)
class Schema:
    """The columns of one table, in order; `key` names those that together occur only once."""

    name: str
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the columns that every such table has, in order."""
        return [f.name for f in self.fields if not f.optional]


_FRAME = Field("frame", "int64", "", "index of the frame in the source, 0 first", low=0)
_SITE = Field("site_id", "int64", "", "the site; -1: none", low=-1)
_Y = Field("y", "float64", "px", "row, px of the file as read, pixel centres on integers", complete=True)
_X = Field("x", "float64", "px", "column, px of the file as read, pixel centres on integers", complete=True)
_Y_NM = Field("y_nm", "float64", "nm", "y times the pixel size; NaN where that is not known")
_X_NM = Field("x_nm", "float64", "nm", "x times the pixel size; NaN where that is not known")
_LABEL = Field("label", "str", "", "kind of column, a class of the model")
_REGION = Field("region_id", "int64", "", "the region, its value in the label image", low=1)

COLUMNS = Schema(
    "columns",
    (
        _FRAME,
        Field("column_id", "int64", "", "unique in the whole table", low=0),
        _SITE,
        _Y,
        _X,
        _Y_NM,
        _X_NM,
        Field("y_sigma", "float64", "px", "standard error of y; NaN: not known", low=0),
        Field("x_sigma", "float64", "px", "standard error of x; NaN: not known", low=0),
        Field("score", "float64", "", "probability that the column is there", low=0, high=1, complete=True),
        _LABEL,
        Field(
            "count", "int64", "atoms", "most probable number of atoms; -1: the model does not count", low=-1
        ),
        Field(
            "count_prob",
            "float64",
            "",
            "probability of that count, given the column; NaN: not counted",
            low=0,
            high=1,
        ),
        Field("count_low", "int64", "atoms", "lower end of the 95 % interval; -1: not counted", low=-1),
        Field("count_high", "int64", "atoms", "upper end of the 95 % interval; -1: not counted", low=-1),
        Field("origin", "str", "", "who says so", choices=("network", "corrected", "added")),
        Field("count_p", "list", "", "p(count = k | column), k = 1…N; None: not counted", optional=True),
    ),
    key=("column_id",),
)

SITES = Schema(
    "sites",
    (
        Field("site_id", "int64", "", "unique in the whole table", low=0),
        Field("y", "float64", "px", "row in frame 0, px of the file as read", complete=True),
        Field("x", "float64", "px", "column in frame 0, px of the file as read", complete=True),
        _Y_NM,
        _X_NM,
        Field("lattice_id", "int64", "", "the lattice it belongs to; -1: a free position", low=-1),
        Field("h", "int64", "", "index along the lattice's first vector; -1 where lattice_id is -1"),
        Field("k", "int64", "", "index along the lattice's second vector; -1 where lattice_id is -1"),
        Field(
            "coordination", "int64", "", "occupied nearest neighbours in projection; -1: not known", low=-1
        ),
        _LABEL,
        Field(
            "occupancy",
            "float64",
            "",
            "fraction of observed frames that are occupied; NaN: never observed",
            low=0,
            high=1,
        ),
        Field("occupancy_low", "float64", "", "lower end of its 95 % interval", low=0, high=1),
        Field("occupancy_high", "float64", "", "upper end of its 95 % interval", low=0, high=1),
        Field("n_events", "int64", "", "number of its events", low=0),
        Field(
            "event_rate_per_s",
            "float64",
            "1/s",
            "events per observed second; NaN: frame time not known",
            low=0,
        ),
        Field(
            "event_rate_low_per_s",
            "float64",
            "1/s",
            "lower end of the 95 % interval of the site's rate of change; NaN: not known",
            low=0,
            optional=True,
        ),
        Field("event_rate_high_per_s", "float64", "1/s", "upper end of that interval", low=0, optional=True),
        Field("mean_count", "float64", "atoms", "mean count while occupied; NaN: not counted", low=0),
    ),
    key=("site_id",),
)

EVENTS = Schema(
    "events",
    (
        Field("frame", "int64", "", "first observed frame in the new state", low=0),
        Field("time_s", "float64", "s", "start of that frame; NaN: frame time not known"),
        Field("site_id", "int64", "", "the site", low=0),
        Field("kind", "str", "", "what happened", choices=("appear", "vanish", "gain", "lose")),
        Field(
            "before",
            "int64",
            "atoms",
            "state before: 0 empty, n occupied (1 where the model does not count)",
            low=0,
        ),
        Field(
            "after",
            "int64",
            "atoms",
            "state after: 0 empty, n occupied (1 where the model does not count)",
            low=0,
        ),
        Field("probability", "float64", "", "posterior probability of the event", low=0, high=1),
    ),
)

DRIFT = Schema(
    "drift",
    (
        _FRAME,
        Field("dy", "float64", "px", "a site at (y, x) in frame 0 is at (y + dy, x + dx) in this frame"),
        Field("dx", "float64", "px", "see dy"),
        Field(
            "confidence", "float64", "", "how far the shift is to be trusted; NaN: not known", low=0, high=1
        ),
        Field(
            "rotation",
            "float64",
            "degrees",
            "turn about the pivot against frame 0, counter-clockwise on the screen",
            optional=True,
        ),
        Field("scale", "float64", "", "how far it is enlarged against frame 0", low=0, optional=True),
        Field("rotation_sigma", "float64", "degrees", "standard error; NaN: not known", low=0, optional=True),
        Field("scale_sigma", "float64", "", "standard error; NaN: not known", low=0, optional=True),
        Field("pivot_y", "float64", "px", "a site p of frame 0 is at c + A (p - c) + d", optional=True),
        Field("pivot_x", "float64", "px", "see pivot_y", optional=True),
        Field("aspect", "float64", "", "height of a pixel over its width", low=0, optional=True),
    ),
    key=("frame",),
)

REGIONS = Schema(
    "regions",
    (
        _FRAME,
        _REGION,
        _Y,
        _X,
        Field("area_nm2", "float64", "nm²", "projected area; NaN: pixel size not known", low=0),
        Field(
            "diameter_nm", "float64", "nm", "of the circle of the same area; NaN: pixel size not known", low=0
        ),
        Field("confidence", "float64", "", "mean probability of the region's class", low=0, high=1),
    ),
    key=("frame", "region_id"),
)

SHAPES = Schema(
    "shapes",
    (
        _FRAME,
        _REGION,
        _Y,
        _X,
        Field("shape", "str", "", "most probable shape; one column p_<shape> follows for each"),
        Field("probability", "float64", "", "probability of that shape", low=0, high=1),
    ),
    key=("frame", "region_id"),
)

_STRAINS = (
    ("exx", "strain along +x (columns)"),
    ("eyy", "strain along +y (rows)"),
    ("exy", "shear strain"),
    ("rotation", "counter-clockwise on the screen"),
    ("planar", "(exx + eyy) / 2"),
)
STRAIN = Schema(
    "strain",
    (
        Field("frame", "int64", "", "index of the frame; -1: the time average", low=-1),
        _SITE,
        _Y,
        _X,
        *(Field(n, "float64", "degrees" if n == "rotation" else "", d) for n, d in _STRAINS),
        *(
            Field(
                f"sigma_{n}", "float64", "degrees" if n == "rotation" else "", f"standard error of {n}", low=0
            )
            for n, _ in _STRAINS
        ),
        Field("rmsd", "float64", "", "misfit of the template, in units of the nearest distance", low=0),
        Field("n_matched", "int64", "", "neighbours that the template found", low=0),
        Field("template", "str", "", "name of the template"),
        Field("reference", "str", "", "what the strain is relative to"),
    ),
)

SCHEMAS = {s.name: s for s in (COLUMNS, SITES, EVENTS, DRIFT, REGIONS, SHAPES, STRAIN)}


def empty(schema: Schema) -> pd.DataFrame:
    """Return a table of no rows with the schema's columns and types."""
    return conform(pd.DataFrame({name: [] for name in schema.names}), schema)


def conform(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return a copy with the schema's columns first, in order and of the right types; others follow.

    Raises
    ------
    TableError
        If a column is missing or cannot be turned into its type; the text names it.
    """
    _require_columns(table, schema)
    fields = [f for f in schema.fields if f.name in table]
    parts = {f.name: _cast(table[f.name], f, schema) for f in fields}
    parts |= {str(name): table[name] for name in table.columns if name not in parts}
    return pd.DataFrame(parts, index=table.index, copy=False).reset_index(drop=True)


def validate(table: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Check names, types, ranges, words and keys; return the table itself.

    Raises
    ------
    TableError
        At the first thing that is wrong; the text names the table and the column.
    """
    _require_columns(table, schema)
    for field in schema.fields:
        if field.name in table:
            _check_type(table[field.name], field, schema)
            _check_values(table[field.name], field, schema)
    if schema.key:
        twice = table.duplicated(list(schema.key))
        if twice.any():
            row = table.loc[twice, list(schema.key)].iloc[0]
            what = ", ".join(f"{name} {row[name]}" for name in schema.key)
            raise TableError(
                f"The table '{schema.name}' has more than one row with {what}: each may occur once."
            )
    if schema is COLUMNS:
        _check_intervals(table)
    return table


def _require_columns(table: pd.DataFrame, schema: Schema) -> None:
    missing = [name for name in schema.names if name not in table]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        raise TableError(f"The table '{schema.name}' lacks {names}.")


def _cast(series: pd.Series[Any], field: Field, schema: Schema) -> pd.Series[Any]:
    try:
        if field.dtype == "list":
            return packed(series)
        if field.dtype in ("int64", "float64") and series.dtype == field.dtype:
            return series
        if field.dtype == "int64" and series.isna().any():
            raise ValueError("it has missing values, for which whole numbers use -1")
        if field.dtype == "int64" and len(series) and (series != series.astype("int64")).any():
            raise ValueError("it has values that are not whole numbers")
        if field.dtype == "str" and series.isna().any():
            raise ValueError("it has missing values")
        return series.astype(field.dtype)
    except (ValueError, TypeError) as err:
        raise TableError(
            f"The column '{field.name}' of the table '{schema.name}' is not {_WORDS[field.dtype]}: {err}."
        ) from err


_WORDS = {"int64": "whole numbers", "float64": "numbers", "str": "text", "list": "lists of numbers"}


def _check_type(series: pd.Series[Any], field: Field, schema: Schema) -> None:
    kind = series.dtype.kind if isinstance(series.dtype, np.dtype) else "O"
    right = {
        "int64": kind in "iu",
        "float64": kind == "f",
        "str": pd.api.types.is_string_dtype(series.dtype) or not len(series),
        "list": series.dtype in (LISTS, object),
    }
    if not right[field.dtype]:
        raise TableError(
            f"The column '{field.name}' of the table '{schema.name}' is {series.dtype}, not {field.dtype}."
        )


def _check_values(series: pd.Series[Any], field: Field, schema: Schema) -> None:
    where = f"The column '{field.name}' of the table '{schema.name}'"
    if field.choices:
        strange = set(series.unique()) - set(field.choices)
        if strange:
            raise TableError(f"{where} may hold {', '.join(field.choices)}, not '{min(map(str, strange))}'.")
    if field.dtype in ("int64", "float64") and len(series):
        values = series.to_numpy()
        if np.isinf(values).any():
            raise TableError(f"{where} holds an infinite value.")
        if field.complete and np.isnan(values).any():
            raise TableError(f"{where} holds NaN, but every row needs a value.")
        low = -np.inf if field.low is None else field.low
        high = np.inf if field.high is None else field.high
        bad = (values < low) | (values > high)  # NaN is neither
        if bad.any():
            raise TableError(f"{where} holds {values[bad][0]}, outside {low:g} to {high:g}.")


def _check_intervals(table: pd.DataFrame) -> None:
    counted = table[table["count"] >= 0]
    outside = (counted["count_low"] > counted["count"]) | (counted["count"] > counted["count_high"])
    if outside.any():
        column = counted.loc[outside, "column_id"].iloc[0]
        raise TableError(
            f"The column 'count' of the table 'columns' is outside its interval at column_id {column}."
        )
