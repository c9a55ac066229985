"""For how long no stream can be had, by seconds that a test counts, and which provider is thought to work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    APIConnectionError,
    APIConnectOptions,
    APITimeoutError,
    LanguageCode,
    stt,
)
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from typing_extensions import override

from tests.conftest import Until
from worker.ranking import Ranking
from worker.room import recognition
from worker.room.activity import SAMPLE_RATE
from worker.room.kept import FRAME_S, Frame
from worker.room.recognition import SETTLED, Recognition


class Recogniser(stt.STT[Any]):
    """Its streams say what they are told to, and break when they are told to."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self.streams: list[Stream] = []

    @override
    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    @override
    def stream(
        self,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
    ) -> stt.RecognizeStream:
        stream = Stream(self, conn_options)
        self.streams.append(stream)
        return stream


class Stream(stt.RecognizeStream):
    def __init__(self, recogniser: Recogniser, options: APIConnectOptions) -> None:
        super().__init__(stt=recogniser, conn_options=options)
        self._broken = asyncio.Event()

    def tell(self, kind: stt.SpeechEventType, text: str = "") -> None:
        words = [stt.SpeechData(language=LanguageCode("en"), text=text)] if text else []
        self._event_ch.send_nowait(stt.SpeechEvent(type=kind, alternatives=words))

    def break_off(self) -> None:
        self._broken.set()

    @override
    async def _run(self) -> None:
        await self._broken.wait()
        raise APIConnectionError("cut")


class Person:
    """Is heard by two recognisers."""

    def __init__(self) -> None:
        self.recognisers = [Recogniser(), Recogniser()]
        self.ranking: Ranking[stt.STT[Any]] = Ranking(self.recognisers, lambda _place: None)
        self.failed: list[int] = []
        self.events: list[stt.SpeechEvent] = []
        self.recognition = Recognition(
            self.ranking,
            2.0,
            on_open=lambda _again_s: None,
            on_event=self.events.append,
            on_works=lambda _place: None,
            on_failed=lambda place, _why: self.failed.append(place),
        )

    @property
    def stream(self) -> Stream:
        return self.recognisers[self.recognition.place].streams[-1]


@pytest.fixture
async def person(until: Until) -> AsyncIterator[Person]:
    here = Person()
    running = asyncio.create_task(here.recognition.run())
    await until(lambda: here.recognition.is_open)
    yield here
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def fail(person: Person, until: Until, leave: Callable[[], None]) -> None:
    """Leave the present stream, which is a failure, for the next."""
    failures = len(person.failed)
    leave()
    await until(lambda: len(person.failed) > failures and person.recognition.is_open)


def be_silent(person: Person) -> Callable[[], None]:
    return lambda: person.recognition.replace(APITimeoutError())


async def test_a_silent_stream_is_no_outage_and_a_later_break_is_a_new_one(person: Person, until: Until) -> None:
    person.recognition.wait(5)
    await fail(person, until, be_silent(person))
    person.recognition.wait(0.5)
    assert person.recognition.deaf_s == 0
    person.recognition.wait(35)
    await fail(person, until, person.stream.break_off)
    person.recognition.wait(0.5)
    assert person.recognition.deaf_s == 0.5
    await fail(person, until, person.stream.break_off)
    person.recognition.wait(0.5)
    assert person.recognition.deaf_s == 1
    person.recognition.wait(3)
    assert person.recognition.deaf_s == 0
    person.recognition.wait(35)
    await fail(person, until, person.stream.break_off)
    person.recognition.wait(0.5)
    assert person.recognition.deaf_s == 0.5


async def test_a_provider_works_once_it_finds_words(person: Person, until: Until) -> None:
    await fail(person, until, person.stream.break_off)
    await fail(person, until, be_silent(person))
    place = person.recognition.place
    person.stream.tell(stt.SpeechEventType.START_OF_SPEECH)
    await until(lambda: len(person.events) == 1)
    assert person.ranking.is_down(place)
    person.stream.tell(stt.SpeechEventType.INTERIM_TRANSCRIPT, "Hello")
    await until(lambda: len(person.events) == 2)
    assert not person.ranking.is_down(place)


def a_frame(level: int) -> Frame:
    samples = np.full(int(FRAME_S * SAMPLE_RATE), level, np.int16)
    return Frame(rtc.AudioFrame(samples.tobytes(), SAMPLE_RATE, 1, len(samples)), 0.0, 0.0, sounds=level > 0)


async def test_all_results_that_may_come_for_a_sound_before_the_end_or_after_one_of_it_are_waited_for(
    person: Person, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognition, "LAST_WORDS_S", 3600)
    person.recognition.hear(a_frame(level=100))
    person.recognition.wait(3600)
    person.recognition.end()
    for count, text in enumerate(("Yes please.", "Bye."), 1):
        person.recognition.finish()
        await asyncio.sleep(0)
        person.stream.tell(stt.SpeechEventType.FINAL_TRANSCRIPT, text)
        await until(lambda count=count: len(person.events) == count)
        person.recognition.wait(SETTLED * 3600)
    person.recognition.hear(a_frame(level=0))
    person.recognition.wait(1)
    person.recognition.finish()
    await until(lambda: not person.recognition.is_open)
