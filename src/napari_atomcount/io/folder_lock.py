"""One writer a folder: a lock that the system takes back when the process ends, however it ends."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

LOCK_NAME = "lock"


class FolderLock:
    """Try to become the writer of a folder.

    Parameters
    ----------
    folder : Path
        The folder; it gets a small file ``lock``.

    Attributes
    ----------
    held : bool
        Whether this is the writer.
    holder : str
        Who is, where it is not this one: what the file says, or empty.

    Raises
    ------
    OSError
        If the lock's file cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o666)
        self.held = _try_lock(self._file)
        self.holder = ""
        if self.held:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}".encode())
        else:
            os.lseek(self._file, 0, os.SEEK_SET)
            self.holder = os.read(self._file, 200).decode("utf-8", "replace")
            self.release()

    def release(self) -> None:
        """Let the next one write."""
        if self._file >= 0:
            os.close(self._file)  # releases the lock too
            self._file = -1
        self.held = False


if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    _FAR = 1 << 20  # behind the text, which others may want to read

    def _try_lock(file: int) -> bool:
        os.lseek(file, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(file: int) -> bool:
        # flock and not lockf: it belongs to this opening of the file, so two windows of one process exclude
        # each other as well
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
