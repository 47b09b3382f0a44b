"""The hands of a person who measures strain in the dock."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

SQUARE = "square:0.26"  # 13 px of 0.02 nm: the lattice of the movie of dots
ALL_BUTTON = "strain_all"


def open_strain(desk) -> None:
    for section in (desk.dock.movie, desk.dock.network, desk.dock.time):
        section.set_open(False)
    header = desk.widget("section_strain_header")
    desk.widget("scroll").ensureWidgetVisible(header)
    QTest.mouseClick(header, Qt.MouseButton.LeftButton)
    assert desk.dock.strain.section.is_open


def choose(desk, name: str) -> None:
    """Type a crystal and add it."""
    line = desk.widget("strain_template_line")
    line.setFocus()
    line.selectAll()
    QTest.keyClicks(line, name)
    desk.click("strain_add")
    assert name in desk.dock.strain.section.names


def pick(desk, name: str, data: str) -> None:
    """Choose an entry of a list by its data, with the keyboard."""
    box = desk.widget(name)
    box.setFocus()
    target = box.findData(data)
    while box.currentIndex() != target:
        before = box.currentIndex()
        QTest.keyClick(box, Qt.Key.Key_Down if before < target else Qt.Key.Key_Up)
        assert box.currentIndex() != before


def tick(desk, name: str) -> None:
    """Press a check box on its mark."""
    box = desk.widget(name)
    desk.widget("scroll").ensureWidgetVisible(box)
    QTest.mouseClick(box, Qt.MouseButton.LeftButton, pos=QPoint(8, box.height() // 2))


def place(desk, y: float, x: float) -> QPoint:
    """Where a pixel of the movie is on the canvas."""
    canvas = desk.viewer.window._qt_viewer.canvas.native
    camera = desk.viewer.scene.camera
    scale = np.array(desk.dock.layers.scale[1:])
    offset = (np.array([y, x]) * scale - np.array(camera.center[-2:])) * camera.zoom
    return QPoint(round(canvas.width() / 2 + offset[1]), round(canvas.height() / 2 + offset[0]))


def drag(desk, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Press, move in steps, release over the movie."""
    canvas = desk.viewer.window._qt_viewer.canvas.native
    QTest.mouseMove(canvas, place(desk, *start))
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=place(desk, *start))
    for part in np.linspace(0, 1, 6)[1:]:
        at = np.array(start) + part * (np.array(end) - np.array(start))
        QTest.mouseMove(canvas, place(desk, *at))
        desk.qtbot.wait(20)
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=place(desk, *end))
    desk.qtbot.wait(20)


def run_all(desk) -> None:
    desk.click(ALL_BUTTON)
    desk.wait_idle()
