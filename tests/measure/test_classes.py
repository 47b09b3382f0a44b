"""Unit tests of several classes of columns: the class of a peak, its own calibration, sites of each class."""

import numpy as np
import pandas as pd
import pytest

from napari_atomcount.measure.columns import find_columns
from napari_atomcount.measure.drift import drift_table
from napari_atomcount.measure.sites import build_sites
from napari_atomcount.networks.card import Calibration as Trust
from napari_atomcount.records import tables
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps

TRUST = Trust(evidence=[-13.0, 13.0], score=[2.2603e-6, 1 - 2.2603e-6])
PLACES = np.array([[12.0, 10.0], [12.0, 14.0], [30.0, 20.0]])  # Ce, O four map pixels beside it, O
PIXEL_NM = 0.02


def two_class_maps(label=(3.0, -3.0, -0.2), peak_nm=0.045):
    """Maps with a peak of log-odds 4 (of Ce 5) at each place; `label` is the log-odds that it is Ce."""
    y, x = np.indices((44, 36))
    distance = (y - PLACES[:, 0, None, None]) ** 2 + (x - PLACES[:, 1, None, None]) ** 2
    column = 4 - 1.2 * distance.min(0) + (distance.argmin(0) == 0)
    cerium = np.asarray(label)[distance.argmin(0)] / 2
    counts = -np.abs(np.arange(1, 9)[:, None, None] - np.array([6, 3, 2])[distance.argmin(0)]) * 1.0
    return ProbabilityMaps(
        column.clip(-12, 12).astype(np.float32), np.zeros((2, 44, 36), np.float32),
        np.full((44, 36), np.log(0.1), np.float32), counts.astype(np.float32),
        np.stack([cerium, -cerium]).astype(np.float32), ("Ce", "O"), (2.0, 2.0), 0.04,
        np.ones((44, 36), bool), peak_nm,
    )  # fmt: skip


def by_place(table):
    return table.sort_values(["y", "x"], ignore_index=True)


def test_a_peak_has_the_name_and_the_evidence_of_its_class():
    table = by_place(find_columns(two_class_maps(), TRUST, 0.0))
    assert table["label"].tolist() == ["Ce", "O", "O"]
    # log-odds that a column is there and is of this class: p = sigmoid(4) * p(class)
    sure, named = (1 / (1 + np.exp(-np.array(odds))) for odds in ((5, 4, 4), (3, 3, 0.2)))
    np.testing.assert_allclose(table["score"], sure * named, atol=0.01)


def test_columns_nearer_than_usual_are_told_apart_only_where_the_model_says_so():
    assert len(find_columns(two_class_maps(peak_nm=0.045), TRUST, 0.0)) == 3
    assert len(find_columns(two_class_maps(peak_nm=0.18), TRUST, 0.0)) == 2


def test_each_class_has_its_own_calibration():
    maps = two_class_maps()
    plain = by_place(find_columns(maps, TRUST, 0.0))
    own = {"O": Trust(evidence=[-13.0, 13.0], score=[1e-4, 0.3], count_temperature=4.0, sigma_factor=3.0)}
    table = by_place(find_columns(maps, TRUST.model_copy(update={"by_label": own}), 0.0))
    cerium, oxygen = table["label"] == "Ce", table["label"] == "O"
    pd.testing.assert_frame_equal(
        table[cerium].drop(columns="count_p"), plain[cerium].drop(columns="count_p")
    )
    assert (table.loc[oxygen, "score"] < 0.3).all()
    np.testing.assert_allclose(table.loc[oxygen, "y_sigma"], 3 * plain.loc[oxygen, "y_sigma"], rtol=1e-5)
    assert (table.loc[oxygen, "count_prob"] < plain.loc[oxygen, "count_prob"]).all()
    assert table["count"].tolist() == plain["count"].tolist()  # a temperature changes no most probable count


