"""From an agent's configuration to a LiveKit AgentSession: providers reached by URL, turn-taking on this machine."""

from typing import Any

from livekit.agents import AgentSession, APIConnectOptions, inference, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions
from livekit.plugins import deepgram, openai

from calls.settings import Settings
from worker.voice import SAMPLE_RATE

# A hung provider must not leave the caller in silence for long: one retry, and no endless waiting.
CONNECT = SessionConnectOptions(
    llm_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=8),
    tts_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=8),
    max_unrecoverable_errors=1_000,  # `Failures` decides when a call is hopeless
)
RESUME_S = 0.35  # of quiet after a cough until the agent goes on; the voice activity model adds its own 0.25 s
INTERRUPT_S = 0.5  # shorter sounds do not even pause the agent
NO_KEY = "none"  # the plugins insist on a key, local servers need none


def recognizer(agent: dict[str, Any], settings: Settings) -> stt.STT[Any]:
    """The speech recognition of an agent."""
    return deepgram.STT(
        base_url=f"{settings.stt}/listen",
        api_key=settings.deepgram_api_key.get_secret_value() or NO_KEY,
        model=agent.get("stt_model") or settings.stt_model,
        language=agent.get("language") or "en-US",
    )


def make_session(agent: dict[str, Any], settings: Settings, ears: stt.STT[Any]) -> AgentSession[None]:
    """The session of one call; nothing of it reaches for a cloud that the settings do not name.

    Args:
        agent: the call's snapshot of its agent.
        settings: where the providers are, and the models of an agent that names none.
        ears: what the session takes as its speech recognition, whose errors it reports.
    """
    return AgentSession(
        stt=ears,
        llm=_mind(agent, settings),
        tts=_mouth(agent, settings),
        vad=inference.VAD(model="silero"),
        turn_handling={
            "turn_detection": inference.TurnDetector(version="v1-mini"),
            "endpointing": {"min_delay": 0.3, "max_delay": 2.0},
            "interruption": {
                "mode": "vad",
                "min_duration": INTERRUPT_S,
                "resume_false_interruption": True,
                "false_interruption_timeout": RESUME_S,
            },
            "preemptive_generation": {"enabled": True},
        },
        conn_options=CONNECT,
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0,  # our own ears wait for the last words
    )


def _mind(agent: dict[str, Any], settings: Settings) -> llm.LLM[Any]:
    return openai.LLM(
        base_url=settings.llm,
        api_key=settings.openai_api_key.get_secret_value() or NO_KEY,
        model=agent.get("llm_model") or settings.llm_model,
    )


def _mouth(agent: dict[str, Any], settings: Settings) -> tts.TTS[Any]:
    if agent.get("tts_provider") == "deepgram":
        voice = agent.get("voice") or agent.get("tts_model") or "aura-2-andromeda-en"
        return deepgram.TTS(
            base_url=f"{(settings.tts_url or settings.stt).rstrip('/')}/speak",
            api_key=settings.deepgram_api_key.get_secret_value() or NO_KEY,
            model=voice,
            sample_rate=SAMPLE_RATE,
        )
    return openai.TTS(
        base_url=settings.tts,
        api_key=settings.openai_api_key.get_secret_value() or NO_KEY,
        model=agent.get("tts_model") or settings.tts_model,
        voice=agent.get("voice") or settings.tts_voice,
        response_format="pcm",
    )
