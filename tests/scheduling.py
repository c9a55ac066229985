"""How the tests are spread over several processes, see `make test`."""

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

# What is slow to start is started once: the tests that share it stay in one process, one after the other. So do those
# that have so many calls at once that two of them would be too much for a small machine.
SHARED = {
    "tests/e2e/": "the whole stack",
    "tests/web/": "the whole stack",
    "tests/local/": "local speech",
    "tests/worker/test_outage.py": "an outage",
    "tests/worker/test_take_over.py": "a house",
    "tests/worker/phones/": "phones",
    **{
        f"tests/worker/test_{about}.py": "a worker"
        for about in ("ends", "failures", "log", "privacy", "providers", "several", "talk", "tools", "voices")
    },
    "tests/worker/test_recognisers.py": "an impatient worker",
    "tests/api/test_fuzzing.py": "an api to be fuzzed",
}


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives each process that is free the next test, with those that share something with it."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        return next((shared for path, shared in SHARED.items() if nodeid.startswith(path)), nodeid)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those first that may take longest, so that at the end no process waits long for another.

    The whole stack comes after these, which it would slow, and runs to the end.
    """
    return sorted(items, key=lambda item: -1.0 if _asks_for_the_whole_stack(item) else -_patience_s(item))


def _asks_for_the_whole_stack(item: pytest.Item) -> bool:
    return "whole_stack" in getattr(item, "fixturenames", ())


def _patience_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return float(mark.args[0]) if mark is not None else 0.0
