"""How long a call of a tool waits for people."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import LanguageCode, llm, stt

from worker.room.activity import WINDOW_S, Activity
from worker.room.hearing import Attachment
from worker.speaker import floor
from worker.speaker.floor import Floor
from worker.turns.marks import Marks
from worker.words import Signs


async def test_a_voice_without_words_holds_a_tool_only_for_so_long_and_words_for_as_long_as_they_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(floor, "LONGEST_S", WINDOW_S / 4)
    humming, talking = Activity(), Activity()
    humming.speaking = True
    first: Any = SimpleNamespace(activity=humming, goes_on=True, unconfirmed="Mm hm", name="Ada")
    second: Any = SimpleNamespace(activity=talking, goes_on=True, unconfirmed="No, I", name="Bob")
    heard = Attachment([first, second], Marks(are_set=True), eager=0.1, only_listens=Signs("en").are_all_of)
    waiting = asyncio.create_task(Floor(heard).wait())
    await asyncio.sleep(5 * WINDOW_S)
    assert not waiting.done()
    second.goes_on, second.unconfirmed = False, ""
    await waiting


async def test_words_that_come_late_hold_a_tool_until_they_are_known_or_waited_for_no_more() -> None:
    silent = Activity()
    silent.wait(4)
    ear: Any = SimpleNamespace(activity=silent, goes_on=True, unconfirmed="", name="Ada")
    heard = Attachment([ear], Marks(are_set=True), eager=0.1, only_listens=Signs("en").are_all_of)
    waiting = asyncio.create_task(Floor(heard).wait())
    await asyncio.sleep(3 * WINDOW_S)
    assert not waiting.done()
    ear.goes_on = False
    await waiting


async def test_what_was_said_meanwhile_leaves_a_tool_no_moment_in_which_it_could_be_called() -> None:
    talking = Activity()
    talking.speaking = True
    ears: list[Any] = [SimpleNamespace(activity=talking, goes_on=True, unconfirmed="", name="Ada")]
    heard = Attachment(ears, Marks(are_set=True), eager=0.1, only_listens=Signs("en").are_all_of)
    waiting = asyncio.create_task(Floor(heard).wait())
    await asyncio.sleep(0)
    heard.say(stt.SpeechData(LanguageCode("en"), "No."), "No.")
    ears.clear()
    await heard.turn_end.predict_end_of_turn(llm.ChatContext.empty())
    await asyncio.sleep(3 * WINDOW_S)
    assert not waiting.done()
    waiting.cancel()
