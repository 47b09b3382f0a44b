"""Unit tests of model folders: what is accepted, and that everything else is refused in one sentence."""

import hashlib
import json
import pickle
import struct
from dataclasses import dataclass

import pytest

from napari_atomcount.measure.zero_level import ZeroLevel
from napari_atomcount.networks import card as networks_card
from napari_atomcount.networks.card import LARGEST_WEIGHTS, load_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.networks.domain import EARLIER_NORMALISATION, check_domain
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


def rewritten(folder, change):
    """Change the content of a card."""
    content = json.loads((folder / "card.json").read_text())
    change(content)
    (folder / "card.json").write_text(json.dumps(content))
    return folder


def described(folder, data):
    """Replace the weights by other bytes that the card describes truly."""
    (folder / "weights.safetensors").write_bytes(data)
    return rewritten(folder, lambda card: card.update(sha256=hashlib.sha256(data).hexdigest()))


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_pickle_under_the_right_name_with_the_right_hash_is_not_opened(tmp_path, write_model):
    proof = tmp_path / "was executed"
    data = pickle.dumps(Harmful(proof))
    assert "safetensors" in refused(described(write_model(tmp_path / "m"), data))
    assert not proof.exists()


def headed(header, body=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


@pytest.mark.parametrize(
    "data",
    [
        b"",
        struct.pack("<Q", 2**62) + b"{}",
        headed(b"{not json"),
        headed({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}),  # cut
        headed({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 16]}}, b"0" * 16),
        headed({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, b"0" * 16),
        headed({}),
    ],
)
def test_broken_weights_are_refused(tmp_path, write_model, data):
    assert "weights.safetensors" in refused(described(write_model(tmp_path / "m"), data))


@pytest.mark.parametrize(
    "change",
    [
        lambda card: card.update(name="../../etc"),
        lambda card: card.update(name="a b"),
        lambda card: card.update(sha256="x"),
        lambda card: card.update(pixel_size_nm=float("nan")),
        lambda card: card.update(pixel_size_nm=-0.02),
        lambda card: card.update(task="execute"),
        lambda card: card["network"].update(widths=[10**7]),
        lambda card: card["network"].update(widths=[8] * 40),
        lambda card: card["network"].update(widths="eight"),
        lambda card: card["network"].update(counts=19),
        lambda card: card["network"].update(frames=3),
        lambda card: card["network"].update(frames=0),
        lambda card: card.update(focal_series=True),
        lambda card: card.update(classes=["Ce", "O"]) or card["network"].update(labels=1),
        lambda card: card["domain"].update(dose_e_per_A2=[1e4, 100]),
        lambda card: card["domain"].update(kv=[0, float("inf")]),
        lambda card: card["domain"].update(words="\x1b]0;gold\x07 gold"),
        lambda card: card["calibration"].update(score=[0.01, 1.5]),
        lambda card: card["calibration"].update(evidence=[6, -6]),
        lambda card: card["calibration"].update(evidence=[1.0]),
        lambda card: card["calibration"].update(count_temperature=0),
        lambda card: card.update(scores="many"),
    ],
)
def test_cards_that_cannot_be_are_refused(tmp_path, write_model, change):
    assert "not a valid model card" in refused(rewritten(write_model(tmp_path / "m"), change))


def test_cards_that_are_no_cards_are_refused(tmp_path, write_model):
    folder = write_model(tmp_path / "m")
    card = folder / "card.json"
    card.write_text("[" * 200_000)
    assert "card" in refused(folder)
    card.write_text(json.dumps(["a list"]))
    assert "not a valid model card" in refused(folder)
    card.write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in refused(folder)
    card.write_text(" " * (5 * 2**20))
    assert "too large" in refused(folder)
    card.unlink()
    card.mkdir()
    assert "no card.json" in refused(folder)


def test_weights_that_are_too_large_are_not_even_hashed(tmp_path, write_model):
    folder = write_model(tmp_path / "m")
    with open(folder / "weights.safetensors", "r+b") as file:
        file.truncate(LARGEST_WEIGHTS + 1)  # a hole: nothing is written
    assert "larger than" in refused(folder)


