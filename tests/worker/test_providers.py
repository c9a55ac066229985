"""What the worker makes of an agent's choice: where it is reached, with which key, and what happens when it is none."""

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from livekit import rtc
from livekit.agents import APIConnectOptions, APIError, llm, stt

from calls.agent_config import AgentConfig
from calls.settings import NamedProvider, Settings
from tests.conftest import Until
from tests.providers import Providers as Scripted
from tests.worker.conftest import Stage
from worker.plugins import UnusableProvider
from worker.providers import Clients, Providers

SPEECH = Path(__file__).with_name("speech.wav")
PLUGIN = Path(__file__).parent.parent / "plugin"
ONCE = APIConnectOptions(max_retry=0, timeout=10)


@pytest.fixture
async def asked() -> AsyncIterator[dict[str, Any]]:
    """A server that refuses everything: its `url`, and the `keys` that came to each path."""
    known: dict[str, Any] = {"keys": {}}

    async def refuse(request: web.Request) -> web.Response:
        known["keys"][request.path] = request.headers.get("Authorization")
        return web.Response(status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    known["url"] = f"http://{host}:{port}"
    yield known
    await runner.cleanup()


def agent(**fields: Any) -> AgentConfig:
    return AgentConfig.stored(fields)


async def made(settings: Settings, http: aiohttp.ClientSession) -> Providers:
    return Providers(settings, await asyncio.to_thread(Clients.prepare), http)


async def ask(model: llm.LLM[Any]) -> None:
    chat = llm.ChatContext.empty()
    chat.add_message(role="user", content="Hello.")
    with pytest.raises(APIError):
        async with model.chat(chat_ctx=chat, conn_options=ONCE) as stream:
            await stream.collect()


async def test_a_key_goes_to_the_place_that_it_is_for(asked: dict[str, Any]) -> None:
    url = asked["url"]
    settings = Settings(
        _env_file=None,
        openai_api_key="open",
        openai_base_url=f"{url}/openai/v1",
        deepgram_api_key="deep",
        llm_url=f"{url}/own/v1",
        tts_url=f"{url}/voice/v1",
        tts_api_key="own voice",
        providers={"groq": NamedProvider(url=f"{url}/groq/v1", api_key="fast")},
    )
    async with aiohttp.ClientSession() as http:
        providers = await made(settings, http)
        for name in (None, "openai", "groq"):
            await ask(providers.models(agent(llm=[{"provider": name}]))[0])
        with pytest.raises(APIError):
            async with providers.voices(agent())[0].synthesize("Hello.", conn_options=ONCE) as stream:
                await stream.collect()
        await providers.clients.first.close()
    assert asked["keys"] == {
        "/own/v1/chat/completions": "Bearer none",
        "/openai/v1/chat/completions": "Bearer open",
        "/groq/v1/chat/completions": "Bearer fast",
        "/voice/v1/audio/speech": "Bearer own voice",
    }


async def test_each_utterance_is_heard_at_its_time_by_what_takes_only_recordings() -> None:
    with wave.open(str(SPEECH)) as file:
        rate, sound = file.getframerate(), file.readframes(file.getnframes())
    seconds = len(sound) / 2 / rate
    async with Scripted() as scripted, aiohttp.ClientSession() as http:
        scripted.hear("I need a table.", "For four.")
        place = NamedProvider(url=scripted.url)
        providers = await made(Settings(_env_file=None, providers={"whisper": place}), http)
        stream = providers.recognisers(agent(stt=[{"provider": "whisper"}]))[0].stream(conn_options=ONCE)
        for pcm in (bytes(rate * 2), sound, bytes(rate * 4), sound, bytes(rate * 4)):
            for at in range(0, len(pcm), rate // 50 * 2):
                piece = pcm[at : at + rate // 50 * 2]
                stream.push_frame(rtc.AudioFrame(piece, rate, 1, len(piece) // 2))
        stream.end_input()
        heard = [one.alternatives[0] async for one in stream if one.type is stt.SpeechEventType.FINAL_TRANSCRIPT]
        await stream.aclose()
        await providers.clients.first.close()
    assert [one.text for one in heard] == ["I need a table.", "For four."]
    assert (heard[0].start_time, heard[0].end_time) == pytest.approx((1, 1 + seconds), abs=0.7)
    assert (heard[1].start_time, heard[1].end_time) == pytest.approx((3 + seconds, 3 + 2 * seconds), abs=0.7)


async def test_a_plugin_gets_what_the_agent_says_and_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGIN)
    options = {"mood": "loud", "plumage": {"colour": "green"}}
    choice = {"provider": "parrot", "voice": "polly", "options": options}
    async with aiohttp.ClientSession() as http:
        providers = await made(Settings(_env_file=None), http)
        with pytest.raises(UnusableProvider, match="parrot"):  # it has no key yet
            providers.voices(agent(tts=[choice]))
        monkeypatch.setenv("PARROT_API_KEY", "k")
        parrot: list[Any] = [*providers.voices(agent(tts=[choice], language="de"))]
        [voice] = parrot
        assert voice.key == "k"
        assert (voice.said["voice_id"], voice.said["mood"], voice.said["language"]) == ("polly", "loud", "de")
        assert (voice.said["plumage"].colour, voice.said["plumage"].feathers) == ("green", 100)
        with pytest.raises(UnusableProvider, match="api_key"):
            providers.voices(agent(tts=[choice | {"options": {"api_key": "another"}}]))
        await providers.clients.first.close()


@pytest.mark.parametrize(
    ("choice", "known"),
    [
        ({}, True),
        ({"provider": "openai"}, True),
        ({"provider": "parrot"}, None),
        ({"options": {"punctuate": False}}, False),
        ({"options": {"punctuate": False, "smart_format": True}}, True),
    ],
)
async def test_whether_a_recogniser_sets_marks_is_known_of_those_in_our_protocols(choice: Any, known: Any) -> None:
    async with aiohttp.ClientSession() as http:
        providers = await made(Settings(_env_file=None), http)
        assert providers.sets_marks(agent(stt=[choice])) is known
        await providers.clients.first.close()


async def test_a_call_whose_provider_cannot_be_used_ends_at_once_and_names_it(stage: Stage, until: Until) -> None:
    call = await stage.call(tts=[{"provider": "nowhere"}])
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("failed", "provider_failed")
    [told] = [event.data for event in await call.events() if event.kind == "provider.failed"]
    assert (told["provider"], told["name"]) == ("tts", "nowhere")
