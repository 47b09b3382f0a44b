"""A line that asks for something which may be stated, or left to the program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_atomcount.gui import style


class AskedRow(QWidget):
    """A caption, a line, and below it why its text was not taken.

    Parameters
    ----------
    name
        Of the widgets, behind ``atomcount_``.
    caption, empty, tip
        Words before the line, in it while it is empty, and on hovering.
    read
        Value of a text; raises ValueError with what to give instead.

    Signals
    -------
    edited(object)
        The value of another text.
    """

    edited = Signal(object)

    def __init__(self, name: str, caption: str, empty: str, tip: str, read: Callable[[str], Any]) -> None:
        super().__init__()
        self._read = read
        #: What is stated, as text.
        self.shown = ""
        self.line = QLineEdit()
        self.line.setObjectName(f"atomcount_{name}")
        self.line.setPlaceholderText(empty)
        self.line.setToolTip(tip)
        self.line.editingFinished.connect(self._on_finished)
        self.problem = QLabel()
        self.problem.setObjectName(f"atomcount_{name}_problem")
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(style.WARN)
        label = QLabel(caption)
        label.setObjectName(f"atomcount_{name}_caption")
        row = QHBoxLayout()
        row.addWidget(label)
        row.addWidget(self.line, 1)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(row)
        body.addWidget(self.problem)
        self.problem.setVisible(False)

    def show_text(self, text: str) -> None:
        """Show what is stated, empty: nothing; what is being typed stays unless that has changed."""
        if text == self.shown and self.line.hasFocus():
            return
        self.shown = text
        self.line.setText(text)
        self.problem.setVisible(False)

    def _on_finished(self) -> None:
        text = self.line.text().strip()
        self.problem.setVisible(False)
        if text == self.shown:
            return
        try:
            value = self._read(text)
        except ValueError as error:
            self.problem.setText(f"▲ “{text}”: {error}")
            self.problem.setVisible(True)
            return
        self.shown = text
        self.edited.emit(value)
