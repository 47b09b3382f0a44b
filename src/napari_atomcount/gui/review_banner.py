"""A coloured frame around the canvas and a line on top of it: nobody edits without knowing it."""

from __future__ import annotations

import weakref

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtWidgets import QFrame, QLabel, QWidget

ORANGE, GREY = "#ff9f1c", "#7d8793"
CORRECT = (
    "<b>Correct mode</b> · click: add{} · drag a column: move · click one: select · Shift+drag: box · "
    "digits: count · Del: remove · Esc: leave"
)


class Banner(QObject):
    """The frame and the line over one canvas; both let the mouse through."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._canvas: weakref.ref[QWidget] | None = None
        self._correct = False
        self._reason = ""
        self._said = ""
        self._adding = ""

    def attach(self, canvas: QWidget) -> None:
        """Lie over this widget, which napari draws on."""
        self._canvas = weakref.ref(canvas)
        self.frame = QFrame(canvas)
        self.frame.setObjectName("atomcount_correct_frame")
        self.line = QLabel(canvas)
        self.line.setObjectName("atomcount_banner")
        self.line.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.line.setTextFormat(Qt.TextFormat.RichText)
        self.line.setWordWrap(True)
        for widget in (self.frame, self.line):
            widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
            widget.hide()
        canvas.installEventFilter(self)
        self._show()

    def set_correct(self, on: bool) -> None:
        """Correct mode is on, or off."""
        self._correct, self._said = on, ""
        self._show()

    def set_adding(self, name: str | None) -> None:
        """Which class of columns a click adds; None: the model has one."""
        adding = "" if name is None else f" {name}"
        if adding != self._adding:
            self._adding = adding
            self._show()

    def set_read_only(self, reason: str) -> None:
        """Why nothing is kept; empty: it is."""
        self._reason = reason
        self._show()

    def say(self, words: str) -> None:
        """What was done last, beside the mode's own line."""
        self._said = words
        self._show()

    def close(self) -> None:
        """Leave the canvas as it was."""
        canvas = None if self._canvas is None else self._canvas()
        self._canvas = None
        if canvas is None:
            return
        try:
            canvas.removeEventFilter(self)
            for widget in (self.frame, self.line):
                widget.hide()
                widget.deleteLater()
        except RuntimeError:
            return  # the canvas is gone already, and both with it

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Follow the canvas' size."""
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _show(self) -> None:
        if self._canvas is None:
            return
        shown = self._correct or bool(self._reason)
        colour = ORANGE if self._correct else GREY
        self.frame.setStyleSheet(f"QFrame {{ border: 4px solid {colour}; background: transparent; }}")
        self.line.setStyleSheet(
            f"background: {colour}; color: #14181d; padding: 4px 10px; border: none; font-size: 10pt;"
        )
        if self._correct:
            said = f"<br><b>{self._said}</b>" if self._said else ""
            self.line.setText(CORRECT.format(self._adding) + said)
        else:
            self.line.setText(f"<b>For reading only</b> · {self._reason} · nothing done here is kept")
        for widget in (self.frame, self.line):
            widget.setVisible(shown)
        self._place()

    def _place(self) -> None:
        canvas = None if self._canvas is None else self._canvas()
        if canvas is None:
            return
        self.frame.setGeometry(canvas.rect())
        width = canvas.width()
        self.line.setGeometry(0, 0, width, max(26, self.line.heightForWidth(width)))
        self.frame.raise_()
        self.line.raise_()
