"""Unit tests of the step from maps to columns, on maps drawn by hand."""

import numpy as np
import pytest

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.networks.card import Calibration
from napari_atomcount.records.maps import ProbabilityMaps

TRUST = Calibration(evidence=[-13.0, 13.0], score=[2.2603e-6, 1 - 2.2603e-6])
TRUTH = np.array([[10.3, 12.6], [10.1, 19.2], [30.8, 8.45]])


def drawn_maps(truth=TRUTH, counts=(3, 5, 8), shape=(48, 40), scale=(2.0, 2.0)):
    """Maps of a perfect network for columns at given map pixels."""
    y, x = np.indices(shape)
    distance = (y - truth[:, 0, None, None]) ** 2 + (x - truth[:, 1, None, None]) ** 2
    p = np.clip(np.exp(-distance.min(0) / (2 * 1.1**2)) * 0.98, 1e-6, None)
    owner = distance.argmin(0)
    offset = np.stack([truth[owner, 0] - y, truth[owner, 1] - x])
    count = -np.abs(np.arange(1, 11)[:, None, None] - np.asarray(counts)[owner]) * 3.0
    return ProbabilityMaps(
        column=np.log(p / (1 - p)).clip(-13, 13).astype(np.float32),
        offset=offset.astype(np.float32),
        log_sigma=np.full(shape, np.log(0.1), np.float32),
        count_logits=count.astype(np.float32),
        label_logits=None,
        classes=("column",),
        scale=scale,
        pixel_size_nm=0.04,
        observed=np.ones(shape, bool),
    )


def test_columns_come_out_where_they_are_with_their_count():
    maps = drawn_maps()
    table = find_columns(maps, TRUST, 0.5).sort_values(["y", "x"], ignore_index=True)
    expected = np.stack(maps.to_file(TRUTH[:, 0], TRUTH[:, 1]), 1)
    expected = expected[np.lexsort([expected[:, 1], expected[:, 0]])]
    np.testing.assert_allclose(table[["y", "x"]], expected, atol=1e-4)
    assert table["count"].tolist() == [5, 3, 8]
    np.testing.assert_allclose(table.y_sigma, 0.2)
    np.testing.assert_allclose([sum(p) for p in table.count_p], 1, rtol=1e-6)
    assert ((table.count_low <= table["count"]) & (table["count"] <= table.count_high)).all()
    assert (table.label == "column").all()


def test_anisotropic_pixels_lead_back_to_the_file():
    maps = drawn_maps(scale=(4.0, 3.0))
    table = find_columns(maps, TRUST, 0.5)
    found = table.sort_values("y").y.to_numpy()[-1]
    assert found == pytest.approx((30.8 + 0.5) * 4 - 0.5, abs=1e-3)


def test_the_threshold_is_on_the_calibrated_score():
    maps, faint = drawn_maps(), TRUST.model_copy(update={"score": [1e-6, 0.4]})
    assert len(find_columns(maps, faint, 0.5)) == 0
    assert len(find_columns(maps, faint, 0.0)) == 3


def test_nothing_is_found_where_nothing_was_observed():
    maps = drawn_maps()
    maps.observed[:20] = False
    assert len(find_columns(maps, TRUST, 0.5)) == 1


def test_two_peaks_of_one_column_are_one():
    maps = drawn_maps(np.array([[10.0, 12.0], [10.0, 13.4]]), counts=(3, 3))
    assert len(find_columns(maps, TRUST, 0.1)) == 1


def test_a_model_that_does_not_count_says_so():
    from dataclasses import replace

    table = find_columns(replace(drawn_maps(), count_logits=None), TRUST, 0.5)
    assert (table["count"] == -1).all()
    assert table.count_prob.isna().all()
