"""Unit tests of io.tiff: what is written opens again with its scales."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.records.calibration import Calibration


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("n_frames", [1, 3])
def test_a_written_stack_opens_with_its_calibration(tmp_path: Path, dtype: type, n_frames: int) -> None:
    images = np.arange(n_frames * 20 * 30).reshape(n_frames, 20, 30).astype(dtype)
    calibration = Calibration(pixel_size_nm=(0.02, 0.025), frame_time_s=0.2)
    write_tiff(tmp_path / "images.tif", images, calibration)
    movie = open_movie(tmp_path / "images.tif")
    assert movie.shape == (n_frames, 20, 30)
    assert movie.calibration.pixel_size_nm == pytest.approx((0.02, 0.025))
    if n_frames > 1:
        assert movie.calibration.frame_time_s == pytest.approx(0.2)
    np.testing.assert_array_equal(movie.frame(n_frames - 1), images[-1])
    assert [path.name for path in tmp_path.iterdir()] == ["images.tif"]
    with tifffile.TiffFile(tmp_path / "images.tif") as file:
        assert file.is_imagej


def test_without_a_calibration_none_is_claimed(tmp_path: Path) -> None:
    write_tiff(tmp_path / "images.tif", np.zeros((2, 8, 8), np.uint8), Calibration())
    assert open_movie(tmp_path / "images.tif").calibration.pixel_size_nm is None
