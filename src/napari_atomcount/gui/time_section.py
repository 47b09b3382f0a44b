"""Section 4: what the overlay shows, how many false events are accepted, and the list of events."""

from __future__ import annotations

import numpy as np
import pandas as pd
from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QHeaderView, QLabel, QPushButton, QTableView

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import Section, SettingField, hint
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.time_plots import TimePlots
from napari_atomcount.records.settings import AnalysisSettings, OccupancySettings

EMPTY = (
    "After a run over all frames, columns are followed through time: the occupancy of every site, the events "
    "(a column appears or vanishes) with their probabilities, and the trace of any site that you click."
)
OVERLAYS = ("columns", "occupancy", "events")


class EventTable(QAbstractTableModel):
    """The events for a table view."""

    HEADERS = ("frame", "time (s)", "site", "kind", "p")
    FIELDS = ("frame", "time_s", "site_id", "kind", "probability")
    FORMATS = ("{:d}", "{:.4g}", "{:d}", "{}", "{:.3f}")

    def __init__(self) -> None:
        super().__init__()
        self.events = pd.DataFrame(columns=self.FIELDS)

    def set_events(self, events: pd.DataFrame) -> None:
        """Show other events."""
        self.beginResetModel()
        self.events = events.sort_values(["frame", "site_id"]).reset_index(drop=True)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: D102
        return 0 if parent is not None and parent.isValid() else len(self.events)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: D102
        return 0 if parent is not None and parent.isValid() else len(self.HEADERS)

    def headerData(self, section, orientation, role=Qt.ItemDataRole.DisplayRole):  # noqa: D102
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return self.HEADERS[section]
        return None

    def data(self, index, role=Qt.ItemDataRole.DisplayRole):  # noqa: D102
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignCenter
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        value = self.events[self.FIELDS[index.column()]].iloc[index.row()]
        if isinstance(value, float | np.floating) and np.isnan(value):
            return "–"
        number = int(value) if isinstance(value, np.integer) else value
        return self.FORMATS[index.column()].format(number)


