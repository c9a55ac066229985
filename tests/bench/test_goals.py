"""Goals of runs whose figures are known."""

from typing import Any

import pytest

from bench.conversation.call import Call
from bench.conversation.figures import Cost, figures
from bench.conversation.goals import goals
from bench.conversation.latencies import PROFILES
from bench.conversation.material import Piece
from bench.conversation.sound import Span
from tests.bench.calls import LOG, SAID, call

TURNS = {
    "turns cut into",
    "turns answered",
    "replies broken off or with holes",
    "response to complete sentences, p95",
}
MOMENTS = {"join → first sound, p95", "interrupted → silent, p95"}
BESIDE = {"overhead over the providers, p50", "cores per call", "memory per call"}
REQUESTS, RESPONSE = "model requests per turn", "response, p50"

GREETING = (0.4, 3.0)
STOP = Span(30.0, 32.0)
HALVES = (Piece("A table for", 0.0, 0.8), Piece("two.", 1.6, 2.0))


def answered(after_s: float, *, greeting: tuple[float, float] = GREETING, stops_s: float = 0.3, **said: Any) -> Call:
    began = SAID.ended + after_s
    spans = [greeting, (began, began + 5), (25.0, STOP.began + stops_s)]
    return call(*spans, interrupted=STOP, **said)


def made(*calls: Call, cores: float = 0.1, memory_mb: float = 70.0, log: list[dict[str, Any]] = LOG) -> dict[str, Any]:
    return figures(calls, Cost([cores], [memory_mb]), log, PROFILES["usual"])


GOOD = [answered(0.88), answered(0.9), answered(0.88, kind="pause 1000", pieces=HALVES)]
PLAIN = made(*[answered(1.28)] * 3, cores=0.13)


def verdicts(ours: dict[str, Any], profile: str = "usual", calls: int = 2, *, whole: bool = True) -> dict[str, str]:
    lines = goals({"callroom": ours, "plain-vad": PLAIN}, profile, calls, whole=whole)
    return {line.what: line.verdict for line in lines}


def test_each_goal_is_a_line_with_what_was_measured() -> None:
    lines = {line.what: line for line in goals({"callroom": made(*GOOD), "plain-vad": PLAIN}, "usual", 2, whole=True)}
    assert lines.keys() == TURNS | MOMENTS | BESIDE | {REQUESTS, RESPONSE}
    assert {line.verdict for line in lines.values()} == {"reached"}
    assert (lines[RESPONSE].measured, lines[RESPONSE].goal) == ("880 ms", "<= 900 ms")
    assert lines["turns cut into"].measured == "0 of 3, 1 with a pause"
    assert lines["join → first sound, p95"].measured == "400 ms of 3"
    assert (lines["cores per call"].measured, lines["cores per call"].goal) == ("0.769", "<= 0.8 of plain-vad's")


@pytest.mark.parametrize(
    ("ours", "missed"),
    [
        (made(*GOOD, call(GREETING, (11.0, 11.4), (12.9, 18.0), apart=True)), "turns cut into"),
        (made(*GOOD, call(GREETING)), "turns answered"),
        (made(*GOOD, call(GREETING, (12.9, 13.4))), "replies broken off or with holes"),
        (made(*GOOD, answered(1.2)), "response to complete sentences, p95"),
        (made(*GOOD, answered(0.9, greeting=(0.7, 3.0))), "join → first sound, p95"),
        (made(*GOOD, answered(0.9, stops_s=0.5)), "interrupted → silent, p95"),
        (made(*GOOD, answered(0.9, stops_s=9.0)), "interrupted → silent, p95"),
        (made(*GOOD, log=[*LOG, LOG[3]]), REQUESTS),
        (made(*[answered(1.0)] * 3), RESPONSE),
        (made(*GOOD, cores=0.12), "cores per call"),
        (made(*GOOD, memory_mb=71.0), "memory per call"),
    ],
    ids=[
        "a cut-in, kept apart",
        "no answer",
        "a reply broken off",
        "a late answer",
        "a late greeting",
        "a late silence",
        "never silent",
        "two requests a turn",
        "late answers",
        "cores",
        "memory",
    ],
)
def test_what_is_not_reached_misses_its_own_goal_alone(ours: dict[str, Any], missed: str) -> None:
    assert [what for what, verdict in verdicts(ours).items() if verdict == "MISSED"] == [missed]


def test_a_call_without_a_first_sound_misses_the_goal_of_first_sounds() -> None:
    assert verdicts(made(call()))["join → first sound, p95"] == "MISSED"


def test_a_slow_answer_has_overhead_beside_the_plain_script() -> None:
    assert verdicts(made(*[answered(1.2)] * 3))["overhead over the providers, p50"] == "MISSED"


def test_with_quick_providers_the_whole_response_is_a_share_of_the_plain_scripts() -> None:
    good, slow = (verdicts(made(*[answered(after)] * 3), "fast")[RESPONSE] for after in (0.9, 1.0))
    assert (good, slow) == ("reached", "MISSED")


def test_a_goal_that_a_run_does_not_measure_is_no_line() -> None:
    ours = made(*GOOD)
    assert verdicts(ours, whole=False).keys() == TURNS | MOMENTS
    assert verdicts(ours, calls=8).keys() == TURNS | BESIDE | {REQUESTS}
    alone = goals({"callroom": ours}, "fast", 2, whole=True)
    assert {line.what for line in alone} == TURNS | MOMENTS | {REQUESTS}
    assert goals({"callroom-0": ours, "plain-vad": PLAIN}, "usual", 2, whole=True) == []
