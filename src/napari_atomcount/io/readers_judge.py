"""The rules that make a Movie of a dataset: refusals, channels, which axis is time, calibration."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np

from napari_atomcount.io.readers_common import Axis, Dataset
from napari_atomcount.io.units import is_energy, is_reciprocal, length_in_nm, time_in_s
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import ChannelError, InputError
from napari_atomcount.records.movie import Movie

# A pixel finer than 0.1 pm or coarser than 10 µm comes from a wrong unit or a header that nobody filled in.
# The range is wide, for low magnifications are legitimate; a job asks `require_pixel_size` for a useful one.
BELIEVABLE_PIXEL_NM = (1e-4, 1e4)
BELIEVABLE_FRAME_S = (1e-7, 1e6)
BELIEVABLE_KV = (1.0, 3000.0)

_Y_NAMES = {"y", "height", "rows", "row"}
_X_NAMES = {"x", "width", "columns", "column"}
_COLOUR_NAMES = {"s", "rgb", "rgba", "colour", "color"}
_CHANNEL_NAMES = {"c", "channel", "channels"}
_COLOURS = {"red": 0, "green": 1, "blue": 2}
_GREY = "it is stored in colours that are all the same: taken as grey"
_PARTS: dict[str, Callable[[Any], Any]] = {
    "real": lambda a: a.real,
    "imaginary": lambda a: a.imag,
    "amplitude": abs,
    "phase": lambda a: np.angle(a) if isinstance(a, np.ndarray) else da.angle(a),
}


def to_movie(
    dataset: Dataset, path: Path, name: str, channel: str | None, keep_name: bool, grey: bool = False
) -> Movie:
    """Judge a dataset and make a movie of it.

    Raises
    ------
    InputError
        If it is no image or time series of images; the text says what was found and what to do.
    """
    dataset, channel = _pick_channel(_with_colour_axis(dataset), channel, grey)
    dataset = _in_time_order(dataset)
    if dataset.data.dtype.kind not in "biuf":
        raise InputError(f"{dataset.name} holds '{dataset.data.dtype}', not the numbers of an image.")
    calibration, notes = calibrate(dataset)
    return Movie(
        data=_native(dataset.data),
        calibration=calibration,
        name=name,
        path=path,
        dataset=dataset.name if keep_name else None,
        channel=channel,
        warnings=(*dataset.warnings, *notes),
    )


def refusal(dataset: Dataset) -> str | None:
    """Say why a dataset can never be a movie, whatever the channel; None if it can."""
    sizes = [n for n in dataset.data.shape if n != 1]
    if dataset.spectrum or any(is_energy(a.unit) for a in dataset.axes):
        return f"{dataset.describe()} holds spectra, not images: give a file of images."
    if dataset.data.dtype.hasobject:
        return f"{dataset.describe()} holds Python objects, which are never loaded."
    y, x = _plane(dataset)
    if len(sizes) < 2 or 1 in (dataset.data.shape[y], dataset.data.shape[x]):
        return f"{dataset.describe()} is one-dimensional, a line and not an image: give images."
    return None


def calibrate(dataset: Dataset) -> tuple[Calibration, list[str]]:
    """Make a calibration of a (T, Y, X) dataset's axes and metadata; return it with warnings in words."""
    notes: list[str] = []
    values: dict[str, Any] = {"pixel_size_nm": _pixel_size(dataset, notes)}
    time_axis, frames = dataset.axes[0], dataset.data.shape[0]
    frame_time = None
    if time_axis.scale is not None and (unit := time_in_s(time_axis.unit)) is not None:
        frame_time = abs(time_axis.scale * unit)
    if frame_time is not None and BELIEVABLE_FRAME_S[0] <= frame_time <= BELIEVABLE_FRAME_S[1]:
        values["frame_time_s"] = frame_time
    if dataset.kv is not None and BELIEVABLE_KV[0] <= dataset.kv <= BELIEVABLE_KV[1]:
        values["kv"] = float(dataset.kv)
    values["dose_e_per_A2"] = _positive(dataset.dose_e_per_A2)
    values["gain"] = _positive(dataset.gain)
    calibration = Calibration().updated("file", **values)
    exposure = _positive(dataset.exposure_s)
    if frames > 1 and calibration.frame_time_s is None and exposure is not None:
        calibration = calibration.updated("estimated", frame_time_s=exposure)
        notes.append(f"The file gives no frame time; the exposure of {exposure:g} s is taken for it.")
    return calibration, notes


