"""The settings of the whole stack: those of its processes, and the ports of what else it runs."""

import re
import shutil
from pathlib import Path

from pydantic import Field, field_validator
from typing_extensions import override

from calls.providers.endpoints import LOCAL
from calls.settings import Settings, WebUrl

ROOT = Path(__file__).resolve().parent.parent


def _is_elsewhere(provider: str | None, *, a_cloud: bool) -> bool:
    """Whether a service is not local speech's: another was chosen, or none was and there is a cloud to ask."""
    return a_cloud if provider is None else provider != LOCAL


class StackSettings(Settings):
    """All of `Settings`, and ports that only the stack needs to know. LiveKit's address and keys are its own."""

    livekit_port: int = Field(7880, ge=1, le=65535)
    livekit_tcp_port: int = Field(7881, ge=1, le=65535)
    livekit_udp_port: int = Field(7882, ge=1, le=65535)
    local_port: int = Field(8088, ge=1, le=65535)
    local_llm: Path | None = None
    ollama_url: WebUrl = "http://127.0.0.1:11434/v1"
    lm_studio_url: WebUrl = "http://127.0.0.1:1234/v1"
    redis_port: int = Field(7883, ge=1, le=65535)  # a Redis of our own: at 6379 is often somebody else's
    sip_bin: str | None = None  # None: the livekit-sip on the PATH; empty: no phones
    sip_port: int = Field(5060, ge=1, le=65535)
    sip_rtp_ports: str = "10000-10999"  # first and last; a call holds two, and for half a minute longer than it lasts

    @field_validator("sip_bin")
    @classmethod
    def _is_a_program(cls, value: str | None) -> str | None:
        if value and shutil.which(value) is None:
            raise ValueError("expected the path of a livekit-sip, or nothing: no phones")
        return value

    @field_validator("sip_rtp_ports")
    @classmethod
    def _is_a_range(cls, value: str) -> str:
        found = re.fullmatch(r"(\d+)-(\d+)", value)
        if found is None or not 0 < int(found[1]) < int(found[2]) <= 65535:  # noqa: PLR2004 # the highest port
            raise ValueError("expected the first and the last port, as in 10000-10999")
        return value

    @override
    def check_local(self) -> None:
        """What "local" is without an address, the stack knows: local speech."""

    @property
    def sip_program(self) -> str | None:
        """The path of the bridge to the phones, None if there is none."""
        return shutil.which("livekit-sip" if self.sip_bin is None else self.sip_bin)

    @property
    def folder(self) -> Path:
        """`state_dir`, absolute: whoever is started, from wherever, means the same folder."""
        return (ROOT / self.state_dir).resolve()

    @property
    def api_url(self) -> str:
        """Where this machine reaches the api, also when it listens on every interface."""
        host = "127.0.0.1" if self.api_host in {"0.0.0.0", "::", ""} else self.api_host  # noqa: S104 # compared, not bound
        return f"http://{host}:{self.api_port}"

    @property
    def local_url(self) -> str:
        return f"http://127.0.0.1:{self.local_port}"

    @property
    def seeks_model(self) -> bool:
        """Whether nobody chose a language model: neither a server nor a file."""
        return "CALLROOM_LLM_URL" in self.local_services and self.local_llm is None

    @property
    def local_services(self) -> dict[str, str]:
        """The setting of each speech or language service that nobody configured, pointing at local speech."""
        openai = bool(self.openai_api_key.get_secret_value()) or "openai_base_url" in self.model_fields_set
        deepgram = bool(self.deepgram_api_key.get_secret_value()) or "deepgram_url" in self.model_fields_set
        configured = {
            "CALLROOM_STT_URL": self.stt_url or _is_elsewhere(self.stt_provider, a_cloud=deepgram),
            "CALLROOM_TTS_URL": self.tts_url or _is_elsewhere(self.tts_provider, a_cloud=openai),
            "CALLROOM_LLM_URL": self.llm_url or _is_elsewhere(self.llm_provider, a_cloud=openai),
        }
        return {name: f"{self.local_url}/v1" for name, given in configured.items() if not given}
