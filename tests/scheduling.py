"""How the tests are spread over several processes, see `make test`."""

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling

# What is slow to start is started once: the tests that share it stay in one process, one after the other. So do those
# that would starve each other, and all who wait meanwhile, on a small machine: those with many calls at once, those
# with browsers, and those that recognise speech.
SHARED = {
    "tests/e2e/": "speech, and the whole stack",
    "tests/web/test_spoken_call.py": "speech, and the whole stack",
    "tests/local/": "speech, and the whole stack",
    "tests/web/": "a browser",
    "tests/worker/phones/": "phones",
    "tests/api/test_fuzzing.py": "an api to be fuzzed",
}
SHARED_S = 250.0  # what is shared comes after the tests that may take longer, and before the others
# A process that has a worker keeps it, and what a file has beside it is started once.
BY_FILE = ("tests/worker/", "tests/stack/test_foreground.py")
SMALL = ("tests/api/", "tests/calls/")  # hundreds of tests, none of which takes long


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives each process that is free the next test, with those that share something with it."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        if (shared := _shared(nodeid)) is not None:
            return shared
        return nodeid.partition("::")[0] if nodeid.startswith(BY_FILE) else nodeid


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those first that may take longest, so that at the end no process waits long for another."""
    return sorted(items, key=_may_take_s, reverse=True)


def _may_take_s(item: pytest.Item) -> float:
    if _shared(item.nodeid) is not None:
        return SHARED_S
    mark = item.get_closest_marker("timeout")
    if mark is not None:
        return float(mark.args[0])
    return 2.0 if item.nodeid.startswith(BY_FILE) else 0.0 if item.nodeid.startswith(SMALL) else 1.0


def _shared(nodeid: str) -> str | None:
    return next((shared for path, shared in SHARED.items() if nodeid.startswith(path)), None)
