"""The settings of the whole stack: those of its processes, and the ports of what else it runs."""

from pathlib import Path

from pydantic import Field

from calls.settings import Settings

ROOT = Path(__file__).resolve().parent.parent


class StackSettings(Settings):
    """All of `Settings`, and ports that only the stack needs to know. LiveKit's address and keys are its own."""

    livekit_port: int = Field(7880, ge=1, le=65535)
    livekit_tcp_port: int = Field(7881, ge=1, le=65535)
    livekit_udp_port: int = Field(7882, ge=1, le=65535)
    local_port: int = Field(8088, ge=1, le=65535)

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
    def local_services(self) -> dict[str, str]:
        """The setting of each speech or language service that nobody configured, pointing at local speech."""
        openai = bool(self.openai_api_key.get_secret_value()) or "openai_base_url" in self.model_fields_set
        configured = {
            "CALLROOM_STT_URL": bool(self.deepgram_api_key.get_secret_value()) or "stt_url" in self.model_fields_set,
            "CALLROOM_TTS_URL": openai or "tts_url" in self.model_fields_set,
            "CALLROOM_LLM_URL": openai or "llm_url" in self.model_fields_set,
        }
        return {name: f"{self.local_url}/v1" for name, given in configured.items() if not given}
