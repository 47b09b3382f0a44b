"""Section 3: correct what the network said, and look first at what the answer depends on."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QWidget,
)

from napari_atomcount.gui import style
from napari_atomcount.gui.forms import Section, hint
from napari_atomcount.gui.review_keys import DIGITS, KEYS
from napari_atomcount.gui.review_model import MOST_COUNT
from napari_atomcount.measure.review import Review

EMPTY = (
    "After a run, columns are added, moved, removed and recounted here by hand, the uncertain ones first. "
    "Every gesture can be undone, and is kept at once."
)
#: What is asked: its name, what is uncertain about it, what may be wrong, and what that is a part of.
ANSWERS = {
    "events": ("events", "the events", "expected wrong events", "listed"),
    "occupancy": ("occupancies", "the occupancies", "expected wrong states", "sites × frames"),
    "counts": ("atoms per column", "the counts", "expected wrong counts", "sites"),
    "columns": ("columns", "the columns", "expected false or missed columns", "columns"),
}
FEW = 0.05
TOGGLE_ON = "background: #ff9f1c; color: #14181d; font-weight: bold;"


class ReviewSection(Section):
    """Buttons of Correct mode and of the review queue, and the list of its keys.

    Signals
    -------
    correct_toggled(bool)
        The mode's button was pressed.
    next_requested(int)
        1: the next uncertain column, -1: the one before.
    accept_requested(), accept_frame_requested(), undo_requested(), redo_requested()
        A button was pressed.
    count_chosen(int)
        A count for the selected columns.
    class_chosen(str)
        A class for the selected columns, or for those that will be added.
    answer_chosen(str)
        Order what is uncertain by this answer.
    copy_requested(int)
        Copy the last edit to so many frames.
    key_chosen(str, str)
        Name of an action, and its keys as text.
    keys_reset()
        All keys as everybody begins with.
    """

    correct_toggled = Signal(bool)
    next_requested = Signal(int)
    accept_requested = Signal()
    accept_frame_requested = Signal()
    undo_requested = Signal()
    redo_requested = Signal()
    count_chosen = Signal(int)
    class_chosen = Signal(str)
    answer_chosen = Signal(str)
    copy_requested = Signal(int)
    key_chosen = Signal(str, str)
    keys_reset = Signal()

    def __init__(self) -> None:
        super().__init__("review", "3  Review")
        self._fields: dict[str, QKeySequenceEdit] = {}
        self.empty = hint(EMPTY, "review_empty")
        self.correct = self._button("correct", "Correct", "Turn Correct mode on or off.")
        self.correct.setCheckable(True)
        self.correct.clicked.connect(self.correct_toggled)
        self.undo = self._button("undo", "Undo", "Undo the last edit, run or setting.")
        self.undo.clicked.connect(lambda _checked=False: self.undo_requested.emit())
        self.redo = self._button("redo", "Redo", "Redo what was undone last.")
        self.redo.clicked.connect(lambda _checked=False: self.redo_requested.emit())
        self.back = self._button("review_previous", "◀", "The uncertain column before.")
        self.back.clicked.connect(lambda _checked=False: self.next_requested.emit(-1))
        self.forth = self._button("review_next", "▶ next uncertain", "The column the answer depends on most.")
        self.forth.clicked.connect(lambda _checked=False: self.next_requested.emit(1))
        self.accept = self._button(
            "review_accept", "Accept", "The selected columns are right as they are; an empty place is empty."
        )
        self.accept.clicked.connect(lambda _checked=False: self.accept_requested.emit())
        self.accept_frame = self._button(
            "accept_frame", "Accept frame", "All columns of this frame are right, and none is missing."
        )
        self.accept_frame.clicked.connect(lambda _checked=False: self.accept_frame_requested.emit())
        self.count = QSpinBox()
        self.count.setObjectName("atomcount_review_count")
        self.count.setRange(0, MOST_COUNT)
        self.count.setSpecialValueText("–")
        self.count.setKeyboardTracking(False)
        self.count.setToolTip(
            "Atoms in the selected columns; in Correct mode, type the number over the image."
        )
        self.count.valueChanged.connect(self._on_count)
        self.kind = QComboBox()
        self.kind.setObjectName("atomcount_review_class")
        self.kind.setToolTip(
            "Class of the selected columns; without a selection, of those that are added next (key T)."
        )
        self.kind.activated.connect(lambda i: self.class_chosen.emit(self.kind.itemText(i)))
        self.kind_row = QWidget()
        self.kind_row.setObjectName("atomcount_review_class_row")
        self.copies = QSpinBox()
        self.copies.setObjectName("atomcount_copy_frames")
        self.copies.setRange(1, 99_999)
        self.copies.setValue(5)
        self.copies.setPrefix("next ")
        self.copies.setSuffix(" frames")
        self.copy = self._button("copy_edit", "Copy edit to", "The last edit in the following frames, too.")
        self.copy.clicked.connect(lambda _checked=False: self.copy_requested.emit(self.copies.value()))
        self.answer = QComboBox()
        self.answer.setObjectName("atomcount_review_answer")
        self.answer.setToolTip(
            "What you want to publish: the places on which it depends most come first, each with what it is "
            "expected to make wrong."
        )
        self.answer.activated.connect(lambda i: self.answer_chosen.emit(str(self.answer.itemData(i))))
        self.answer_row = QWidget()
        self.answer_row.setObjectName("atomcount_review_answer_row")
        self.words = QLabel()
        self.words.setObjectName("atomcount_review_words")
        self.words.setWordWrap(True)
        self.said = hint("", "review_said")
        self.show_keys_button = self._button(
            "show_keys", "▸ Keys", "The keys of Correct mode; all can be changed."
        )
        self.show_keys_button.setCheckable(True)
        self.show_keys_button.setFlat(True)
        self.show_keys_button.setStyleSheet("text-align: left;")
        self.show_keys_button.toggled.connect(self._on_show_keys)
        self.keys = QWidget()
        self.keys.setObjectName("atomcount_keys")
        self.keys.setVisible(False)
        self._key_grid = QGridLayout(self.keys)
        self._key_grid.setContentsMargins(0, 0, 0, 0)
        self._key_grid.setVerticalSpacing(2)
        for widgets in (
            (self.empty,),
            (self.correct, self.undo, self.redo),
            (self.answer_row,),
            (self.words,),
            (self.back, self.forth, self.accept),
            (self._caption("count"), self.count, self.accept_frame),
            (self.kind_row,),
            (self.copy, self.copies),
            (self.said,),
            (self.show_keys_button,),
            (self.keys,),
        ):
            self._row(widgets)
        for line, text, choice in (
            (self.answer_row, "review for", self.answer),
            (self.kind_row, "class", self.kind),
        ):
            row = QHBoxLayout(line)
            row.setContentsMargins(0, 0, 0, 0)
            row.addWidget(self._caption(text))
            row.addWidget(choice, 1)
        self.show_review(None)
        self.show_classes((), None)
        self.set_state(can_correct=False, on=False, can_undo=False, can_redo=False)

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"atomcount_{name}")
        button.setToolTip(tip)
        return button

    def _caption(self, text: str) -> QLabel:
        label = QLabel(text)
        label.setObjectName(f"atomcount_review_{text.replace(' ', '_')}_caption")
        return label

    def _row(self, widgets: tuple[QWidget, ...]) -> None:
        if len(widgets) == 1:
            self.body.addWidget(widgets[0])
            return
        row = QHBoxLayout()
        for widget in widgets:
            row.addWidget(widget, 0 if isinstance(widget, QLabel) or widget is self.back else 1)
        self.body.addLayout(row)

    # -- showing -----------------------------------------------------------
    def set_state(self, *, can_correct: bool, on: bool, can_undo: bool, can_redo: bool) -> None:
        """Enable what can be done now."""
        self.empty.setVisible(not can_correct)
        self.correct.setEnabled(can_correct or on)
        self.correct.setChecked(on)
        self.correct.setText("Correcting · press to leave" if on else "Correct")
        self.correct.setStyleSheet(TOGGLE_ON if on else "")
        self.undo.setEnabled(can_undo)
        self.redo.setEnabled(can_redo)
        for widget in (self.back, self.forth):
            widget.setEnabled(can_correct)
        for widget in (self.accept, self.accept_frame, self.count, self.kind, self.copy, self.copies):
            widget.setEnabled(on)

    def show_selection(self, count: int | None, digits: str) -> None:
        """The count of what is selected (None: nothing, or several), or what is being typed."""
        self.count.blockSignals(True)
        self.count.setValue(int(digits) if digits else (0 if count is None else max(count, 0)))
        self.count.blockSignals(False)

    def show_classes(self, names: tuple[str, ...], shown: str | None) -> None:
        """The classes of columns that the model knows, and that of the selected ones (None: several)."""
        self.kind_row.setVisible(bool(names))
        if [self.kind.itemText(i) for i in range(self.kind.count())] != list(names):
            self.kind.clear()
            self.kind.addItems(names)
        self.kind.setCurrentIndex(names.index(shown) if shown in names else -1)

    def show_answers(self, possible: tuple[str, ...], chosen: str | None) -> None:
        """What may be asked, and what is."""
        if [self.answer.itemData(i) for i in range(self.answer.count())] != list(possible):
            self.answer.clear()
            for name in possible:
                self.answer.addItem(ANSWERS[name][0], name)
        if chosen in possible:
            self.answer.setCurrentIndex(possible.index(str(chosen)))

    def show_review(self, review: Review | None, edits: int = 0, at_first: float | None = None) -> None:
        """Which places decide, how many of them were looked at, and what is left to be wrong."""
        self.words.setVisible(review is not None)
        self.answer_row.setVisible(review is not None)
        self.set_aside("" if review is None else deciding_words(review, short=True))
        if review is not None:
            self.words.setText(f"<b>{deciding_words(review)}</b><br>{risk_words(review, edits, at_first)}")

    def say(self, words: str) -> None:
        """What was done last."""
        self.said.setText(words)

    def show_keys(self, chosen: dict[str, tuple[str, ...]]) -> None:
        """List the keys."""
        for i in reversed(range(self._key_grid.count())):
            item = self._key_grid.takeAt(i)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.setParent(None)  # at once: its name is the next one's
                widget.deleteLater()
        self._fields = {}
        for row, key in enumerate(KEYS):
            label = QLabel(key.words)
            label.setObjectName(f"atomcount_key_{key.name}_words")
            field = QKeySequenceEdit(QKeySequence(", ".join(chosen[key.name][:1])))
            field.setObjectName(f"atomcount_key_{key.name}")
            field.setMaximumSequenceLength(1)
            for line in field.findChildren(QLineEdit):
                line.setObjectName(f"atomcount_key_{key.name}_line")
            field.setFixedWidth(110)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            others = chosen[key.name][1:]
            field.setToolTip(
                ("also " + ", ".join(others) + ". " if others else "") + "Click, then press the new key."
            )
            field.editingFinished.connect(lambda name=key.name: self._on_key(name))
            self._fields[key.name] = field
            self._key_grid.addWidget(label, row, 0)
            self._key_grid.addWidget(field, row, 1)
        reset = self._button("keys_reset", "Reset all", "All keys as everybody begins with.")
        reset.clicked.connect(lambda _checked=False: self.keys_reset.emit())
        words = QLabel(DIGITS)
        words.setObjectName("atomcount_key_digits_words")
        words.setStyleSheet(style.MUTED)
        self._key_grid.addWidget(words, len(KEYS), 0)
        self._key_grid.addWidget(reset, len(KEYS), 1)

    # -- relaying ----------------------------------------------------------
    def _on_count(self, value: int) -> None:
        if value > 0:
            self.count_chosen.emit(value)

    def _on_key(self, name: str) -> None:
        text = self._fields[name].keySequence().toString(QKeySequence.SequenceFormat.PortableText)
        self.key_chosen.emit(name, text)

    def _on_show_keys(self, shown: bool) -> None:
        self.keys.setVisible(shown)
        self.show_keys_button.setText("▾ Keys" if shown else "▸ Keys")
        if shown:
            self.setFocus(Qt.FocusReason.OtherFocusReason)


def deciding_words(review: Review, short: bool = False) -> str:
    """How many places decide what is uncertain."""
    about, number = ANSWERS[review.answer][1], review.deciding
    if not number:
        return "settled" if short else f"Nothing that is uncertain about {about} is left"
    one = "1 place decides" if number == 1 else f"{number:,} places decide"
    return f"{one} most" if short else f"{one} 90 % of what is uncertain about {about}"


def risk_words(review: Review, edits: int, at_first: float | None) -> str:
    """What was looked at, and what may still be wrong."""
    _, _, wrong, whole = ANSWERS[review.answer]
    if review.answer == "counts" and not review.of_sites:
        whole = "columns"
    before = "" if at_first is None or at_first < review.wrong_left + FEW else f", at first {_few(at_first)}"
    share = 100 * review.share_reviewed if review.columns else 0.0
    return (
        f"{review.places_reviewed:,} reviewed · {wrong} left: {_few(review.wrong_left)} "
        f"of {review.whole:,.0f} {whole}{before}<br>"
        f"{edits:,} {'edit' if edits == 1 else 'edits'} · "
        f"{share:.1f} % of {review.columns:,} columns looked at"
    )


def _few(number: float) -> str:
    """A number of things that may be wrong."""
    if number < FEW:
        return f"fewer than {FEW}"
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"
