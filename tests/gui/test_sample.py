"""The whole job with the bundled network on the sample movie, by mouse, held against the truth."""

import pandas as pd
import pytest
from qtpy.QtWidgets import QComboBox
from scipy.spatial import cKDTree

from napari_atomcount.resources import sample_movie

MATCH_PX = 4.0  # 0.08 nm


def test_the_sample_from_opening_to_a_trace(real_desk):
    real_desk.click("open_sample")
    real_desk.wait(lambda: real_desk.dock.model.domain is not None)
    assert real_desk.dock.model.domain == []
    assert "inside" in real_desk.widget("domain").text()
    real_desk.click("run_all")
    real_desk.wait(lambda: real_desk.dock.model.analysis is not None)
    real_desk.wait_idle()

    truth = pd.read_csv(sample_movie().with_name(f"{sample_movie().stem}_truth.csv"))
    found = real_desk.run.columns
    hits = sum(_hits(found[found["frame"] == t], truth[truth["frame"] == t]) for t in range(40))
    assert hits > 0.97 * len(found)
    assert hits > 0.95 * len(truth)

    analysis = real_desk.dock.model.analysis
    assert len(analysis.events) > 5
    liveliest = analysis.sites.loc[analysis.sites["n_events"].idxmax()]
    real_desk.dock.layers.show_frame(0)
    real_desk.click_image(liveliest["y"], liveliest["x"])
    assert real_desk.dock.model.site == liveliest["site_id"]
    assert len(real_desk.dock.trace.trace.events) == liveliest["n_events"]


@pytest.mark.parametrize(
    ("sample", "network"),
    [("ceria", "ceo2-110-hrtem"), ("focal", "fcc-110-focal3"), ("hopping", "fcc-110-hrtem")],
)
def test_a_sample_brings_its_network(real_desk, sample, network):
    model, choice = real_desk.dock.model, real_desk.widget("model_choice", QComboBox)
    other = "ceo2-110-hrtem" if network == "fcc-110-hrtem" else "fcc-110-hrtem"
    choice.activated.emit(choice.findText(other))
    assert model.card.name == other
    real_desk.viewer.open_sample("napari-atomcount", sample)
    assert choice.currentText() == model.card.name == network
    real_desk.wait(lambda: model.domain is not None)
    assert model.domain == []
    assert real_desk.widget("series").isVisible() == (sample == "focal")


def test_a_network_of_ones_own_stays_chosen_when_a_sample_is_opened(desk):
    desk.viewer.open_sample("napari-atomcount", "ceria")
    assert desk.dock.model.movie is not None
    assert desk.dock.model.card.name == "sees-dots"


def _hits(found: pd.DataFrame, truth: pd.DataFrame) -> int:
    """Columns found within MATCH_PX of a true one."""
    distance, _ = cKDTree(truth[["y", "x"]]).query(found[["y", "x"]])
    return int((distance <= MATCH_PX).sum())
