"""A real window with the dock in it, a movie of bright dots, a stand-in for the network."""

from __future__ import annotations

import gc
import importlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget
from scipy.ndimage import gaussian_filter

from napari_atomcount.gui.geometry import movie_layer
from napari_atomcount.networks.card import Calibration as ScoreCalibration
from napari_atomcount.networks.card import Domain, ModelCard
from napari_atomcount.records.calibration import Calibration
from napari_atomcount.records.maps import ProbabilityMaps
from napari_atomcount.records.movie import Movie

PIXEL_NM = 0.02
SIDE = 96
FRAMES = 16
HOPPER = (31.0, 31.0)  # y, x px of the column that comes and goes
MANY = 1000  # more frames than any test has
LOADED_MS = 180_000  # how long a loaded machine may take; a free one takes seconds


def positions() -> np.ndarray:
    """(N, 2) y, x px of the columns; the first is the one that hops."""
    grid = [(y, x) for y in np.arange(31.0, 72.0, 13.0) for x in np.arange(31.0, 72.0, 13.0)]
    assert grid[0] == HOPPER
    return np.array(grid)


def dots(seed: int = 0, name: str = "dots") -> Movie:
    """A movie of 16 dots of which one hops, with little noise."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:SIDE, :SIDE]
    spots = np.array([np.exp(-((yy - y) ** 2 + (xx - x) ** 2) / (2 * 2.5**2)) for y, x in positions()])
    frames = []
    for t in range(FRAMES):
        there = np.ones(len(spots))
        there[0] = float(not 5 <= t < 11)
        frames.append(rng.poisson(20 + 60 * np.tensordot(there, spots, 1)))
    calibration = Calibration().updated("file", pixel_size_nm=(PIXEL_NM, PIXEL_NM), frame_time_s=0.5)
    return Movie(np.array(frames, np.uint16), calibration.updated("assumed", dose_e_per_A2=310.0), name)


def card(name: str = "sees-dots", counts: bool = True) -> ModelCard:
    """The card of the stand-in."""
    domain = Domain(
        materials=["Au"],
        count_materials=["Au"],
        zone_axis="110",
        kv=(300, 300),
        pixel_size_nm=(0.008, 0.025),
        dose_e_per_A2=(100, 1e5),
        defocus_nm=(-20, 20),
        cs_um=(-15, 15),
        tilt_deg=(0, 3),
        contrast=(0.0, 10.0),
        words="Bright dots.",
    )
    return ModelCard(
        name=name,
        materials=["Au"],
        zone_axis="110",
        classes=["column"],
        counts=counts,
        max_count=6 if counts else 0,
        network={},
        pixel_size_nm=PIXEL_NM,
        normalisation="none",
        default_threshold=0.5,
        calibration=ScoreCalibration(evidence=[-8.0, 0.0, 8.0], score=[0.0, 0.5, 1.0]),
        domain=domain,
        scores=[
            {
                "condition": f"A-{dose}",
                "title": f"{dose} e/Å²",
                "dose_low_e_per_A2": dose,
                "dose_high_e_per_A2": dose,
                "precision": 0.99,
                "recall": 0.985,
                "position_pm": 6.4,
                "count_exact": 0.5,
                "count_within_one": 0.93,
            }
            for dose in (100, 310, 1000)
        ],
        recipe={},
        sha256=("a" if counts else "b") * 64,
        package_version="0",
    )


class DotDetector:
    """Sees bright dots; needs a permit for every frame, so that a test can hold it."""

    def __init__(self, model_card: ModelCard, permits: threading.Semaphore) -> None:
        self.card = model_card
        self.permits = permits
        self.frames_seen: list[np.ndarray] = []

    def detect(
        self, frame, pixel_size_nm, valid=None, mtf=None, symmetries=None, beam_level=None
    ) -> ProbabilityMaps:
        assert self.permits.acquire(timeout=LOADED_MS / 1000), "the test never let the detector go on"
        self.frames_seen.append(frame)
        smooth = gaussian_filter(np.asarray(frame, np.float32), 2.0)
        evidence = (smooth - 35.0) / 3.0
        count_logits = None
        if self.card.counts:
            number = np.arange(1, self.card.max_count + 1)[:, None, None]
            count_logits = (-np.abs(number - smooth[None] / 15.0) * 2.0).astype(np.float32)
        return ProbabilityMaps(
            column=np.clip(evidence, -8, 8).astype(np.float32),
            offset=np.zeros((2, *frame.shape), np.float32),
            log_sigma=np.full(frame.shape, np.log(0.2), np.float32),
            count_logits=count_logits,
            label_logits=None,
            classes=("column",),
            scale=(1.0, 1.0),
            pixel_size_nm=pixel_size_nm[0],
            observed=np.full(frame.shape, float(np.ptp(frame)) > 0),
        )


@dataclass
class Desk:
    """The window with its dock, and the hands of the person before it."""

    viewer: object
    dock: object
    qtbot: object
    permits: threading.Semaphore
    detectors: list[DotDetector]

    def seen(self) -> int:
        """How many frames were looked at."""
        return sum(len(detector.frames_seen) for detector in self.detectors)

    def hold_after(self, frames: int) -> None:
        """Let the detector stand still after so many frames, until go_on."""
        while self.permits.acquire(blocking=False):
            pass
        if frames:
            self.permits.release(frames)

    def go_on(self) -> None:
        """Let the detector run as many frames as it likes."""
        self.permits.release(MANY)

    def widget(self, name: str, kind=QWidget) -> QWidget:
        """The widget with the object name ``atomcount_<name>``, wherever it is in the window."""
        found = self.viewer.window._qt_window.findChild(kind, f"atomcount_{name}")
        assert found is not None, name
        return found

    def click(self, name: str) -> None:
        """Press a widget with the left mouse button."""
        widget = self.widget(name)
        QApplication.processEvents()  # what has just been unfolded takes its place
        self.dock.findChild(QWidget, "atomcount_scroll").ensureWidgetVisible(widget)
        QApplication.processEvents()
        assert widget.isVisible(), name
        assert widget.isEnabled(), name
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton)

    def click_image(self, y: float, x: float) -> None:
        """Press the left mouse button over a pixel of the movie."""
        canvas = self.viewer.window._qt_viewer.canvas.native
        camera = self.viewer.scene.camera
        scale = np.array(self.dock.layers.scale[1:])
        offset = (np.array([y, x]) * scale - np.array(camera.center[-2:])) * camera.zoom
        place = QPoint(round(canvas.width() / 2 + offset[1]), round(canvas.height() / 2 + offset[0]))
        assert canvas.rect().contains(place)
        QTest.mouseMove(canvas, place)
        QTest.mouseClick(canvas, Qt.MouseButton.LeftButton, pos=place)

    def wait(self, condition, timeout: int = LOADED_MS) -> None:
        """Let the window live until the condition holds."""
        self.qtbot.waitUntil(condition, timeout=timeout)

    def wait_idle(self) -> None:
        """Until no job runs, and none is about to follow."""
        self.wait(lambda: not self.dock.runner.busy)

    def show(self, movie: Movie) -> None:
        """Put a movie into the viewer, as napari's File > Open does."""
        data, keywords, _ = movie_layer(movie)
        self.viewer.add_image(data, **keywords)

    def layer(self, name: str):
        """The layer of that name."""
        return self.viewer.layers[name]

    @property
    def run(self):
        """The run that is shown."""
        return self.dock.model.run


