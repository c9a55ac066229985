"""When voices fail: who goes on, what is heard meanwhile, and what is shown of it."""

import asyncio
import math
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, tts
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT, TimedString

from calls.agent_config import AgentConfig
from calls.phrases import Phrases, written
from calls.settings import Settings
from tests.awake import awake
from tests.conftest import Until
from tests.providers import Providers, Utterance
from tests.worker.caller import LOUD, Caller
from tests.worker.conftest import Stage
from tests.worker.test_talk import BLOCK_S, loudness
from tests.worker.test_talk import LOUD as RECORDED_LOUD
from worker.ranking import Ranking
from worker.speaker.failures import LIMITS
from worker.speaker.language import Language
from worker.speaker.onset import Onset
from worker.speaker.prepared import Prepared
from worker.speaker.recorded import LANGUAGES, recordings
from worker.speaker.rehearsal import Rehearsal
from worker.speaker.sound import decoded, encoded
from worker.speaker.voice import SAMPLE_RATE
from worker.speaker.voices import Voices

MOMENT = "One moment, please."
SORRY = "I'm sorry, I didn't get that. Could you say it again?"
FAILED = "I'm sorry, something is wrong on our side. Please call again later. Goodbye."
ANSWER = "Yes, we have a table for you at eight. There is another one at nine o'clock."
TWO_VOICES = [{"model": "first"}, {"model": "second"}]

WAYS: dict[str, Callable[[Providers, str], None]] = {
    "refuses": lambda providers, voice: providers.fail("tts", 503, model=voice),
    "hangs": lambda providers, voice: providers.hang("tts", model=voice),
    "makes no sound": lambda providers, voice: providers.cut_speech(0.0, voice),
    "stops in its middle": lambda providers, voice: providers.cut_speech(0.6, voice),
    "breaks off": lambda providers, voice: providers.cut_speech(0.6, voice, hangs=False),
}
HOLE_S = 1.5  # between two questions there is an answer, which takes longer


def bursts(caller: Caller) -> list[tuple[float, float]]:
    """When the agent was heard: from, to; with a second of silence between two."""
    loud = [at for at, level in caller.heard if level > LOUD]
    starts = [after for before, after in pairwise([-math.inf, *loud]) if after - before > 1]
    ends = [before for before, after in pairwise([*loud, math.inf]) if after - before > 1]
    return list(zip(starts, ends, strict=True))


@pytest.mark.restless
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
    providers.answer_with(lambda chat: "Until when?" if "For four." in chat.user_lines else ANSWER)
    await asyncio.gather(*(another_voice_takes_over(stage, providers, until, way, whole=whole) for way in WAYS))


async def another_voice_takes_over(stage: Stage, providers: Providers, until: Until, way: str, *, whole: bool) -> None:
    WAYS[way](providers, way)
    first = {"model": way} if whole else {"provider": "words", "voice": way}
    call = await stage.call(system_prompt=way, tts=[first, {"model": "second"}])
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", ANSWER))
        asked = providers.voices.count(way)
        await caller.say()
        await until(lambda: call.has_said("agent", "Until when?"))
        assert providers.voices.count(way) == asked
        [*_, last] = (chat for chat in providers.chats if chat.system.startswith(way))
        assert ANSWER in str(last.messages)
    await until(call.ended)
    own = [text for text in (await call.said("agent")).split(MOMENT) if text.strip()]
    assert " ".join("".join(own).split()) == f"{ANSWER} Until when?"
    told = [
        (event.kind, event.data["provider"], event.data.get("model" if whole else "voice"))
        for event in await call.events()
        if event.kind == "provider.failed"
    ]
    assert told == [("provider.failed", "tts", way)]
    [switched] = [event.data for event in await call.events() if event.kind == "provider.switched"]
    assert (switched["provider"], switched["model"]) == ("tts", "second")


