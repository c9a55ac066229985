"""The command line: serve; or do something with tenants, keys, credits or stored secrets, and print JSON."""

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from aiohttp import web

from api.app import create_app
from api.commands import run
from api.schema.common import MAX_LABEL
from calls.agent_config import MAX_DAYS
from calls.database.engine import DEFAULT_TENANT
from calls.errors import CallroomError
from calls.log.lines import configure
from calls.privacy.retention import FOREVER
from calls.settings import Settings
from calls.tenants.prices import MICROS_PER_DOLLAR

MAX_NAME = 200  # of a tenant
SHUTDOWN_S = 5  # for requests under way; streams end at once


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status."""
    asked = _parser().parse_args(arguments)
    settings = Settings()
    if asked.command is None:
        serve(settings)
        return 0
    try:
        print(json.dumps(asyncio.run(run(settings, asked))))  # noqa: T201 - the answer
    except CallroomError as error:
        print(f"python -m api: {error}", file=sys.stderr)  # noqa: T201 - the answer
        return 1
    return 0


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    configure(settings, "api")
    app = create_app(settings)
    # What is there now stays: looking through it for garbage would stop everything for 50 ms now and then.
    gc.collect()
    gc.freeze()
    web.run_app(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=None,
        print=None,
        shutdown_timeout=SHUTDOWN_S,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description="Serve the API; or, with a command:")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    keys = commands.add_parser("keys", help="keys").add_subparsers(dest="verb", required=True)
    create = keys.add_parser("create", help="make a secret key")
    create.add_argument("--tenant", metavar="ID", default=DEFAULT_TENANT)
    create.add_argument("--label", type=_name(MAX_LABEL), default="command line")
    listed = keys.add_parser("list", help="list a tenant's keys, secret and publishable ones")
    listed.add_argument("--tenant", metavar="ID", default=DEFAULT_TENANT)
    revoke = keys.add_parser("revoke", help="revoke a key of either kind, at once and for every process")
    revoke.add_argument("--tenant", metavar="ID", default=DEFAULT_TENANT)
    revoke.add_argument("id", metavar="ID", help="the key's id, as `list` shows it")
    tenants = commands.add_parser("tenants", help="tenants").add_subparsers(dest="verb", required=True)
    create = tenants.add_parser("create", help="make a tenant")
    create.add_argument("name", metavar="NAME", type=_name(MAX_NAME))
    create.add_argument("--metered", action="store_true", help="its calls cost credits")
    tenants.add_parser("list", help="list the tenants, with their credits")
    retention = tenants.add_parser("retention", help="show or set after how many days something of a call is erased")
    retention.add_argument("--tenant", metavar="ID", default=DEFAULT_TENANT)
    for what in ("recordings", "transcripts"):
        retention.add_argument(f"--{what}", metavar="DAYS", type=_days, help="a number of days, or: forever")
    credits_ = commands.add_parser("credits", help="credits").add_subparsers(dest="verb", required=True)
    add = credits_.add_parser("add", help="add credits to a tenant")
    add.add_argument("--tenant", metavar="ID", required=True)
    add.add_argument("dollars", metavar="DOLLARS", type=_micros)
    secrets = commands.add_parser("secrets", help="stored secrets").add_subparsers(dest="verb", required=True)
    secrets.add_parser("encrypt", help="encrypt all again with the first of CALLROOM_ENCRYPTION_KEYS")
    return parser


def _name(most: int) -> Callable[[str], str]:
    def stripped(text: str) -> str:
        name = text.strip()
        if 1 <= len(name) <= most:
            return name
        raise argparse.ArgumentTypeError(f"expected 1 to {most} characters")

    return stripped


def _micros(text: str) -> int:
    try:
        micros = Decimal(text) * MICROS_PER_DOLLAR
        if 0 < micros < 2**53:
            return round(micros)
    except InvalidOperation:
        pass
    raise argparse.ArgumentTypeError("expected dollars, as in 12.50")


def _days(text: str) -> int:
    if text == "forever":
        return FOREVER
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"expected a number of days from 1 to {MAX_DAYS}, or: forever")
