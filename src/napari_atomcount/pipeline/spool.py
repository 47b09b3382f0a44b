"""Rows of many frames, kept so that memory neither grows with the frames nor falls to pieces.

What a frame leaves behind is small, but allocated between the large arrays of one frame and those of the
next: a thousand frames of it hold a heap of a gigabyte open. So columns wait in a temporary file, and what
is needed in memory lies in one array.
"""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from napari_atomcount.records import tables
from napari_atomcount.records.packed import LISTS
from napari_atomcount.records.tables import Schema

Doubles = npt.NDArray[np.float64]

ROWS_AT_ONCE = 16_384


class TableSpool:
    """A table that comes in parts, in a temporary Parquet file until all of them are there.

    Parameters
    ----------
    schema : Schema
        What the parts hold to; the first one that is not empty says which optional columns there are.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._waiting: list[pd.DataFrame] = []
        self._rows = 0
        self._file: IO[bytes] | None = None
        self._writer: pq.ParquetWriter | None = None

    def add(self, part: pd.DataFrame) -> None:
        """Append rows."""
        if not len(part):
            return
        self._waiting.append(part)
        self._rows += len(part)
        if self._rows >= ROWS_AT_ONCE:
            self._write()

    def table(self) -> pd.DataFrame:
        """All rows in the order they came; the file is given back, and nothing can be added afterwards."""
        if self._writer is None or self._file is None:
            return pd.concat(self._waiting, ignore_index=True) if self._waiting else tables.empty(self.schema)
        if self._waiting:
            self._write()
        self._writer.close()
        self._file.seek(0)
        with self._file, pq.ParquetFile(self._file) as file:
            # one column at a time: the table is never there twice
            parts = {name: _column(file, name) for name in file.schema_arrow.names}
        return pd.DataFrame(parts, copy=False)

    def close(self) -> None:
        """Give the file back without reading it."""
        if self._writer is not None and self._file is not None:
            self._writer.close()
            self._file.close()

    def _write(self) -> None:
        """Move what waits into the file."""
        part = pd.concat(self._waiting, ignore_index=True)
        self._waiting, self._rows = [], 0
        if self._writer is None:
            kept = pa.Table.from_pandas(part, preserve_index=False)
            words = [f.name for f in self.schema.fields if f.dtype == "str"]
            self._file = tempfile.TemporaryFile(prefix="atomcount-columns-")
            self._writer = pq.ParquetWriter(
                self._file, kept.schema, compression="none", use_dictionary=words, write_statistics=False
            )
        else:
            kept = pa.Table.from_pandas(part, schema=self._writer.schema, preserve_index=False)
        self._writer.write_table(kept)


def _column(file: pq.ParquetFile, name: str) -> pd.Series:
    """One column of a file, in one piece."""
    column = file.read(columns=[name]).column(0).combine_chunks()
    series: pd.Series = column.to_pandas(types_mapper=lambda kind: LISTS if pa.types.is_list(kind) else None)
    return series


class Rows:
    """Numbers in rows of one width, appended to a single array that doubles when it is full.

    Parameters
    ----------
    width : int
        Numbers in a row.
    """

    def __init__(self, width: int) -> None:
        self._all: Doubles = np.empty((1024, width))
        self._n = 0

    def add(self, rows: Doubles) -> slice:
        """Append rows (n, width); where they lie now."""
        place = slice(self._n, self._n + len(rows))
        if place.stop > len(self._all):
            larger = np.empty((max(2 * len(self._all), place.stop), self._all.shape[1]))
            larger[: self._n] = self._all[: self._n]
            self._all = larger
        self._all[place] = rows
        self._n = place.stop
        return place

    def __getitem__(self, place: slice) -> Doubles:
        return self._all[place]
