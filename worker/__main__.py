"""`python -m worker start` or `dev`."""

import importlib

from dotenv import load_dotenv

from worker.forking import start_fork_server

if __name__ == "__main__":
    load_dotenv(".env")  # plugins look for their keys in the environment
    importlib.import_module("worker.warm")
    start_fork_server()
    importlib.import_module("worker.server").run()
