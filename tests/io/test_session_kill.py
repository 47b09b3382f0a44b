"""Smoke test of the kill test: ten writers of a session are killed; benchmarks/kill_session.py kills more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "kill_session.py"


@pytest.mark.skipif(sys.platform == "win32", reason="it starts its writers by a fork server")
def test_nothing_that_was_done_is_lost_when_the_writer_is_killed():
    done = subprocess.run(
        [sys.executable, SCRIPT, "--kills", "10", "--seed", "1"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["kills"] == 10
    assert found["wrong"] == []
