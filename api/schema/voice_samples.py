"""A voice to hear before an agent has it."""

from typing import Annotated

from pydantic import Field, StringConstraints

from calls.providers.choice import Voice

MAX_TEXT = 300
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TEXT)]


class CreateVoiceSample(Voice):
    """Body of `POST /v1/agents/voice-sample`: a voice as an agent's `tts` has it, and what it is to say."""

    text: Sentence = Field(description="What it says, as it is: no places are filled in.", examples=["Good evening!"])
