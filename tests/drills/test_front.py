"""How the front of the drills' providers misbehaves, seen by a client of theirs."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest

from drills.providers import faults
from drills.providers.faults import Fault, Json
from drills.providers.front import Front, front
from tests.providers import Providers

NOT_YET_S = 0.3  # what has not come by then is held back
WITHIN_S = 60
BROKEN = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
CHAT: Json = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hello?"}]}
SPEECH: Json = {"model": "m", "input": "We are open.", "voice": "v", "response_format": "pcm"}
WORDS = [{"word": one} for one in ("A", "table", "for", "four", "people,", "please.")]
FINAL: Json = {
    "type": "Results",
    "is_final": True,
    "speech_final": True,
    "from_finalize": False,
    "channel": {"alternatives": [{"transcript": "A table for four people, please.", "words": WORDS}]},
}


@pytest.fixture
async def real() -> AsyncIterator[Providers]:
    async with Providers() as running:
        running.answer_with(lambda _: "We are open.")
        yield running


@pytest.fixture
async def served(real: Providers) -> AsyncIterator[Front]:
    async with front(real.url, real.url) as running:
        yield running


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def answer(http: aiohttp.ClientSession, url: str, path: str = "chat/completions", **more: object) -> bytes:
    body = {**CHAT, **more} if path == "chat/completions" else SPEECH
    async with asyncio.timeout(WITHIN_S), http.post(f"{url}/v1/{path}", json=body) as response:
        response.raise_for_status()
        return await response.read()


async def listen(http: aiohttp.ClientSession, url: str) -> aiohttp.ClientWebSocketResponse:
    return await http.ws_connect(f"{url}/v1/listen?model=m&sample_rate=16000")


async def result(socket: aiohttp.ClientWebSocketResponse) -> Json:
    await socket.send_json({"type": "Finalize"})
    got: Json = await socket.receive_json(timeout=WITHIN_S)
    return got


async def test_what_does_not_misbehave_is_passed_on(
    real: Providers, served: Front, http: aiohttp.ClientSession
) -> None:
    served.misbehave("second", faults.refuses(503))
    served.misbehave("second-ears", faults.refuses(503))
    assert b"open" in await answer(http, f"{served.url}/first")
    assert await answer(http, f"{served.url}/first", "audio/speech") == await answer(
        http, real.url.removesuffix("/v1"), "audio/speech"
    )
    async with await listen(http, f"{served.url}/first-ears") as socket:
        assert (await result(socket))["type"] == "Results"


async def test_who_hangs_answers_nothing_until_all_is_well(served: Front, http: aiohttp.ClientSession) -> None:
    served.misbehave("first", faults.HANGS)
    served.misbehave("first-ears", faults.HANGS)
    for asking in (answer(http, f"{served.url}/first"), listen(http, f"{served.url}/first-ears")):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asking, NOT_YET_S)
    served.behave()
    assert b"open" in await answer(http, f"{served.url}/first")


@pytest.mark.parametrize("status", [401, 503])
async def test_who_refuses_does_so_with_its_status(served: Front, http: aiohttp.ClientSession, status: int) -> None:
    served.misbehave("first", faults.refuses(status))
    with pytest.raises(aiohttp.ClientResponseError, match=str(status)):
        await answer(http, f"{served.url}/first")
    served.misbehave("first-ears", faults.refuses(status))
    with pytest.raises(aiohttp.WSServerHandshakeError, match=str(status)):
        await listen(http, f"{served.url}/first-ears")


async def test_an_empty_answer_is_a_success(served: Front, http: aiohttp.ClientSession) -> None:
    served.misbehave("first", faults.IS_EMPTY)
    assert await answer(http, f"{served.url}/first", "audio/speech") == b""


@pytest.mark.parametrize(
    ("fault", "end"), [(faults.breaks_off(1000), BROKEN), (faults.stalls(1000), (TimeoutError,))], ids=["off", "still"]
)
async def test_what_comes_before_the_middle_comes(
    served: Front, http: aiohttp.ClientSession, fault: Fault, end: tuple[type[Exception], ...]
) -> None:
    served.misbehave("first", fault)
    async with http.post(f"{served.url}/first/v1/audio/speech", json=SPEECH) as response:
        assert len(await response.content.readexactly(1000)) == 1000
        with pytest.raises(end):
            await asyncio.wait_for(response.content.readexactly(1), NOT_YET_S if TimeoutError in end else WITHIN_S)


async def test_tools_are_refused_and_nothing_else(served: Front, http: aiohttp.ClientSession) -> None:
    served.misbehave("first", faults.TAKES_NO_TOOLS)
    with pytest.raises(aiohttp.ClientResponseError, match="400"):
        await answer(http, f"{served.url}/first", tools=[{"type": "function"}])
    assert b"open" in await answer(http, f"{served.url}/first")


async def test_a_model_says_what_it_is_to_say(served: Front, http: aiohttp.ClientSession) -> None:
    served.misbehave("first", faults.calls_tool("end_call", "Goodbye!"))
    said = await answer(http, f"{served.url}/first")
    assert b"Goodbye!" in said
    assert b'"end_call"' in said
    assert said.count(b'"finish_reason": null') == said.count(b'"finish_reason"')


@pytest.mark.parametrize("fault", [faults.IS_AWAY, faults.IS_CUT_ONCE], ids=["away", "cut"])
async def test_sockets_are_cut_and_new_ones_only_taken_by_who_is_there(
    served: Front, http: aiohttp.ClientSession, fault: Fault
) -> None:
    async with await listen(http, f"{served.url}/first-ears") as socket:
        await result(socket)
        served.misbehave("first-ears", fault)
        assert (await socket.receive(WITHIN_S)).type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
    if fault is faults.IS_AWAY:
        with pytest.raises(BROKEN):
            await listen(http, f"{served.url}/first-ears")
        served.behave()
    async with await listen(http, f"{served.url}/first-ears") as socket:
        assert (await result(socket))["type"] == "Results"


async def test_a_silent_socket_stays_silent_and_a_new_one_is_not(served: Front, http: aiohttp.ClientSession) -> None:
    async with await listen(http, f"{served.url}/first-ears") as socket:
        await result(socket)
        served.misbehave("first-ears", faults.IS_DUMB)
        served.behave()
        await socket.send_json({"type": "Finalize"})
        async with await listen(http, f"{served.url}/first-ears") as other:
            assert (await result(other))["type"] == "Results"
        with pytest.raises(TimeoutError):
            await socket.receive(NOT_YET_S)


def texts(results: list[Json]) -> list[tuple[str, bool, bool]]:
    return [(one["channel"]["alternatives"][0]["transcript"], one["is_final"], one["speech_final"]) for one in results]


def test_words_come_as_a_guess_and_the_final_result_has_none() -> None:
    interim = {**FINAL, "is_final": False, "speech_final": False}
    assert texts(faults.interim_only(FINAL)) == [("A table for four people, please.", False, False), ("", True, True)]
    assert faults.interim_only(interim) == [interim]


def test_a_final_result_comes_in_pieces_of_which_the_last_ends_the_speech() -> None:
    pieces = [("A table", True, False), ("for four", True, False), ("people, please.", True, True)]
    assert texts(faults.in_pieces(FINAL)) == pieces


def test_words_are_taken_out() -> None:
    assert texts(faults.wordless(FINAL)) == [("", True, True)]
