"""For all tests: workers side by side; and no window where there is no screen, for Qt would abort Python.

With ``-n 2 --dist loadgroup`` one worker opens the windows, one at a time, and each worker has a virtual
screen of its own; the other tests go module by module to whichever worker is free.
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

TESTS = Path(__file__).parent
GUI_TESTS = TESTS / "gui"
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


@pytest.hookimpl(tryfirst=True)  # a worker of xdist reads the groups in this same hook
def pytest_collection_modifyitems(items):
    """Skip what needs a screen where there is none; tests that belong to one worker get one group."""
    if screen_is_missing():
        reason = "no screen: neither DISPLAY nor Xvfb (scripts/setup_screen.sh installs it)"
        for item in items:
            if GUI_TESTS in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))
    if "PYTEST_XDIST_WORKER" in os.environ:
        for item in items:
            own = ".".join(item.path.relative_to(TESTS).with_suffix("").parts)
            item.add_marker(pytest.mark.xdist_group("gui" if GUI_TESTS in item.path.parents else own))
