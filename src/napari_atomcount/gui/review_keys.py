"""The keys of Correct mode: what each does, the user's own choice of them, active only while it is on."""

from __future__ import annotations

import json
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import platformdirs
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import QShortcut, QWidget

from napari_atomcount.gui.review_model import ReviewModel
from napari_atomcount.io.atomic import whole_file


@dataclass(frozen=True)
class Key:
    """One thing that can be done by a key.

    Parameters
    ----------
    name
        Under which the user's choice is kept.
    words
        What it does.
    keys
        By default; several do the same.
    """

    name: str
    words: str
    keys: tuple[str, ...]


KEYS = (
    Key("next", "next uncertain column", ("N",)),
    Key("previous", "the one before", ("B",)),
    Key("accept", "accept it, go to the next", ("Return", "Enter")),
    Key("accept_frame", "accept the whole frame", ("Shift+Return", "Shift+Enter")),
    Key("add", "add a column under the pointer", ("A",)),
    Key("remove", "remove the selected columns", ("Del", "Backspace")),
    Key("more", "one atom more", ("+", "=")),
    Key("less", "one atom less", ("-",)),
    Key("label", "another class, where the model has several", ("T",)),
    Key("copy", "copy the last edit to the next frames", ("C",)),
    Key("copy_all", "copy it to all frames that follow", ("Shift+C",)),
    Key("undo", "undo", ("Ctrl+Z",)),
    Key("redo", "redo", ("Ctrl+Shift+Z", "Ctrl+Y")),
    Key("next_column", "select the next column", ("W",)),
    Key("previous_column", "select the column before", ("Q",)),
    Key("all", "select all columns of the frame", ("Ctrl+A",)),
    Key("up", "move the selection up by a pixel", ("Alt+Up",)),
    Key("down", "… down", ("Alt+Down",)),
    Key("left", "… to the left", ("Alt+Left",)),
    Key("right", "… to the right", ("Alt+Right",)),
    Key("overlay", "hide or show the columns", ("H",)),
    Key("leave", "let go of the selection; again: leave Correct mode", ("Esc",)),
)
DIGITS = "digits: the count"


def settings_file() -> Path:
    """Where the user's choice of keys is kept."""
    return Path(platformdirs.user_config_dir("napari-atomcount", appauthor=False)) / "keys.json"


class CorrectKeys(QObject):
    """The shortcuts of Correct mode in one window.

    Parameters
    ----------
    review
        What they act on.
    more
        What the review cannot do itself: ``add``, ``copy``, ``copy_all``, ``overlay``.

    Signals
    -------
    changed()
        The user chose other keys.
    """

    changed = Signal()

    def __init__(
        self,
        review: ReviewModel,
        more: dict[str, Callable[[], None]],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._window: weakref.ref[QWidget] | None = None
        self.review = review
        self._actions: dict[str, Callable[[], None]] = {
            "next": review.next,
            "previous": lambda: review.next(-1),
            "accept": review.accept,
            "accept_frame": review.accept_frame,
            "remove": review.remove,
            "more": lambda: review.change_count(1),
            "less": lambda: review.change_count(-1),
            "label": review.classes.next,
            "undo": review.undo,
            "redo": review.redo,
            "next_column": lambda: review.select_neighbour(1),
            "previous_column": lambda: review.select_neighbour(-1),
            "all": review.select_all,
            "up": lambda: review.move_by(-1, 0),
            "down": lambda: review.move_by(1, 0),
            "left": lambda: review.move_by(0, -1),
            "right": lambda: review.move_by(0, 1),
            "leave": self._leave,
            **more,
        }
        self.chosen = {key.name: key.keys for key in KEYS} | _read(settings_file())
        self._shortcuts: list[QShortcut] = []
        review.mode_changed.connect(self._enable)

    def attach(self, window: QWidget) -> None:
        """Work in this window, wherever the focus is; a field in which text is typed keeps its keys."""
        self._window = weakref.ref(window)
        self._make()

    def choose(self, name: str, keys: tuple[str, ...]) -> str:
        """Give an action other keys, from now on; return why that cannot be, empty: it is done."""
        taken = {key: other for other, several in self.chosen.items() if other != name for key in several}
        digits = {str(n): "the count" for n in range(10)}
        for key in keys:
            if key in taken or key in digits:
                words = next((k.words for k in KEYS if k.name == taken.get(key)), digits.get(key, ""))
                return f"{key} is taken: {words}"
        self.chosen[name] = keys
        self._make()
        self._save()
        self.changed.emit()
        return ""

    def reset(self) -> None:
        """Go back to the keys that everybody begins with."""
        self.chosen = {key.name: key.keys for key in KEYS}
        self._make()
        self._save()
        self.changed.emit()

    def close(self) -> None:
        """Take the shortcuts away."""
        for shortcut in self._shortcuts:
            shortcut.setEnabled(False)
            shortcut.setParent(None)
        self._shortcuts = []

    def _make(self) -> None:
        self.close()
        window = None if self._window is None else self._window()
        if window is None:
            return
        for name, keys in self.chosen.items():
            for key in keys:
                self._bind(window, key, self._actions[name])
        for digit in range(10):
            self._bind(window, str(digit), partial(self.review.type_digit, digit))
        self._enable(self.review.on)

    def _bind(self, window: QWidget, key: str, action: Callable[[], None]) -> None:
        shortcut = QShortcut(QKeySequence(key), window)
        shortcut.setContext(Qt.ShortcutContext.WindowShortcut)
        shortcut.activated.connect(lambda: action())
        self._shortcuts.append(shortcut)

    def _enable(self, on: bool) -> None:
        for shortcut in self._shortcuts:
            shortcut.setEnabled(on)

    def _leave(self) -> None:
        if self.review.selected or self.review.place is not None:
            self.review.select(())
        else:
            self.review.set_on(False)

    def _save(self) -> None:
        default = {key.name: key.keys for key in KEYS}
        own = {name: list(keys) for name, keys in self.chosen.items() if keys != default[name]}
        try:
            settings_file().parent.mkdir(parents=True, exist_ok=True)
            with whole_file(settings_file()) as partial_file:
                partial_file.write_text(json.dumps(own, indent=1), encoding="utf-8")
        except OSError as error:
            self.review.said.emit(f"The keys are changed for now only: {error.strerror or error}")


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        own = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    names = {key.name for key in KEYS}
    if not isinstance(own, dict):
        return {}
    return {
        name: tuple(map(str, keys)) for name, keys in own.items() if name in names and isinstance(keys, list)
    }
