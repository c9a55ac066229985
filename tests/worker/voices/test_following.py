"""When voices fail: who goes on, and what is shown of it."""

from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from tests.worker.voices.box import ANSWER, SORRY, Box, voices_of
from worker.ranking import Ranking
from worker.speaker.sound.onset import PAUSE_S, Onset
from worker.speaker.sound.voice import SAMPLE_RATE


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


@pytest.mark.parametrize("kind", ["whole", "words", "timed words"])
async def test_a_voice_whose_sound_is_silence_has_failed_and_none_of_its_words_is_shown(said, kind) -> None:
    silent = Box(24_000, streaming="words" in kind, timed="timed" in kind, loudness=0.0)
    assert await said(silent) == ("", 0.0, set(), [("failed", 0), ("speechless", False)])
    shown, seconds, _, happened = await said(silent, Box(24_000))
    assert (shown, happened) == (ANSWER, [("failed", 0), ("switched", 1)])
    assert abs(seconds - len(ANSWER) / 15) < 0.5
    shown, seconds, _, happened = await said(silent, text=SORRY)
    assert (shown, happened) == (SORRY, [("failed", 0)])
    assert seconds > 2, "our own recording of it"


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


async def test_the_silence_of_a_voice_after_its_last_word_makes_no_hole(said) -> None:
    shown, seconds, _, _ = await said(Box(SAMPLE_RATE, silence_after_s=1.0))
    assert shown == ANSWER
    assert seconds == pytest.approx(len(ANSWER) / 15 + 2 * PAUSE_S, abs=0.2)


async def test_of_a_soft_beginning_nothing_is_taken_away() -> None:
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


def test_the_first_is_asked_again_when_some_time_has_gone_by() -> None:
    ranking = Ranking(["first", "second"], lambda _place: None)
    ranking.failed(0)
    assert (ranking.best, ranking.is_down(0)) == (1, True)
    ranking._again_at[0] -= 60
    assert (ranking.best, ranking.is_down(0)) == (0, True)
    ranking.works(0)
    assert not ranking.is_down(0)
