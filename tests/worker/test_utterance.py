"""Which results of a recogniser belong together, and what of the audio another one hears again."""

from datetime import UTC, datetime

import pytest
from livekit import rtc

from worker.room.clock import Clock
from worker.room.kept import FRAME_S, Frame, Kept
from worker.room.spacing import joined
from worker.room.utterance import Utterance


@pytest.fixture
def said() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def utterance(said: list[tuple[str, int]]) -> Utterance:
    return Utterance("alice", "alice", Clock(datetime.now(UTC)), None, lambda text, piece: said.append((text, piece)))


def test_pieces_belong_together_until_there_is_a_pause(utterance: Utterance, said: list[tuple[str, int]]) -> None:
    utterance.hear("I need a table", 10, 11, final=True)
    utterance.hear("for four", 11.4, 12, final=True)
    utterance.hear("on", 13, 13.2, final=False)
    utterance.hear("on Friday.", 13, 13.5, final=True)
    assert said == [("I need a table", 0), ("for four", 1), ("on Friday.", 0)]


def test_a_piece_of_what_was_spoken_before_it_was_thought_whole_still_belongs_to_it(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a table", 10, 11, final=True)
    utterance.close(12)
    utterance.hear("for four", 11.4, 12, final=True)
    utterance.close(12)
    utterance.hear("At six.", 12.3, 13, final=True)
    assert said == [("I need a table", 0), ("for four", 1), ("At six.", 0)]


def test_words_that_the_next_sentence_would_overwrite_are_said(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a table", 10, 11, final=False)
    utterance.hear("for", 12, 12.1, final=False)
    utterance.hear("for four", 12, 12.4, final=True)
    assert said == [("I need a table", 0), ("for four", 0)]


def test_so_are_words_that_the_recogniser_has_done_with_however_short_the_pause(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a table", 10, 11, final=False)
    utterance.end()
    utterance.hear("for four", 11.1, 12, final=True)
    assert said == [("I need a table", 0), ("for four", 0)]


@pytest.mark.parametrize("voice_began_at", [10, 11.5])
def test_a_final_result_without_times_confirms_what_is_in_doubt_though_the_end_was_told_before_it(
    utterance: Utterance, said: list[tuple[str, int]], voice_began_at: float
) -> None:
    utterance.hear("I need a table", utterance.begins_at(10, final=False), 11, final=False)
    utterance.end()
    utterance.hear("I need a table.", utterance.begins_at(voice_began_at, final=True), 12, final=True)
    assert said == [("I need a table.", 0)]


def test_without_times_the_next_sentence_is_another_once_the_end_of_the_first_was_told(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a table", utterance.begins_at(10, final=False), 11, final=False)
    utterance.hear("I need a table for", utterance.begins_at(10, final=False), 11.2, final=False)
    utterance.end()
    utterance.hear("At", utterance.begins_at(12, final=False), 12.2, final=False)
    utterance.hear("At six.", utterance.begins_at(12, final=True), 12.5, final=True)
    assert said == [("I need a table for", 0), ("At six.", 0)]


@pytest.mark.parametrize(
    ("guess", "late", "rest"),
    [
        ("i need a table", "I need a table.", ""),
        ("i need a table", "I need a table, for four.", "for four."),
        ("i need a table", "I need it able.", ""),
        ("a table for", "A table forty.", ""),
        ("that", "That's four.", ""),
        ("that's", "That's $5.", "$5."),
        ("テーブルを", "テーブルを、四人で。", "四人で。"),
        ("我要一张", "我要一张四人桌。", "四人桌。"),
        ("我要", "我们要四人桌。", ""),
        ("ขอโต๊ะ", "ขอโต๊ะสำหรับสี่คน", "สำหรับสี่คน"),
        ("ที", "ที่นี่", ""),
    ],
)
def test_a_result_that_comes_too_late_tells_what_is_new_in_languages_without_spaces_too(
    utterance: Utterance, said: list[tuple[str, int]], guess: str, late: str, rest: str
) -> None:
    utterance.hear(guess, 10, 11, final=False)
    utterance.count_as_said()
    utterance.close(11)
    utterance.hear(guess, 10, 11.2, final=False)
    utterance.hear(late, 10, 11.5, final=True)
    assert said == [(guess, 0)] + [(rest, 1)] * bool(rest)


@pytest.mark.parametrize(
    ("text", "began_at", "ended_at", "is_known"),
    [
        ("I need a table.", 10, 11, True),
        ("i need a table", 10.05, 11.05, True),
        ("I need the cable.", 10, 11, True),
        ("a table", 10.8, 11, True),
        ("soon", 10.8, 11, False),
        ("No.", 14, 14.2, True),
        ("No.", 14.2, 14.3, False),
        ("No.", 14.3, 14.5, False),
    ],
)
@pytest.mark.parametrize("final", [True, False])
def test_words_are_known_again_by_their_times_and_the_same_ones_said_again_are_not(
    utterance: Utterance,
    said: list[tuple[str, int]],
    text: str,
    began_at: float,
    ended_at: float,
    *,
    is_known: bool,
    final: bool,
) -> None:
    utterance.hear("I need a table", 10, 11, final=True)
    utterance.hear("No.", 14, 14.2, final=True)
    assert utterance.knows(text, began_at, ended_at, final=final) == is_known
    assert said == [("I need a table", 0), ("No.", 0)]


def test_what_a_final_result_has_beyond_the_one_before_for_the_same_sound_is_said(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a table", 10, 12, final=True)
    assert utterance.knows("I need a table for four.", 10, 12, final=True)
    assert said == [("I need a table", 0), ("for four.", 1)]


def test_a_final_result_that_came_too_late_is_known_when_it_comes_again(
    utterance: Utterance, said: list[tuple[str, int]]
) -> None:
    utterance.hear("I need a", 10, 11, final=False)
    utterance.count_as_said()
    assert not utterance.knows("I need a table", 10, 12, final=True)
    utterance.hear("I need a table", 10, 12, final=True)
    assert utterance.knows("I need a table", 10, 12, final=True)
    assert said == [("I need a", 0), ("table", 1)]


def test_without_times_nothing_is_known_again(utterance: Utterance) -> None:
    utterance.hear("No.", 10, 11, final=True, timed=False)
    assert not utterance.knows("No.", 10, 11, final=True)


@pytest.mark.parametrize(
    ("pieces", "whole"),
    [
        (["I need a table", "", "for", "4."], "I need a table for 4."),
        (["We are 4.", "2 of us are late."], "We are 4. 2 of us are late."),
        (["테이블", "네 명이요."], "테이블 네 명이요."),
        (["テーブルを", "4人で。", "お願いします。"], "テーブルを4人で。お願いします。"),
        (["我要", "四人桌，", "谢谢"], "我要四人桌，谢谢"),
        (["ขอโต๊ะ", "สำหรับสี่คน"], "ขอโต๊ะสำหรับสี่คน"),
        (["我用", "WhatsApp"], "我用 WhatsApp"),
    ],
)
def test_pieces_are_joined_as_their_script_joins_words(pieces: list[str], whole: str) -> None:
    assert joined(pieces) == whole


def test_long_silences_are_not_heard_again() -> None:
    kept = Kept()
    audio = rtc.AudioFrame.create(16_000, 1, 320)
    silence_s = 0.0
    for number in range(int(20 / FRAME_S)):
        speaks = number * FRAME_S % 10 < 1  # in the first and in the eleventh second
        silence_s = 0.0 if speaks else silence_s + FRAME_S
        kept.add(Frame(audio, 100 + number * FRAME_S, silence_s, second=number * FRAME_S))
    again = [frame.at - 100 for frame in kept.again()]
    assert sum(at % 10 < 1 for at in again) == pytest.approx(2 / FRAME_S, abs=2)
    assert len(again) * FRAME_S == pytest.approx(2 + 2 * 1.5 + 2 * 0.5, abs=0.2)
    kept.drop(10)
    assert min(frame.at for frame in kept.again()) == pytest.approx(110, abs=FRAME_S)
