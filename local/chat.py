"""OpenAI's `/v1/chat/completions` and `/v1/models`, before the llama.cpp server of this process."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import uuid4

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from pydantic import BaseModel, ConfigDict, Field

from local.bodies import body_of
from local.errors import Refused
from local.judging import is_valid, problem_of
from local.language import Language
from local.models import loaded
from local.prose import with_answers
from local.schemas import Schema, bounded, in_words
from local.spoken import LONGEST, SpokenReply
from local.tools import called_tool
from local.verdicts import NAME as VERDICT
from local.verdicts import agreeing

HTTP: web.AppKey[ClientSession] = web.AppKey("http")

_LONGEST_REPLY = 160  # tokens; what is spoken should be short, and the tiny model does not stop by itself
_LONGEST_SENTENCE = 60
_LONGEST_DOCUMENT = 1500
_ATTEMPTS = 3

Message = dict[str, Any]


class ChatMessage(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[dict[str, Any]] | None = None


class ResponseFormat(BaseModel):
    model_config = ConfigDict(extra="allow")

    type: Literal["text", "json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class ChatRequest(BaseModel):
    """What is checked and used here; everything else goes to llama.cpp as it came."""

    model_config = ConfigDict(extra="allow")

    messages: list[ChatMessage] = Field(min_length=1)
    model: str = "local"
    stream: bool = False
    stream_options: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] = "auto"
    response_format: ResponseFormat | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    n: Literal[1] | None = None

    @property
    def most_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def schema_wanted(self) -> Schema | None:
        """Raises `Refused` if a JSON schema was announced and none was given, or a wrong one."""
        if self.response_format is None or self.response_format.type != "json_schema":
            return None
        schema = (self.response_format.json_schema or {}).get("schema")
        name = "response_format.json_schema.schema"
        if not isinstance(schema, dict):
            raise Refused(f"{name}: expected a JSON schema.", param=name)
        if problem := problem_of(schema):
            raise Refused(f"{name}: {problem}.", param=name)
        return schema

    @property
    def is_verdict(self) -> bool:
        """Whether it is Callroom's judgement of an agent."""
        return ((self.response_format and self.response_format.json_schema) or {}).get("name") == VERDICT

    @property
    def is_conversation(self) -> bool:
        """Whether somebody listens to the answer: it is plain text, wanted at once, and of no length in particular."""
        plain = self.response_format is None or self.response_format.type == "text"
        return self.stream and plain and self.most_tokens is None

    def plain_messages(self) -> list[Message]:
        """Messages with roles and contents that the templates of small models know."""
        return [_plain(message) for message in self.messages]


async def http_session(app: web.Application) -> AsyncIterator[None]:
    # A connection per request: closing it is what cancels a generation that nobody waits for any more.
    async with ClientSession(timeout=ClientTimeout(300), connector=TCPConnector(force_close=True)) as session:
        app[HTTP] = session
        yield


async def list_models(request: web.Request) -> web.Response:
    name = (await loaded(request)).language.name
    return web.json_response({"object": "list", "data": [{"id": name, "object": "model", "owned_by": "local"}]})


async def chat(request: web.Request) -> web.StreamResponse:
    wanted = await body_of(request, ChatRequest)
    schema, models = wanted.schema_wanted, await loaded(request)
    llama = _Llama(request.app[HTTP], models.language)
    if schema is not None:
        document, usage = await llama.document(
            wanted.plain_messages(), schema, wanted.most_tokens, is_verdict=wanted.is_verdict
        )
        return await _whole(request, wanted, {"role": "assistant", "content": document}, "stop", usage)
    if wanted.tools and not models.language.has_tools:
        call = await called_tool(llama.fitting, wanted.plain_messages(), wanted.tools, wanted.tool_choice)
        if call is not None:
            return await _whole(request, wanted, _tool_message(*call), "tool_calls", None)
    body = _for_llama(wanted, models.language)
    if models.language.is_tiny and wanted.is_conversation:
        return await _speak(request, wanted, llama, body)
    return await _relay(request, llama, body)


class _Llama:
    """The questions that we ask of llama.cpp ourselves."""

    def __init__(self, http: ClientSession, language: Language) -> None:
        self.http, self.url, self._language = http, language.url + "/v1/chat/completions", language

    async def fitting(self, messages: list[Message], schema: Schema, most_tokens: int) -> dict[str, Any]:
        document, _ = await self.document(messages, schema, most_tokens, told=True)
        fields: dict[str, Any] = json.loads(document)
        return fields

    async def document(
        self,
        messages: list[Message],
        schema: Schema,
        most_tokens: int | None,
        *,
        told: bool = False,
        is_verdict: bool = False,
    ) -> tuple[str, dict[str, int] | None]:
        """JSON text that is valid for the schema, and the tokens used. Unless `told`, the fields are told in words."""
        known = bounded(schema)
        if not told:
            messages, asked = _with_fields(messages, known), messages
            if self._language.is_tiny:
                answered = await with_answers(self._answer, asked, schema)
                known = bounded(agreeing(answered) if is_verdict else answered)
        body = {
            "messages": messages,
            "max_tokens": most_tokens or _LONGEST_DOCUMENT,
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": known}},
        }
        for attempt in range(_ATTEMPTS):
            answer = await self._ask({**body, "temperature": 0.4 * attempt, "seed": attempt})
            text = answer["choices"][0]["message"]["content"]
            try:
                if await is_valid(text, schema):
                    return text, answer.get("usage")
            except TimeoutError as error:
                name = "response_format.json_schema.schema"
                raise Refused(f"{name}: expected one that can judge an answer in seconds.", param=name) from error
        message = f"The model gave no answer that fits the schema, {_ATTEMPTS} times (or max_tokens is too low)."
        raise Refused(message, status=500, code="schema_not_met")

    async def _answer(self, messages: list[Message]) -> str:
        body = {"messages": messages, "max_tokens": _LONGEST_SENTENCE, **self._language.decoding}
        answer = await self._ask(body)
        return str(answer["choices"][0]["message"]["content"])

    async def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        async with self.http.post(self.url, json=body) as answer:
            result: dict[str, Any] = await answer.json()
            if not answer.ok:
                raise _refusal(answer.status, result)
            return result


