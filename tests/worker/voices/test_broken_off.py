"""Who speaks again before a voice has made a sound."""

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions, tts
from typing_extensions import override

from calls.agent_config import AgentConfig
from tests.conftest import Until
from tests.worker.voices.box import ANSWER, Box
from worker.ranking import Ranking
from worker.speaker.sound.prepared import Prepared
from worker.speaker.sound.voices import Voices
from worker.speaker.words.language import Language

FIRST_SOUND_S = 1.0
MOST = 12  # utterances that a caller breaks off


class Hung(Box):
    """A voice that takes a text, and makes no sound of it."""

    def synthesize(self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return HungWhole(tts=self, input_text=text, conn_options=conn_options)

    def stream(self, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS) -> Any:
        return HungByWord(tts=self, conn_options=conn_options)


class HungWhole(tts.ChunkedStream):
    @override
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        cast("Hung", self._tts).texts.append(self.input_text)
        await asyncio.Event().wait()


class HungByWord(tts.SynthesizeStream):
    @override
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        cast("Hung", self._tts).texts.append("")
        await asyncio.Event().wait()


class Hasty:
    """A caller who waits for a sound only half as long as a voice may take."""

    def __init__(self, until: Until, folder: Path, *boxes: Box) -> None:
        self.happened: list[tuple[str, Any]] = []
        self._until = until
        self._boxes = boxes
        self._voices = Voices(
            Ranking(boxes, lambda place: self.happened.append(("switched", place))),
            Prepared(Language(AgentConfig()), folder, "a voice"),
            FIRST_SOUND_S,
            on_failed=lambda place, _error: self.happened.append(("failed", place)),
            on_spoken=lambda: self.happened.append(("spoken", None)),
            on_speechless=lambda *, spoken_into: self.happened.append(("speechless", spoken_into)),
        )

    async def listen(self) -> bool:
        """Whether he has heard something."""
        before = sum(len(box.texts) for box in self._boxes)
        async with self._voices.stream() as stream:
            stream.push_text(ANSWER)
            stream.end_input()
            hearing = asyncio.create_task(anext(stream, None))
            await self._until(lambda: sum(len(box.texts) for box in self._boxes) > before)
            await asyncio.wait({hearing}, timeout=FIRST_SOUND_S * 0.55)
        await asyncio.wait({hearing})
        return hearing.exception() is None and hearing.result() is not None


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "words"])
async def test_short_waits_for_a_voice_that_hangs_add_up_and_the_next_one_speaks(
    until: Until, tmp_path: Path, *, streaming: bool
) -> None:
    first, second = Hung(24_000, streaming=streaming), Box(24_000)
    caller = Hasty(until, tmp_path, first, second)
    for _ in range(MOST):
        if await caller.listen():
            break
    assert second.texts
    assert caller.happened[:3] == [("failed", 0), ("switched", 1), ("spoken", None)]


async def test_who_waits_for_the_only_voice_in_vain_again_and_again_has_met_failures(
    until: Until, tmp_path: Path
) -> None:
    only = Hung(24_000)
    caller = Hasty(until, tmp_path, only)
    for _ in range(MOST):
        assert not await caller.listen()
        if len(caller.happened) == 3:
            break
    assert [what for what, _ in caller.happened] == ["failed", "speechless", "speechless"]
