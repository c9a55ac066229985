"""What a pipeline tells Prometheus: how long callers waited, of the calls whose turns it has counted."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest

from calls.latency import Turn

BUCKETS_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """Counts from the start of this process on."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._turns = Histogram(
            "callroom_turn_seconds",
            "What a caller waited for an answer: the whole response, and each part of it.",
            ["part"],
            buckets=BUCKETS_S,
            registry=self._registry,
        )

    def count(self, turns: Iterable[Turn]) -> None:
        """Count these turns, too."""
        for turn in turns:
            for part in ("response", "end_of_turn", "llm", "tts"):
                self._turns.labels(part).observe(getattr(turn, f"{part}_ms") / 1000)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
