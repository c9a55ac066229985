"""One drill: the call in which something fails, what is left of it, and files for who wants to look and hear."""

import asyncio
import io
import re
import time
import wave
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from demo.caller import RATE
from demo.client import Client
from drills.providers.front import EARS, FIRST, SECOND, Front
from drills.providers.outcome import Call, ProviderOutcome, outcome
from drills.providers.plan import Failure
from drills.providers.talk import talking
from drills.providers.timeline import sounds, timeline

MODELS = {"tts": "tts-1"}  # whose sound comes as it is, so that it can break off anywhere


@dataclass(frozen=True)
class Place:
    """Where the drills are: the api, the front of its providers, local speech, and a folder for each drill's files."""

    client: Client
    front: Front
    http: aiohttp.ClientSession
    speech_url: str
    folder: Path


async def carry_out(failure: Failure, place: Place) -> ProviderOutcome:
    """Raises AgentSilent, ApiError, LookupError, TimeoutError or ClientError if there was no call, or no end of it."""
    first, second = (f"{name}{EARS if failure.kind == 'stt' else ''}" for name in (FIRST, SECOND))
    names = [first, second] if failure.second else [first]
    chosen = [{"provider": name, "model": MODELS.get(failure.kind)} for name in names]

    async with talking(place.client, {failure.kind: chosen}) as talk:

        def fail() -> None:
            talk.note_failure()
            place.front.misbehave(first, failure.fault)

        try:
            await failure.course(talk, fail, place.front.behave)
        finally:
            place.front.behave()
        await talk.side.caller.leave()
        detail = await talk.side.settled()
    sound = _wav(bytes(talk.side.caller.sound))
    heard = await _recognise(place, sound)
    folder = place.folder / re.sub(r"\W+", "-", failure.title).strip("-")
    since_epoch_s = time.time() - time.monotonic()
    call = Call(
        replies=[wait.reply for wait in talk.waits],
        silence_s=talk.silence_s,
        script=talk.side.script,
        heard=heard,
        sounds=sounds(detail, [at + since_epoch_s for at in talk.side.caller.heard]),
        detail=detail,
    )
    lines = [f"call {talk.side.id}", f"heard: {heard}", *timeline(detail, call.sounds)]
    await asyncio.to_thread(_write, folder, sound, lines)
    return outcome(failure.name, call, failure.expected, second=failure.second)


async def _recognise(place: Place, sound: bytes) -> str:
    """The words in it."""
    async with place.http.post(f"{place.speech_url}/listen?smart_format=true", data=sound) as answer:
        answer.raise_for_status()
        return str((await answer.json())["results"]["channels"][0]["alternatives"][0]["transcript"])


def _wav(samples: bytes) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return made.getvalue()


def _write(folder: Path, sound: bytes, lines: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "heard.wav").write_bytes(sound)
    (folder / "call.txt").write_text("\n".join([*lines, ""]), encoding="utf-8")
