"""The tools of one call's agents: as the language model sees them, and each of their calls from its row to its end."""

import asyncio
import hashlib
import hmac
import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import jsonschema_rs
import sqlalchemy as sa
from livekit.agents import RunContext, StopResponse, ToolError, function_tool, llm, utils
from livekit.agents.voice import SpeechHandle

from calls.agent_config import AgentConfig
from calls.analysis import json_schema
from calls.events import EventKind
from calls.settings import Settings
from calls.tools.config import MAX_NAME, MOST_TOOLS, OWN_TOOLS, McpServer
from calls.tools.records import Outcome, ToolCall, ToolCallStatus
from worker.room.clock import Clock
from worker.room.journal import Journal
from worker.speaker.words.language import Language
from worker.tools.failed import ToolFailed
from worker.tools.http import HttpFunction
from worker.tools.kept import kept
from worker.tools.mcp import McpClient, McpTool
from worker.tools.request import Secrets, Templates

logger = logging.getLogger(__name__)

Tool = llm.RawFunctionTool[..., Any]

FILLER_AFTER_S = 1.0
FILLER_AGAIN_S = 6.0
FILLERS = 4
WRITTEN_S = 1.0  # so long a tool waits until it is written that it is called; a database that is away stops no call
CONNECT_AGAIN_S = (2.0, 10.0)
LAST_ANSWERS_S = 3.0  # that are waited for when the call is over
MAX_DESCRIPTION = 4_000
MAX_SCHEMA = 20_000  # characters: what a server may put before the model with each tool
STILL_RUNNING = "It is still at work; its result comes by itself. Do not call it again, and do not guess the result."
OUR_FAULT = "something is wrong on our side"
UNKNOWN = "Nobody knows whether this was done: whoever had asked was lost before the answer came."
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")


class Function(Protocol):
    """What a tool does."""

    async def call(self, arguments: Mapping[str, Any], key: str) -> str:
        """Its answer. Raises ToolFailed."""
        ...


@dataclass
class Made:
    """A call of a tool as the agent knows it; times in seconds of the call, no end while it may still be answered."""

    id: str
    name: str
    arguments: dict[str, Any] | None
    started_at: float
    ended_at: float | None = None
    text: str = STILL_RUNNING
    failed: bool = False

    @classmethod
    def of(cls, row: sa.Row[Any]) -> "Made":
        """What an earlier agent of the call has asked."""
        started_at = row.started_at_ms / 1000
        made = cls(row.id, row.name, row.arguments, started_at)
        if row.status == ToolCallStatus.UNKNOWN:
            made.text, made.failed = UNKNOWN, True
        else:
            made.ended_at = started_at + (row.duration_ms or 0) / 1000
            made.failed = row.status == ToolCallStatus.FAILED
            made.text = (row.error if made.failed else row.answer) or "What it answered was not kept."
        return made


