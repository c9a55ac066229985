"""What a worker measures of its turns, in the database and beside the sound."""

import time
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from livekit import rtc
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.speech_handle import InputDetails

from calls.database.engine import Database
from calls.latency import Turn, read_turns
from pipeline.loudness import measured, peaks
from tests.conftest import Until, now
from tests.providers import Providers
from tests.worker.conftest import WITHOUT_A_WORD, Running, Stage, Talk, Together
from tests.worker.test_talk import check_sound
from worker.room.clock import Clock
from worker.speaker.latency import Latency

pytestmark = pytest.mark.restless

CLOSE_MS = 400  # how far the voice activity may be from what is loud


async def turns_in(database: Database, call_id: str) -> list[Turn]:
    async with database.reading() as connection:
        return await read_turns(connection, call_id)


async def turns_of(call: Talk) -> list[Turn]:
    return await turns_in(call.database, call.id)


async def greeting_and_answers_are_written_down_recorded_and_measured_where_the_sound_says(
    stage: Stage, providers: Providers, until: Until
) -> None:
    providers.hear("Do you have a table for two?", "And at nine?")
    providers.answer("Yes, at eight.", "Also at nine.")
    call = await stage.call(first_message="Hello, this is Ada.", post_call={"recording": {"enabled": True}})
    async with call.caller() as caller:
        await until(lambda: call.has_said("agent", "Hello, this is Ada."))
        assert await turns_of(call) == [], "nobody waits for a greeting"
        await until(lambda: caller.seconds_heard() > 0.5)
        for answer in ("Yes, at eight.", "Also at nine."):
            await caller.say()
            await until(lambda answer=answer: call.has_said_also("agent", answer))
    row = await until(call.ended)
    assert (row.status, row.end_reason) == ("completed", "caller_hung_up")
    rows = await call.transcript()
    assert [(r.sequence, r.speaker, r.text, r.is_final) for r in rows] == [
        (0, "agent", "Hello, this is Ada.", True),
        (1, "user", "Do you have a table for two?", True),
        (2, "agent", "Yes, at eight.", True),
        (3, "user", "And at nine?", True),
        (4, "agent", "Also at nine.", True),
    ]
    assert {r.participant_identity for r in rows if r.speaker == "user"} == {"alice"}
    assert all(earlier.ended_at_ms <= later.started_at_ms for earlier, later in pairwise(rows))
    [recording] = await until(call.pieces)
    check_sound(recording, rows)
    turns = await turns_of(call)
    assert len(turns) == 2
    with recording.open("rb") as file:
        found = peaks(file, "ogg", turns[-1].first_sound_at_ms + 2000)
    for turn in turns:
        heard = measured(found, turn)
        assert heard == pytest.approx((turn.user_stopped_at_ms, turn.first_sound_at_ms), abs=CLOSE_MS)
        assert turn.end_of_turn_ms + turn.llm_ms + turn.tts_ms == turn.response_ms
        assert min(turn.end_of_turn_ms, turn.llm_ms, turn.tts_ms) >= 0
        assert (turn.phrase_at_ms, turn.measured_by) == (None, "worker")


async def who_says_a_sentence_into_the_first_message_is_answered_then_and_there_which_is_a_turn(
    stage: Stage, providers: Providers, until: Until
) -> None:
    first_message = "We have rooms, tables and a spa, and all of them can be booked by telephone. " * 4
    providers.hear("I need a taxi to the airport right now.")
    providers.answer("It is on its way.")
    call = await stage.call(first_message=first_message, **WITHOUT_A_WORD)
    async with call.caller() as caller:
        await until(caller.agent_has_been_heard)
        await caller.say()
        await until(lambda: call.has_said_also("agent", "It is on its way."))
        assert len(await call.said("agent")) < len(first_message) / 2
        assert len(await until(lambda: turns_of(call))) == 1
    await until(call.ended)


