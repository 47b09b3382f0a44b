"""What Prepare's buttons do: settings of the session, drawn or found; shown at once, kept, undoable."""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_atomcount.gui import prepare_jobs
from napari_atomcount.gui.jobs import JobRunner
from napari_atomcount.gui.layers import ResultLayers
from napari_atomcount.gui.prepare_panel import PreparePanel
from napari_atomcount.gui.prepare_region import RegionMouse
from napari_atomcount.gui.prepare_spectrum import SpectrumWindow
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.measure.crystal import lattice_names
from napari_atomcount.records.errors import AtomcountError

MASK_LAYER = "left out"


class Preparing(QObject):
    """The Prepare panel with what it does.

    Signals
    -------
    failed(str)
        A sentence for the user.
    """

    failed = Signal(str)

    def __init__(
        self, viewer, model: SessionModel, layers: ResultLayers, keeper: SessionKeeper, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.layers, self.keeper = viewer, model, layers, keeper
        self.panel = PreparePanel(lattice_names())
        self.runner = JobRunner(self)
        self.runner.failed.connect(lambda text: self.panel.say(text, warn=True))
        self.runner.busy_changed.connect(lambda _busy: self.refresh())
        self.mouse = RegionMouse(viewer, layers, self)
        self.measured: dict[str, dict | None] = {}
        self._spectrum: weakref.ref[SpectrumWindow] | None = None
        self._blocked = False
        self._wire()

    def _wire(self) -> None:
        panel = self.panel
        panel.dark_level_chosen.connect(lambda counts: self._prepare(dark_level=counts))
        panel.hot_pixels_chosen.connect(lambda on: self._prepare(hot_pixels=on))
        panel.rolling_chosen.connect(lambda n: self._prepare(rolling_frames=n))
        panel.bad_frames_typed.connect(self._type_bad)
        panel.find_bad_requested.connect(self._find_bad)
        panel.region_requested.connect(self.mouse.set_on)
        panel.region_cleared.connect(lambda: self._set(roi=None))
        panel.mask_requested.connect(self._draw_mask)
        panel.mask_used.connect(self._use_mask)
        panel.particle_requested.connect(self._find_particle)
        panel.mask_cleared.connect(lambda: self._set(mask=None))
        panel.calibrate_requested.connect(self._calibrate)
        panel.use_requested.connect(self._use_scale)
        self.mouse.drawn.connect(self._take_region)
        self.mouse.ended.connect(lambda: panel.region.setChecked(False))
        self.model.prepared.connect(self._on_prepared)
        self.model.prepared.connect(self.layers.show_prepared)
        self.model.movie_changed.connect(self._on_movie)

    def set_busy(self, busy: bool) -> None:
        """A job of the desk has begun or ended."""
        self._blocked = busy
        self.refresh()

    def refresh(self) -> None:
        """Show what holds."""
        enabled = self.model.movie is not None and not self.runner.busy and not self._blocked
        self.panel.setVisible(self.model.movie is not None)
        self.panel.show_preparation(self.model.preparation, self.model.settings, enabled)

    def _on_prepared(self) -> None:
        """What holds is different, by a button or by undoing one: form, region and mask follow."""
        settings, layer = self.model.settings, self.layers.get(MASK_LAYER)
        self.mouse.show_region(settings.roi)
        if settings.mask is not None:
            self._show_mask(self._mask_in_use())
        elif layer is not None:
            layer.visible = False
        self.refresh()

    def _mask_in_use(self) -> np.ndarray | None:
        from napari_atomcount.pipeline.area import read_mask

        movie, path = self.model.movie, self.model.settings.mask
        if movie is None or path is None:
            return None
        try:
            return read_mask(path, (movie.shape[1], movie.shape[2]))
        except AtomcountError as error:
            self.panel.say(str(error), warn=True)
            return None

    def _on_movie(self) -> None:
        self.measured = {}
        self.panel.show_scales(None)
        self.panel.say("")
        self.mouse.set_on(False)
        self.refresh()

    # -- settings ----------------------------------------------------------
    def _prepare(self, **values: Any) -> None:
        before = self.model.preparation
        wanted = before.model_copy(update=values)
        # The session begins with what held before, so that this, too, can be undone.
        if wanted != before and self.keeper.ensure() is not None:
            self.model.prepare(wanted, self.model.settings)
            self.keeper.note_preparation()

    def _set(self, **values: Any) -> None:
        before = self.model.settings
        wanted = before.model_copy(update=values)
        if wanted != before and self.keeper.ensure() is not None:
            self.model.prepare(self.model.preparation, wanted)
            self.keeper.note_settings()

    def _type_bad(self, text: str) -> None:
        movie = self.model.movie
        try:
            frames = parse_frames(text, 0 if movie is None else movie.n_frames)
        except ValueError:
            self.panel.say(f"“{text}” does not name frames of this movie, like 3, 17, 20-24.", warn=True)
            self.refresh()
            return
        self._prepare(bad_frames=frames)

    # -- what is found -----------------------------------------------------
    def _find_bad(self) -> None:
        movie = self.model.movie
        if movie is None or self.runner.busy:
            return
        from napari_atomcount.pipeline.preparing import prepared

        judged = prepared(movie, self.model.preparation.model_copy(update={"bad_frames": ()}))

        def on_step(step: Any) -> None:
            if self.model.movie is movie:
                self._prepare(bad_frames=tuple(one.frame for one in step.value))
                few = "; ".join(f"frame {one.frame}: {one.words}" for one in step.value[:4])
                self.panel.say(f"{len(step.value)} bad frames. {few}" if step.value else "No frame is bad.")

        self.runner.start(lambda _stop: prepare_jobs.finding_bad(judged), on_step)

    def _find_particle(self) -> None:
        movie = self.model.movie
        if movie is None or self.runner.busy:
            return

        def on_step(step: Any) -> None:
            if self.model.movie is movie:
                self._show_mask(step.value)
                self._use_mask()
                share = 100 * (1 - float(step.value.mean()))
                self.panel.say(
                    f"The particle fills {share:.0f} % of the image; all else is left out. To mend it, draw "
                    f"in the layer “{MASK_LAYER}” and press “Use it”."
                )

        self.runner.start(lambda _stop: prepare_jobs.finding_particle(self.model.ready_movie), on_step)

    def _draw_mask(self) -> None:
        """A layer to draw in, with napari's own tools."""
        layer = self._show_mask(None)
        self.viewer.layers.selection.active = layer
        layer.mode = "polygon"
        self.panel.say(
            f"Click corners around what is left out, double-click to close; or paint. Then press “Use it”. "
            f"The layer is called “{MASK_LAYER}”."
        )

    def _show_mask(self, mask: np.ndarray | None) -> Any:
        """The layer of the mask, with this in it; None: what is there, or is used."""
        movie = self.model.movie
        assert movie is not None
        layer: Any = self.layers.get(MASK_LAYER)
        if mask is None and layer is None:
            mask = self._mask_in_use()
        if layer is None:
            data = np.zeros(movie.shape[1:], np.uint8)
            self.layers.make(MASK_LAYER, "labels", data, opacity=0.35)
            layer = self.layers.get(MASK_LAYER)
            layer.editable = True
        if mask is not None:
            layer.data = mask.astype(np.uint8)
        layer.visible = True
        return layer

    def _use_mask(self) -> None:
        layer: Any = self.layers.get(MASK_LAYER)
        if layer is None:
            self.panel.say("Draw a mask first: press “Draw mask”.", warn=True)
            return
        mask = np.asarray(layer.data) > 0
        layer.mode = "pan_zoom"
        if not mask.any():
            self._set(mask=None)
            return
        session = self.keeper.ensure()
        if session is None or session.read_only:
            return
        try:
            path = prepare_jobs.write_mask(mask, session.folder)
        except OSError as error:
            self.failed.emit(f"The mask could not be saved in {session.folder}: {error.strerror or error}.")
            return
        self._set(mask=path)
        self.panel.say(f"{100 * float(mask.mean()):.0f} % of the image is left out, from the next run on.")

    def _take_region(self, corner: tuple[float, float], other: tuple[float, float]) -> None:
        movie = self.model.movie
        if movie is None:
            return
        (y0, y1), (x0, x1) = sorted((corner[0], other[0])), sorted((corner[1], other[1]))
        y0, x0 = max(0, round(y0)), max(0, round(x0))
        y1, x1 = min(movie.shape[1], round(y1) + 1), min(movie.shape[2], round(x1) + 1)
        if y1 - y0 >= 8 and x1 - x0 >= 8:
            self._set(roi=(y0, y1, x0, x1))
            self.panel.say("Only this region is analysed, from the next run on.")
        else:
            self.panel.say("That box is too small: drag over the part that counts.", warn=True)

    # -- scales ------------------------------------------------------------
    def _calibrate(self, lattice: str, pointing: bool) -> None:
        movie, roi = self.model.movie, self.model.settings.roi
        if movie is None or self.runner.busy:
            return
        if not pointing:
            self._measure(lattice, None)
            return

        def on_step(step: Any) -> None:
            if self.model.movie is movie:
                window = SpectrumWindow(step.value[0], step.value[1], self.panel.window())
                window.chosen.connect(lambda spots: self._measure(lattice, spots))
                self._spectrum = weakref.ref(window)
                window.show()

        self.runner.start(lambda _stop: prepare_jobs.spectrum(movie, roi), on_step)

    def _measure(self, lattice: str, spots: np.ndarray | None) -> None:
        movie, roi = self.model.movie, self.model.settings.roi
        if movie is None or self.runner.busy:
            return
        self.panel.say("measuring…")

        def on_step(step: Any) -> None:
            if self.model.movie is not movie:
                return
            self.measured = step.value
            self.panel.show_scales(step.value)
            size = step.value["pixel_size_nm"]
            words = [] if size is None else [f"{size['lattice']} [{''.join(map(str, size['zone_axis']))}]"]
            self.panel.say(" · ".join([*words, *step.value["warnings"]]), warn=bool(step.value["warnings"]))

        dark = self.model.preparation.dark_level
        self.runner.start(lambda _stop: prepare_jobs.calibrating(movie, lattice, roi, dark, spots), on_step)

    def _use_scale(self, name: str) -> None:
        one = self.measured.get(name)
        if one is None or self.model.movie is None:
            return
        value = one["value"]
        if name == "dark_level":  # what was measured without taking it off no longer holds
            self._prepare(dark_level=float(f"{value:.4g}"))
            self.measured = {
                k: None if k in ("gain", "dose_e_per_A2") else v for k, v in self.measured.items()
            }
            self.panel.show_scales(self.measured)
            self.panel.say("Measure scales once more: gain and dose are others with this dark level.")
            return
        if name == "pixel_size_nm":  # pixels are taken as square unless the crystal says otherwise
            square = abs(one["anisotropy"]) < max(0.005, 3 * one["mean_error"] / one["mean"])
            value = (one["mean"], one["mean"]) if square else tuple(value)
        if self.keeper.ensure() is not None:
            self.model.set_calibration(self.model.movie.calibration.updated("estimated", **{name: value}))
            self.keeper.note_calibration()

    def close(self) -> None:
        """Let the viewer go."""
        self.mouse.set_on(False)
        self.runner.abandon()
        window = None if self._spectrum is None else self._spectrum()
        if window is not None:
            window.close()


def parse_frames(text: str, n_frames: int) -> tuple[int, ...]:
    """Frames of a text like ``"3, 17, 20-24"``.

    Raises
    ------
    ValueError
        When it is none, or names a frame that is not there.
    """
    frames: set[int] = set()
    for part in text.replace(";", ",").split(","):
        if part.strip():
            first, _, last = part.strip().partition("-")
            frames |= set(range(int(first), int(last or first) + 1))
    if any(not 0 <= t < n_frames for t in frames):
        raise ValueError(text)
    return _sorted(frames)


def _sorted(frames: Iterable[int]) -> tuple[int, ...]:
    return tuple(sorted(frames))
