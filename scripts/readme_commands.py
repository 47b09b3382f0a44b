"""Print one of README's fenced bash blocks, so that CI runs exactly what README promises.

Usage: python3 scripts/readme_commands.py NUMBER   (1 is the first)
"""

import re
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def bash_blocks(text: str) -> list[str]:
    """The contents of the ```bash blocks of a Markdown text, in order."""
    return re.findall(r"^```bash\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


if __name__ == "__main__":
    print(bash_blocks(README.read_text("utf-8"))[int(sys.argv[1]) - 1], end="")
