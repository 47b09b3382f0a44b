"""Makers' files through RosettaSciIO: its axes and metadata as datasets, its errors as sentences."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask.array as da
import h5py
import rsciio

from napari_atomcount.io.readers_common import Axis, Dataset, quiet
from napari_atomcount.records.errors import InputError

# Where several of its plugins claim a suffix: those that can be meant, without packages that we do not bring.
PREFERRED = {"mrc": ["MRC"], "hdf5": ["HSPY", "EMD"], "h5": ["HSPY", "EMD"], "emd": ["EMD"]}
# Its formats that hold images and that we do not read ourselves; the others are spectra, logs and surfaces.
_IMAGE_FORMATS = {
    "Arina",
    "Blockfile",
    "DigitalMicrograph",
    "EMD",
    "EMPAD",
    "HSPY",
    "Hamamatsu",
    "MRC",
    "NeXus",
    "PantaRhei",
    "QuantumDetector",
    "Ripple",
    "Semper",
    "TVIPS",
    "Topspin",
}
_SPECTRA = ("EELS", "EDS", "CL", "XPS", "Raman", "Luminescence")


def plugins_for(suffix: str) -> list[str]:
    """Modules of RosettaSciIO that read files of this suffix (without dot), best first."""
    specs = {str(p["name"]): p for p in rsciio.IO_PLUGINS}
    names = PREFERRED.get(suffix) or [
        n
        for n, p in specs.items()
        if n in _IMAGE_FORMATS and suffix in {str(e).lower() for e in p["file_extensions"]}
    ]
    return [str(specs[n]["api"]) for n in names if n in specs]


def read_rsciio(path: Path) -> list[Dataset]:
    """Find the datasets of a file that RosettaSciIO can open, lazily.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    suffix = path.suffix.lower().lstrip(".")
    reasons = []
    for module in plugins_for(suffix):
        try:
            found = [_dataset(d, i, path) for i, d in enumerate(_call(module, path))]
        except Exception as err:  # its readers raise whatever their parsers meet; the cause stays attached
            reasons.append(err)
            continue
        if found:
            return found
    detail = f" ({_sentence(reasons[0])})" if reasons else ""
    raise InputError(
        f"{path.name} cannot be read: it is damaged, cut off or no .{suffix} file that is known{detail}."
    ) from (reasons[0] if reasons else None)


def _sentence(err: Exception) -> str:
    text = " ".join(str(err).split()) or type(err).__name__
    return text[:160].rstrip(".")


def _call(module: str, path: Path) -> list[dict[str, Any]]:
    """Call a reader, lazily where it can, with what its format needs."""
    reader = importlib.import_module(module).file_reader
    options: dict[str, Any] = {}
    if module == "rsciio.emd":  # spectrum images need a package that we do not bring; their images are movies
        options = {"select_type": "images", "load_SI_image_stack": True}
    with quiet("rsciio", "tifffile"):
        try:
            result = reader(str(path), lazy=True, **options)
        except NotImplementedError:
            result = reader(str(path), lazy=False, **options)
    return list(result)


def _dataset(entry: Mapping[str, Any], index: int, path: Path) -> Dataset:
    """Translate one dictionary of RosettaSciIO."""
    data = entry["data"]
    metadata, original = entry.get("metadata", {}), entry.get("original_metadata", {})
    ranked = sorted(
        ((a.get("index_in_array", i), i, a) for i, a in enumerate(entry.get("axes", []))), key=lambda r: r[:2]
    )
    axes = tuple(
        Axis(str(a.get("name") or ""), _number(a.get("scale")), str(a.get("units") or ""))
        for _, _, a in ranked
    )
    if len(axes) != data.ndim:
        axes = (*axes, *(Axis() for _ in range(data.ndim)))[: data.ndim]
    data = _one_frame_a_chunk(data)
    if "EMD_version" in original and data.ndim == 3 and min(data.chunksize) > 1:
        data = _ncem_frames(path, data, axes)
    header = _lookup(original, "std_header")
    if (
        header is not None
        and not _number(_lookup(header, "Xlen"))
        and _lookup(original, "fei_header") is None
    ):
        # An MRC header without a cell has no pixel size: RosettaSciIO says 1 nm, as do files made from it.
        axes = tuple(Axis(a.name) for a in axes)
    title = str(_lookup(metadata, "General.title") or "")
    return Dataset(
        name=title or f"{path.stem} {index}",
        data=data,
        axes=axes,
        kv=_kilovolts(entry, original),
        gain=_gain(original),
        exposure_s=_number(_mapped(entry, "exposure")),
        spectrum=any(s in str(_lookup(metadata, "Signal.signal_type")) for s in _SPECTRA),
    )


