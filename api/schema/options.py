"""What an agent can be made of."""

from pydantic import Field

from api.schema.common import Answer


class ModelOption(Answer):
    """A language model."""

    id: str = Field(description="What an agent names it by, as `llm_model`.")
    provider_id: str = Field(description="Whose it is: the agent's `llm_provider`.")


class VoiceOption(Answer):
    """A voice."""

    id: str = Field(description="What an agent names it by, as `voice`.")
    provider: str = Field(description="Whose it is: the agent's `tts_provider`.")
    name: str = Field(description="The same for people.")


class UsualModel(Answer):
    """The language model that answers for an agent that names none."""

    provider_id: str = Field(description="Whose it is.", examples=["openai"])
    id: str | None = Field(description="Its name; null: the usual one of a plugin.", examples=["gpt-4.1-mini"])


class LlmOptions(Answer):
    """The models and voices of this installation."""

    models: list[ModelOption] = Field(description="Those that the providers tell of.")
    usual: UsualModel = Field(description="The model that answers for an agent that names none.")
    voices: list[VoiceOption] = Field(description="The same of voices.")


class QueueStats(Answer):
    """The tenant's dial jobs by state."""

    waiting: int = Field(description="Phones that wait to be dialled.")
    active: int = Field(description="Phones that are being dialled.")
    completed: int = Field(description="Phones that were dialled, whatever came of it.")
    failed: int = Field(description="Phones that could not be dialled.")
