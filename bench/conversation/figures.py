"""From what was said and heard in calls to figures."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from bench.conversation.call import ANSWER_WITHIN_S, Call, Turn
from bench.conversation.latencies import Latencies
from bench.conversation.standins import ANSWER, speech_s
from bench.table import percentile

Log = Sequence[dict[str, Any]]

SHORTER_S = 0.4  # a reply that lacks more was broken off: pieces lose a space each, fades a little
WENT_ON_S = 0.15  # the longest silence of an agent that an "mm-hm" does not disturb
LOOKED_AT_S = 3.0  # after an "mm-hm" or an interruption
PARTS = (
    "caller → STT",
    "STT",
    "decision",
    "LLM",
    "text to speak",
    "TTS",
    "TTS → caller",
)


@dataclass(frozen=True)
class Judged:
    """One turn.

    paused       whether what was said has a pause
    answered     whether a reply began after the last loud frame out; what cut in and went on is none
    response_s   from the last loud frame out to the first loud frame in; None if there was none, or a cut-in
    flawed       whether the reply was broken off or had holes; a turn with a cut-in is not judged
    parts_s      where the response's time went, by the names of PARTS; None where the log does not tell
    requests     of the language model
    """

    kind: str
    apart: bool
    paused: bool
    cut_in: bool
    answered: bool
    response_s: float | None
    flawed: bool
    parts_s: dict[str, float] | None
    requests: int


@dataclass
class Cost:
    """What the calls of one system cost, each figure a measurement of one round."""

    cores_per_call: list[float] = field(default_factory=list)
    memory_mb_per_call: list[float] = field(default_factory=list)
    shared_cores_per_call: dict[str, list[float]] = field(default_factory=dict)


def judged(call: Call, turn: Turn, log: Log) -> Judged:
    """A turn of a call, by its sound and the stand-ins' log."""
    heard, said = call.caller.heard, turn.said
    cut_in = heard.cuts_into(said)
    reply = heard.reply(said.ended)
    answered = reply is not None and reply.began - said.ended <= ANSWER_WITHIN_S
    entries = [one for one in log if one["call"] == call.model and said.began <= one["at"] <= turn.until]
    response_s, flawed, parts = None, False, None
    if reply is not None and answered and not cut_in:
        response_s = reply.began - said.ended
        flawed = reply.holes > 0 or reply.seconds < speech_s(ANSWER) - SHORTER_S
        parts = parts_s(said.ended, reply.began, entries)
    return Judged(
        kind=turn.sentence.kind,
        apart=turn.sentence.apart,
        paused=len(turn.sentence.pieces) > 1,
        cut_in=cut_in,
        answered=answered,
        response_s=response_s,
        flawed=flawed,
        parts_s=parts,
        requests=sum(one["kind"] == "llm" for one in entries),
    )


def parts_s(ended: float, heard: float, log: Log) -> dict[str, float] | None:
    """Where the time went between the end of what was said and the first sound; the parts add up to it.

    A part is negative where the next one did not wait for it, as that of a model which is asked before the words are
    final.
    """
    finals = [one for one in log if one["kind"] == "stt" and one["at"] <= heard]
    requests = [one for one in log if one["kind"] == "llm" and one.get("first_at", heard) < heard]
    if not finals or not requests:
        return None
    final, request = finals[-1], requests[-1]
    voices = [
        one for one in log if one["kind"] == "tts" and request["at"] < one["at"] and one.get("first_at", heard) < heard
    ]
    if not voices:
        return None
    voice = voices[0]
    moments = [ended, final["loud_at"], final["at"], request["at"], request["first_at"], voice["at"], voice["first_at"]]
    ends = [*moments[1:], heard]
    return {name: end - begin for name, begin, end in zip(PARTS, moments, ends, strict=True)}


def figures(calls: Sequence[Call], cost: Cost, log: Log, latencies: Latencies) -> dict[str, Any]:
    """Everything about one system, as JSON; times in seconds."""
    turns = [judged(call, turn, log) for call in calls for turn in call.turns]
    greeted = [(call.caller.heard.first_after(call.caller.joined_at), call.caller.joined_at) for call in calls]
    words = [(call.caller.heard, call.interrupted) for call in calls if call.interrupted]
    interrupted = [heard.silent_after(said, LOOKED_AT_S) for heard, said in words if heard.is_heard_at(said.began)]
    gaps = [
        call.caller.heard.longest_gap(call.agreed.began, call.agreed.began + LOOKED_AT_S)
        for call in calls
        if call.agreed
    ]
    return {
        "all": _of(turns, latencies),
        "tuning": _of((one for one in turns if not one.apart), latencies),
        "apart": _of((one for one in turns if one.apart), latencies),
        "by_kind": {
            kind: _of((one for one in turns if one.kind == kind), latencies)
            for kind in dict.fromkeys(one.kind for one in turns)
        },
        "first_sound_s": _spread([heard - joined for heard, joined in greeted if heard is not None]),
        "unanswered_joins": sum(heard is None for heard, _ in greeted),
        "silent_after_interruption_s": _spread([one for one in interrupted if one is not None]),
        "not_interrupted": sum(one is None for one in interrupted),
        "silent_before_interruption": len(words) - len(interrupted),
        "agreements": len(gaps),
        "went_on_after_agreement": sum(gap <= WENT_ON_S for gap in gaps),
        "longest_gap_after_agreement_s": max(gaps, default=None),
        "cores_per_call": _mean(cost.cores_per_call),
        "memory_mb_per_call": _mean(cost.memory_mb_per_call),
        "shared_cores_per_call": {name: _mean(cores) for name, cores in cost.shared_cores_per_call.items()},
        "turns": [asdict(one) for one in turns],
    }


def _of(chosen: Iterable[Judged], latencies: Latencies) -> dict[str, Any]:
    turns = list(chosen)
    responses = [one.response_s for one in turns if one.response_s is not None]
    parts = [one.parts_s for one in turns if one.parts_s is not None]
    complete = [one.response_s for one in turns if one.response_s is not None and one.kind == "complete"]
    spread = _spread(responses)
    return {
        "turns": len(turns),
        "with_pause": sum(one.paused for one in turns),
        "answered": sum(one.answered for one in turns),
        "cut_ins": sum(one.cut_in for one in turns),
        "flawed_replies": sum(one.flawed for one in turns),
        "response_s": spread,
        "response_to_complete_s": _spread(complete),
        "overhead_s": None if spread is None else spread["p50"] - latencies.sum_s,
        "requests_per_turn": _mean([one.requests for one in turns]),
        "parts_s": {name: median(one[name] for one in parts) for name in PARTS} if parts else None,
    }


def _spread(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {"count": len(seconds), **{name: percentile(seconds, share) / 1000 for name, share in shares.items()}}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
