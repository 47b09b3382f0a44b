"""What one edit costs with 100,000 columns loaded, against one 2048³ float32 matrix product on this machine.

Run it as ``python benchmarks/edit_cost.py``; it prints JSON: the rows that ``benchmark speed`` writes too.
"""

from __future__ import annotations

import json

from napari_atomcount.benchmark.speed_edit import edit_rows


def main() -> None:
    """Measure and print."""
    print(json.dumps({figure: [value, unit] for figure, _, value, unit in edit_rows()}, indent=1))


if __name__ == "__main__":
    main()
