"""The LiveKit AgentSession of a call: its providers, and turn-taking that is decided on this machine."""

from typing import Any

from livekit.agents import AgentSession, APIConnectOptions, llm, stt, tts, vad
from livekit.agents.voice.agent_session import SessionConnectOptions

from worker.room.speech import END_S
from worker.turns.curve import LEAST_S, MOST_S
from worker.turns.turn_end import TurnEnd

# A hung provider must not leave the caller in silence for long: no endless waiting.
CONNECT = SessionConnectOptions(
    llm_conn_options=APIConnectOptions(max_retry=0),  # `Answers` asks again, and waits no longer than a caller does
    tts_conn_options=APIConnectOptions(max_retry=0),  # and so do `Voices`
    max_unrecoverable_errors=1_000,  # `Failures` decides when a call is hopeless
)
RESUME_S = 0.35  # of quiet after what may have been words until the agent goes on; the voice activity adds `END_S`
INTERRUPT_S = 0.8  # with the silence at its end; after what is shorter, `Courtesy` has the agent go on
LONGEST_S, PIECES = 120.0, 100  # of what a caller says before it is answered


def wait_for_words(session: AgentSession[None], seconds: float) -> None:
    """Have it go on so long after a voice that is an interruption, if no words come: where they come late."""
    session.options.interruption["false_interruption_timeout"] = max(RESUME_S, seconds - END_S)


def make_session(
    model: llm.LLM[Any],
    voice: tts.TTS[Any],
    recognition: stt.STT[Any],
    activity: vad.VAD,
    turn_end: TurnEnd,
) -> AgentSession[None]:
    """The session of one call; nothing of it reaches for a cloud that the settings do not name.

    Args:
        model: the first of the agent's language models.
        voice: what speaks.
        recognition: that there is speech recognition; the ears use it, and judge its errors.
        activity: who speaks and who is silent.
        turn_end: when it is the agent's turn.
    """
    return AgentSession(
        stt=recognition,
        llm=model,
        tts=voice,
        vad=activity,
        turn_handling={
            "turn_detection": turn_end,
            "endpointing": {"min_delay": LEAST_S, "max_delay": MOST_S},
            "interruption": {
                "mode": "vad",
                "min_duration": INTERRUPT_S,
                "resume_false_interruption": True,
                "false_interruption_timeout": RESUME_S,
            },
            # Whenever more was said; `TurnEnd` has the model asked only when that is likely to have been all.
            "preemptive_generation": {"enabled": True, "max_speech_duration": LONGEST_S, "max_retries": PIECES},
        },
        use_tts_aligned_transcript=True,  # the pace of each piece is known where its sound has come
        tts_text_transforms=None,  # the agent leaves out what is not said, for voice and transcript alike
        conn_options=CONNECT,
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0,  # our own ears wait for the last words
    )
