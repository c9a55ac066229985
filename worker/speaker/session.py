"""The LiveKit AgentSession of a call: its providers, and turn-taking that is decided on this machine."""

from typing import Any

from livekit.agents import AgentSession, APIConnectOptions, inference, llm, stt, vad
from livekit.agents.voice.agent_session import SessionConnectOptions

from calls.agent_config import AgentConfig
from worker.providers import Providers

# A hung provider must not leave the caller in silence for long: one retry, and no endless waiting.
CONNECT = SessionConnectOptions(
    llm_conn_options=APIConnectOptions(max_retry=0),  # `Answers` asks again, and waits no longer than a caller does
    tts_conn_options=APIConnectOptions(max_retry=1, retry_interval=0.3, timeout=8),
    max_unrecoverable_errors=1_000,  # `Failures` decides when a call is hopeless
)
RESUME_S = 0.35  # of quiet after a cough until the agent goes on; the voice activity adds its own 0.25 s
INTERRUPT_S = 0.5  # shorter sounds do not even pause the agent


def make_session(
    agent: AgentConfig,
    providers: Providers,
    model: llm.LLM[Any],
    recognition: stt.STT[Any],
    activity: vad.VAD,
) -> AgentSession[None]:
    """The session of one call; nothing of it reaches for a cloud that the settings do not name.

    Args:
        agent: the configuration of the call's agent.
        providers: where its voice comes from.
        model: the first of its language models.
        recognition: that there is speech recognition; the ears use it, and judge its errors.
        activity: who speaks and who is silent.
    """
    return AgentSession(
        stt=recognition,
        llm=model,
        tts=providers.voices(agent)[0],
        vad=activity,
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
        use_tts_aligned_transcript=True,  # the pace of each piece is known where its sound has come
        tts_text_transforms=None,  # the agent leaves out what is not said, for voice and transcript alike
        conn_options=CONNECT,
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0,  # our own ears wait for the last words
    )
