"""Unit tests of the TIFF reader on files made here: units, time, number types, cuts."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from napari_atomcount.io.readers import list_datasets, open_movie
from napari_atomcount.records.errors import InputError

STACK = np.random.default_rng(1).integers(0, 60000, (10, 32, 48)).astype(np.uint16)


def write_imagej(path, data=STACK, unit="nm", per_unit=(50.0, 40.0), **metadata):
    tifffile.imwrite(
        path, data, imagej=True, resolution=per_unit, metadata={"unit": unit, "axes": "TYX"} | metadata
    )


def cut(path, fraction):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * fraction)])


@pytest.mark.parametrize(
    ("unit", "nm"),
    [
        ("nm", 1.0),
        ("micron", 1e3),
        ("\\u00B5m", 1e3),
        ("um", 1e3),
        ("pm", 1e-3),
        ("Angstrom", 0.1),
        ("\\u00C5", 0.1),
        ("A", 0.1),
    ],
)
def test_imagej_pixel_size_in_many_units(tmp_path, unit, nm):
    # px of 0.02 nm along x and 0.025 nm along y, in px per unit
    write_imagej(tmp_path / "a.tif", unit=unit, per_unit=(nm / 0.02, nm / 0.025), finterval=0.2)
    c = open_movie(tmp_path / "a.tif").calibration
    assert c.pixel_size_nm == pytest.approx((0.025, 0.02), rel=1e-5)
    assert c.frame_time_s == pytest.approx(0.2)
    assert c.sources == {"pixel_size_nm": "file", "frame_time_s": "file"}


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1.0), ("sec", 1.0), ("ms", 1e-3), ("min", 60.0)])
def test_imagej_frame_interval_has_a_unit(tmp_path, unit, seconds):
    write_imagej(tmp_path / "a.tif", finterval=3.0, tunit=unit)
    assert open_movie(tmp_path / "a.tif").calibration.frame_time_s == pytest.approx(3 * seconds)


@pytest.mark.parametrize("axes", ["TYX", "ZYX", "CYX"])
def test_whatever_imagej_calls_the_frames_they_are_times(tmp_path, axes):
    write_imagej(tmp_path / "a.tif", axes=axes, finterval=0.5)
    movie = open_movie(tmp_path / "a.tif")
    assert movie.shape == STACK.shape
    assert movie.calibration.frame_time_s == pytest.approx(0.5)
    np.testing.assert_array_equal(movie.frame(7), STACK[7])


def test_hyperspys_tags_add_the_time_that_imagej_lacks(tmp_path):
    # as HyperSpy writes: units and scales of x, y and the stack beside ImageJ's own, which are binding
    tags = [(65003 + i, "s", 0, u, True) for i, u in enumerate(["nm", "nm", "s"])]
    tags += [(65009 + i, "d", 1, v, True) for i, v in enumerate([0.5, 0.5, 0.2])]
    with tifffile.TiffWriter(tmp_path / "a.tif", imagej=True) as tif:
        tif.write(STACK, resolution=(50, 50), metadata={"unit": "nm", "axes": "TYX"}, extratags=tags)
    c = open_movie(tmp_path / "a.tif").calibration
    assert c.pixel_size_nm == pytest.approx((0.02, 0.02))
    assert c.frame_time_s == pytest.approx(0.2)


@pytest.mark.parametrize("unit", ["", "pixel", "inch"])
def test_imagej_without_a_unit_of_length_has_no_pixel_size(tmp_path, unit):
    write_imagej(tmp_path / "a.tif", unit=unit, per_unit=(72.0, 72.0))
    movie = open_movie(tmp_path / "a.tif")
    assert movie.calibration.pixel_size_nm is None
    assert any("--pixel-size-nm" in w for w in movie.warnings)


@pytest.mark.parametrize("per_nm", [1e-6, 2e4])
def test_an_absurd_pixel_size_is_dropped_with_a_warning(tmp_path, per_nm):
    write_imagej(tmp_path / "a.tif", per_unit=(per_nm, per_nm))
    movie = open_movie(tmp_path / "a.tif")
    assert movie.calibration.pixel_size_nm is None
    assert "absurd" in movie.warnings[0]


def test_reciprocal_units_are_diffraction(tmp_path):
    write_imagej(tmp_path / "a.tif", unit="1/nm")
    movie = open_movie(tmp_path / "a.tif")
    assert movie.calibration.pixel_size_nm is None
    assert "diffraction" in movie.warnings[0]


def test_ome_physical_sizes_and_time_increment(tmp_path):
    path = tmp_path / "a.ome.tif"
    metadata = {
        "axes": "TYX",
        "PhysicalSizeX": 0.2,
        "PhysicalSizeXUnit": "Å",
        "PhysicalSizeY": 2.5e-5,
        "PhysicalSizeYUnit": "µm",
        "TimeIncrement": 200,
        "TimeIncrementUnit": "ms",
    }
    tifffile.imwrite(path, STACK, metadata=metadata)
    movie = open_movie(path)
    assert movie.name == "a"
    assert movie.shape == STACK.shape
    assert movie.calibration.pixel_size_nm == pytest.approx((0.025, 0.02))
    assert movie.calibration.frame_time_s == pytest.approx(0.2)
    np.testing.assert_array_equal(movie.frame(3), STACK[3])


def test_ome_times_of_planes(tmp_path):
    path = tmp_path / "a.ome.tif"
    planes = {"DeltaT": [0.4 * t for t in range(10)], "DeltaTUnit": ["s"] * 10}
    tifffile.imwrite(path, STACK, metadata={"axes": "TYX", "Plane": planes})
    assert open_movie(path).calibration.frame_time_s == pytest.approx(0.4)


@pytest.mark.parametrize("dtype", ["uint8", ">u2", "int16", "uint32", "float16", ">f4", "float64", "bool"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_number_types_are_kept(tmp_path, dtype, compression):
    data = (STACK % 2).astype(dtype) if dtype == "bool" else (STACK % 200).astype(dtype)
    order = ">" if dtype.startswith(">") else "<"
    with tifffile.TiffWriter(tmp_path / "a.tif", byteorder=order) as tif:
        tif.write(data, compression=compression, photometric="minisblack")
    movie = open_movie(tmp_path / "a.tif")
    assert movie.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(movie.frame(4), data[4])
    assert movie.dtype.isnative


def test_a_plain_image_is_a_movie_of_one_frame(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0])
    movie = open_movie(tmp_path / "a.tif")
    assert movie.shape == (1, 32, 48)
    assert movie.calibration.sources == {}


def test_a_printers_resolution_is_no_pixel_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], resolution=(300, 300), resolutionunit="INCH")
    assert open_movie(tmp_path / "a.tif").calibration.pixel_size_nm is None


def test_a_microscopes_resolution_per_centimetre_is_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", STACK[0], resolution=(5e8, 4e8), resolutionunit="CENTIMETER")
    assert open_movie(tmp_path / "a.tif").calibration.pixel_size_nm == pytest.approx((0.025, 0.02), rel=1e-5)


def test_colour_needs_a_channel(tmp_path):
    colour = np.random.default_rng(0).integers(0, 255, (32, 48, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb")
    with pytest.raises(InputError, match=r"RGB.*--channel"):
        open_movie(tmp_path / "a.tif")
    with pytest.raises(InputError, match="'violet'"):
        open_movie(tmp_path / "a.tif", channel="violet")
    for channel in ("green", "1"):
        np.testing.assert_array_equal(
            open_movie(tmp_path / "a.tif", channel=channel).frame(0), colour[..., 1]
        )


def test_grey_images_stored_in_colours_are_grey(tmp_path):
    grey = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 1)).astype(np.uint8)
    alike = np.concatenate([grey, grey, grey, np.full_like(grey, 255)], axis=-1)
    tifffile.imwrite(tmp_path / "rgba.tif", alike, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "one.tif", alike[0, ..., :3], photometric="rgb")
    np.save(tmp_path / "movie.npy", alike[..., :3])
    for name, frames in (("rgba.tif", 5), ("one.tif", 1), ("movie.npy", 5)):
        with pytest.raises(InputError, match=r"RGB.*--channel"):
            open_movie(tmp_path / name)
        movie = open_movie(tmp_path / name, grey=True)
        assert movie.shape == (frames, 32, 48)
        assert open_movie(tmp_path / name, channel=movie.channel).content_hash() == movie.content_hash()
        assert any("taken as grey" in words for words in movie.warnings)
        np.testing.assert_array_equal(movie.frame(frames - 1), grey[frames - 1, ..., 0])
    alike[4, 3, 5, 1] += 1
    tifffile.imwrite(tmp_path / "not.tif", alike, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(InputError, match=r"RGB.*--channel"):
        open_movie(tmp_path / "not.tif", grey=True)


def test_time_and_channels_need_a_channel(tmp_path):
    data = STACK[:6].reshape(3, 2, 32, 48)
    write_imagej(tmp_path / "a.tif", data, axes="TCYX")
    with pytest.raises(InputError, match=r"2 channels.*--channel"):
        open_movie(tmp_path / "a.tif")
    movie = open_movie(tmp_path / "a.tif", channel="1")
    assert movie.channel == "1"
    np.testing.assert_array_equal(movie.frame(2), data[2, 1])


def test_time_and_depth_are_too_many_dimensions(tmp_path):
    write_imagej(tmp_path / "a.tif", STACK[:6].reshape(3, 2, 32, 48), axes="TZYX")
    with pytest.raises(InputError, match="4 dimensions"):
        open_movie(tmp_path / "a.tif")


def test_two_series_are_listed(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(STACK)
        tif.write(STACK[0, :8, :8].astype(np.float32))
    with pytest.raises(InputError, match="several datasets"):
        open_movie(tmp_path / "a.tif")
    assert len(list_datasets(tmp_path / "a.tif")) == 2
    assert open_movie(tmp_path / "a.tif", dataset=1).shape == (1, 8, 8)


def write_pages(path, **options):
    with tifffile.TiffWriter(path) as tif:
        for frame in STACK:
            tif.write(frame, contiguous=False, metadata=None, **options)


WRITERS = {
    "imagej": lambda p: write_imagej(p, finterval=0.2),
    "one piece": lambda p: tifffile.imwrite(p, STACK),
    "one piece, no metadata": lambda p: tifffile.imwrite(p, STACK, metadata=None),
    "page by page": write_pages,
    "compressed": lambda p: write_pages(p, compression="zlib"),
}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.filterwarnings("ignore")
def test_of_a_cut_file_the_complete_frames_are_kept(tmp_path, layout):
    path = tmp_path / "a.tif"
    WRITERS[layout](path)
    cut(path, 0.55)
    movie = open_movie(path)
    assert 4 <= movie.n_frames <= 6
    for t in range(movie.n_frames):
        np.testing.assert_array_equal(movie.frame(t), STACK[t])
    assert any(f"frame {movie.n_frames} " in w for w in movie.warnings)
    if layout == "imagej":
        assert movie.calibration.frame_time_s == pytest.approx(0.2)


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("fraction", [0.0, 0.001, 0.03])
def test_a_file_cut_within_its_first_frame_is_refused(tmp_path, layout, fraction):
    path = tmp_path / "a.tif"
    WRITERS[layout](path)
    cut(path, fraction)
    with pytest.raises(InputError, match=r"a\.tif"):
        open_movie(path)


def test_any_other_file_called_tif_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("no image at all")
    with pytest.raises(InputError, match="no TIFF"):
        open_movie(tmp_path / "a.tif")


@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_stack_of_few_frames_that_tifffile_marks_as_colours_is_a_movie(tmp_path, number, kind, compression):
    """As a focal series of three images is written by `tifffile.imwrite` without further words."""
    data = STACK[:number].astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", data, compression=compression)
    movie = open_movie(tmp_path / "a.tif")
    np.testing.assert_array_equal(np.stack([movie.frame(t) for t in range(number)]), data)
    assert any("taken as frames" in words for words in movie.warnings)
