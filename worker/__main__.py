"""`python -m worker start` or `dev`."""

import asyncio
import gc
import importlib

import uvloop
from dotenv import load_dotenv

from worker.forking import start_fork_server

if __name__ == "__main__":
    gc.disable()  # until the fork server runs
    load_dotenv(".env")  # plugins look for their keys in the environment
    importlib.import_module("worker.warm")
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # asyncio's own loop takes a tenth of what a call does
    start_fork_server()
    importlib.import_module("worker.server").run()
