"""Below the map: drawing, the artefact simulation's conditions, phase analysis and peak pairs, saving."""

from __future__ import annotations

from functools import partial

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QAbstractSpinBox, QFrame, QGridLayout, QLabel, QSizePolicy, QVBoxLayout

from napari_atomcount.gui.forms import hint
from napari_atomcount.gui.strain_parts import button, captioned, named, number, row

DRAW = {
    "reference": ("reference", "A rectangle: strain is relative to the mean lattice in it."),
    "selection": ("region", "A rectangle: its strain against time, or a template learned from it."),
    "line": ("line", "A line: the profile along it, and strain along and across it (an interface)."),
}
#: name: label, unit, value, low, high, step, help. Names are those of the simulation's conditions.
CONDITIONS = {
    "defocus_nm": ("defocus", "nm", 8.5, -50.0, 50.0, 0.5, "Positive is overfocus."),
    "cs_um": ("Cs", "µm", -10.0, -2000.0, 2000.0, 1.0, "Spherical aberration."),
    "tilt_deg": ("tilt", "°", 0.0, 0.0, 10.0, 0.5, "Of the crystal, away from its zone axis."),
    "tilt_direction_deg": ("about", "°", 0.0, -180.0, 180.0, 10.0, "The axis it is tilted about, from +x."),
}


class StrainMore(QFrame):
    """The tools that are used after the first map.

    Signals
    -------
    draw_requested(str)
        Draw a reference, a selection or a line with the next drag; empty: nothing.
    simulate_requested(object)
        Simulate under these conditions: name to number.
    compare_requested()
        Phase analysis and peak pairs.
    save_requested()
        Tables and figures into a folder.
    """

    draw_requested = Signal(str)
    simulate_requested = Signal(object)
    compare_requested = Signal()
    save_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        named(self, "strain_more")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 4, 0, 0)
        self.draw = {
            kind: button(words, f"strain_draw_{kind}", tip, partial(self._draw, kind), checkable=True)
            for kind, (words, tip) in DRAW.items()
        }
        label = named(QLabel("draw"), "strain_draw_caption")
        column.addLayout(row(label, *((one, 1) for one in self.draw.values())))
        self.conditions = {}
        grid = QGridLayout()
        for index, (name, (words, unit, value, low, high, step, tip)) in enumerate(CONDITIONS.items()):
            box = number(f"strain_{name}", tip, value, low, high, step, 1)
            self.conditions[name] = box
            box.setSuffix(f" {unit}")
            grid.addLayout(captioned(words, box), index // 2, index % 2)
            box.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            caption = grid.itemAt(grid.count() - 1).layout().itemAt(0).widget()
            caption.setMinimumWidth(52)
            box.setMinimumWidth(60)
            box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
        for side in (0, 1):
            grid.setColumnStretch(side, 1)
        self.simulate = button(
            "Simulate what could be an artefact",
            "strain_simulate",
            "Images a perfect particle with the found columns and counts under these conditions and "
            "measures it "
            "in the same way: what it finds is not strain. fcc metals along [100], [110], [111].",
            lambda: self.simulate_requested.emit({n: box.value() for n, box in self.conditions.items()}),
        )
        column.addLayout(grid)
        column.addWidget(self.simulate)
        self.artefact_said = hint("", "strain_artefact_said")
        self.artefact_said.setVisible(False)
        column.addWidget(self.artefact_said)
        self.mask = number(
            "strain_mask",
            "Standard deviation of the phase analysis' averaging in the image; its Fourier mask is 1 "
            "/ (2π) of "
            "it wide. 0: 0.8 lattice spacings.",
            0.0, 0.0, 10.0, 0.05,
        )  # fmt: skip
        self.mask.setSpecialValueText("automatic")
        self.compare = button(
            "GPA and peak pairs",
            "strain_compare",
            "Geometric phase analysis and peak pairs of what is shown, with a warning where they are "
            "not valid. "
            "The drawn reference region is theirs, too.",
            self.compare_requested.emit,
        )
        column.addLayout(captioned("averaging", self.mask, "nm"))
        column.addWidget(self.compare)
        self.compare_said = hint("", "strain_compare_said")
        self.compare_said.setVisible(False)
        column.addWidget(self.compare_said)
        self.save = button(
            "Save strain…",
            "strain_save",
            "strain.csv, facets, time, line and artefact as tables; figures as PNG and SVG.",
            self.save_requested.emit,
        )
        column.addWidget(self.save)

    def _draw(self, kind: str) -> None:
        on = self.draw[kind].isChecked()
        for name, one in self.draw.items():
            one.setChecked(on and name == kind)
        self.draw_requested.emit(kind if on else "")

    def end_drawing(self) -> None:
        """The drawing is done."""
        for one in self.draw.values():
            one.setChecked(False)

    def set_state(self, *, columns: bool, busy: bool) -> None:
        """Whether there is something to draw on and to compare."""
        for one in self.draw.values():
            one.setEnabled(columns)
        self.compare.setEnabled(columns and not busy)

    def set_found(self, there: bool, busy: bool) -> None:
        """Whether there is strain to save and to simulate."""
        self.save.setEnabled(there and not busy)
        self.simulate.setEnabled(there and not busy)
