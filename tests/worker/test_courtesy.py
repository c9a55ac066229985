"""What the words that are not certain yet make of a voice that the agent pauses for."""

from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import vad

from worker.room.activity import Activity
from worker.room.hearing import Attachment
from worker.room.speech import END_S
from worker.speaker.courtesy import IN_VAIN, LONG_IN_VAIN, PAUSE_S, Courtesy
from worker.speaker.session import INTERRUPT_S, RESUME_S
from worker.turns.marks import Marks
from worker.words import Signs


class Output:
    """What the agent is heard by."""

    is_paused = False

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False


def speaking(output: Output) -> Any:
    """A session that says something by this."""
    return SimpleNamespace(
        output=SimpleNamespace(audio=output),
        current_speech=SimpleNamespace(allow_interruptions=True),
        agent_state="speaking",
        options=SimpleNamespace(interruption={}),
    )


def attachment(words: str, *, voice_s: float) -> tuple[Attachment, Any]:
    """One who has been speaking for so long, and has said these words by what is known."""
    activity = Activity()
    activity.speaking, activity.speech_s, activity.voice_s = True, voice_s, voice_s
    ear: Any = SimpleNamespace(
        identity="ada",
        activity=activity,
        unconfirmed=words,
        is_in_sentence=True,
        writes_late=False,
        words_due_s=0.0,
    )
    return Attachment([ear], Marks(are_set=True), eager=0.1, only_listens=Signs("de").are_all_of), ear


@pytest.mark.parametrize(("words", "waits"), [("Stopp.", True), ("Ja, aber", True), ("Ja, genau.", False), ("", False)])
async def test_after_a_pause_in_a_voice_the_agent_waits_for_words_that_interrupt_and_for_no_others(
    words: str, *, waits: bool
) -> None:
    heard, ear = attachment(words, voice_s=0.4)
    activity = ear.activity
    output = Output()
    session = speaking(output)
    courtesy = Courtesy(session, heard)
    courtesy.look()
    assert output.is_paused
    activity.speaking, activity.voice_s, activity.silence_s = False, 0.0, PAUSE_S
    courtesy.look()
    assert output.is_paused == waits
    activity.silence_s = 2.0
    courtesy.look()
    assert not output.is_paused


@pytest.mark.parametrize(("words", "waits"), [("Und die Zitrone.", True), ("Genau.", False), ("", False)])
async def test_an_answer_is_not_begun_before_it_is_certain_what_was_said_into_it(words: str, *, waits: bool) -> None:
    heard, ear = attachment(words, voice_s=0.0)
    ear.activity.speaking, ear.activity.silence_s = False, 0.5
    session = speaking(Output())
    session.agent_state = "thinking"
    courtesy = Courtesy(session, heard)
    assert courtesy.waits_for_words == waits
    session.current_speech.allow_interruptions = False
    assert not courtesy.waits_for_words
    session.current_speech.allow_interruptions = True
    ear.activity.silence_s = 1.0
    assert not courtesy.waits_for_words


async def test_who_makes_the_agent_pause_in_vain_does_so_no_more_in_what_it_says_now_but_by_words() -> None:
    heard, ear = attachment("", voice_s=0.4)
    activity = ear.activity
    output = Output()
    session = speaking(output)
    courtesy = Courtesy(session, heard)

    def makes_it_pause() -> bool:
        activity.speaking, activity.voice_s, activity.silence_s = True, 0.4, 0.0
        courtesy.look()
        paused, interrupts = output.is_paused, heard.vad.may_interrupt(ear.unconfirmed)
        activity.speaking, activity.voice_s, activity.silence_s = False, 0.0, 2.0
        courtesy.look()
        assert not output.is_paused
        assert interrupts == paused
        return paused

    assert [makes_it_pause() for _ in range(IN_VAIN + 2)] == [True] * IN_VAIN + [False] * 2
    ear.unconfirmed = "Stopp."
    assert makes_it_pause()
    ear.unconfirmed = ""
    assert [makes_it_pause() for _ in range(IN_VAIN + 1)] == [True] * IN_VAIN + [False]
    heard.understood += 1  # of what was never in doubt, as of a recogniser of whole utterances
    assert makes_it_pause()
    session.current_speech = SimpleNamespace(allow_interruptions=True)
    assert makes_it_pause()


