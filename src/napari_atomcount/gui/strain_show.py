"""What of strain is drawn over the movie: frame or average, component, discs, map, axes, the artefact."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFrame, QVBoxLayout

from napari_atomcount.gui.strain_parts import captioned, check, choice, named, number, row
from napari_atomcount.gui.strain_state import SHOWN, StrainView


class StrainShow(QFrame):
    """The choice of what is shown.

    Signals
    -------
    changed()
        Another choice.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        named(self, "strain_show")
        self._quiet = False
        self.when = choice(
            "strain_when",
            "The average of the frames, or the frame that the slider shows.",
            [("time average", "average"), ("this frame", "frame")],
        )
        self.component = choice(
            "strain_component",
            "What is coloured. Directions of a line need a drawn line.",
            [(words, name) for name, words in SHOWN.items()],
        )
        self.limit = number(
            "strain_limit",
            "End of the symmetric colour scale; 0: all but the outermost 2 % of the columns fit.",
            0.0, 0.0, 100.0, 0.5,
        )  # fmt: skip
        self.limit.setSpecialValueText("automatic")
        emit = self._emit
        self.points = check("columns", "strain_points", "A disc for each column.", emit, True)
        self.map = check(
            "map", "strain_map", "Interpolated between the columns, clipped to the particle.", emit
        )
        self.axes = check(
            "axes", "strain_axes", "Principal axes: red where stretched, blue where compressed.", emit
        )
        self.artefact = check(
            "artefact?",
            "strain_artefact",
            "What the same analysis finds in a simulated particle without strain, on the same colour scale.",
            emit,
        )
        self.artefact.setEnabled(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(captioned("show", self.when))
        column.addLayout(captioned("component", self.component))
        column.addLayout(captioned("scale to ±", self.limit, "% or °"))
        column.addLayout(row(self.points, self.map, self.axes, self.artefact))
        self.when.currentIndexChanged.connect(lambda _index: emit())
        self.component.currentIndexChanged.connect(lambda _index: emit())
        self.limit.valueChanged.connect(lambda _value: emit())
        self.setVisible(False)

    def _emit(self) -> None:
        if not self._quiet:
            self.changed.emit()

    def offer(self, *, average: bool, frames: bool, line: bool, facets: bool, artefact: bool) -> None:
        """What there is to choose from."""
        self._quiet = True
        for box, name, there in (
            (self.when, "average", average),
            (self.when, "frame", frames),
            (self.component, "parallel", line),
            (self.component, "normal", line),
            (self.component, "relaxation", facets),
        ):
            box.model().item(box.findData(name)).setEnabled(there)
        if not average and self.when.currentData() == "average":
            self.when.setCurrentIndex(self.when.findData("frame"))
        if not line and self.component.currentData() in ("parallel", "normal"):
            self.component.setCurrentIndex(0)
        self.artefact.setEnabled(artefact)
        if not artefact:
            self.artefact.setChecked(False)
        self._quiet = False
        self.setVisible(average or frames)

    def into(self, view: StrainView) -> None:
        """Write the choices into a view."""
        view.average = self.when.currentData() == "average"
        view.component = self.component.currentData()
        view.points, view.map = self.points.isChecked(), self.map.isChecked()
        view.axes, view.artefact = self.axes.isChecked(), self.artefact.isChecked()
        view.limit = self.limit.value() or None