def test_a_broken_user_model_does_not_hide_the_others(tmp_path, write_model, monkeypatch):
    monkeypatch.setattr(networks_card, "user_models", lambda: tmp_path)
    write_model(tmp_path / "good", name="good")
    rewritten(write_model(tmp_path / "bad", name="bad"), lambda card: card.pop("domain"))
    names = [card.name for card in networks_card.list_models()]
    assert "good" in names
    assert "bad" not in names


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


@dataclass
class Look:
    """A look at a spectrum."""

    seen: bool
    strongest_nm: float
    finest_nm: float
    spacings_nm: tuple[float, ...] = (0.2355, 0.2039)


def test_a_model_with_the_earlier_normalisation_says_so(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    assert check_domain(card) == []
    old = card.model_copy(update={"normalisation": EARLIER_NORMALISATION})
    (words,) = check_domain(old)
    assert "trained again" in words


def test_what_is_wrong_with_contrast_and_spectrum_is_said(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    assert check_domain(card, dark_field=False, lattice=Look(True, 0.2355, 0.12)) == []
    (dark,) = check_domain(card, dark_field=True, unevenness=0.9)
    assert "dark-field" in dark
    (other,) = check_domain(card, lattice=Look(False, 0.39, 0.14))
    assert "0.20–0.24 nm" in other
    assert "0.39 nm" in other
    (blurred,) = check_domain(card, lattice=Look(False, 0.8, 0.41))
    assert "no information beyond 0.41 nm" in blurred
    (noise,) = check_domain(card, lattice=Look(False, float("nan"), float("nan")))
    assert "noise" in noise


def test_intensities_that_do_not_start_at_zero_electrons_are_named(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    for slope, error in ((0.87, 0.02), (0.6, 0.15), (1.3, 0.12), (1.13, 0.02)):
        assert check_domain(card, zero=ZeroLevel(slope, error, 100.0)) == []
    (stretched,) = check_domain(card, zero=ZeroLevel(0.5, 0.05, 100.0))
    assert "8-bit" in stretched
    assert "(by the noise -100 ± 20 counts) as the dark level (in Prepare, or --dark-level)" in stretched
    (cut,) = check_domain(card, cut=0.002)
    assert "0.2 % of the pixels" in cut
    assert check_domain(card, cut=0.0003) == []
    (dark,) = check_domain(card, zero=ZeroLevel(1.6, 0.05, 100.0))
    assert "(by the noise 37.5 ± 2 counts) as the dark level" in dark
    (smooth,) = check_domain(card, noise_blur_px=0.9, zero=ZeroLevel(0.5, 0.05, 100.0))
    assert "smoothed or enlarged" in smooth
    (median,) = check_domain(card, repeated=0.2, noise_blur_px=0.9, dose_e_per_A2=9e4)
    assert "median filter" in median
    assert check_domain(card, repeated=0.03) == check_domain(card, repeated=float("nan")) == []
    assert (
        check_domain(card, noise_blur_px=0.5)
        == check_domain(card, noise_blur_px=0.9, dose_e_per_A2=9e4)
        == []
    )
    (others,) = check_domain(card, likeness=0.3)
    assert "different scenes" in others
    assert check_domain(card, likeness=0.8) == []
    (flat,) = check_domain(card, zero=ZeroLevel(0.05, 0.1, 100.0))
    assert "state where electrons begin as the dark level" in flat
    assert check_domain(card, zero=ZeroLevel(0.6, 0.05, 100.0), dose_e_per_A2=9e4) == []
    assert check_domain(card.model_copy(update={"counts": False}), zero=ZeroLevel(0.6, 0.05, 100.0)) == []


def test_far_coarser_pixels_than_trained_ask_for_surer_columns(tmp_path, write_model):
    card = load_card(write_model(tmp_path / "m"))
    coarsest = card.domain.pixel_size_nm[1]
    assert card.threshold_at((coarsest, coarsest)) == card.default_threshold
    assert card.threshold_at(None) == card.default_threshold
    assert card.threshold_at((coarsest, 2 * coarsest)) == 0.95
    words = check_domain(card, pixel_size_nm=(2 * coarsest, 2 * coarsest))
    assert any("0.95" in sentence for sentence in words)
