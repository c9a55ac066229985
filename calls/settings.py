"""Every setting and its default, read from the environment or `.env` by the entry points only."""

from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Url = Annotated[str, Field(min_length=1)]
WebUrl = Annotated[str, Field(pattern=r"^https?://[^/\s]+\S*$")]


PROVIDER_NAME = r"^[a-z0-9][a-z0-9_-]*$"
DEEPGRAM_URL = "https://api.deepgram.com/v1"
OPENAI_URL = "https://api.openai.com/v1"
SHIPPED_PROVIDERS = frozenset({"deepgram", "openai", "local"})


class NamedProvider(BaseModel):
    """Any server that speaks OpenAI's protocol, or Deepgram's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: WebUrl  # ends in /v1
    api_key: SecretStr = SecretStr("")
    protocol: Literal["deepgram", "openai"] = "openai"


class Settings(BaseSettings):
    """One frozen object; names of the ecosystem where it has one, else `CALLROOM_` and the field's name."""

    model_config = SettingsConfigDict(
        env_prefix="CALLROOM_",
        env_file=".env",
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    livekit_url: Url = Field("ws://127.0.0.1:7880", validation_alias=AliasChoices("LIVEKIT_URL", "livekit_url"))
    livekit_api_key: str = Field("devkey", validation_alias=AliasChoices("LIVEKIT_API_KEY", "livekit_api_key"))
    livekit_api_secret: SecretStr = Field(
        SecretStr("callroom-development-secret-of-32+"),
        validation_alias=AliasChoices("LIVEKIT_API_SECRET", "livekit_api_secret"),
    )
    livekit_public_url: str | None = None
    public_url: WebUrl | None = None

    deepgram_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("DEEPGRAM_API_KEY", "deepgram_api_key"),
    )
    openai_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("OPENAI_API_KEY", "openai_api_key"),
    )
    openai_base_url: str = Field(
        OPENAI_URL,
        validation_alias=AliasChoices("OPENAI_BASE_URL", "openai_base_url"),
    )
    deepgram_url: str = DEEPGRAM_URL
    # A server of one's own for one kind of service, which agents know as "local"; a key goes to the one that it is for.
    stt_url: str | None = None
    stt_api_key: SecretStr = SecretStr("")
    llm_url: str | None = None
    llm_api_key: SecretStr = SecretStr("")
    tts_url: str | None = None
    tts_api_key: SecretStr = SecretStr("")
    providers: dict[Annotated[str, Field(pattern=PROVIDER_NAME)], NamedProvider] = {}  # more of them, as JSON
    # Who is asked where an agent names nobody, and for what: None is "local" where that has an address, else a cloud.
    stt_provider: str | None = None
    stt_model: str | None = None
    llm_provider: str | None = None
    llm_model: str | None = None
    tts_provider: str | None = None
    tts_model: str | None = None
    tts_voice: str | None = None
    # For so long each may take, then the next provider of the agent's list is asked, or the same one again.
    stt_words_s: float = Field(2, gt=0)  # from the end of a caller's speech to what was said
    llm_first_word_s: float = Field(4, gt=0)
    tts_first_sound_s: float = Field(3, gt=0)

    state_dir: Path = Path(".callroom")
    database_url: str = ""
    storage_url: str = ""
    encryption_keys: SecretStr = SecretStr("")  # Fernet keys, comma-separated: the first encrypts, all decrypt

    agent_name: str = "callroom"
    worker_max_calls: int = Field(10, ge=1)  # with one person each; every further person weighs as a call
    max_participants: int = Field(50, ge=1, le=500)  # of one call
    worker_drain_s: float = Field(3600, ge=0)
    api_host: str = "127.0.0.1"
    api_port: int = Field(8080, ge=0, le=65535)
    worker_host: str = "127.0.0.1"
    worker_port: int = Field(8081, ge=0, le=65535)
    pipeline_host: str = "127.0.0.1"
    pipeline_port: int = Field(8082, ge=0, le=65535)

    phone_calls_at_once: int = Field(50, ge=1)  # of one tenant: phones that it calls, and that call it
    phone_calls_per_second: int = Field(5, ge=1)  # that one tenant begins

    join_timeout_s: float = Field(60, gt=0)
    ring_timeout_s: float = Field(45, gt=0)
    agent_join_timeout_s: float = Field(5, gt=0)
    dispatch_attempts: int = Field(3, ge=1)
    agent_return_timeout_s: float = Field(30, gt=0)
    lease_s: float = Field(10, gt=0)

    price_per_minute_webrtc: float = Field(0.0, ge=0)
    price_per_minute_pstn: float = Field(0.0, ge=0)

    publishable_calls_per_minute: int = Field(60, ge=1)
    publishable_calls_per_minute_per_address: int = Field(30, ge=1)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    webhook_private_addresses: bool = False
    tool_private_addresses: bool = False  # and secrets over plain http://

    recorder: Literal["worker", "egress"] = "worker"  # who records calls: the worker, or LiveKit Egress
    recording_link_s: int = Field(900, ge=1, le=604_800)  # S3 signs for a week at most

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            ip_network(text, strict=False)  # its ValueError says what was expected
        return value

    @field_validator("providers")
    @classmethod
    def _are_new_names(cls, value: dict[str, NamedProvider]) -> dict[str, NamedProvider]:
        if taken := sorted(SHIPPED_PROVIDERS & value.keys()):
            raise ValueError(f"expected other names than {', '.join(taken)}, which have settings of their own")
        return value

    @model_validator(mode="after")
    def _check_local(self) -> "Settings":
        self.check_local()
        return self

    def check_local(self) -> None:
        """Raise ValueError if "local" is chosen and nothing says where that is."""
        for kind in ("stt", "llm", "tts"):
            if getattr(self, f"{kind}_provider") == "local" and getattr(self, f"{kind}_url") is None:
                name = f"CALLROOM_{kind.upper()}"
                raise ValueError(f"{name}_PROVIDER is local: expected {name}_URL too")

    @property
    def database(self) -> str:
        """The database's URL: the given one, else an SQLite file under `state_dir`."""
        return self.database_url or f"sqlite:///{(self.state_dir / 'callroom.db').absolute()}"

    @property
    def storage(self) -> str:
        """Where recordings are kept: a `file:///` or `s3://` URL."""
        return self.storage_url or (self.state_dir / "storage").absolute().as_uri()

    @property
    def encryption_key_file(self) -> Path:
        """The keys of stored secrets where `encryption_keys` names none."""
        return self.state_dir / "encryption.key"

    @property
    def speech_dir(self) -> Path:
        """Where the worker keeps how its agents' voices say their own phrases."""
        return self.state_dir / "speech"

    @property
    def recordings_dir(self) -> Path:
        """Where a worker writes a recording while the call runs."""
        return self.state_dir / "recordings"

    @property
    def livekit_for_browsers(self) -> str:
        """The LiveKit address that a browser is given."""
        return self.livekit_public_url or self.livekit_url
