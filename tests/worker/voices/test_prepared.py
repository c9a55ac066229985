"""What is kept of how the agent's phrases sound, so that no voice is asked for them again."""

import asyncio
import os
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calls.agent_config import AgentConfig
from calls.phrases import Phrases, written
from tests.worker.voices.box import ANSWER, FAILED, MOMENT, SORRY, Box, hear, voices_of
from worker.speaker.rehearsal import Rehearsal
from worker.speaker.sound.files import decoded, encoded
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.recorded import LANGUAGES, recordings
from worker.speaker.sound.voice import SAMPLE_RATE
from worker.speaker.words.language import Language


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_of_our_phrases_is_recorded(language: str) -> None:
    for text in (written(language) or Phrases()).model_dump().values():
        seconds = len(decoded(recordings()[text].read_bytes())) / 2 / SAMPLE_RATE
        assert len(text) / 30 < seconds < len(text) / 8 + 1


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


async def test_of_the_kept_sounds_those_that_are_used_stay(prepared, tmp_path, monkeypatch) -> None:
    pcm = Box(SAMPLE_RATE).sound(FAILED)
    monkeypatch.setattr("worker.speaker.sound.prepared.MOST_BYTES", int(2.5 * len(encoded(pcm))))
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
    monkeypatch.setattr("worker.speaker.sound.prepared.MOST_BYTES", most)
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


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A session in which nobody speaks, and has not for long enough."""
    for name in ("QUIET_S", "LOOK_S"):
        monkeypatch.setattr(f"worker.speaker.rehearsal.{name}", 0.0)
    return SimpleNamespace(agent_state="listening", current_speech=None)


async def test_what_is_prepared_in_quiet_moments_begins_with_its_first_word(language, prepared, quiet) -> None:
    voices = voices_of([Box(48_000, silence_s=0.3)], prepared, [])
    await Rehearsal(quiet, voices, language).run()
    assert await prepared.missing() == []
    sound = await prepared.own(MOMENT)
    assert sound is not None
    loud = np.abs(np.frombuffer(sound.pcm, np.int16)) > 1000
    assert loud.argmax() / SAMPLE_RATE == pytest.approx(0.04, abs=0.02)


@pytest.mark.parametrize("keeps", ["an inaudible voice", "no folder"])
async def test_a_phrase_that_cannot_be_kept_is_paid_for_once_in_a_call(
    language, prepared, quiet, tmp_path, keeps
) -> None:
    if keeps == "no folder":
        (tmp_path / "speech").write_text("in its place")
    voice = Box(24_000, loudness=0.0 if keeps == "an inaudible voice" else 0.3)
    async with asyncio.timeout(60):
        await Rehearsal(quiet, voices_of([voice], prepared, []), language).run()
    assert voice.texts == [MOMENT]