class Toolbox:
    """Outlives the speakers of its call: what is asked of a server is waited for, whoever may be speaking by then.

    Args:
        language: has a phrase for when a tool takes long and has none of its own.
        variables: of the call, for the templates.
        earlier: the rows of what earlier agents of the call have asked.
        on_found: called when there are more tools than before.
    """

    def __init__(
        self,
        agent: AgentConfig,
        language: Language,
        variables: Mapping[str, Any],
        secrets: Secrets,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        *,
        call_id: str,
        earlier: Sequence[sa.Row[Any]],
        on_found: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._language = language
        self._variables = variables
        self._secrets = secrets
        self._private = settings.tool_private_addresses
        self._id_key = hmac.digest(
            settings.livekit_api_secret.get_secret_value().encode(), b"callroom tool calls", hashlib.sha256
        )
        self._journal = journal
        self._clock = clock
        self._call_id = call_id
        self._on_found = on_found
        self._made = [Made.of(row) for row in earlier]
        self._running: set[asyncio.Task[Made]] = set()
        self._servers: list[McpClient] = []
        self._unknown: set[str] = set()
        self._let_go: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.filler: SpeechHandle | None = None  # what was said last so that nobody waits in silence
        self.tools: dict[str, Tool] = {}
        for tool in agent.tools:
            templates = self._templates(f"tools.{tool.name}", tool.url, tool.headers)
            function = HttpFunction(tool.method, templates, tool.timeout_s, private_addresses=self._private)
            judge = json_schema.validator(tool.parameters)
            described = {"description": tool.description, "parameters": tool.parameters}
            self._add(tool.name, described, function, tool.meanwhile, judge)

    @property
    def made(self) -> list[Made]:
        """Every call of a tool so far, also those of earlier agents."""
        return list(self._made)

    @property
    def is_at_work(self) -> bool:
        """Whether people wait for an answer of a server."""
        return bool(self._running)

    def let_go(self) -> None:
        """The speaker goes, and its session need not wait for what it has asked: that goes on without it."""
        self._let_go.set_result(None)
        self._let_go = asyncio.get_running_loop().create_future()

    async def open(self) -> None:
        """Ask the MCP servers what they can do; those that do not answer are asked again twice."""
        await asyncio.gather(*(self._open(server) for server in self._agent.mcp_servers))

    async def close(self) -> None:
        """Wait a moment for what is still asked; of the rest nobody will know what came of it."""
        if self._running:
            await asyncio.wait(self._running, timeout=LAST_ANSWERS_S)
        await utils.aio.cancel_and_wait(*self._running)
        await asyncio.gather(*(server.close() for server in self._servers), return_exceptions=True)

    async def _open(self, server: McpServer) -> None:
        templates = self._templates(f"mcp_servers.{server.name}", server.url, server.headers)
        client = McpClient(templates, server.timeout_s, private_addresses=self._private)
        for pause_s in (*CONNECT_AGAIN_S, None):
            try:
                found = await client.list_tools()
            except ToolFailed as failed:
                why = failed.what
            except Exception:  # a mistake of ours, or of a server's of a kind that nobody has thought of, ends no call
                logger.exception("an MCP server could not be asked")
                why = OUR_FAULT
            else:
                break
            self._note_failed_server(server.name, {"error": why})
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)
        self._servers.append(client)
        left_out = [tool.name[:MAX_NAME] for tool in found if not self._take(server, client, tool)]
        if left_out:
            self._note_failed_server(server.name, {"error": "some tools cannot be offered", "tools": left_out[:100]})
        self._on_found()

    def _take(self, server: McpServer, client: McpClient, tool: McpTool) -> bool:
        """Offer a server's tool to the model, unless its name or its size forbids it."""
        name = f"{server.name}_{_ILLEGAL.sub('_', tool.name)}"
        too_many = len(self.tools) >= MOST_TOOLS or len(json.dumps(tool.parameters)) > MAX_SCHEMA
        if not tool.name or len(name) > MAX_NAME or name in self.tools or name in OWN_TOOLS or too_many:
            return False
        described = {"description": tool.description[:MAX_DESCRIPTION], "parameters": tool.parameters}
        self._add(name, described, _OfServer(client, tool.name), server.meanwhile, None)
        return True

    def _templates(self, where: str, url: str, headers: Mapping[str, str]) -> Templates:
        return Templates(
            url,
            headers,
            self._variables,
            self._secrets,
            plain_http=self._private,
            on_unknown=lambda names: self._note_unknown(where, names),
        )

    def _add(
        self,
        name: str,
        described: dict[str, Any],
        function: Function,
        meanwhile: str | None,
        judge: jsonschema_rs.Validator | None,
    ) -> None:
        async def run(raw_arguments: dict[str, Any], context: RunContext[None]) -> str:
            filler = meanwhile or self._language.phrase("moment")
            return await self._run(name, function, judge, raw_arguments, context, filler)

        self.tools[name] = function_tool(run, raw_schema={"name": name, **described})

    async def _run(
        self,
        name: str,
        function: Function,
        judge: jsonschema_rs.Validator | None,
        arguments: dict[str, Any],
        context: RunContext[None],
        filler: str | None,
    ) -> str:
        """One call, for the model. Whoever speaks into it is answered at once, and told the result when it is there."""
        asking = asyncio.create_task(self._make(name, function, judge, arguments))
        self._running.add(asking)
        asking.add_done_callback(self._running.discard)
        let_go = self._let_go

        def fill(_step: int) -> SpeechHandle | None:
            if filler:
                self.filler = context.session.say(filler, add_to_chat_ctx=False)
            return self.filler if filler else None

        async with context.with_filler(fill, delay=FILLER_AFTER_S, interval=FILLER_AGAIN_S, max_steps=FILLERS):
            await context.speech_handle.wait_if_not_interrupted([_first(asking, let_go)])
        if not asking.done() and not let_go.done():
            await context.update(STILL_RUNNING, template="{message}")
            await _first(asking, let_go)
        if not asking.done():
            raise StopResponse
        made = asking.result()
        if made.failed:
            raise ToolError(made.text)
        return made.text

    async def _make(
        self,
        name: str,
        function: Function,
        judge: jsonschema_rs.Validator | None,
        arguments: dict[str, Any],
    ) -> Made:
        """Ask once: written down before, so that a kill in between is known."""
        made = Made(self._id(name, arguments), name, arguments, self._clock.now())
        self._made.append(made)
        row = ToolCall(made.id, name, kept(arguments, self._agent.features), max(round(made.started_at * 1000), 0))
        self._journal.put(lambda store: store.begin_tool_call(self._call_id, row))
        status, why = ToolCallStatus.UNKNOWN, "the call ended before it had answered"
        text = UNKNOWN
        try:
            await self._await_written()
            _judge(judge, arguments)
            text = await function.call(arguments, row.id)
            status, why = ToolCallStatus.COMPLETED, ""
        except ToolFailed as failed:
            status, why, text = ToolCallStatus.FAILED, failed.what, f"It failed: {failed}."
        except Exception:  # a mistake of ours ends no call
            logger.exception("a tool could not be called")
            status, why = ToolCallStatus.FAILED, OUR_FAULT
            text = f"It failed: {why}."
        finally:
            made.text, made.failed = text, status is not ToolCallStatus.COMPLETED
            made.ended_at = self._clock.now()
            outcome = self._outcome(made, status, why)
            self._journal.put(lambda store: store.end_tool_call(self._call_id, row, outcome, why or None))
        return made

    def _id(self, name: str, arguments: dict[str, Any]) -> str:
        """The id of the next call, the same for another agent that knows nothing of this one, and asks the same.

        Nobody without the key learns from it what was asked.
        """
        what = json.dumps([self._call_id, len(self._made), name, arguments], sort_keys=True)
        return str(uuid.UUID(bytes=hmac.digest(self._id_key, what.encode(), hashlib.sha256)[:16], version=4))

    async def _await_written(self) -> None:
        """Raises ToolFailed if the call has another agent by now, who may ask the same."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITTEN_S):
                await self._journal.settle()
        if self._journal.lost:
            raise ToolFailed("the call has another agent")

    def _outcome(self, made: Made, status: ToolCallStatus, why: str) -> Outcome:
        assert made.ended_at is not None
        duration_ms = max(round((made.ended_at - made.started_at) * 1000), 0)
        text = kept(made.text, self._agent.features)
        if status is ToolCallStatus.COMPLETED:
            return Outcome(status, duration_ms, answer=text)
        return Outcome(status, duration_ms, error=text or why)

    def _note_unknown(self, where: str, names: list[str]) -> None:
        if where in self._unknown:
            return
        self._unknown.add(where)
        data = {"field": where, "names": sorted(names)}
        self._note(EventKind.TEMPLATE_UNKNOWN_VARIABLES, f"{where} names unknown variables", data)

    def _note_failed_server(self, name: str, data: dict[str, Any]) -> None:
        self._note(EventKind.TOOL_SERVER_FAILED, "An MCP server is of no use", {"name": name, **data})

    def _note(self, kind: EventKind, message: str, data: dict[str, Any]) -> None:
        self._journal.put(
            lambda store: store.add_event(self._call_id, kind, "lifecycle", message, level="warning", data=data)
        )


class _OfServer:
    """One tool of an MCP server."""

    def __init__(self, client: McpClient, name: str) -> None:
        self._client = client
        self._name = name

    async def call(self, arguments: Mapping[str, Any], key: str) -> str:
        return await self._client.call(self._name, arguments, key)


def _judge(judge: jsonschema_rs.Validator | None, arguments: dict[str, Any]) -> None:
    """Raise ToolFailed unless the arguments are what the tool's schema asks for."""
    wrong = next(iter(judge.iter_errors(arguments)), None) if judge is not None else None
    if wrong is not None:
        where = "".join(f"[{part!r}]" for part in wrong.instance_path)
        raise ToolFailed("the arguments are not as expected", f"arguments{where}: {wrong.message[:300]}")


def _first(asking: asyncio.Task[Made], let_go: asyncio.Future[None]) -> asyncio.Future[Any]:
    """Done when one of them is."""
    both: set[asyncio.Future[Any]] = {asking, let_go}
    return asyncio.ensure_future(asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED))
