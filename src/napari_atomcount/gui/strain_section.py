"""Section 5: which crystal, relative to what, how positions are refined; run, stop, what was found."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QLineEdit, QListWidget, QProgressBar

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import Section, hint
from napari_atomcount.gui.strain_more import StrainMore
from napari_atomcount.gui.strain_parts import button, captioned, choice, named, row
from napari_atomcount.gui.strain_show import StrainShow
from napari_atomcount.records.settings import StrainSettings

EMPTY = (
    "Once columns are found, their strain can be measured: each column's neighbours against a "
    "perfect crystal, "
    "also at surfaces and defects, with a standard error. Choose the crystal, then measure."
)
NAMED = ("fcc110", "fcc100", "fcc111", "ceo2-110", "graphene", "mos2", "hexagonal", "square")
TEMPLATE_TIP = (
    "A crystal and its zone axis: fcc110:Au, fcc100:0.392 (lattice constant in nm), ceo2-110, "
    "graphene, mos2, "
    "hexagonal, square, or a structure file with its zone axis, like au.cif:110. Of several, the best one is "
    "taken for each column. Without an element or a size only the shape is known."
)
REFERENCES = [
    ("the mean of each phase", "mean"),
    ("absolute: the pixel size and the template's", "absolute"),
    ("the mean of a drawn region", "region"),
]
REFINE = [
    ("quadratic polynomial", "quadratic"),
    ("elliptical Gaussian", "gaussian"),
    ("centre of mass", "mass"),
    ("the network's positions", "none"),
]
FILTERS = [("Gaussian filter", "gaussian"), ("Wiener filter", "wiener"), ("no filter", "none")]


class StrainSection(Section):
    """The controls of strain.

    Signals
    -------
    measure_requested(bool)
        True: all frames and their average; False: the shown frame.
    stop_requested(), file_requested(), learn_requested()
        A button was pressed.
    """

    measure_requested = Signal(bool)
    stop_requested = Signal()
    file_requested = Signal()
    learn_requested = Signal()

    def __init__(self) -> None:
        super().__init__("strain", "5  Strain")
        self.learned: dict[str, Any] = {}
        self.empty = hint(EMPTY, "strain_empty")
        self.template = choice("strain_template", TEMPLATE_TIP, [(name, name) for name in NAMED])
        self.template.setEditable(True)
        line = self.template.lineEdit()
        assert isinstance(line, QLineEdit)
        named(line, "strain_template_line", TEMPLATE_TIP)
        line.returnPressed.connect(self._add)
        self.add = button("Add", "strain_add", "Add this crystal to the templates.", self._add)
        self.file = button(
            "CIF…", "strain_file", "A structure file; its zone axis is asked for.", self.file_requested.emit
        )
        self.learn = button(
            "Learn",
            "strain_learn",
            "Learn a template from the columns in the selected region (draw one below): the mean of their "
            "neighbourhoods. Strain is then relative to that region.",
            self.learn_requested.emit,
        )
        self.templates = named(QListWidget(), "strain_templates", "The templates; double-click removes one.")
        self.templates.setMaximumHeight(58)
        self.templates.itemDoubleClicked.connect(lambda item: self._remove(item.text()))
        self.reference = choice(
            "strain_reference", "What strain is relative to; it is written beside every result.", REFERENCES
        )
        self.refine = choice("strain_refine", StrainSettings.model_fields["refine"].description or "", REFINE)
        self.prefilter = choice(
            "strain_filter", StrainSettings.model_fields["prefilter"].description or "", FILTERS
        )
        self.all = button(
            "All frames and average",
            "strain_all",
            "Measure every frame, and the positions averaged over the frames.",
            lambda: self.measure_requested.emit(True),
        )
        self.this = button(
            "This frame",
            "strain_frame",
            "Measure the frame that is shown.",
            lambda: self.measure_requested.emit(False),
        )
        self.stop = button(
            "Stop", "strain_stop", "Stop; frames that are done are kept.", self.stop_requested.emit
        )
        self.progress = named(QProgressBar(), "strain_progress")
        self.said = named(QLabel(), "strain_said")
        self.said.setWordWrap(True)
        self.show_ = StrainShow()
        self.more = StrainMore()
        self.body.addWidget(self.empty)
        self.body.addLayout(captioned("crystal", self.template))
        self.body.addLayout(row(self.add, self.file, self.learn))
        self.body.addWidget(self.templates)
        self.body.addLayout(captioned("relative to", self.reference))
        self.body.addLayout(captioned("positions", self.refine))
        self.body.addLayout(captioned("", self.prefilter))
        self.body.addLayout(row((self.all, 2), (self.this, 1)))
        self.body.addLayout(row((self.progress, 1), self.stop))
        self.body.addWidget(self.said)
        self.body.addWidget(self.show_)
        self.body.addWidget(self.more)
        for box in (self.all, self.this, self.add, self.file, self.learn):
            box.setMinimumWidth(40)
        self.set_open(False)
        self.set_state(columns=False, followed=False, busy=False, own=False)

    # -- templates ---------------------------------------------------------
    def suggest(self, name: str) -> None:
        """Offer a crystal: what the model was trained for."""
        self.template.setEditText(name)

    def _add(self) -> None:
        text = self.template.currentText().strip()
        if text and text not in self.names:
            self.templates.addItem(text)
            self._list_phases()

    def add_learned(self, structure: Any) -> None:
        """Take up a learned template, in place of an earlier one of its name."""
        self.learned[structure.name] = structure
        if structure.name not in self.names:
            self.templates.addItem(structure.name)
        self._list_phases()

    def _remove(self, name: str) -> None:
        for index in reversed(range(self.templates.count())):
            if self.templates.item(index).text() == name:
                self.templates.takeItem(index)
        self.learned.pop(name, None)
        self._list_phases()

    @property
    def names(self) -> list[str]:
        """The chosen templates."""
        return [self.templates.item(index).text() for index in range(self.templates.count())]

    @property
    def chosen(self) -> list[Any]:
        """The chosen templates: names, and Structures that were learned; what is typed if none was added."""
        names = self.names or [self.template.currentText().strip()]
        return [self.learned.get(name, name) for name in names if name]

    def _list_phases(self) -> None:
        before = self.reference.currentData()
        while self.reference.count() > len(REFERENCES):
            self.reference.removeItem(self.reference.count() - 1)
        for name in self.names:
            self.reference.addItem(f"the phase {name}", f"phase:{name}")
        self.reference.setCurrentIndex(max(0, self.reference.findData(before)))

    # -- state -------------------------------------------------------------
    def settings(self, reference: str) -> StrainSettings:
        """The choices as settings; the reference in the settings' words."""
        return StrainSettings(
            templates=tuple(t if isinstance(t, str) else t.name for t in self.chosen),
            reference=reference,
            refine=self.refine.currentData(),
            prefilter=self.prefilter.currentData(),
        )

    def set_state(self, *, columns: bool, followed: bool, busy: bool, own: bool) -> None:
        """What can be done: there are columns, they are followed through time, a job runs, one of ours."""
        self.empty.setVisible(not columns)
        self.all.setEnabled(followed and not busy)
        self.this.setEnabled(columns and not busy)
        for widget in (self.learn, self.add, self.file, self.template, self.reference):
            widget.setEnabled(not busy)
        self.stop.setVisible(own)
        self.stop.setEnabled(True)
        self.progress.setVisible(own)
        self.more.set_state(columns=columns, busy=busy)

    def show_progress(self, stage: str, done: int, total: int) -> None:
        """How far the job is."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        self.progress.setFormat(f"{stage} {done}/{total}" if total else stage)

    def show_said(self, text: str, warnings: list[str]) -> None:
        """What was measured, and what to know before it is used."""
        self.said.setText("\n".join([text, *(f"▲ {warning}" for warning in warnings)] if text else []))
        self.said.setStyleSheet(style.WARN if warnings else style.PLAIN)
        self.said.setVisible(bool(text))
