"""A small untrained model, written to disk with a valid card."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from napari_atomcount.networks.card import Calibration, Domain, ModelCard, write_card
from napari_atomcount.networks.unet import UNet, UNetConfig

DOMAIN = Domain(
    materials=["Au", "Pt"],
    count_materials=["Au"],
    zone_axis="110",
    kv=(295, 305),
    pixel_size_nm=(0.008, 0.025),
    dose_e_per_A2=(100, 1e5),
    defocus_nm=(-20, 20),
    cs_um=(-20, 20),
    tilt_deg=(0, 3),
    words="gold",
)


def write_model(folder, **changes):
    """A small untrained model with a valid card."""
    torch.manual_seed(0)
    config = UNetConfig(widths=(8, 8), blocks=1, counts=4)
    folder.mkdir(exist_ok=True)
    save_file(UNet(config).state_dict(), folder / "weights.safetensors")
    values = {
        "name": "small",
        "materials": ["Au"],
        "zone_axis": "110",
        "classes": ["column"],
        "counts": True,
        "max_count": 4,
        "network": config.model_dump(mode="json"),
        "pixel_size_nm": 0.02,
        "normalisation": "beam level",
        "default_threshold": 0.5,
        "calibration": Calibration(evidence=[-6, 6], score=[0.01, 0.99]),
        "domain": DOMAIN,
        "recipe": {},
        "sha256": hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
        "package_version": "0",
    }
    card = ModelCard(**(values | changes))
    write_card(card, folder)
    return folder


@pytest.fixture(name="write_model")
def write_model_fixture():
    return write_model
