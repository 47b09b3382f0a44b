"""The row of the network's section for models of focal series: what makes a series, and its defoci."""

from __future__ import annotations

import math

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import hint


class SeriesRow(QWidget):
    """Says that successive images make one series, and asks for their defocus.

    Signals
    -------
    defocus_edited(object)
        The defoci of a series in the order of its images, nm, as a tuple; empty: they rise.
    """

    defocus_edited = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_series")
        self._images = 1
        self._shown = ""
        self.words = hint("", "series_words")
        self.line = QLineEdit()
        self.line.setObjectName("atomcount_defocus")
        self.line.setToolTip(
            "Overfocus is positive. Only the order counts: the network is shown the images by rising defocus."
        )
        self.line.editingFinished.connect(self._on_finished)
        self.problem = QLabel()
        self.problem.setObjectName("atomcount_defocus_problem")
        self.problem.setWordWrap(True)
        self.problem.setStyleSheet(style.WARN)
        row = QHBoxLayout()
        caption = QLabel("Defocus of each, nm")
        caption.setObjectName("atomcount_defocus_caption")
        row.addWidget(caption)
        row.addWidget(self.line, 1)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        for part in (self.words, row, self.problem):
            body.addLayout(part) if isinstance(part, QHBoxLayout) else body.addWidget(part)
        self.show_series(1, ())

    def show_series(self, images: int, defocus_nm: tuple[float, ...]) -> None:
        """Show how many images make a series (1: nothing is shown) and their defoci."""
        self._images = images
        self.setVisible(images > 1)
        self.words.setText(
            f"Every {images} successive images are one focal series; they are aligned, and the columns lie "
            "on the first of them."
        )
        self.line.setPlaceholderText("empty: it rises from image to image")
        self._shown = ", ".join(f"{d:g}" for d in defocus_nm)
        self.line.setText(self._shown)
        self.problem.setVisible(False)

    def _on_finished(self) -> None:
        text = self.line.text().strip()
        if text == self._shown:
            self.problem.setVisible(False)
            return
        try:
            numbers = tuple(float(part.replace("−", "-")) for part in text.split(",")) if text else ()
        except ValueError:
            numbers = (math.nan,)
        wrong = numbers and (len(set(numbers)) != self._images or len(numbers) != self._images)
        if wrong or not all(map(math.isfinite, numbers)):
            self.problem.setText(
                f"▲ “{text}”: give {self._images} different numbers with commas, or nothing."
            )
            self.problem.setVisible(True)
            return
        self.problem.setVisible(False)
        self._shown = text
        self.defocus_edited.emit(numbers)
