"""A question about a call: asked again where the answer is wrong, asked on notes where the call is too long."""

import asyncio
import math
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2 as httpx
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

import prompts
from calls.providers.endpoints import own_model
from calls.settings import Settings
from pipeline.llm.condensing import SHORTEST, TOO_SMALL, Condenser
from pipeline.llm.conversation import Conversation, fenced
from pipeline.llm.endpoint import LONG, Endpoint
from pipeline.llm.errors import LlmFailed, TooLong, Unusable
from pipeline.llm.judging import judged
from pipeline.llm.reading import read_object
from pipeline.llm.refusals import Form

CORRECTIONS = 2
SHOWN = 4000  # characters of a wrong answer that is sent back


@dataclass(frozen=True)
class Answer:
    """What the model said, valid against the schema; `condensed` if it has read notes of the call."""

    value: dict[str, Any]
    condensed: bool = False


@dataclass(frozen=True)
class Question:
    """What to ask: `instructions` (the system's, so nothing that was said in the call) and the `form` of the answer."""

    instructions: str
    form: Form


@cache
def _trusted() -> ssl.SSLContext:
    """Whom a connection trusts: to read their certificates takes longer than all else that a client needs."""
    return httpx.create_ssl_context()


class Llm:
    """One model of one endpoint."""

    def __init__(self, client: AsyncOpenAI, model: str) -> None:
        self._endpoint = Endpoint(client, model)

    @classmethod
    @asynccontextmanager
    async def connect(cls, settings: Settings) -> AsyncIterator["Llm"]:
        """A client for the length of the block."""
        own = own_model(settings)
        key = own.key.get_secret_value() or "none"  # local servers ask for no key, the client does
        # The job queue repeats what fails; a client that does so as well only hides how long it takes.
        # Nor does it limit the time here: its limit is for each read, and a server may send a byte now and then.
        http = DefaultAsyncHttpxClient(verify=_trusted(), timeout=None)
        async with AsyncOpenAI(api_key=key, base_url=own.url, timeout=None, max_retries=0, http_client=http) as client:
            yield cls(client, own.model)

    async def ask(self, question: Question, conversation: Conversation) -> Answer:
        """Ask about a conversation; one that is longer than the model's context is condensed first.

        How long that is shows when a request fails: half of what was said is tried then.
        Raises LlmUnavailable or LlmFailed.
        """
        instructions = len(question.instructions.encode())
        room, lasting = self._endpoint.room, True
        if conversation.notebook.room < math.inf:  # whoever asked before was cut short: the same pieces are still right
            room, lasting = conversation.notebook.room, False
        if room - instructions < SHORTEST:  # what is known is less than what there is
            room = math.inf
        while True:
            try:
                answer = await self._ask_within(room, question, conversation)
            except TooLong as problem:
                spare = (min(room, problem.size) - instructions) // 2
                if spare < SHORTEST or (problem.reason is not None and problem.size < LONG):
                    raise problem.reason or LlmFailed(TOO_SMALL) from problem
                room = instructions + spare
                lasting = lasting and problem.lasting
            else:
                if lasting:
                    self._endpoint.fitted(room)
                return answer

    async def ask_of_text(self, question: Question, text: str) -> dict[str, Any]:
        """Ask about a text of ours, which is short. Raises LlmUnavailable or LlmFailed."""
        try:
            return await self._converse(question, text)
        except TooLong as problem:
            raise problem.reason or LlmFailed(TOO_SMALL) from problem

    async def _ask_within(self, room: float, question: Question, conversation: Conversation) -> Answer:
        content = fenced("transcript", conversation.transcript)
        instructions = len(question.instructions.encode())
        if instructions + len(content.encode()) <= room:
            return Answer(await self._converse(question, content))
        introduction = prompts.load("notes")
        fitting = math.floor(room) - instructions - len(fenced("notes", introduction).encode())
        if fitting < SHORTEST:
            raise LlmFailed(TOO_SMALL)
        notes = await Condenser(self._endpoint, conversation).notes(fitting, math.floor(room))
        return Answer(await self._converse(question, f"{introduction}\n\n{fenced('notes', notes)}"), condensed=True)

    async def _converse(self, question: Question, content: str) -> dict[str, Any]:
        correction = ""
        for _ in range(CORRECTIONS):
            text = await self._endpoint.complete(question.instructions, content + correction, question.form)
            try:
                return await _usable(text, question.form)
            except Unusable as problem:
                correction = "\n\n" + _correction(text, problem)
        text = await self._endpoint.complete(question.instructions, content + correction, question.form)
        try:
            return await _usable(text, question.form)
        except Unusable as problem:
            raise LlmFailed(f"{problem}.") from problem


async def _usable(text: str, form: Form) -> dict[str, Any]:
    value = await asyncio.to_thread(read_object, text)  # what a model says can take a while to read
    return await judged(value, form.schema)


def _correction(text: str, problem: Unusable) -> str:
    problems = "\n".join(f"- {one}" for one in problem.problems)
    values = {"answer": fenced("answer", text[:SHOWN]), "problems": fenced("problems", problems)}
    return prompts.render(prompts.load("repair"), values)[0]
