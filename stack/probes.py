"""Whether a program answers, asked in its own language: HTTP, Redis or SIP."""

import http.client
import re
import secrets
import socket
import urllib.error
import urllib.request
from http import HTTPStatus
from urllib.parse import urlsplit

_OPTIONS = """\
OPTIONS sip:{host}:{port} SIP/2.0
Via: SIP/2.0/UDP {own};branch=z9hG4bK{token};rport
Max-Forwards: 1
From: <sip:stack@{host}>;tag={token}
To: <sip:{host}:{port}>
Call-ID: {token}
CSeq: 1 OPTIONS
Content-Length: 0

"""


def status_of(url: str, within_s: float) -> int | None:
    """The status of its answer, None if there is none in time.

    `http://…` is asked with a GET, `sip://HOST:PORT` with an OPTIONS over UDP, and `redis://HOST:PORT` with a PING, to
    which any answer is a 200.
    """
    try:
        match urlsplit(url).scheme:
            case "redis":
                return _redis_status(_address(url), within_s)
            case "sip":
                return _sip_status(_address(url), within_s)
            case _:
                return _http_status(url, within_s)
    except (OSError, http.client.HTTPException):  # the latter: what it says is no HTTP
        return None


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None, url
    assert parts.port is not None, url
    return parts.hostname, parts.port


def _http_status(url: str, within_s: float) -> int:
    try:
        with urllib.request.urlopen(url, timeout=within_s) as answer:  # noqa: S310 # our own health addresses
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code


def _redis_status(address: tuple[str, int], within_s: float) -> int | None:
    with socket.create_connection(address, timeout=within_s) as connection:
        connection.sendall(b"PING\r\n")
        return HTTPStatus.OK if connection.recv(1) else None  # also its wish for a password is an answer


def _sip_status(address: tuple[str, int], within_s: float) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.settimeout(within_s)
        connection.connect(address)
        own = "{}:{}".format(*connection.getsockname())
        question = _OPTIONS.format(host=address[0], port=address[1], own=own, token=secrets.token_hex(8))
        connection.send(question.replace("\n", "\r\n").encode())
        answer = re.match(rb"SIP/2\.0 (\d{3}) ", connection.recv(2048))
        return int(answer[1]) if answer else None
