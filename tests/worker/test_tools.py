"""Tools of the agent in a call: what the caller hears meanwhile, what the model is told, and what is kept of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from calls.tools.records import read_tool_calls
from tests.conftest import Until
from tests.providers import Chat, Providers, ToolCall
from tests.worker.conftest import WITHOUT_A_WORD, Stage, Together
from tests.worker.tools.mcp_server import McpServer

pytestmark = pytest.mark.restless

ORDER, STOCK, WAITING = "Where is my order?", "Are there lamps?", "Are you there?"
FILLER, SHIPPED, STILL, THREE = (
    "Let me look that up.",
    "It is on its way.",
    "I am, one moment.",
    "Three lamps are left.",
)
INSTEAD = "No, sorry, are there lamps?"
AGAIN, SORRY = "I look once more.", "Pardon?"
BRIEF: dict[str, Any] = {"phrases": {"sorry": SORRY, "moment": ""}}
STEPS = 4  # of a turn in which tools may be called
ANSWER, LEFT = '{"status": "shipped"}', "Three are left."


class Shop(McpServer):
    """A server with an HTTP tool and MCP tools, each of which answers when the test says so."""

    def __init__(self) -> None:
        super().__init__(hold=asyncio.Event())
        self.asked: list[dict[str, Any]] = []
        self.may_answer = asyncio.Event()

    async def order(self, request: web.Request) -> web.Response:
        self.asked.append({"query": dict(request.query), "key": request.headers["Idempotency-Key"]})
        await self.may_answer.wait()
        return web.Response(text=ANSWER, content_type="application/json")


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    made = Shop()
    app = made.app()
    app.router.add_get("/order", made.order)
    async with TestServer(app) as server:
        made.url = f"http://127.0.0.1:{server.port}"
        yield made


def model(chat: Chat) -> str | ToolCall:
    told = [str(message["content"]) for message in chat.messages if message["role"] == "tool"]
    if chat.last_user == ORDER:
        return SHIPPED if told else ToolCall("look_up_order", {"number": "KX4711"})
    if any(LEFT in one for one in told):
        return THREE
    return STILL if chat.last_user == WAITING else ToolCall("shop_stock", {"item": "lamp"})


async def a_slow_tool_is_called_once_and_whoever_speaks_into_it_is_answered_and_told_the_result(
    shop: Shop, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(ORDER, "Okay.", STOCK, WAITING)
    providers.answer_with(model)
    order = {"name": "look_up_order", "url": f"{shop.url}/order", "method": "GET", "meanwhile": FILLER}
    servers = [{"name": "shop", "url": f"{shop.url}/mcp"}]
    tools: dict[str, Any] = {"tools": [{**order, "timeout_s": 120}], "mcp_servers": servers}
    tools["mcp_servers"][0]["timeout_s"] = 120
    call = await stage.call(**tools, first_message="Hello.", silence_reminder_s=600, silence_timeout_s=900)
    async with call.caller() as caller:
        await until(lambda: call.has_said("agent", "Hello."))
        await caller.say()
        await until(lambda: shop.asked)
        await until(lambda: call.has_said_also("agent", FILLER))
        async with call.database.reading() as connection:
            [row] = await read_tool_calls(connection, call.id)
        assert (row.status, row.arguments, row.id) == ("running", {"number": "KX4711"}, shop.asked[0]["key"])
        await caller.say(0.9)  # a sign of listening, which asks for nothing
        await until(lambda: call.has_said_also("user", "Okay."))
        shop.may_answer.set()
        await until(lambda: call.has_said_also("agent", SHIPPED))

        await caller.say()
        await until(lambda: shop.calls)
        await caller.say()
        await until(lambda: call.has_said_also("agent", STILL))
        assert shop.hold is not None
        shop.hold.set()
        await until(lambda: call.has_said_also("agent", THREE))
    await until(call.ended)
    async with call.database.reading() as connection:
        kept = await read_tool_calls(connection, call.id)
    assert [(one.name, one.arguments, one.status, one.answer) for one in kept] == [
        ("look_up_order", {"number": "KX4711"}, "completed", ANSWER),
        ("shop_stock", {"item": "lamp"}, "completed", LEFT),
    ]
    assert shop.asked == [{"query": {"number": "KX4711"}, "key": kept[0].id}]
    assert [one["arguments"] for one in shop.calls] == [{"item": "lamp"}]
    happened = [(one.kind, one.data["id"]) for one in await call.events() if one.kind.startswith("tool.")]
    assert happened == [(kind, one.id) for one in kept for kind in ("tool.called", "tool.answered")]
    log = (call.settings.state_dir / "worker.log").read_text()
    assert "KX4711" not in log


def hasty(chat: Chat) -> str | ToolCall:
    last = chat.messages[-1]
    if last["role"] == "tool":
        return SHIPPED if ANSWER in str(last["content"]) else THREE
    return ToolCall("look_up_order") if chat.last_user == ORDER else ToolCall("shop_stock", {"item": "lamp"})


async def no_tool_is_called_while_somebody_speaks_nor_after_words_but_after_a_sign_of_listening(
    shop: Shop, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(ORDER, "Okay, I see.", ORDER, INSTEAD)
    providers.answer_with(hasty)
    assert shop.hold is not None
    shop.hold.set()
    shop.may_answer.set()
    order = {"name": "look_up_order", "url": f"{shop.url}/order", "method": "GET"}
    call = await stage.call(tools=[order], mcp_servers=[{"name": "shop", "url": f"{shop.url}/mcp"}], **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        for words, answer in (("Okay,", SHIPPED), ("No,", THREE)):
            providers.think()
            await caller.say()
            await until(caller.agent_thinks)
            speaking = asyncio.create_task(caller.say(3))
            await until(lambda words=words: call.has_begun_to_say("user", words))
            providers.speak_out()
            await speaking
            await until(lambda answer=answer: call.has_said_also("agent", answer))
    await until(call.ended)
    assert [len(shop.asked), len(shop.calls)] == [1, 1]
    asked = [chat.last_user for chat in providers.chats if chat.messages[-1]["role"] == "user"]
    assert asked == [ORDER, ORDER, INSTEAD]


def insatiable(chat: Chat) -> ToolCall | list[Any]:
    may_call, again = chat.body.get("tool_choice") != "none", ToolCall("look_up_order")
    return again if may_call or chat.last_user == ORDER else [AGAIN, again]


async def whoever_asks_a_model_that_only_calls_tools_is_not_left_in_silence(
    shop: Shop, stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear(ORDER, STOCK)
    providers.answer_with(insatiable)
    shop.may_answer.set()
    order = {"name": "look_up_order", "url": f"{shop.url}/order", "method": "GET"}
    call = await stage.call(tools=[order], **BRIEF, silence_reminder_s=600, silence_timeout_s=900)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        assert await call.said("agent") == SORRY
        assert await call.has_happened("answer.empty")
        assert len(shop.asked) == STEPS
        await until(caller.agent_listens)
        await caller.say()
        await until(lambda: call.has_said("agent", f"{SORRY} {AGAIN} {SORRY}"))
        assert len(shop.asked) == 2 * STEPS
    await until(call.ended)


async def test_tools_in_a_call(together: Together) -> None:
    """Three calls, two at a time."""
    async with open_shop() as slow, open_shop() as quick, open_shop() as busy:
        await together(
            partial(a_slow_tool_is_called_once_and_whoever_speaks_into_it_is_answered_and_told_the_result, slow),
            partial(no_tool_is_called_while_somebody_speaks_nor_after_words_but_after_a_sign_of_listening, quick),
            partial(whoever_asks_a_model_that_only_calls_tools_is_not_left_in_silence, busy),
        )