async def test_an_agent_that_takes_over_adds_its_turns_and_the_other_none(running: Running) -> None:
    turns = [Turn(1000 * number, 1000 * number - 300, 1000 * number + 200, 1000 * number + 500) for number in range(5)]
    before = running.writer()
    before.answered(turns[1])
    assert await before.flush()
    token = await running.take_over()
    before.answered(turns[2])
    assert not await before.flush()
    after = running.writer(token=token)
    after.answered(turns[3])
    after.answered(turns[4])
    assert await after.complete()
    assert await turns_in(running.database, running.call.id) == [turns[1], turns[3], turns[4]]


class Moments:
    """A person, an agent, and what is told of their turns."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.voiced_at = self.finished_at = 0.0
        self.current: SpeechHandle | None = None
        clock = Clock(now())
        clock.start(now() - timedelta(hours=1))
        self.latency = Latency(
            clock,
            voiced_at=lambda: self.voiced_at,
            finished_at=lambda: self.finished_at,
            current=lambda: self.current,
            on_turn=self.turns.append,
        )

    def ask(self) -> SpeechHandle:
        """The person says something, and an answer is decided on; its first word is there."""
        self.voiced_at = time.monotonic() - 0.4
        self.current = SpeechHandle.create()
        self.latency.word(self.current)
        self.latency.decide(self.current)
        return self.current

    def sound(self, peak: int = 3000, *, put_in: bool = False) -> None:
        frame = rtc.AudioFrame(np.full(480, peak, np.int16).tobytes(), 24_000, 1, 480)
        self.latency.play(frame, time.monotonic(), put_in=put_in)


async def test_silence_is_no_sound_and_what_was_put_in_or_is_another_speech_is_a_phrase() -> None:
    moments = Moments()
    answer = moments.ask()
    moments.sound(peak=100)
    assert moments.turns == []
    moments.sound(put_in=True)
    moments.current = SpeechHandle.create()
    moments.sound()
    assert moments.turns == []
    moments.current = answer
    moments.sound()
    moments.sound()
    [turn] = moments.turns
    assert turn.phrase_at_ms is not None
    assert turn.end_of_turn_ms > 300
    assert turn.llm_ms == 0, "the word was there before the turn was over"


async def test_a_tools_answer_in_the_same_speech_and_what_was_held_back_are_no_turns_of_their_own() -> None:
    moments = Moments()
    answer = moments.ask()
    moments.sound()
    moments.latency.decide(answer)  # a tool has answered, while its announcement is still heard
    moments.sound()
    assert len(moments.turns) == 1
    moments.finished_at = time.monotonic()
    moments.current = SpeechHandle.create()
    moments.latency.decide(moments.current)  # of what was said before that
    moments.sound()
    assert len(moments.turns) == 1


async def test_who_speaks_again_before_the_answer_is_heard_waits_for_the_next_one() -> None:
    moments = Moments()
    first = moments.ask()
    second = moments.ask()
    moments.current = first
    moments.sound()
    assert moments.turns == []
    moments.current = second
    moments.sound()
    assert len(moments.turns) == 1
    moments.current = moments.ask()
    moments.voiced_at = time.monotonic()  # of which no words are known yet
    moments.sound()
    assert len(moments.turns) == 1


async def test_what_the_agent_says_of_itself_is_no_turn_and_leaves_the_one_that_waits() -> None:
    moments = Moments()
    answer = moments.ask()
    moments.current = SpeechHandle.create(input_details=InputDetails(modality="text"))
    moments.latency.decide(moments.current)
    moments.sound()
    assert moments.turns == []
    moments.current = answer
    moments.sound()
    assert len(moments.turns) == 1


@pytest.mark.timeout(180)
async def test_each_answer_in_a_real_call_is_measured(together: Together) -> None:
    await together(
        greeting_and_answers_are_written_down_recorded_and_measured_where_the_sound_says
    )  # alone: it compares times
    await together(who_says_a_sentence_into_the_first_message_is_answered_then_and_there_which_is_a_turn)
