"""Small form widgets: a calibration value with unit and source, a setting made from its pydantic field."""

from __future__ import annotations

from pydantic import BaseModel
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDoubleSpinBox, QFrame, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_atomcount.gui import style

SOURCE_WORDS = {
    "file": "✓ from file",
    "user": "✓ from you",
    "estimated": "≈ estimated",
    "assumed": "≈ assumed",
    None: "not given",
}


def parse_positive(text: str, most: int = 1) -> tuple[float, ...] | None:
    """Positive numbers of a comma-separated text.

    Parameters
    ----------
    text
        For instance ``"0.0152"`` or ``"0.0152, 0.0150"``; empty means "not known".
    most
        How many numbers may be given.

    Returns
    -------
    tuple of float or None
        None for an empty text.

    Raises
    ------
    ValueError
        When it is not made of 1..``most`` positive, finite numbers.
    """
    parts = [part for part in text.replace(";", ",").replace("×", ",").split(",") if part.strip()]
    if not parts:
        return None
    numbers = tuple(float(part) for part in parts)
    if len(numbers) > most or not all(0 < number < float("inf") for number in numbers):
        raise ValueError(text)
    return numbers


class CalibrationField(QWidget):
    """One value of the calibration: editable, with its unit and where it comes from.

    Signals
    -------
    edited(object)
        A tuple of floats, or None when the user emptied the field.
    refused(str)
        A sentence: why the text was not taken.
    """

    edited = Signal(object)
    refused = Signal(str)

    def __init__(self, name: str, label: str, unit: str, tooltip: str, *, most: int = 1) -> None:
        super().__init__()
        self.setObjectName(f"atomcount_{name}")
        self._label, self._unit, self._most, self._shown = label, unit, most, ""
        caption = QLabel(label)
        caption.setObjectName(f"atomcount_{name}_caption")
        caption.setMinimumWidth(style.CAPTION_WIDTH)
        self.line = QLineEdit()
        self.line.setObjectName(f"atomcount_{name}_value")
        self.line.setPlaceholderText("not known")
        self.line.setToolTip(tooltip)
        self.line.setAccessibleName(f"{label} in {unit}")
        self.line.setMaximumWidth(130)
        unit_label = QLabel(unit)
        unit_label.setObjectName(f"atomcount_{name}_unit")
        unit_label.setMinimumWidth(38)
        self.source = QLabel()
        self.source.setObjectName(f"atomcount_{name}_source")
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(caption)
        row.addWidget(self.line, 1)
        row.addWidget(unit_label)
        row.addWidget(self.source)
        row.addStretch(1)
        self.line.editingFinished.connect(self._on_finished)

    def set_value(self, value: tuple[float, ...] | float | None, source: str | None) -> None:
        """Show a value (None: not known) and its source (a key of SOURCE_WORDS)."""
        numbers = () if value is None else value if isinstance(value, tuple) else (value,)
        if len(set(numbers)) == 1:
            numbers = numbers[:1]
        digits = 6 if source in ("file", "user") else 3  # an estimate is no better than that
        self._shown = ", ".join(f"{number:.{digits}g}" for number in numbers)
        self.line.setText(self._shown)
        known = source if numbers else None
        self.source.setText(SOURCE_WORDS[known])
        self.source.setStyleSheet(style.source_style(known))

    def _on_finished(self) -> None:
        text = self.line.text().strip()
        if text == self._shown:
            return
        try:
            value = parse_positive(text, self._most)
        except ValueError:
            self.line.setText(self._shown)
            many = " (or two: y, x)" if self._most > 1 else ""
            self.refused.emit(f"{self._label}: “{text}” is not a positive number{many} in {self._unit}.")
            return
        self._shown = text
        self.edited.emit(value)


class SettingField(QDoubleSpinBox):
    """A number of a settings model: default, range, unit and help come from the model's field."""

    def __init__(self, model: type[BaseModel], field: str, *, decimals: int = 2, step: float = 0.1) -> None:
        super().__init__()
        info = model.model_fields[field]
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        low, high = 0.0, 1e6
        for limit in info.metadata:  # pydantic keeps the limits as annotated-types' Ge, Gt, Le, Lt
            low = float(getattr(limit, "ge", getattr(limit, "gt", low)))
            high = float(getattr(limit, "le", getattr(limit, "lt", high)))
        self.unit = str(extra.get("unit", ""))
        self.setObjectName(f"atomcount_{field}")
        self.setDecimals(decimals)
        self.setSingleStep(step)
        self.setRange(low, high)
        if info.default is not None:
            self.setValue(float(info.default))
        self.setToolTip(info.description or "")
        # Otherwise every digit typed would start a new calculation.
        self.setKeyboardTracking(False)


class Section(QFrame):
    """A titled part of the dock that folds; its contents go into ``body``."""

    def __init__(self, name: str, title: str) -> None:
        super().__init__()
        self.setObjectName(f"atomcount_section_{name}")
        self.setFrameShape(QFrame.Shape.NoFrame)
        self._title, self._aside = title, ""
        self.header = QLabel()
        self.header.setObjectName(f"atomcount_section_{name}_header")
        self.header.setStyleSheet(style.HEADER)
        self.header.setCursor(Qt.CursorShape.PointingHandCursor)
        self.header.mousePressEvent = lambda _event: self.set_open(not self.is_open)  # type: ignore[method-assign]
        self.content = QWidget()
        self.content.setObjectName(f"atomcount_section_{name}_content")
        self.body = QVBoxLayout(self.content)
        self.body.setContentsMargins(10, 2, 2, 8)
        self.body.setSpacing(5)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(2)
        outer.addWidget(self.header)
        outer.addWidget(self.content)
        self.set_open(True)

    @property
    def is_open(self) -> bool:
        """Whether the contents are unfolded."""
        return self._open

    def set_open(self, open_: bool) -> None:
        """Fold or unfold the contents."""
        self._open = open_
        self.content.setVisible(open_)
        self._write_header()

    def set_aside(self, words: str) -> None:
        """Say a few words beside the title, folded or not."""
        self._aside = words
        self._write_header()

    def _write_header(self) -> None:
        aside = f"   ·   {self._aside}" if self._aside else ""
        self.header.setText(f"{'▾' if self._open else '▸'}  {self._title}{aside}")


def hint(text: str, name: str) -> QLabel:
    """A wrapped line of help in the muted colour, with the object name ``atomcount_<name>``."""
    label = QLabel(text)
    label.setObjectName(f"atomcount_{name}")
    label.setWordWrap(True)
    label.setStyleSheet(style.MUTED)
    return label
