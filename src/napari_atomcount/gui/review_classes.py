"""Classes of columns in Correct mode: that of the selected ones, and that of the next one to be added."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_atomcount.records import corrections

if TYPE_CHECKING:
    from napari_atomcount.gui.review_model import ReviewModel


class ColumnClasses:
    """What a person says a column is, where the model tells several classes apart.

    Parameters
    ----------
    review
        Whose columns they are.
    """

    def __init__(self, review: ReviewModel) -> None:
        self.review = review
        self._chosen = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The classes of the model in its order; none where it has one only."""
        run = self.review.model.run
        names = () if run is None else tuple(run.card.classes)
        return names if len(names) > 1 else ()

    @property
    def adding(self) -> str | None:
        """Class of a column that is added now: what was chosen last, else the model's first."""
        names = self.names
        if not names:
            return None
        return self._chosen if self._chosen in names else names[0]

    @property
    def shown(self) -> str | None:
        """Class of the selected columns, or of one to be added; None: they differ, or the model has one."""
        chosen = self.review.chosen
        if not self.names or not len(chosen):
            return self.adding
        return str(chosen["label"].iloc[0]) if chosen["label"].nunique() == 1 else None

    def choose(self, name: str) -> None:
        """Make the selected columns of this class; without a selection, those that will be added."""
        self.review.settle()
        chosen, frame = self.review.chosen, self.review.frame()
        if not len(chosen):
            self._chosen = name
            self.review.said.emit(f"columns that are added are {name}")
            self.review.selection_changed.emit()
            return
        edits = [
            corrections.set_label(frame, float(y), float(x), name)
            for y, x in zip(chosen["y"], chosen["x"], strict=True)
        ]
        number = "1 column is" if len(edits) == 1 else f"{len(edits)} columns are"
        self.review.do(edits, f"{number} {name} now")

    def next(self) -> None:
        """As `choose`, the class after the one that is shown."""
        names = self.names
        if not names:
            self.review.said.emit("This model knows one class of columns only.")
            return
        shown = self.shown
        self.choose(names[(names.index(shown) + 1) % len(names) if shown in names else 0])
