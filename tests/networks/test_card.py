"""Unit tests of model folders: what is accepted, and that everything else is refused in one sentence."""

import json

import pytest

from napari_atomcount.networks.card import load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.networks.domain import check_domain
from napari_atomcount.networks.unet import UNetConfig
from napari_atomcount.records.errors import ModelError


def test_a_valid_folder_loads(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    assert card.name == "small"
    assert Detector(card, device="cpu").channels == 8


def refused(folder):
    with pytest.raises(ModelError) as error:
        Detector(load_card(folder), device="cpu")
    text = str(error.value)
    assert "\n" not in text
    return text


def test_wrong_folders_are_refused_in_one_sentence(tmp_path, write_model):
    assert "no model" in refused("no-such-model")
    (tmp_path / "empty").mkdir()
    assert "card.json" in refused(tmp_path / "empty")
    text = tmp_path / "text"
    text.mkdir()
    (text / "card.json").write_text("{not json")
    assert "cannot be read" in refused(text)
    half = write_model(tmp_path / "half")
    content = json.loads((half / "card.json").read_text())
    del content["domain"]
    (half / "card.json").write_text(json.dumps(content))
    assert "domain" in refused(half)


def test_other_weights_than_the_card_says_are_refused(tmp_path, write_model):
    folder = write_model(tmp_path / "m")
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "weights.safetensors").write_bytes(bytes(data))
    assert "sha256" in refused(folder)


def test_weights_of_another_network_are_refused(tmp_path, write_model):
    folder = write_model(tmp_path / "m", network=UNetConfig(widths=(16, 8), counts=4).model_dump(mode="json"))
    assert "do not fit" in refused(folder)


def test_a_pickle_is_never_opened(tmp_path, write_model):
    folder = write_model(tmp_path / "m")
    (folder / "weights.safetensors").unlink()
    (folder / "weights.pt").write_bytes(b"\x80\x04")
    assert "safetensors" in refused(folder)


def test_domain_is_checked_in_words(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    assert check_domain(card, pixel_size_nm=(0.02, 0.02), dose_e_per_A2=300, kv=300, material="Au") == []
    outside = check_domain(
        card,
        pixel_size_nm=(0.055, 0.055),
        dose_e_per_A2=10,
        kv=80,
        material="Pd",
        contrast=0.9,
        unevenness=1.0,
    )
    text = " ".join(outside)
    for word in ("0.055 nm", "10 e/Å²", "80 kV", "Pd", "dark-field", "contrast"):
        assert word in text
