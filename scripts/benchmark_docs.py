"""Put the results of `napari-atomcount benchmark … --out FOLDER` into docs/benchmark.md, curves included.

Usage: python scripts/benchmark_docs.py FOLDER
"""

import re
import shutil
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent / "docs"


def main(folder: Path) -> None:
    """Fill every marked block that the folder has a table for, and copy its curves."""
    page = DOCS / "benchmark.md"
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- begin (\S+) -->", text):
        table = folder / f"{name}.md"
        if not table.is_file():
            print(f"{name}: no {table}, left as it is")
            continue
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        before, rest = text.split(begin, 1)
        _, after = rest.split(end, 1)
        text = f"{before}{begin}\n{table.read_text(encoding='utf-8').strip()}\n{end}{after}"
        for curve in sorted(folder.glob(f"{name}*.png")):
            (DOCS / "images").mkdir(exist_ok=True)
            shutil.copyfile(curve, DOCS / "images" / f"benchmark-{curve.name}")
        print(f"{name}: {table}")
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
