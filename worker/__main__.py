"""`python -m worker start` or `dev`."""

import importlib
from multiprocessing import forkserver

# What the processes of the calls are forked from: what they need, and last what keeps it shared between them.
PRELOAD = ["worker.warm", "livekit.agents.ipc._preload", "livekit.agents.ipc._preload_freeze"]

if __name__ == "__main__":
    # Started before anything else is imported: both import for seconds, and so they do it side by side.
    forkserver.set_forkserver_preload(PRELOAD)
    forkserver.ensure_running()
    importlib.import_module("worker.server").run()
