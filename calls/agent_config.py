"""What shapes a conversation: the API checks it, the worker and the pipeline read it."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from calls.analysis.post_call import PostCall
from calls.config import Config
from calls.phones.numbers import normalise_destination
from calls.phrases import Phrases
from calls.privacy.redaction import Redaction
from calls.tools.config import AgentTools

Text = Annotated[str, StringConstraints(max_length=100_000)]
Short = Annotated[str, StringConstraints(max_length=200)]
TtsProvider = Literal["deepgram", "openai"]
MachineDetection = Literal["hang_up", "continue"]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
MAX_DAYS = 36_500
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]


def _destination(text: str) -> str:
    try:
        return normalise_destination(text)
    except ValueError as error:
        raise ValueError(f"expected {error}") from None


class Features(Config):
    """What is kept of a conversation, and how, and what its agent can do beside talking."""

    transcription_enabled: bool = True
    redact: list[Redaction] = Field(
        [], max_length=3, description="What is taken out of transcripts as they are written."
    )
    transfer_to: Annotated[Short, AfterValidator(_destination)] | None = Field(
        None,
        description="Phone number or SIP address that the agent may send a phone to; null: it sends nobody anywhere.",
        examples=["+15551234567"],
    )


class RetentionDays(Config):
    """After how many days something is erased; null: as long as the tenant says, without that for ever."""

    recordings: Days | None = None
    transcripts: Days | None = None


class AgentConfig(AgentTools):
    """Everything that shapes a conversation."""

    system_prompt: Text = ""
    voice: Short | None = None
    language: Short | None = None
    llm_provider: Short | None = None
    llm_model: Short | None = None
    stt_provider: Short | None = None
    stt_model: Short | None = None
    tts_provider: TtsProvider | None = Field(None, description="Whose voice it is; null: OpenAI's.")
    tts_model: Short | None = None
    first_message: Text = Field("", description="What the agent says when the call starts; empty: it waits.")
    phrases: Phrases = Field(Phrases(), description="What the agent says of itself, beside what its model says.")
    max_duration_s: Seconds = 3600
    silence_reminder_s: Seconds = Field(12, description="After this silence the agent asks once.")
    silence_timeout_s: Seconds = Field(30, description="After this silence the agent ends the call.")
    machine_detection: MachineDetection = Field(
        "continue",
        description="What happens when a voicemail answers a phone that was called; a call may have its own.",
    )
    features: Features = Features()
    retention_days: RetentionDays = RetentionDays()
    post_call: PostCall = PostCall()

    def config(self) -> dict[str, Any]:
        """Every field of the configuration as JSON, defaults included."""
        return self._dump(set(AgentConfig.model_fields))

    def changes(self) -> dict[str, Any]:
        """The given fields as JSON."""
        return self._dump(set(self.model_fields_set))

    def _dump(self, fields: set[str]) -> dict[str, Any]:
        dumped = self.model_dump(include=fields)
        if "post_call" in dumped:
            dumped["post_call"] = self.post_call.given()
        return dumped


class AgentSnapshot(AgentConfig):
    """The agent of a call as it was when the call was created: `AgentSnapshot.stored(call.agent)`."""

    id: str
    name: str
