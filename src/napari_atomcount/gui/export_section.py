"""Section 6: the analysis as a folder of tables and figures."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton

from napari_atomcount.gui.forms import Section, hint

EMPTY = (
    "Once the columns have been followed through time, tables (CSV, Parquet) and figures can be saved here."
)
READY = "Columns, sites, events and drift as CSV and Parquet, states as npz, a summary, figures (PNG, SVG)."


class ExportSection(Section):
    """Offers to save the results.

    Signals
    -------
    save_requested()
        The button was pressed.
    """

    save_requested = Signal()

    def __init__(self) -> None:
        super().__init__("export", "Export")
        self.save = QPushButton("Save results…")
        self.save.setObjectName("atomcount_save_results")
        self.save.clicked.connect(lambda _checked=False: self.save_requested.emit())
        self.words = hint(EMPTY, "export_words")
        self.body.addWidget(self.save)
        self.body.addWidget(self.words)
        self.set_ready(False)

    def set_ready(self, ready: bool) -> None:
        """Whether there is something to save."""
        self.save.setEnabled(ready)
        self.words.setText(READY if ready else EMPTY)
