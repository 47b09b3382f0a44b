"""Find atomic columns in HRTEM movies, count their atoms and follow them through time."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("napari-atomcount")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"
