"""Integration tests of the main job with a detector of a few lines: events, gaps, stops."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from dot_scene import FRAMES, PIXEL_NM, SIZE, Laplacian, Scene, card

from napari_atomcount import pipeline
from napari_atomcount.io.tables import read_analysis, write_analysis
from napari_atomcount.measure.spectra import SpectrumMaker
from napari_atomcount.measure.vacuum import LITTLE_VACUUM
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.errors import InputError
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie
from napari_atomcount.records.settings import AnalysisSettings, DetectSettings, DriftSettings


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture(scope="module")
def analysis(scene):
    return pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(material="Au"), command="test")


def test_events_sites_and_drift_are_those_of_the_scene(scene, analysis):
    analysis.validate()
    found = {(int(e.frame), e.kind, int(e.site_id)) for e in analysis.events.itertuples()}
    a, b, c = (scene.site_of(analysis, s) for s in scene.mobile)
    truth = {(6, "vanish", a), (14, "appear", a), (10, "appear", b), (17, "vanish", c)}
    assert found == truth
    assert (analysis.events["probability"] > 0.9).all()
    np.testing.assert_allclose(analysis.events["time_s"], analysis.events["frame"] * 0.2)
    rest = analysis.drift[["dy", "dx"]].to_numpy() - scene.shift
    assert np.sqrt(((rest - rest.mean(0)) ** 2).mean()) < 0.2


def test_state_occupancy_and_counts(scene, analysis):
    order = [scene.site_of(analysis, s) for s in range(len(scene.points))]
    np.testing.assert_array_equal(analysis.state[:, order] > 0, scene.present)
    np.testing.assert_allclose(
        analysis.sites["occupancy"].to_numpy()[order], scene.present.mean(0), atol=1e-6
    )
    assert set(np.unique(analysis.state)) == {0, 3}
    np.testing.assert_allclose(analysis.sites["mean_count"].to_numpy()[order], 3, atol=0.3)
    assert (analysis.sites["occupancy_low"] <= analysis.sites["occupancy"]).all()
    assert analysis.sites["coordination"].max() == 6
    rates = analysis.sites["event_rate_per_s"].to_numpy()
    assert rates[scene.site_of(analysis, scene.mobile[0])] == pytest.approx(2 / (FRAMES * 0.2))


def test_summary_tells_all(analysis):
    for key in (
        "versions",
        "command",
        "settings",
        "calibration",
        "model",
        "warnings",
        "totals",
        "seconds",
        "domain",
    ):
        assert key in analysis.summary
    json.dumps(analysis.summary)
    assert analysis.summary["complete"] is True
    assert analysis.summary["model"]["sha256"] == "0" * 64
    assert analysis.summary["totals"]["events"] == 4
    assert analysis.summary["calibration"]["sources"]["pixel_size_nm"] == "user"
    assert analysis.summary["domain"] == {"inside": True, "warnings": [], "expected": None}
    assert analysis.summary["warnings"] == []


def test_written_and_read_again(analysis, tmp_path):
    write_analysis(analysis, tmp_path)
    back = read_analysis(tmp_path)
    np.testing.assert_array_equal(back.state, analysis.state)
    pd.testing.assert_frame_equal(back.events, analysis.events, check_dtype=False)


def test_a_static_movie_has_no_events():
    still = Scene(1, hops=False)
    found = pipeline.analyze(still.movie(), Laplacian())
    assert len(found.events) == 0
    order = [still.site_of(found, s) for s in range(len(still.points))]
    assert (found.sites["occupancy"].to_numpy()[order] == 1).all()


def test_a_model_that_does_not_count(scene):
    found = pipeline.analyze(scene.movie(), Laplacian(counts=False))
    assert set(np.unique(found.state)) == {0, 1}
    assert (found.columns["count"] == -1).all()
    assert "count_p" not in found.columns
    assert found.sites["mean_count"].isna().all()
    assert set(found.events["before"]) | set(found.events["after"]) == {0, 1}


def test_blank_frames_are_not_observed(scene):
    frames = scene.frames.copy()
    frames[[0, 11]] = 5
    found = pipeline.analyze(scene.movie(frames), Laplacian())
    assert (found.state[[0, 11]] == -1).all()
    assert np.isnan(found.probability[[0, 11]]).all()
    assert sum("blank" in text for text in found.summary["warnings"]) == 2
    assert len(found.events) == 4
    assert not set(found.columns["frame"]) & {0, 11}


def test_nothing_but_blank_frames(scene, tmp_path):
    found = pipeline.analyze(scene.movie(np.zeros((3, 64, 64), np.uint8)), Laplacian())
    assert (len(found.columns), len(found.sites), len(found.events)) == (0, 0, 0)
    assert found.state.shape == (3, 0)
    assert any("no frame shows anything" in text for text in found.summary["warnings"])
    write_analysis(found, tmp_path)


def test_repeated_frames_count_once(scene):
    frames = np.repeat(scene.frames[:8], 2, axis=0)
    found = pipeline.analyze(scene.movie(frames), Laplacian())
    assert found.summary["totals"]["frames_observed"] == 8
    assert any("repeats" in text for text in found.summary["warnings"])


@pytest.mark.parametrize("frames", [1, 2])
def test_one_or_two_frames(scene, frames, tmp_path):
    found = pipeline.analyze(scene.movie(scene.frames[4 : 4 + frames]), Laplacian())
    assert len(found.events) == 0
    assert 0.85 * len(scene.points) < len(found.sites) <= len(scene.points)
    assert any("observed frame" in text for text in found.summary["warnings"])
    if frames == 1:
        assert found.sites["event_rate_per_s"].isna().all()
    write_analysis(found, tmp_path)


def test_frames_keep_their_numbers(scene):
    found = pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(frames=(4, 16)))
    assert found.frame.tolist() == list(range(4, 16))
    assert found.drift["frame"].tolist() == list(range(4, 16))
    assert set(found.columns["frame"]) == set(range(4, 16))
    assert set(found.events["frame"]) == {6, 14, 10}


def test_frames_beyond_the_movie(scene):
    with pytest.raises(InputError, match="--frames"):
        pipeline.analyze(scene.movie(), Laplacian(), AnalysisSettings(frames=(100, 120)))


def test_no_pixel_size(scene):
    with pytest.raises(InputError, match="--pixel-size-nm"):
        pipeline.analyze(scene.movie(pixel_size_nm=None), Laplacian())


def test_without_a_frame_time_rates_are_unknown(scene):
    found = pipeline.analyze(scene.movie(frame_time_s=None), Laplacian())
    assert found.events["time_s"].isna().all()
    assert found.sites["event_rate_per_s"].isna().all()


def test_a_missing_dose_is_estimated_and_says_so(scene):
    found = pipeline.analyze(
        scene.movie(dose_e_per_A2=None), Laplacian(), AnalysisSettings(frames=(0, 6), kv=200)
    )
    assert found.summary["calibration"]["sources"]["dose_e_per_A2"] == "estimated"
    assert found.summary["calibration"]["dose_e_per_A2"] == pytest.approx(340, rel=0.25)
    assert any("200 kV" in text for text in found.summary["warnings"])


def test_a_stopped_job_keeps_what_is_finished(scene):
    asked = iter(range(100))
    found = pipeline.analyze(scene.movie(), Laplacian(), cancelled=lambda: next(asked) >= 12)
    assert found.frame.tolist() == list(range(12))
    assert found.summary["complete"] is False
    assert any("stopped" in text for text in found.summary["warnings"])
    assert set(found.events["frame"]) == {6, 10}


def test_stopped_before_the_first_frame(scene, tmp_path):
    found = pipeline.analyze(scene.movie(), Laplacian(), cancelled=lambda: True)
    assert (len(found.frame), len(found.columns), len(found.sites)) == (0, 0, 0)
    write_analysis(found, tmp_path)


def test_ceasing_to_iterate_is_cancelling(scene):
    results = pipeline.detect_frames(scene.movie(), Laplacian())
    first = next(results)
    results.close()
    assert first.frame == 0
    tables.validate(first.columns, tables.COLUMNS)


def test_progress_is_told(scene):
    told = []
    pipeline.analyze(
        scene.movie(), Laplacian(), AnalysisSettings(frames=(0, 3)), progress=lambda *a: told.append(a)
    )
    assert ("columns", 3, 3) in told
    assert told[-1] == ("occupancy", 3, 3)


def test_frames_in_any_order_make_the_same_analysis(scene, analysis):
    movie, detector = scene.movie(), Laplacian()
    store = pipeline.LogitStore(movie, detector.card)
    order = np.random.default_rng(0).permutation(FRAMES).tolist()
    parts = []
    for result in pipeline.detect_frames(movie, detector, frames=order):
        store.add(result)
        parts.append(result.columns)
    found = pipeline.follow(movie, pd.concat(parts, ignore_index=True), store)
    pd.testing.assert_frame_equal(found.drift, analysis.drift)
    np.testing.assert_array_equal(np.sort(found.state.sum(0)), np.sort(analysis.state.sum(0)))
    assert len(found.events) == len(analysis.events)


def test_a_corrected_pixel_size_leaves_the_drift_in_pixels(scene, analysis, tmp_path):
    """The spectra are those of the pixel size with which the network looked, also when they are read back."""
    movie, detector = scene.movie(), Laplacian()
    store, parts = pipeline.LogitStore(movie, detector.card), []
    for result in pipeline.detect_frames(movie, detector):
        store.add(result)
        parts.append(result.columns)
    pixel_size = tuple(1.3 * n for n in movie.calibration.require_pixel_size())
    larger = movie.with_calibration(movie.calibration.updated("user", pixel_size_nm=pixel_size))
    store.save(tmp_path)
    for kept in (store, pipeline.LogitStore.load(tmp_path, larger, detector.card)):
        found = pipeline.follow(larger, pd.concat(parts, ignore_index=True), kept)
        drift, before = found.drift[["dy", "dx"]], analysis.drift[["dy", "dx"]]
        np.testing.assert_allclose(drift, before, atol=0.05)
        kept.close()


def test_the_threshold_is_kept(scene):
    strict = AnalysisSettings(detect=DetectSettings(threshold=0.99), frames=(0, 4))
    found = pipeline.analyze(scene.movie(), Laplacian(), strict)
    assert (found.columns["score"] >= 0.99).all()
    assert found.summary["model"]["threshold"] == 0.99


def test_without_vacuum_in_view_the_beam_level_has_to_be_stated(scene):
    """The scene's particle is 1.7 nm wide in a view of 3.2 nm."""
    asked = []

    class Asked(Laplacian):
        def detect(self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None):
            asked.append(beam_level)
            return super().detect(frame, pixel_size_nm, valid)

    def warnings_of(movie, beam_level=None):
        settings = AnalysisSettings(detect=DetectSettings(beam_level=beam_level), frames=(0, 3))
        return pipeline.analyze(movie, Asked(), settings).summary["warnings"]

    assert LITTLE_VACUUM not in warnings_of(scene.movie())
    inside = scene.movie(scene.frames[:, 48:112, 48:112])
    assert warnings_of(inside).count(LITTLE_VACUUM) == 1  # for all frames together
    level = 1.2 * float(inside.data[:3].mean())
    assert LITTLE_VACUUM not in warnings_of(inside, level)
    assert asked[-3:] == [level] * 3
    assert any("is not that of all frames" in text for text in warnings_of(inside, 10 * level))


