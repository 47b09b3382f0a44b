"""The frame in the canvas: all of it is seen until the user moves the camera."""

import pytest
from qtpy.QtWidgets import QApplication


def resize(desk, width: int) -> None:
    """Give the window another width and let the canvas take its own."""
    window, canvas = desk.viewer.window._qt_window, desk.dock.reviewing.canvas
    before = canvas.width()
    window.resize(width, 900)
    desk.wait(lambda: canvas.width() != before)
    for _ in range(5):
        QApplication.processEvents()


def seen(desk) -> float:
    """How much of the frame's width the canvas shows; 1 and more: all of it."""
    width = desk.dock.layers.movie_layer().extent.world[:, -1]
    return desk.dock.reviewing.canvas.width() / desk.viewer.scene.camera.zoom / (width[1] - width[0])


def test_the_whole_frame_is_seen_in_a_canvas_of_any_size(desk, movie):
    resize(desk, 1500)
    desk.show(movie)
    desk.wait(lambda: desk.dock.model.movie is not None)
    assert 1 <= seen(desk) < 3
    resize(desk, 1050)
    desk.wait(lambda: 1 <= seen(desk) < 1.3)
    resize(desk, 1500)
    camera = desk.viewer.scene.camera
    camera.zoom *= 4  # the user's own view is left alone
    zoom = camera.zoom
    resize(desk, 1050)
    assert camera.zoom == pytest.approx(zoom)
    assert seen(desk) < 1


def test_a_session_keeps_a_view_of_the_users_own_alone(desk, movie):
    desk.show(movie)
    desk.wait(lambda: desk.dock.model.movie is not None)
    for _ in range(5):
        QApplication.processEvents()
    assert desk.dock.session_view.now()["zoom_per_px"] == 0
    desk.viewer.scene.camera.zoom *= 2
    kept = desk.dock.session_view.now()
    assert kept["zoom_per_px"] > 0
    assert len(kept["center_px"]) == 2
