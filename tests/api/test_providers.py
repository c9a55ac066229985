"""Choosing who hears, thinks and speaks: what an agent may name, and what is refused when it is saved."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from api import provider_health
from calls.providers import health
from calls.settings import NamedProvider
from tests.api.conftest import Answer, Api, run_api
from tests.conftest import PATIENCE_S, MakeSettings, Until

PLUGIN = Path(__file__).parent.parent / "plugin"
NOVA = {"name": "general", "canonical_name": "nova-3-general", "architecture": "nova-3", "languages": ["en", "de"]}
THALIA = {"name": "thalia", "canonical_name": "aura-2-thalia-en", "architecture": "aura-2", "languages": ["en"]}


@dataclass
class Cloud:
    """A server that says what it has, and remembers who asked for what with which key."""

    answers: dict[str, Any]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append((request.path, request.headers.get("Authorization")))
        if request.path not in self.answers:
            return web.Response(status=404)
        return web.json_response(self.answers[request.path])


@asynccontextmanager
async def serving(cloud: Cloud) -> AsyncIterator[Cloud]:
    app = web.Application()
    app.router.add_get("/{path:.*}", cloud.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    cloud.url = f"http://{host}:{port}/v1"
    try:
        yield cloud
    finally:
        await runner.cleanup()


def wrong(answer: Answer) -> list[tuple[str, str]]:
    assert answer.status == 400, answer.body
    return [(one["path"], one["message"]) for one in answer.body["details"]]


async def test_both_ways_of_writing_a_choice_are_one(api: Api):
    created = (await api.post("/v1/agents", {"name": "A", "voice": "ash", "llm_model": "m"})).body
    assert created["tts"] == [{"provider": None, "model": None, "options": {}, "voice": "ash"}]
    assert created["llm"] == [{"provider": None, "model": "m", "options": {}}]
    assert (created["stt"], created["stt_model"], created["voice"]) == ([], None, "ash")
    path = f"/v1/agents/{created['id']}"
    changed = (await api.put(path, {"tts": [{"model": "t", "voice": "coral"}]})).body
    assert (changed["voice"], changed["tts_model"], changed["llm_model"]) == ("coral", "t", "m")
    changed = (await api.put(path, {"voice": None, "tts_model": None, "llm_model": "n"})).body
    assert (changed["tts"], changed["voice"], changed["llm"][0]["model"]) == ([], None, "n")
    again = await api.put(path, {name: value for name, value in changed.items() if name in {"llm", "llm_model", "tts"}})
    assert again.status == 200


async def test_two_ways_of_writing_that_disagree_are_refused(api: Api):
    both = {"name": "A", "tts": [{"voice": "ash"}], "voice": "coral"}
    [(path, message)] = wrong(await api.post("/v1/agents", both))
    assert path == "voice"
    assert "tts[0].voice" in message
    assert (await api.post("/v1/agents", both | {"voice": "ash"})).status == 201
    assert (await api.post("/v1/agents", both | {"voice": None})).body["voice"] == "ash"


async def test_of_each_kind_there_may_be_five_and_each_is_checked_by_its_place(api: Api):
    for kind in ("stt", "llm", "tts"):
        made = await api.post("/v1/agents", {"name": "A", kind: [{"model": None}] * 5})
        assert (made.status, len(made.body[kind])) == (201, 5)
        [(path, _)] = wrong(await api.post("/v1/agents", {"name": "A", kind: [{"model": None}] * 6}))
        assert path == kind
        [(path, _)] = wrong(await api.post("/v1/agents", {"name": "A", kind: [{}, {"provider": "nobody"}]}))
        assert path == f"{kind}[1].provider"


async def test_a_language_becomes_a_tag_or_is_refused(api: Api):
    for given, kept in [("en_US", "en-US"), ("EN-us", "en-US"), ("zh_hant_tw", "zh-Hant-TW"), ("DE", "de")]:
        assert (await api.post("/v1/agents", {"name": "A", "language": given})).body["language"] == kept
    for given in ("English", "en US", "", "e"):
        [(path, message)] = wrong(await api.post("/v1/agents", {"name": "A", "language": given}))
        assert path == "language"
        assert "BCP 47" in message


async def test_a_cloud_without_its_key_is_refused_and_the_setting_named(api: Api):
    answer = await api.post("/v1/agents", {"name": "A", "stt_provider": "deepgram", "llm": [{"provider": "openai"}]})
    assert [path for path, _ in wrong(answer)] == ["stt_provider", "llm[0].provider"]
    assert ["DEEPGRAM_API_KEY" in message for _, message in wrong(answer)] == [True, False]


async def test_each_provider_is_asked_with_its_own_key_and_what_it_does_not_know_is_refused(
    settings: MakeSettings, until: Until, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(health, "WITHIN_S", PATIENCE_S)
    for pause in ("EVERY_S", "SOONER_S"):
        monkeypatch.setattr(provider_health, pause, 10 * PATIENCE_S)
    deepgram = Cloud({"/v1/models": {"stt": [NOVA], "tts": [THALIA]}})
    groq = Cloud({"/v1/models": {"data": [{"id": "llama"}]}})
    mine = Cloud({"/v1/audio/voices": {"voices": ["af_bella"]}})
    async with serving(deepgram), serving(groq), serving(mine):
        chosen = settings(
            deepgram_api_key="deep",
            deepgram_url=deepgram.url,
            openai_api_key="open",
            tts_url=mine.url,
            tts_api_key="own",
            llm_provider="groq",
            providers={"groq": NamedProvider(url=groq.url, api_key="fast")},
            openai_base_url="http://127.0.0.1:9/v1",
        )
        async for api in run_api(chosen):
            await until(lambda: groq.asked)
            assert groq.asked == [("/v1/models", "Bearer fast")]  # whether somebody is there
            agent = {
                "name": "A",
                "language": "fr",
                "stt": [{"provider": "deepgram"}],
                "llm": [{"provider": "groq", "model": "gpt"}],
                "tts": [{"provider": "deepgram", "voice": "thalia"}],
            }
            told = dict(wrong(await api.post("/v1/agents", agent)))
            assert set(told) == {"language", "llm[0].model", "tts[0].voice"}
            assert "expected de, en" in told["language"]
            assert "expected llama" in told["llm[0].model"]
            assert "expected aura-2-thalia-en" in told["tts[0].voice"]
            right = {"language": "de-AT", "llm_model": "llama", "tts_provider": "deepgram", "voice": "aura-2-thalia-en"}
            assert (await api.post("/v1/agents", {"name": "A", "stt_model": "nova-3", **right})).status == 201
            [(path, _)] = wrong(await api.post("/v1/agents", {"name": "A", "voice": "ash"}))
            assert path == "voice"

            options = (await api.get("/v1/agents/llm-options")).body
            assert options["models"] == [{"id": "llama", "provider_id": "groq"}]
            assert {"id": "af_bella", "provider": "local", "name": "af_bella"} in options["voices"]
            assert {"id": "aura-2-thalia-en", "provider": "deepgram", "name": "aura-2-thalia-en"} in options["voices"]
    assert {key for _, key in deepgram.asked} == {"Token deep"}
    assert {key for _, key in groq.asked} == {"Bearer fast"}
    assert {key for _, key in mine.asked} == {"Bearer own"}
    assert [path for path, _ in groq.asked] == ["/v1/models"] * 2 + ["/v1/audio/voices"]  # what is there, which is kept


@pytest.fixture
def _parrot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PLUGIN)
    monkeypatch.setenv("PYTHONPATH", str(PLUGIN))


@pytest.mark.usefixtures("_parrot")
async def test_any_installed_plugin_can_be_named_and_its_options_are_checked(api: Api):
    bad = {"model": "ara-2", "language": "fr", "voice": "polly", "options": {"mood": "sad", "api_key": "k", "wings": 2}}
    language = bad.pop("language")
    told = dict(
        wrong(await api.post("/v1/agents", {"name": "A", "language": language, "tts": [{"provider": "parrot", **bad}]}))
    )
    assert set(told) == {"language", "tts[0].options.mood", "tts[0].options.api_key", "tts[0].options.wings"}
    assert "expected one of calm, loud" in told["tts[0].options.mood"]
    assert "expected language, model, mood, plumage, voice_id" in told["tts[0].options.wings"]
    good = {"provider": "parrot", "voice": "polly", "options": {"mood": "calm", "plumage": {"colour": "green"}}}
    assert (await api.post("/v1/agents", {"name": "A", "language": "de", "tts": [good]})).status == 201
    nested = {"provider": "parrot", "options": {"plumage": {"colour": 3}, "voice_id": "a"}, "voice": "b"}
    told = dict(wrong(await api.post("/v1/agents", {"name": "A", "tts": [nested]})))
    assert set(told) == {"tts[0].options.plumage.colour", "tts[0].options.voice_id"}
    [(path, message)] = wrong(await api.post("/v1/agents", {"name": "A", "llm_provider": "parrot"}))
    assert (path, "no language model" in message) == ("llm_provider", True)
    [(path, message)] = wrong(await api.post("/v1/agents", {"name": "A", "tts_provider": "cuckoo"}))
    assert path == "tts_provider"
    assert "expected deepgram, local, openai, or the name of an installed LiveKit plugin" in message