def _plain(message: ChatMessage) -> Message:
    content = message.content
    if isinstance(content, list):
        content = "\n".join(str(part.get("text", "")) for part in content)
    role = {"developer": "system", "tool": "user"}.get(message.role, message.role)
    if message.role == "tool":
        content = f"(Result of the tool: {content})"
    return {"role": role, "content": content or ""}


def _with_fields(messages: list[Message], schema: Schema) -> list[Message]:
    words = in_words(schema)
    if not words:
        return messages
    last = messages[-1]
    return [*messages[:-1], {**last, "content": f"{last['content']}\n\n{words}"}]


def _refusal(status: int, body: dict[str, Any]) -> Refused:
    error = body.get("error", {})
    code = "context_length_exceeded" if error.get("type") == "exceed_context_size_error" else None
    message = str(error.get("message", "the model's server failed"))
    return Refused(message, status=status, param="messages" if code else None, code=code)


def _tool_message(name: str, arguments: dict[str, Any]) -> Message:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"index": 0, "id": f"call_{uuid4().hex[:12]}", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _for_llama(wanted: ChatRequest, language: Language) -> dict[str, Any]:
    body = wanted.model_dump(exclude_none=True, exclude={"max_completion_tokens", "n"})
    body["max_tokens"] = wanted.most_tokens or (_LONGEST_REPLY if wanted.stream else _LONGEST_DOCUMENT)
    body = {**language.decoding, **body}
    if not language.has_tools:
        body["messages"] = wanted.plain_messages()
        for name in ("tools", "tool_choice", "parallel_tool_calls"):
            body.pop(name, None)
    return body


async def _whole(
    request: web.Request, wanted: ChatRequest, message: Message, reason: str, usage: dict[str, int] | None
) -> web.StreamResponse:
    """An answer that is complete before it is sent, in the way that the client asked for."""
    head = _head(wanted)
    used = usage or {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    if not wanted.stream:
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": used})
    response = await _stream(request)
    await response.write(_event(_chunk(head, message, None)))
    await _end(response, wanted, head, reason, used)
    return response


async def _speak(request: web.Request, wanted: ChatRequest, llama: _Llama, body: dict[str, Any]) -> web.StreamResponse:
    """A reply of the tiny model, sentence by sentence; a client that leaves ends the generation."""
    body = {**body, "max_tokens": LONGEST, "timings_per_token": True}
    async with llama.http.post(llama.url, json=body) as answer:
        if not answer.ok:
            raise _refusal(answer.status, await answer.json())
        reply, head = SpokenReply(answer.content), _head(wanted)
        sentences = reply.sentences()
        first = await anext(sentences)  # without one, the answer is an error, and must not have begun
        response = await _stream(request)
        try:
            await response.write(_event(_chunk(head, {"role": "assistant", "content": first}, None)))
            async for sentence in sentences:
                await response.write(_event(_chunk(head, {"content": sentence}, None)))
            await _end(response, wanted, head, "stop", reply.usage)
        except ConnectionError:
            pass  # the agent was interrupted
        return response


def _head(wanted: ChatRequest) -> dict[str, Any]:
    return {"id": f"chatcmpl-{uuid4().hex[:24]}", "created": int(time.time()), "model": wanted.model}


async def _stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


def _chunk(head: dict[str, Any], delta: Message, reason: str | None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {**head, "object": "chat.completion.chunk", "choices": [choice]}


async def _end(
    response: web.StreamResponse, wanted: ChatRequest, head: dict[str, Any], reason: str, used: dict[str, int]
) -> None:
    await response.write(_event(_chunk(head, {}, reason)))
    if (wanted.stream_options or {}).get("include_usage"):
        await response.write(_event({**head, "object": "chat.completion.chunk", "choices": [], "usage": used}))
    await response.write(b"data: [DONE]\n\n")


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


async def _relay(request: web.Request, llama: _Llama, body: dict[str, Any]) -> web.StreamResponse:
    """Passes on what llama.cpp says, as it says it; a client that leaves ends the generation."""
    async with llama.http.post(llama.url, json=body) as answer:
        if not answer.ok:
            raise _refusal(answer.status, await answer.json())
        response = web.StreamResponse(headers={"Content-Type": answer.headers["Content-Type"]})
        await response.prepare(request)
        try:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # the agent was interrupted
        return response
