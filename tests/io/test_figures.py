"""Unit tests of io.figures: what is drawn, in which colours, at which size."""

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib_scalebar.scalebar import ScaleBar

from napari_atomcount.io import drawing, figures, palette
from napari_atomcount.records import tables
from napari_atomcount.records.analysis import Analysis
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.movie import Movie

PIXEL = 0.02  # nm
FRAMES, SIZE = 12, 160


def _hopping() -> tuple[Analysis, Movie]:
    """A little particle whose corner column comes and goes; frame 5 is blank."""
    rng = np.random.default_rng(7)
    h, k = (index.ravel() for index in np.meshgrid(range(7), range(7), indexing="ij"))
    y, x = 30.0 + 14.4 * h + 7.2 * (k % 2), 30.0 + 10.2 * k * 1.4
    inside = np.hypot(y - 80, x - 74) < 50
    h, k, y, x = h[inside], k[inside], y[inside], x[inside]
    n = len(y)
    count = np.clip((7 - np.hypot(y - 80, x - 74) / 9).round(), 1, 7).astype(int)
    state = np.tile(count.astype(np.int8), (FRAMES, 1))
    state[:4, 0] = state[8:, 0] = state[6:, 3] = 0
    state[5] = -1
    grid_y, grid_x = np.mgrid[:SIZE, :SIZE]
    data = np.full((FRAMES, SIZE, SIZE), 10.0)
    rows = []
    for t in range(FRAMES):
        for s in np.flatnonzero(state[t] > 0):
            spot = np.exp(-((grid_y - y[s] - 0.2 * t) ** 2 + (grid_x - x[s]) ** 2) / 12)
            data[t] += 2.0 * count[s] * spot
            rows.append((t, s, y[s] + 0.2 * t, x[s], count[s]))
    data = rng.poisson(data).astype(np.uint16)
    data[5] = 0
    seen = pd.DataFrame(rows, columns=["frame", "site_id", "y", "x", "count"])
    columns = tables.conform(
        seen.assign(
            column_id=np.arange(len(seen)),
            y_nm=seen["y"] * PIXEL,
            x_nm=seen["x"] * PIXEL,
            y_sigma=0.3,
            x_sigma=0.3,
            score=0.97,
            label="column",
            count_prob=0.7,
            count_low=seen["count"].sub(1).clip(lower=1),
            count_high=seen["count"] + 1,
            origin="network",
        ),
        tables.COLUMNS,
    )
    occupancy = np.array([(state[:, s] > 0).sum() / (state[:, s] >= 0).sum() for s in range(n)])
    events = pd.DataFrame(
        [
            (4, 0.8, 0, "appear", 0, count[0], 0.99),
            (8, 1.6, 0, "vanish", count[0], 0, 0.98),
            (6, 1.2, 3, "vanish", count[3], 0, 0.97),
        ],
        columns=tables.EVENTS.names,
    )
    sites = pd.DataFrame(
        {
            "site_id": np.arange(n),
            "y": y,
            "x": x,
            "y_nm": y * PIXEL,
            "x_nm": x * PIXEL,
            "lattice_id": 0,
            "h": h,
            "k": k,
            "coordination": 6,
            "label": "column",
            "occupancy": occupancy,
            "occupancy_low": np.clip(occupancy - 0.1, 0, 1),
            "occupancy_high": np.clip(occupancy + 0.1, 0, 1),
            "n_events": [int((events["site_id"] == s).sum()) for s in range(n)],
            "event_rate_per_s": 0.0,
            "mean_count": count.astype(float),
        }
    )
    drift = pd.DataFrame(
        {"frame": np.arange(FRAMES), "dy": 0.2 * np.arange(FRAMES), "dx": 0.0, "confidence": 1.0}
    )
    probability = np.where(state > 0, 0.98, 0.03).astype(np.float32)
    probability[5] = np.nan
    analysis = Analysis(
        columns=columns,
        sites=tables.conform(sites, tables.SITES),
        events=tables.conform(events, tables.EVENTS),
        drift=tables.conform(drift, tables.DRIFT),
        state=state,
        probability=probability,
        site_id=np.arange(n),
        frame=np.arange(FRAMES),
        summary={},
    )
    calibration = Calibration(pixel_size_nm=(PIXEL, PIXEL), frame_time_s=0.2)
    return analysis.validate(), Movie(data, calibration, "hopping")


