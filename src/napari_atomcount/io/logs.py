"""Logs of temperature, gas or bias beside a movie: plain CSV and Protochips', aligned by time."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from napari_atomcount.records.errors import InputError

Doubles = npt.NDArray[np.float64]

NAMED_UNIT = re.compile(r"^(?P<name>.*?)\s*[(\[](?P<unit>[^)\]]*)[)\]]\s*$")
UNITS_OF = {  # how Protochips' notes call the quantities of its columns
    "temperature": "Temperature units",
    "pressure": "Pressure units",
    "current": "Current units",
    "voltage": "Voltage units",
    "resistance": "Resistance units",
}
SHORT = {
    "Degrees C": "°C", "Torr": "Torr", "Amps": "A", "Volts": "V", "Ohms": "Ω", "Milliseconds": "ms",
    "Seconds": "s",
}  # fmt: skip
SECONDS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, eq=False)
class Log:
    """Quantities against time.

    Parameters
    ----------
    name : str
        Of the file.
    time_s : ndarray, shape (n,)
        Increasing; 0 is where the log begins, or, once aligned, the movie's frame 0.
    values : dict of str to ndarray (n,)
        Of each quantity; NaN where it was not measured.
    units : dict of str to str
        Of each quantity; empty: not said.
    begun : datetime, optional
        Clock time of the log's first row.
    notes : tuple of (float, str)
        Remarks at times.
    """

    name: str
    time_s: Doubles
    values: dict[str, Doubles]
    units: dict[str, str]
    begun: datetime | None = None
    notes: tuple[tuple[float, str], ...] = ()

    def label(self, quantity: str) -> str:
        """Quantity with its unit."""
        unit = self.units.get(quantity, "")
        return f"{quantity} ({unit})" if unit else quantity

    def aligned(self, start: str | float | None) -> Log:
        """The log with time 0 at the movie's first frame.

        Parameters
        ----------
        start : str, float or None
            When the movie began: seconds on the log's own clock, or a date and time (ISO 8601) where the log
            knows its own; None: with the log.

        Raises
        ------
        InputError
            If it is neither, or the log does not know the time of day.
        """
        moved = _start_seconds(self, start)
        notes = tuple((t - moved, text) for t, text in self.notes)
        return replace(self, time_s=self.time_s - moved, notes=notes)

    def at(self, time_s: Doubles, quantity: str) -> Doubles:
        """Value of a quantity at times, linear between rows; NaN outside the log."""
        known = np.isfinite(self.values[quantity])
        if not known.any():
            return np.full(np.shape(time_s), np.nan)
        found = np.interp(time_s, self.time_s[known], self.values[quantity][known], left=np.nan, right=np.nan)
        return np.asarray(found, dtype=np.float64)

    @property
    def drawn(self) -> list[str]:
        """Quantities worth a curve: those that change, or all where none does."""
        moving = [q for q, v in self.values.items() if np.isfinite(v).any() and np.nanmax(v) > np.nanmin(v)]
        return moving or [q for q, v in self.values.items() if np.isfinite(v).any()]


def read_log(path: Path) -> Log:
    """Read a log.

    Parameters
    ----------
    path : Path
        A CSV file with a header row: one column of times (named time…, in s unless its name says ms, min or
        h; or dates and times), the others numbers, their units in brackets behind their names. Or Protochips'
        CSV of heating, biasing and gas holders, whose notes hold the units and the time of day.

    Raises
    ------
    InputError
        If it cannot be read or has no times or no numbers; the sentence says what was looked for.
    """
    try:
        table = pd.read_csv(path, skipinitialspace=True, sep=None, engine="python", comment="#")
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise InputError(f"{path} cannot be read as a log in CSV: {error}") from error
    table.columns = pd.Index([str(name).strip() for name in table.columns])
    times = [name for name in table.columns if re.match(r"(?i)(date)?.?time|seconds$|t$", name)]
    if not times:
        raise InputError(
            f"{path} has no column of times: one of its columns must be called time, time (ms) or the like; "
            f"it has {', '.join(table.columns[:8])}."
        )
    notes = table["Notes"].fillna("").astype(str) if "Notes" in table else pd.Series("", index=table.index)
    said = dict(re.split(r"\s*=\s*", text, maxsplit=1) for text in notes if "=" in text)
    time_s, begun = _times(table[times[0]], times[0], said, path)
    values, units = {}, {}
    for name in table.columns:
        if name in (times[0], "Notes"):
            continue
        numbers = pd.to_numeric(table[name], errors="coerce").to_numpy(np.float64)
        if np.isfinite(numbers).any():
            quantity, unit = _named_unit(name, said)
            values[quantity], units[quantity] = numbers, unit
    if not values:
        raise InputError(f"{path} has times, but no column of numbers beside them.")
    order = np.argsort(time_s, kind="stable")
    order = order[np.isfinite(time_s[order])]
    remarks = tuple(
        (float(t), text.strip())
        for t, text in zip(time_s[order], notes.to_numpy()[order], strict=True)
        if text.strip() and "=" not in text
    )
    return Log(
        path.name, time_s[order], {name: v[order] for name, v in values.items()}, units, begun, remarks
    )


def _times(
    column: pd.Series[str] | pd.Series[float], name: str, said: dict[str, str], path: Path
) -> tuple[Doubles, datetime | None]:
    """Seconds since the log's first row, and its clock time where it is known."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().any():
        unit = _named_unit(name, {})[1] or said.get("Time units", "s")
        bare = re.search(r"_(ms|s|min|h)$", name)
        factor = SECONDS.get((bare.group(1) if bare else unit).lower(), 1.0)
        begun = None
        if "Date (yyyy.mm.dd)" in said and "Time (hh:mm:ss.ms)" in said:
            begun = datetime.strptime(
                f"{said['Date (yyyy.mm.dd)']} {said['Time (hh:mm:ss.ms)']}", "%Y.%m.%d %H:%M:%S.%f"
            )
        return np.asarray(numbers, np.float64) * factor, begun
    stamps = pd.to_datetime(column, errors="coerce", format="mixed")
    if not stamps.notna().any():
        raise InputError(f"the column '{name}' of {path} holds neither seconds nor dates and times.")
    first = stamps.dropna().iloc[0]
    seconds = np.asarray((stamps - first).dt.total_seconds(), np.float64)
    return seconds, first.to_pydatetime().replace(tzinfo=None)


def _named_unit(name: str, said: dict[str, str]) -> tuple[str, str]:
    """The quantity and its unit: from brackets behind the name, else from what the notes say."""
    found = NAMED_UNIT.match(name)
    if found:
        return found["name"], SHORT.get(found["unit"], found["unit"])
    for word, key in UNITS_OF.items():
        if word in name.lower() and key in said:
            return name, SHORT.get(said[key], said[key])
    return name, ""


def _start_seconds(log: Log, start: str | float | None) -> float:
    if start is None:
        return float(log.time_s[0]) if len(log.time_s) else 0.0
    try:
        return float(start)
    except ValueError:
        pass
    try:
        when = datetime.fromisoformat(str(start)).replace(tzinfo=None)
    except ValueError as error:
        raise InputError(
            f"'{start}' says no time: give seconds on the clock of {log.name}, or a date and time like "
            "2026-03-01T14:05:00."
        ) from error
    if log.begun is None:
        raise InputError(f"{log.name} does not say at what time of day it began: give the start in seconds.")
    return (when - log.begun).total_seconds()
