"""Whose voice counts for whose turn it is, by sound that a test hands over window by window."""

import math
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from livekit import rtc
from numpy.typing import NDArray

from worker.room.activity import APART_S, LOUDER_DB, SAMPLE_RATE, WINDOW_S, Activity
from worker.room.awaited import TALK_S
from worker.room.wordless import LONGEST_S, Early, Wordless

WINDOW = round(SAMPLE_RATE * WINDOW_S)


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    with wave.open(str(Path(__file__).with_name("speech.wav"))) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16)


def hear(activity: Activity, sound: NDArray[np.int16], decibels: float = 0.0) -> float:
    """For how many seconds of it somebody spoke, for all that counts."""
    louder = np.clip(sound * 10 ** (decibels / 20), -32768, 32767).astype(np.int16)
    spoke = 0
    for start in range(0, len(louder) - WINDOW, WINDOW):
        activity.hear(rtc.AudioFrame(louder[start : start + WINDOW].tobytes(), SAMPLE_RATE, 1, WINDOW))
        spoke += activity.speaking
    return spoke * WINDOW_S


def test_a_voice_far_below_somebodys_words_is_heard_and_does_not_count(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    assert hear(activity, speech, -30) > 1  # before the first words nobody knows whose it is
    hear(activity, speech)
    activity.loudness.understand(certain=True)
    counts_s = [hear(activity, speech, decibels) for decibels in (0, -10)]
    assert min(counts_s) > 1
    hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    assert hear(activity, speech, -30) == 0
    assert activity.any.speaking
    assert not activity.near.speaking


def test_who_is_understood_at_a_lower_voice_for_long_counts_again(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    hear(activity, speech)
    activity.loudness.understand(certain=True)
    hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    counted_s = []
    for _ in range(10):
        counted_s.append(hear(activity, speech, -28))
        hear(activity, speech, -28)
        activity.loudness.understand(certain=True)
    assert counted_s[0] == 0
    assert counted_s[-1] > 1


def test_who_is_understood_far_softer_than_before_has_spoken_until_then_and_counts_from_then_on(
    speech: NDArray[np.int16],
) -> None:
    activity = Activity()
    hear(activity, speech)
    activity.understand(-math.inf, time.monotonic(), certain=True, new=True)
    hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    loud_until, soft_from = activity.ended_at, time.monotonic()
    first, rest = np.split(speech, [SAMPLE_RATE])
    assert hear(activity, first, -28) == 0
    first_until = time.monotonic()
    assert hear(activity, rest, -28) == 0
    assert activity.silence_s > 1
    activity.understand(soft_from, first_until, certain=False, new=True)  # the others are still to be written
    assert activity.silence_s == pytest.approx(activity.any.silence_s, abs=0.01)
    assert activity.ended_at > loud_until
    assert hear(activity, speech, -28) > 1


def test_words_end_a_silence_that_began_before_they_were_over_and_no_later_than_the_voice(
    speech: NDArray[np.int16],
) -> None:
    activity = Activity()
    hear(activity, speech)
    activity.understand(-math.inf, time.monotonic(), certain=False, new=True)
    hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    before_s = activity.silence_s
    activity.understand(-math.inf, math.inf, certain=True, new=True)
    assert activity.silence_s == before_s, "nothing has sounded like a voice since"
    hear(activity, speech, -30)
    activity.understand(-math.inf, time.monotonic() - 0.7, certain=False, new=False)
    assert activity.silence_s > 1, "they are no others than before"
    activity.understand(-math.inf, time.monotonic() - 0.7, certain=True, new=True)
    assert 0.7 <= activity.silence_s < 1
    hear(activity, np.zeros(2 * SAMPLE_RATE, np.int16))
    now = time.monotonic()
    activity.understand(now - 1, now - 0.5, certain=True, new=True)
    assert 0.5 <= activity.silence_s < 0.7, "nothing sounded like a voice, and words were said"


def test_a_soft_voice_that_was_once_understood_is_silence_again_after_louder_words(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    for decibels in (0, -30, 0):
        began_at = time.monotonic()
        hear(activity, speech, decibels)
        for certain in (False, True):
            activity.understand(began_at, math.inf, certain=certain, new=True)
        hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    assert hear(activity, speech, -30) == 0


def test_what_is_heard_after_words_that_come_late_is_not_taken_for_them(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    began_at = time.monotonic()
    hear(activity, speech)
    ended_at = time.monotonic()
    activity.understand(began_at, ended_at, certain=False, new=True)
    for _ in range(4):  # until of the words nothing is left
        hear(activity, speech, -30)
    activity.understand(began_at, ended_at, certain=True, new=False)
    hear(activity, np.zeros(SAMPLE_RATE, np.int16))
    assert hear(activity, speech, -30) == 0


def test_a_voice_as_loud_as_somebodys_words_is_theirs_and_one_clearly_softer_hardly(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    loudness = activity.loudness
    hear(activity, speech)
    assert not loudness.is_own  # before the first words there is nobody whose it could be
    loudness.understand(certain=True)
    own = []
    for decibels in (0, -5, -15, 0):
        for _ in range(2):  # what was heard before fades
            hear(activity, speech, decibels)
        own.append(loudness.is_own)
    assert own == [True, True, False, True]


def test_what_is_ignored_counts_no_more_until_it_pauses_or_somebody_louder_speaks(speech: NDArray[np.int16]) -> None:
    activity = Activity()
    hear(activity, speech, -12)
    activity.ignore(LONGEST_S)
    assert not activity.speaking
    assert activity.silence_s == LONGEST_S
    assert hear(activity, speech, -12) == 0
    assert hear(activity, speech, -12 + 2 * LOUDER_DB) > 1
    activity.ignore(LONGEST_S)
    hear(activity, np.zeros(round(SAMPLE_RATE * (APART_S + 0.2)), np.int16))
    assert hear(activity, speech, -12) > 1


def test_a_voice_without_words_is_none_where_words_are_known_to_come_early() -> None:
    voice, other = Wordless(early := Early()), Wordless(early)
    assert voice.longest_s(0, answers=True, is_own=False) == float("inf")
    voice.understand("I lost my", place=0, final=False, speech_s=1.0, age_s=0.3)
    assert voice.longest_s(0, answers=True, is_own=False) == pytest.approx(LONGEST_S + 0.3)
    assert voice.longest_s(0, answers=True, is_own=True) == TALK_S
    voice.wait(1.0, speaking=True, silence_s=0.0)
    voice.understand("I lost my.", place=0, final=True, speech_s=2.0, age_s=1.3)  # no other words
    voice.wait(0.5, speaking=True, silence_s=0.0)
    assert voice.seconds == 1.5
    voice.understand("card", place=0, final=False, speech_s=2.0, age_s=0.3)
    assert voice.seconds == 0
    voice.wait(0.5, speaking=True, silence_s=0.0)
    voice.understand("card", place=0, final=False, speech_s=2.5, age_s=0.8)  # it may still become more
    assert voice.seconds == 0
    assert other.longest_s(0, answers=True, is_own=False) == pytest.approx(LONGEST_S + 0.3), (
        "also of who has said nothing yet"
    )
    silent_s = other.longest_s(0, answers=False, is_own=False)
    assert TALK_S < silent_s < 2 * TALK_S, (
        "a stream that has said nothing yet may have been replaced, and then has its time"
    )
    assert voice.longest_s(1, answers=True, is_own=False) == float("inf"), "of another recogniser nothing is known"


@pytest.mark.parametrize(
    ("final", "speech_s", "age_s"), [(True, 3.0, 0.3), (False, 0.0, None), (False, 0.4, 1.2), (False, 3.0, 2.5)]
)
def test_words_that_come_only_after_somebody_has_spoken_do_not_make_a_voice_without_them_none(
    *, final: bool, speech_s: float, age_s: float | None
) -> None:
    voice = Wordless(Early())
    voice.understand("I lost my card", place=0, final=final, speech_s=speech_s, age_s=age_s)
    assert voice.longest_s(0, answers=True, is_own=False) == float("inf")
