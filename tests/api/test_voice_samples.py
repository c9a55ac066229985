"""A voice to hear before an agent has it: its sound, and what is said when there is none."""

import io
import wave
from collections.abc import AsyncIterator

import pytest

from api import speech
from api.rate_limit import VOICE_SAMPLES
from calls.settings import NamedProvider
from tests.api.conftest import Api, run_api
from tests.conftest import MakeSettings
from tests.providers import Providers

PATH = "/v1/agents/voice-sample"
TEXT = "Good evening, how can I help?"


@pytest.fixture
async def providers() -> AsyncIterator[Providers]:
    async with Providers() as running:
        yield running


@pytest.fixture
async def api(settings: MakeSettings, providers: Providers) -> AsyncIterator[Api]:
    deepgram = NamedProvider(url=providers.url, api_key="secret-of-deepgram", protocol="deepgram")
    away = NamedProvider(url="http://127.0.0.1:9/v1")
    named = {"streaming": deepgram, "away": away}
    async for running in run_api(settings(tts_url=providers.url, tts_api_key="secret-of-ours", providers=named)):
        yield running


async def sound(api: Api, **body: object) -> wave.Wave_read:
    headers = {"Authorization": f"Bearer {api.key}"}
    async with api.session.post(api.url + PATH, json={"text": TEXT, **body}, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/wav"), await answer.text()
        return wave.open(io.BytesIO(await answer.read()), "rb")


@pytest.mark.parametrize("chosen", [{"voice": "ash", "options": {"speed": 1.2}}, {"provider": "streaming"}])
async def test_a_voice_says_the_text_as_calls_would_have_it(api: Api, providers: Providers, chosen: dict[str, object]):
    heard = await sound(api, **chosen)
    assert (heard.getframerate(), heard.getnchannels(), heard.getsampwidth()) == (24_000, 1, 2)
    assert heard.getnframes() / heard.getframerate() == pytest.approx(len(TEXT) / 15, abs=0.05)
    assert providers.spoken == [TEXT]
    assert providers.voices == ["gpt-4o-mini-tts" if "voice" in chosen else "aura-2-andromeda-en"]


@pytest.mark.parametrize("provider", ["local", "streaming"])
async def test_a_provider_that_fails_is_said_to_and_its_words_and_key_are_not(
    api: Api, providers: Providers, provider: str, monkeypatch: pytest.MonkeyPatch
):
    body = {"provider": provider, "text": TEXT}
    for status, said in [(500, "answers with status 500"), (429, "status 429"), (401, "does not accept the key")]:
        providers.fail("tts", status, times=1)
        failed = await api.post(PATH, body)
        assert (failed.status, failed.body["code"]) == (503, "provider_failed")
        assert said in failed.body["error"]
        assert provider in failed.body["error"]
        assert "secret" not in failed.body["error"]
    providers.fail("tts", 400, times=1)
    refused = await api.post(PATH, body)
    assert (refused.status, [one["path"] for one in refused.body["details"]]) == (400, ["voice"])
    monkeypatch.setattr(speech, "PIECE_S", 0.5)
    providers.hang("tts")
    assert "does not answer" in (await api.post(PATH, body)).body["error"]
    providers.recover()
    providers.cut_speech(0.5, hangs=True)
    assert "does not answer" in (await api.post(PATH, body)).body["error"]
    assert "does not answer" in (await api.post(PATH, body | {"provider": "away"})).body["error"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"text": " "}, "text"),
        ({"text": "x" * 301}, "text"),
        ({"text": TEXT, "provider": "nobody"}, "provider"),
        ({"text": TEXT, "provider": "openai"}, "provider"),  # which has no key
        ({"text": TEXT, "provider": "silero"}, "provider"),
        ({"text": TEXT, "options": {"wings": 2}}, "options.wings"),
        ({"text": TEXT, "tts_voice": "ash"}, "tts_voice"),
    ],
    ids=["blank", "long", "unknown", "keyless", "plugin", "option", "field"],
)
async def test_what_cannot_be_heard_is_refused_by_field(api: Api, body: dict[str, object], path: str):
    refused = await api.post(PATH, body)
    assert (refused.status, [one["path"] for one in refused.body["details"]]) == (400, [path])


async def test_a_tenant_hears_so_many_a_minute(api: Api, providers: Providers):
    answers = [await api.post(PATH, {"text": TEXT, "provider": "away"}) for _ in range(VOICE_SAMPLES)]
    assert {answer.status for answer in answers} == {503}  # each may have cost something
    assert (await api.post(PATH, {"text": ""})).status == 400
    refused = await api.post(PATH, {"text": TEXT})
    assert (refused.status, refused.body["code"], providers.spoken) == (429, "rate_limited", [])
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
