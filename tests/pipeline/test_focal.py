"""Focal series through the main job: what is grouped, aligned, ordered, said; with an untrained network."""

import hashlib

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from napari_atomcount import pipeline
from napari_atomcount.measure.alignment import displaced
from napari_atomcount.networks.card import Calibration as Scores
from napari_atomcount.networks.card import Domain, ModelCard, load_card, write_card
from napari_atomcount.networks.detector import Detector
from napari_atomcount.networks.unet import UNet, UNetConfig
from napari_atomcount.pipeline.focal import check_series, frame_numbers, left_over, look_at
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings

PIXEL_NM = 0.02
SIDE = 128
SERIES = DetectSettings(focal_series=True, device="cpu")


def write_model(folder, frames):
    torch.manual_seed(0)
    config = UNetConfig(frames=frames, widths=(8, 8), blocks=1, counts=4)
    folder.mkdir()
    save_file(UNet(config).state_dict(), folder / "weights.safetensors")
    domain = Domain(
        materials=["Au"], zone_axis="110", kv=(295, 305), pixel_size_nm=(0.01, 0.03), contrast=(0, 10),
        dose_e_per_A2=(100, 1e6), defocus_nm=(-20, 20), cs_um=(-20, 20), tilt_deg=(0, 3), words="gold",
    )  # fmt: skip
    card = ModelCard(
        name=f"looks-at-{frames}", materials=["Au"], zone_axis="110", classes=["column"], counts=True,
        max_count=4, focal_series=frames > 1, network=config.model_dump(mode="json"), pixel_size_nm=0.02,
        normalisation="beam level", default_threshold=0.5, domain=domain, recipe={}, package_version="0",
        calibration=Scores(evidence=[-6, 6], score=[0.01, 0.99]),
        sha256=hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest(),
    )  # fmt: skip
    write_card(card, folder)
    return load_card(folder)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "three", 3)


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "single", 1)


def blob(contrast, shift, rng):
    """An irregular particle of dots whose contrast may be of either sign, drifted by (dy, dx) px."""
    y, x = np.indices((SIDE, SIDE))
    places = np.random.default_rng(1).uniform(40, 88, (40, 2))
    image = sum(
        np.exp(-((y - a - shift[0]) ** 2 + (x - b - shift[1]) ** 2) / (2 * 2.2**2)) for a, b in places
    )
    return rng.poisson(120 * np.clip(1 + contrast * image, 0.05, None)).astype(np.uint16)


@pytest.fixture(scope="module")
def drift():
    return np.array(
        [[0, 0], [1.6, -2.3], [-3.2, 0.8], [5.0, 5.0], [4.0, 7.0], [6.5, 2.0], [5.0, 5.0], [5, 5]]
    )


@pytest.fixture(scope="module")
def movie(drift):
    rng = np.random.default_rng(0)
    frames = [blob((0.15, -0.25, 0.25)[k % 3], d, rng) for k, d in enumerate(drift)]
    return Movie(np.stack(frames), Calibration(pixel_size_nm=PIXEL_NM, frame_time_s=0.5), "series")


def test_frames_are_taken_series_by_series(movie):
    assert frame_numbers(movie, AnalysisSettings(), 3) == [0, 3]
    assert frame_numbers(movie, AnalysisSettings(frames=(1, 7)), 3) == [1, 4]
    assert frame_numbers(movie, AnalysisSettings(frames=(1, 3)), 3) == []
    assert frame_numbers(movie, AnalysisSettings()) == list(range(8))
    assert (
        "last 2 images make no whole series of 3 and were not" in left_over(movie, AnalysisSettings(), 3)[0]
    )
    assert "last image makes" in left_over(movie, AnalysisSettings(frames=(1, 8)), 3)[0]
    assert left_over(movie, AnalysisSettings(frames=(1, 7)), 3) == []


def test_series_are_laid_on_their_first_image_and_ordered(movie, drift, three):
    plain = look_at(movie, 3, three, SERIES)
    np.testing.assert_allclose(plain.shift, drift[3:6] - drift[3], atol=0.45)
    np.testing.assert_array_equal(plain.seen[0], movie.frame(3))
    np.testing.assert_array_equal(plain.seen[2], displaced(movie.frame(5), -plain.shift[2]))
    assert plain.words == ()
    assert not plain.valid[0, 64]  # images 4 and 5 do not reach there once they are moved
    assert plain.valid[10:-10, 10:-10].all()
    told = look_at(movie, 3, three, SERIES.model_copy(update={"defocus_nm": (9.0, -17.0, -4.0)}))
    np.testing.assert_array_equal(told.seen, plain.seen[[1, 2, 0]])
    np.testing.assert_array_equal(told.first, movie.frame(3))


def test_what_does_not_fit_is_said_in_a_sentence(three, single, movie):
    with pytest.raises(InputError, match="looks at focal series of 3 images: add --focal-series"):
        list(pipeline.detect_frames(movie, Detector(three, "cpu")))
    with pytest.raises(InputError, match="looks at single images: leave out --focal-series"):
        pipeline.analyze(movie, single, AnalysisSettings(detect=SERIES))
    for defocus in ((1.0, 2.0), (1.0, 2.0, 2.0)):
        with pytest.raises(InputError, match="needs 3 different defoci"):
            check_series(three, SERIES.model_copy(update={"defocus_nm": defocus}))
    with pytest.raises(InputError, match="no whole series of 3 is in the range"):
        pipeline.analyze(movie, three, AnalysisSettings(detect=SERIES, frames=(0, 2)))
    with pytest.raises(InputError, match="looks at 3 images at a time, not 1"):
        Detector(three, "cpu").detect(movie.frame(0), (PIXEL_NM, PIXEL_NM))


def test_the_main_job_follows_series(movie, drift, three):
    settings = AnalysisSettings(detect=SERIES.model_copy(update={"threshold": 0.0}))
    analysis = pipeline.analyze(movie, three, settings)
    assert analysis.frame.tolist() == [0, 3]
    assert set(analysis.columns["frame"]) <= {0, 3}
    assert analysis.summary["complete"]
    assert any("no whole series" in text for text in analysis.summary["warnings"])
    series = analysis.summary["focal_series"]["series"]
    assert [one["frame"] for one in series] == [0, 3]
    np.testing.assert_allclose(series[0]["shift_px"], drift[:3], atol=0.45)
    # the dose is estimated between images of one defocus: 120 electrons on 0.04 Å²
    assert analysis.summary["calibration"]["dose_e_per_A2"] == pytest.approx(3000, rel=0.3)


def test_a_blank_image_leaves_its_series_unobserved(movie, three):
    frames = np.array(movie.data, np.float32)
    frames[4] = np.nan
    results = list(
        pipeline.detect_frames(
            Movie(frames, movie.calibration, "holes"), Detector(three, "cpu"), AnalysisSettings(detect=SERIES)
        )
    )
    assert [r.observed for r in results] == [True, False]
    assert not len(results[1].columns)
    assert any("frame 4" in text for text in results[1].warnings)


def test_each_image_has_a_say(movie, three):
    detector = Detector(three, "cpu")
    look = look_at(movie, 0, three, SERIES)
    whole = detector.detect(look.seen, (PIXEL_NM, PIXEL_NM)).column
    for k in range(3):
        seen = look.seen.copy()
        seen[k] = np.random.default_rng(k).poisson(120, seen[k].shape)
        assert np.abs(detector.detect(seen, (PIXEL_NM, PIXEL_NM)).column - whole).max() > 0.01
