"""For all tests: workers side by side; and no window where there is no screen, for Qt would abort Python.

With ``-n 2`` one worker opens the windows, one at a time, and each worker has a virtual screen of its own.
The other tests go file by file to whichever worker is free.
"""

import os
import shutil
import sys
from pathlib import Path

import hypothesis
import pytest

# no example fails because the machine has other things to do
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

GUI_TESTS = Path(__file__).parent / "gui"
# torch, numpy, numba and Mesa's software OpenGL; each reads its own once, when it is loaded
THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "LP_NUM_THREADS",
)


def screen_is_missing() -> bool:
    """Whether Qt would find neither a screen nor the virtual one that pytest-xvfb starts."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return False
    return shutil.which("Xvfb") is None


def pytest_configure(config):
    """Workers compute with one thread each: two that take all cores would wait for each other."""
    if getattr(config.option, "numprocesses", None):
        for name in THREADS:
            os.environ.setdefault(name, "1")  # the workers, which start after this, inherit it


@pytest.hookimpl(optionalhook=True)  # of xdist; its --dist=loadgroup groups nothing with pytest 9.2
def pytest_xdist_make_scheduler(config, log):
    """Who runs what: the tests of a file stay together, and so do all tests that open windows."""
    from xdist.scheduler import LoadFileScheduling

    class WindowsInOneWorker(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "windows" if (config.rootpath / file).is_relative_to(GUI_TESTS) else file

    return WindowsInOneWorker(config, log)


def pytest_collection_modifyitems(items):
    """Skip what needs a screen where there is none."""
    if screen_is_missing():
        reason = "no screen: neither DISPLAY nor Xvfb (scripts/setup_screen.sh installs it)"
        for item in items:
            if GUI_TESTS in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))
