"""Fail when a GUI test was skipped: a machine without a screen must not look green.

Usage: python3 scripts/no_skipped_gui.py JUNIT.xml
"""

import sys
import xml.etree.ElementTree as ET


def skipped_gui_tests(path: str) -> tuple[list[str], int]:
    """(names of the skipped tests under tests/gui, number of all tests there) of a JUnit file."""
    cases = [case for case in ET.parse(path).iter("testcase") if ".gui" in case.get("classname", "")]
    skipped = [case for case in cases if case.find("skipped") is not None]
    return [f"{case.get('classname')}::{case.get('name')}" for case in skipped], len(cases)


if __name__ == "__main__":
    skipped, number = skipped_gui_tests(sys.argv[1])
    for name in skipped:
        print(f"skipped: {name}", file=sys.stderr)
    if skipped or not number:
        sys.exit(f"{len(skipped)} of {number} GUI tests were skipped: see scripts/setup_screen.sh")
    print(f"{number} GUI tests ran, none skipped")
