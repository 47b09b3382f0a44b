"""For all tests: no test of the desk starts Qt on a machine without a screen, where Qt would abort Python."""

import os
import shutil
import sys
from pathlib import Path

import pytest

GUI_TESTS = Path(__file__).parent / "gui"


def screen_is_missing() -> bool:
    """Whether Qt would find neither a screen nor the virtual one that pytest-xvfb starts."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return False
    return shutil.which("Xvfb") is None


def pytest_collection_modifyitems(items):
    if screen_is_missing():
        reason = "no screen: neither DISPLAY nor Xvfb (scripts/setup_screen.sh installs it)"
        for item in items:
            if GUI_TESTS in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))
