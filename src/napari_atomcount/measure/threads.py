"""Blocks of sites beside each other: numpy lets threads run at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Job = TypeVar("Job")
Answer = TypeVar("Answer")
MOST_THREADS = 4


def in_threads(work: Callable[[Job], Answer], jobs: Iterable[Job]) -> list[Answer]:
    """The answers to all jobs, in their order."""
    jobs = list(jobs)
    if len(jobs) < 2:
        return [work(job) for job in jobs]
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(work, jobs))
