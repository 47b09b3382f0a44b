"""Make the sample movie of sample_data from its recipe: the same numbers every time.

Usage: python scripts/make_sample.py
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from napari_atomcount.cli.simulating import write_simulation
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tiff import write_tiff

FOLDER = Path(__file__).resolve().parent.parent / "sample_data"
NAME = "hopping_au_310"
SEED = 0
GAIN = 100  # camera counts per electron: 16 bits hold the movie as a camera would store it


def main() -> None:
    """Simulate, store as uint16, name the truth after the movie."""
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        write_simulation(FOLDER / f"{NAME}.json", made, None, SEED, lambda *_: None)
        electrons = tifffile.imread(made / "images.tif")
        counts = np.clip(np.rint(electrons * GAIN), 0, 65535).astype(np.uint16)
        write_tiff(FOLDER / f"{NAME}.tif", counts, open_movie(made / "images.tif").calibration)
        shutil.copyfile(made / "truth.csv", FOLDER / f"{NAME}_truth.csv")
        shutil.copyfile(made / "truth_events.csv", FOLDER / f"{NAME}_truth_events.csv")


if __name__ == "__main__":
    main()
