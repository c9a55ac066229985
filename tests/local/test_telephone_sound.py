"""The same sentences from a browser and over a telephone line: both are understood, and known to have been finished."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from aiohttp import ClientSession
from livekit import api, rtc
from livekit.local_inference import EOT, EOT_MAX_SAMPLES
from livekit.plugins import deepgram
from numpy.typing import NDArray

from bench.word_errors import word_error_rate
from tests.conftest import PATIENCE_S, Until
from tests.servers import LiveKitServer
from tests.telephony.sound import RATE, read, through_the_line
from worker.ranking import Ranking
from worker.room.activity import SAMPLE_RATE, Activity
from worker.room.clock import Clock
from worker.room.ear import Listener
from worker.room.hearing import Hearing
from worker.turns.end_model import predict

pytestmark = pytest.mark.restless

SENTENCES = (
    "I would like to book a table for two people at eight o'clock tomorrow evening.",
    "Could you tell me when my order will arrive?",
    "My name is Alice Brown and I live in the green house next to the station.",
)
FRAME = SAMPLE_RATE // 50
MISHEARD = (
    0.25  # the share of words, of either; a small model takes "Alice" for "a dallas", on a telephone "book" for "boot"
)
WORSE = 0.1  # so much more of it may be misheard over the telephone
Pcm = NDArray[np.int16]
SayAsFile = Callable[[str], Path]


def in_a_browser(sentence: Path) -> Pcm:
    return read(sentence, SAMPLE_RATE)


def on_a_phone(sentence: Path) -> Pcm:
    return through_the_line(read(sentence))


def as_the_worker_hears(phone: Pcm) -> Pcm:
    resampler = rtc.AudioResampler(RATE, SAMPLE_RATE)
    frame = rtc.AudioFrame(phone.tobytes(), RATE, 1, len(phone))
    return np.concatenate([np.frombuffer(one.data, np.int16) for one in [*resampler.push(frame), *resampler.flush()]])


def speeches(pcm: Pcm) -> list[float]:
    """At which seconds somebody begins to speak and is done."""
    activity, changes = Activity(), list[float]()
    quiet = np.zeros(SAMPLE_RATE, np.int16)
    whole = np.concatenate([quiet, pcm, quiet])
    for start in range(0, len(whole) - FRAME, FRAME):
        activity.hear(rtc.AudioFrame(whole[start : start + FRAME].tobytes(), SAMPLE_RATE, 1, FRAME))
        if activity.speaking == (len(changes) % 2 == 0):
            changes.append(start / SAMPLE_RATE - 1)
    return changes


def ends_of_turns(pcm: Pcm) -> list[float]:
    """How likely it is that the speaker has finished, should he fall silent at each of some moments."""
    judge, silence = EOT(), np.zeros(int(0.3 * SAMPLE_RATE), np.int16)
    moments = np.linspace(0.2, 1, 17)
    return [judge.predict(np.concatenate([pcm[: int(len(pcm) * at)], silence])[-EOT_MAX_SAMPLES:]) for at in moments]


def test_turns_are_taken_on_the_phone_as_in_the_browser(say_as_file: SayAsFile) -> None:
    bias = []
    for sentence in map(say_as_file, SENTENCES):
        browser, phone = in_a_browser(sentence), as_the_worker_hears(on_a_phone(sentence))
        assert speeches(phone) == pytest.approx(speeches(browser), abs=0.1)
        bias += list(np.subtract(ends_of_turns(phone), ends_of_turns(browser)))
    assert abs(np.mean(bias)) < 0.1


async def test_a_phone_is_understood_as_a_browser_is(
    livekit: LiveKitServer, local_url: str, http: ClientSession, say_as_file: SayAsFile, until: Until
) -> None:
    heard: defaultdict[str, list[str]] = defaultdict(list)
    listener = Listener(
        clock=Clock(datetime.now(UTC)),
        transcript=None,
        on_audio=lambda _identity, _frame: None,
        on_words=lambda identity, text: heard[identity].append(text),
        on_ears=lambda _count: None,
        on_late=lambda _seconds: None,
        predict_end=predict,
        on_cut_off=lambda: True,
        on_deaf=lambda: None,
        on_wordless=lambda: True,
        on_unheard=lambda _identity: None,
        on_heard=lambda _identity: None,
        on_provider_failed=lambda _place, _why: None,
        on_failed=lambda: None,
        holds=lambda _text, _began_at, _line: False,
    )
    local = deepgram.STT(base_url=f"{local_url}/v1/listen", api_key="none", http_session=http)
    hearing = Hearing(Ranking([local], lambda _place: None), PATIENCE_S, listener, sets_marks=None)
    name = f"room-{uuid.uuid4()}"
    async with api.LiveKitAPI(livekit.url, livekit.key, livekit.secret) as server:
        await server.room.create_room(api.CreateRoomRequest(name=name))
    agent, browser, phone = [await join(livekit, name, who) for who in ("agent", "browser", "phone")]
    agent.on("track_subscribed", lambda track, _publication, person: hearing.attend(track, person))
    files = [say_as_file(sentence) for sentence in SENTENCES]
    await asyncio.gather(
        speak(browser, SAMPLE_RATE, [in_a_browser(file) for file in files]),
        speak(phone, RATE, [on_a_phone(file) for file in files]),
    )
    await until(lambda: all("station" in " ".join(heard[who]).lower() for who in ("browser", "phone")), timeout=180)
    await hearing.aclose()
    for room in (agent, browser, phone):
        await room.disconnect()
    wrong = {who: word_error_rate(" ".join(SENTENCES), " ".join(heard[who])) for who in ("browser", "phone")}
    assert wrong["browser"] <= MISHEARD, heard
    assert wrong["phone"] <= wrong["browser"] + WORSE, heard


async def join(livekit: LiveKitServer, name: str, identity: str) -> rtc.Room:
    grants = api.VideoGrants(room_join=True, room=name)
    token = api.AccessToken(livekit.key, livekit.secret).with_identity(identity).with_grants(grants)
    room = rtc.Room()
    await room.connect(livekit.url, token.to_jwt())
    return room


async def speak(room: rtc.Room, rate: int, sentences: list[Pcm]) -> None:
    """Publish a microphone and say them, with a pause after each; in one piece, so that there are no holes."""
    source = rtc.AudioSource(rate, 1, queue_size_ms=60_000)
    track = rtc.LocalAudioTrack.create_audio_track("microphone", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await room.local_participant.publish_track(track, options)
    await publication.wait_for_subscription()
    pause = np.zeros(int(1.5 * rate), np.int16)
    whole = np.concatenate([pause, *(part for sentence in sentences for part in (sentence, pause))])
    await source.capture_frame(rtc.AudioFrame(whole.tobytes(), rate, 1, len(whole)))
    await source.wait_for_playout()
