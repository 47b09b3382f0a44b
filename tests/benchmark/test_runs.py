"""Each benchmark runs from end to end on a tiny model: files, rows, floors."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from napari_atomcount import benchmark
from napari_atomcount.benchmark import (
    card_scores,
    columns,
    conditions,
    curves,
    dynamics,
    memory,
    report,
    robustness,
    speed,
    speed_edit,
    turning,
)
from napari_atomcount.benchmark.scenes import ParticleSet, fixed, picture, scene
from napari_atomcount.records.errors import InputError, ModelError

SMALL = {"diameter_A": (18.0, 20.0), "relax_steps": 0, "pairs": 1}


@pytest.fixture
def own_cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "benchmark-cache"
    monkeypatch.setenv("ATOMCOUNT_CACHE", str(folder))
    monkeypatch.delenv("ATOMCOUNT_TEST_DATA", raising=False)
    return folder / "benchmark"


@pytest.fixture
def small_particles(monkeypatch):
    def shrunk(make):
        def conditions_of_small_particles(*arguments):
            return [
                c.model_copy(update={"particles": c.particles.model_copy(update=SMALL)})
                for c in make(*arguments)
                if c.axis not in {"tilt", "defocus", "Cs"} or c.at in {0.0, 8.0}
            ]

        return conditions_of_small_particles

    for name in ("table_conditions", "curve_conditions", "card_conditions"):
        monkeypatch.setattr(columns, name, shrunk(getattr(conditions, name)))
    monkeypatch.setattr(columns, "SECOND", ParticleSet(**SMALL))
    kept = ("structure", "field of view, nm", "camera", "vibration 0.25 Å")

    def few_factors():
        made, places = robustness.robustness_conditions()
        places = places[places.factor.isin(kept)]
        small = shrunk(lambda: [c for c in made if c.name in set(places.condition)])()
        return small, places

    monkeypatch.setattr(columns, "robustness_conditions", few_factors)


def test_the_waves_are_cached_and_the_truth_is_where_the_contrast_is(own_cache):
    gaps = ParticleSet(**SMALL, tilt_deg=(0.0, 0.0))
    first = scene(gaps, 0, 0, own_cache)
    again = scene(gaps, 0, 0, own_cache)
    assert np.array_equal(first.waves, again.waves)
    pd.testing.assert_frame_equal(first.columns, again.columns)
    condition = conditions.Condition(
        name="test", title="test", particles=gaps, dose_e_per_A2=fixed(1e5), pixel_A=fixed(0.16)
    )
    image = picture(condition, 0, 0, 1, own_cache)
    assert image.pixel_nm == pytest.approx(0.016)
    y, x = (image.truth[k].round().astype(int) for k in "yx")
    # Cs -10 µm with +6…10 nm of defocus: columns are bright
    assert np.median(image.frame[y, x]) > 1.2 * np.median(image.frame)


def test_columns_benchmark(tiny_model, own_cache, small_particles, monkeypatch, tmp_path):
    result = benchmark.run([str(tiny_model.folder)], tmp_path, images=1)
    rows = pd.read_csv(tmp_path / "tiny.csv")
    assert {"A-100", "A-1e4", "A-1e5", "wide", "A-1000-gaps", "A-1000-film", "A-1e4-Pt"} <= set(
        rows.condition
    )
    assert (rows.sha256 == tiny_model.sha256[:12]).all()
    for name in (
        "images",
        "columns",
        "seed",
        "precision",
        "recall",
        "position_pm",
        "count_exact",
        "ece_count",
    ):
        assert name in rows
    assert (rows["columns"] > 10).all()
    content = json.loads((tmp_path / "tiny.json").read_text(encoding="utf-8"))
    assert {"versions", "seed", "rows", "peers", "by_count", "reliability", "floors"} <= set(content)
    assert any(f["figure"] == "missing_reported" for f in result.floors)
    for figure in ("dose", "curves", "counts", "robustness", "reliability"):
        assert (tmp_path / f"tiny-{figure}.png").stat().st_size > 5000
    said = (tmp_path / "tiny-losses.md").read_text(encoding="utf-8")
    assert "Floors that are missed: A, 100 e/Å²: precision" in said
    assert "Laplacian of Gaussian: ahead in F1 at A, 100 e/Å² (" in said
    assert "A, 1e4 e/Å² (" in said
    for part in ("", "-peers", "-robustness", "-ideal"):
        assert "|---|" in (tmp_path / f"tiny{part}.md").read_text(encoding="utf-8")
    peers = pd.read_csv(tmp_path / "tiny-peers.csv")
    assert set(rows[rows.axis.isin(columns.PEER_AXES)].condition) | {"wide"} == set(peers.condition)
    bright = peers[(peers.condition == "A-1e4") & (peers.tuning == "condition")].set_index("method")
    # the truth fits the images: whoever looks for maxima of gold at 10⁴ e/Å² finds it
    assert (bright.f1 > 0.97).all()
    assert (bright.position_pm < 8).all()
    assert set(bright.index) == {"Laplacian of Gaussian", "local maxima"}

    robust = pd.read_csv(tmp_path / "tiny-robustness.csv")
    assert list(robust.factor.unique()) == ["structure", "field of view, nm", "camera", "vibration 0.25 Å"]
    assert robust.set_index("value").loc["15", "columns"] == robust.set_index("value").loc["10", "columns"]
    falls = [f for f in result.floors if f["figure"] == "fall of count_exact"]
    assert len(falls) == 4
    ideal = pd.read_csv(tmp_path / "tiny-ideal.csv")
    assert (np.diff(ideal.ideal) < 0).all()
    assert ideal.ideal.iloc[-1] < 0.01

    records = card_scores.for_card(rows)
    assert records[0]["condition"] == "A-100"
    assert {r["pixel_low_A"] for r in records} >= {0.1, 0.15, 0.2, 0.25}

    def not_again(*_):
        raise AssertionError("what was measured is not measured again")

    for name in ("every_setting", "picture"):
        monkeypatch.setattr(columns, name, not_again)
    benchmark.run([str(tiny_model.folder)], tmp_path / "again", images=1)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again" / "tiny.csv"), rows)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again" / "tiny-peers.csv"), peers)


def test_columns_benchmark_of_a_model_that_finds_nothing(
    tiny_model, blinded, own_cache, small_particles, tmp_path
):
    benchmark.run([str(blinded(tiny_model))], tmp_path / "out", images=1)
    rows = pd.read_csv(tmp_path / "out" / "tiny.csv")
    assert (rows.recall == 0).all()
    assert rows.count_exact.isna().all()
    assert "Floors that are missed" in (tmp_path / "out" / "tiny-losses.md").read_text(encoding="utf-8")


def test_dynamics_benchmark(tiny_model, own_cache, monkeypatch, tmp_path):
    monkeypatch.setattr(dynamics, "DOSES", (310.0,))
    small = dynamics.recipe

    def tiny_recipe(number, dose, frames=40, *, static=False, meant=False):
        made = small(number, dose, frames, static=static, meant=meant)
        particle = made.particle.model_copy(update={"diameter_A": (14.0, 16.0), "relax": 0.0})
        kinetics = made.kinetics.model_copy(update={"rate": 0.5, "mobile": 4})
        return made.model_copy(update={"particle": particle, "snapshots": 1, "kinetics": kinetics})

    monkeypatch.setattr(dynamics, "recipe", tiny_recipe)
    monkeypatch.setattr(turning, "MOTIONS", ((4.0, 0.0), (0.0, 0.02)))
    result = dynamics.run_dynamics(tiny_model, 1, 0, lambda *_: None, frames=3)
    assert list(result.rows.method) == 2 * list(dynamics.METHODS)
    assert result.rows.mean_over_focus.tolist() == [False] * 3 + [True] * 3
    both = result.rows[result.rows.method == dynamics.METHODS[0]]
    assert both.events_true.nunique() == 1  # the same history, seen in two ways
    assert result.rows.iloc[0].events_true > 0
    assert (result.movies.seed >= 700_000).all()
    assert result.turning["followed"].tolist() == [False, True, False, True]
    files = report.write_dynamics(result, tmp_path, {"seed": 0})
    assert all(f.stat().st_size > 100 for f in files)


def test_toggles_and_drift_by_hand():
    seen = np.array([[True, False], [True, True], [False, True]])
    events = dynamics.toggles(seen, np.array([4, 5, 7]), np.array([10, 11]))
    assert events.to_dict("records") == [
        {"frame": 5, "site_id": 11, "kind": "appear"},
        {"frame": 7, "site_id": 10, "kind": "vanish"},
    ]
    drift = dynamics.Drift()
    truth = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0]])
    table = pd.DataFrame({"frame": [0, 1, 2], "dy": [0.0, 1.0, 14.0], "dx": [0.0, 0.0, 0.0]})
    drift.add(table, truth, 0.02)
    assert drift.figures()["period_jumps"] == 1


def test_speed_benchmark(tiny_model, own_cache, monkeypatch, tmp_path):
    monkeypatch.setattr(speed, "FRAME", 160)
    monkeypatch.setattr(speed, "MATRIX", 128)
    monkeypatch.setattr(speed_edit, "COLUMNS", 2000)
    monkeypatch.setattr(speed_edit, "DRAWN_EDITS", 3)
    monkeypatch.setattr(memory, "SECOND", ParticleSet(**SMALL))
    monkeypatch.setattr(speed, "demo_seconds", lambda: 3.0)
    monkeypatch.setattr(
        speed, "memory_of", lambda card, frames: memory.measure(str(card.folder), frames, 160)
    )
    result = speed.run_speed(tiny_model, 4, lambda *_: None)
    values = result.rows.set_index("figure")["value"]
    assert values["network"] > 0
    assert values["memory"] < 1.5
    assert 50 < values["edit bytes"] < 1000
    assert values["edit to disk and table"] > 0
    floors = {"network", "end to end", "memory", "demo", "edit bytes"}
    if os.environ.get("DISPLAY") or shutil.which("xvfb-run"):  # drawn in a real window
        assert values["edit to layer"] > 0
        floors.add("edit to layer")
    assert {f["figure"].split(" (")[0] for f in result.floors} == floors
    assert len(report.write_speed(result, tmp_path, {})) == 3


def test_wrong_names_are_refused_before_anything_runs(tmp_path):
    with pytest.raises(ModelError):
        benchmark.run(["no-such-model"], tmp_path)
    with pytest.raises(InputError):
        benchmark.run([], tmp_path)


def test_what_is_not_known_is_none_in_json_and_a_dash_in_markdown(tmp_path):
    path = report.write_json(
        {"a": float("nan"), "b": np.float32(1.5), "c": [np.int64(3)]}, tmp_path / "x.json"
    )
    assert json.loads(path.read_text()) == {"a": None, "b": 1.5, "c": [3]}
    assert report.shown(float("nan")) == "–"
    assert curves.COUNT_CONDITIONS