class TimeSection(Section):
    """Overlay, events setting and events.

    Signals
    -------
    overlay_chosen(str)
        ``"columns"``, ``"occupancy"`` or ``"events"``.
    false_events_changed(float)
        Accepted false events per 1,000 site-frames.
    turning_changed(bool, bool)
        Whether rotation and scale of the specimen are followed.
    follow_requested()
        Follow the columns that are there.
    event_chosen(int, int)
        Frame and site of an event that was clicked in the list.
    """

    overlay_chosen = Signal(str)
    false_events_changed = Signal(float)
    turning_changed = Signal(bool, bool)
    follow_requested = Signal()
    event_chosen = Signal(int, int)

    def __init__(self) -> None:
        super().__init__("time", "4  Time")
        self.empty = hint(EMPTY, "time_empty")
        self.overlay = QComboBox()
        self.overlay.setObjectName("atomcount_overlay")
        self.overlay.addItems(OVERLAYS)
        self.overlay.setToolTip("Which result is drawn over the movie.")
        self.overlay.textActivated.connect(self.overlay_chosen)
        self.false_events = SettingField(OccupancySettings, "false_events_per_1000")
        self.false_events.valueChanged.connect(self.false_events_changed)
        self.rotation = _box("follow rotation", "rotation", "For a particle that turns in the plane.")
        self.scale = _box("follow scale", "scale", "For a magnification or height that changes.")
        turning = QHBoxLayout()
        turning.addSpacing(style.CAPTION_WIDTH)
        for box in (self.rotation, self.scale):
            turning.addWidget(box)
            box.toggled.connect(
                lambda _on: self.turning_changed.emit(self.rotation.isChecked(), self.scale.isChecked())
            )
        turning.addStretch(1)
        self.follow = QPushButton()
        self.follow.setObjectName("atomcount_follow")
        self.follow.clicked.connect(lambda _checked=False: self.follow_requested.emit())
        self.totals = QLabel()
        self.totals.setObjectName("atomcount_time_totals")
        self.totals.setWordWrap(True)
        self.table_model = EventTable()
        self.table = QTableView()
        self.table.setObjectName("atomcount_events_table")
        self.table.setModel(self.table_model)
        self.table.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QTableView.SelectionMode.SingleSelection)
        self.table.verticalHeader().setVisible(False)
        self.table.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        self.table.setMinimumHeight(150)
        self.table.setMaximumHeight(220)
        self.table.setToolTip("Click an event: the slider and the trace go there.")
        self.table.clicked.connect(self._on_event_clicked)
        self.body.addWidget(self.empty)
        self.body.addLayout(_captioned("show", self.overlay, ""))
        self.body.addLayout(_captioned("false events ≤", self.false_events, "per 1,000 site-frames"))
        self.body.addLayout(turning)
        self.plots = TimePlots()
        for widget in (self.follow, self.totals, self.table, self.plots):
            self.body.addWidget(widget)
        self.show_run(None, busy=False)

    def show_run(self, run: Run | None, busy: bool) -> None:
        """Show what is known of a run's sites and events, or what would be."""
        analysis = None if run is None else run.analysis
        done = 0 if run is None else len(run.frames)
        self.empty.setVisible(analysis is None)
        self.overlay.setEnabled(run is not None)
        for index, name in enumerate(OVERLAYS):
            item = self.overlay.model().item(index)
            item.setEnabled(name == "columns" or analysis is not None)
        outdated = run is not None and run.analysis_is_stale
        self.follow.setVisible(not busy and done >= 2 and (analysis is None or outdated))
        what = "again" if outdated else "through time"
        self.follow.setText(f"Follow the columns of {done} frames {what}")
        self.totals.setVisible(analysis is not None)
        self.table.setVisible(analysis is not None and len(analysis.events) > 0)
        self.table_model.set_events(
            pd.DataFrame(columns=EventTable.FIELDS) if analysis is None else analysis.events
        )
        if run is not None and analysis is not None:
            kinds = analysis.events["kind"].value_counts()
            events = ", ".join(f"{number} {kind}" for kind, number in kinds.items()) or "no events"
            text = f"{len(analysis.sites)} sites in {len(analysis.frame)} frames · {events}"
            control = analysis.summary.get("static_control", {})
            if control.get("false_per_1000") is not None:
                text += (
                    f"\nfalse events, measured on shuffled frames: {control['false_per_1000']:.2g} per 1,000 "
                    f"site-frames (at most {control['high_per_1000']:.2g})"
                )
            stale = "out of date: columns or calibration have changed"
            warnings = [stale] if outdated else run.analysis_warnings
            self.totals.setText("\n".join([text, *(f"▲ {warning}" for warning in warnings)]))
            self.totals.setStyleSheet(style.WARN if warnings else style.PLAIN)

    def show_settings(self, settings: AnalysisSettings) -> None:
        """Show the settings that hold: those of a session that was opened, or before an undone change."""
        for widget in (self.false_events, self.rotation, self.scale):
            widget.blockSignals(True)
        self.false_events.setValue(settings.occupancy.false_events_per_1000)
        self.rotation.setChecked(settings.drift.rotation)
        self.scale.setChecked(settings.drift.scale)
        for widget in (self.false_events, self.rotation, self.scale):
            widget.blockSignals(False)

    def set_overlay(self, overlay: str) -> None:
        """Show which overlay is drawn."""
        self.overlay.setCurrentText(overlay)

    def _on_event_clicked(self, index: QModelIndex) -> None:
        event = self.table_model.events.iloc[index.row()]
        self.event_chosen.emit(int(event["frame"]), int(event["site_id"]))


def _box(text: str, name: str, tip: str) -> QCheckBox:
    """An option of the registration."""
    box = QCheckBox(text)
    box.setObjectName(f"atomcount_{name}")
    box.setToolTip(f"{tip} The columns are followed again; pixels are never resampled for counting.")
    return box


def _captioned(caption: str, widget, unit: str) -> QHBoxLayout:
    row = QHBoxLayout()
    label = QLabel(caption)
    label.setObjectName(f"{widget.objectName()}_caption")
    label.setMinimumWidth(style.CAPTION_WIDTH)
    row.addWidget(label)
    row.addWidget(widget, 1)
    if unit:
        unit_label = QLabel(unit)
        unit_label.setObjectName(f"{widget.objectName()}_unit")
        row.addWidget(unit_label)
    return row