@pytest.fixture(scope="session", autouse=True)
def libraries() -> None:
    """All garbage is collected after each window: what the libraries keep for good is not looked at again."""
    for name in ("matplotlib.figure", "napari.viewer", "torch"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()


@pytest.fixture
def real_desk(make_napari_viewer, qtbot, tmp_path_factory, monkeypatch) -> Desk:
    """The window with the dock, opened as napari opens a plugin's, with the bundled models."""
    home = tmp_path_factory.mktemp("home")  # sessions and keys of the user who runs the tests stay theirs
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1100, 700)
    _, dock = viewer.window.add_plugin_dock_widget("napari-atomcount", "Atom Count")
    qtbot.waitUntil(dock.isVisible, timeout=LOADED_MS)
    return Desk(viewer, dock, qtbot, threading.Semaphore(), [])


@pytest.fixture
def desk(real_desk, monkeypatch) -> Iterator[Desk]:
    """The window with two stand-in models in place of the bundled ones."""
    dock = real_desk.dock
    permits = threading.Semaphore(MANY)
    detectors: list[DotDetector] = []

    def load(chosen, _settings):
        detectors.append(DotDetector(chosen, permits))
        return detectors[-1]

    cards = [card(), card("counts-nothing", counts=False)]
    monkeypatch.setattr(dock.model, "load_detector", load)
    monkeypatch.setattr(dock.model, "list_cards", lambda: [c.model_copy() for c in cards])  # as read anew
    dock.take_up_cards()
    real_desk.permits, real_desk.detectors = permits, detectors
    yield real_desk
    permits.release(MANY)


@pytest.fixture
def movie() -> Movie:
    """Sixteen dots, one of which hops."""
    return dots()


@pytest.fixture
def model_card() -> ModelCard:
    """The card of the stand-in that counts."""
    return card()
