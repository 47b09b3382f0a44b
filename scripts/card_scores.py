"""Write what a benchmark measured into the card of the model that it measured.

Usage: python scripts/card_scores.py BENCHMARK_OUT MODELDIR

BENCHMARK_OUT is the folder of `napari-atomcount benchmark NAME --out BENCHMARK_OUT`; its NAME.csv must have
been measured with the weights that lie in MODELDIR. The card's scores are replaced; what one may expect of a
model at the user's dose and pixel size is interpolated in them.
"""

import sys
from pathlib import Path

from napari_atomcount.benchmark.card_scores import scores_from
from napari_atomcount.networks.card import load_card, write_card
from napari_atomcount.records.errors import AtomcountError


def main(out: Path, folder: Path) -> None:
    card = load_card(folder)
    scores = scores_from(out / f"{card.name}.csv", card)
    write_card(card.model_copy(update={"scores": scores}), folder)
    print(f"{folder / 'card.json'}: {len(scores)} scores of {card.name}, sha256 {card.sha256[:12]}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        main(Path(sys.argv[1]), Path(sys.argv[2]))
    except AtomcountError as error:
        sys.exit(str(error))
