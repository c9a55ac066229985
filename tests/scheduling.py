"""How the tests are spread over several processes, see `make test`."""

import pytest
from typing_extensions import override
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

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
SMALL_S, USUAL_S, FILE_S = 0.0, 1.0, 2.0
BESIDE = 5  # how nice the process is that runs what is small, beside the others' calls


def is_beside(process: str, processes: int) -> bool:
    """Whether this is the one of many that makes no calls: it has what the others leave of the processor."""
    return processes > 2 and process == f"gw{processes - 1}"


class Scheduling(LoadScopeScheduling):  # type: ignore[misc] # it has no types
    """Gives each process that is free the next test, with those that share something with it."""

    @override
    def _split_scope(self, nodeid: str) -> str:
        if (shared := _shared(nodeid)) is not None:
            return shared
        return nodeid.partition("::")[0] if nodeid.startswith(BY_FILE) else nodeid

    @override
    def _reschedule(self, node: WorkerController) -> None:
        if self._is_beside(node) and self.workqueue and _takes_s(next(reversed(self.workqueue))) > USUAL_S:
            node.shutdown()
        else:
            super()._reschedule(node)

    @override
    def _assign_work_unit(self, node: WorkerController) -> None:
        if self._is_beside(node):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def _is_beside(self, node: WorkerController) -> bool:
        return is_beside(node.gateway.id, self.numnodes)


def in_order(items: list[pytest.Item]) -> list[pytest.Item]:
    """Those first that may take longest, so that at the end no process waits long for another."""
    return sorted(items, key=_may_take_s, reverse=True)


def _may_take_s(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    return _takes_s(item.nodeid) if mark is None or _shared(item.nodeid) else float(mark.args[0])


def _takes_s(scope: str) -> float:
    if scope in SHARED.values() or _shared(scope):
        return SHARED_S
    return FILE_S if scope.startswith(BY_FILE) else SMALL_S if scope.startswith(SMALL) else USUAL_S


def _shared(nodeid: str) -> str | None:
    return next((shared for path, shared in SHARED.items() if nodeid.startswith(path)), None)
