"""Which language model is found on this machine; Ollama and LM Studio are stand-ins on ports of their own."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError

from stack.running_model import RunningModel, running_model, which_speaks
from stack.settings import StackSettings
from stack.state import LiveKitKeys, process_environment
from tests.servers import free_port

Serve = Callable[[str], str]


def models(*names: str) -> str:
    return json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that answers a GET of `/v1/models` with the text, and gives its base URL."""
    with ExitStack() as running:

        def start(answer: str) -> str:
            class Handler(BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    self.send_response(200 if self.path == "/v1/models" else 404)
                    self.end_headers()
                    self.wfile.write(answer.encode())

                def log_message(self, *_: object) -> None: ...

            server = running.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Handler))
            running.callback(server.shutdown)
            Thread(target=server.serve_forever, args=(0.05,)).start()
            return f"http://127.0.0.1:{server.server_port}/v1"

        yield start


def settings(ollama: str | None = None, lm_studio: str | None = None, **values: Any) -> StackSettings:
    """With servers at these addresses, and nobody where none is given."""
    urls = {"ollama_url": ollama, "lm_studio_url": lm_studio}
    given: dict[str, Any] = {name: url or f"http://127.0.0.1:{free_port()}/v1" for name, url in urls.items()}
    return StackSettings(_env_file=None, **given, **values)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({}, "the tiny one that comes along"),
        ({"llm_url": "http://192.0.2.5/v1", "llm_model": "llama3.1"}, "llama3.1 of local at http://192.0.2.5/v1."),
        ({"openai_api_key": "sk-nobodys"}, "gpt-4.1-mini of openai at https://api.openai.com/v1."),
        ({"llm_provider": "mistralai", "llm_model": "small"}, "small of LiveKit's plugin mistralai."),
        ({"local_llm": Path("own.gguf")}, "the file own.gguf, on this machine."),
    ],
)
def test_which_model_speaks_is_said_wherever_it_comes_from(chosen: dict[str, Any], said: str) -> None:
    assert f"Language model: {said}" in which_speaks(settings(**chosen), None)
    found = RunningModel("Ollama", "http://127.0.0.1:11434/v1", "llama3.2:3b")
    assert "llama3.2:3b of Ollama" in which_speaks(settings(), found)


def test_a_running_server_is_found_and_ollama_comes_first(serve: Serve) -> None:
    ollama, lm_studio = serve(models("llama3.2:3b")), serve(models("gemma-3-4b-it"))
    assert running_model(settings(ollama, lm_studio)) == RunningModel("Ollama", ollama, "llama3.2:3b")
    assert running_model(settings(None, lm_studio)) == RunningModel("LM Studio", lm_studio, "gemma-3-4b-it")
    assert running_model(settings()) is None


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["nomic-embed-text:latest", "llama3.2:3b", "mistral:7b"], "llama3.2:3b"),
        (["text-embedding-bge-m3", "qwen2.5-7b-instruct"], "qwen2.5-7b-instruct"),
        (["deepseek-r1:8b", "qwen3:8b", "gpt-oss:20b", "qwen2.5-coder:7b", "phi4:latest"], "phi4:latest"),
        (["deepseek-r1:8b", "bge-m3:latest"], "deepseek-r1:8b"),
        (["qwen3-4b-thinking-2507", "qwen3-4b-instruct-2507"], "qwen3-4b-instruct-2507"),
        (["gpt-oss:120b-cloud", "llama3:8b-text-q4_0", "gemma3:4b-it-qat"], "gemma3:4b-it-qat"),
        (["all-minilm:latest", "deepseek-v3.1:671b-cloud", "llama-guard3:8b", "llama-3.1-8b-base"], None),
    ],
)
def test_a_model_to_talk_with_is_chosen(serve: Serve, names: list[str], chosen: str | None) -> None:
    found = running_model(settings(serve(models(*names))))
    assert (found and found.name) == chosen


def test_a_model_that_is_wanted_is_taken_from_the_server_that_has_it(serve: Serve) -> None:
    ollama, lm_studio = serve(models("phi4:latest", "qwen3:8b")), serve(models("gemma-3-4b-it"))

    def found(wanted: str) -> RunningModel | None:
        return running_model(settings(ollama, lm_studio, llm_model=wanted))

    assert found("qwen3:8b") == RunningModel("Ollama", ollama, "qwen3:8b")
    assert found("phi4") == RunningModel("Ollama", ollama, "phi4:latest")
    assert found("gemma-3-4b-it") == RunningModel("LM Studio", lm_studio, "gemma-3-4b-it")
    assert found("llama3.1") is None


@pytest.mark.parametrize(
    "answer", ["<html><body>It works!</body></html>", models(), "[]", "null", '{"data": null}', '{"data": ["x"]}', ""]
)
def test_what_is_no_such_server_is_passed_over(serve: Serve, answer: str) -> None:
    lm_studio = serve(models("gemma-3-4b-it"))
    assert running_model(settings(serve(answer), lm_studio)) == RunningModel("LM Studio", lm_studio, "gemma-3-4b-it")


def test_a_server_that_never_answers_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        assert running_model(settings(url, url)) is None


def test_whoever_has_chosen_a_model_gets_that_one(serve: Serve) -> None:
    ollama = serve(models("llama3.2:3b"))
    assert running_model(settings(ollama, llm_url="http://127.0.0.1:9/v1")) is None
    assert running_model(settings(ollama, openai_api_key="a key")) is None
    assert running_model(settings(ollama, local_llm="model.gguf")) is None


def test_every_program_is_told_of_it() -> None:
    found = settings().model_copy(update={"llm_url": "http://127.0.0.1:11434/v1", "llm_model": "llama3.2:3b"})
    environment = process_environment(found, LiveKitKeys("key", "secret"))
    assert environment["CALLROOM_LLM_URL"] == "http://127.0.0.1:11434/v1"
    assert environment["CALLROOM_LLM_MODEL"] == "llama3.2:3b"


def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(ValidationError, match="ollama_url"):
        settings("127.0.0.1:11434")
