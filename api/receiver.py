"""A server to try webhooks against: `python -m api.receiver` shows what yours would be sent, and checks its signature.

It makes an endpoint for itself at the API that `CALLROOM_URL` and `CALLROOM_API_KEY` name, and removes it when it is
stopped.
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import web

from calls.tenants.webhooks import WebhookEvent

HOST, PORT = "127.0.0.1", 8090
FRESH_MS = 300_000  # older than that, it is somebody who has listened


class Refused(Exception):
    """The API did not make the endpoint; the text says why."""


def is_genuine(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether a message was signed with the endpoint's secret a moment ago: what each receiver has to check."""
    timestamp, signature = headers.get("X-Callroom-Timestamp", ""), headers.get("X-Callroom-Signature", "")
    expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()
    is_signed = hmac.compare_digest(expected.encode(), signature.encode())
    return is_signed and abs(time.time() * 1000 - int(timestamp)) < FRESH_MS


def receiver(secret: str) -> web.Application:
    """An application that takes messages at any path, and prints those that are genuine."""

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if not is_genuine(secret, request.headers, body):
            _say("refused: the signature is not that of this endpoint's secret, or is an old one")
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        _say(f"{request.headers['X-Callroom-Event']}\n{json.dumps(json.loads(body), indent=2, ensure_ascii=False)}")
        return web.Response(status=HTTPStatus.NO_CONTENT)

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    return app


async def receive(api: str, key: str, *, port: int = PORT) -> None:
    """Make an endpoint, print what it is sent, and remove it when this is canceled.

    Raises:
        Refused: the API does not make one.
    """
    headers = {"Authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        wanted = {"url": f"http://{HOST}:{port}/", "events": list(WebhookEvent)}
        async with session.post(f"{api}/v1/webhooks", json=wanted) as answer:
            made = await answer.json()
        if answer.status != HTTPStatus.CREATED:
            raise Refused(_why(made))
        path = f"{api}/v1/webhooks/{made['id']}"
        runner = web.AppRunner(receiver(made["secret"]), access_log=None)
        try:
            await runner.setup()
            await web.TCPSite(runner, HOST, port).start()
            _say(f"listening at {wanted['url']} for endpoint {made['id']}; Ctrl-C stops and removes it")
            async with session.post(f"{path}/test", json={}):
                pass
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
            async with session.delete(path):
                pass


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until Ctrl-C; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m api.receiver", description=(__doc__ or "").strip())
    parser.add_argument("--port", type=int, default=PORT)
    asked = parser.parse_args(arguments)
    api, key = os.environ.get("CALLROOM_URL"), os.environ.get("CALLROOM_API_KEY")
    if not api or not key:
        _complain("CALLROOM_URL and CALLROOM_API_KEY are needed, as in `set -a; . .callroom/env; set +a`")
        return 1
    if not api.startswith(("http://", "https://")):
        _complain(f"CALLROOM_URL has to begin with http:// or https://, and is {api}")
        return 1
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGINT))
    try:
        asyncio.run(receive(api.rstrip("/"), key, port=asked.port))
    except (Refused, aiohttp.ClientError, OSError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


def _why(refusal: Mapping[str, Any]) -> str:
    # What is wrong with our own address can only be that it is a private one.
    is_private = any(detail["path"] == "url" for detail in refusal.get("details", ()))
    advice = "; with CALLROOM_WEBHOOK_PRIVATE_ADDRESSES=true, api and pipeline may" if is_private else ""
    return f"{refusal['error']}{advice}"


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)  # noqa: T201 - this is what it is for


def _complain(text: str) -> None:
    print(f"python -m api.receiver: {text}", file=sys.stderr)  # noqa: T201 - the answer


if __name__ == "__main__":
    sys.exit(main())
