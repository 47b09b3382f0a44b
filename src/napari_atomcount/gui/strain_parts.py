"""Small helpers of the strain section: named buttons, boxes with a caption and a unit."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QWidget,
)

from napari_atomcount.gui import style

Widget = TypeVar("Widget", bound=QWidget)


def named(widget: Widget, name: str, tip: str = "") -> Widget:
    """Give a widget its stable object name ``atomcount_<name>`` and its help."""
    widget.setObjectName(f"atomcount_{name}")
    if tip:
        widget.setToolTip(tip)
    return widget


def button(
    text: str, name: str, tip: str, action: Callable[[], None], checkable: bool = False
) -> QPushButton:
    """A push button; a checkable one tells by its state what it asks for."""
    made = named(QPushButton(text), name, tip)
    made.setCheckable(checkable)
    made.clicked.connect(lambda _checked=False: action())
    return made


def check(text: str, name: str, tip: str, action: Callable[[], None], on: bool = False) -> QCheckBox:
    """A check box."""
    made = named(QCheckBox(text), name, tip)
    made.setChecked(on)
    made.toggled.connect(lambda _on: action())
    return made


def choice(name: str, tip: str, entries: list[tuple[str, str]]) -> QComboBox:
    """A list to choose from: words shown, and the data behind them."""
    made = named(QComboBox(), name, tip)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    for words, data in entries:
        made.addItem(words, data)
    return made


def number(
    name: str, tip: str, value: float, low: float, high: float, step: float, decimals: int = 2
) -> QDoubleSpinBox:
    """A number with its range."""
    made = named(QDoubleSpinBox(), name, tip)
    made.setRange(low, high)
    made.setDecimals(decimals)
    made.setSingleStep(step)
    made.setValue(value)
    made.setKeyboardTracking(False)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
    return made


def row(*widgets: QWidget | tuple[QWidget, int]) -> QHBoxLayout:
    """Widgets beside each other; a tuple has its stretch."""
    layout = QHBoxLayout()
    for one in widgets:
        widget, stretch = one if isinstance(one, tuple) else (one, 0)
        layout.addWidget(widget, stretch)
    return layout


def captioned(caption: str, widget: QWidget, unit: str = "") -> QHBoxLayout:
    """A widget with its caption before it and its unit behind it."""
    label = QLabel(caption)
    label.setObjectName(f"{widget.objectName()}_caption")
    label.setMinimumWidth(style.CAPTION_WIDTH)
    layout = row(label, (widget, 1))
    if unit:
        unit_label = QLabel(unit)
        unit_label.setObjectName(f"{widget.objectName()}_unit")
        layout.addWidget(unit_label)
    return layout
