"""The file of edits: append-only, on disk before the call returns, whole after a crash or on a full disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from napari_atomcount.records.corrections import CorrectionError, Gesture, read_lines

_DIRECTORY = getattr(os, "O_DIRECTORY", 0)


class EditLog:
    """``corrections.jsonl`` of one session.

    Parameters
    ----------
    path : Path
        The file; made when it is missing and `writable`.
    writable : bool
        A writable log cuts off what a crash left half-written; another one only skips it.

    Attributes
    ----------
    gestures : list of Gesture
        What the file held when it was opened.
    cut_bytes : int
        How many bytes of an unfinished gesture were found.

    Raises
    ------
    CorrectionError
        If the file cannot be read, or is damaged before its end.
    """

    def __init__(self, path: Path, writable: bool) -> None:
        self.path = path
        self._file = -1
        self._unclean = False
        try:
            data = path.read_bytes() if path.exists() else b""
            self.gestures, self._size = read_lines(data, path.name)
            self.cut_bytes = len(data) - self._size
            if writable:
                is_new = not path.exists()
                self._file = os.open(path, os.O_WRONLY | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
                if self.cut_bytes:
                    os.ftruncate(self._file, self._size)
                    os.fsync(self._file)
                if is_new:
                    sync_folder(path.parent)
        except OSError as err:
            self.close()
            raise CorrectionError(f"{path} cannot be opened ({why(err)}).") from err

    @property
    def size(self) -> int:
        """Bytes of complete gestures."""
        return self._size

    def append(self, gesture: Gesture) -> int:
        """Write a gesture; when this returns, it is on disk. Return the number of bytes.

        Raises
        ------
        CorrectionError
            If it cannot be written; the file is then as it was.
        """
        if self._file < 0:
            raise CorrectionError("This session is open for reading only: the edit was not made.")
        data = gesture.lines()
        try:
            if self._unclean:
                os.ftruncate(self._file, self._size)
                self._unclean = False
            done = 0
            while done < len(data):  # a disk that fills up takes a part
                done += _write_at(self._file, data[done:], self._size + done)
            os.fsync(self._file)
        except OSError as err:
            self._take_back()
            raise CorrectionError(
                f"The edit could not be saved and was not made: {why(err)} ({self.path.parent}). "
                "Make room or give the session another place, then repeat it."
            ) from err
        self._size += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file; nothing can be appended afterwards."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take_back(self) -> None:
        """Cut off what a failed write left; where even that fails, the next append has to do it first."""
        self._unclean = True
        try:
            os.ftruncate(self._file, self._size)
            os.fsync(self._file)
        except OSError:  # the caller raises the error that led here, and the next reader knows a torn end
            return
        self._unclean = False


def _write_at(file: int, data: bytes, place: int) -> int:
    """Write at a place of the file; return how many bytes it took."""
    os.lseek(file, place, os.SEEK_SET)
    return os.write(file, data)


def sync_folder(folder: Path) -> None:
    """Put a folder's list of names on disk, where the system knows how."""
    if not _DIRECTORY:
        return
    handle = os.open(folder, os.O_RDONLY | _DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as err:
        if err.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems know no such thing
            raise
    finally:
        os.close(handle)


def why(err: OSError) -> str:
    """The reason of a failed write in words."""
    if err.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return "the disk is full"
    if err.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return "the folder cannot be written"
    return err.strerror or str(err)