@pytest.fixture(scope="module")
def hopping() -> tuple[Analysis, Movie]:
    return _hopping()


def test_all_figures_are_written_whole(hopping: tuple[Analysis, Movie], tmp_path: Path) -> None:
    written = figures.write_figures(*hopping, tmp_path)
    names = {path.name for path in written}
    assert names == {f"{n}.{k}" for n in ("counts", "occupancy", "events", "trace") for k in ("png", "svg")}
    assert {path.name for path in tmp_path.iterdir()} == names  # no temporary file is left
    for path in written:
        if path.suffix == ".svg":
            assert "svg" in ET.parse(path).getroot().tag
            # text stays text, so that a journal can set it in its own face
            assert "<text" in path.read_text("utf-8")
        else:
            assert path.read_bytes().startswith(b"\x89PNG")


def test_width_is_a_journal_column(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    figure = figures.occupancy_figure(movie.frame(0), analysis.sites, movie.calibration)
    assert figure.get_figwidth() * 25.4 == pytest.approx(85.0)
    smallest = min(text.get_fontsize() for text in figure.findobj(match=lambda a: hasattr(a, "get_fontsize")))
    assert smallest >= 6.0  # points, at the printed width


def test_counts_have_their_colours_and_places(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    here = analysis.columns[analysis.columns["frame"] == 0]
    figure = figures.counts_figure(movie.frame(0), here, movie.calibration, max_count=7)
    axes = figure.axes[0]
    (discs,) = [c for c in axes.collections if isinstance(c, EllipseCollection)]
    np.testing.assert_allclose(discs.get_offsets(), here[["x", "y"]].to_numpy() * PIXEL)
    np.testing.assert_allclose(discs.get_facecolors(), palette.count_colours(7)[here["count"] - 1])
    (bar,) = [a for a in axes.artists if isinstance(a, ScaleBar)]
    assert bar.dx == 1.0
    assert bar.units == "nm"
    # a pixel's centre lies on an integer
    np.testing.assert_allclose(axes.images[0].get_extent(), np.array([-0.5, 159.5, 159.5, -0.5]) * PIXEL)


def test_a_model_that_does_not_count_gets_rings(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    here = analysis.columns[analysis.columns["frame"] == 0].assign(count=-1)
    figure = figures.counts_figure(movie.frame(0), here, movie.calibration)
    assert len(figure.axes) == 1  # no legend of counts
    (discs,) = [c for c in figure.axes[0].collections if isinstance(c, EllipseCollection)]
    assert len(discs.get_facecolors()) == 0


def test_each_class_has_its_shape(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    here = analysis.columns[analysis.columns["frame"] == 0]
    here = here.assign(label=np.where(np.arange(len(here)) % 2, "O", "Ce"))
    for figure in (
        figures.counts_figure(movie.frame(0), here, movie.calibration, classes=("Ce", "O")),
        figures.occupancy_figure(
            movie.frame(0), here.assign(occupancy=1.0), movie.calibration, classes=("Ce", "O")
        ),
    ):
        (discs,) = [c for c in figure.axes[0].collections if isinstance(c, EllipseCollection)]
        (others,) = [c for c in figure.axes[0].collections if isinstance(c, PolyCollection)]
        cerium, oxygen = (here.loc[here["label"] == name, ["x", "y"]].to_numpy() for name in ("Ce", "O"))
        np.testing.assert_allclose(discs.get_offsets(), cerium * PIXEL)
        outlines = [path.vertices[:-1] for path in others.get_paths()]
        np.testing.assert_allclose([o[:4].mean(axis=0) for o in outlines], oxygen * PIXEL, atol=1e-9)
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["Ce", "O"]
        # marks of neighbours of different classes do not touch
        width = float(discs.get_widths()[0])
        wide = np.ptp(outlines[0], axis=0).max()
        apart = np.hypot(*(cerium[:, None] - oxygen[None]).T).min() * PIXEL
        assert (width + wide) / 2 < apart


def test_without_a_pixel_size_no_scale_is_claimed(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    figure = figures.occupancy_figure(movie.frame(0), analysis.sites, Calibration())
    axes = figure.axes[0]
    assert not [a for a in axes.artists if isinstance(a, ScaleBar)]
    assert "px" in axes.get_xlabel()


def test_maps_show_the_particle_and_not_the_empty_frame() -> None:
    places = pd.DataFrame({"y": [400.0, 500.0], "x": [20.0, 100.0]})
    part_y, part_x = drawing.window_around(places, (1024, 2048))
    assert (part_y, part_x) == (slice(380, 521), slice(0, 121))
    figure, axes = drawing.canvas(np.zeros((1024, 2048)), Calibration(), "", (part_y, part_x))
    np.testing.assert_allclose(axes.images[0].get_extent(), [-0.5, 120.5, 520.5, 379.5])
    assert figure.get_figwidth() * 25.4 == pytest.approx(85.0)
    assert drawing.window_around(places[:1], (64, 64)) == (slice(0, 64), slice(0, 64))


def test_events_are_told_apart_by_shape_too(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    figure = figures.events_figure(movie.frame(0), analysis.sites, analysis.events, movie.calibration)
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["appear (1)", "vanish (2)"]
    assert palette.EVENT_MARKERS["appear"] != palette.EVENT_MARKERS["vanish"]
    none = figures.events_figure(movie.frame(0), analysis.sites, analysis.events[:0], movie.calibration)
    assert none.axes[0].get_xlabel() == "no events"


def test_trace_leaves_unobserved_frames_open(hopping: tuple[Analysis, Movie]) -> None:
    analysis, movie = hopping
    figure = figures.trace_figure(analysis, 0, movie.calibration)
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.arange(FRAMES) * 0.2)
    assert np.isnan(line.get_ydata()[5])
    assert figure.axes[1].get_xlabel() == "time (s)"
    with pytest.raises(ValueError, match="no site 999"):
        figures.trace_figure(analysis, 999, movie.calibration)


def test_a_trace_of_several_classes_names_its_own_and_shows_the_intensity(
    hopping: tuple[Analysis, Movie],
) -> None:
    analysis, movie = hopping
    label = np.where(analysis.sites["site_id"] == 1, "O", "Ce")
    intensity = np.random.default_rng(0).normal(size=analysis.state.shape).astype(np.float32)
    two = replace(
        analysis,
        sites=analysis.sites.assign(label=label),
        summary={"model": {"classes": ["Ce", "O"]}},
        intensity=intensity,
    )
    figure = figures.trace_figure(two, 1, movie.calibration)
    assert figure.axes[0].get_title().startswith("O site 1, ")
    assert len(figure.axes) == 3
    np.testing.assert_array_equal(figure.axes[2].lines[0].get_ydata(), intensity[:, 1])
    assert figure.axes[2].get_xlabel() == "time (s)"
    alone = figures.trace_figure(analysis, 1, movie.calibration)
    assert alone.axes[0].get_title().startswith("site 1, ")
    assert len(alone.axes) == 2


def test_the_liveliest_site_is_chosen(hopping: tuple[Analysis, Movie]) -> None:
    assert figures.liveliest_site(hopping[0]) == 0


def test_the_mean_follows_the_drift() -> None:
    first = np.random.default_rng(3).poisson(20, (30, 40)).astype(np.uint16)
    movie = Movie(np.stack([np.roll(first, (2 * t, -t), (0, 1)) for t in range(4)]), Calibration(), "m")
    drift = pd.DataFrame({"frame": range(4), "dy": [0.0, 2, 4, 6], "dx": [0.0, -1, -2, -3]})
    mean = figures.aligned_mean(movie, drift)
    np.testing.assert_allclose(mean[:24, 3:], first[:24, 3:], rtol=1e-6)


def test_colours_are_even_and_finite() -> None:
    table = palette.count_colours(9)
    assert table.shape == (9, 4)
    lightness = table[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all()
    assert palette.map_colours(np.array([np.nan]), palette.OCCUPANCY_MAP)[0, :3] == pytest.approx(
        palette.hex_to_rgb(palette.UNOBSERVED_COLOUR)
    )
    with pytest.raises(ValueError, match="at least 1"):
        palette.count_colours(0)
