"""What an agent can be made of."""

from api.schema.common import Answer


class ModelOption(Answer):
    """A language model."""

    id: str
    provider_id: str


class VoiceOption(Answer):
    """A voice."""

    id: str
    provider: str
    name: str


class LlmOptions(Answer):
    """The models and voices of this installation."""

    models: list[ModelOption]
    voices: list[VoiceOption]


class QueueStats(Answer):
    """The tenant's dial jobs by state."""

    waiting: int
    active: int
    completed: int
    failed: int
