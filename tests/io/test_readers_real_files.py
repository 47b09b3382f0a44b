"""Integration tests of the readers on real files; they need the folder that ATOMCOUNT_TEST_DATA names."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import numpy as np
import pytest

from napari_atomcount.io.readers import list_datasets, open_movie
from napari_atomcount.records.errors import InputError

DATA = os.environ.get("ATOMCOUNT_TEST_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="ATOMCOUNT_TEST_DATA does not name the folder of test data")
ROOT = Path(DATA or ".")
FILES = "reader_files/"
DM = FILES + "rosettasciio/digitalmicrograph/"
TIFF = FILES + "rosettasciio/tiff/"

# path, (T, Y, X), dtype, pixel size (y, x) in nm, frame time in s, kV
IMAGES = [
    (FILES + "openncem/16_STOimage_1.ser", (1, 1024, 1024), "uint16", 0.0100127, None, None),
    # Its dimensions are stored as (Y, X), which RosettaSciIO transposes.
    (FILES + "openncem/Acquisition_18.emd", (1, 1024, 1024), "uint16", 0.0122465, None, 200),
    (FILES + "openncem/Camera Ceta Imaging Micro.emd", (1, 512, 512), "int16", 3.1388371, None, 300),
    # Its third axis is in µm, which is no time.
    (FILES + "openncem/dmTest_3D_int16_64,65,66.dm3", (66, 65, 64), "int16", (3.0, 0.002), None, None),
    (FILES + "openncem/dmTest_3D_int16_64,65,66.dm4", (66, 65, 64), "int16", (3.0, 0.002), None, None),
    (
        FILES + "openncem/dmTest_float32_nonSquare_diffPixelSize.dm3",
        (1, 64, 128),
        "float32",
        (0.2, 1.0),
        None,
        None,
    ),
    (
        FILES + "openncem/dmTest_float32_nonSquare_diffPixelSize.dm4",
        (1, 64, 128),
        "float32",
        (0.2, 1.0),
        None,
        None,
    ),
    (FILES + "openncem/temp.mrc", (3, 128, 128), "float32", 0.2, None, None),
    (DM + "2D/test_STEM_image.dm3", (1, 68, 68), "uint32", 0.248538, None, 200),
    (DM + "Fei HAADF-DE_location.dm3", (1, 4, 16), "uint16", 5.506073, None, 200),
    (DM + "Fei HAADF-UK_location.dm3", (1, 4, 16), "uint16", 5.506073, None, 200),
    (FILES + "rosettasciio/emd/fei_example_tem_stack.emd", (2, 3, 3), "int16", 0.00817288, 0.8, 300),
    (FILES + "rosettasciio/mrc/HAADFscan.mrc", (1, 16, 16), "uint16", 5.679131, None, 300),
    (FILES + "rosettasciio/mrc/ROI_Random_Scan_movie.mrc", (348, 16, 16), "uint16", None, None, None),
    (
        FILES + "rosettasciio/tia/new/128x128x5-diffraction_preview_1.ser",
        (5, 128, 128),
        "int32",
        None,
        None,
        None,
    ),
    (
        FILES + "rosettasciio/tia/old/03_Scanning Preview_1.ser",
        (5, 128, 128),
        "uint16",
        0.3843525,
        None,
        None,
    ),
    (FILES + "rosettasciio/tia/old/64x64x5_TEM_preview_1.ser", (5, 64, 64), "float32", 6.281834, None, None),
    (TIFF + "test_dm_image_um_unit.dm3", (1, 68, 68), "int32", 168.6747, None, 200),
    (
        TIFF + "test_loading_image_saved_with_DM_stack.tif",
        (2, 68, 68),
        "float32",
        (1686.74, 168.674),
        2.5,
        None,
    ),
    (TIFF + "test_loading_image_saved_with_imageJ.tif", (1, 68, 68), "float32", 168.6747, None, None),
    (TIFF + "test_loading_image_saved_with_imageJ_stack.tif", (2, 68, 68), "float32", 168.6747, None, None),
    ("haadf_au_nanoparticle/example_Au_nanoparticle.emd", (1, 2048, 2048), "uint16", 0.0074984, None, 300),
    ("haadf_mos2/example_Se_implanted_MoS2.dm3", (1, 1024, 1024), "uint32", 0.0126953, None, 60),
    (
        "haadf_pt_single_atoms/025_HAADF_15nm_Sample_PtNC_21Oct20.tif",
        (1, 512, 512),
        "uint32",
        0.0292969,
        None,
        None,
    ),
    ("haadf_perovskite/example_detector_image.hspy", (1, 512, 512), "uint16", 31.03647, None, None),
    ("haadf_perovskite/test_ADF_cropped.hdf5", (1, 400, 380), "float16", None, None, None),
    # These two come from an MRC header that nobody filled in; other readers report 1 nm.
    ("stem_sim_mos2/prism_2Doutput_prismatic_simulation.mrc", (1, 773, 1182), "float32", None, None, None),
    ("stem_sim_cu_nanoparticle/example_Cu_nanoparticle_sim.hspy", (1, 434, 434), "float32", None, None, None),
]

REFUSED = [
    (FILES + "openncem/08_carbon.dm3", "spectra"),
    (DM + "2D/multi_signal.dm3", "several datasets.*HAADF.*Plot"),
    (DM + "3D/test-13.dm3", "complex.*--channel"),
    (FILES + "rosettasciio/emd/velox_emd_version11.zip", "cannot be opened"),
    (FILES + "rosettasciio/tiff/TVIPS_bin4.zip", "cannot be opened"),
    (FILES + "rosettasciio/protochips/protochips_gas_cell.csv", "cannot be opened"),
    (FILES + "rosettasciio/mrc/20241021_00405_info.txt", "cannot be opened"),
    ("hrtem_soot_negative/ExampleImage.tif", "RGB.*--channel"),
    ("hex_noisy_pairs/hexagonal_d5.npz", "several datasets.*noisy.*clean"),
    ("haadf_au_nanoparticle/Au_NP_Atom_Lattice.hdf5", "cannot be read"),
]


@pytest.mark.parametrize(
    ("path", "shape", "dtype", "pixel", "time", "kv"), IMAGES, ids=lambda v: str(v)[-30:]
)
def test_shape_order_units_and_calibration(path, shape, dtype, pixel, time, kv):
    movie = open_movie(ROOT / path)
    c = movie.calibration
    assert movie.shape == shape
    assert movie.dtype == np.dtype(dtype)
    if pixel is None:
        assert c.pixel_size_nm is None
        assert any("--pixel-size-nm" in w for w in movie.warnings)
    else:
        assert c.pixel_size_nm == pytest.approx(
            pixel if isinstance(pixel, tuple) else (pixel, pixel), rel=1e-5
        )
    assert c.frame_time_s == (None if time is None else pytest.approx(time))
    assert c.kv == (None if kv is None else pytest.approx(kv))
    assert set(c.sources.values()) <= {"file"}
    assert movie.frame(shape[0] - 1).shape == shape[1:]


@pytest.mark.parametrize(("path", "text"), REFUSED, ids=lambda v: str(v)[-30:])
def test_the_rest_fails_with_one_sentence(path, text):
    with pytest.raises(InputError, match=text) as caught:
        open_movie(ROOT / path)
    assert "\n" not in str(caught.value)


def test_every_reader_file_is_opened_or_refused_by_a_sentence():
    known = {p for p, *_ in IMAGES} | {p for p, _ in REFUSED}
    for file in (ROOT / "reader_files").rglob("*.*"):
        if str(file.relative_to(ROOT)) in known or file.name in ("COPYING.txt",):
            continue
        with pytest.raises(InputError):
            open_movie(file)


@pytest.mark.parametrize("path", [p for p, *_ in IMAGES if p.endswith((".ser", ".mrc", ".dm3", ".dm4"))])
def test_pixels_are_those_that_rosettasciio_reads(path):
    formats = {".ser": "tia", ".mrc": "mrc", ".dm3": "digitalmicrograph", ".dm4": "digitalmicrograph"}
    reader = importlib.import_module(f"rsciio.{formats[Path(path).suffix]}")
    expected = np.asarray(reader.file_reader(str(ROOT / path))[0]["data"])
    movie = open_movie(ROOT / path)
    expected = expected.reshape(movie.shape)
    for t in {0, movie.n_frames // 2, movie.n_frames - 1}:
        np.testing.assert_array_equal(movie.frame(t), expected[t])


def test_the_ncem_file_is_not_transposed():
    h5py = pytest.importorskip("h5py")
    path = ROOT / FILES / "openncem/Acquisition_18.emd"
    with h5py.File(path) as file:
        stored = file["data/single/data"][()]
        assert file["data/single/dim1"].attrs["name"] == b"Y"
    np.testing.assert_array_equal(open_movie(path).frame(0), stored)


def test_the_velox_stack_is_in_time_order():
    h5py = pytest.importorskip("h5py")
    path = ROOT / FILES / "rosettasciio/emd/fei_example_tem_stack.emd"
    with h5py.File(path) as file:
        (image,) = file["Data/Image"].values()
        stored = image["Data"][()]  # (Y, X, T)
    movie = open_movie(path)
    for t in range(2):
        np.testing.assert_array_equal(movie.frame(t), stored[:, :, t])


def test_a_dataset_can_be_asked_for_by_name_or_index():
    path = ROOT / DM / "2D/multi_signal.dm3"
    assert list_datasets(path) == ["HAADF"]
    by_name, by_index = open_movie(path, dataset="haadf"), open_movie(path, dataset=0)
    assert by_name.shape == by_index.shape == (1, 512, 512)
    assert by_name.dataset == "HAADF"
    assert by_name.calibration.pixel_size_nm == pytest.approx((0.0177516, 0.0177516), rel=1e-5)
    with pytest.raises(InputError, match="one-dimensional"):
        open_movie(path, dataset="Plot")
    with pytest.raises(InputError, match="no dataset 'DF4'"):
        open_movie(path, dataset="DF4")


def test_a_complex_stack_opens_by_its_part():
    movie = open_movie(ROOT / DM / "3D/test-13.dm3", channel="amplitude")
    assert movie.shape == (2, 2, 2)
    assert movie.dtype.kind == "f"


def test_the_pictures_of_a_folder_need_a_channel_and_then_are_a_movie():
    folder = ROOT / "bf_tem_nanoparticle_masks/images"
    with pytest.raises(InputError, match="--channel"):
        open_movie(folder)
    assert open_movie(folder, grey=True).shape == (10, 512, 512)
    movie = open_movie(folder, channel="red")
    assert movie.shape == (10, 512, 512)
    assert movie.frame(9).dtype == np.uint8
