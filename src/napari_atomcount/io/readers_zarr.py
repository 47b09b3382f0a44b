"""Zarr: arrays, groups of arrays, OME-Zarr images and HyperSpy's .zspy, chunk by chunk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import zarr

from napari_atomcount.io.readers_common import Axis, Dataset
from napari_atomcount.records.errors import InputError


def is_zarr(path: Path) -> bool:
    """Whether a folder is a zarr array or group, whatever its name."""
    return any((path / name).exists() for name in ("zarr.json", ".zarray", ".zgroup"))


def read_zarr(path: Path) -> list[Dataset]:
    """Find the arrays of a zarr folder; of an OME-Zarr image only the full resolution.

    Raises
    ------
    InputError
        If it cannot be opened or holds no array.
    """
    try:
        node = zarr.open(str(path), mode="r")
        if isinstance(node, zarr.Array):
            found = [_dataset(path.stem, node, _attribute_axes(node))]
        else:
            found = _group(node, "")
    except Exception as err:  # zarr's stores and codecs raise many kinds; the cause stays attached
        raise InputError(
            f"{path.name} cannot be read as zarr: it is damaged or of an unknown kind ({err})."
        ) from err
    if not found:
        raise InputError(f"{path.name} is a zarr group without arrays: there is nothing to open.")
    return found


def _dataset(name: str, array: Any, axes: tuple[Axis, ...]) -> Dataset:
    if array.dtype.hasobject:
        raise InputError(f"{name} holds Python objects, which are never loaded.")
    axes = axes if len(axes) == array.ndim else (Axis(),) * array.ndim
    return Dataset(name, da.from_array(array, chunks=array.chunks, name=False), axes)


def _group(group: Any, prefix: str) -> list[Dataset]:
    attributes = dict(group.attrs)
    multiscales = (attributes.get("ome") or attributes).get("multiscales")
    if multiscales:
        first = multiscales[0]
        level = first["datasets"][0]
        name = str(first.get("name") or prefix.strip("/") or level["path"])
        return [_dataset(name, group[level["path"]], _ome_axes(first, level))]
    found = []
    for name, array in sorted(group.arrays()):
        if array.ndim and not name.startswith("_"):
            axes = _hyperspy_axes(group, array.ndim) or _attribute_axes(array)
            full = prefix.strip("/") if name == "data" and prefix else f"{prefix}{name}"
            found.append(_dataset(full.rpartition("Experiments/")[2], array, axes))
    for name, child in sorted(group.groups()):
        if name not in ("original_metadata", "metadata", "learning_results", "labels"):
            found += _group(child, f"{prefix}{name}/")
    return found


def _ome_axes(image: Mapping[str, Any], level: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Names, units and steps of an OME-Zarr image (NGFF 0.4 and 0.5)."""
    names = [a if isinstance(a, Mapping) else {"name": a} for a in image.get("axes", [])]
    steps = [1.0] * len(names)
    for transform in (
        *level.get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ):
        if transform.get("type") == "scale":
            steps = [s * float(t) for s, t in zip(steps, transform["scale"], strict=True)]
    return tuple(Axis(_time(a), s, str(a.get("unit", ""))) for a, s in zip(names, steps, strict=True))


def _time(axis: Mapping[str, Any]) -> str:
    return "time" if axis.get("type") == "time" else str(axis.get("name", ""))


def _hyperspy_axes(group: Any, ndim: int) -> tuple[Axis, ...]:
    """Axes that HyperSpy keeps as groups axis-0, axis-1 … beside the data."""
    if any(f"axis-{i}" not in group for i in range(ndim)):
        return ()
    attributes = [dict(group[f"axis-{i}"].attrs) for i in range(ndim)]
    return tuple(
        Axis(_word(a.get("name")), float(a["scale"]) if "scale" in a else None, _word(a.get("units")))
        for a in attributes
    )


def _word(value: Any) -> str:
    return str(value) if isinstance(value, str) and value not in ("_None_", "<undefined>") else ""


def _attribute_axes(array: Any) -> tuple[Axis, ...]:
    """Axes of a plain array that carries pixel_size_nm and frame_time_s as attributes."""
    attributes = dict(array.attrs)
    pixel = attributes.get("pixel_size_nm")
    if pixel is None or array.ndim < 2:
        return ()
    size_y, size_x = (
        (float(pixel),) * 2 if isinstance(pixel, (int, float)) else (float(pixel[0]), float(pixel[-1]))
    )
    time = attributes.get("frame_time_s")
    step = Axis("time", float(time), "s") if time is not None else Axis()
    return (*(Axis() for _ in range(array.ndim - 3)), step, Axis("y", size_y, "nm"), Axis("x", size_x, "nm"))[
        -array.ndim :
    ]