def _ncem_frames(path: Path, data: Any, axes: Sequence[Axis]) -> Any:
    """Rebuild the stack of an NCEM file without HDF5 chunks so that a frame is read without the others.

    RosettaSciIO cuts such a dataset into large blocks and transposes them unless its dimensions count from 0.
    """
    file = h5py.File(path, "r")  # stays open as long as the array lives
    found: list[Any] = []
    file.visititems(lambda _, node: found.append(node) if _is_ncem_stack(node, data) else None)
    if len(found) != 1:
        file.close()
        return data
    (stored,) = found
    transposed = "dim0" not in stored.parent
    names = [a.name.strip().lower() for a in (reversed(axes) if transposed else axes)]
    planes = [i for i, name in enumerate(names) if name in ("x", "y")]
    time = next(iter({0, 1, 2} - set(planes))) if len(planes) == 2 else (2 if transposed else 0)
    chunks = tuple(1 if i == time else n for i, n in enumerate(stored.shape))
    lazy = da.from_array(stored, chunks=chunks, name=False)
    return lazy.transpose() if transposed else lazy


def _is_ncem_stack(node: Any, data: Any) -> bool:
    return (
        isinstance(node, h5py.Dataset)
        and node.chunks is None
        and "emd_group_type" in node.parent.attrs
        and node.name.rpartition("/")[2] == "data"
        and node.shape in (data.shape, data.shape[::-1])
        and node.dtype == data.dtype
    )


def _one_frame_a_chunk(data: Any) -> Any:
    """Rechunk lazy memory-mapped stacks to one frame a chunk, so that a frame costs what it holds."""
    if getattr(data, "ndim", 0) == 3 and hasattr(data, "rechunk") and "slice_memmap" in str(data.name):
        return data.rechunk((1, *data.shape[1:]))
    return data


def _kilovolts(entry: Mapping[str, Any], original: Any) -> float | None:
    """Acceleration voltage in kV: mapped by RosettaSciIO, or the NCEM attribute in V."""
    kv = _number(_mapped(entry, "beam_energy"))
    if kv is None:
        volts = _number(_lookup(original, "microscope.high tension"))
        kv = volts / 1000 if volts and volts > 3000 else volts
    return kv


def _gain(original: Any) -> float | None:
    """Counts per electron, where DigitalMicrograph has the intensity in electrons or a camera says it."""
    brightness = _lookup(original, "ImageList.TagGroup0.ImageData.Calibrations.Brightness")
    scale = _number(_lookup(brightness, "Scale"))
    if scale and str(_lookup(brightness, "Units")).strip() in ("e-", "electrons", "e"):
        return 1.0 / scale
    camera = _lookup(original, "de_metadata")
    return _number(_lookup(camera, "ADUs Per Electron Bin1x"))


def _mapped(entry: Mapping[str, Any], quantity: str) -> Any:
    """Value that RosettaSciIO's mapping or metadata call `quantity`, in its unit (keV, s)."""
    for source, (target, convert) in entry.get("mapping", {}).items():
        if target.endswith(f".{quantity}"):
            value = _lookup(entry.get("original_metadata", {}), source)
            if value is not None:
                return _converted(convert, value)
    for microscope in ("TEM", "SEM"):
        found = _lookup(entry.get("metadata", {}), f"Acquisition_instrument.{microscope}.{quantity}")
        if found is not None:
            return found
    return None


def _converted(convert: Callable[[Any], Any] | None, value: Any) -> Any:
    try:
        return convert(value) if convert else value
    except (TypeError, ValueError, KeyError):  # a tag of another version of the maker's software
        return None


def _lookup(tree: Any, dotted: str) -> Any:
    """Follow a dotted path through nested mappings; None where it breaks off."""
    for part in dotted.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return None
        tree = tree[part]
    return tree


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


@lru_cache(maxsize=4)
def _tiff_header(path: Path, stamp: float) -> tuple[tuple[Axis, ...], float | None]:
    try:
        entry = _call("rsciio.tiff", path)[0]
    except Exception:  # only a calibration was sought, and there is none to be had
        return (), None
    return _dataset(entry, 0, path).axes, _kilovolts(entry, entry.get("original_metadata", {}))


def first_axes_and_kv(path: Path) -> tuple[tuple[Axis, ...], float | None]:
    """Axes and kV of a TIFF as RosettaSciIO reads its makers' tags; empty where it knows none."""
    return _tiff_header(path, path.stat().st_mtime)
