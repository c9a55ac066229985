"""What shapes a conversation: the API checks it, the worker and the pipeline read it."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo, field_validator
from typing_extensions import override

from calls.analysis.post_call import PostCall
from calls.config import Config
from calls.phones.numbers import normalise_destination
from calls.phrases import Phrases
from calls.privacy.redaction import Redaction
from calls.providers.choice import FIRST, KINDS, Choice, Kind, Name, Short, Voice, in_lists
from calls.providers.language import normalise_language
from calls.tools.config import AgentTools

Text = Annotated[str, StringConstraints(max_length=100_000)]
MachineDetection = Literal["hang_up", "continue"]
Seconds = Annotated[int, Field(ge=1, le=86_400)]
MAX_DAYS = 36_500
Days = Annotated[int, Field(ge=1, le=MAX_DAYS)]


def _destination(text: str) -> str:
    try:
        return normalise_destination(text)
    except ValueError as error:
        raise ValueError(f"expected {error}") from None


def _language(text: str) -> str:
    try:
        return normalise_language(text)
    except ValueError as error:
        raise ValueError(f"expected {error}") from None


class Features(Config):
    """What is kept of a conversation, and how, and what its agent can do beside talking."""

    transcription_enabled: bool = Field(
        default=True, description="Whether what is said is written down. Without it there is no analysis either."
    )
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

    recordings: Days | None = Field(None, description="Days after the call's end until its recording is erased.")
    transcripts: Days | None = Field(
        None, description="Days after the call's end until its transcript is erased, with all that was made of it."
    )


class AgentConfig(AgentTools):
    """Everything that shapes a conversation."""

    system_prompt: Text = Field(
        "",
        description="What the language model is told before all else; `{{name}}` is filled in from the call's "
        "`variables` and `metadata`.",
    )
    language: Annotated[Short, AfterValidator(_language)] | None = Field(
        None, description="A BCP 47 tag; null: American English.", examples=["en-US"]
    )
    stt: list[Choice] = Field(
        [],
        max_length=5,
        description="Who hears; where the first does not work, the next takes over, in the same turn. "
        "Empty: the installation's own, as of the other two.",
    )
    llm: list[Choice] = Field([], max_length=5, description="Who thinks of the words; the next takes over likewise.")
    tts: list[Voice] = Field([], max_length=5, description="Who speaks them; the next takes over likewise.")
    stt_provider: Name | None = Field(None, description="The same as `stt[0].provider`.")
    stt_model: Short | None = Field(None, description="The same as `stt[0].model`.")
    llm_provider: Name | None = Field(None, description="The same as `llm[0].provider`.")
    llm_model: Short | None = Field(None, description="The same as `llm[0].model`.")
    tts_provider: Name | None = Field(None, description="The same as `tts[0].provider`.")
    tts_model: Short | None = Field(None, description="The same as `tts[0].model`.")
    voice: Short | None = Field(None, description="The same as `tts[0].voice`.")
    first_message: Text = Field(
        "",
        description="What the agent says when the call starts; empty: it waits. Filled in as the prompt is.",
    )
    phrases: Phrases = Field(Phrases(), description="What the agent says of itself, beside what its model says.")
    max_duration_s: Seconds = Field(3600, description="Seconds after its start at which the agent ends the call.")
    silence_reminder_s: Seconds = Field(12, description="Seconds of silence after which the agent asks once.")
    silence_timeout_s: Seconds = Field(30, description="Seconds of silence after which the agent ends the call.")
    eager: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1,
        description="How likely a request to the language model may be in vain that is made before the caller's turn "
        "is over; 0: none is made before.",
    )
    machine_detection: MachineDetection = Field(
        "continue",
        description="What happens when a voicemail answers a phone that was called; a call may have its own.",
    )
    features: Features = Field(
        Features(), description="What is kept of a conversation, and where the agent may send a phone to."
    )
    retention_days: RetentionDays = Field(
        RetentionDays(), description="When recordings and transcripts of its calls are erased by themselves."
    )
    post_call: PostCall = Field(
        PostCall(), description="What is made of its calls when they are over, unless a call says otherwise."
    )

    @field_validator(*FIRST)
    @classmethod
    def _says_what_the_list_says(cls, value: str | None, info: ValidationInfo) -> str | None:
        kind, attribute = FIRST[info.field_name or ""]
        listed = info.data.get(kind)
        if value is not None and listed and getattr(listed[0], attribute) != value:
            raise ValueError(f"expected what {kind}[0].{attribute} says, or only one of the two")
        return value

    @classmethod
    @override
    def stored(cls, value: dict[str, Any]) -> Self:
        return super().stored(in_lists(value))

    @property
    def choices(self) -> dict[Kind, list[Any]]:
        """What was chosen of each kind, as it is stored."""
        return {"stt": self.stt, "llm": self.llm, "tts": self.tts}

    @property
    def names_providers(self) -> bool:
        """Whether what was given says anything about who hears, thinks and speaks, or in which language."""
        return not {"language", *KINDS, *FIRST}.isdisjoint(self.model_fields_set)

    def config(self) -> dict[str, Any]:
        """Every field of the configuration as JSON, defaults included; what was chosen is in the lists alone."""
        return in_lists(self._dump(set(AgentConfig.model_fields) - FIRST.keys() | self.changes().keys() & FIRST.keys()))

    def changes(self) -> dict[str, Any]:
        """The given fields as JSON: a single field says something only where its list was not given."""
        said = {name for name, (kind, _) in FIRST.items() if kind in self.model_fields_set}
        return self._dump(set(self.model_fields_set) - said)

    def _dump(self, fields: set[str]) -> dict[str, Any]:
        dumped = self.model_dump(include=fields)
        if "post_call" in dumped:
            dumped["post_call"] = self.post_call.given()
        return dumped


class AgentSnapshot(AgentConfig):
    """The agent of a call as it was when the call was created: `AgentSnapshot.stored(call.agent)`."""

    id: str
    name: str
