"""A program that answers every request with the status in a file: `ailing.py PORT FILE`.

Without the file that is 200; an empty one is no answer.
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

PORT, FILE = int(sys.argv[1]), Path(sys.argv[2])


class Ailing(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if status := FILE.read_text() if FILE.exists() else "200":
            self.send_response(int(status))
            self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


HTTPServer(("127.0.0.1", PORT), Ailing).serve_forever()
