"""`python -m worker start` or `dev`."""

from livekit.agents import cli

from calls.settings import Settings
from worker.server import create_server

if __name__ == "__main__":
    cli.run_app(create_server(Settings()))
