"""The row of the network's section for views without vacuum: what the beam brings has to be stated."""

from __future__ import annotations

from napari_atomcount.gui.asked_row import AskedRow
from napari_atomcount.gui.forms import parse_positive

TIP = (
    "The mean of an image of vacuum alone, taken with the same beam and exposure, its dark level included. "
    "Where it is 3 % too low, every other count is an atom too low."
)


class LevelRow(AskedRow):
    """Asks for the beam level, counts of a pixel without a specimen, where no vacuum tells it."""

    def __init__(self) -> None:
        caption, empty = "Beam level, counts per pixel", "empty: from the vacuum in view"
        super().__init__("beam_level", caption, empty, TIP, read_level)

    def show_level(self, counts: float | None) -> None:
        """Show what is stated."""
        self.show_text("" if counts is None else f"{counts:g}")

    def show_wanted(self, wanted: bool) -> None:
        """Whether a level is missing; the row stays where one is stated."""
        self.setVisible(wanted or bool(self.shown))


def read_level(text: str) -> float | None:
    """Counts, None of an empty text; ValueError says what to give."""
    try:
        numbers = parse_positive(text)
    except ValueError as error:
        raise ValueError("give a number of counts above 0, or nothing.") from error
    return None if numbers is None else numbers[0]
