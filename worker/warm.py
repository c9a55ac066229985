"""Imported once, before any call: what a worker needs, and what a job process would else do while a caller waits."""

import os
from pathlib import Path

import aiosqlite
import anyio._backends._asyncio
import asyncpg
import livekit.agents.ipc._preload
import livekit.agents.llm.async_toolset
import numpy.fft
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
from openai.pagination import AsyncPage
from openai.types import Model
from openai.types.chat import ChatCompletionChunk

import worker.server
from worker import plugins, refusals

__all__ = ["aiosqlite", "anyio", "asyncpg", "livekit", "numpy", "openai", "sqlalchemy", "worker"]

plugins.preload()

# Built when they are first used, which would be while a caller waits for an answer.
ChatCompletionChunk.model_rebuild(force=True)
AsyncPage[Model].model_rebuild(force=True)
llm.ChatContext.empty().add_message(role="system", content="")
tokenize.basic.hyphenate_word("hello")

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