def _pixel_size(dataset: Dataset, notes: list[str]) -> tuple[float, float] | None:
    """Pixel size (y, x) in nm, or None and a note that says why."""
    y, x = dataset.axes[1:]
    advice = "give the pixel size with --pixel-size-nm"
    if is_reciprocal(y.unit) or is_reciprocal(x.unit):
        unit = x.unit or y.unit
        notes.append(f"The axes are in {unit}: this looks like diffraction, not an image; if not, {advice}.")
        return None
    units = length_in_nm(y.unit), length_in_nm(x.unit)
    if y.scale is None or x.scale is None or None in units:
        given = f" (it says {x.scale:.6g} without a unit of length)" if x.scale not in (None, 1.0) else ""
        notes.append(f"The file gives no pixel size{given}: {advice}.")
        return None
    size = abs(y.scale * (units[0] or 0)), abs(x.scale * (units[1] or 0))
    low, high = BELIEVABLE_PIXEL_NM
    if min(y.scale, x.scale) <= 0 or not all(low <= s <= high for s in size):
        said = f"{y.scale:.4g} {y.unit} × {x.scale:.4g} {x.unit}"
        notes.append(f"The file's pixel size, {said}, is absurd and not used: {advice}.")
        return None
    return size


def _positive(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) and value > 0 else None


def _plane(dataset: Dataset) -> tuple[int, int]:
    """Which dimensions are y and x: those named so, else the last two that are not of size one."""
    names = [a.name.strip().lower() for a in dataset.axes]
    ys = [i for i, n in enumerate(names) if n in _Y_NAMES]
    xs = [i for i, n in enumerate(names) if n in _X_NAMES]
    if len(ys) == 1 and len(xs) == 1:
        return ys[0], xs[0]
    colour = {i for i, n in enumerate(names) if n in _COLOUR_NAMES}
    wide = [i for i, n in enumerate(dataset.data.shape) if n != 1 and i not in colour]
    last = wide[-2:] if len(wide) >= 2 else [max(dataset.data.ndim - 2, 0), dataset.data.ndim - 1]
    return last[0], last[1]


def _with_colour_axis(dataset: Dataset) -> Dataset:
    """Name the last axis a colour axis where unnamed 8-bit data end in 3 or 4, as colour pictures do."""
    shape = dataset.data.shape
    named = any(a.name for a in dataset.axes)
    if named or len(shape) not in (3, 4) or shape[-1] not in (3, 4) or dataset.data.dtype != np.uint8:
        return dataset
    if min(shape[-3:-1]) <= 4:
        return dataset
    return replace(dataset, axes=(*dataset.axes[:-1], Axis("rgb")))


def _pick_channel(dataset: Dataset, channel: str | None, grey: bool) -> tuple[Dataset, str | None]:
    """Reduce colour, complex and multi-channel data to the channel asked for, or say which there are.

    Returns the channel's name as well; None where there is only one.
    """
    data = dataset.data
    if data.dtype.names:
        names = {n.lower(): n for n in data.dtype.names}
        words = {"red": "r", "green": "g", "blue": "b", "0": "r", "1": "g", "2": "b"}
        chosen = names.get(words.get((channel or "").lower(), (channel or "").lower()))
        if grey and channel is None and _is_grey([data[names[c]] for c in "rgb" if c in names]):
            return replace(dataset, data=data[names["r"]], warnings=(*dataset.warnings, _GREY)), "red"
        if chosen is None:
            raise _several(dataset, "colour (RGB)", list(_COLOURS), channel)
        return replace(dataset, data=data[chosen]), channel
    names_of_axes = [a.name.strip().lower() for a in dataset.axes]
    for i, axis in enumerate(names_of_axes):
        if axis in _COLOUR_NAMES and data.shape[i] > 1:
            number = _COLOURS.get((channel or "").lower(), _index(channel, data.shape[i]))
            if grey and channel is None:
                colours = [_without_axis(dataset, i, c) for c in range(min(3, data.shape[i]))]
                if _is_grey([colour.data for colour in colours]):
                    return replace(colours[0], warnings=(*dataset.warnings, _GREY)), "red"
            if number is None or number >= data.shape[i]:
                raise _several(dataset, "colour (RGB)", list(_COLOURS), channel)
            return _without_axis(dataset, i, number), channel
    for i, axis in enumerate(names_of_axes):
        others = [n for j, n in enumerate(data.shape) if j != i and n > 1]
        if axis in _CHANNEL_NAMES and data.shape[i] > 1 and len(others) > 2:
            number = _index(channel, data.shape[i])
            if number is None:
                numbers = [str(n) for n in range(data.shape[i])]
                raise _several(dataset, f"{data.shape[i]} channels of", numbers, channel)
            return _without_axis(dataset, i, number), channel
    if data.dtype.kind == "c":
        part = _PARTS.get((channel or "").lower())
        if part is None:
            raise _several(dataset, "complex", list(_PARTS), channel)
        return replace(dataset, data=part(data)), channel
    return dataset, None


