"""The part of section 1 that makes a movie ready: dark level, hot pixels, region, masks, scales, the view."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_atomcount.gui import style
from napari_atomcount.records.preparation import Preparation
from napari_atomcount.records.settings import AnalysisSettings

SCALES = (
    ("pixel_size_nm", "pixel size"),
    ("gain", "gain"),
    ("dose_e_per_A2", "dose"),
    ("dark_level", "dark level"),
)


class PreparePanel(QWidget):
    """The form; what it says becomes settings of the session, which are undone like edits.

    Signals
    -------
    dark_level_chosen(float), hot_pixels_chosen(bool), rolling_chosen(int)
        What they say.
    bad_frames_typed(str), find_bad_requested()
        Frames to leave out, as text; find them.
    region_requested(bool), region_cleared()
        Draw the region with the next drag, or do not; analyse the whole image.
    mask_requested(), mask_used(), particle_requested(), mask_cleared()
        Draw what is left out; use what was drawn; find the particle; leave nothing out.
    calibrate_requested(str, bool)
        Name of a lattice or CIF file; whether spots are pointed at.
    use_requested(str)
        Take over a measured scale.
    """

    dark_level_chosen = Signal(float)
    hot_pixels_chosen = Signal(bool)
    rolling_chosen = Signal(int)
    bad_frames_typed = Signal(str)
    find_bad_requested = Signal()
    region_requested = Signal(bool)
    region_cleared = Signal()
    mask_requested = Signal()
    mask_used = Signal()
    particle_requested = Signal()
    mask_cleared = Signal()
    calibrate_requested = Signal(str, bool)
    use_requested = Signal(str)

    def __init__(self, lattices: list[str]) -> None:
        super().__init__()
        self.setObjectName("atomcount_prepare")
        self.fold = QPushButton("▸ Prepare")
        self.fold.setObjectName("atomcount_prepare_fold")
        self.fold.setCheckable(True)
        self.fold.setFlat(True)
        self.fold.setStyleSheet("text-align: left;")
        self.fold.toggled.connect(self._on_fold)
        self.details = QWidget()
        self.details.setObjectName("atomcount_prepare_details")
        self.body = QVBoxLayout(self.details)
        self.body.setContentsMargins(8, 0, 0, 4)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.fold)
        outer.addWidget(self.details)
        self._make_frames()
        self._make_area()
        self._make_scales(lattices)
        self.words = self._label("prepare_words", "")
        self.words.setStyleSheet(style.MUTED)
        self.body.addWidget(self.words)
        self.details.setVisible(False)

    # -- making ------------------------------------------------------------
    def _make_frames(self) -> None:
        self.dark = QDoubleSpinBox()
        self.dark.setObjectName("atomcount_dark_level")
        self.dark.setRange(-1e9, 1e9)
        self.dark.setDecimals(2)
        self.dark.setSuffix(" counts")
        self.dark.setKeyboardTracking(False)
        self.dark.setToolTip(
            "What a pixel reads where no electron arrives; it is taken off. Below 0 after a stretch of the "
            "contrast. Measure scales says where the noise puts it."
        )
        self.dark.valueChanged.connect(self.dark_level_chosen)
        self._row(self._label("dark_level_caption", "dark level"), self.dark)
        self.hot = QCheckBox("replace hot pixels and X-rays")
        self.hot.setObjectName("atomcount_hot_pixels")
        self.hot.setToolTip(
            "Pixels far above the median of the 3 × 3 around them become that median; no other."
        )
        self.hot.clicked.connect(self.hot_pixels_chosen)
        self.body.addWidget(self.hot)
        self.bad = QLineEdit()
        self.bad.setObjectName("atomcount_bad_frames")
        self.bad.setPlaceholderText("none")
        self.bad.setToolTip("Frames that count as not observed, for instance 3, 17, 20-24.")
        self.bad.editingFinished.connect(self._on_bad)
        find = self._button(
            "find_bad", "Find", "Blank and repeated frames, jumps of brightness or sharpness."
        )
        find.clicked.connect(lambda _c=False: self.find_bad_requested.emit())
        self._row(self._label("bad_frames_caption", "bad frames"), self.bad, find)
        self.rolling = QSpinBox()
        self.rolling.setObjectName("atomcount_rolling")
        self.rolling.setRange(1, 101)
        self.rolling.setSuffix(" frames")
        self.rolling.setKeyboardTracking(False)
        self.rolling.setToolTip("Frames averaged for the view; the network sees single ones.")
        self.rolling.valueChanged.connect(self.rolling_chosen)
        self._row(self._label("rolling_caption", "view averages"), self.rolling)
        self._shown_bad = ""

    def _make_area(self) -> None:
        self.region = self._button("draw_region", "Draw region", "Then drag a box over the image.")
        self.region.setCheckable(True)
        self.region.clicked.connect(self.region_requested)
        whole = self._button("whole_image", "Whole image", "Analyse all of it.")
        whole.clicked.connect(lambda _c=False: self.region_cleared.emit())
        self.region_words = self._label("region_words", "")
        self._row(self.region, whole)
        self.body.addWidget(self.region_words)
        for name, text, tip, signal in (
            ("draw_mask", "Draw mask", "A layer to draw in: what is drawn is left out.", self.mask_requested),
            ("use_mask", "Use it", "Leave out what was drawn.", self.mask_used),
            ("find_particle", "Find particle", "Leave out all but the crystal.", self.particle_requested),
            ("no_mask", "No mask", "Leave nothing out.", self.mask_cleared),
        ):
            button = self._button(name, text, tip)
            button.clicked.connect(lambda _c=False, signal=signal: signal.emit())
            setattr(self, name, button)
        for pair in (("find_particle", "no_mask"), ("draw_mask", "use_mask")):
            self._row(*(getattr(self, name) for name in pair))
        self.mask_words = self._label("mask_words", "")
        self.body.addWidget(self.mask_words)

    def _make_scales(self, lattices: list[str]) -> None:
        self.lattice = QComboBox()
        self.lattice.setObjectName("atomcount_lattice")
        self.lattice.setEditable(True)
        self.lattice.addItems(lattices)
        self.lattice.setCurrentText("Au" if "Au" in lattices else lattices[0])
        self.lattice.setToolTip("The crystal that is the ruler: a name, or the path of a CIF file.")
        line = self.lattice.lineEdit()
        if line is not None:
            line.setObjectName("atomcount_lattice_line")
        find = self._button(
            "calibrate",
            "Measure scales",
            "Pixel size from the crystal's spots; gain, dose and dark level from the noise.",
        )
        find.clicked.connect(
            lambda _c=False: self.calibrate_requested.emit(self.lattice.currentText(), False)
        )
        point = self._button("point_spots", "Point at spots…", "Click two spots in the power spectrum.")
        point.clicked.connect(
            lambda _c=False: self.calibrate_requested.emit(self.lattice.currentText(), True)
        )
        self._row(self._label("lattice_caption", "crystal"), self.lattice)
        self._row(find, point)
        self.found: dict[str, tuple[QLabel, QPushButton]] = {}
        for name, _ in SCALES:
            words = self._label(f"measured_{name}", "")
            use = self._button(f"use_{name}", "use", "Take this over; it can be undone.")
            use.clicked.connect(lambda _c=False, name=name: self.use_requested.emit(name))
            row = self._row(words, use)
            row.setStretch(0, 5)
            row.setStretch(1, 1)
            self.found[name] = (words, use)
        self.show_scales(None)

    def _row(self, *widgets: QWidget) -> QHBoxLayout:
        row = QHBoxLayout()
        for widget in widgets:
            row.addWidget(widget, 0 if isinstance(widget, QLabel) else 1)
        self.body.addLayout(row)
        return row

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"atomcount_{name}")
        button.setToolTip(tip)
        return button

    def _label(self, name: str, text: str) -> QLabel:
        label = QLabel(text)
        label.setObjectName(f"atomcount_{name}")
        if not name.endswith("caption"):  # long ones wrap, and never widen the dock
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        return label

    # -- showing -----------------------------------------------------------
    def show_preparation(self, preparation: Preparation, settings: AnalysisSettings, enabled: bool) -> None:
        """Show what holds."""
        form = (self.dark, self.hot, self.rolling, self.bad)
        for widget in form:
            widget.blockSignals(True)
        self.dark.setValue(preparation.dark_level)
        self.hot.setChecked(preparation.hot_pixels)
        self.rolling.setValue(preparation.rolling_frames)
        self._shown_bad = ", ".join(map(str, preparation.bad_frames))
        self.bad.setText(self._shown_bad)
        for widget in form:
            widget.blockSignals(False)
        roi = settings.roi
        self.region_words.setVisible(roi is not None)
        self.region_words.setText(
            "" if roi is None else f"region: y {roi[0]}:{roi[1]}, x {roi[2]}:{roi[3]} px"
        )
        self.mask_words.setText(
            "" if settings.mask is None else f"left out: what is marked in {settings.mask.name}"
        )
        self.mask_words.setToolTip("" if settings.mask is None else str(settings.mask))
        self.mask_words.setVisible(settings.mask is not None)
        self.details.setEnabled(enabled)

    def show_scales(self, found: dict[str, dict | None] | None) -> None:
        """Show what was measured: value, error and what it is apart from; None: nothing was."""
        for name, caption in SCALES:
            words, use = self.found[name]
            one = None if found is None else found.get(name)
            words.setVisible(one is not None)
            use.setVisible(one is not None and not one.get("fits", False))
            if one is not None:
                words.setText(f"{caption} {_in_words(name, one)}")

    def say(self, words: str, warn: bool = False) -> None:
        """What was found, or went wrong."""
        self.words.setText(words)
        self.words.setStyleSheet(style.WARN if warn else style.MUTED)
        self.words.setVisible(bool(words))

    def _on_bad(self) -> None:
        if self.bad.text().strip() != self._shown_bad:
            self.bad_frames_typed.emit(self.bad.text().strip())

    def _on_fold(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self.fold.setText("▾ Prepare" if shown else "▸ Prepare")


def _in_words(name: str, one: dict) -> str:
    """A value with its error."""
    if name == "pixel_size_nm":
        y, x = one["value"]
        size = f"{y:.5f} × {x:.5f} nm" if abs(y / x - 1) > 1e-3 else f"{one['mean']:.5f} nm"
        ratio = one.get("ratio_to_stated")
        apart = "" if ratio is None else f" ({100 * (ratio - 1):+.1f} % from what was stated)"
        return f"{size} ± {100 * one['mean_error'] / one['mean']:.2f} %{apart}"
    unit = {"gain": "counts per electron", "dark_level": "counts"}.get(name, "e/Å²")
    error = one.get("error")
    about = " (at least)" if error is None else f" ± {error:.2g}"
    return f"{one['value']:.4g} {unit}{about}" + (f", {one['taken_off']:g} fits" if one.get("fits") else "")