def columns_of(points, label, frames=12):
    """COLUMNS of points (S, 2) px, all of them seen in every frame; `label` one name each, or (T, S)."""
    rng, rows = np.random.default_rng(0), []
    names = np.broadcast_to(np.asarray(label, dtype=object), (frames, len(points)))
    for t in range(frames):
        at = points + rng.normal(0, 0.3, points.shape)
        rows.append(pd.DataFrame({"frame": t, "y": at[:, 0], "x": at[:, 1], "label": names[t]}))
    table = pd.concat(rows, ignore_index=True)
    table = table.assign(
        column_id=np.arange(len(table)), site_id=-1, y_nm=table.y * PIXEL_NM, x_nm=table.x * PIXEL_NM,
        y_sigma=0.3, x_sigma=0.3, score=0.9, count=-1, count_prob=np.nan, count_low=-1, count_high=-1,
        origin="network",
    )  # fmt: skip
    return tables.conform(table, tables.COLUMNS)


def fluorite(number=3):
    """Places (S, 2) px and names of Ce and O along [110]."""
    points, names = [], []
    for i in range(number):
        for j in range(number):
            for shift in (0.0, 0.5):
                for along, name in ((0.0, "Ce"), (0.25, "O"), (-0.25, "O")):
                    points.append([(i + shift) * 0.3826, (j + shift + along) * 0.5411])
                    names.append(name)
    return np.array(points) / PIXEL_NM + 40, np.array(names, dtype=object)


def sites_of(columns):
    still = drift_table(np.arange(12), np.zeros((12, 2)), np.ones(12))
    return build_sites(columns, still, Calibration(pixel_size_nm=PIXEL_NM))


def test_an_oxygen_beside_a_cerium_is_a_site_of_its_own():
    """It stands 0.135 nm from it, less than half of the cerium lattice's spacing."""
    points, names = fluorite()
    sites, columns = sites_of(columns_of(points, names))
    assert sites.seen.sum() == len(points)
    assert (columns["site_id"] >= 0).all()
    assert sites.spacing("Ce") == pytest.approx(0.3313, abs=0.005)
    assert sites.spacing("O") == pytest.approx(0.1913, abs=0.005)
    seen = sites.table[sites.seen]
    assert (seen["lattice_id"] >= 0).all()
    assert seen.groupby("label")["lattice_id"].nunique().to_dict() == {"Ce": 1, "O": 1}


def test_places_beside_are_empty_sites_of_a_class():
    points, names = fluorite()
    sites, _ = sites_of(columns_of(points, names))
    empty = sites.table[~sites.seen]
    assert set(empty["label"]) == {"Ce", "O"}
    for row in empty.itertuples():  # none where a column of the other class stands
        assert np.hypot(row.y - points[:, 0], row.x - points[:, 1]).min() * PIXEL_NM > 0.1


def test_a_name_that_is_wrong_now_and_then_does_not_change_the_site():
    points, names = fluorite()
    seen = np.tile(names, (12, 1))
    seen[3, 5], seen[7, 5] = "Ce", "Ce"
    seen[:5, 9] = "O" if names[9] == "Ce" else "Ce"
    sites, columns = sites_of(columns_of(points, seen))
    assert sites.seen.sum() == len(points)
    home = columns.groupby("site_id")[["y", "x"]].mean()
    for row in sites.table[sites.seen].itertuples():
        nearest = np.hypot(*(points - home.loc[row.site_id].to_numpy()).T).argmin()
        assert row.label == names[nearest]


def test_pools_of_rates_never_mix_classes():
    points, names = fluorite()
    sites, _ = sites_of(columns_of(points, names))
    pools = sites.pools()
    for pool in np.unique(pools):
        assert sites.table.loc[pools == pool, "label"].nunique() == 1
    one, _ = sites_of(columns_of(points[names == "Ce"], "Ce"))
    np.testing.assert_array_equal(one.pools(), one.table["coordination"])


def test_empty_places_are_no_neighbours():
    points, names = fluorite()
    sites, _ = sites_of(columns_of(points[names == "Ce"], "Ce"))
    place = sites.table[["y", "x"]].to_numpy() * PIXEL_NM
    distance = np.hypot(*(place[:, None] - place[None]).transpose(2, 0, 1))
    near = (distance > 0) & (distance < 1.25 * sites.spacing_nm) & sites.seen[None]
    assert (~sites.seen).any()
    np.testing.assert_array_equal(sites.table["coordination"], near.sum(1))
