"""What is heard in a real room: whose speech it is, at which moment, and what remains when something breaks."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp
import numpy as np
import pytest
from livekit import api, rtc
from livekit.agents import llm, vad
from livekit.plugins import deepgram

from calls.rooms import Rooms
from calls.settings import Settings
from tests.conftest import PATIENCE_S, Until
from tests.providers import Providers
from tests.worker.caller import Caller, leave, mute
from tests.worker.conftest import Stage, Together
from worker.ranking import Ranking
from worker.room import hearing, recognition
from worker.room.activity import WINDOW_S
from worker.room.clock import Clock
from worker.room.ear import LOOK_S, Listener
from worker.room.hearing import Attachment, Hearing
from worker.room.kept import FRAME_S
from worker.speaker.floor import Floor
from worker.turns.end_model import predict

pytestmark = pytest.mark.restless

LOUD = 0.02
WORDS_S = 20
LOOKS = 15


def is_loud(frame: rtc.AudioFrame) -> bool:
    samples = np.frombuffer(frame.data, np.int16).astype(np.float32) / 32768
    return float(np.sqrt(np.mean(samples**2))) > LOUD


class Place:
    """A room with an agent's hearing in it, and what came of that."""

    def __init__(self, settings: Settings, rooms: Rooms, recognizer: Any) -> None:
        self.name = f"room-{uuid.uuid4()}"
        self.room = rtc.Room()
        self.counts = [0]  # how many ears there were, one after the other
        self.late_s: list[float] = []  # how late the event loop was, one look after the other
        self.loud: dict[str, list[float]] = {}  # when each person was heard
        self.told_at: list[float] = []  # when the people were told that nobody hears them
        self.deaf_at: list[float] = []
        self.unheard: list[tuple[str, bool]] = []  # for whom recognition stopped working, or works again
        self.failures = 0
        self.fault: Callable[[str], None] = lambda _identity: None
        self._settings, self._rooms = settings, rooms
        listener = Listener(
            clock=Clock(datetime.now(UTC)),
            transcript=None,
            on_audio=self._on_audio,
            on_words=lambda _identity, _text: None,
            on_ears=self.counts.append,
            on_late=self.late_s.append,
            predict_end=predict,
            on_cut_off=self._tell,
            on_deaf=lambda: self.deaf_at.append(time.monotonic()),
            on_wordless=lambda: True,
            on_unheard=lambda identity: self.unheard.append((identity, True)),
            on_heard=lambda identity: self.unheard.append((identity, False)),
            on_provider_failed=lambda _place, _why: None,
            on_failed=lambda: setattr(self, "failures", self.failures + 1),
            holds=lambda _text, _began_at, _line: False,
        )
        self.hearing = Hearing(Ranking([recognizer], lambda _place: None), WORDS_S, listener, sets_marks=None)
        self.room.on("track_subscribed", lambda track, _publication, person: self.hearing.attend(track, person))
        self.room.on("track_unsubscribed", lambda track, *_: self.hearing.ignore(track))

    def caller(self, identity: str) -> Caller:
        return Caller(self._settings.livekit_url, self._rooms.caller_token(self.name, identity, {}))

    @property
    def ears(self) -> int:
        return self.counts[-1]

    def seconds_of(self, identity: str) -> float:
        return len(self.loud.get(identity, [])) * FRAME_S

    def _tell(self) -> bool:
        self.told_at.append(time.monotonic())
        return True

    def _on_audio(self, identity: str, frame: rtc.AudioFrame) -> None:
        self.fault(identity)
        if is_loud(frame):
            self.loud.setdefault(identity, []).append(time.monotonic())


@asynccontextmanager
async def open_place(settings: Settings, providers: Providers) -> AsyncIterator[Place]:
    secret = settings.livekit_api_secret.get_secret_value()
    async with (
        aiohttp.ClientSession() as http,
        Rooms.connect(settings, PATIENCE_S) as rooms,
        api.LiveKitAPI(settings.livekit_url, settings.livekit_api_key, secret) as livekit,
    ):
        recognizer = deepgram.STT(base_url=f"{providers.url}/listen", api_key="none", http_session=http)
        here = Place(settings, rooms, recognizer)
        await livekit.room.create_room(api.CreateRoomRequest(name=here.name))
        await here.room.connect(settings.livekit_url, rooms.caller_token(here.name, "agent", {}))
        yield here
        await here.hearing.aclose()
        await here.room.disconnect()


class Session:
    """Reads what it is attached to, as an AgentSession does."""

    def __init__(self, heard: Attachment) -> None:
        self.turns: list[tuple[str, float]] = []
        self.words: list[str] = []
        self._stream = heard.vad.stream()
        self._tasks = [asyncio.create_task(read(heard)) for read in (self._turns, self._words)]

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.turns]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stream.aclose()

    async def _turns(self, _heard: Attachment) -> None:
        async for event in self._stream:
            if event.type is not vad.VADEventType.INFERENCE_DONE:
                self.turns.append((event.type.value, time.monotonic()))

    async def _words(self, heard: Attachment) -> None:
        async for event in heard.events():
            self.words.append(event.alternatives[0].text)


