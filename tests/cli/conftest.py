"""A real model folder whose network was written by hand to see bright dots, and movies of bright dots."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from safetensors.torch import save_file
from typer.testing import CliRunner

from napari_atomcount.cli.app import app
from napari_atomcount.io.tiff import write_tiff
from napari_atomcount.networks.card import Calibration as ScoreCalibration
from napari_atomcount.networks.card import Domain, ModelCard, write_card
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.records.calibration import Calibration

PIXEL_NM = 0.02
FRAMES, SIDE = 10, 96
HOPPER = (31.0, 31.0)  # y, x px; it is gone in frames 4 to 6
GONE = range(4, 7)


def dots() -> np.ndarray:
    """(T, Y, X) uint16: sixteen bright dots, of which one hops."""
    rng = np.random.default_rng(5)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    places = [(y, x) for y in np.arange(31.0, 72.0, 13.0) for x in np.arange(31.0, 72.0, 13.0)]
    spots = np.array([np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * 2.0**2)) for y, x in places])
    movie = []
    for t in range(FRAMES):
        there = np.ones(len(spots))
        there[0] = float(t not in GONE)
        movie.append(rng.poisson(400 + 300 * np.tensordot(there, spots, 1)))
    return np.array(movie, np.uint16)


@pytest.fixture(scope="session")
def dots_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageJ-calibrated stack."""
    path = tmp_path_factory.mktemp("movies") / "dots.tif"
    write_tiff(path, dots(), Calibration(pixel_size_nm=(PIXEL_NM, PIXEL_NM), frame_time_s=0.5))
    return path


@pytest.fixture(scope="session")
def dots_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose network says: bright means column, of three atoms."""
    folder = tmp_path_factory.mktemp("models") / "dots"
    folder.mkdir()
    config = UNetConfig(widths=(4, 4), blocks=1, counts=5)
    net = UNet(config).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.stem.weight[0, :, 1, 1] = 0.25  # the mean of the unshuffled pixels
        for block in [*net.down, *net.up]:
            skip = (block[0] if isinstance(block, torch.nn.Sequential) else block).skip
            if isinstance(skip, torch.nn.Conv2d):
                skip.weight[0, -4, 0, 0] = 1.0  # the finer scale comes last
        net.detect[0].weight[0, 0, 1, 1] = 1.0
        net.detect[2].weight[0, 0, 0, 0] = 40.0
        net.detect[2].bias[0] = -8.0
        net.detect[2].bias[3] = -1.5
        assert net.count is not None
        net.count[2].bias[2] = 3.0
    save_file(net.state_dict(), folder / "weights.safetensors")
    domain = Domain(
        materials=["Au"],
        count_materials=["Au"],
        zone_axis="110",
        kv=(300, 300),
        pixel_size_nm=(0.008, 0.025),
        dose_e_per_A2=(100, 1e6),
        defocus_nm=(4, 20),
        cs_um=(-20, 0),
        tilt_deg=(0, 3),
        words="bright dots",
    )
    card = ModelCard(
        name="dots",
        materials=["Au"],
        zone_axis="110",
        classes=["column"],
        counts=True,
        max_count=5,
        network=config.model_dump(mode="json"),
        pixel_size_nm=PIXEL_NM,
        normalisation="local beam level",
        default_threshold=0.5,
        calibration=ScoreCalibration(evidence=[-10.0, 10.0], score=[4.54e-5, 1 - 4.54e-5]),
        domain=domain,
        recipe={},
        sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        package_version="0",
    )
    write_card(card, folder)
    return folder


@pytest.fixture
def command() -> Callable[..., Result]:
    """Run the command line in this process; returns exit code, stdout, stderr."""

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not rendered: of a movie of ten frames that would be most of the time.

    What is in the files is looked at by the tests of `io` and `pipeline`, of `export` and of `test_analyze`.
    """

    def touched(_figure: object, stem: Path, kinds: Sequence[str] = ("png", "svg")) -> list[Path]:
        written = [stem.with_name(f"{stem.name}.{kind}") for kind in kinds]
        for path in written:
            path.touch()
        return written

    for module in ("io.figures", "pipeline.time_output"):
        monkeypatch.setattr(f"napari_atomcount.{module}.save_figure", touched)