def _is_grey(colours: Sequence[Any]) -> bool:
    """Whether three colours hold the same values: in the first, the middle and the last frame."""
    if len(colours) != 3:
        return False
    n = len(colours[0]) if colours[0].ndim > 2 else 0
    some = sorted({0, n // 2, n - 1}) if n else [slice(None)]
    return all(np.array_equal(colours[0][t], other[t]) for t in some for other in colours[1:])


def _several(dataset: Dataset, what: str, choices: list[str], channel: str | None) -> ChannelError:
    tried = f" '{channel}' is none of them." if channel else ""
    listed = f"{choices[0]} to {choices[-1]}" if choices[0] == "0" else ", ".join(choices)
    words = (
        f"{dataset.describe()} holds {what} data: choose one ({listed}) with --channel; "
        f"napari asks which when such a movie is opened there.{tried}"
    )
    return ChannelError(words, choices)


def _index(text: str | None, size: int) -> int | None:
    return int(text) if text is not None and text.isdigit() and int(text) < size else None


def _without_axis(dataset: Dataset, axis: int, index: int) -> Dataset:
    key: tuple[Any, ...] = (slice(None),) * axis + (index,)
    data = dataset.data if isinstance(dataset.data, (np.ndarray, da.Array)) else da.from_array(dataset.data)
    return replace(dataset, data=data[key], axes=dataset.axes[:axis] + dataset.axes[axis + 1 :])


def _in_time_order(dataset: Dataset) -> Dataset:
    """Bring the dimensions into the order (T, Y, X), leaving out those of size one."""
    reason = refusal(dataset)
    if reason:
        raise InputError(reason)
    data, axes = dataset.data, dataset.axes
    y, x = _plane(dataset)
    rest = [i for i in range(data.ndim) if i not in (y, x) and data.shape[i] != 1]
    if len(rest) > 1:
        named = ", ".join(f"{a.name or '?'} {n}" for a, n in zip(axes, data.shape, strict=True))
        raise InputError(
            f"{dataset.name} has {len(rest) + 2} dimensions ({named}), but a movie has time, y and x: "
            "give a file of one image per time."
        )
    order = (*rest, y, x)
    dropped = [i for i in range(data.ndim) if i not in order]
    if order != tuple(range(data.ndim)):
        data = data if isinstance(data, (np.ndarray, da.Array)) else da.from_array(data, chunks="auto")
        data = data.transpose((*dropped, *order)).reshape(tuple(data.shape[i] for i in order))
    if not rest:
        data = (
            data[None]
            if isinstance(data, (np.ndarray, da.Array))
            else da.from_array(data, chunks=data.shape)[None]
        )
        return replace(dataset, data=data, axes=(Axis(), axes[y], axes[x]))
    return replace(dataset, data=data, axes=tuple(axes[i] for i in order))


def _native(data: Any) -> Any:
    """Swap bytes where the file has the other order, frame by frame: torch wants the machine's own."""
    if data.dtype.isnative:
        return data
    lazy = data if isinstance(data, da.Array) else da.from_array(data, chunks=(1, *data.shape[1:]))
    return lazy.astype(data.dtype.newbyteorder("="))