@pytest.mark.parametrize("comes", [True, False])
async def test_where_words_come_late_the_agent_waits_for_them_as_long_as_they_usually_take(*, comes: bool) -> None:
    heard, ear = attachment("", voice_s=0.4)
    ear.writes_late, ear.words_due_s = True, 3 * PAUSE_S
    activity, output = ear.activity, Output()
    session = speaking(output)
    courtesy = Courtesy(session, heard)
    courtesy.look()
    activity.speaking, activity.voice_s, activity.silence_s = False, 0.0, 2 * PAUSE_S
    courtesy.look()
    assert output.is_paused
    assert session.options.interruption["false_interruption_timeout"] == 3 * PAUSE_S - END_S
    if comes:  # and shows that somebody listens, or there are none
        ear.words_due_s = 0.0
    else:
        activity.silence_s = 3 * PAUSE_S
    courtesy.look()
    assert not output.is_paused
    ear.words_due_s = 0.0
    activity.speaking, activity.speech_s, activity.silence_s = True, 0.03, 0.0  # as soon as somebody speaks again
    courtesy.look()
    assert session.options.interruption["false_interruption_timeout"] == RESUME_S


async def test_where_words_come_late_a_long_voice_makes_it_pause_after_two_coughs_too() -> None:
    heard, ear = attachment("", voice_s=0.4)
    ear.writes_late = True
    activity, output = ear.activity, Output()
    courtesy = Courtesy(speaking(output), heard)

    def pauses(seconds: float) -> bool:
        """Whether it does for a voice of so long."""
        activity.speaking, activity.speech_s, activity.voice_s, activity.silence_s = True, seconds, seconds, 0.0
        courtesy.look()
        paused, interrupts = output.is_paused, heard.vad.may_interrupt("")
        activity.speaking, activity.voice_s, activity.silence_s = False, 0.0, 2.0
        courtesy.look()
        assert interrupts == paused
        return paused

    assert [pauses(0.4) for _ in range(IN_VAIN + 1)] == [True] * IN_VAIN + [False]
    assert [pauses(INTERRUPT_S) for _ in range(LONG_IN_VAIN)] == [True] * (LONG_IN_VAIN - IN_VAIN) + [False] * IN_VAIN


@pytest.mark.parametrize(("words", "counts"), [("Ja, aber", True), ("Ja, genau.", False), ("", True)])
async def test_to_the_session_a_sign_of_listening_is_never_long_enough_to_interrupt(
    words: str, *, counts: bool
) -> None:
    heard, _ = attachment(words, voice_s=1.5)
    stream = heard.vad.stream()
    heard.look()
    heard.look()
    lengths = {event.type: event.speech_duration async for event in first(2, stream)}
    await stream.aclose()
    assert lengths[vad.VADEventType.START_OF_SPEECH] == 1.5
    assert lengths[vad.VADEventType.INFERENCE_DONE] == (1.5 if counts else 0.0)


@pytest.mark.parametrize(("other", "ends"), [("ada", True), ("bob", False)])
async def test_only_among_several_people_does_a_speech_last_until_it_is_understood_whatever_microphones_they_had(
    other: str, *, ends: bool
) -> None:
    _, ear = attachment("I would like", voice_s=1.5)
    before: Any = SimpleNamespace(**vars(ear) | {"identity": other, "activity": Activity(), "is_in_sentence": False})
    heard = Attachment([before, ear], Marks(are_set=True), eager=0.1, only_listens=Signs("en").are_all_of)
    stream = heard.vad.stream()
    heard.look()
    ear.activity.speaking, ear.activity.voice_s, ear.activity.silence_s = False, 0.0, END_S
    heard.look()
    heard.look()
    kinds = [event.type async for event in first(3, stream)]
    await stream.aclose()
    assert (vad.VADEventType.END_OF_SPEECH in kinds) is ends


async def first(count: int, stream: vad.VADStream) -> Any:
    for _ in range(count):
        yield await anext(stream)
