"""Unit tests of the readers of EMD (Velox, NCEM), hspy and zarr on files made here."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest
import zarr
from stacks import STACK, assert_holds, cut

from napari_atomcount.io.readers import open_movie
from napari_atomcount.records.errors import InputError


def write_velox(path, images):
    text = h5py.string_dtype()
    metadata = {
        "Core": {},
        "Instrument": {},
        "Acquisition": {"AcquisitionStartDatetime": {"DateTime": "1575540224"}},
        "Optics": {"AccelerationVoltage": "300000"},
        "Scan": {},
        "Stage": {"AlphaTilt": "0", "BetaTilt": "0", "Position": {"x": "0", "y": "0", "z": "0"}},
        "Detectors": {"Detector-0": {"DetectorName": "Ceta", "ExposureTime": "0.2"}},
        "BinaryResult": {
            "DetectorIndex": "0",
            "Detector": "Ceta",
            "PixelSize": {"width": "2e-11", "height": "3e-11"},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "Offset": {"x": "0", "y": "0"},
        },
    }
    encoded = np.zeros((60000, 1), np.uint8)
    encoded[: len(json.dumps(metadata)), 0] = np.frombuffer(json.dumps(metadata).encode(), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("Version", data=['{"version": "8", "format": "Velox"}'], dtype=text)
        for name, data in images.items():
            _, y, x = data.shape
            group = file.create_group(f"Data/Image/{name}")
            group.create_dataset("Data", data=data.transpose(1, 2, 0), chunks=(y, x, 1))
            group.create_dataset("Metadata", data=encoded)
            operation = json.dumps({"dataPath": f"/Data/Image/{name}", "cameraName": f"Ceta {name}"})
            file.create_dataset(f"Operations/CameraInputOperation/{name}", data=[operation], dtype=text)


def test_velox_stack(tmp_path):
    write_velox(tmp_path / "a.emd", {"one": STACK})
    movie = open_movie(tmp_path / "a.emd")
    assert_holds(movie)
    c = movie.calibration
    assert c.pixel_size_nm == pytest.approx((0.03, 0.02))
    assert (c.frame_time_s, c.kv) == (pytest.approx(0.2), pytest.approx(300))
    assert movie.data.chunksize == (1, 20, 28)


def test_velox_with_several_images_lists_them(tmp_path):
    write_velox(tmp_path / "a.emd", {"one": STACK, "two": STACK[:, ::2]})
    with pytest.raises(InputError, match="several datasets"):
        open_movie(tmp_path / "a.emd")
    assert {open_movie(tmp_path / "a.emd", dataset=i).shape for i in (0, 1)} == {(6, 20, 28), (6, 10, 28)}


def test_a_cut_velox_file_is_refused(tmp_path):
    write_velox(tmp_path / "a.emd", {"one": STACK})
    cut(tmp_path / "a.emd", 4000)
    with pytest.raises(InputError, match="damaged, cut off"):
        open_movie(tmp_path / "a.emd")


@pytest.mark.parametrize("order", ["time y x", "y x time", "x y time"])
@pytest.mark.parametrize("chunked", [False, True])
def test_ncem_dimensions_are_ordered_by_their_names(tmp_path, order, chunked):
    names = order.split()
    steps = {"time": (0.2, "s"), "y": (0.03, "n_m"), "x": (0.02, "n_m")}
    data = STACK.transpose([("time", "y", "x").index(n) for n in names])
    with h5py.File(tmp_path / "a.emd", "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        group = file.create_group("data/movie")
        group.attrs["emd_group_type"] = 1
        group.create_dataset("data", data=data, chunks=True if chunked else None)
        for i, name in enumerate(names):
            dimension = group.create_dataset(f"dim{i + 1}", data=np.arange(data.shape[i]) * steps[name][0])
            dimension.attrs.update(name=name, units=steps[name][1])
        file.create_group("microscope").attrs["high tension"] = 300000.0
    movie = open_movie(tmp_path / "a.emd")
    assert_holds(movie)
    c = movie.calibration
    assert c.pixel_size_nm == pytest.approx((0.03, 0.02))
    assert (c.frame_time_s, c.kv) == (pytest.approx(0.2), pytest.approx(300))


def hyperspy_signal(units=("s", "nm", "nm")):
    steps = (0.2, 0.03, 0.02)
    axes = [
        {
            "_type": "UniformDataAxis",
            "name": n,
            "scale": s,
            "offset": 0.0,
            "units": u,
            "size": k,
            "navigate": n == "t",
        }
        for n, s, u, k in zip("tyx", steps, units, STACK.shape, strict=True)
    ]
    metadata = {
        "General": {"title": "movie"},
        "Signal": {"signal_type": ""},
        "Acquisition_instrument": {"TEM": {"beam_energy": 300.0}},
    }
    return {
        "data": STACK,
        "axes": axes,
        "metadata": metadata,
        "original_metadata": {},
        "attributes": {"_lazy": False},
        "learning_results": {},
        "models": {},
        "tmp_parameters": {},
        "package_info": {"package": "", "package_version": ""},
    }


def test_hspy(tmp_path):
    hspy = pytest.importorskip("rsciio.hspy")
    hspy.file_writer(str(tmp_path / "a.hspy"), hyperspy_signal())
    movie = open_movie(tmp_path / "a.hspy")
    assert_holds(movie)
    c = movie.calibration
    assert c.pixel_size_nm == pytest.approx((0.03, 0.02))
    assert (c.frame_time_s, c.kv) == (pytest.approx(0.2), 300)


def test_an_hdf5_file_of_something_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["anything"] = STACK
    with pytest.raises(InputError, match=r"a\.hdf5 cannot be read"):
        open_movie(tmp_path / "a.hdf5")


def test_zarr_array_with_calibration(tmp_path):
    array = zarr.create_array(tmp_path / "a.zarr", shape=STACK.shape, chunks=(1, 20, 28), dtype="u2")
    array[:] = STACK
    array.attrs.update(pixel_size_nm=[0.03, 0.02], frame_time_s=0.2)
    movie = open_movie(tmp_path / "a.zarr")
    assert_holds(movie)
    assert movie.calibration.pixel_size_nm == (0.03, 0.02)
    assert movie.calibration.frame_time_s == 0.2


def test_zarr_group_lists_its_arrays(tmp_path):
    group = zarr.create_group(tmp_path / "a.zarr")
    for name in ("raw", "denoised"):
        group.create_array(name, shape=STACK.shape, dtype="u2")[:] = STACK
    with pytest.raises(InputError, match=r"denoised.*raw"):
        open_movie(tmp_path / "a.zarr")
    assert_holds(open_movie(tmp_path / "a.zarr", dataset="raw"))


def test_ome_zarr(tmp_path):
    group = zarr.create_group(tmp_path / "a.ome.zarr")
    group.create_array("0", shape=(6, 1, 20, 28), dtype="u2")[:] = STACK[:, None]
    group.create_array("1", shape=(6, 1, 10, 14), dtype="u2")
    axes = [
        {"name": "t", "type": "time", "unit": "millisecond"},
        {"name": "c", "type": "channel"},
        {"name": "y", "type": "space", "unit": "nanometer"},
        {"name": "x", "type": "space", "unit": "angstrom"},
    ]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [200.0, 1.0, 0.03, 0.2]}]}
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": [level]}]}
    movie = open_movie(tmp_path / "a.ome.zarr")
    assert_holds(movie)
    assert movie.name == "a"
    assert movie.calibration.pixel_size_nm == pytest.approx((0.03, 0.02))
    assert movie.calibration.frame_time_s == pytest.approx(0.2)


def test_an_empty_zarr_group_is_refused(tmp_path):
    zarr.create_group(tmp_path / "a.zarr")
    with pytest.raises(InputError, match="without arrays"):
        open_movie(tmp_path / "a.zarr")
