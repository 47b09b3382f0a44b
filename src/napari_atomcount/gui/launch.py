"""Opens napari with the docks and the user's movies; the one door from the command line into the GUI."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_atomcount.records.errors import AtomcountError, InputError


def launch(paths: Sequence[Path]) -> None:
    """Open napari with the Atom Count dock and ``paths``; returns when the window is closed.

    Raises
    ------
    InputError
        When a path does not exist.
    AtomcountError
        When no Qt binding is installed.
    """
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise InputError(f"there is no {missing[0]}")
    open_desk(paths)  # napari holds the window
    import napari

    napari.run()


def open_desk(paths: Sequence[Path]):
    """Make a viewer with the dock open and ``paths`` loaded, without starting Qt's loop."""
    try:
        import qtpy.QtWidgets  # noqa: F401
    except ImportError as error:  # qtpy says "No Qt bindings could be found"
        raise AtomcountError(
            "napari needs a Qt binding, and none is installed: "
            "pip install 'napari-atomcount[all]' brings PyQt6"
        ) from error
    import napari

    viewer = napari.Viewer(title="napari-atomcount")
    for path in paths:
        viewer.open(str(path), plugin="napari-atomcount")
    viewer.window.add_plugin_dock_widget("napari-atomcount", "Atom Count")
    return viewer
