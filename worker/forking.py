"""Where the processes of the calls come from: a fork of this process, which shares with them what it has imported."""

import ctypes
import gc
import os
import signal
import traceback
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing import forkserver, resource_tracker, util
from typing import Any

_M_ARENA_MAX = -8  # glibc's name for it
_NEW_OBJECTS = 10_000  # so many more, and garbage is looked for, not after 700: a call makes next to none


def start_fork_server() -> None:
    """Start multiprocessing's fork server, for all that this process starts through it from here on.

    It would begin as a new interpreter and import everything once more, which takes seconds; as a fork it has what this
    process has. To be called while there is one thread, no event loop, and no open file that others may not have.

    It and all that it forks take no notice of SIGINT and SIGTERM. Who ends a service or presses Ctrl-C sends these to
    each of its processes: the worker alone is to heed them, so that its calls go on or end as they are to.

    Until then no garbage is best looked for: there is next to none, and looking takes a third of the time.
    """
    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # else each of a call's twenty threads has memory of its own to waste
    gc.freeze()  # else a collection would write into every inherited page, and so take it out of what is shared
    gc.enable()
    gc.set_threshold(_NEW_OBJECTS)
    resource_tracker.ensure_running()
    start_interpreter = util.spawnv_passfds
    util.spawnv_passfds = _fork  # type: ignore[assignment]  # it is called with positions, not names
    try:
        forkserver.ensure_running()
    finally:
        util.spawnv_passfds = start_interpreter


def _fork(_path: bytes, arguments: Sequence[Any], passed: Sequence[int]) -> int:
    """Run in a fork what a new interpreter was to run, with no other files than it would have had; its process id."""
    process_id = os.fork()
    if process_id == 0:
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            _close_all_but(passed)
            exec(arguments[-1], {})  # noqa: S102 - what multiprocessing wrote for `python -c`
        except Exception:  # noqa: BLE001 - nobody else sees it
            traceback.print_exc()
        finally:
            os._exit(0)
    return process_id


def _close_all_but(passed: Sequence[int]) -> None:
    """Nobody sees that this process has ended as long as its fork has the other end of a pipe."""
    kept = [2, *sorted(passed), os.sysconf("SC_OPEN_MAX")]
    for below, above in pairwise(kept):
        os.closerange(below + 1, above)
