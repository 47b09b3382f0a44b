"""The part of section 1 that says where everything is kept, compares runs, and brings tables in and out."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_atomcount.gui import style
from napari_atomcount.gui.session_keeper import SessionKeeper


class SessionPanel(QWidget):
    """Where the session lies, and what can be done with it.

    Signals
    -------
    open_requested(), move_requested()
        Open a session's folder; keep this one elsewhere.
    compare_requested(int, int)
        Numbers of two runs; 0, 0: show no comparison.
    export_requested(str), import_requested(str)
        ``"columns"`` or ``"corrections"``.
    """

    open_requested = Signal()
    move_requested = Signal()
    compare_requested = Signal(int, int)
    export_requested = Signal(str)
    import_requested = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("atomcount_session")
        self.fold = QPushButton("▸ Session")
        self.fold.setObjectName("atomcount_session_fold")
        self.fold.setCheckable(True)
        self.fold.setFlat(True)
        self.fold.setStyleSheet("text-align: left;")
        self.fold.toggled.connect(self._on_fold)
        self.place = QLabel()
        self.place.setObjectName("atomcount_session_place")
        self.place.setWordWrap(True)
        self.details = QWidget()
        self.details.setObjectName("atomcount_session_details")
        self.runs = [self._combo("run_one"), self._combo("run_two")]
        self.compare = QPushButton("Compare")
        self.compare.setObjectName("atomcount_compare")
        self.compare.setCheckable(True)
        self.compare.setToolTip("Mark in every frame what one of the two runs found and the other did not.")
        self.compare.toggled.connect(lambda _on: self._ask_comparison())
        self.difference = QLabel()
        self.difference.setObjectName("atomcount_compare_words")
        self.difference.setWordWrap(True)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(3)
        outer.addWidget(self.fold)
        outer.addWidget(self.place)
        outer.addWidget(self.details)
        self._fill_details()
        self.details.setVisible(False)

    def _combo(self, name: str) -> QComboBox:
        combo = QComboBox()
        combo.setObjectName(f"atomcount_{name}")
        combo.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        combo.activated.connect(lambda _index: self._ask_comparison())
        return combo

    def _fill_details(self) -> None:
        column = QVBoxLayout(self.details)
        column.setContentsMargins(8, 0, 0, 4)
        row = QHBoxLayout()
        for name, text, signal, tip in (
            ("open_session", "Open session…", self.open_requested, "A folder that ends in .atomcount."),
            (
                "move_session",
                "Keep it elsewhere…",
                self.move_requested,
                "Copy the session to another folder.",
            ),
        ):
            row.addWidget(self._button(name, text, tip, lambda _c=False, signal=signal: signal.emit()))
        column.addLayout(row)
        self._caption = QLabel("two runs, side by side in a frame:")
        self._caption.setObjectName("atomcount_compare_caption")
        column.addWidget(self._caption)
        row = QHBoxLayout()
        for combo in self.runs:
            row.addWidget(combo, 2)
        row.addWidget(self.compare, 1)
        column.addLayout(row)
        column.addWidget(self.difference)
        grid = QGridLayout()
        for i, (way, signal) in enumerate(
            (("Export", self.export_requested), ("Import", self.import_requested))
        ):
            for j, what in enumerate(("columns", "corrections")):
                tip = f"{way} {what} as CSV."
                name = f"{way.lower()}_{what}"
                button = self._button(
                    name, f"{way} {what}…", tip, lambda _c=False, s=signal, w=what: s.emit(w)
                )
                grid.addWidget(button, i, j)
        column.addLayout(grid)

    def _button(self, name: str, text: str, tip: str, slot) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(f"atomcount_{name}")
        button.setToolTip(tip)
        button.clicked.connect(slot)
        return button

    def show_state(self, keeper: SessionKeeper, has_movie: bool, busy: bool) -> None:
        """Say where things are kept, list the runs, enable what can be done."""
        session, place = keeper.session, keeper.place
        self.setVisible(True)
        self.place.setVisible(has_movie)
        look = style.MUTED
        if not keeper.settled:
            text = "looking for this movie's session…"
        elif session is None:
            text = "" if place is None else f"what you do will be kept in {place.folder.name}"
        elif session.read_only:
            text, look = f"▲ for reading only: {session.read_only}. Nothing done here is kept.", style.WARN
        else:
            edits = session.history.n_edits
            runs = len(session.runs)
            what = (
                f"{runs} run{'s' * (runs != 1)}, {edits} edit{'s' * (edits != 1)}" if runs else "no run yet"
            )
            text, look = f"✓ kept in {session.folder.name} ({what})", style.GOOD
        if place is not None and place.words:
            text = f"{text}\n▲ {place.words}"
        self.place.setText(text)
        self.place.setToolTip("" if place is None else str(place.folder))
        self.place.setStyleSheet(look)
        self._list_runs(keeper)
        free = not busy and keeper.settled
        for name in ("open_session", "move_session"):
            self._child(name).setEnabled(free and (name == "open_session" or session is not None))
        for what in ("columns", "corrections"):
            self._child(f"export_{what}").setEnabled(session is not None and session.run > 0)
            able = session is not None and not session.read_only and session.run > 0 and not busy
            self._child(f"import_{what}").setEnabled(able)

    def _child(self, name: str) -> QPushButton:
        child = self.findChild(QPushButton, f"atomcount_{name}")
        assert child is not None
        return child

    def _list_runs(self, keeper: SessionKeeper) -> None:
        runs = () if keeper.session is None else keeper.session.runs
        wanted = [
            (
                s.gesture,
                f"{s.gesture} · {s.value['model'].get('name', '?')} · {len(s.value['frames'])} frames",
            )
            for s in runs
        ]
        for number, combo in enumerate(self.runs):
            if [(combo.itemData(i), combo.itemText(i)) for i in range(combo.count())] != wanted:
                before = combo.currentData()
                combo.clear()
                for gesture, text in wanted:
                    combo.addItem(text, gesture)
                at = combo.findData(before) if self.compare.isChecked() else -1
                latest = max(len(wanted) - 2 + number, 0) if wanted else -1
                combo.setCurrentIndex(at if at >= 0 else latest)
        several = len(wanted) > 1
        for widget in (*self.runs, self.compare, self._caption, self.difference):
            widget.setVisible(several)
        if not several and self.compare.isChecked():
            self.compare.setChecked(False)

    def show_difference(self, words: str) -> None:
        """What two runs say differently, in words."""
        self.difference.setText(words)

    def _ask_comparison(self) -> None:
        one, two = (combo.currentData() for combo in self.runs)
        if self.compare.isChecked() and one is not None and two is not None:
            self.compare_requested.emit(int(one), int(two))
        else:
            self.compare_requested.emit(0, 0)

    def _on_fold(self, shown: bool) -> None:
        self.details.setVisible(shown)
        self.fold.setText("▾ Session" if shown else "▸ Session")
