"""The plots of section 4: which one is shown, its buttons, and what is said beside it."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_atomcount.gui import style
from napari_atomcount.gui.time_drawing import Drawing

MAP, EVENT_MAP = "occurrence map", "event map"
RATE, GROUPS, CLASSES, DWELL, ATOMS, KYMOGRAPH = (
    "event rate",
    "events by neighbours",
    "events by class",
    "dwell times",
    "atoms",
    "kymograph along a line",
)
INTENSITY, ADATOMS, DRIFT, TURN = "brightness by class", "free adatoms", "drift", "turn and scale"
DOSE_RATE, DOSE = "hopping against dose rate", "hopping against accumulated dose"
COMPARE = "compare two movies"
PLOTS = (
    RATE, GROUPS, CLASSES, DWELL, ATOMS, INTENSITY, KYMOGRAPH, ADATOMS, DRIFT, TURN, MAP, EVENT_MAP,
    DOSE_RATE, DOSE, COMPARE,
)  # fmt: skip
#: What `pipeline.pictures` calls a plot; those of several movies are drawn from tables of their own.
PICTURE = {
    RATE: "rate", GROUPS: "neighbours", CLASSES: "classes", DWELL: "dwell", ATOMS: "atoms",
    INTENSITY: "intensity", KYMOGRAPH: "kymograph", ADATOMS: "adatoms", DRIFT: "drift", TURN: "drift",
    MAP: "map", EVENT_MAP: "events",
}  # fmt: skip
#: Plots that the viewer itself shows.
OVERLAY_OF = {MAP: "occupancy", EVENT_MAP: "events"}
SEVERAL = (DOSE_RATE, DOSE, COMPARE)
WITH_LOG = (RATE, ATOMS)


class TimePlots(QWidget):
    """Choice of plot, the plot, and what belongs to it.

    Signals
    -------
    plot_chosen(str)
        One of `PLOTS`.
    line_requested()
        Draw the line of the kymograph.
    log_requested()
        Choose a log of temperature, gas or bias.
    movies_requested()
        Choose other analysed movies.
    save_requested()
        Save the picture that is shown.
    average_changed(int)
        Frames of the rolling average that is shown; 1: none.
    """

    plot_chosen = Signal(str)
    line_requested = Signal()
    log_requested = Signal()
    movies_requested = Signal()
    save_requested = Signal()
    average_changed = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_time_plots")
        self.choice = QComboBox()
        self.choice.setObjectName("atomcount_time_plot_choice")
        self.choice.addItems(PLOTS)
        self.choice.setMaxVisibleItems(len(PLOTS))
        self.choice.textActivated.connect(self.plot_chosen)
        self.line = _button("Draw line", "kymograph_line", "Draw a line along a facet in the image.")
        self.log = _button("Log…", "log", "Temperature, gas or bias against time, from a CSV file.")
        self.movies = _button(
            "Add movie…", "add_movie", "Another analysed movie: the folder that was saved, or its session."
        )
        self.save = _button("Save…", "save_plot", "Save this picture (PNG, SVG, PDF) or its table (CSV).")
        for button, signal in (
            (self.line, self.line_requested),
            (self.log, self.log_requested),
            (self.movies, self.movies_requested),
            (self.save, self.save_requested),
        ):
            button.clicked.connect(lambda _=False, signal=signal: signal.emit())
        self.average = QSpinBox()
        self.average.setObjectName("atomcount_rolling_average")
        self.average.setRange(1, 99)
        self.average.setSingleStep(2)
        self.average.setKeyboardTracking(False)
        self.average.setToolTip("Show the movie averaged over so many frames, the drift taken out. 1: off.")
        self.average.valueChanged.connect(self.average_changed)
        self.words = QLabel()
        self.words.setObjectName("atomcount_time_plot_words")
        self.words.setWordWrap(True)
        self.words.setStyleSheet(style.MUTED)
        self.plot = pg.PlotWidget(background=None)
        self.plot.setObjectName("atomcount_time_plot")
        self.plot.setMinimumHeight(200)
        self.plot.setMaximumHeight(320)
        for side in ("left", "bottom", "right"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)  # 0.25 is not 250 (x0.001)
        self.plot.getAxis("bottom").setHeight(44)  # else the descenders of its label are cut off
        self.plot.setMenuEnabled(False)
        self.plot.hideButtons()
        self.drawing = Drawing(self.plot)
        self._lay_out()
        self._show_buttons()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        for widget, stretch in (
            (self.choice, 1),
            (self.line, 0),
            (self.log, 0),
            (self.movies, 0),
            (self.save, 0),
        ):
            top.addWidget(widget, stretch)
        bottom = QHBoxLayout()
        caption, unit = QLabel("rolling average"), QLabel("frames")
        caption.setObjectName("atomcount_rolling_average_caption")
        unit.setObjectName("atomcount_rolling_average_unit")
        for widget in (caption, self.average, unit):
            bottom.addWidget(widget)
        bottom.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(top)
        column.addWidget(self.words)
        column.addWidget(self.plot)
        column.addLayout(bottom)

    @property
    def chosen(self) -> str:
        """The plot that is shown, one of `PLOTS`."""
        return self.choice.currentText()

    def allow(self, missing: dict[str, str]) -> None:
        """Which plots there are not for this movie, and why; a chosen one of them gives way to the first."""
        for index, name in enumerate(PLOTS):
            item = self.choice.model().item(index)
            item.setEnabled(name not in missing)
            item.setToolTip(missing.get(name, ""))
        if self.chosen in missing:
            self.choice.setCurrentIndex(0)

    def begin(self, text: str = "") -> None:
        """Empty the plot for the chosen one, show its buttons, and say something."""
        self.drawing.clear()
        self.plot.setVisible(True)
        self._show_buttons()
        self.show_words(text)

    def show_words(self, text: str) -> None:
        """Say something about the plot, or what it would show."""
        self.words.setText(text)
        self.words.setVisible(bool(text))
        # a layout in a scroll area asks a wrapped label for one line only, and takes the rest from the plot
        self.words.setMinimumHeight(self.words.heightForWidth(max(self.width(), 300)) if text else 0)

    def clear(self, text: str = "") -> None:
        """Show no plot."""
        self.drawing.clear()
        self.plot.setVisible(False)
        self._show_buttons()
        self.show_words(text)

    def _show_buttons(self) -> None:
        self.line.setVisible(self.chosen == KYMOGRAPH)
        self.log.setVisible(self.chosen in WITH_LOG)
        self.movies.setVisible(self.chosen in SEVERAL)
        self.movies.setText("Other movie…" if self.chosen == COMPARE else "Add movie…")


def _button(text: str, name: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setObjectName(f"atomcount_{name}")
    button.setToolTip(tip)
    return button
