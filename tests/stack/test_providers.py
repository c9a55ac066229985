"""What is said at the start of the stack of providers that do not work; they are stand-ins on ports of their own."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest

from calls.providers import health
from calls.settings import NamedProvider
from stack.providers import failing_providers
from stack.settings import StackSettings
from tests.conftest import PATIENCE_S
from tests.servers import free_port

Serve = Callable[[int], int]

UNTIL_IT_DOES = ": calls will fail until it does."


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is none of the providers' faults."""
    monkeypatch.setattr(health, "WITHIN_S", PATIENCE_S)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers every GET with that status, and gives its port."""
    with ExitStack() as running:

        def start(status: int) -> int:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(status)
                    self.end_headers()

                def log_message(self, *_: object) -> None: ...

            server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            running.callback(server.shutdown)
            Thread(target=server.serve_forever, args=(0.05,)).start()
            return server.server_port

        yield start


def failing(**values: Any) -> list[str]:
    return failing_providers(StackSettings(_env_file=None, **values))


def test_nothing_is_said_of_providers_that_answer(serve: Serve) -> None:
    assert failing(local_port=serve(404)) == []  # local speech has no such list
    assert failing(local_port=serve(404), llm_url=f"http://127.0.0.1:{serve(200)}/v1") == []


def test_each_that_does_not_work_is_named_with_its_address_and_what_to_do(serve: Serve) -> None:
    closed, refusing = free_port(), serve(401)
    ears = NamedProvider(url=f"http://user:secret@127.0.0.1:{closed}/v1", api_key="a key", protocol="deepgram")
    assert failing(
        providers={"ears": ears}, stt_provider="ears", llm_url=f"http://127.0.0.1:{refusing}/v1", local_port=serve(404)
    ) == [
        f"Speech recognition (ears) does not answer at http://127.0.0.1:{closed}{UNTIL_IT_DOES}",
        f"The language model (local) does not accept the key at http://127.0.0.1:{refusing}{UNTIL_IT_DOES}",
    ]


def test_a_key_that_is_not_set_and_a_plugin_that_is_not_installed_are_named_by_their_settings(serve: Serve) -> None:
    without_key, missing = failing(llm_provider="openai", tts_provider="elevenlabz", local_port=serve(404))
    assert without_key.startswith("The language model (openai) has no key: calls will fail until OPENAI_API_KEY is set")
    assert missing.startswith("The voice (elevenlabz) is not installed: calls will fail until it is")
    assert "CALLROOM_TTS_PROVIDER" in missing


def test_a_name_that_takes_long_to_be_looked_up_is_not_waited_for(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS that hangs: Python's own look-up cannot be broken off."""
    look_up, is_over, found = socket.getaddrinfo, Event(), Event()

    def hang(host: str, *args: Any, **more: Any) -> object:
        if host == "models.example":
            is_over.wait(PATIENCE_S)
            found.set()
        return look_up(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(health, "WITHIN_S", 1)
    said = failing(local_port=serve(404), llm_url="http://models.example/v1")
    assert not found.is_set()
    is_over.set()
    assert f"The language model (local) does not answer at http://models.example{UNTIL_IT_DOES}" in said
