"""When the voices of a real call fail: who goes on, and what the caller hears of it."""

import asyncio
import stat
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from calls.settings import Settings
from tests.conftest import Until
from tests.providers import Providers, Utterance
from tests.worker.caller import LOUD
from tests.worker.conftest import Stage, Together
from tests.worker.voices.box import ANSWER, FAILED, MOMENT, SORRY
from worker.speaker.sound.recorded import LANGUAGES, recordings

pytestmark = pytest.mark.restless

SHORT = "Yes, at eight. Another is free at nine."  # and cut off in its middle all the same
TWO_VOICES = [{"model": "first"}, {"model": "second"}]
WAYS: dict[str, Callable[[Providers, str], None]] = {
    "refuses": lambda providers, voice: providers.fail("tts", 503, model=voice),
    "hangs": lambda providers, voice: providers.hang("tts", model=voice),
    "makes no sound": lambda providers, voice: providers.cut_speech(0.0, voice),
    "stops in its middle": lambda providers, voice: providers.cut_speech(0.6, voice),
    "breaks off": lambda providers, voice: providers.cut_speech(0.6, voice, hangs=False),
}
QUESTION_S = 1.2  # of who is known to be heard: on a busy machine that begins some time after the call
HOLE_S = 1.5  # between two questions there is an answer, which takes longer


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "words"])
async def test_the_second_voice_takes_over_within_the_turn_and_the_first_is_not_asked_again_at_once(
    stage: Stage, providers: Providers, until: Until, *, whole: bool
) -> None:
    """However the first one fails: a call for each way, all at the same time."""
    heard: Counter[int] = Counter()

    def listen(utterance: Utterance) -> str:
        heard[utterance.stream] += 1
        return "Do you have a table?" if heard[utterance.stream] == 1 else "For four."

    providers.hole_s = HOLE_S
    providers.hear_with(listen)
    providers.answer_with(lambda chat: "Until when?" if "For four." in chat.user_lines else SHORT)
    await asyncio.gather(*(another_voice_takes_over(stage, providers, until, way, whole=whole) for way in WAYS))


async def another_voice_takes_over(stage: Stage, providers: Providers, until: Until, way: str, *, whole: bool) -> None:
    WAYS[way](providers, way)
    first = {"model": way} if whole else {"provider": stage.words, "voice": way}
    call = await stage.call(system_prompt=way, tts=[first, {"model": "second"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SHORT))
        asked = providers.voices.count(way)
        await caller.say(QUESTION_S)
        await until(lambda: call.has_said("agent", "Until when?"))
        assert providers.voices.count(way) == asked
        [*_, last] = (chat for chat in providers.chats if chat.system.startswith(way))
        assert SHORT in str(last.messages)
    await until(call.ended)
    own = [text for text in (await call.said("agent")).split(MOMENT) if text.strip()]
    assert " ".join("".join(own).split()) == f"{SHORT} Until when?"
    told = [
        (event.kind, event.data["provider"], event.data.get("model" if whole else "voice"))
        for event in await call.events()
        if event.kind == "provider.failed"
    ]
    assert told == [("provider.failed", "tts", way)]
    [switched] = [event.data for event in await call.events() if event.kind == "provider.switched"]
    assert (switched["provider"], switched["model"]) == ("tts", "second")


async def a_voice_that_takes_words_as_they_come_speaks_and_is_shown_as_it_is_heard(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?", "Wait, stop.")
    providers.answer(f"{ANSWER} {ANSWER}", "Yes?")
    call = await stage.call(tts=[{"provider": stage.words, "voice": "first"}], first_message="Hello, this is Ada.")
    async with call.caller() as caller:
        await until(lambda: call.has_said("agent", "Hello, this is Ada."))
        await caller.say()
        heard_s = caller.seconds_heard()
        await until(lambda: caller.seconds_heard() > heard_s + 2)
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes?"))
        cut = [row.text for row in await call.transcript() if row.speaker == "agent"][1]
        assert f"{ANSWER} {ANSWER}".startswith(cut)
        assert 10 < len(cut) < 2 * len(ANSWER)
    await until(call.ended)


async def without_any_voice_the_agent_says_sorry_once_and_then_ends_the_call_politely(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear_with(lambda _utterance: "Do you have a table?")
    providers.answer("These words are lost.", "And so are these.")
    providers.fail("tts", 503)
    call = await stage.call(tts=TWO_VOICES)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        heard_s = caller.seconds_heard()
        assert heard_s > 1
        await caller.say()
        row = await until(call.ended)
        assert caller.seconds_heard() > heard_s + 2
    assert row.end_reason == "provider_failed"
    assert await call.said("agent") == f"{SORRY} {FAILED}"
    assert providers.spoken == []
    assert "are lost" not in str(providers.chats[-1].messages)
    failed = [event.data["model"] for event in await call.events() if event.kind == "provider.failed"]
    assert failed == ["first", "second"]


async def an_apology_can_be_interrupted_and_what_is_said_into_it_is_answered(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?", "I said, a table.")
    providers.answer("These words are lost.", "Yes, we have.")
    providers.fail("tts", 503)
    call = await stage.call()
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: caller.seconds_heard() > 0.5)
        providers.recover()
        await caller.say()
        await until(lambda: call.has_said("agent", "Yes, we have."))
    await until(call.ended)
    apology, answer = [row.text for row in await call.transcript() if row.speaker == "agent"]
    assert SORRY.startswith(apology)
    assert answer == "Yes, we have."
    assert "are lost" not in str(providers.chats[-1].messages)


async def test_in_quiet_moments_the_voice_says_the_agents_phrases_and_they_are_kept_for_nobody_else_to_read(
    stage: Stage, worker_settings: Settings, providers: Providers, until: Until
) -> None:
    folder = worker_settings.speech_dir
    before = set(folder.glob("*.ogg"))
    call = await stage.call(
        tts=[{"model": "unheard-of"}],
        first_message="Hello, this is Ada.",
        silence_reminder_s=200,
        silence_timeout_s=300,
    )
    async with call.caller() as caller:
        await until(lambda: call.has_said("agent", "Hello, this is Ada."))
        await until(lambda: len(set(folder.glob("*.ogg")) - before) == len(recordings()) / len(LANGUAGES) + 1)
        heard = len(caller.heard)
        providers.fail("tts", 503)
        providers.hear("Hello?")
        await caller.say()
        await until(lambda: call.has_said("agent", SORRY))
        # It is the voice that we know: a tone, and no recording of speech, is equally loud all the time.
        levels = [level for _, level in caller.heard[heard:] if level > LOUD]
        assert np.mean(np.isclose(levels, np.median(levels), rtol=0.1)) > 0.5
    await until(call.ended)
    assert providers.spoken[1] == MOMENT
    assert {stat.S_IMODE(file.stat().st_mode) for file in set(folder.glob("*.ogg")) - before} == {0o600}


@pytest.mark.timeout(180)
async def test_what_is_heard_of_a_voice_that_fails_or_is_interrupted(together: Together) -> None:
    """As many calls at a time as there are booths."""
    await together(
        without_any_voice_the_agent_says_sorry_once_and_then_ends_the_call_politely,
        a_voice_that_takes_words_as_they_come_speaks_and_is_shown_as_it_is_heard,
        an_apology_can_be_interrupted_and_what_is_said_into_it_is_answered,
    )
