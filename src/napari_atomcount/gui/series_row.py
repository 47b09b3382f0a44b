"""The row of the network's section for models of focal series: what makes a series, and its defoci."""

from __future__ import annotations

import math

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_atomcount.gui.asked_row import AskedRow
from napari_atomcount.gui.forms import hint

TIP = "Overfocus is positive. Only the order counts: the network is shown the images by rising defocus."


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
        self.words = hint("", "series_words")
        empty = "empty: it rises from image to image"
        self.asked = AskedRow("defocus", "Defocus of each, nm", empty, TIP, self._read)
        self.asked.edited.connect(self.defocus_edited)
        body = QVBoxLayout(self)
        body.setContentsMargins(0, 0, 0, 0)
        body.addWidget(self.words)
        body.addWidget(self.asked)
        self.set_images(1)

    def set_images(self, images: int) -> None:
        """How many images make a series; 1: nothing is shown."""
        self._images = images
        self.setVisible(images > 1)
        self.words.setText(
            f"Every {images} successive images are one focal series; they are aligned, and the columns lie "
            "on the first of them."
        )

    def show_defocus(self, defocus_nm: tuple[float, ...]) -> None:
        """Show the stated defoci."""
        self.asked.show_text(", ".join(f"{d:g}" for d in defocus_nm))

    def _read(self, text: str) -> tuple[float, ...]:
        try:
            numbers = tuple(float(part.replace("−", "-")) for part in text.split(",")) if text else ()
        except ValueError:
            numbers = (math.nan,)
        wrong = numbers and (len(set(numbers)) != self._images or len(numbers) != self._images)
        if wrong or not all(map(math.isfinite, numbers)):
            raise ValueError(f"give {self._images} different numbers with commas, or nothing.")
        return numbers
