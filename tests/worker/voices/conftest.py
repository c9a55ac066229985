"""Voices that need no server, and where their phrases are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import APIConnectionError
from livekit.agents.types import USERDATA_TIMED_TRANSCRIPT

from calls.agent_config import AgentConfig
from tests.worker.voices.box import ANSWER, Box, voices_of
from worker.speaker.sound.prepared import Prepared
from worker.speaker.words.language import Language


@pytest.fixture
def language() -> Language:
    """Of an agent that speaks English and has no words of its own."""
    return Language(AgentConfig(system_prompt="You are Ada."))


@pytest.fixture
def prepared(tmp_path: Path, language: Language) -> Prepared:
    """Nothing is kept yet."""
    return Prepared(language, tmp_path / "speech", "a voice")


@pytest.fixture
def said(prepared: Prepared) -> Callable[..., Any]:
    """Has voices say a text, word by word; what came of it."""

    async def say(*boxes: Box, text: str = ANSWER) -> tuple[str, float, set[int], list[tuple[str, Any]]]:
        happened: list[tuple[str, Any]] = []
        shown, seconds, rates = "", 0.0, set()
        async with voices_of(boxes, prepared, happened).stream() as stream:
            for word in text.split(" "):
                stream.push_text(f"{word} ")
            stream.end_input()
            try:
                async for event in stream:
                    shown += "".join(event.frame.userdata.get(USERDATA_TIMED_TRANSCRIPT, []))
                    seconds += event.frame.duration
                    rates.add(event.frame.sample_rate)
            except APIConnectionError:
                pass
        return shown.strip(), seconds, rates, happened

    return say
