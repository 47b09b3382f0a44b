"""Section 1: which movie, how large, and its calibration with the source of every value."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QSizePolicy

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import CalibrationField, Section, hint
from napari_atomcount.records.movie import Movie

EMPTY = (
    "Open a movie: dm3, dm4, mrc, ser, emd, tif, hspy, zarr, npy, or a folder of images. You can drop it on "
    "the window, too, or try the sample: a simulated gold nanoparticle whose surface columns come and go."
)
FIELDS = {
    "pixel_size_nm": (
        "pixel",
        "nm",
        "Size of a pixel in nm; two numbers (y, x) where pixels are not square. The network needs it.",
    ),
    "frame_time_s": ("frame time", "s", "Time from the start of one frame to the start of the next."),
    "dose_e_per_A2": ("dose", "e/Å²", "Electrons per Å² at the specimen, in one frame."),
}


class MovieSection(Section):
    """Shows a movie and lets the user open one and mend its calibration.

    Signals
    -------
    open_file_requested(), open_folder_requested(), sample_requested()
        A button was pressed.
    movie_chosen(str)
        The name of a layer, chosen in the list.
    calibration_edited(str, object)
        Name of a quantity and its value: a tuple of floats, or None.
    refused(str)
        A sentence: why what was typed was not taken.
    """

    open_file_requested = Signal()
    open_folder_requested = Signal()
    sample_requested = Signal()
    movie_chosen = Signal(str)
    calibration_edited = Signal(str, object)
    refused = Signal(str)

    def __init__(self) -> None:
        super().__init__("movie", "1  Movie")
        self.choice = QComboBox()
        self.choice.setObjectName("atomcount_movie_choice")
        self.choice.setToolTip("The movie that is analysed: any movie or image that is open in the viewer.")
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.choice.textActivated.connect(self.movie_chosen)
        self.body.addWidget(self.choice)
        buttons = QHBoxLayout()
        self._buttons: list[QPushButton] = []
        for name, text, signal, tip in (
            ("open_file", "Open file…", self.open_file_requested, "A movie or image in one file."),
            ("open_folder", "Open folder…", self.open_folder_requested, "A folder of images is one movie."),
            (
                "open_sample",
                "Open sample",
                self.sample_requested,
                "A simulated movie that comes with the plugin.",
            ),
        ):
            button = QPushButton(text)
            button.setObjectName(f"atomcount_{name}")
            button.setToolTip(tip)
            button.clicked.connect(lambda _checked=False, signal=signal: signal.emit())
            buttons.addWidget(button)
            self._buttons.append(button)
        self.body.addLayout(buttons)
        self.facts = QLabel()
        self.facts.setObjectName("atomcount_movie_facts")
        self.body.addWidget(self.facts)
        self.empty = hint(EMPTY, "movie_empty")
        self.body.addWidget(self.empty)
        self.fields: dict[str, CalibrationField] = {}
        for name, (label, unit, tip) in FIELDS.items():
            field = CalibrationField(name, label, unit, tip, most=2 if name == "pixel_size_nm" else 1)
            field.edited.connect(lambda value, name=name: self.calibration_edited.emit(name, value))
            field.refused.connect(self.refused)
            self.fields[name] = field
            self.body.addWidget(field)
        self.warning = hint("", "movie_warning")
        self.warning.setStyleSheet(style.WARN)
        self.body.addWidget(self.warning)
        self.show_movie(None)

    def show_choices(self, names: list[str], current: str | None) -> None:
        """List the layers that can be analysed."""
        self.choice.clear()
        self.choice.addItems(names)
        self.choice.setCurrentIndex(names.index(current) if current in names else -1)
        self.choice.setPlaceholderText("choose a movie")
        self.choice.setVisible(bool(names))

    def set_busy(self, busy: bool) -> None:
        """While a job runs its movie stays the movie, with its calibration."""
        for widget in (*self._buttons, self.choice, *(field.line for field in self.fields.values())):
            widget.setEnabled(not busy)

    def show_movie(self, movie: Movie | None) -> None:
        """Show a movie's size and calibration, or what to do without one."""
        self.empty.setVisible(movie is None)
        self.facts.setVisible(movie is not None)
        for field in self.fields.values():
            field.setVisible(movie is not None)
        if movie is None:
            self.warning.setVisible(False)
            return
        frames, rows, cols = movie.shape
        one = "1 frame" if frames == 1 else f"{frames:,} frames"
        self.facts.setText(f"{one} · {cols} × {rows} px · {movie.dtype}")
        self.facts.setToolTip(str(movie.path) if movie.path else movie.name)
        calibration = movie.calibration
        for name, field in self.fields.items():
            field.set_value(getattr(calibration, name), calibration.sources.get(name))
        texts = list(movie.warnings)
        if calibration.pixel_size_nm is None:
            texts.append("The pixel size is not known: type it in above, the network needs it.")
        self.warning.setText("\n".join(f"▲ {text}" for text in texts))
        self.warning.setVisible(bool(texts))
