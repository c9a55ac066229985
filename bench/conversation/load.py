"""What processes cost: cores and memory of a whole tree of them."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """CPU seconds so far of each process of a tree, at a moment of time.monotonic()."""

    at: float
    cpu_s: dict[int, float]

    @classmethod
    def of(cls, roots: Iterable[psutil.Process]) -> "Usage":
        spent = {}
        for process in trees(roots):
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                spent[process.pid] = times.user + times.system
        return cls(time.monotonic(), spent)

    def cores(self, since: "Usage") -> float:
        """How many cores the tree had between two moments; of processes that ended in between, nothing is known."""
        spent = sum(used - since.cpu_s.get(pid, 0.0) for pid, used in self.cpu_s.items())
        return spent / (self.at - since.at)


def memory_mb(roots: Iterable[psutil.Process]) -> float:
    """Megabytes of a tree; pages that several processes share count once (PSS)."""
    size = 0
    for process in trees(roots):
        with suppress(psutil.NoSuchProcess):
            size += process.memory_full_info().pss
    return size / 1e6


def trees(roots: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The processes and all that they started."""
    found: list[psutil.Process] = []
    for root in roots:
        with suppress(psutil.NoSuchProcess):
            found += [root, *root.children(recursive=True)]
    return found
