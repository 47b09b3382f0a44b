"""Section 2: choose a network, read its card, run it, see how far it is, stop it."""

from __future__ import annotations

import math

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
)

from napari_atomcount.gui import style
from napari_atomcount.gui.card_words import full_text, short_text
from napari_atomcount.gui.forms import Section, hint
from napari_atomcount.gui.level_row import LevelRow
from napari_atomcount.gui.run import Run
from napari_atomcount.gui.series_row import SeriesRow
from napari_atomcount.measure.vacuum import LITTLE_VACUUM
from napari_atomcount.networks.card import ModelCard
from napari_atomcount.records.settings import DetectSettings

EMPTY = (
    "Once a movie is open, a network finds its atomic columns here, frame by frame, and counts their atoms."
)
MOST_WARNINGS = 3  # shown at once
INSIDE = "● inside what the network was trained for"
MOST_SYMMETRIES = 8
NO_SCALE = "○ whether the network fits can be checked once the pixel size is known"
CHECKING = "○ checking whether the network fits…"


class NetworkSection(Section):
    """Chooses and runs a network.

    Signals
    -------
    card_chosen(object)
        Another model was chosen: its card.
    symmetries_chosen(object)
        How many symmetries of an image to average over; None: as the model does.
    run_all_requested(), run_frame_requested(), stop_requested()
        A button was pressed.
    """

    card_chosen = Signal(object)
    symmetries_chosen = Signal(object)
    run_all_requested = Signal()
    run_frame_requested = Signal()
    stop_requested = Signal()

    def __init__(self) -> None:
        super().__init__("network", "2  Network")
        self._cards: list[ModelCard] = []
        self._unit = "frame"
        self.empty = hint(EMPTY, "network_empty")
        self.choice = QComboBox()
        self.choice.setObjectName("atomcount_model_choice")
        self.choice.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.choice.setPlaceholderText("choose a network")
        self.choice.activated.connect(self._on_chosen)
        self.card_button = QPushButton("Read its card")
        self.card_button.setObjectName("atomcount_read_card")
        self.card_button.setCheckable(True)
        self.card_button.toggled.connect(self._on_read_card)
        top = QHBoxLayout()
        top.addWidget(self.choice, 1)
        top.addWidget(self.card_button)
        self.words = hint("", "model_words")
        self.series = SeriesRow()
        self.level = LevelRow()
        self.careful = QComboBox()
        self.careful.setObjectName("atomcount_careful")
        self.careful.setToolTip(
            "The network looks at mirror images and turns of each image, too, and its answers are averaged: "
            f"counts get better. All {MOST_SYMMETRIES} take up to {MOST_SYMMETRIES} times longer than one."
        )
        self.careful.activated.connect(lambda i: self.symmetries_chosen.emit(self.careful.itemData(i)))
        self.card_text = QLabel()
        self.card_text.setObjectName("atomcount_card_text")
        self.card_text.setWordWrap(True)
        self.card_text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.card_text.setTextFormat(Qt.TextFormat.RichText)
        self.card_text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.domain = QLabel()
        self.domain.setObjectName("atomcount_domain")
        self.domain.setWordWrap(True)
        self.expected = QLabel()
        self.expected.setObjectName("atomcount_expected")
        self.expected.setWordWrap(True)
        self.expected.setVisible(False)
        self.run_all = self._button("run_all", "Run all frames", self.run_all_requested)
        self.run_frame = self._button("run_frame", "This frame", self.run_frame_requested)
        self.stop = self._button("stop", "Stop", self.stop_requested)
        self.stop.setToolTip("Stop after the frame that is being worked on; the finished frames are kept.")
        runs = QHBoxLayout()
        runs.addWidget(self.run_all, 2)
        runs.addWidget(self.run_frame, 1)
        self.progress = QProgressBar()
        self.progress.setObjectName("atomcount_progress")
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(12)
        self.progress_words = QLabel()
        self.progress_words.setObjectName("atomcount_progress_words")
        bar = QHBoxLayout()
        bar.addWidget(self.progress, 1)
        bar.addWidget(self.stop)
        self.result = QLabel()
        self.result.setObjectName("atomcount_run_result")
        self.result.setWordWrap(True)
        self.body.addWidget(self.empty)
        self.body.addLayout(top)
        for widget in (self.words, self.card_text, self.series, self.careful, self.domain, self.expected):
            self.body.addWidget(widget)
        self.body.addLayout(runs)
        self.body.addLayout(bar)
        for widget in (self.progress_words, self.result, self.level):
            self.body.addWidget(widget)
        self.card_text.setVisible(False)
        self.careful.setVisible(False)
        self.show_progress("", 0, 0, math.nan)
        self.set_state(has_movie=False, can_run=False, busy=False, n_frames=0)
        self.show_run(None)

    def _button(self, name: str, text: str, signal) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"atomcount_{name}")
        button.clicked.connect(lambda _checked=False: signal.emit())
        return button

    # -- models ------------------------------------------------------------
    def show_cards(self, cards: list[ModelCard]) -> None:
        """List the models."""
        self._cards = cards
        self.choice.clear()
        for card in cards:
            self.choice.addItem(card.name, card)
            self.choice.setItemData(self.choice.count() - 1, short_text(card), Qt.ItemDataRole.ToolTipRole)
        self.choice.setCurrentIndex(-1)

    def show_card(self, card: ModelCard | None) -> None:
        """Show the chosen model."""
        images = 1 if card is None else card.images
        self.series.set_images(images)
        self._unit = "frame" if images == 1 else "series"
        self.run_frame.setText(f"This {self._unit}")
        keys = [known.key for known in self._cards]
        self.choice.setCurrentIndex(keys.index(card.key) if card is not None and card.key in keys else -1)
        self.card_button.setEnabled(card is not None)
        self.words.setText("" if card is None else short_text(card))
        self.words.setVisible(card is not None)
        self._show_symmetries(card)
        self.card_text.setText("" if card is None else full_text(card))

    def _show_symmetries(self, card: ModelCard | None) -> None:
        """What may be chosen beside what the card says; `show_settings` shows what is."""
        self.careful.setVisible(card is not None and card.symmetries != MOST_SYMMETRIES)
        self.careful.clear()
        if card is not None and card.symmetries is None:
            self.careful.addItem("mirror images: as many as the frame's size leaves time for", None)
            self.careful.addItem("mirror images: none, fastest", 1)
        else:
            self.careful.addItem("mirror images: none", None)
        self.careful.addItem(f"mirror images: all {MOST_SYMMETRIES}, best counts", MOST_SYMMETRIES)

    def show_settings(self, detect: DetectSettings) -> None:
        """Show how the model is to be run."""
        asked = detect.symmetries
        if asked is not None and asked > 1 and self.careful.findData(asked) < 0:  # by the command line
            self.careful.addItem(f"mirror images: {asked}", asked)
        self.careful.setCurrentIndex(max(0, self.careful.findData(asked)))
        self.series.show_defocus(detect.defocus_nm)
        self.level.show_level(detect.beam_level)

    def show_domain(self, warnings: list[str] | None, expected: str = "", checking: bool = False) -> None:
        """Whether the movie is inside the model's domain.

        Parameters
        ----------
        warnings
            Sentences, none when it is inside; None when that is not known.
        expected
            What may be expected inside the domain.
        checking
            Whether an answer is on its way.
        """
        self.expected.setText(expected)
        self.expected.setVisible(warnings == [] and bool(expected))
        if warnings is None:
            self.domain.setText(CHECKING if checking else NO_SCALE)
            self.domain.setStyleSheet(style.MUTED)
        elif warnings:
            self.domain.setText("\n".join(f"▲ {text}" for text in warnings))
            self.domain.setStyleSheet(style.WARN)
        else:
            self.domain.setText(INSIDE)
            self.domain.setStyleSheet(style.GOOD)

    # -- running -----------------------------------------------------------
    def set_state(self, *, has_movie: bool, can_run: bool, busy: bool, n_frames: int) -> None:
        """Enable what can be done now."""
        self.empty.setVisible(not has_movie)
        self.domain.setVisible(has_movie and self.choice.currentIndex() >= 0)
        self.run_all.setEnabled(can_run and not busy)
        self.run_frame.setEnabled(can_run and not busy)
        self.run_frame.setVisible(n_frames != 1)
        self.choice.setEnabled(not busy)
        for widget in (self.progress, self.stop, self.progress_words):
            widget.setVisible(busy)
        self.stop.setEnabled(busy)

    def show_progress(self, stage: str, done: int, total: int, seconds_left: float) -> None:
        """Show how far the job is."""
        self.progress.setRange(0, total)
        self.progress.setValue(done)
        words = [stage]
        if total:
            words.append(f"{done} of {total}")
        if math.isfinite(seconds_left):
            words.append(f"{duration(seconds_left)} left")
        self.progress_words.setText(" · ".join(words))

    def show_stopping(self) -> None:
        """The user pressed Stop; the frame that is being worked on is still finished."""
        self.stop.setEnabled(False)
        self.progress_words.setText("stopping…")

    def show_run(self, run: Run | None, continues: bool = True, busy: bool = False) -> None:
        """Show what a run has found so far; ``continues``: new frames would join it."""
        self.level.show_wanted(run is not None and LITTLE_VACUUM in run.warnings)
        self.result.setVisible(run is not None and bool(run.frames))
        if not busy:
            single = run is not None and len(run.wanted) <= 1
            self.run_all.setText("Run" if single else f"Run all {self._units(2)}")
        if run is None or not run.frames:
            return
        done, missing = len(run.frames), len(run.missing)
        columns = sum(len(table) for table in run.frames.values())
        total = len(run.wanted)
        text = f"{columns:,} columns in {done:,} of {total:,} {self._units(total)}"
        blank = sum(not seen for seen in run.observed.values())
        if blank:
            text += f" · {blank} not observed"
        texts = [text, *(f"▲ {warning}" for warning in run.warnings[:MOST_WARNINGS])]
        if len(run.warnings) > MOST_WARNINGS:
            texts.append(f"▲ and {len(run.warnings) - MOST_WARNINGS} more (all are in the saved summary)")
        if not continues:
            texts.append("▲ found with other settings or another pixel size: run again")
        elif busy:
            pass  # the button keeps the words under which it was pressed
        elif missing and done > 1:
            self.run_all.setText(f"Run the other {missing:,} {self._units(missing)}")
        elif not missing:
            self.run_all.setText("Run again")
        self.result.setText("\n".join(texts))
        self.result.setStyleSheet(style.WARN if len(texts) > 1 else style.PLAIN)

    def _units(self, number: int) -> str:
        """What a run counts: frames, or focal series."""
        return self._unit if self._unit == "series" or number == 1 else "frames"

    def _on_chosen(self, index: int) -> None:
        self.card_chosen.emit(self._cards[index])

    def _on_read_card(self, read: bool) -> None:
        self.card_text.setVisible(read)
        self.card_button.setText("Hide its card" if read else "Read its card")


def duration(seconds: float) -> str:
    """Seconds in words: ``"12 s"``, ``"4 min"``, ``"1 h 20 min"``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
