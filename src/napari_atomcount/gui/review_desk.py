"""Puts the parts of Correct mode together: section, queue, mouse, keys, marks, banner."""

from __future__ import annotations

import math
import weakref
from typing import Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtGui import QCursor
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

from napari_atomcount.gui.layers import COLUMNS, UNCERTAIN, ResultLayers
from napari_atomcount.gui.review_banner import Banner
from napari_atomcount.gui.review_keys import CorrectKeys
from napari_atomcount.gui.review_marks import ReviewMarks
from napari_atomcount.gui.review_model import ReviewModel
from napari_atomcount.gui.review_mouse import CorrectMouse
from napari_atomcount.gui.review_section import ReviewSection
from napari_atomcount.gui.session_keeper import SessionKeeper
from napari_atomcount.gui.session_model import SessionModel
from napari_atomcount.gui.uncertain_rings import UncertainRings
from napari_atomcount.records.errors import AtomcountError

NEAR = 0.4  # what lies within this part of the view around its centre need not be centred


class Reviewing(QObject):
    """Section 3 with everything that belongs to it.

    Parameters
    ----------
    viewer
        napari's viewer.
    model, layers, keeper
        The desk's.
    """

    def __init__(
        self,
        viewer,
        model: SessionModel,
        layers: ResultLayers,
        keeper: SessionKeeper,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.model, self.layers, self.keeper = viewer, model, layers, keeper
        self.section = ReviewSection()
        self.review = ReviewModel(model, keeper, lambda: layers.frame, self)
        self.mouse = CorrectMouse(viewer, self.review, lambda: layers.scale, self)
        self.marks = ReviewMarks(layers, self.review, self.mouse)
        self.rings = UncertainRings(layers, self.review.queue, self)
        more = {
            "add": self._add_under_pointer,
            "copy": lambda: self.review.copy_forward(self.section.copies.value()),
            "copy_all": lambda: self.review.copy_forward(self.section.copies.maximum()),
            "overlay": self._toggle_columns,
        }
        self.banner = Banner(self)
        self.keys = CorrectKeys(self.review, more, self)
        self._canvas: weakref.ref[QWidget] | None = None  # napari's to keep and to let go
        self._cursor: Any = None
        self._wire()
        self.section.show_keys(self.keys.chosen)

    def attach(self, window: QMainWindow) -> None:
        """Find the canvas of the window in which the dock is shown."""
        if self._canvas is None:
            middle = window.centralWidget()
            canvas = middle.findChild(QOpenGLWidget) or middle
            self._canvas = weakref.ref(canvas)
            self.banner.attach(canvas)
            self.keys.attach(window)

    @property
    def canvas(self) -> QWidget | None:
        """What napari draws on, once the dock is in a window."""
        return None if self._canvas is None else self._canvas()

    def _wire(self) -> None:
        section, review, keeper = self.section, self.review, self.keeper
        section.correct_toggled.connect(self._toggle)
        section.next_requested.connect(review.next)
        section.accept_requested.connect(review.accept)
        section.accept_frame_requested.connect(review.accept_frame)
        section.undo_requested.connect(review.undo)
        section.redo_requested.connect(review.redo)
        section.count_chosen.connect(review.set_count)
        section.class_chosen.connect(review.classes.choose)
        section.copy_requested.connect(review.copy_forward)
        section.answer_chosen.connect(review.queue.ask)
        section.key_chosen.connect(self._choose_key)
        section.keys_reset.connect(self.keys.reset)
        self.keys.changed.connect(lambda: section.show_keys(self.keys.chosen))
        review.mode_changed.connect(self._on_mode)
        review.selection_changed.connect(self._show_selection)
        review.go_to.connect(self._go)
        review.said.connect(section.say)
        review.said.connect(self.banner.say)
        review.queue.changed.connect(self._show_queue)
        review.queue.changed.connect(self._keep_queue)
        keeper.opened.connect(self._find_queue_again)
        keeper.changed.connect(self.update_state)
        keeper.changed.connect(lambda: self.banner.set_read_only(keeper.read_only))
        self.model.edited.connect(lambda _frames: self.marks.refresh())

    # -- the desk's news ---------------------------------------------------
    def set_busy(self, busy: bool) -> None:
        """A job of the desk has begun or ended."""
        if busy != self.review.blocked:
            self.review.set_blocked(busy)
        self.update_state()

    def on_slider(self) -> None:
        """Another frame is shown."""
        self.review.on_frame()
        self.rings.refresh()

    def update_state(self) -> None:
        """Bring the section in line with what can be done."""
        session, run = self.keeper.session, self.model.run
        self.section.set_state(
            can_correct=not self.review.obstacle,
            on=self.review.on,
            can_undo=session is not None and session.can_undo and not self.review.blocked,
            can_redo=session is not None and session.can_redo and not self.review.blocked,
        )
        if run is None:
            self.section.say("")

    # -- reacting ----------------------------------------------------------
    def _toggle(self, on: bool) -> None:
        self.review.set_on(on)
        canvas = self.canvas
        if self.review.on and canvas is not None:
            canvas.setFocus()  # the keys are meant for the image from now on

    def _on_mode(self, on: bool) -> None:
        if on:
            self.layers.set_overlay(COLUMNS)
            self.layers.make_results()  # where the user has deleted them
            layer: Any = self.layers.get(COLUMNS)
            self.viewer.layers.selection.active = layer
            layer.mode = "pan_zoom"
            layer.cursor = "crosshair"
            self._cursor = layer
        elif self._cursor is not None:
            self._cursor.cursor = "standard"
            self._cursor = None
        self.banner.set_correct(on)
        self.update_state()

    def _show_selection(self) -> None:
        chosen = self.review.chosen
        count = int(chosen["count"].iloc[0]) if len(chosen) == 1 else None
        self.section.show_selection(count, self.review.digits)
        classes = self.review.classes
        self.section.show_classes(classes.names, classes.shown)
        self.banner.set_adding(classes.adding)
        if self.review.digits:
            self.banner.say(f"count {self.review.digits}…")

    def _show_queue(self) -> None:
        session, queue = self.keeper.session, self.review.queue
        shown = None if queue.review is None else queue.review.answer
        self.section.show_answers(queue.answers, shown)
        self.section.show_review(
            queue.review, 0 if session is None else session.history.n_edits, queue.at_first
        )

    def _keep_queue(self) -> None:
        """Keep what is asked for, and what was expected to be wrong before the first edit."""
        session, kept = self.keeper.session, self.review.queue.kept
        run = self.model.run
        if session is None or session.read_only or run is None or run.number != session.run:
            return
        if kept != session.record.view.get("review", {"answer": None, "at_first": {}}):
            try:
                session.save_view(review=kept)
            except AtomcountError:
                return  # an edit would say so; this is not worth a word

    def _find_queue_again(self) -> None:
        session = self.keeper.session
        if session is not None:
            self.review.queue.find_again(session.record.view.get("review"))

    def _go(self, frame: int, y: float, x: float) -> None:
        """Show a frame and, unless it is well in sight, centre a place of it."""
        self.layers.show_frame(frame)
        canvas = self.canvas
        if math.isnan(y) or canvas is None:
            return
        camera = self.viewer.scene.camera
        place = np.array([y, x]) * np.array(self.layers.scale[1:])
        offset = (place - np.array(camera.center[-2:])) * camera.zoom
        if abs(offset[0]) > NEAR * canvas.height() or abs(offset[1]) > NEAR * canvas.width():
            camera.center = (*camera.center[:-2], *place)

    def _add_under_pointer(self) -> None:
        """Where the pointer is, or in the middle of the view where it is elsewhere."""
        canvas = self.canvas
        if canvas is None:
            return
        place = canvas.mapFromGlobal(QCursor.pos())
        camera = self.viewer.scene.camera
        centre = np.array(camera.center[-2:])
        if canvas.rect().contains(place):
            offset = np.array([place.y() - canvas.height() / 2, place.x() - canvas.width() / 2])
            centre = centre + offset / camera.zoom
        self.review.add(*self.mouse.place(centre))

    def _toggle_columns(self) -> None:
        layer, rings = self.layers.get(COLUMNS), self.layers.get(UNCERTAIN)
        if layer is not None:
            layer.visible = not layer.visible
            if rings is not None:
                rings.visible = layer.visible

    def _choose_key(self, name: str, text: str) -> None:
        keys = tuple(key for key in [text] if key)
        if keys != self.keys.chosen[name][:1]:
            reason = self.keys.choose(name, keys)
            if reason:
                self.section.say(reason)
                self.section.show_keys(self.keys.chosen)

    def close(self) -> None:
        """Leave the viewer as it was."""
        self.review.settle()
        self.mouse.close()
        self.keys.close()
        self.banner.close()
