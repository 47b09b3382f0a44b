"""Make the samples of sample_data from their recipes: the same numbers every time.

Usage: python scripts/make_sample.py [NAME...]
"""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tifffile

from napari_atomcount.cli.simulating import write_simulation
from napari_atomcount.io.readers import open_movie
from napari_atomcount.io.tiff import write_tiff

FOLDER = Path(__file__).resolve().parent.parent / "sample_data"
SEED = 0


class Sample(NamedTuple):
    """How a sample is stored."""

    number: int | None  # images or series; None: as many as the recipe says
    gain: int = 100  # camera counts per electron: 16 bits hold a movie as a camera would store it
    kind: type[np.unsignedinteger] = np.uint16
    compressed: bool = False


SAMPLES = {
    "hopping_au_310": Sample(None),
    "focal_au_3": Sample(1),
    "ceo2_vacancies": Sample(None, 2, np.uint8, True),
}


def main(name: str) -> None:
    """Simulate, store as integers, name the truth after the sample."""
    sample = SAMPLES[name]
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        write_simulation(FOLDER / f"{name}.json", made, sample.number, SEED, lambda *_: None)
        electrons = tifffile.imread(made / "images.tif")
        counts = np.clip(np.rint(electrons * sample.gain), 0, np.iinfo(sample.kind).max).astype(sample.kind)
        calibration = open_movie(made / "images.tif").calibration
        write_tiff(FOLDER / f"{name}.tif", counts, calibration, compressed=sample.compressed)
        for truth in made.glob("truth*.csv"):
            shutil.copyfile(truth, FOLDER / f"{name}_{truth.name}")


if __name__ == "__main__":
    for wanted in sys.argv[1:] or SAMPLES:
        main(wanted)
