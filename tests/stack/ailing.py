"""A program that answers every request with the status in a file, 200 without one: `ailing.py PORT FILE`."""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

PORT, FILE = int(sys.argv[1]), Path(sys.argv[2])


class Ailing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(int(FILE.read_text()) if FILE.exists() else 200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


HTTPServer(("127.0.0.1", PORT), Ailing).serve_forever()