@pytest.fixture
async def place(worker_settings: Settings, providers: Providers) -> AsyncIterator[Place]:
    async with open_place(worker_settings, providers) as opened:
        yield opened


@asynccontextmanager
async def attached_to(place: Place) -> AsyncIterator[Session]:
    attached = Session(place.hearing.attach(eager=0, only_listens=lambda _: False))
    yield attached
    await attached.stop()


@pytest.fixture
async def session(place: Place) -> AsyncIterator[Session]:
    async with attached_to(place) as attached:
        yield attached


async def who_leaves_or_mutes_in_mid_word_ends_their_own_speech_and_nobody_elses(
    vanish: Callable[[Caller], Any], place: Place, session: Session, _providers: Providers, until: Until
) -> None:
    async with place.caller("alice") as alice, place.caller("bob") as bob:
        await until(lambda: place.ears == 2)
        talking = [asyncio.create_task(alice.say(5)), asyncio.create_task(bob.say(5))]
        await until(lambda: place.seconds_of("bob") > 1)
        await vanish(bob)
        await talking[0]
        await until(lambda: session.kinds == ["start_of_speech", "end_of_speech"])
        assert place.seconds_of("bob") < place.seconds_of("alice")
        assert session.turns[1][1] > place.loud["alice"][-1]
        talking.append(asyncio.create_task(alice.say(5)))
        await until(lambda: len(session.turns) == 3)
        await vanish(alice)
        await until(lambda: session.kinds[3:] == ["end_of_speech"])
        for task in talking:
            task.cancel()


async def test_how_late_the_event_loop_is_is_told_once_whoever_is_there(place: Place, until: Until) -> None:
    async with place.caller("alice"), place.caller("bob"):
        await until(lambda: place.ears == 2)
        before, began_at = len(place.late_s), time.monotonic()
        await until(lambda: len(place.late_s) > before + LOOKS)
        assert time.monotonic() - began_at >= LOOKS * LOOK_S


async def a_microphone_that_is_published_again_is_heard_once(
    place: Place, session: Session, _providers: Providers, until: Until
) -> None:
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.publish_again()
        await until(lambda: len(place.counts) == 4)  # the old one may go before the new one comes, or after
        assert place.ears == 1
        await alice.say(2)
        await until(lambda: session.kinds == ["start_of_speech", "end_of_speech"])
        assert place.seconds_of("alice") < 2.5


async def who_publishes_more_and_more_microphones_has_one_ear_for_the_last(
    place: Place, session: Session, _providers: Providers, until: Until
) -> None:
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        for _ in range(3):
            await alice.publish()
        await until(lambda: place.counts == [0, *[1, 0] * 3, 1])
        await alice.say(2)
        await until(lambda: session.kinds == ["start_of_speech", "end_of_speech"])
        assert place.seconds_of("alice") < 2.5


async def a_session_hears_what_is_said_while_it_is_attached(
    place: Place, session: Session, providers: Providers, until: Until
) -> None:
    providers.hear("To the first.", "To nobody.", "To the second.")
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.say()
        await until(lambda: session.words == ["To the first."])
        last = place.hearing.attach(eager=0, only_listens=lambda _: False)
        last.close()
        await alice.say()
        await until(lambda: len(providers.utterances) == 2)
        second = Session(place.hearing.attach(eager=0, only_listens=lambda _: False))
        await alice.say()
        # On a busy machine the words that were said to nobody may be understood only now.
        await until(lambda: second.words[-1:] == ["To the second."])
        await until(lambda: second.kinds[-2:] == ["start_of_speech", "end_of_speech"])
        assert session.words == ["To the first."]
        await second.stop()


async def who_goes_on_as_loudly_still_speaks_though_for_some_seconds_no_words_come(
    place: Place, session: Session, providers: Providers, until: Until
) -> None:
    providers.hear("I am calling about my order.", None)
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.say()
        await until(lambda: session.words and session.kinds == ["start_of_speech", "end_of_speech"])
        await alice.say(5)

        def is_heard_out() -> bool:
            """On a busy machine it may be two speeches: the last one is not over before its last sound."""
            *before, (kind, at) = session.turns
            return len(before) > 2 and kind == "end_of_speech" and at > place.loud["alice"][-1]

        await until(is_heard_out)


async def the_sentence_of_whoever_is_gone_ends_no_sooner_than_that_of_who_is_silent(
    place: Place, _session: Session, providers: Providers, until: Until
) -> None:
    providers.hear("I would like to book a table for", "No, that is not the order that I meant.")
    heard = place.hearing.attach(eager=0, only_listens=lambda _: False)
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.say()
    await until(lambda: place.ears == 0)
    await until(lambda: heard.told == 1)
    chat = llm.ChatContext.empty()
    chat.add_message(role="user", content="I would like to book a table for")
    await heard.turn_end.predict_end_of_turn(chat)
    assert time.monotonic() - place.loud["alice"][-1] > 1.0
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        providers.hold()
        await alice.say()
        await until(lambda: heard.has_words)
    await until(lambda: place.ears == 0)
    tool = asyncio.create_task(Floor(heard).wait())
    await asyncio.sleep(3 * WINDOW_S)
    assert not tool.done()
    providers.confirm()
    await until(lambda: heard.told == 2)
    assert not tool.done()
    tool.cancel()


