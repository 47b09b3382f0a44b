"""The few questions that the desk asks."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QInputDialog, QWidget


def ask_movie_file(parent: QWidget | None) -> Path | None:
    """Which file to open; None when the user changed their mind."""
    name, _ = QFileDialog.getOpenFileName(parent, "Open a movie or image")
    return Path(name) if name else None


def ask_movie_folder(parent: QWidget | None) -> Path | None:
    """Which folder of images to open."""
    name = QFileDialog.getExistingDirectory(parent, "Open a folder of images as one movie")
    return Path(name) if name else None


def ask_save_folder(parent: QWidget | None, suggestion: Path) -> Path | None:
    """Into which folder to save."""
    name, _ = QFileDialog.getSaveFileName(
        parent, "Save results: name a folder", str(suggestion), options=QFileDialog.Option.ShowDirsOnly
    )
    return Path(name) if name else None


def ask_which(parent: QWidget | None, file: str, of: str, names: list[str]) -> str | None:
    """Which of several datasets or channels of a file to open."""
    name, chosen = QInputDialog.getItem(
        parent, f"Several {of}", f"{file} holds several {of}. Open:", names, 0, False
    )
    return name if chosen else None


def ask_session_folder(parent: QWidget | None) -> Path | None:
    """Which session to open."""
    name = QFileDialog.getExistingDirectory(parent, "Open a session: a folder that ends in .atomcount")
    return Path(name) if name else None


def ask_session_parent(parent: QWidget | None) -> Path | None:
    """In which folder to keep a session."""
    name = QFileDialog.getExistingDirectory(parent, "Keep the session in this folder")
    return Path(name) if name else None


def ask_lost_movie(parent: QWidget | None, movie: str) -> Path | None:
    """Where a session's movie lies now."""
    name, _ = QFileDialog.getOpenFileName(parent, f"{movie} is not where it was: where is it now?")
    return Path(name) if name else None


def ask_save_table(parent: QWidget | None, suggestion: str) -> Path | None:
    """Into which CSV file to write."""
    name, _ = QFileDialog.getSaveFileName(parent, "Export as CSV", suggestion, "Tables (*.csv)")
    return Path(name) if name else None


def ask_open_table(parent: QWidget | None) -> Path | None:
    """Which CSV file to read."""
    name, _ = QFileDialog.getOpenFileName(parent, "Import from CSV", "", "Tables (*.csv)")
    return Path(name) if name else None


def ask_structure(parent: QWidget | None) -> str | None:
    """A structure file with its zone axis, as a template is written; None when nothing was chosen."""
    name, _ = QFileDialog.getOpenFileName(parent, "A structure: CIF, or another file of ASE's")
    if not name:
        return None
    axis, chosen = QInputDialog.getText(parent, "Zone axis", "Along which zone axis, like 110 or 1,-1,0?")
    return f"{name}:{axis.strip()}" if chosen and axis.strip() else None
