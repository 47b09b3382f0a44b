"""A tiny untrained model, so that the benchmarks themselves can be run in seconds."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_atomcount.networks.card import Calibration, Domain, ModelCard, load_card, write_card
from napari_atomcount.networks.unet import UNet, UNetConfig


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny-model")
    torch.manual_seed(0)
    config = UNetConfig(widths=(4, 8), blocks=1, counts=20)
    save_file(
        {k: v.contiguous() for k, v in UNet(config).state_dict().items()}, folder / "weights.safetensors"
    )
    card = ModelCard(
        name="tiny",
        materials=["Au"],
        zone_axis="[110]",
        classes=["column"],
        counts=True,
        max_count=20,
        network=config.model_dump(mode="json"),
        pixel_size_nm=0.02,
        normalisation="local beam level",
        default_threshold=0.5,
        calibration=Calibration(evidence=[-13.0, 13.0], score=[2e-6, 1 - 2e-6]),
        domain=Domain(
            materials=["Au"],
            zone_axis="[110]",
            kv=(290, 310),
            pixel_size_nm=(0.008, 0.025),
            dose_e_per_A2=(80, 120000),
            defocus_nm=(-20, 20),
            cs_um=(-20, 20),
            tilt_deg=(0, 3),
            words="untrained",
        ),
        recipe={},
        sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        package_version="0",
    )
    write_card(card, folder)
    return load_card(folder)


@pytest.fixture
def blinded(tmp_path):
    """A copy of a model, as its folder, whose network sees a column nowhere."""

    def make(card):
        folder = tmp_path / "blind"
        weights = load_file(card.folder / "weights.safetensors")
        weights["detect.2.weight"][0] = 0.0
        weights["detect.2.bias"][0] = -50.0
        folder.mkdir()
        save_file(weights, folder / "weights.safetensors")
        sha256 = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
        write_card(card.model_copy(update={"sha256": sha256}), folder)
        return folder

    return make
