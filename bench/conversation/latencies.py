"""How long the stand-ins take: fixed, so that what is more is the system's own."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Latencies:
    """Seconds."""

    stt_s: float  # from the arrival of the last loud sample to the final text
    llm_s: float  # from the request to the first token
    tts_s: float  # from the request to the first byte
    finalize_s: float  # from a Finalize to its answer, where the final text would have come later

    @property
    def sum_s(self) -> float:
        """The least that a system can take which asks one after the other."""
        return self.stt_s + self.llm_s + self.tts_s


PROFILES = {
    "usual": Latencies(stt_s=0.3, llm_s=0.35, tts_s=0.2, finalize_s=0.1),
    "fast": Latencies(stt_s=0.15, llm_s=0.12, tts_s=0.08, finalize_s=0.05),
}
TOKENS_PER_S = 50
TIMES_REAL_TIME = 4  # how quickly a voice comes
CHARACTERS_PER_S = 15  # how quickly it speaks
