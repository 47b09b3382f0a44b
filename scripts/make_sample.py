"""Make the samples of sample_data from their recipes: the same numbers every time.

Usage: python scripts/make_sample.py [NAME...]
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile

from napari_atomcount.cli.simulating import write_simulation
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tiff import write_tiff

FOLDER = Path(__file__).resolve().parent.parent / "sample_data"
#: Samples, and how many images or series are made of each; None: as many as the recipe says.
SAMPLES = {"hopping_au_310": None, "focal_au_3": 1}
SEED = 0
GAIN = 100  # camera counts per electron: 16 bits hold the movie as a camera would store it


def main(name: str) -> None:
    """Simulate, store as uint16, name the truth after the sample."""
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        write_simulation(FOLDER / f"{name}.json", made, SAMPLES[name], SEED, lambda *_: None)
        electrons = tifffile.imread(made / "images.tif")
        counts = np.clip(np.rint(electrons * GAIN), 0, 65535).astype(np.uint16)
        write_tiff(FOLDER / f"{name}.tif", counts, open_movie(made / "images.tif").calibration)
        for truth in made.glob("truth*.csv"):
            shutil.copyfile(truth, FOLDER / f"{name}_{truth.name}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SAMPLES:
        main(wanted)
