"""The napari desk: the only part that knows Qt and napari."""
