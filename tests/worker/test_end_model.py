"""The end-of-turn model of a worker, which predicts for the processes of its calls."""

import asyncio
import gc
import os
import struct
import uuid
import wave
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from livekit import rtc
from livekit.local_inference import EOT, EOT_MAX_SAMPLES
from numpy.typing import NDArray

from worker.room.activity import SAMPLE_RATE, WINDOW_S, Activity
from worker.turns import end_model
from worker.turns.end_model import EndModelServer, predict_at
from worker.turns.intonation import LISTEN_S, Intonation

WINDOW = round(SAMPLE_RATE * WINDOW_S)


@pytest.fixture(scope="module")
def speech() -> NDArray[np.int16]:
    with wave.open(str(Path(__file__).with_name("speech.wav"))) as file:
        return np.frombuffer(file.readframes(EOT_MAX_SAMPLES), np.int16)


async def answer_of(address: str, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_several_ask_at_once_and_what_is_no_speech_has_no_answer(speech: NDArray[np.int16]) -> None:
    server, likely = EndModelServer(), struct.pack("<d", EOT().predict(speech))
    requests = [speech.tobytes(), b"\0" * (2 * EOT_MAX_SAMPLES + 2), b"\0", speech.tobytes()]
    async with await server.open():
        answers = await asyncio.gather(*(answer_of(server.address, request) for request in requests))
    assert answers == [likely, b"", b"", likely]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_process_predicts_for_itself_when_nobody_does_it(
    speech: NDArray[np.int16], run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    address = f"\0{uuid.uuid4()}"
    answers = [struct.pack("<d", 0.25), b""]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == speech.tobytes()
        writer.write(answers.pop(0))
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_unix_server(answer, address):
            assert await predict_at(address, speech) == 0.25
            assert await predict_at(address, speech) == EOT().predict(speech)
        assert await predict_at(address, speech) == EOT().predict(speech)

    run(ask())


async def test_who_is_late_is_not_helped_by_more_work_in_the_process_that_waits(
    speech: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, gives_up, over = f"\0{uuid.uuid4()}", asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == speech.tobytes()
        await gives_up.wait()
        writer.close()
        over.set()

    monkeypatch.setattr(end_model, "ANSWER_S", 0.2)
    async with await asyncio.start_unix_server(answer, address):
        with pytest.raises(TimeoutError):
            await predict_at(address, speech)
        gives_up.set()
        await over.wait()


async def test_a_judgement_that_fails_once_somebody_goes_on_is_no_error_that_nobody_has_asked_for() -> None:
    untold: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: untold.append(context))
    late = asyncio.Event()

    async def predict(_samples: NDArray[np.int16]) -> float:
        await late.wait()
        raise TimeoutError

    activity, intonation = Activity(), Intonation(predict)
    for seconds, voice in ((1.0, True), (LISTEN_S, False), (0.1, True)):
        activity.step(seconds, voice=voice)
        intonation.hear(rtc.AudioFrame.create(SAMPLE_RATE, 1, WINDOW), activity)
        assert intonation.is_judging is not voice
    late.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    gc.collect()
    assert untold == []


async def test_nobody_elses_server_is_given_sound(speech: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch) -> None:
    address, given = f"\0{uuid.uuid4()}", []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        given.append(await reader.read())
        writer.write(struct.pack("<d", 0.25))
        writer.close()

    async with await asyncio.start_unix_server(answer, address):
        likely = EOT().predict(speech)
        assert await predict_at(address, speech) == 0.25
        monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
        assert await predict_at(address, speech) == likely
    assert given in ([speech.tobytes()], [speech.tobytes(), b""])