def test_no_drift(scene):
    settings = AnalysisSettings(drift=DriftSettings(enabled=False), frames=(0, 4))
    found = pipeline.analyze(scene.movie(), Laplacian(), settings)
    assert (found.drift[["dy", "dx"]] == 0).all(axis=None)


class TestLogitStore:
    def stored(self, column, observed=None, card_=None):
        movie = Movie(np.zeros((3, 8, 8)), Calibration(pixel_size_nm=PIXEL_NM), "m")
        store = pipeline.LogitStore(movie, card_)
        column = np.asarray(column, dtype=np.float32)
        good = np.ones(column.shape, bool) if observed is None else observed
        maps = ProbabilityMaps(
            column, np.zeros((2, *column.shape), np.float32), np.zeros(column.shape, np.float32), None, None,
            ("column",), (2.0, 2.0), 2 * PIXEL_NM, good,
        )  # fmt: skip
        weak = pd.DataFrame({"frame": [1], "y": [2.0], "x": [3.0], "score": [0.2]})
        spectrum = SpectrumMaker((8, 8), (PIXEL_NM, PIXEL_NM))(np.ones((8, 8)))
        store.add(
            pipeline.FrameResult(
                1, tables.empty(tables.COLUMNS), weak, maps, bool(good.any()), ("said",), spectrum, 0.1
            )
        )
        return store

    def test_the_strongest_evidence_nearby_is_found(self):
        column = np.full((4, 4), -6.0)
        column[1, 2] = 3.5
        store = self.stored(column)
        found = store.look_up(np.array([[2.5, 3.0, 2.5, 50.0]]), np.array([[4.5, 5.0, 0.5, 4.0]]))[0]
        np.testing.assert_allclose(found[:3], [3.5, 3.5, -6], atol=0.05)
        assert np.isnan(found[3])

    def test_what_was_not_observed_is_nan(self):
        observed = np.ones((4, 4), bool)
        observed[:, 2:] = False
        store = self.stored(np.zeros((4, 4)), observed)
        found = store.look_up(np.array([[2.5, 2.5]]), np.array([[0.5, 6.5]]))[0]
        assert found[0] == pytest.approx(0, abs=0.05)
        assert np.isnan(found[1])

    def test_confidence_is_a_probability(self):
        store = self.stored([[0.0, 20.0], [-20.0, 1.0]])
        np.testing.assert_allclose(store.confidence(1), [[0.5, 1], [0, 0.73]], atol=0.01)
        assert (store.confidence(0) == 0).all()

    def test_the_cards_calibration_counts(self):
        biased = card().model_copy(deep=True)
        evidence = np.linspace(-6, 6, 40)
        biased.calibration.evidence = evidence.tolist()
        biased.calibration.score = (1 / (1 + np.exp(-(evidence - 2)))).tolist()
        store = self.stored(np.full((4, 4), 2.0), card_=biased)
        assert store.confidence(1)[0, 0] == pytest.approx(0.5, abs=0.06)

    def test_shapes_are_known_before_the_first_frame(self, scene):
        movie, detector = scene.movie(), Laplacian()
        store = pipeline.LogitStore(movie, detector.card)
        expected = store.shape, store.scale
        for result in pipeline.detect_frames(movie, detector, frames=[3]):
            store.add(result)
        assert (store.shape, store.scale) == expected == ((FRAMES, SIZE // 2, SIZE // 2), (2.0, 2.0))

    def test_what_it_remembers(self):
        store = self.stored(np.zeros((4, 4)))
        assert store.frames.tolist() == [1]
        assert store.observed.tolist() == [True]
        assert store.warnings == ["said"]
        assert store.weak()["score"].tolist() == [0.2]
        store.close()
        assert store.frames.tolist() == []

    def test_what_is_closed_takes_nothing_away_that_was_kept(self, tmp_path):
        store = self.stored(np.zeros((4, 4)))
        assert store.save(tmp_path)
        store.close()
        assert not store.save(tmp_path)
        movie = Movie(np.zeros((3, 8, 8)), Calibration(pixel_size_nm=PIXEL_NM), "m")
        assert pipeline.LogitStore.load(tmp_path, movie).frames.tolist() == [1]

    def test_closed_while_it_is_kept(self, tmp_path):
        store = self.stored(np.zeros((4, 4)))
        read = store._read

        def read_and_close(frame):
            store.close()
            return read(frame)

        store._read = read_and_close
        assert not store.save(tmp_path)
        movie = Movie(np.zeros((3, 8, 8)), Calibration(pixel_size_nm=PIXEL_NM), "m")
        assert pipeline.LogitStore.load(tmp_path, movie) is None
