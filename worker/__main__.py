"""`python -m worker start` or `dev`."""

import importlib

from worker.forking import start_fork_server

if __name__ == "__main__":
    importlib.import_module("worker.warm")
    start_fork_server()
    importlib.import_module("worker.server").run()