@pytest.mark.restless
async def test_a_voice_that_takes_words_as_they_come_speaks_and_is_shown_as_it_is_heard(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?", "Wait, stop.")
    providers.answer(f"{ANSWER} {ANSWER}", "Yes?")
    call = await stage.call(tts=[{"provider": "words", "voice": "first"}], first_message="Hello, this is Ada.")
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


@pytest.mark.restless
async def test_without_any_voice_the_agent_says_sorry_once_and_then_ends_the_call_politely(
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


@pytest.mark.restless
async def test_an_apology_can_be_interrupted_and_what_is_said_into_it_is_answered(
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


@pytest.mark.restless
async def test_a_voice_that_hangs_at_the_greeting_leaves_nobody_in_silence_and_is_asked_for_it_once_more(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Hello?")
    providers.hang("tts", times=2)
    call = await stage.call(first_message="Good day, this is Ada.")
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        async with awake() as ran_s:
            await until(caller.agent_is_heard)
            assert ran_s() < 6
        await until(lambda: call.has_said("agent", f"{MOMENT} Good day, this is Ada."))
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        told = str(providers.chats[-1].messages)
        assert MOMENT not in told
        assert "this is Ada" in told
    await until(call.ended)
    assert SORRY not in await call.said("agent")


@pytest.mark.restless
async def test_who_waits_for_a_slow_model_hears_that_it_takes_a_moment_and_then_a_tone(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table?")
    for model in ("first", "second", "third"):
        providers.hang("llm", model=model)
    models = [{"model": model} for model in ("first", "second", "third", "fourth")]
    call = await stage.call(llm=models, post_call={"recording": {"enabled": True}})
    async with call.caller() as caller, awake() as ran_s:
        await until(lambda: call.has_status("in_progress"))
        await caller.say()
        await until(lambda: call.has_said("agent", "I see."))
        await until(caller.agent_listens)
        assert len(bursts(caller)) > 2
        assert all(ran_s(before, after) < 5 for (_, before), (after, _) in pairwise(bursts(caller)))
    await until(call.ended)
    assert await call.said("agent") == f"{MOMENT} I see."
    [recording] = await until(call.pieces)
    [moment] = [row for row in await call.transcript() if row.text == MOMENT]
    begin, end = (round(at_ms / 1000 / BLOCK_S) for at_ms in (moment.started_at_ms, moment.ended_at_ms))
    assert (loudness(recording)[1][begin:end] > RECORDED_LOUD).mean() > 0.3


@pytest.mark.restless
async def test_in_a_language_without_words_a_tone_is_heard_and_no_english(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hang("tts")
    call = await stage.call(first_message="もしもし。", language="ja")
    async with call.caller() as caller:
        await until(lambda: call.has_happened("provider.failed"))
        await until(lambda: bursts(caller))
        assert caller.seconds_heard() < 1
        assert await call.said("agent") == ""
    await until(call.ended)


@pytest.mark.restless
@pytest.mark.parametrize("kind", ["llm", "tts"])
async def test_in_a_language_without_words_each_failure_is_heard_and_the_end_of_the_call_too(
    stage: Stage, providers: Providers, until: Until, kind: Literal["llm", "tts"]
) -> None:
    providers.hear_with(lambda _utterance: "もしもし")
    providers.fail(kind, 503)
    call = await stage.call(language="ja", silence_reminder_s=200, silence_timeout_s=300)
    async with call.caller() as caller:
        await until(lambda: call.has_status("in_progress"))
        for _ in range(LIMITS[kind] - 1):
            heard_s = caller.seconds_heard()
            await caller.say()
            await until(lambda: caller.seconds_heard() > heard_s + 0.2)  # noqa: B023
        heard_s = caller.seconds_heard()
        await caller.say()
        row = await until(call.ended)
        assert caller.seconds_heard() > heard_s + 0.2
    assert row.end_reason == "provider_failed"
    assert await call.said("agent") == ""


@pytest.mark.restless
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


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_of_our_phrases_is_recorded(language: str) -> None:
    for text in (written(language) or Phrases()).model_dump().values():
        seconds = len(decoded(recordings()[text].read_bytes())) / 2 / SAMPLE_RATE
        assert len(text) / 30 < seconds < len(text) / 8 + 1


class Box(tts.TTS[Any]):
    """A plugin's voice that needs no server: a tone of some rate; the text as it comes, or whole."""

    def __init__(
        self,
        rate: int,
        *,
        streaming: bool = False,
        timed: bool = False,
        breaks_after_s: float = math.inf,
        breaks_times: float = math.inf,
        says_so: bool = True,
        lingers: bool = False,
        loudness: float = 0.3,
        silence_s: float = 0.0,
    ) -> None:
        capabilities = tts.TTSCapabilities(streaming=streaming, aligned_transcript=timed)
        super().__init__(capabilities=capabilities, sample_rate=rate, num_channels=1)
        self.breaks_after_s = breaks_after_s
        self.breaks_times = breaks_times
        self.says_so = says_so
        self.lingers = lingers
        self.loudness = loudness
        self.silence_s = silence_s  # before the first word of a text
        self.texts: list[str] = []

    @property
    def breaks(self) -> bool:
        """Whether it does so in the text that it says, or has said last."""
        return len(self.texts) <= self.breaks_times

    def sound(self, text: str) -> bytes:
        self.texts.append(text)
        seconds = min(len(text) / 15, self.breaks_after_s if self.breaks else math.inf)
        wave = self.loudness * np.sin(2 * np.pi * 440 * np.arange(int(seconds * self.sample_rate)) / self.sample_rate)
        silence_s = 0.0 if self.capabilities.streaming and len(self.texts) > 1 else self.silence_s
        return bytes(2 * int(silence_s * self.sample_rate)) + (wave * 32767).astype("<i2").tobytes()

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = APIConnectOptions()) -> Any:  # noqa: B008
        return Whole(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = APIConnectOptions()) -> Any:  # noqa: B008
        return ByWord(tts=self, conn_options=conn_options)


async def _say(box: Any, emitter: tts.AudioEmitter, text: str) -> None:
    sound = box.sound(text)
    before_s = emitter.pushed_duration()
    emitter.push(sound)
    emitter.flush()
    while sound and emitter.pushed_duration() == before_s:  # noqa: ASYNC110 - LiveKit tells it in no other way
        await asyncio.sleep(0)  # it is on its way
    if box.breaks and box.says_so and len(text) / 15 > box.breaks_after_s:
        raise APIConnectionError("cut")


class Whole(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        rate = self._tts.sample_rate
        output_emitter.initialize(request_id="1", sample_rate=rate, num_channels=1, mime_type="audio/pcm")
        await _say(self._tts, output_emitter, self.input_text)


class ByWord(tts.SynthesizeStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        box: Any = self._tts
        rate = box.sample_rate
        output_emitter.initialize(request_id="1", sample_rate=rate, num_channels=1, mime_type="audio/pcm", stream=True)
        output_emitter.start_segment(segment_id="1")
        at_s = 0.0
        async for piece in self._input_ch:
            for word in re.findall(r"\S+\s*", piece) if isinstance(piece, str) else []:
                if box.capabilities.aligned_transcript:
                    output_emitter.push_timed_transcript(TimedString(word, start_time=at_s))
                await _say(box, output_emitter, word)
                at_s += len(word) / 15 + (box.silence_s if not at_s else 0.0)
        if box.lingers:
            await asyncio.Event().wait()


@pytest.fixture
def language() -> Language:
    """Of an agent that speaks English and has no words of its own."""
    return Language(AgentConfig(system_prompt="You are Ada."))


@pytest.fixture
def prepared(tmp_path: Path, language: Language) -> Prepared:
    """Nothing is kept yet."""
    return Prepared(language, tmp_path / "speech", "a voice")


def voices_of(boxes: Sequence[Box], prepared: Prepared, happened: list[tuple[str, Any]]) -> Voices:
    """These as one, and what they tell."""
    return Voices(
        Ranking(boxes, lambda place: happened.append(("switched", place))),
        prepared,
        0.5,
        on_failed=lambda place, _error: happened.append(("failed", place)),
        on_spoken=lambda: None,
        on_speechless=lambda spoken_into: happened.append(("speechless", spoken_into)),
    )


async def hear(voices: Voices, text: str) -> None:
    """Have it said, to its end."""
    async with voices.stream() as stream:
        stream.push_text(text)
        stream.end_input()
        async for _ in stream:
            pass


@pytest.fixture
def said(prepared: Prepared) -> Callable[..., Any]:
    """Has voices say a text, word by word; what came of it."""

    async def say(*boxes: Box, text: str = ANSWER) -> tuple[str, float, set[int], list[tuple[str, Any]]]:
        happened: list[tuple[str, Any]] = []
        shown, seconds, rates = "", 0.0, set()
        async with voices_of(boxes, prepared, happened).stream() as stream:
            for word in text.split(" "):
                stream.push_text(f"{word} ")
            stream.end_input()
            try:
                async for event in stream:
                    shown += "".join(event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, []))
                    seconds += event.frame.duration
                    rates.add(event.frame.sample_rate)
            except APIConnectionError:
                pass
        return shown.strip(), seconds, rates, happened

    return say


@pytest.mark.parametrize("second", ["whole", "words", "timed words"])
@pytest.mark.parametrize("first", ["whole", "words", "timed words"])
async def test_voices_of_any_kind_and_rate_follow_each_other_and_no_word_is_shown_twice(said, first, second) -> None:
    def box(rate: int, kind: str, **more: Any) -> Box:
        return Box(rate, streaming="words" in kind, timed="timed" in kind, **more)

    breaks = box(48_000, first, breaks_after_s=0.3)
    shown, seconds, rates, happened = await said(breaks, box(16_000, second))
    assert shown == ANSWER
    assert rates == {SAMPLE_RATE}
    assert abs(seconds - len(ANSWER) / 15) < 1
    assert happened == [("failed", 0), ("switched", 1)]


async def test_what_no_voice_could_say_is_not_shown(said) -> None:
    shown, seconds, _, happened = await said(Box(24_000, breaks_after_s=0.0), text=ANSWER)
    assert (shown, seconds) == ("", 0.0)
    assert happened == [("failed", 0), ("speechless", False)]


@pytest.mark.parametrize(("streaming", "breaks_after_s"), [(False, 1.0), (True, 0.3)], ids=["whole", "words"])
async def test_of_a_sentence_that_no_voice_could_finish_no_more_is_shown_than_was_said(
    said, streaming, breaks_after_s
) -> None:
    box = Box(24_000, streaming=streaming, breaks_after_s=breaks_after_s)
    shown, seconds, _, happened = await said(box, text=ANSWER)
    assert "Yes, we have a table".startswith(shown)
    assert len(shown) > len("Yes")
    assert seconds > 0.5
    assert happened == [("failed", 0), ("speechless", False)]


async def test_a_voice_is_asked_for_the_first_clause_while_the_sentence_is_still_being_written(prepared, until) -> None:
    clause = "I can do that for you and for all the others who come with you on Friday evening,"
    box = Box(SAMPLE_RATE)
    async with voices_of([box], prepared, []).stream() as stream:
        stream.push_text(f"{clause} by the")
        await until(lambda: box.texts)
        stream.push_text(" window.")
        stream.end_input()
        shown = "".join(
            [word async for event in stream for word in event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])]
        )
    assert box.texts == [clause, "by the window."]
    assert shown == f"{clause} by the window."


@pytest.mark.parametrize("kind", ["whole", "words", "timed words"])
async def test_the_silence_of_a_voice_before_its_first_word_is_not_waited_for(prepared, kind) -> None:
    box = Box(SAMPLE_RATE, streaming="words" in kind, timed="timed" in kind, silence_s=0.3)
    sound, starts_s = bytearray(), list[float]()
    async with voices_of([box], prepared, []).stream() as stream:
        stream.push_text(ANSWER)
        stream.end_input()
        async for event in stream:
            sound += event.frame.data
            words = event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, [])
            starts_s += [word.start_time for word in words if isinstance(word.start_time, float)]
    silent = np.abs(np.frombuffer(sound, np.int16)) < 1000
    silences_s = [
        len(run) / SAMPLE_RATE for run in "".join(np.where(silent, "0", "1")).split("1") if len(run) > SAMPLE_RATE // 40
    ]
    begin, end = ANSWER.index("There"), len(ANSWER)
    if kind == "whole":
        assert silences_s == pytest.approx([0.04, 0.3], abs=0.01), "before the first sentence, and before the second"
        assert starts_s == pytest.approx([0.0, 0.04 + begin / 15], abs=0.1)
    else:
        assert silences_s == pytest.approx([0.04], abs=0.01)
        if kind == "timed words":
            assert starts_s[ANSWER.split(" ").index("There")] == pytest.approx(0.04 + begin / 15, abs=0.1)
    assert len(sound) / 2 / SAMPLE_RATE == pytest.approx(end / 15 + sum(silences_s), abs=0.2)


def test_of_a_soft_beginning_nothing_is_taken_away() -> None:
    silence = np.zeros(SAMPLE_RATE // 2, np.int16)
    hiss = np.random.default_rng(0).normal(0, np.linspace(0, 3000, SAMPLE_RATE // 5)).astype(np.int16)
    whole = np.concatenate([silence, hiss])
    onset, heard = Onset(), bytearray()
    for frame in np.array_split(whole, 70):
        for played in onset.push(rtc.AudioFrame(frame.tobytes(), SAMPLE_RATE, 1, len(frame))):
            heard += played.data
    samples = np.frombuffer(heard, np.int16)
    assert (samples == whole[-len(samples) :]).all()
    assert len(hiss) < len(samples) < len(hiss) + SAMPLE_RATE // 20


async def test_a_phrase_of_the_agents_own_is_kept_when_it_was_said_and_then_needs_no_voice(said) -> None:
    assert (await said(Box(24_000), text=MOMENT))[0] == MOMENT
    silent = Box(24_000, breaks_after_s=0.0)
    shown, seconds, _, happened = await said(silent, text=MOMENT)
    assert (shown, happened, silent.texts) == (MOMENT, [], [])
    assert abs(seconds - len(MOMENT) / 15) < 0.3
    shown, seconds, _, happened = await said(silent, text=FAILED)
    assert (shown, happened) == (FAILED, [("failed", 0)])
    assert seconds > 2


async def test_a_phrase_is_found_by_its_letters_and_its_sound_by_its_text(said) -> None:
    await said(Box(24_000), text=MOMENT)
    other = Box(24_000)
    for text in ("One moment please!", "ONE MOMENT, PLEASE.", "One moment please!"):
        await said(other, text=text)
    assert other.texts == ["One moment please!", "ONE MOMENT, PLEASE."]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("The fee is $5.", "The fee is €5."),
        ("It costs 3.50 a night.", "It costs 350 a night."),
        ("It has -5 degrees.", "It has 5 degrees."),
        ("We write C++.", "We write C#."),
        ("नमस्ते, मैं आपकी मदद कर सकता हूँ?", "नमस्ते, मैं आपकी मदद कर सकती हूँ?"),
        ("นี่คือม้า", "นี่คือมา"),
    ],
    ids=["currency", "point", "sign", "marks", "vowel", "tone"],
)
async def test_a_first_message_is_said_in_its_present_wording_and_nothing_else_is_said_as_it_was(
    language, tmp_path, before, now
) -> None:
    box = Box(24_000)
    for first_message, answer in ((before, now), (now, before), (before, now)):
        voices = voices_of([box], Prepared(language, tmp_path, "a voice"), [])
        await voices.say_ahead(first_message, is_constant=True)
        for text in (first_message, answer):
            await hear(voices, text)
    assert box.texts == [before, now, now, before, now]


async def test_a_phrase_with_marks_that_are_not_said_is_prepared_as_it_is_said(tmp_path) -> None:
    words = Phrases(moment="**Just** a moment 🙂")
    prepared = Prepared(Language(AgentConfig(system_prompt="You are Ada.", phrases=words)), tmp_path, "a voice")
    assert "Just a moment" in [text.strip() for text in await prepared.missing()]


@pytest.mark.parametrize("way", ["breaks off once", "ends too early"])
async def test_a_phrase_that_was_not_said_in_one_go_and_to_its_end_is_not_kept(said, way) -> None:
    voice = Box(24_000, breaks_after_s=0.4, breaks_times=1, says_so=way == "breaks off once")
    await said(voice, text=MOMENT)
    _, seconds, _, happened = await said(voice, text=MOMENT)
    assert abs(seconds - len(MOMENT) / 15) < 0.3
    assert happened == []
    assert voice.texts[-1] == MOMENT
    asked = len(voice.texts)
    assert (await said(voice, text=MOMENT))[0] == MOMENT
    assert len(voice.texts) == asked


@pytest.mark.parametrize("timed", [False, True])
async def test_a_voice_that_has_said_all_and_does_not_tell_its_end_has_not_failed(said, timed) -> None:
    lingers, second = Box(24_000, streaming=True, timed=timed, lingers=True), Box(24_000)
    shown, seconds, _, happened = await said(lingers, second, text=ANSWER)
    assert (shown, happened, second.texts) == (ANSWER, [], [])
    assert abs(seconds - len(ANSWER) / 15) < 0.3


async def test_a_voice_that_falls_silent_before_the_end_has_failed_though_its_stream_goes_on(said) -> None:
    lingers, second = Box(24_000, streaming=True, lingers=True, breaks_after_s=0.3, says_so=False), Box(24_000)
    shown, _, _, happened = await said(lingers, second, text=ANSWER)
    assert (shown, happened) == (ANSWER, [("failed", 0), ("switched", 1)])
    assert second.texts


async def test_of_the_kept_sounds_those_that_are_used_stay(prepared, tmp_path, monkeypatch) -> None:
    pcm = Box(SAMPLE_RATE).sound(FAILED)
    monkeypatch.setattr("worker.speaker.prepared.MOST_BYTES", int(2.5 * len(encoded(pcm))))
    for at, text in enumerate((MOMENT, SORRY)):
        assert await prepared.keep(text, pcm)
        newest = max((tmp_path / "speech").iterdir(), key=lambda file: file.stat().st_mtime)
        os.utime(newest, (at, at))
    assert await prepared.own(MOMENT)
    (tmp_path / "speech" / "gone.ogg").symlink_to("what another call has just evicted")
    assert await prepared.keep(FAILED, pcm)
    missing = await prepared.missing()
    assert MOMENT not in missing
    assert FAILED not in missing
    assert SORRY in missing


async def test_few_large_sounds_are_kept_in_the_place_of_many_small_ones(prepared, tmp_path, monkeypatch) -> None:
    phrase, speech = Box(SAMPLE_RATE).sound(SORRY), Box(SAMPLE_RATE).sound(ANSWER * 3)
    most = len(encoded(speech)) + len(encoded(phrase))
    monkeypatch.setattr("worker.speaker.prepared.MOST_BYTES", most)
    for text, pcm in ((MOMENT, phrase), (SORRY, phrase), (ANSWER * 3, speech)):
        assert await prepared.keep(text, pcm)
    assert sum(file.stat().st_size for file in (tmp_path / "speech").iterdir()) <= most
    assert await prepared.own(ANSWER * 3)


async def test_a_long_first_message_is_not_kept(prepared) -> None:
    box = Box(24_000)
    for text, is_kept in ((ANSWER * 3, True), (ANSWER * 4, False)):
        for _ in range(2):
            asked = len(box.texts)
            voices = voices_of([box], prepared, [])
            await voices.say_ahead(text, is_constant=True)
            await hear(voices, text)
        assert (len(box.texts) == asked) is is_kept


async def test_a_file_that_holds_no_sound_is_not_there(prepared, tmp_path) -> None:
    assert await prepared.keep(MOMENT, Box(SAMPLE_RATE).sound(MOMENT))
    [file] = (tmp_path / "speech").iterdir()
    file.write_bytes(file.read_bytes()[:50])
    assert await prepared.own(MOMENT) is None
    assert MOMENT in await prepared.missing()


async def test_what_is_prepared_in_quiet_moments_begins_with_its_first_word(language, prepared, monkeypatch) -> None:
    for name in ("QUIET_S", "LOOK_S"):
        monkeypatch.setattr(f"worker.speaker.rehearsal.{name}", 0.0)
    quiet: Any = SimpleNamespace(agent_state="listening", current_speech=None)
    voices = voices_of([Box(48_000, silence_s=0.3)], prepared, [])
    await Rehearsal(quiet, voices, language).run()
    assert await prepared.missing() == []
    sound = await prepared.own(MOMENT)
    assert sound is not None
    loud = np.abs(np.frombuffer(sound.pcm, np.int16)) > 1000
    assert loud.argmax() / SAMPLE_RATE == pytest.approx(0.04, abs=0.02)


@pytest.mark.parametrize("keeps", ["an inaudible voice", "no folder"])
async def test_a_phrase_that_cannot_be_kept_is_paid_for_once_in_a_call(language, prepared, tmp_path, keeps) -> None:
    if keeps == "no folder":
        (tmp_path / "speech").write_text("in its place")
    voice = Box(24_000, loudness=0.0 if keeps == "an inaudible voice" else 0.3)
    quiet: Any = SimpleNamespace(agent_state="listening", current_speech=None)
    async with asyncio.timeout(60):
        await Rehearsal(quiet, voices_of([voice], prepared, []), language).run()
    assert voice.texts == [MOMENT]


def test_the_first_is_asked_again_when_some_time_has_gone_by() -> None:
    ranking = Ranking(["first", "second"], lambda _place: None)
    ranking.failed(0)
    assert (ranking.best, ranking.is_down(0)) == (1, True)
    ranking._again_at[0] -= 60
    assert (ranking.best, ranking.is_down(0)) == (0, True)
    ranking.works(0)
    assert not ranking.is_down(0)
