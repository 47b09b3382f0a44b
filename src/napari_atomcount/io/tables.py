"""Write and read an analysis: tables as CSV and Parquet, occupancy.npz and summary.json, each file whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from napari_atomcount.io.atomic import whole_file
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.errors import InputError, TableError
from napari_atomcount.records.packed import LISTS
from napari_atomcount.records.tables import Schema

TABLES = (tables.COLUMNS, tables.SITES, tables.EVENTS, tables.DRIFT)
SUMMARY_KEYS = ("versions", "command", "settings", "calibration", "model", "warnings")
OCCUPANCY = "occupancy.npz"
SUMMARY = "summary.json"

_ARROW = {"int64": pa.int64(), "float64": pa.float64(), "str": pa.string(), "list": LISTS.pyarrow_dtype}


def write_analysis(analysis: Analysis, out: Path) -> None:
    """Write all files of an analysis into a folder; summary.json comes last and tells that the rest is there.

    Parameters
    ----------
    analysis : Analysis
        Checked before anything is written.
    out : Path
        The folder, made if it is missing; files of an earlier analysis are replaced.

    Raises
    ------
    TableError
        If a table breaks its schema or the summary lacks a key.
    InputError
        If the folder cannot be written.
    """
    analysis.validate()
    lacking = [key for key in SUMMARY_KEYS if key not in analysis.summary]
    if lacking:
        raise TableError(f"The summary lacks {', '.join(lacking)}.")
    out = Path(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / SUMMARY).unlink(missing_ok=True)  # until all is written, nothing claims to be complete
        for schema in TABLES:
            write_table(getattr(analysis, schema.name), schema, out)
        more: dict[str, Any] = {} if analysis.intensity is None else {"intensity": analysis.intensity}
        with whole_file(out / OCCUPANCY) as partial, partial.open("wb") as file:
            np.savez_compressed(
                file,
                state=analysis.state.astype(np.int8),
                probability=analysis.probability.astype(np.float32),
                site_id=analysis.site_id.astype(np.int64),
                frame=analysis.frame.astype(np.int64),
                **more,
            )
        write_json(analysis.summary, out / SUMMARY)
    except OSError as err:
        raise InputError(
            f"The folder {out} cannot be written ({err.strerror or err}): choose another."
        ) from err


def read_analysis(out: Path) -> Analysis:
    """Read what `write_analysis` wrote.

    Raises
    ------
    InputError
        If the folder holds no complete analysis, or a file of it is damaged.
    """
    out = Path(out)
    summary = read_json(out / SUMMARY)
    columns, sites, events, drift = (read_table(out, schema) for schema in TABLES)
    try:
        with np.load(out / OCCUPANCY, allow_pickle=False) as file:
            state, probability, site_id, frame = (
                file[name] for name in ("state", "probability", "site_id", "frame")
            )
            intensity = file["intensity"] if "intensity" in file else None
    except (OSError, ValueError, KeyError, EOFError) as err:
        raise InputError(f"{out / OCCUPANCY} cannot be read: analyse the movie again.") from err
    found = Analysis(columns, sites, events, drift, state, probability, site_id, frame, summary, intensity)
    return found.validate()


def write_table(table: pd.DataFrame, schema: Schema, out: Path) -> None:
    """Write ``<name>.parquet`` and ``<name>.csv``; lists go into Parquet only, units into its metadata.

    Raises
    ------
    TableError
        If the table breaks its schema.
    """
    table = tables.validate(tables.conform(table, schema), schema)
    write_parquet(table, schema, out / f"{schema.name}.parquet")
    flat = table.drop(columns=[f.name for f in schema.fields if f.dtype == "list" and f.name in table])
    with whole_file(out / f"{schema.name}.csv") as partial:
        flat.to_csv(partial, index=False, na_rep="NaN", encoding="utf-8", lineterminator="\n")


def write_parquet(table: pd.DataFrame, schema: Schema, path: Path) -> None:
    """Write a table that holds to its schema as one Parquet file, units and descriptions included."""
    with whole_file(path) as partial:
        pq.write_table(_to_arrow(table, schema), partial)


def read_parquet(path: Path, schema: Schema) -> pd.DataFrame:
    """Read a Parquet file and check it.

    Raises
    ------
    InputError
        If it cannot be read.
    TableError
        If it breaks its schema.
    """
    try:
        table = _read(path)
    except (OSError, ValueError, pa.ArrowException) as err:
        raise InputError(f"{path} cannot be read: it is missing or damaged.") from err
    return tables.validate(tables.conform(table, schema), schema)


def read_table(out: Path, schema: Schema) -> pd.DataFrame:
    """Read a table from its Parquet file, or from the CSV where that is all there is, and check it.

    Raises
    ------
    InputError
        If neither is there or can be read.
    TableError
        If it breaks its schema.
    """
    parquet, csv = out / f"{schema.name}.parquet", out / f"{schema.name}.csv"
    try:
        table = _read(parquet) if parquet.exists() else pd.read_csv(csv)
    except FileNotFoundError as err:
        raise InputError(f"{out} holds no {schema.name}.csv: give a folder that 'analyze' wrote.") from err
    except (OSError, ValueError, pa.ArrowException) as err:
        raise InputError(f"{parquet if parquet.exists() else csv} cannot be read: it is damaged.") from err
    return tables.validate(tables.conform(table, schema), schema)


def _read(path: Path) -> pd.DataFrame:
    """A Parquet file's table; lists stay packed."""
    table: pd.DataFrame = pq.read_table(path).to_pandas(
        types_mapper=lambda kind: LISTS if pa.types.is_list(kind) else None
    )
    return table


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a JSON file; numpy values, paths, models and dates become plain ones, NaN becomes null."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    with whole_file(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises
    ------
    InputError
        If the file is missing or is no JSON object.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as err:
        raise InputError(
            f"{path.parent} holds no {path.name}: give a folder that 'analyze' finished."
        ) from err
    except (OSError, ValueError) as err:
        raise InputError(f"{path} cannot be read: it is damaged.") from err
    if not isinstance(value, dict):
        raise InputError(f"{path} cannot be read: it holds no JSON object.")
    return value


def _to_arrow(table: pd.DataFrame, schema: Schema) -> pa.Table:
    """Arrow table with the schema's types, even where a column is empty, and its units and descriptions."""
    known = {f.name: f for f in schema.fields}
    columns, fields = [], []
    for name in table.columns:
        field = known.get(name)
        array = pa.array(table[name], _ARROW[field.dtype] if field else None, from_pandas=not field)
        about = {"unit": field.unit, "description": field.description} if field else None
        columns.append(array)
        fields.append(pa.field(str(name), array.type, metadata=about))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, metadata={"table": schema.name}))


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows."""
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    return value
