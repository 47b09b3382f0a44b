"""The row of the network's section for views without vacuum: what the beam brings has to be stated."""

from __future__ import annotations

import math

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_atomcount.gui import style


class LevelRow(QWidget):
    """Asks for the beam level.

    Signals
    -------
    level_edited(object)
        Counts of a pixel without a specimen; None: from the vacuum in view.
    """

    level_edited = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_level")
        self._shown = ""
        self.line = QLineEdit()
        self.line.setObjectName("atomcount_beam_level")
        self.line.setPlaceholderText("empty: from the vacuum in view")
        self.line.setToolTip(
            "The mean of an image of vacuum alone, taken with the same beam and exposure. "
            "Where it is 3 % too low, every other count is an atom too low."
        )
        self.line.editingFinished.connect(self._on_finished)
        self.problem = QLabel()
        self.problem.setObjectName("atomcount_beam_level_problem")
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(style.WARN)
        row = QHBoxLayout()
        caption = QLabel("Beam level, counts per pixel")
        caption.setObjectName("atomcount_beam_level_caption")
        row.addWidget(caption)
        row.addWidget(self.line, 1)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addLayout(row)
        body.addWidget(self.problem)
        self.show_level(None)

    def show_level(self, counts: float | None) -> None:
        """Show what is stated."""
        self._shown = "" if counts is None else f"{counts:g}"
        self.line.setText(self._shown)
        self.problem.setVisible(False)

    def show_wanted(self, wanted: bool) -> None:
        """Whether a level is missing; the row stays where one is stated."""
        self.setVisible(wanted or bool(self._shown))

    def _on_finished(self) -> None:
        text = self.line.text().strip()
        if text == self._shown:
            self.problem.setVisible(False)
            return
        try:
            counts = float(text) if text else None
        except ValueError:
            counts = math.nan
        if counts is not None and not 0 < counts < math.inf:
            self.problem.setText(f"▲ “{text}”: give a number of counts above 0, or nothing.")
            self.problem.setVisible(True)
            return
        self._shown = text
        self.problem.setVisible(False)
        self.level_edited.emit(counts)