async def test_whoever_leaves_is_waited_for_while_words_may_come_and_not_at_all_after_silence(
    place: Place, session: Session, providers: Providers, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listens() -> bool:
        return any(task.get_name() == "ear" for task in asyncio.all_tasks())

    monkeypatch.setattr(recognition, "LAST_WORDS_S", 3600)
    providers.silence(times=1)  # nor is it told that all has been heard
    async with place.caller("bob"):
        await until(lambda: place.ears == 1)
    await until(lambda: not listens())
    providers.hear("I have to go.", "Goodbye.")
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.say()
        await until(lambda: session.words == ["I have to go."])
        providers.hold()
        await alice.say()
    await until(lambda: place.ears == 0)
    assert listens()
    providers.confirm()
    await until(lambda: session.words == ["I have to go.", "Goodbye."])
    monkeypatch.setattr(recognition, "LAST_WORDS_S", 0)  # as if so much time had passed
    await until(lambda: not listens())


async def an_ear_that_dies_hears_again_what_it_had_not_understood(
    place: Place, session: Session, providers: Providers, until: Until
) -> None:
    providers.hear("This goes down with the ear.", "Do you still hear me?")

    def once(_identity: str) -> None:
        if place.seconds_of("alice") > 1 and providers.begun:
            place.fault = lambda _identity: None
            raise RuntimeError

    place.fault = once
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        await alice.say(6)
        await until(lambda: session.words == ["Do you still hear me?"])
        assert providers.utterances[-1].duration_s > 1.7
        assert place.failures == 0


async def test_an_ear_that_keeps_dying_is_made_known(place: Place, session: Session, until: Until) -> None:
    def always(_identity: str) -> None:
        raise RuntimeError

    place.fault = always
    async with place.caller("alice"):
        await until(lambda: place.failures == 1)


async def recognition_that_has_worked_for_nobody_for_some_time_has_failed_and_for_one_person_is_told_of_them(
    place: Place, session: Session, providers: Providers, until: Until
) -> None:
    async with place.caller("alice") as alice:
        await until(lambda: place.ears == 1)
        providers.hear("Hello.")
        await alice.say()
        await until(lambda: session.words == ["Hello."])
        providers.fail("stt", 503)
        async with place.caller("bob") as bob:
            await until(lambda: place.ears == 2)
            await until(lambda: place.unheard == [("bob", True)])  # his ear has not heard a word yet, hers has
            assert place.deaf_at == []
            providers.hear("Can you hear me?")
            await bob.say()
            providers.recover()
            await until(lambda: place.unheard == [("bob", True), ("bob", False)])
            await until(lambda: session.words[1:] == ["\nbob: Can you hear me?"])
            providers.fail("stt", 503)
        began_at = time.monotonic()
        await providers.cut_listeners()
        await until(lambda: place.deaf_at)
        assert len(place.told_at) == 1
        assert place.told_at[0] - began_at > 2.5
        assert place.deaf_at[0] - began_at > 5.5


Heard = Callable[[Place, Session, Providers, Until], Awaitable[None]]


async def in_a_place(way: Heard, stage: Stage, providers: Providers, until: Until) -> None:
    async with open_place(stage.settings, providers) as place, attached_to(place) as session:
        await way(place, session, providers, until)


@pytest.mark.timeout(240)
async def test_what_is_heard_of_whom(together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in a room of its own, three of them at a time, those first that take longest."""
    monkeypatch.setattr(hearing, "UNHEARD_S", 4.0)
    monkeypatch.setattr(hearing, "DEAF_S", 6.0)
    ways: tuple[Heard, ...] = (
        recognition_that_has_worked_for_nobody_for_some_time_has_failed_and_for_one_person_is_told_of_them,
        a_session_hears_what_is_said_while_it_is_attached,
        the_sentence_of_whoever_is_gone_ends_no_sooner_than_that_of_who_is_silent,
        an_ear_that_dies_hears_again_what_it_had_not_understood,
        who_goes_on_as_loudly_still_speaks_though_for_some_seconds_no_words_come,
        partial(who_leaves_or_mutes_in_mid_word_ends_their_own_speech_and_nobody_elses, mute),
        partial(who_leaves_or_mutes_in_mid_word_ends_their_own_speech_and_nobody_elses, leave),
        a_microphone_that_is_published_again_is_heard_once,
        who_publishes_more_and_more_microphones_has_one_ear_for_the_last,
    )
    await together(*(partial(in_a_place, way) for way in ways))
