"""Imported once, before any call: what a worker needs, and what a job process would else do while a caller waits."""

import asyncio
import os
from http import HTTPStatus
from pathlib import Path

import aiosqlite
import anyio._backends._asyncio
import asyncpg
import httpx2 as httpx
import livekit.agents.ipc._preload
import livekit.agents.llm.async_toolset
import numpy.fft
import openai
import openai.lib.streaming.chat
import openai.resources.audio.audio
import openai.resources.audio.voices
import openai.resources.chat.chat
import openai.resources.chat.completions.messages
import openai.resources.models
import sqlalchemy.dialects.postgresql.asyncpg
import sqlalchemy.dialects.sqlite.aiosqlite
from livekit.agents import llm, tokenize
from livekit.agents.utils import http_context
from livekit.plugins.openai import LLM
from openai.pagination import AsyncPage
from openai.types import Model
from openai.types.chat import ChatCompletionChunk

import worker.server
from calls.settings import Settings
from worker import plugins, refusals

__all__ = ["aiosqlite", "anyio", "asyncpg", "livekit", "numpy", "openai", "sqlalchemy", "worker"]

plugins.preload()

# Built when they are first used, which would be while a caller waits for an answer.
ChatCompletionChunk.model_rebuild(force=True)
AsyncPage[Model].model_rebuild(force=True)
_history = llm.ChatContext.empty()
_history.add_message(role="system", content="")
tokenize.basic.hyphenate_word("hello")
tokenize.blingfire.SentenceTokenizer().tokenize("hello")

# LiveKit looks 20 times a second or more, with a thread of its own in each process, whether an event loop stands still,
# which costs an idle worker more than all else. `Strain` sees it where it matters: in a call.
os.environ.setdefault("LIVEKIT_AGENTS_LOOP_BLOCK_WARN_MS", "0")

# A thread for each core to hand over what is done in microseconds: to wake the others costs more than they take off it.
os.environ.setdefault("TOKIO_WORKER_THREADS", "1")

# For each room that it joins, LiveKit's library asks `lsb_release` about this machine, which on Debian takes a dozen
# processes, and a tenth of the processor time of joining. Where that says nothing, it reads /etc/os-release.
os.environ["PATH"] = os.pathsep.join([str(Path(__file__).parent / "bin"), os.environ.get("PATH", os.defpath)])

# What the server sets for its job processes comes too late for those that are forked from what is here.
http_context._set_default_cert_env()  # noqa: SLF001 - it has no public name

# Whom connections trust is read once, not by each process for itself.
http_context._create_ssl_context()  # noqa: SLF001 - the same
refusals.trusted()


async def _ask() -> None:
    """Ask a model that says nothing: what requests consist of is found out at the first one, and kept."""
    http = openai.DefaultAsyncHttpxClient(transport=httpx.MockTransport(_say_nothing))
    client = openai.AsyncClient(api_key="none", base_url="http://localhost", max_retries=0, http_client=http)
    model = LLM(client=client, model="none")
    async with model.chat(chat_ctx=_history) as answer:
        async for _ in answer:
            pass
    await model.aclose()


def _say_nothing(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(HTTPStatus.OK, headers={"content-type": "text/event-stream"}, content=b"data: [DONE]\n\n")


# A call's process has a page of memory of its own for each that it writes to, and to find out such things writes to
# thousands: pydantic looks through all modules for the signature of a `list`, and `Settings` at all abstract classes.
llm.ImageContent(image="")
llm.AgentConfigUpdate()
Settings()
asyncio.run(_ask())
